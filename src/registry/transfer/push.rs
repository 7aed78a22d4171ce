//! From references in the daemon to references in their registries.

use tokio::sync::mpsc;

use super::{TransferEvent, TransferOptions};
use crate::daemon::Engine;
use crate::oci::Reference;

/// What runs a push: all references of one image, in any number of registries.
pub struct PushRun<'a, S> {
    pub engine: &'a Engine,
    /// Image id or reference that is given these names first; `None` when the daemon knows the image by all of them.
    pub source: Option<&'a str>,
    pub references: &'a [Reference],
    pub credentials: &'a S,
    /// Receives every event; a receiver that is gone is no error.
    pub events: mpsc::Sender<TransferEvent>,
    pub options: TransferOptions,
}
