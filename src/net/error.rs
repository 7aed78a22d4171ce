//! Why no client can be made: a certificate file or proxy setting that cannot be used.

use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, ExitCode, Location, printable, printable_path};
use crate::origin::Origin;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error(
        "the certificate authorities in `{}` ({origin}) cannot be used: {}",
        printable_path(file),
        printable(reason)
    )]
    Authorities { file: PathBuf, origin: Origin, reason: String },
    /// The value may hold a password, so it is not part of this.
    #[error("the proxy in `{variable}` cannot be used: {reason}")]
    Proxy { variable: &'static str, reason: String },
    #[error("no HTTP client can be made: {reason}")]
    Client { reason: String },
}

impl Diagnostic for NetworkError {
    fn code(&self) -> &'static str {
        match self {
            Self::Authorities { .. } => "network/ca-bundle",
            Self::Proxy { .. } => "network/proxy",
            Self::Client { .. } => "network/client",
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::Authorities { .. } => {
                "name a readable PEM file with the certificates of your authorities (`-----BEGIN CERTIFICATE-----`)"
                    .to_owned()
            }
            Self::Proxy { variable, .. } => format!("write `{variable}` as `http://host:port`, or unset it"),
            Self::Client { .. } => "check `--ca-bundle`, `SSL_CERT_FILE` and the proxy variables".to_owned(),
        }]
    }

    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Authorities { file, .. } => Some(Location::file(file.clone())),
            Self::Proxy { .. } | Self::Client { .. } => None,
        }
    }
}
