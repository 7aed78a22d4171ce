//! The first half of every verb: from the arguments to facts and settings.

use std::path::{Path, PathBuf};

use super::Session;
use crate::config::metadata::{ConfigFiles, FileAuthor};
use crate::config::settings::{
    self, EnvValue, ForgeSettings, PublishSettings, Resolved, RunSettings, SecretValue, Settings, SummaryChoice,
};
use crate::config::{CliSettings, Setting};
use crate::diagnostic::Warning;
use crate::error::{CommandError, Error};
use crate::host::{self, FILE_LIMIT};
use crate::image::plan::{self, ImagePlan, Inputs};
use crate::origin::{Origin, Sourced};
use crate::project::{self, DetectOptions, ProjectFacts};
use crate::rel_path::RelPath;
use crate::repo::ci::{self, CiContext};
use crate::repo::{self, Exclusions, GitDetail, GitOptions, SourceTree};

/// GitHub cuts payloads off at 25 MB ("Webhook events and payloads").
const EVENT_LIMIT: u64 = 32 << 20;

/// A repository with all that is known about it before a choice is made.
pub struct Project {
    pub tree: SourceTree,
    pub settings: Settings,
    pub run: RunSettings,
    pub publish: PublishSettings,
    pub forge: ForgeSettings,
    pub ci: CiContext,
    pub facts: ProjectFacts,
    pub warnings: Vec<Warning>,
    /// Files and folders that this run is to write, as far as they are there already, at their real paths. Where they lie in the
    /// repository they are no sources.
    pub written: Vec<PathBuf>,
}

impl Project {
    /// Reads the repository that `words` names. Nothing is written, no project code runs.
    pub fn open(session: &Session, words: &CliSettings) -> Result<Self, Error> {
        Self::open_with(session, words, GitDetail::Full)
    }

    /// The same for a verb that has no use for the commit.
    pub fn open_with(session: &Session, words: &CliSettings, detail: GitDetail) -> Result<Self, Error> {
        let place = settings::locate(words, &session.environment)?;
        let located = repo::locate(&place.directory.value)?;
        session.log.set_root(&located.root);
        let tree = SourceTree::read(&located.root, Exclusions::Standard, Some(&git_options(session, detail)))?;
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
        let mut files = ConfigFiles::read(
            &tree,
            &located.start,
            explicit.as_ref().map(|(path, bytes)| (path.as_path(), bytes.as_slice())),
        )?;
        let event_file = session
            .environment
            .get("GITHUB_EVENT_PATH")
            .and_then(|path| host::read_file(Path::new(path), EVENT_LIMIT).ok());
        let event_file = event_file.as_deref().map(String::from_utf8_lossy);
        let ci =
            CiContext::detect_as(session.reporting.system, &session.environment, event_file.as_deref(), host::now());
        if ci.is_fork_pull_request() {
            files.author = FileAuthor::Fork;
        }
        let resolved = settings::resolve(words, &session.environment, &files)?;
        mask_secrets(session, &resolved);
        let options = detect_options(&resolved.settings, &located.start);
        let facts = project::detect(&tree, &options)?;
        let mut warnings = tree.warnings.clone();
        warnings.extend(resolved.warnings);
        warnings.extend(ci.warnings.iter().cloned());
        let written = written(&resolved.run, &session.reporting.summary);
        Ok(Self {
            ci,
            written,
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
    pub fn plan(&self) -> Result<ImagePlan, Error> {
        let Self { settings, publish, ci, facts, tree, .. } = self;
        Ok(plan::plan_image(Inputs { settings, publish, ci, facts, tree })?)
    }
}

/// How git is used for the checkout of this run.
pub fn git_options(session: &Session, detail: GitDetail) -> GitOptions<'_> {
    let workspace = ci::workspace(session.reporting.system, &session.environment);
    GitOptions { detail, environment: &session.environment, workspace }
}

/// Hides every secret whose value the settings hold; those in files are hidden when the files are read.
fn mask_secrets(session: &Session, resolved: &Resolved) {
    let Resolved { settings, publish, forge, .. } = resolved;
    let variables = settings.env.iter().filter_map(|(name, variable)| match &variable.value.value {
        EnvValue::Secret(secret) => Some((format!("the variable `{name}`"), secret)),
        EnvValue::Plain(_) => None,
    });
    let given =
        settings.secrets.iter().map(|secret| (format!("the secret `{}`", secret.value.id), &secret.value.value));
    let tokens = [
        (Setting::ReproducibleKey, &settings.reproducible_key),
        (Setting::Password, &publish.password),
        (Setting::GithubToken, &publish.github_token),
        (Setting::GitlabToken, &forge.gitlab_token),
    ];
    let tokens = tokens
        .into_iter()
        .filter_map(|(setting, token)| token.as_ref().map(|token| (format!("`{}`", setting.flag()), &token.value)));
    let values = given.chain(tokens).filter_map(|(name, value)| match value {
        SecretValue::Value(secret) => Some((name, secret)),
        SecretValue::File(_) => None,
    });
    for (name, secret) in variables.chain(values) {
        session.log.mask(&name, secret.expose());
    }
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
    }
}
