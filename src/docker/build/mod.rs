//! The builder that runs inside a Docker daemon (BuildKit), or one that speaks its API (classic builder, Podman).
//!
//! In: an [`Engine`](crate::docker::connection::Engine), [`BuildRequest`](crate::builder::BuildRequest), a context stream. Out: the image in the daemon. Writes
//! nothing to the machine it runs on but the caches that it is asked to keep.

mod build;
mod buildkit;
mod cache_transfer;
mod classic;
mod inspect;
mod look;
mod query;
mod session;
mod steps;
mod upload;

pub use build::BuildRun;
pub use cache_transfer::{CacheTransfer, CacheTransferError};
pub use look::{find_image, read_routes};
pub use upload::ContextBody;
