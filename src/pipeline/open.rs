//! From arguments, environment and files to facts and settings.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::metadata::{ConfigFiles, FileAuthor};
use crate::config::settings::{
    self, EnvValue, ForgeSettings, ProjectLocation, PublishSettings, Reporting, RunSettings, SecretValue, Settings,
    SummaryChoice,
};
use crate::config::{CliSettings, Setting};
use crate::diagnostic::Warning;
use crate::error::{CommandError, Error};
use crate::host::{self, Environment, FILE_LIMIT};
use crate::image::plan::{self, ImagePlan, Inputs};
use crate::origin::{Origin, Sourced};
use crate::project::{self, DetectOptions, ProjectFacts};
use crate::rel_path::RelPath;
use crate::repo::ci::{self, CiContext, CiSystem};
use crate::repo::{Exclusions, GitDetail, GitOptions, SourceRoot, SourceTree};
use crate::secret::Secret;

/// GitHub cuts payloads off at 25 MB ("Webhook events and payloads").
const EVENT_LIMIT: u64 = 32 << 20;

/// A repository, its facts, and the settings of the run. No choice about the image has been made.
pub struct Opened {
    pub tree: SourceTree,
    pub settings: Settings,
    pub run: RunSettings,
    pub publish: PublishSettings,
    pub forge: ForgeSettings,
    pub ci: CiContext,
    pub facts: ProjectFacts,
    pub warnings: Vec<Warning>,
    /// Existing files and folders that this run will write, at their real paths. They are not sources, also where they lie in the
    /// repository.
    pub written: Vec<PathBuf>,
}

/// What a repository is opened with.
pub struct OpenOptions<'a> {
    pub words: &'a CliSettings,
    pub environment: &'a Environment,
    pub reporting: &'a Reporting,
    pub detail: GitDetail,
}

impl Opened {
    /// Reads the repository at `located`, with the settings file of `place`. Writes nothing and runs no code of the project.
    ///
    /// # Errors
    /// Unreadable or invalid files, invalid settings, a project that is not a Next.js app.
    pub fn read(options: &OpenOptions<'_>, place: &ProjectLocation, located: &SourceRoot) -> Result<Self, Error> {
        let OpenOptions { words, environment, reporting, detail } = *options;
        let git = git_options(environment, reporting.system, detail);
        let tree = SourceTree::read(&located.root, Exclusions::Standard, Some(&git))?;
        let explicit = match &place.metadata {
            None => None,
            Some(file) => {
                let bytes = host::read_named(&file.value, FILE_LIMIT).map_err(|source| CommandError::Read {
                    path: file.value.clone(),
                    wanted_by: file.origin.to_string(),
                    source,
                })?;
                Some((file.value.clone(), bytes))
            }
        };
        let explicit = explicit.as_ref().map(|(path, bytes)| (path.as_path(), bytes.as_slice()));
        let mut files = ConfigFiles::read(&tree, &located.start, explicit)?;
        let event_file =
            environment.get("GITHUB_EVENT_PATH").and_then(|path| host::read_file(Path::new(path), EVENT_LIMIT).ok());
        let event_file = event_file.as_deref().map(String::from_utf8_lossy);
        let ci = CiContext::detect_as(reporting.system, environment, event_file.as_deref(), host::now());
        if ci.is_fork_pull_request() {
            files.author = FileAuthor::Fork;
        }
        let mut resolved = settings::resolve(words, environment, &files)?;
        resolved.settings.build_env_values = build_env_values(&resolved.settings.build_env_files)?;
        let facts = project::detect(&tree, &detect_options(&resolved.settings, &located.start))?;
        let mut warnings = tree.warnings.clone();
        warnings.extend(resolved.warnings);
        warnings.extend(ci.warnings.iter().cloned());
        Ok(Self {
            ci,
            written: written(&resolved.run, &reporting.summary),
            tree,
            settings: resolved.settings,
            run: resolved.run,
            publish: resolved.publish,
            forge: resolved.forge,
            facts,
            warnings,
        })
    }

