//! The builder that runs inside a Docker daemon (BuildKit), or one that speaks its API (classic builder, Podman).
//!
//! In: an [`Engine`](crate::daemon::Engine), [`BuildRequest`](super::BuildRequest), a context stream. Out: the image in the daemon. Never writes to the
//! machine it runs on.

mod build;
mod buildkit;
mod classic;
mod inspect;
mod look;
mod query;
mod redact;
mod session;
mod steps;
mod upload;

pub use build::BuildRun;
pub use look::{find_image, read_routes};
pub use upload::ContextBody;
