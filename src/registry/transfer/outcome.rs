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

/// What has become of each reference so far.
#[derive(Debug)]
pub(super) struct Record {
    references: Vec<String>,
    pushed: Vec<(usize, PushedReference)>,
    failed: Vec<(Vec<usize>, TransferError)>,
}

impl Record {
    pub(super) fn new(references: Vec<String>) -> Self {
        Self { references, pushed: Vec::new(), failed: Vec::new() }
    }

    pub(super) fn pushed(&mut self, index: usize, pushed: PushedReference) {
        self.pushed.push((index, pushed));
    }

    /// The names of what failed.
    pub(super) fn failed(&mut self, indices: &[usize], error: TransferError) -> Vec<String> {
        self.failed.push((indices.to_vec(), error));
        self.names(indices)
    }

    fn names(&self, indices: &[usize]) -> Vec<String> {
        indices.iter().map(|index| self.references[*index].clone()).collect()
    }

    /// References of which nothing is known were on their way when the run was cancelled.
    pub(super) fn into_outcome(mut self) -> PushOutcome {
        let is_known = |index: &usize| {
            self.pushed.iter().any(|(pushed, _)| pushed == index)
                || self.failed.iter().any(|(failed, _)| failed.contains(index))
        };
        let cancelled: Vec<usize> = (0..self.references.len()).filter(|index| !is_known(index)).collect();
        if !cancelled.is_empty() {
            self.failed.push((cancelled, TransferError::Cancelled));
        }
        self.pushed.sort_by_key(|(index, _)| *index);
        self.failed.sort_by_key(|(indices, _)| indices.first().copied());
        let failed = std::mem::take(&mut self.failed);
        PushOutcome {
            failed: failed
                .into_iter()
                .map(|(indices, error)| FailedPush { references: self.names(&indices), error })
                .collect(),
            pushed: self.pushed.into_iter().map(|(_, pushed)| pushed).collect(),
        }
    }
}
