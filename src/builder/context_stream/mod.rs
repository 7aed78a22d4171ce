//! The build context as a tar stream, read from disk while it is being sent.
//!
//! In: the list of entries. Out: chunks of one tar archive, and a handle on what has been read. The archive depends on the entries
//! alone: fixed times, no owners, their order. A file that is no longer what the list says ends the stream with an error and
//! without the end-of-archive mark, so that nobody takes a part for the whole. Never holds more than a few chunks, never
//! follows a link.

mod error;
mod open;
mod writer;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;

pub use self::error::ContextStreamError;
use self::writer::Writer;
use crate::image::dockerfile::BuildContext;

/// Bytes of one chunk.
const CHUNK: usize = 256 * 1024;
/// Chunks that may wait for the receiver.
const WAITING: usize = 4;

/// Chunks of the archive; an error is the last item. Dropping it stops the reading at once.
pub struct ContextStream(mpsc::Receiver<Result<Bytes, ContextStreamError>>);

/// How far the reading is; clones look at the same stream.
#[derive(Debug, Clone)]
pub struct ContextProgress {
    read: Arc<AtomicU64>,
    total: u64,
}

impl ContextProgress {
    /// Bytes of content read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes of content of the whole context.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// Begins to read the context. The reading waits for the receiver and ends with it.
pub fn stream(context: BuildContext) -> (ContextStream, ContextProgress) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let progress = ContextProgress { read: Arc::default(), total: context.size() };
    let read = progress.read.clone();
    // Ends by itself: with the last entry, with an error, or when the receiver is gone.
    thread::spawn(move || Writer::new(sender, read).write(context));
    (ContextStream(receiver), progress)
}

/// Bytes of the archive that [`stream`] makes of `context`.
pub fn archive_size(context: &BuildContext) -> u64 {
    writer::archive_size(context)
}

impl Stream for ContextStream {
    type Item = Result<Bytes, ContextStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

#[cfg(test)]
mod tests;
