//! From the containers' logs to the sinks: a [`LogReader`] per container turns lines into batches, one [`Forwarder`] thread writes
//! them and saves positions.
//!
//! Readers read no faster than the sinks accept, so memory is bounded; the daemon keeps what has not been read. A position is saved only
//! after every sink has the lines, so a crash may repeat lines but never loses one.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::{FutureExt, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::event::{SupervisorEvent, SupervisorEventSender};
use super::record::{LogBatch, SharedSource, append_record};
use super::sink::Sinks;
use super::state::{LogCursor, LogPositions};
use crate::docker::{ContainerError, Containers, LogLine, LogOptions};

/// Batches that may be queued.
pub const QUEUED_BATCHES: usize = 32;
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
const BATCH_BYTES: usize = 64 << 10;
/// Size of all queued batches together, in [`QUEUE_UNIT`]s.
pub const QUEUE_UNITS: u32 = 8 << 10;
const QUEUE_UNIT: usize = 1 << 10;

#[derive(Debug)]
pub enum ForwardMessage {
    /// With its share of the queue space.
    Lines(LogBatch, OwnedSemaphorePermit),
    /// The container with this id is gone.
    Remove(String),
}

/// Where positions are kept.
pub struct PositionFile {
    pub path: PathBuf,
    pub positions: LogPositions,
}

pub struct Forwarder {
    pub sinks: Sinks,
    /// `None` when no positions are kept.
    pub file: Option<PositionFile>,
    pub events: SupervisorEventSender,
}

impl Forwarder {
    /// Runs until all senders are gone. Blocks the thread.
    pub fn run(mut self, mut messages: mpsc::Receiver<ForwardMessage>, runtime: &Handle) {
        let mut saved = Instant::now();
        let (mut changed, mut failing) = (false, false);
        loop {
            let next = match messages.try_recv() {
                Ok(message) => Some(Some(message)),
                Err(_) if changed => runtime.block_on(timeout(SAVE_INTERVAL, messages.recv())).ok(),
                Err(_) => Some(messages.blocking_recv()),
            };
            match next {
                Some(Some(message)) => {
                    self.on_message(message);
                    changed = true;
                }
                Some(None) => break,
                None => {}
            }
            if changed && saved.elapsed() >= SAVE_INTERVAL {
                failing = self.save(failing);
                (saved, changed) = (Instant::now(), false);
            }
        }
        self.save(failing);
    }

    fn on_message(&mut self, message: ForwardMessage) {
        match message {
            ForwardMessage::Lines(batch, _room) => {
                self.sinks.write(&batch);
                if let Some(file) = &mut self.file {
                    file.positions.containers.insert(batch.id.as_ref().to_owned(), batch.position);
                }
            }
            ForwardMessage::Remove(id) => {
                if let Some(file) = &mut self.file {
                    file.positions.containers.remove(&id);
                }
            }
        }
    }

    /// Returns whether it failed; the first failure in a row is reported.
    fn save(&self, failed_before: bool) -> bool {
        let Some(file) = &self.file else { return false };
        let saved = file.positions.save(&file.path);
        if let (Err(error), false) = (&saved, failed_before) {
            self.events.send(SupervisorEvent::StateFailing { reason: error.to_string() });
        }
        saved.is_err()
    }
}

/// Reads the logs of one container from its last position on.
pub struct LogReader {
    pub containers: Containers,
    pub id: Arc<str>,
    pub source: SharedSource,
    pub cursor: LogCursor,
    /// Older lines are never read.
    pub beginning: DateTime<Utc>,
    pub messages: mpsc::Sender<ForwardMessage>,
    /// [`QUEUE_UNITS`] permits.
    pub queue_space: Arc<Semaphore>,
}

impl LogReader {
    /// Reads until the container exits.
    pub async fn run(mut self) -> (LogCursor, Result<(), ContainerError>) {
        let followed = self.read(true).await;
        // Lines printed between the last line read and the exit.
        let result = match followed {
            Ok(()) => self.read(false).await,
            failed => failed,
        };
        (self.cursor, result)
    }

    async fn read(&mut self, follow: bool) -> Result<(), ContainerError> {
        self.cursor.rewind();
        let since = self.cursor.position().since().map_or(self.beginning, |since| since.max(self.beginning));
        let options = LogOptions { follow, since: Some(since), ..LogOptions::default() };
        let mut lines = self.containers.logs(&self.id, &options).await?;
        while let Some(line) = lines.next().await {
            let (mut text, mut count) = (Vec::new(), 0);
            let source = Arc::clone(&self.source.lock().unwrap_or_else(PoisonError::into_inner));
            let mut take = |line: &LogLine, text: &mut Vec<u8>| {
                if self.cursor.advance(line) {
                    append_record(text, &source, line);
                    count += 1;
                }
            };
            take(&line?, &mut text);
            let mut failed = None;
            // Whatever has arrived already.
            while text.len() < BATCH_BYTES {
                match lines.next().now_or_never() {
                    Some(Some(Ok(line))) => take(&line, &mut text),
                    Some(Some(Err(error))) => {
                        failed = Some(error);
                        break;
                    }
                    Some(None) | None => break,
                }
            }
            if count > 0 {
                let position = self.cursor.position();
                self.send(LogBatch { id: Arc::clone(&self.id), source, text: text.into(), lines: count, position })
                    .await;
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn send(&self, batch: LogBatch) {
        let units = u32::try_from(batch.text.len().div_ceil(QUEUE_UNIT)).unwrap_or(u32::MAX).clamp(1, QUEUE_UNITS);
        let permit = Arc::clone(&self.queue_space).acquire_many_owned(units).await;
        // Closed only when the program exits.
        if let Ok(permit) = permit {
            let _ = self.messages.send(ForwardMessage::Lines(batch, permit)).await;
        }
    }
}
