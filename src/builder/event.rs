//! What a running build tells, in the order in which it happens.

use std::time::Duration;

use crate::docker::LogStream;

/// Identifies a step within one build (BuildKit's vertex digest, or the step number of the classic builder).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub String);

/// One message of a running build. Log bytes are untrusted child output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildEvent {
    /// The context is on its way: bytes sent so far, and the total where it is known.
    ContextSent {
        bytes: u64,
        total: Option<u64>,
    },
    /// A step began. `internal` steps are BuildKit's own and do not count for cache statistics.
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
    /// Something that the daemon wants to be said.
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
