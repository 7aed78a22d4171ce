//! What every builder has in common: [`BuildRequest`] in, [`BuildEvent`]s and [`BuildError`]s out, the build context as a stream, and
//! explanations of failures.
//!
//! Nothing here decides what is built, or knows how a daemon builds it.

mod context_stream;
mod error;
mod explain;
mod step_name;

use std::collections::BTreeMap;
use std::time::Duration;

pub use context_stream::{ContextProgress, ContextStream, ContextStreamError, archive_size, stream};
pub use error::BuildError;
pub use explain::{FailureExplanation, LocatedError};
pub(crate) use explain::{StepFailure, explain, without_colours};
pub use step_name::{shorten, step_name};

use crate::config::settings::{CacheUse, PullPolicy};
pub use crate::docker::LogStream;
use crate::image::dockerfile::BuildContext;
use crate::image_ref::ImageRef;
use crate::secret::Secret;

/// One build, complete: equal requests give equal images.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    pub context: BuildContext,
    /// Path of the Dockerfile inside the context.
    pub dockerfile: String,
    /// Complete references; the first one is the primary.
    pub tags: Vec<ImageRef>,
    /// `linux/amd64`; `None` is the daemon's own.
    pub platform: Option<String>,
    pub target: Option<String>,
    pub build_args: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub secrets: Vec<BuildSecret>,
    /// By registry host as written in references.
    pub credentials: BTreeMap<String, RegistryCredentials>,
    pub network: Option<String>,
    pub cache_from: Vec<String>,
    /// Bytes; only for the classic builder (BuildKit has no such limit).
    pub memory: Option<u64>,
    pub cache: CacheUse,
    pub pull: PullPolicy,
    pub timeout: Option<Duration>,
}

/// A secret of the build, served to BuildKit through the session.
#[derive(Debug, Clone)]
pub struct BuildSecret {
    pub id: String,
    pub value: Secret<Vec<u8>>,
}

#[derive(Debug, Clone)]
pub struct RegistryCredentials {
    pub username: String,
    pub password: Secret,
}

/// Identifies a step within one build (BuildKit's vertex digest, or the step number of the classic builder).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub String);

/// One message of a running build. Log bytes are untrusted child output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildEvent {
    /// Progress of the upload: bytes sent so far, and the total where it is known.
    ContextSent {
        bytes: u64,
        total: Option<u64>,
    },
    /// A step started. `internal` steps are BuildKit's own and do not count for cache statistics.
    StepStarted {
        id: StepId,
        name: String,
        internal: bool,
    },
    /// Progress inside a step: pulling or exporting layers, in bytes.
    StepProgress {
        id: StepId,
        item: String,
        current: u64,
        total: Option<u64>,
    },
    StepLog {
        id: StepId,
        stream: LogStream,
        bytes: Vec<u8>,
    },
    StepFinished {
        id: StepId,
        outcome: StepOutcome,
        duration: Duration,
    },
    /// A warning of the daemon.
    Warning(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    Done,
    Cached,
    Failed(String),
    /// Not finished when the build ended.
    Cancelled,
}