    /// Makes every choice about the image.
    ///
    /// # Errors
    /// Settings and facts that do not fit together.
    pub fn plan(&self) -> Result<ImagePlan, Error> {
        let Self { settings, publish, ci, facts, tree, .. } = self;
        Ok(plan::plan_image(Inputs { settings, publish, ci, facts, tree })?)
    }

    /// Every secret whose value the settings hold, with its name for people. Secrets in files are read later.
    pub fn secrets(&self) -> impl Iterator<Item = (String, &Secret)> {
        let variables = self.settings.env.iter().filter_map(|(name, variable)| match &variable.value.value {
            EnvValue::Secret(secret) => Some((format!("the variable `{name}`"), secret)),
            EnvValue::Plain(_) => None,
        });
        let given = self
            .settings
            .secrets
            .iter()
            .map(|secret| (format!("the secret `{}`", secret.value.id), &secret.value.value));
        let tokens = [
            (Setting::ReproducibleKey, &self.settings.reproducible_key),
            (Setting::Password, &self.publish.password),
            (Setting::GithubToken, &self.publish.github_token),
            (Setting::GitlabToken, &self.forge.gitlab_token),
        ];
        let tokens = tokens
            .into_iter()
            .filter_map(|(setting, token)| token.as_ref().map(|token| (format!("`{}`", setting.flag()), &token.value)));
        let values = given.chain(tokens).filter_map(|(name, value)| match value {
            SecretValue::Value(secret) => Some((name, secret)),
            SecretValue::File(_) => None,
        });
        variables.chain(values)
    }
}

/// The variables of files for the build; a later file takes precedence.
fn build_env_values(files: &[Sourced<PathBuf>]) -> Result<BTreeMap<String, Sourced<String>>, Error> {
    let mut values = BTreeMap::new();
    for file in files {
        let failed =
            |source| CommandError::Read { path: file.value.clone(), wanted_by: file.origin.to_string(), source };
        let bytes = host::read_named(&file.value, FILE_LIMIT).map_err(failed)?;
        let text = String::from_utf8(bytes).map_err(|_| failed(io::Error::other("it is not UTF-8")))?;
        let variables = project::parse_dotenv(text.trim_start_matches('\u{feff}'))
            .map_err(|error| failed(io::Error::other(error.to_string())))?;
        let origin = Origin::File(file.value.display().to_string());
        values.extend(variables.into_iter().map(|(name, value)| (name, Sourced::new(value, origin.clone()))));
    }
    Ok(values)
}

/// How git reads a checkout of this run.
pub fn git_options(environment: &Environment, system: CiSystem, detail: GitDetail) -> GitOptions<'_> {
    GitOptions { detail, environment, workspace: ci::workspace(system, environment) }
}

fn written(run: &RunSettings, summary: &SummaryChoice) -> Vec<PathBuf> {
    let summary = match summary {
        SummaryChoice::File(path) => Some(path),
        SummaryChoice::Auto | SummaryChoice::On | SummaryChoice::Off => None,
    };
    let paths = [run.metadata_file.as_ref(), run.iidfile.as_ref(), run.cache_dir.as_ref(), summary];
    paths.into_iter().flatten().filter_map(|path| path.canonicalize().ok()).collect()
}

fn detect_options(settings: &Settings, start: &RelPath) -> DetectOptions {
    let started_in = || {
        (!start.is_root())
            .then(|| Sourced::new(start.to_string(), Origin::Derived("the folder that was given".to_owned())))
    };
    DetectOptions {
        app: settings.app.clone().or_else(started_in),
        package_manager: settings.package_manager.clone(),
        node: settings.node_version.clone(),
        build_command: settings.build_command.clone(),
        variables: plain_variables(settings),
        unlocked: settings.unlocked,
    }
}

/// Variables that environment files may refer to.
fn plain_variables(settings: &Settings) -> BTreeMap<String, String> {
    let values = settings.build_env_values.iter().chain(&settings.build_args);
    let mut variables: BTreeMap<String, String> =
        values.map(|(name, value)| (name.clone(), value.value.clone())).collect();
    for (name, setting) in &settings.env {
        if let EnvValue::Plain(value) = &setting.value.value {
            variables.insert(name.clone(), value.clone());
        }
    }
    variables.insert("NODE_ENV".to_owned(), "production".to_owned());
    variables
}
