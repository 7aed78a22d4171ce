//! Why a container was not launched.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::parse::InvalidOption;
use super::proxy::ProxyError;
use crate::config::metadata::MetadataError;
use crate::config::settings::ValueSource;
use crate::diagnostic::{Location, diagnostics, printable, printable_path, shown};
use crate::docker::{ContainerError, LogLine, Probe, ServiceFailure};

diagnostics! {
    #[exit(Usage)]
    pub enum LaunchError {
        /// The container document is neither JSON nor YAML.
        #[transparent]
        Document(error: Box<MetadataError>),

        #[error("unknown field `{}`", shown(field))]
        #[code("launch/unknown-field")]
        #[hints(vec![match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known fields: {}", known.join(", ")),
        }])]
        #[location(Some((**location).clone()))]
        UnknownField { location: Box<Location>, field: String, near: Option<String>, known: Vec<&'static str> },

        #[error("`{}` is {found}, expected {expected}", shown(field))]
        #[code("launch/wrong-type")]
        #[hint("write {expected}")]
        #[location(Some((**location).clone()))]
        WrongType { location: Box<Location>, field: String, expected: &'static str, found: &'static str },

        #[error("{from}: {invalid}")]
        #[code(invalid.code())]
        #[hints(invalid.hints())]
        #[location(from.location.clone())]
        Value { from: Box<ValueSource>, invalid: Box<InvalidOption> },

        #[error("no image is given")]
        #[code("launch/no-image")]
        #[hint("pass it as an argument, or set `image` in the container document")]
        NoImage,

        #[error("the image `{}` does not say which port the app listens on", shown(image))]
        #[code("launch/no-port")]
        #[hint("pass both ports, such as `--publish 8080:80`, or `--publish none`")]
        NoPort { image: String },

        #[error("two container documents are given: the argument and `{}`", printable_path(spec))]
        #[code("launch/two-documents")]
        #[hint("pass one of them")]
        TwoDocuments { spec: PathBuf },

        #[error("cannot plan a container from `{}`: its image is not built yet", printable_path(folder))]
        #[code("launch/dry-run-of-folder")]
        #[hint("see the build with `nextdeploy build --dry-run`, or build it and run `nextdeploy run --dry-run IMAGE`")]
        DryRunOfFolder { folder: PathBuf },

        #[error("cannot read `{}` (given by {given_by}): {reason}", printable_path(path))]
        #[code("launch/unreadable")]
        #[hint("correct {given_by}, or make the file readable")]
        Unreadable { path: PathBuf, given_by: String, reason: String },

        #[error("the secret `{}` is not text, and environment variables hold text only", shown(id))]
        #[code("launch/secret-as-environment")]
        #[hint("pass it as a file: remove `--secrets-as env`")]
        SecretNotText { id: String },

        #[error("invalid environment variable name `{}` for a secret", shown(id))]
        #[code("launch/secret-as-environment")]
        #[hint("use ASCII letters, digits and `_`, or remove `--secrets-as env`")]
        SecretNoVariable { id: String },

        #[error("cannot write secrets as files: {reason}")]
        #[code("launch/secrets")]
        #[hint("pass them as environment variables with `--secrets-as env`")]
        #[exit(Unhealthy)]
        Secrets { reason: String },

        #[error("no such folder: `{}`", path.display())]
        #[code("launch/no-folder")]
        #[hint("pass the folder of the repository, a container document, or an image")]
        NoFolder { path: PathBuf },

        #[error("the app `{}` already runs in the container `{}`", shown(app), shown(name))]
        #[code("launch/app-runs")]
        #[hint("replace it with `--replace`, or run a second one with another `--name` and `--publish`")]
        AppRuns { app: String, name: String },

        /// `name` is the container that marks it.
        #[error("another process is replacing a container of the app `{}`", shown(app))]
        #[code("launch/replacing")]
        #[hint("wait until it is done; if that process no longer exists, remove its lock with `docker rm {name}`")]
        Replacing { app: String, name: String },

        #[error("`{}` now refers to another image than when the container was planned", shown(image))]
        #[code("launch/image-moved")]
        #[hint("run the command again, or name the image by its digest")]
        #[exit(Unhealthy)]
        ImageMoved { image: String },

        #[error("the {kind} hook `{}` failed: {reason}", shown(command))]
        #[code("launch/hook")]
        #[hint("correct the command, or remove it from `hooks`")]
        #[exit(Unhealthy)]
        Hook { kind: &'static str, command: String, reason: String },

        #[transparent]
        #[code(failure.reason.code())]
        #[hint("{}", failure.reason.hint())]
        #[exit(Unhealthy)]
        NotHealthy(failure: Box<NotHealthy>),

        #[transparent]
        #[code("launch/service-not-healthy")]
        #[hint("see every task with `docker service ps --no-trunc`, or wait longer with `--wait-timeout 5m`")]
        #[exit(Unhealthy)]
        ServiceNotHealthy(failure: Box<ServiceNotHealthy>),

        #[error("a Swarm service does not support {what}")]
        #[code("launch/not-in-swarm")]
        #[hint("remove them, or run a container without `--swarm`")]
        NotInSwarm { what: String },

        #[error("cannot copy assets to `{}`: {reason}", printable_path(folder))]
        #[code("launch/assets")]
        #[hint("use a writable folder, or remove `--assets`")]
        Assets { folder: PathBuf, reason: String },

        #[error("no container of the app `{}` ran before", shown(app))]
        #[code("launch/no-previous")]
        #[hint("run the image: `nextdeploy run --replace IMAGE`")]
        NoPrevious { app: String, runs: Option<String> },

        #[error("cannot restart the previous container `{}`: the app is down", shown(name))]
        #[code("launch/not-restored")]
        #[hint("start it: `docker start {name}`")]
        #[hints(source.hints())]
        #[exit(Unhealthy)]
        NotRestored { name: String, source: ContainerError },

        #[error("interrupted")]
        #[code("launch/interrupted")]
        #[hint("everything that was created has been removed")]
        #[exit(Interrupted)]
        Interrupted,

        #[transparent]
        Container(#[from] error: ContainerError),

        #[transparent]
        Proxy(#[from] error: ProxyError),
    }
}

impl LaunchError {
    /// An invalid value and its source.
    pub(super) fn value(from: ValueSource, invalid: impl Into<InvalidOption>) -> Self {
        Self::Value { from: Box::new(from), invalid: Box::new(invalid.into()) }
    }
}

/// A container that was started and did not become healthy.
#[derive(Debug)]
pub struct NotHealthy {
    pub name: String,
    pub reason: UnhealthyReason,
    pub after: Duration,
    /// Oldest first.
    pub probes: Vec<Probe>,
    /// The last lines of its output.
    pub log: Vec<LogLine>,
    /// The error of something other than the app.
    pub cause: Option<Box<LaunchError>>,
}

/// What kept a container from being healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnhealthyReason {
    /// Its health check failed as often as it may.
    HealthCheck,
    Exited(Option<i64>),
    /// The kernel killed it.
    OutOfMemory {
        code: i64,
        /// Bytes.
        limit: Option<u64>,
    },
    /// Another process removed it.
    Removed,
    TimedOut(Duration),
    /// A `postStart` hook failed.
    Hook,
}

impl UnhealthyReason {
    fn code(self) -> &'static str {
        match self {
            Self::OutOfMemory { .. } => "launch/out-of-memory",
            Self::Exited(_) => "launch/exited",
            Self::Hook => "launch/hook",
            Self::HealthCheck | Self::Removed | Self::TimedOut(_) => "launch/not-healthy",
        }
    }

    fn hint(self) -> String {
        match self {
            Self::OutOfMemory { limit: Some(limit), .. } => {
                format!("raise the limit with `--memory {}m`", (limit >> 20) * 2)
            }
            Self::OutOfMemory { limit: None, .. } => "free memory on the machine".to_owned(),
            Self::TimedOut(_) => "see its log above, or wait longer with `--wait-timeout 5m`".to_owned(),
            Self::Removed => "check whether another process removes containers on this machine".to_owned(),
            Self::Hook => "correct the command, or remove it from `hooks`".to_owned(),
            Self::Exited(Some(137)) => {
                "it was killed; if the kernel did so to free memory, raise the limit with `--memory`".to_owned()
            }
            Self::HealthCheck | Self::Exited(_) => {
                "see its log above; the app may lack a variable or secret (`--env`, `--secret`)".to_owned()
            }
        }
    }
}

