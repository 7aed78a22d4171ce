//! The thread between readers and sinks: batches in, written lines and saved positions out.
//!
//! A position is saved only after every sink has its lines, so a crash may repeat lines and never loses one.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use super::notice::{Notice, Teller};
use super::position::Positions;
use super::sink::{Batch, Sinks};

/// Batches that may wait.
pub const WAITING: usize = 32;
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub enum Input {
    /// With its share of the room for those that wait.
    Lines(Batch, OwnedSemaphorePermit),
    /// The container with this id is gone.
    Forget(String),
}

/// Where positions are kept.
pub struct PositionFile {
    pub path: PathBuf,
    pub positions: Positions,
}

pub struct Forwarder {
    pub sinks: Sinks,
    /// `None` when nothing is kept.
    pub file: Option<PositionFile>,
    pub teller: Teller,
}

impl Forwarder {
    /// Works until all senders are gone. Blocks the thread.
    pub fn run(mut self, mut inputs: mpsc::Receiver<Input>, runtime: &Handle) {
        let mut saved = Instant::now();
        let (mut changed, mut failing) = (false, false);
        loop {
            let next = match inputs.try_recv() {
                Ok(input) => Some(Some(input)),
                Err(_) if changed => runtime.block_on(timeout(SAVE_INTERVAL, inputs.recv())).ok(),
                Err(_) => Some(inputs.blocking_recv()),
            };
            match next {
                Some(Some(input)) => {
                    self.take(input);
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

    fn take(&mut self, input: Input) {
        match input {
            Input::Lines(batch, _room) => {
                self.sinks.write(&batch);
                if let Some(file) = &mut self.file {
                    file.positions.containers.insert(batch.id.as_ref().to_owned(), batch.position);
                }
            }
            Input::Forget(id) => {
                if let Some(file) = &mut self.file {
                    file.positions.containers.remove(&id);
                }
            }
        }
    }

    /// Whether it failed; told once.
    fn save(&self, failed_before: bool) -> bool {
        let Some(file) = &self.file else { return false };
        let saved = file.positions.save(&file.path);
        if let (Err(error), false) = (&saved, failed_before) {
            self.teller.tell(Notice::StateFailing { reason: error.to_string() });
        }
        saved.is_err()
    }
}
