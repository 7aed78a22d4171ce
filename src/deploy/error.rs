//! Why a container was not launched.

use std::path::PathBuf;
use std::time::Duration;

use super::service::ServiceNotHealthy;
use crate::config::metadata::MetadataError;
use crate::config::settings::{InvalidValue, ValueSource};
use crate::deploy::proxy::ProxyError;
use crate::diagnostic::{Diagnostic, ExitCode, Location, printable, printable_path, shown};
use crate::docker::{ContainerError, LogLine, Probe, ServiceFailure};

/// What is wrong with one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: &'static str,
    pub message: String,
    /// One action.
    pub hint: String,
}

impl From<InvalidValue> for Problem {
    fn from(invalid: InvalidValue) -> Self {
        Self { code: invalid.code(), message: invalid.to_string(), hint: invalid.hint() }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The container document is no JSON or YAML.
    #[error(transparent)]
    Document(Box<MetadataError>),
    #[error("`{}` is no field that is known here", shown(field))]
    UnknownField { location: Box<Location>, field: String, near: Option<String>, known: Vec<&'static str> },
    #[error("`{}` is {found}, not {wanted}", shown(field))]
    WrongType { location: Box<Location>, field: String, wanted: &'static str, found: &'static str },
    #[error("{from}: {}", problem.message)]
    Value { from: Box<ValueSource>, problem: Box<Problem> },
    #[error("no image is named")]
    NoImage,
    #[error("the image `{}` does not say which port the app listens on", shown(image))]
    NoPort { image: String },
    #[error("two container documents are given: the argument, and `{}`", printable_path(spec))]
    TwoDocuments { spec: PathBuf },
    #[error("what would be run of `{}` is not known before it is built", printable_path(folder))]
    DryRunOfFolder { folder: PathBuf },
    #[error("cannot read `{}`, which {wanted_by} names: {reason}", printable_path(path))]
    Unreadable { path: PathBuf, wanted_by: String, reason: String },
    #[error("the secret `{}` is no text, and only text can be environment", shown(id))]
    SecretNotText { id: String },
    #[error("`{}` is not a name that an environment variable can have", shown(id))]
    SecretNoVariable { id: String },
    #[error("secrets cannot be written as files: {reason}")]
    Secrets { reason: String },
    #[error("there is no folder `{}`", path.display())]
    NoFolder { path: PathBuf },
    #[error("the app `{}` runs already, in the container `{}`", shown(app), shown(name))]
    AppRuns { app: String, name: String },
    /// `name` is the container that marks it.
    #[error("a container of the app `{}` is being replaced at this moment", shown(app))]
    Replacing { app: String, name: String },
    #[error("the name `{}` means another image than a moment ago", shown(image))]
    ImageMoved { image: String },
    #[error("the {kind} hook `{}` failed: {reason}", shown(command))]
    Hook { kind: &'static str, command: String, reason: String },
    #[error("{}", .0.message())]
    NotHealthy(Box<NotHealthy>),
    #[error("{}", .0.message())]
    ServiceNotHealthy(Box<ServiceNotHealthy>),
    #[error("{what} cannot be part of a service of a Swarm")]
    NotInSwarm { what: String },
    #[error("the assets cannot be copied to `{}`: {reason}", printable_path(folder))]
    Assets { folder: PathBuf, reason: String },
    #[error("no container of the app `{}` ran before", shown(app))]
    NoPrevious { app: String, runs: Option<String> },
    #[error("`{}`, which ran before, cannot be started again: nothing serves the app now", shown(name))]
    NotRestored { name: String, source: ContainerError },
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

/// A container that was started and did not become healthy.
#[derive(Debug)]
pub struct NotHealthy {
    pub name: String,
    pub trouble: Trouble,
    pub after: Duration,
    /// Oldest first.
    pub probes: Vec<Probe>,
    /// The last lines of its output.
    pub log: Vec<LogLine>,
    /// What failed, when it is not the app itself.
    pub cause: Option<Box<LaunchError>>,
}

/// What kept a container from being healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Its health check failed as often as it may.
    Unhealthy,
    Exited(Option<i64>),
    /// The kernel ended it.
    OutOfMemory {
        code: i64,
        limit: Option<u64>,
    },
    /// Somebody else removed it.
    Removed,
    TimedOut(Duration),
    /// A `postStart` hook failed.
    Hook,
}

impl NotHealthy {
    fn message(&self) -> String {
        let name = printable(&self.name);
        match (self.trouble, &self.cause) {
            (_, Some(cause)) => cause.to_string(),
            (Trouble::Unhealthy, _) => format!("`{name}` is unhealthy: its health check fails"),
            (Trouble::Exited(Some(code)), _) => format!("`{name}` ended with exit code {code} before it was healthy"),
            (Trouble::Exited(None) | Trouble::Hook, _) => format!("`{name}` ended before it was healthy"),
            (Trouble::OutOfMemory { limit: Some(limit), .. }, _) => {
                format!("the kernel ended `{name}`: it needed more memory than its limit of {} MiB", limit >> 20)
            }
            (Trouble::OutOfMemory { limit: None, .. }, _) => {
                format!("the kernel ended `{name}`: the machine has no memory left")
            }
            (Trouble::Removed, _) => format!("`{name}` was removed by somebody else before it was healthy"),
            (Trouble::TimedOut(limit), _) => format!("`{name}` was not healthy within {} s", limit.as_secs()),
        }
    }

    fn hint(&self) -> String {
        match self.trouble {
            Trouble::OutOfMemory { limit: Some(limit), .. } => {
                format!("give more with `--memory {}m`", (limit >> 20) * 2)
            }
            Trouble::OutOfMemory { limit: None, .. } => "free memory on the machine".to_owned(),
            Trouble::TimedOut(_) => "look at its log above; wait longer with `--wait-timeout 5m`".to_owned(),
            Trouble::Removed => "look who removes containers on this machine".to_owned(),
            Trouble::Hook => "correct the command, or take it out of `hooks`".to_owned(),
            Trouble::Exited(Some(137)) => {
                "something killed it; when that was the kernel for its memory, give more with `--memory`".to_owned()
            }
            Trouble::Unhealthy | Trouble::Exited(_) => {
                "look at its log above; a variable or secret that the app needs may be missing (`--env`, `--secret`)"
                    .to_owned()
            }
        }
    }
}

impl ServiceNotHealthy {
    fn message(&self) -> String {
        let name = printable(&self.name);
        match &self.failure {
            ServiceFailure::RolledBack(_) => {
                format!("the new tasks of `{name}` failed, and Swarm went back to the state before")
            }
            ServiceFailure::Paused(_) => {
                format!("the update of `{name}` failed, and Swarm stopped in the middle of it")
            }
            ServiceFailure::Failing(_) => format!("the tasks of `{name}` end again and again"),
            ServiceFailure::TimedOut { progress, .. } => {
                format!("{} of {} tasks of `{name}` were healthy in time", progress.running, progress.wanted)
            }
        }
    }
}

impl LaunchError {
    /// A value that does not fit, and who gave it.
    pub(super) fn value(source: ValueSource, problem: impl Into<Problem>) -> Self {
        Self::Value { from: Box::new(source), problem: Box::new(problem.into()) }
    }
}

impl Diagnostic for LaunchError {
    fn code(&self) -> &'static str {
        match self {
            Self::Document(error) => error.code(),
            Self::UnknownField { .. } => "launch/unknown-field",
            Self::WrongType { .. } => "launch/wrong-type",
            Self::Value { problem, .. } => problem.code,
            Self::NoImage => "launch/no-image",
            Self::NoPort { .. } => "launch/no-port",
            Self::TwoDocuments { .. } => "launch/two-documents",
            Self::DryRunOfFolder { .. } => "launch/dry-run-of-folder",
            Self::Unreadable { .. } => "launch/unreadable",
            Self::SecretNotText { .. } | Self::SecretNoVariable { .. } => "launch/secret-as-environment",
            Self::Secrets { .. } => "launch/secrets",
            Self::NoFolder { .. } => "launch/no-folder",
            Self::AppRuns { .. } => "launch/app-runs",
            Self::Replacing { .. } => "launch/replacing",
            Self::ImageMoved { .. } => "launch/image-moved",
            Self::Hook { .. } => "launch/hook",
            Self::NotHealthy(failure) => match failure.trouble {
                Trouble::OutOfMemory { .. } => "launch/out-of-memory",
                Trouble::Exited(_) => "launch/exited",
                Trouble::Hook => "launch/hook",
                Trouble::Unhealthy | Trouble::Removed | Trouble::TimedOut(_) => "launch/not-healthy",
            },
            Self::ServiceNotHealthy(_) => "launch/service-not-healthy",
            Self::NotInSwarm { .. } => "launch/not-in-swarm",
            Self::Assets { .. } => "launch/assets",
            Self::NoPrevious { .. } => "launch/no-previous",
            Self::NotRestored { .. } => "launch/not-restored",
            Self::Interrupted => "launch/interrupted",
            Self::Container(error) => error.code(),
            Self::Proxy(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::Document(error) => return error.hints(),
            Self::UnknownField { near: Some(near), .. } => format!("did you mean `{near}`?"),
            Self::UnknownField { known, .. } => format!("known here are {}", known.join(", ")),
            Self::WrongType { wanted, .. } => format!("write {wanted}"),
            Self::Value { problem, .. } => problem.hint.clone(),
            Self::NoImage => "name it as an argument, or as `image` in the document".to_owned(),
            Self::NoPort { .. } => "give both ports, such as `--publish 8080:80`, or `--publish none`".to_owned(),
            Self::TwoDocuments { .. } => "give one of them".to_owned(),
            Self::DryRunOfFolder { .. } => {
                "see the build with `nextdeploy build --dry-run`; build it, and then `nextdeploy run --dry-run IMAGE`"
                    .to_owned()
            }
            Self::Unreadable { wanted_by, .. } => format!("correct {wanted_by}, or make the file readable"),
            Self::SecretNotText { .. } => "let it reach the app as a file: leave `--secrets-as env` out".to_owned(),
            Self::SecretNoVariable { .. } => {
                "use ASCII letters, digits and `_`, or leave `--secrets-as env` out".to_owned()
            }
            Self::Secrets { .. } => "pass them as environment with `--secrets-as env`".to_owned(),
            Self::NoFolder { .. } => "name the folder of the repository, a container document, or an image".to_owned(),
            Self::AppRuns { .. } => {
                "take its place with `--replace`, or run a second one with another `--name` and `--publish`".to_owned()
            }
            Self::Replacing { name, .. } => {
                format!(
                    "wait until it is done; if no process does it any more, remove its lock with `docker rm {name}`"
                )
            }
            Self::ImageMoved { .. } => "run it again, or name it by its digest".to_owned(),
            Self::Hook { .. } => "correct the command, or take it out of `hooks`".to_owned(),
            Self::NotHealthy(failure) => failure.hint(),
            Self::ServiceNotHealthy(_) => {
                "see `docker service ps --no-trunc` for every task; wait longer with `--wait-timeout 5m`".to_owned()
            }
            Self::NotInSwarm { .. } => "leave them out, or run a container without `--swarm`".to_owned(),
            Self::Assets { .. } => "choose a folder that can be written, or leave `--assets` out".to_owned(),
            Self::NoPrevious { .. } => "run the image that you want: `nextdeploy run --replace IMAGE`".to_owned(),
            Self::NotRestored { name, source } => {
                let mut hints = source.hints();
                hints.insert(0, format!("start it yourself: `docker start {name}`"));
                return hints;
            }
            Self::Interrupted => "nothing was kept".to_owned(),
            Self::Container(error) => return error.hints(),
            Self::Proxy(error) => return error.hints(),
        }]
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Document(_)
            | Self::UnknownField { .. }
            | Self::WrongType { .. }
            | Self::Value { .. }
            | Self::NoImage
            | Self::NoPort { .. }
            | Self::TwoDocuments { .. }
            | Self::DryRunOfFolder { .. }
            | Self::Unreadable { .. }
            | Self::SecretNotText { .. }
            | Self::SecretNoVariable { .. }
            | Self::AppRuns { .. }
            | Self::Replacing { .. }
            | Self::Assets { .. }
            | Self::NotInSwarm { .. }
            | Self::NoFolder { .. }
            | Self::NoPrevious { .. } => ExitCode::Usage,
            Self::Secrets { .. }
            | Self::ImageMoved { .. }
            | Self::Hook { .. }
            | Self::NotHealthy(_)
            | Self::ServiceNotHealthy(_)
            | Self::NotRestored { .. } => ExitCode::Unhealthy,
            Self::Interrupted => ExitCode::Interrupted,
            Self::Container(error) => error.exit_code(),
            Self::Proxy(error) => error.exit_code(),
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Document(error) => error.location(),
            Self::UnknownField { location, .. } | Self::WrongType { location, .. } => Some((**location).clone()),
            Self::Value { from, .. } => from.location.clone(),
            _ => None,
        }
    }
}
