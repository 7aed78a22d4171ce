//! From a reference in a registry to an image in the daemon.

use tokio::sync::mpsc;

use super::{TransferEvent, TransferOptions};
use crate::daemon::Engine;
use crate::oci::Reference;

/// What runs a pull.
pub struct PullRun<'a, S> {
    pub engine: &'a Engine,
    pub reference: &'a Reference,
    /// `linux/arm64`; `None` is the daemon's own.
    pub platform: Option<&'a str>,
    pub credentials: &'a S,
    /// Receives every event; a receiver that is gone is no error.
    pub events: mpsc::Sender<TransferEvent>,
    pub options: TransferOptions,
}
