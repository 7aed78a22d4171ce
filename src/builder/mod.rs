//! From a [`BuildRequest`] to a [`BuiltImage`](crate::image::BuiltImage): the daemon, its session, the build context stream and the
//! progress.
//!
//! In: Dockerfile, context entries, options. Out: the image in the daemon and [`BuildEvent`]s on the way. Types of the Docker
//! API never leave this module, and nothing here decides what is built.

mod context_stream;
mod error;
mod event;
mod explain;
mod request;
mod step_name;

pub use crate::docker::LogStream;
pub use context_stream::{ContextProgress, ContextStream, ContextStreamError, archive_size, stream};
pub use error::BuildError;
pub use event::{BuildEvent, StepId, StepOutcome};
pub use explain::{Explanation, Finding};
pub(crate) use explain::{StepFailure, explain, without_colours};
pub use request::{BuildRequest, BuildSecret, RegistryCredentials};
pub use step_name::{shorten, step_name};
