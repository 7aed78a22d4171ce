//! Why a daemon cannot be used: stable codes, one message, one action. Every variant names the address and who gave it.

use std::path::PathBuf;
use std::time::Duration;

use crate::diagnostic::{Diagnostic, ExitCode, Location, printable, printable_path, size_text};
use crate::origin::Origin;

#[derive(Debug, Clone, thiserror::Error)]
pub enum DaemonError {
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
    #[error("no connection to the Docker daemon at `{endpoint}` ({origin}): {}", printable(reason))]
    Ssh { endpoint: String, origin: Origin, reason: String },
    #[error("the Docker context `{}` ({origin}) cannot be used: {reason}", printable(name))]
    DockerContext { name: String, origin: Origin, reason: String },
    #[error("cannot read `{}`: {reason}", printable_path(file))]
    DockerConfig { file: PathBuf, line: Option<(usize, usize)>, reason: String },
    #[error("the connection to the daemon at `{endpoint}` broke during {doing}: {reason}")]
    ConnectionLost { endpoint: String, doing: &'static str, reason: String },
    #[error("the answer of the daemon at `{endpoint}` to {doing} is longer than {}", size_text(*limit as u64))]
    AnswerTooLong { endpoint: String, doing: &'static str, limit: usize },
    #[error("the daemon at `{endpoint}` answered {doing} with an error: {}", printable(message))]
    Answer { endpoint: String, doing: &'static str, message: String },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", printable_path(path))).collect::<Vec<_>>().join(", ")
}

/// By the words of OpenSSH and of the shell on the other machine.
fn ssh_hint(reason: &str) -> &'static str {
    if reason.contains("Host key verification failed") {
        "check the key of that machine and accept it once, with `ssh user@host`"
    } else if reason.contains("Permission denied") {
        "give that machine your key (`ssh-copy-id user@host`), and load it here (`ssh-add`)"
    } else if reason.contains("not found") {
        "install the docker command line on that machine (18.09 or newer)"
    } else {
        "check that `ssh user@host docker version` works"
    }
}

impl Diagnostic for DaemonError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoDaemon { .. } | Self::Unreachable { .. } => "daemon/unreachable",
            Self::PermissionDenied { .. } => "daemon/permission-denied",
            Self::NoAnswer { .. } => "daemon/no-answer",
            Self::Tls { .. } => "daemon/tls",
            Self::NeedsTls { .. } => "daemon/needs-tls",
            Self::NotDocker { .. } => "daemon/not-docker",
            Self::BadAddress { .. } => "daemon/bad-address",
            Self::Ssh { .. } => "daemon/ssh",
            Self::DockerContext { .. } => "daemon/docker-context",
            Self::DockerConfig { .. } => "daemon/docker-config",
            Self::ConnectionLost { .. } => "daemon/connection-lost",
            Self::AnswerTooLong { .. } => "daemon/answer-too-long",
            Self::Answer { .. } => "daemon/error",
        }
    }

    fn hints(&self) -> Vec<String> {
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
            Self::BadAddress { .. } => "use `unix:///var/run/docker.sock`, `tcp://host:2376` or `ssh://user@host`",
            Self::Ssh { reason, .. } => ssh_hint(reason),
            Self::DockerContext { .. } => {
                "list the contexts with `docker context ls`, and choose one with `DOCKER_CONTEXT` or `docker context use`"
            }
            Self::DockerConfig { .. } => "repair the file, or set `DOCKER_HOST` so that it is not needed",
            Self::ConnectionLost { .. } => {
                "check the daemon's log (`journalctl -u docker`) and its disk and memory, then try again"
            }
            Self::AnswerTooLong { .. } => {
                "check that a Docker daemon answers at this address (`docker version` uses the same)"
            }
            Self::Answer { .. } => "check the daemon's log (`journalctl -u docker`)",
        };
        vec![hint.to_owned()]
    }

    fn exit_code(&self) -> ExitCode {
        ExitCode::Build
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::DockerConfig { file, line: Some((line, column)), .. } => {
                Some(Location::column(file.clone(), *line, *column))
            }
            Self::DockerConfig { file, .. } => Some(Location::file(file.clone())),
            _ => None,
        }
    }
}
