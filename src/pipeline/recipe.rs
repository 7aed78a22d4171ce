//! From a plan to the build request; a dry run stops right after it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::open::Opened;
use crate::builder::{BuildRequest, BuildSecret, RegistryCredentials};
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

/// The text of the Dockerfile and the request that carries it.
pub(super) struct Recipe {
    pub(super) dockerfile: String,
    pub(super) request: BuildRequest,
    pub(super) warnings: Vec<Warning>,
}

/// Whether the values of secrets are read; a dry run only names them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SecretValues {
    Read,
    NameOnly,
}

/// Puts the request for `plan` together. `credentials` are those for base images, by registry host.
pub(super) fn write(
    opened: &Opened,
    plan: &ImagePlan,
    backend: BuilderBackend,
    secrets: SecretValues,
    credentials: BTreeMap<String, RegistryCredentials>,
) -> Result<Recipe, Error> {
    let choice = opened.settings.dockerfile.as_ref().map_or(&DockerfileChoice::Generated, |choice| &choice.value);
    let mut warnings = Vec::new();
    let (path, dockerfile, context) = match choice {
        DockerfileChoice::Generated => generated(opened, plan, backend)?,
        DockerfileChoice::Own => own(opened, &own_path(opened), &mut warnings)?,
        DockerfileChoice::Path(path) => own(opened, path, &mut warnings)?,
    };
    let settings = &opened.settings;
    let mut build_args: BTreeMap<String, String> =
        settings.build_args.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect();
    if let Some(epoch) = plan.source_date_epoch {
        build_args.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert_with(|| epoch.to_string());
    }
    let request = BuildRequest {
        context,
        dockerfile: path,
        tags: plan.tags.iter().map(|tag| tag.value.clone()).collect(),
        platform: settings.platform.as_ref().map(|platform| platform.value.clone()),
        target: settings.target.as_ref().map(|target| target.value.clone()),
        build_args,
        labels: plan.labels.clone(),
        secrets: read_secrets(plan, secrets)?,
        credentials,
        network: settings.network.as_ref().map(|network| network.value.clone()),
        cache_from: settings.cache_from.iter().map(|image| image.value.clone()).collect(),
        memory: settings.memory.as_ref().map(|memory| memory.value),
        cache: settings.cache,
        pull: settings.pull,
        timeout: settings.build_timeout.as_ref().map(|timeout| timeout.value),
    };
    Ok(Recipe { dockerfile, request, warnings })
}

fn own_path(opened: &Opened) -> String {
    opened.facts.own_dockerfile.as_ref().map_or_else(|| "Dockerfile".to_owned(), ToString::to_string)
}

fn generated(
    opened: &Opened,
    plan: &ImagePlan,
    backend: BuilderBackend,
) -> Result<(String, String, BuildContext), Error> {
    let text = dockerfile::render(plan, backend)?;
    let rules = IgnoreRules::of_tree(&opened.tree, None)?;
    let sources = without_written(opened, rules.sent(&opened.tree, &[])?);
    let context = dockerfile::context(plan, &text, &opened.tree, sources)?;
    Ok((dockerfile::DOCKERFILE_NAME.to_owned(), text, context))
}

fn own(opened: &Opened, path: &str, warnings: &mut Vec<Warning>) -> Result<(String, String, BuildContext), Error> {
    let missing = |source| CommandError::Read {
        path: opened.tree.root.join(path),
        wanted_by: "the `dockerfile` setting".to_owned(),
        source,
    };
    let relative = RelPath::new(path).map_err(|outside| missing(std::io::Error::other(outside.to_string())))?;
    let root = Folder::open(&opened.tree.root).map_err(missing)?;
    let bytes = root.read(Path::new(relative.as_str()), FILE_LIMIT).map_err(|error| missing(error.into()))?;
    let text = String::from_utf8(bytes).map_err(|_| missing(std::io::Error::other("it is not UTF-8")))?;
    // The user's Dockerfile may copy what a generated one never needs, such as a build of the host.
    let tree = opened.tree.read_again(Exclusions::Reports)?;
    let rules = IgnoreRules::of_tree(&tree, Some(&relative))?;
    let sources = rules.sent(&tree, &[Path::new(relative.as_str()), Path::new(".dockerignore")])?;
    let sources = without_written(opened, sources);
    let OwnContext { context, left_out } = dockerfile::own_context(&tree, sources)?;
    warnings.extend(environment_files_left_out(&left_out));
    Ok((relative.as_str().to_owned(), text, context))
}

/// A `COPY` of the user's Dockerfile may fail without them.
fn environment_files_left_out(paths: &[PathBuf]) -> Option<Warning> {
    const MOST: usize = 5;
    // Those of packages do not belong to the user.
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

/// Without files that earlier runs wrote: they would change the context, and so the image, with every run.
fn without_written<'a>(opened: &Opened, mut sources: Vec<&'a SourceEntry>) -> Vec<&'a SourceEntry> {
    let root = &opened.tree.root;
    let written: Vec<&Path> = opened.written.iter().filter_map(|path| path.strip_prefix(root).ok()).collect();
    // A cache folder may be the repository itself.
    sources.retain(|entry| !written.iter().any(|path| *path != Path::new("") && entry.path.starts_with(path)));
    sources
}

fn read_secrets(plan: &ImagePlan, secrets: SecretValues) -> Result<Vec<BuildSecret>, Error> {
    plan.secrets
        .iter()
        .map(|secret| {
            let value = match (&secret.value, secrets) {
                (_, SecretValues::NameOnly) => Vec::new(),
                (SecretValue::Value(value), SecretValues::Read) => value.expose().clone().into_bytes(),
                (SecretValue::File(path), SecretValues::Read) => read_named(path, FILE_LIMIT).map_err(|source| {
                    CommandError::Read { path: path.clone(), wanted_by: format!("the secret `{}`", secret.id), source }
                })?,
            };
            // Certificates are public.
            let value = if secret.id == CA_SECRET { Secret::compound(value) } else { Secret::new(value) };
            Ok(BuildSecret { id: secret.id.clone(), value })
        })
        .collect()
}
