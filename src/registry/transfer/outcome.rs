//! What became of a transfer, reference by reference.

use serde::Serialize;

use super::error::TransferError;
use crate::image::PushedReference;

/// The result of a push: every reference that was asked for is in exactly one of the lists, in the order of the request.
#[derive(Debug, Default)]
pub struct PushOutcome {
    pub pushed: Vec<PushedReference>,
    pub failed: Vec<FailedPush>,
}

/// References that did not arrive, all for the same reason.
#[derive(Debug)]
pub struct FailedPush {
    /// The one that failed first, then those that were not tried because of it.
    pub references: Vec<String>,
    pub error: TransferError,
}

impl PushOutcome {
    /// The error that ends the run, if any: the first one, unless the run was cancelled.
    pub fn error(&self) -> Option<&TransferError> {
        let errors = || self.failed.iter().map(|failed| &failed.error);
        errors().find(|error| matches!(error, TransferError::Cancelled)).or_else(|| errors().next())
    }
}

/// The result of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PulledImage {
    /// As it was asked for.
    pub reference: String,
    /// Digest of the manifest or image index, `sha256:…`.
    pub digest: String,
    /// Image id, `sha256:…`.
    pub id: String,
    /// The daemon had it already.
    pub unchanged: bool,
}
