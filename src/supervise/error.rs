//! Why supervision cannot begin. Once it has begun, nothing but a signal ends it.

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
    #[error("{address} can be reached from other machines, and what is served there is not encrypted")]
    RemoteListen { address: SocketAddr },
    /// The token is not part of this.
    #[error("the token of `{flag}` cannot be used: {reason}")]
    Token { flag: &'static str, reason: String },
    /// The URL may hold a password, so it is not part of this.
    #[error("`--log-url` cannot be used: {reason}")]
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
    #[error("another `nextdeploy supervise` uses the state folder `{}`", printable_path(folder))]
    StateInUse { folder: PathBuf },
    #[error("`{}` holds no log positions: {reason}", printable_path(file))]
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
                "listen on 127.0.0.1 behind a proxy with TLS, or say `--allow-remote` where the network is trusted"
                    .to_owned()
            }
            Self::Token { flag, .. } => {
                format!("give `{flag} env:NAME` or `{flag} file:PATH`, with at least 16 characters")
            }
            Self::LogUrl { .. } => {
                "write `https://host/path`, and give a token with `--log-token env:NAME` or `--log-token file:PATH`"
                    .to_owned()
            }
            Self::LogFile { .. } => "choose a path that can be written".to_owned(),
            Self::State { .. } | Self::StateInUse { .. } => "choose another folder with `--state-dir`".to_owned(),
            Self::Positions { .. } => "remove the file: logs are then forwarded from now on".to_owned(),
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
