//! The logs of one container from where they were left: lines → [`Batch`]es of JSON.
//!
//! Reads no faster than the sinks take, so memory is bounded; the daemon keeps what is not read.

use std::sync::{Arc, PoisonError};

use chrono::{DateTime, Utc};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Semaphore, mpsc};

use super::fleet::SharedOrigin;
use super::forward::Input;
use super::position::Cursor;
use super::record::append_record;
use super::sink::Batch;
use crate::docker::{ContainerError, Containers, LogLine, LogOptions};

const BATCH_BYTES: usize = 64 << 10;
/// Of all batches that wait for the sinks together, in [`UNIT`]s.
pub const WAITING_UNITS: u32 = 8 << 10;
const UNIT: usize = 1 << 10;

pub struct Tail {
    pub containers: Containers,
    pub id: Arc<str>,
    pub origin: SharedOrigin,
    pub cursor: Cursor,
    /// Nothing older is read.
    pub beginning: DateTime<Utc>,
    pub inputs: mpsc::Sender<Input>,
    /// [`WAITING_UNITS`] permits.
    pub room: Arc<Semaphore>,
}

impl Tail {
    /// Reads until the container ends.
    pub async fn run(mut self) -> (Cursor, Result<(), ContainerError>) {
        let followed = self.read(true).await;
        // What was printed between the last line that was read and the end.
        let ended = match followed {
            Ok(()) => self.read(false).await,
            failed => failed,
        };
        (self.cursor, ended)
    }

    async fn read(&mut self, follow: bool) -> Result<(), ContainerError> {
        self.cursor.rewind();
        let since = self.cursor.position().since().map_or(self.beginning, |since| since.max(self.beginning));
        let options = LogOptions { follow, since: Some(since), ..LogOptions::default() };
        let mut lines = self.containers.logs(&self.id, &options).await?;
        while let Some(line) = lines.next().await {
            let (mut text, mut count) = (Vec::new(), 0);
            let origin = Arc::clone(&self.origin.lock().unwrap_or_else(PoisonError::into_inner));
            let mut take = |line: &LogLine, text: &mut Vec<u8>| {
                if self.cursor.advance(line) {
                    append_record(text, &origin, line);
                    count += 1;
                }
            };
            take(&line?, &mut text);
            let mut failed = None;
            // Whatever is there already.
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
                self.hand_over(Batch { id: Arc::clone(&self.id), origin, text: text.into(), lines: count, position })
                    .await;
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn hand_over(&self, batch: Batch) {
        let units = u32::try_from(batch.text.len().div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, WAITING_UNITS);
        let permit = Arc::clone(&self.room).acquire_many_owned(units).await;
        // Closed at the end of the program only.
        if let Ok(permit) = permit {
            let _ = self.inputs.send(Input::Lines(batch, permit)).await;
        }
    }
}
