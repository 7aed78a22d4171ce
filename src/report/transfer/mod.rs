//! Pushes and pulls as people and machines see them: events → progress, outcomes → text and JSON.

mod progress;
mod push;

use std::io::Write;

use tokio::sync::mpsc;
use tokio::time::Instant;

use self::progress::Steps;
use super::progress::{ProgressMode, show_progress};
use crate::registry::transfer::TransferEvent;

pub use push::{FailedReferences, PullResult, PushResult, render_pull, render_push};

/// Events that wait for the display.
const QUEUE: usize = 64;

/// Shows events until their sender is gone, each reference as a step.
pub async fn show_transfer(
    mut events: mpsc::Receiver<TransferEvent>,
    mode: ProgressMode,
    writer: impl Write + Send + 'static,
) {
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
}
