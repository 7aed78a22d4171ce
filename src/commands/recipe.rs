//! From a plan to the build request; the dry run stops right behind it.

use std::path::{Path, PathBuf};

use super::project::Project;
use crate::builder::{BuildRequest, BuildSecret};
use crate::config::settings::{DockerfileChoice, SecretValue};
use crate::diagnostic::{Warning, printable_path};
use crate::error::{CommandError, Error};
use crate::host::{FILE_LIMIT, Folder, read_named};
use crate::image::dockerfile::{self, BuildContext, BuilderBackend, OwnContext};
use crate::image::plan::{CA_SECRET, ImagePlan};
use crate::rel_path::RelPath;
use crate::repo::ignore::IgnoreRules;
use crate::repo::{Exclusions, SourceEntry};
use crate::secret::Secret;

/// What is built: the text of the Dockerfile and the request that carries it.
pub struct Recipe {
    pub dockerfile: String,
    pub warnings: Vec<Warning>,
    pub request: BuildRequest,
}

/// Whether the values of secrets are read; a dry run names them only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    Read,
    NameOnly,
}

/// Puts the request for `plan` together.
pub fn write_recipe(
    project: &Project,
    plan: &ImagePlan,
    backend: BuilderBackend,
    secrets: Secrets,
) -> Result<Recipe, Error> {
    let choice = project.settings.dockerfile.as_ref().map_or(&DockerfileChoice::Generated, |choice| &choice.value);
    let mut warnings = Vec::new();
    let (path, text, context) = match choice {
        DockerfileChoice::Generated => generated(project, plan, backend)?,
        DockerfileChoice::Own => own(project, &own_path(project), &mut warnings)?,
        DockerfileChoice::Path(path) => own(project, path, &mut warnings)?,
    };
    let request = request(project, plan, path, context, read_secrets(plan, secrets)?);
    Ok(Recipe { dockerfile: text, warnings, request })
}

fn own_path(project: &Project) -> String {
    project.facts.own_dockerfile.as_ref().map_or_else(|| "Dockerfile".to_owned(), ToString::to_string)
}

fn generated(
    project: &Project,
    plan: &ImagePlan,
    backend: BuilderBackend,
) -> Result<(String, String, BuildContext), Error> {
    let text = dockerfile::render(plan, backend)?;
    let rules = IgnoreRules::of_tree(&project.tree, None)?;
    let sources = without_written(project, rules.sent(&project.tree, &[])?);
    let context = dockerfile::context(plan, &text, &project.tree, sources)?;
    Ok((dockerfile::DOCKERFILE_NAME.to_owned(), text, context))
}

fn own(project: &Project, path: &str, warnings: &mut Vec<Warning>) -> Result<(String, String, BuildContext), Error> {
    let missing = |source| CommandError::Read {
        path: project.tree.root.join(path),
        wanted_by: "the `dockerfile` setting".to_owned(),
        source,
    };
    let relative = RelPath::new(path).map_err(|outside| missing(std::io::Error::other(outside.to_string())))?;
    let root = Folder::open(&project.tree.root).map_err(missing)?;
    let bytes = root.read(Path::new(relative.as_str()), FILE_LIMIT).map_err(|error| missing(error.into()))?;
    let text = String::from_utf8(bytes).map_err(|_| missing(std::io::Error::other("it is not UTF-8")))?;
    // The user's Dockerfile may copy what a generated one never needs, such as a build of the host.
    let tree = project.tree.read_again(Exclusions::Reports)?;
    let rules = IgnoreRules::of_tree(&tree, Some(&relative))?;
    let sources = rules.sent(&tree, &[Path::new(relative.as_str()), Path::new(".dockerignore")])?;
    let sources = without_written(project, sources);
    let OwnContext { context, left_out } = dockerfile::own_context(&tree, sources)?;
    warnings.extend(environment_files_left_out(&left_out));
    Ok((relative.as_str().to_owned(), text, context))
}

/// The user's Dockerfile may count on them, so that a `COPY` fails.
fn environment_files_left_out(paths: &[PathBuf]) -> Option<Warning> {
    /// More of them say nothing more.
    const MOST: usize = 5;
    // Packages come with theirs.
    let own: Vec<&PathBuf> =
        paths.iter().filter(|path| !path.components().any(|part| part.as_os_str() == "node_modules")).collect();
    let first = own.first()?;
    let mut names: Vec<String> = own.iter().take(MOST).map(|path| format!("`{}`", printable_path(path))).collect();
    if own.len() > MOST {
        names.push(format!("{} more", own.len() - MOST));
    }
    let message = format!("environment files that git does not track are not sent to the build: {}", names.join(", "));
    let hint = format!(
        "if the build needs one, pass `--secret-file env={}` and mount it with `RUN --mount=type=secret,id=env`",
        printable_path(first)
    );
    Some(Warning::new("dockerfile/untracked-env-file", message).with_hint(hint))
}

/// What an earlier run has written is of no use to a build, and other after every run.
fn without_written<'a>(project: &Project, mut sources: Vec<&'a SourceEntry>) -> Vec<&'a SourceEntry> {
    let root = &project.tree.root;
    let written: Vec<&Path> = project.written.iter().filter_map(|path| path.strip_prefix(root).ok()).collect();
    // A cache folder that is the repository itself holds more than what was written.
    sources.retain(|entry| !written.iter().any(|path| *path != Path::new("") && entry.path.starts_with(path)));
    sources
}

fn request(
    project: &Project,
    plan: &ImagePlan,
    dockerfile: String,
    context: BuildContext,
    secrets: Vec<BuildSecret>,
) -> BuildRequest {
    let settings = &project.settings;
    let mut build_args: std::collections::BTreeMap<String, String> =
        settings.build_args.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect();
    if let Some(epoch) = plan.source_date_epoch {
        build_args.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert_with(|| epoch.to_string());
    }
    BuildRequest {
        context,
        dockerfile,
        tags: plan.tags.iter().map(|tag| tag.value.clone()).collect(),
        platform: settings.platform.as_ref().map(|platform| platform.value.clone()),
        target: settings.target.as_ref().map(|target| target.value.clone()),
        build_args,
        labels: plan.labels.clone(),
        secrets,
        credentials: std::collections::BTreeMap::new(),
        network: settings.network.as_ref().map(|network| network.value.clone()),
        cache_from: settings.cache_from.iter().map(|image| image.value.clone()).collect(),
        memory: settings.memory.as_ref().map(|memory| memory.value),
        cache: settings.cache,
        pull: settings.pull,
        timeout: settings.build_timeout.as_ref().map(|timeout| timeout.value),
    }
}

fn read_secrets(plan: &ImagePlan, secrets: Secrets) -> Result<Vec<BuildSecret>, Error> {
    plan.secrets
        .iter()
        .map(|secret| {
            let value = match (&secret.value, secrets) {
                (_, Secrets::NameOnly) => Vec::new(),
                (SecretValue::Value(value), Secrets::Read) => value.expose().clone().into_bytes(),
                (SecretValue::File(path), Secrets::Read) => read_named(path, FILE_LIMIT).map_err(|source| {
                    CommandError::Read { path: path.clone(), wanted_by: format!("the secret `{}`", secret.id), source }
                })?,
            };
            // Certificates are public.
            let value = if secret.id == CA_SECRET { Secret::compound(value) } else { Secret::new(value) };
            Ok(BuildSecret { id: secret.id.clone(), value })
        })
        .collect()
}