impl std::error::Error for NotHealthy {}

impl fmt::Display for NotHealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = printable(&self.name);
        match (self.reason, &self.cause) {
            (_, Some(cause)) => cause.fmt(f),
            (UnhealthyReason::HealthCheck, _) => write!(f, "`{name}` is unhealthy: its health check fails"),
            (UnhealthyReason::Exited(Some(code)), _) => {
                write!(f, "`{name}` exited with code {code} before it was healthy")
            }
            (UnhealthyReason::Exited(None) | UnhealthyReason::Hook, _) => {
                write!(f, "`{name}` exited before it was healthy")
            }
            (UnhealthyReason::OutOfMemory { limit: Some(limit), .. }, _) => {
                write!(f, "`{name}` ran out of memory: the kernel killed it at its limit of {} MiB", limit >> 20)
            }
            (UnhealthyReason::OutOfMemory { limit: None, .. }, _) => {
                write!(f, "`{name}` was killed by the kernel: the machine is out of memory")
            }
            (UnhealthyReason::Removed, _) => write!(f, "`{name}` was removed by another process before it was healthy"),
            (UnhealthyReason::TimedOut(limit), _) => {
                write!(f, "`{name}` was not healthy within {} s", limit.as_secs())
            }
        }
    }
}

/// A service that did not reach its new state.
#[derive(Debug)]
pub struct ServiceNotHealthy {
    pub name: String,
    pub failure: ServiceFailure,
    /// The last lines of a task on this machine.
    pub log: Vec<LogLine>,
}

impl std::error::Error for ServiceNotHealthy {}

impl fmt::Display for ServiceNotHealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = printable(&self.name);
        match &self.failure {
            ServiceFailure::RolledBack(_) => {
                write!(f, "the new tasks of `{name}` failed, and Swarm rolled the service back")
            }
            ServiceFailure::Paused(_) => write!(f, "the update of `{name}` failed, and Swarm paused it halfway"),
            ServiceFailure::Failing(_) => write!(f, "the tasks of `{name}` exit repeatedly"),
            ServiceFailure::TimedOut { progress, .. } => {
                write!(f, "{} of {} tasks of `{name}` were healthy in time", progress.running, progress.wanted)
            }
        }
    }
}
