//! Builds inside of a Docker daemon: by BuildKit, or by the classic builder that Podman has, too.
//!
//! In: an [`Engine`](super::connection::Engine), a [`BuildRequest`](crate::builder::BuildRequest), a context stream. Out: the image in the
//! daemon. Writes nothing to this machine but the caches of [`CacheTransfer`].

mod cache_transfer;
mod progress;
mod request;
mod run;
mod session;

pub use cache_transfer::{CacheTransfer, CacheTransferError};
pub use request::ContextBody;
pub use run::BuildRun;
