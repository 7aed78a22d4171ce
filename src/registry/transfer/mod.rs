//! Pushes and pulls through the daemon.
//!
//! In: references, a keychain, limits. Out: [`PushOutcome`] or [`PulledImage`], and [`TransferEvent`]s on the way. The daemon moves the
//! layers; the registry itself is queried only for what the daemon does not report. Never builds, never keeps credentials.

mod daemon;
mod error;
mod lookup;
mod pull;
mod push;
mod retry;

use std::time::Duration;

pub use error::TransferError;
pub use lookup::check_login;
pub use pull::{PullRun, PulledImage};
pub use push::{FailedPush, PushOutcome, PushRun};
pub use retry::RetryPolicy;

use crate::diagnostic::Warning;

/// Limits of a transfer.
#[derive(Debug, Clone)]
pub struct TransferOptions {
    pub retry: RetryPolicy,
    /// A transfer without any message for this long is given up. Registries may be silent for minutes while they store a large layer.
    pub idle: Duration,
    /// References of one repository that are pushed at the same time, after the first one.
    pub concurrency: usize,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self { retry: RetryPolicy::default(), idle: Duration::from_mins(5), concurrency: 4 }
    }
}

/// One event of a running transfer, in order. References are those of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferEvent {
    /// `origin` describes the credentials: "`--username` and `--password`". Never a value.
    LoggedIn {
        registry: String,
        origin: String,
    },
    /// The registry rejected the credentials; new ones are used.
    CredentialsRenewed {
        registry: String,
        origin: String,
    },
    Started {
        reference: String,
    },
    /// `layer` is the daemon's short ID, the same for all references of one repository.
    Layer {
        reference: String,
        layer: String,
        state: LayerState,
    },
    /// A temporary failure; the next attempt starts after `wait`.
    Retrying {
        reference: String,
        /// One line.
        reason: String,
        /// Number of the next attempt, counted from 1.
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
    /// The error is in the outcome.
    Failed {
        reference: String,
    },
    Notice(Warning),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerState {
    Waiting,
    /// Bytes so far, uncompressed in a push; `current` may exceed `total`.
    Moving {
        current: u64,
        total: Option<u64>,
    },
    /// Pull only.
    Extracting {
        current: u64,
        total: Option<u64>,
    },
    /// The daemon retries this layer.
    Retrying,
    Done(LayerOutcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerOutcome {
    Moved,
    /// It existed already.
    Exists,
    /// The registry took it from another of its repositories.
    Mounted,
}
