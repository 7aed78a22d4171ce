//! Pushes and pulls as people and machines see them: events → progress and a [`TransferRecord`], outcomes → text and JSON.

mod progress;
mod push;

use std::io::Write;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use self::progress::Steps;
use super::progress::{ProgressMode, show_progress};
use crate::diagnostic::Warning;
use crate::registry::transfer::TransferEvent;

pub use push::{FailedReferences, PullResult, PushResult, render_pull, render_push};

/// Events that wait for the display.
const QUEUE: usize = 64;

/// What happened in a transfer, besides its outcome.
#[derive(Debug, Clone, Default)]
pub struct TransferRecord {
    /// Layers that were moved, and their bytes before compression.
    pub moved_layers: usize,
    pub moved_bytes: u64,
    /// Layers that were there already, or came from another repository of the registry.
    pub present_layers: usize,
    pub retries: usize,
    pub notices: Vec<Warning>,
    pub total: Duration,
}

/// Shows events until their sender is gone, each reference as a step; the answer is what happened.
pub async fn show_transfer(
    mut events: mpsc::Receiver<TransferEvent>,
    mode: ProgressMode,
    writer: impl Write + Send + 'static,
) -> TransferRecord {
    let start = Instant::now();
    let (shown, received) = mpsc::channel(QUEUE);
    let display = tokio::spawn(show_progress(received, mode, writer));
    let mut steps = Steps::default();
    while let Some(event) = events.recv().await {
        for step in steps.events(&event, start.elapsed()) {
            // A display that failed does not stop the transfer.
            let _ = shown.send(step).await;
        }
    }
    drop(shown);
    let _ = display.await;
    TransferRecord { total: start.elapsed(), ..steps.into_record() }
}
