//! Why a daemon cannot be used. Every variant names the address and where it comes from.

use std::path::PathBuf;
use std::time::Duration;

use crate::diagnostic::{Location, diagnostics, printable, printable_path, size_text};
use crate::origin::Origin;

diagnostics! {
    #[exit(Build)]
    #[derive(Clone)]
    pub enum DaemonError {
        #[error("no Docker daemon found: no socket at {}", list(tried))]
        #[code("daemon/unreachable")]
        #[hint("start Docker (`systemctl start docker`), or set `DOCKER_HOST` to a running daemon")]
        NoDaemon { tried: Vec<PathBuf> },

        #[error("no Docker daemon at `{endpoint}` ({origin}): {reason}")]
        #[code("daemon/unreachable")]
        #[hint("check that the daemon is running and that the address is correct (`docker version` uses the same)")]
        Unreachable { endpoint: String, origin: Origin, reason: String },

        #[error("no permission to use the Docker daemon at `{endpoint}` ({origin})")]
        #[code("daemon/permission-denied")]
        #[hint("add your user to the group `docker` and log in again, or set `DOCKER_HOST` to a daemon that you may use")]
        PermissionDenied { endpoint: String, origin: Origin },

        #[error("the Docker daemon at `{endpoint}` ({origin}) did not answer within {} s", after.as_secs())]
        #[code("daemon/no-answer")]
        #[hint("check the address, and that no firewall drops the connection")]
        NoAnswer { endpoint: String, origin: Origin, after: Duration },

        #[error("no trusted TLS connection to the Docker daemon at `{endpoint}` ({origin}): {reason}")]
        #[code("daemon/tls")]
        #[hint(
            "set `DOCKER_CERT_PATH` to the folder with `ca.pem`, `cert.pem` and `key.pem`, or name the authority with `--ca-bundle`"
        )]
        Tls { endpoint: String, origin: Origin, reason: String },

        #[error("the Docker daemon at `{endpoint}` ({origin}) requires TLS, and none is configured")]
        #[code("daemon/needs-tls")]
        #[hint("set `DOCKER_TLS_VERIFY=1` and `DOCKER_CERT_PATH` to the folder with `ca.pem`, `cert.pem` and `key.pem`")]
        NeedsTls { endpoint: String, origin: Origin },

        #[error("the server at `{endpoint}` ({origin}) is not a Docker daemon: {}", printable(reason))]
        #[code("daemon/not-docker")]
        #[hint("set `DOCKER_HOST` to the address of a Docker daemon")]
        NotDocker { endpoint: String, origin: Origin, reason: String },

        #[error("invalid daemon address `{}` ({origin}): {reason}", printable(value))]
        #[code("daemon/bad-address")]
        #[hint("use `unix:///var/run/docker.sock`, `tcp://host:2376` or `ssh://user@host`")]
        BadAddress { value: String, origin: Origin, reason: String },

        #[error("no connection to the Docker daemon at `{endpoint}` ({origin}): {}", printable(reason))]
        #[code("daemon/ssh")]
        #[hint("{}", ssh_hint(reason))]
        Ssh { endpoint: String, origin: Origin, reason: String },

        #[error("cannot use the Docker context `{}` ({origin}): {reason}", printable(name))]
        #[code("daemon/docker-context")]
        #[hint("list the contexts with `docker context ls`, and select one with `DOCKER_CONTEXT` or `docker context use`")]
        DockerContext { name: String, origin: Origin, reason: String },

        #[error("cannot read `{}`: {reason}", printable_path(file))]
        #[code("daemon/docker-config")]
        #[hint("correct the file, or set `DOCKER_HOST` so that it is not needed")]
        #[location(Some(match line {
            Some((line, column)) => Location::column(file.clone(), *line, *column),
            None => Location::file(file.clone()),
        }))]
        DockerConfig { file: PathBuf, line: Option<(usize, usize)>, reason: String },

        #[error("lost the connection to the daemon at `{endpoint}` during {doing}: {reason}")]
        #[code("daemon/connection-lost")]
        #[hint("check the daemon's log (`journalctl -u docker`), disk and memory, then try again")]
        ConnectionLost { endpoint: String, doing: &'static str, reason: String },

        #[error("the answer of the daemon at `{endpoint}` during {doing} is longer than {}", size_text(*limit as u64))]
        #[code("daemon/answer-too-long")]
        #[hint("check that a Docker daemon listens at this address (`docker version` uses the same)")]
        AnswerTooLong { endpoint: String, doing: &'static str, limit: usize },

        #[error("the daemon at `{endpoint}` returned an error during {doing}: {}", printable(message))]
        #[code("daemon/error")]
        #[hint("check the daemon's log (`journalctl -u docker`)")]
        Answer { endpoint: String, doing: &'static str, message: String },
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", printable_path(path))).collect::<Vec<_>>().join(", ")
}

/// By the messages of OpenSSH and of the shell on the other machine.
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
