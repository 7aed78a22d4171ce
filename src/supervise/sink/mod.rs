//! Where logs go: standard output, a file, an HTTP endpoint, clients that listen. [`Sinks`] gives each batch to all of them.
//!
//! Standard output and the file slow the reading of logs, which the daemon keeps; the endpoint has a bounded buffer on disk; clients
//! that are slow are disconnected. So memory is bounded whatever a sink does.

mod file;
mod http;
mod live;
mod spool;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

pub use file::{FileOptions, FileSink};
pub use http::{HttpSink, HttpTarget, TokenSource};
pub use live::{LiveFilter, LiveLogs, serve_client};
pub use spool::Spool;

use super::notice::{Notice, Teller};
use super::position::Position;
use super::record::Origin;
use crate::host::Streams;

/// A number that several threads count.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lines of one sink.
#[derive(Debug, Default)]
pub struct SinkCount {
    pub forwarded: Count,
    pub dropped: Count,
}

/// What the sinks did.
#[derive(Debug, Default)]
pub struct Counters {
    pub stdout: SinkCount,
    pub file: SinkCount,
    pub url: SinkCount,
    pub live: SinkCount,
    /// Bytes in the buffer for the endpoint.
    pub buffered: Count,
    /// Clients that listen.
    pub clients: Count,
}

/// Lines of one container as JSON, each with a line break.
#[derive(Debug, Clone)]
pub struct Batch {
    pub id: Arc<str>,
    pub origin: Arc<Origin>,
    pub text: Bytes,
    pub lines: u64,
    /// After these lines.
    pub position: Position,
}

/// The sinks that were asked for.
pub struct Sinks {
    pub stdout: Option<Streams>,
    pub file: Option<FileSink>,
    pub url: Option<Arc<HttpSink>>,
    pub live: Option<LiveLogs>,
    pub counters: Arc<Counters>,
    pub teller: Teller,
    pub failing: Failing,
}

/// What was told to fail.
#[derive(Debug, Default)]
pub struct Failing {
    stdout: bool,
    file: bool,
    dropped_by_file: u64,
}

impl Sinks {
    /// Whether anything is done with lines.
    pub fn any(&self) -> bool {
        self.keeps() || self.live.is_some()
    }

    /// Whether lines go to a place where none may be missing.
    pub fn keeps(&self) -> bool {
        self.stdout.is_some() || self.file.is_some() || self.url.is_some()
    }

    /// Gives `batch` to every sink; blocks for the disk and for the reader of standard output.
    pub fn write(&mut self, batch: &Batch) {
        if let Some(live) = &self.live {
            live.publish(batch);
        }
        if let Some(url) = &self.url {
            url.write(&batch.text, batch.lines);
        }
        self.write_file(batch);
        self.write_stdout(batch);
    }

    fn write_file(&mut self, batch: &Batch) {
        let Some(file) = &mut self.file else { return };
        let count = &self.counters.file;
        match file.write(&batch.text) {
            Ok(()) => {
                count.forwarded.add(batch.lines);
                if std::mem::take(&mut self.failing.file) {
                    let dropped = std::mem::take(&mut self.failing.dropped_by_file);
                    self.teller.tell(Notice::FileWorks { dropped });
                }
            }
            Err(error) => {
                count.dropped.add(batch.lines);
                self.failing.dropped_by_file += batch.lines;
                if !std::mem::replace(&mut self.failing.file, true) {
                    self.teller.tell(Notice::FileFailing { reason: error.to_string() });
                }
            }
        }
    }

    fn write_stdout(&mut self, batch: &Batch) {
        let Some(stdout) = self.stdout else { return };
        let count = &self.counters.stdout;
        match stdout.data(&String::from_utf8_lossy(&batch.text)) {
            Ok(()) => count.forwarded.add(batch.lines),
            Err(error) => {
                count.dropped.add(batch.lines);
                if !std::mem::replace(&mut self.failing.stdout, true) {
                    self.teller.tell(Notice::StdoutFailing { reason: error.to_string() });
                }
            }
        }
    }
}
