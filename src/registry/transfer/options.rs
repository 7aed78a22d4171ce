//! Limits of a transfer.

use std::time::Duration;

/// How long and how often is tried.
#[derive(Debug, Clone)]
pub struct TransferOptions {
    /// Attempts per reference, the first one included.
    pub attempts: usize,
    /// Wait before the second attempt; it doubles from there, with jitter.
    pub first_wait: Duration,
    pub longest_wait: Duration,
    /// No attempt begins later than this after the first one.
    pub retry_time: Duration,
    /// A transfer of which nothing is heard for so long is given up. Registries may be silent for minutes while they store a
    /// large layer.
    pub idle: Duration,
    /// References of one repository that are pushed at the same time, after the first one.
    pub concurrency: usize,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
            retry_time: Duration::from_mins(10),
            idle: Duration::from_mins(5),
            concurrency: 4,
        }
    }
}
