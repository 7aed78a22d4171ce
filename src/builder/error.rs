//! Why a build, or the connection to the daemon, failed: stable codes, one message, one action.
//!
//! Every variant names the daemon, file or step that is meant; texts of the daemon are escaped before they are shown.

use std::path::PathBuf;
use std::time::Duration;

use super::context_stream::ContextStreamError;
use super::explain::Explanation;
use crate::diagnostic::{Diagnostic, ExitCode, Location, printable, printable_path};
use crate::origin::Origin;

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("no Docker daemon found: there is no socket at {}", list(tried))]
    NoDaemon { tried: Vec<PathBuf> },
    #[error("no Docker daemon at `{endpoint}` ({origin}): {reason}")]
    Unreachable { endpoint: String, origin: Origin, reason: String },
    #[error("no permission to use the Docker daemon at `{endpoint}` ({origin})")]
    PermissionDenied { endpoint: String, origin: Origin },
    #[error("the Docker daemon at `{endpoint}` ({origin}) did not answer within {} s", after.as_secs())]
    NoAnswer { endpoint: String, origin: Origin, after: Duration },
    #[error("no trusted TLS connection to the Docker daemon at `{endpoint}` ({origin}): {reason}")]
    Tls { endpoint: String, origin: Origin, reason: String },
    #[error("the Docker daemon at `{endpoint}` ({origin}) wants TLS, and none is configured")]
    NeedsTls { endpoint: String, origin: Origin },
    #[error("what answers at `{endpoint}` ({origin}) is no Docker daemon: {}", printable(reason))]
    NotDocker { endpoint: String, origin: Origin, reason: String },
    #[error("`{}` is no usable daemon address ({origin}): {reason}", printable(value))]
    BadAddress { value: String, origin: Origin, reason: String },
    #[error("daemon addresses by ssh are not supported yet: `{}` ({origin})", printable(value))]
    UnsupportedAddress { value: String, origin: Origin },
    #[error("the Docker context `{}` ({origin}) cannot be used: {reason}", printable(name))]
    DockerContext { name: String, origin: Origin, reason: String },
    #[error("cannot read `{}`: {reason}", printable_path(file))]
    DockerConfig { file: PathBuf, line: Option<(usize, usize)>, reason: String },

    #[error("{feature} need BuildKit, which {engine} does not have")]
    NeedsBuildKit { feature: &'static str, engine: String },
    #[error(transparent)]
    Context(ContextStreamError),
    #[error("the daemon at `{endpoint}` took none of the build context for {} s", after.as_secs())]
    UploadStalled { endpoint: String, after: Duration },
    #[error("the step `{}` failed{}{}", step, exit_text(*exit_code), meaning_text(explanation.as_deref()))]
    StepFailed {
        /// The instruction, short and on one line.
        step: String,
        exit_code: Option<i64>,
        /// Last lines of the step's log, control characters escaped, secrets redacted.
        tail: Vec<String>,
        explanation: Option<Box<Explanation>>,
    },
    #[error("the daemon refused the build: {}{}", printable(message), meaning_text(explanation.as_deref()))]
    Refused { message: String, explanation: Option<Box<Explanation>> },
    #[error("the connection to the daemon at `{endpoint}` broke during {doing}: {reason}")]
    ConnectionLost { endpoint: String, doing: &'static str, reason: String },
    #[error("the daemon at `{endpoint}` answered {doing} with an error: {}", printable(message))]
    Daemon { endpoint: String, doing: &'static str, message: String },
    #[error("the build was not finished after {} and was stopped", human_duration(*after))]
    TimedOut { after: Duration },
    #[error("the build was cancelled")]
    Cancelled,
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", printable_path(path))).collect::<Vec<_>>().join(", ")
}

fn exit_text(code: Option<i64>) -> String {
    code.map(|code| format!(" with exit code {code}")).unwrap_or_default()
}

fn meaning_text(explanation: Option<&Explanation>) -> String {
    explanation.map(|explanation| format!(": {}", explanation.meaning)).unwrap_or_default()
}

fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 60 && seconds.is_multiple_of(60) { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

impl BuildError {
    /// What the failure means, where it is known.
    pub fn explanation(&self) -> Option<&Explanation> {
        match self {
            Self::StepFailed { explanation, .. } | Self::Refused { explanation, .. } => explanation.as_deref(),
            _ => None,
        }
    }
}

impl Diagnostic for BuildError {
    fn code(&self) -> &'static str {
        if let Some(explanation) = self.explanation() {
            return explanation.code;
        }
        match self {
            Self::NoDaemon { .. } | Self::Unreachable { .. } => "builder/no-daemon",
            Self::PermissionDenied { .. } => "builder/permission-denied",
            Self::NoAnswer { .. } => "builder/no-answer",
            Self::Tls { .. } => "builder/tls",
            Self::NeedsTls { .. } => "builder/needs-tls",
            Self::NotDocker { .. } => "builder/not-docker",
            Self::BadAddress { .. } => "builder/bad-address",
            Self::UnsupportedAddress { .. } => "builder/ssh-address",
            Self::DockerContext { .. } => "builder/docker-context",
            Self::DockerConfig { .. } => "builder/docker-config",
            Self::NeedsBuildKit { .. } => "builder/needs-buildkit",
            Self::Context(error) => error.code(),
            Self::UploadStalled { .. } => "builder/upload-stalled",
            Self::StepFailed { .. } => "builder/step-failed",
            Self::Refused { .. } => "builder/refused",
            Self::ConnectionLost { .. } => "builder/connection-lost",
            Self::Daemon { .. } => "builder/daemon-error",
            Self::TimedOut { .. } => "builder/timed-out",
            Self::Cancelled => "builder/cancelled",
        }
    }

    fn hints(&self) -> Vec<String> {
        if let Some(explanation) = self.explanation() {
            return vec![explanation.action.clone()];
        }
        let hint = match self {
            Self::NoDaemon { .. } => {
                "start Docker (`systemctl start docker`), or set `DOCKER_HOST` to a daemon that runs"
            }
            Self::Unreachable { .. } => {
                "check that the daemon runs and that the address is right (`docker version` uses the same)"
            }
            Self::PermissionDenied { .. } => {
                "add your user to the group `docker` and log in again, or set `DOCKER_HOST` to a daemon that you may use"
            }
            Self::NoAnswer { .. } => "check the address, and that no firewall drops the connection",
            Self::Tls { .. } => {
                "set `DOCKER_CERT_PATH` to the folder with `ca.pem`, `cert.pem` and `key.pem`, or name the authority with `--ca-bundle`"
            }
            Self::NeedsTls { .. } => {
                "set `DOCKER_TLS_VERIFY=1` and `DOCKER_CERT_PATH` to the folder with `ca.pem`, `cert.pem` and `key.pem`"
            }
            Self::NotDocker { .. } => "set `DOCKER_HOST` to the address of a Docker daemon",
            Self::BadAddress { .. } => "use `unix:///var/run/docker.sock` or `tcp://host:2376`",
            Self::UnsupportedAddress { .. } => {
                "forward the socket with `ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock user@host` and set `DOCKER_HOST=unix:///tmp/docker.sock`"
            }
            Self::DockerContext { .. } => {
                "list the contexts with `docker context ls`, and choose one with `DOCKER_CONTEXT` or `docker context use`"
            }
            Self::DockerConfig { .. } => "repair the file, or set `DOCKER_HOST` so that it is not needed",
            Self::NeedsBuildKit { .. } => "use Docker Engine 23 or newer, or leave the option out",
            Self::Context(error) => return error.hints(),
            Self::UploadStalled { .. } => "check the daemon's disk and the network to it, then try again",
            Self::StepFailed { .. } => {
                "the end of the step's log says why; run the same command in the repository to reproduce it"
            }
            Self::Refused { .. } => "check the option or reference that the message names",
            Self::ConnectionLost { .. } => {
                "check the daemon's log (`journalctl -u docker`) and its disk and memory, then try again"
            }
            Self::Daemon { .. } => "check the daemon's log (`journalctl -u docker`)",
            Self::TimedOut { .. } => {
                "give it more time with `--build-timeout`, or look at the last step for something that waits"
            }
            Self::Cancelled => return Vec::new(),
        };
        vec![hint.to_owned()]
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Cancelled => ExitCode::Interrupted,
            Self::Context(error) => error.exit_code(),
            _ => ExitCode::Build,
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Context(error) => error.location(),
            Self::DockerConfig { file, line: Some((line, column)), .. } => {
                Some(Location::column(file.clone(), *line, *column))
            }
            Self::DockerConfig { file, .. } => Some(Location::file(file.clone())),
            _ => None,
        }
    }
}
