//! Why supervision cannot start. Once it has started, only a signal ends it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, ExitCode, Location, printable_path};
use crate::docker::ContainerError;
use crate::net::NetworkError;

#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("`{address}` can be reached from other machines, and the connection is not encrypted")]
    RemoteListen { address: SocketAddr },
    /// Never contains the token.
    #[error("invalid `{flag}`: {reason}")]
    Token { flag: &'static str, reason: String },
    /// Never contains the URL, which may hold a password.
    #[error("invalid `--log-url`: {reason}")]
    LogUrl { reason: String },
    #[error("cannot write the log file `{}`", printable_path(path))]
    LogFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot use the state folder `{}`", printable_path(folder))]
    State {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another `nextdeploy supervise` is using the state folder `{}`", printable_path(folder))]
    StateInUse { folder: PathBuf },
    #[error("invalid log positions in `{}`: {reason}", printable_path(file))]
    Positions { file: PathBuf, reason: String },
}

impl Diagnostic for SuperviseError {
    fn code(&self) -> &'static str {
        match self {
            Self::Container(error) => error.code(),
            Self::Network(error) => error.code(),
            Self::Listen { .. } => "supervise/listen",
            Self::RemoteListen { .. } => "supervise/remote-listen",
            Self::Token { .. } => "supervise/token",
            Self::LogUrl { .. } => "supervise/log-url",
            Self::LogFile { .. } => "supervise/log-file",
            Self::State { .. } => "supervise/state",
            Self::StateInUse { .. } => "supervise/state-in-use",
            Self::Positions { .. } => "supervise/positions",
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::Container(error) => return error.hints(),
            Self::Network(error) => return error.hints(),
            Self::Listen { .. } => {
                "choose another address with `--listen 127.0.0.1:PORT`, or `--listen none`".to_owned()
            }
            Self::RemoteListen { .. } => {
                "listen on 127.0.0.1 behind a TLS proxy, or pass `--allow-remote` if the network is trusted".to_owned()
            }
            Self::Token { flag, .. } => {
                format!("pass `{flag} env:NAME` or `{flag} file:PATH`, with a token of at least 16 characters")
            }
            Self::LogUrl { .. } => {
                "use `https://host/path`, and pass a token with `--log-token env:NAME` or `--log-token file:PATH`"
                    .to_owned()
            }
            Self::LogFile { .. } => "choose a writable path".to_owned(),
            Self::State { .. } | Self::StateInUse { .. } => "choose another folder with `--state-dir`".to_owned(),
            Self::Positions { .. } => "delete the file: logs are then forwarded from now on".to_owned(),
        }]
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Container(error) => error.exit_code(),
            Self::Network(error) => error.exit_code(),
            _ => ExitCode::Usage,
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Positions { file, .. } => Some(Location::file(file.clone())),
            Self::Network(error) => error.location(),
            _ => None,
        }
    }
}
