//! Why supervision cannot start. Once it has started, only a signal ends it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::diagnostic::{Location, diagnostics, printable_path};
use crate::docker::ContainerError;
use crate::net::NetworkError;

diagnostics! {
    #[exit(Usage)]
    pub enum SuperviseError {
        #[transparent]
        Container(#[from] error: ContainerError),

        #[transparent]
        Network(#[from] error: NetworkError),

        #[error("cannot listen on {address}")]
        #[code("supervise/listen")]
        #[hint("choose another address with `--listen 127.0.0.1:PORT`, or `--listen none`")]
        Listen { address: SocketAddr, #[source] source: io::Error },

        #[error("{address} can be reached from other machines, and the connection is not encrypted")]
        #[code("supervise/remote-listen")]
        #[hint("listen on 127.0.0.1 behind a TLS proxy, or pass `--allow-remote` if the network is trusted")]
        RemoteListen { address: SocketAddr },

        /// Never contains the token.
        #[error("invalid `{flag}`: {reason}")]
        #[code("supervise/token")]
        #[hint("pass `{flag} env:NAME` or `{flag} file:PATH`, with a token of at least 16 characters")]
        Token { flag: &'static str, reason: String },

        /// Never contains the URL, which may hold a password.
        #[error("invalid `--log-url`: {reason}")]
        #[code("supervise/log-url")]
        #[hint("use `https://host/path`, and pass a token with `--log-token env:NAME` or `--log-token file:PATH`")]
        LogUrl { reason: String },

        #[error("cannot write the log file `{}`", printable_path(path))]
        #[code("supervise/log-file")]
        #[hint("choose a writable path")]
        LogFile { path: PathBuf, #[source] source: io::Error },

        #[error("cannot use the state folder `{}`", printable_path(folder))]
        #[code("supervise/state")]
        #[hint("choose another folder with `--state-dir`")]
        State { folder: PathBuf, #[source] source: io::Error },

        #[error("another `nextdeploy supervise` is using the state folder `{}`", printable_path(folder))]
        #[code("supervise/state-in-use")]
        #[hint("choose another folder with `--state-dir`")]
        StateInUse { folder: PathBuf },

        #[error("invalid log positions in `{}`: {reason}", printable_path(file))]
        #[code("supervise/positions")]
        #[hint("delete the file: logs are then forwarded from now on")]
        #[location(Some(Location::file(file.clone())))]
        Positions { file: PathBuf, reason: String },
    }
}
