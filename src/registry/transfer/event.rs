//! What a running push or pull tells, in the order in which it happens.

use std::time::Duration;

use crate::diagnostic::Warning;

/// One message of a running transfer. References are as they were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferEvent {
    /// Who we are at a registry, in words: "`--username` and `--password`". Never a value.
    LoggedIn {
        registry: String,
        origin: String,
    },
    /// The registry refused the credentials, and fresh ones are tried.
    CredentialsRenewed {
        registry: String,
        origin: String,
    },
    Started {
        reference: String,
    },
    /// `layer` is the short id that the daemon gives it, the same for all references of one repository.
    Layer {
        reference: String,
        layer: String,
        state: LayerState,
    },
    /// A temporary failure; the next attempt begins after `wait`.
    Retrying {
        reference: String,
        /// One line.
        reason: String,
        /// Number of the next attempt; the first one was 1.
        attempt: usize,
        attempts: usize,
        wait: Duration,
    },
    Finished {
        reference: String,
        /// Digest of the manifest, `sha256:…`.
        digest: String,
        unchanged: bool,
    },
    /// The reference did not get there; the error follows with the outcome.
    Failed {
        reference: String,
    },
    Notice(Warning),
}

/// Where a layer is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerState {
    Waiting,
    /// Bytes so far, before compression in a push; `current` may exceed `total`.
    Moving {
        current: u64,
        total: Option<u64>,
    },
    /// Pull only: being unpacked.
    Extracting {
        current: u64,
        total: Option<u64>,
    },
    /// The daemon itself tries this layer again.
    Retrying,
    Done(LayerOutcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerOutcome {
    Moved,
    /// It was there already.
    Exists,
    /// The registry took it from another repository.
    Mounted,
}
