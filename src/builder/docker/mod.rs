//! The builder that runs inside a Docker daemon (BuildKit), or one that speaks its API (classic builder, Podman).
//!
//! In: [`Endpoint`], [`BuildRequest`](super::BuildRequest), a context stream. Out: the image in the daemon. Never writes to the
//! machine it runs on.

mod build;
mod buildkit;
mod classic;
mod connect;
mod credentials;
mod endpoint;
mod inspect;
mod query;
mod redact;
mod session;
mod steps;
mod tls;
mod upload;

pub use build::BuildRun;
pub use connect::{BuilderKind, Engine};
pub use credentials::stored_credentials;
pub use endpoint::{Address, Endpoint, TlsFiles, find_endpoint};
pub use upload::ContextBody;
