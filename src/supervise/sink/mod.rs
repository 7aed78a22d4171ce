//! Where logs go: standard output, a file, an HTTP endpoint, WebSocket clients. [`Sinks`] writes each batch to all of them.
//!
//! Standard output and the file slow down the reading of logs, which the daemon keeps; the endpoint has a bounded buffer on disk; slow
//! clients are disconnected. So memory is bounded whatever a sink does.

mod file;
mod http;
mod live;
mod spool;

use std::sync::Arc;

pub use file::{FileOptions, FileSink};
pub use http::{HttpSink, HttpTarget, TokenSource};
pub use live::{LiveFilter, LiveLogs, serve_client};
pub use spool::Spool;

use super::event::{EventSender, SupervisorEvent};
use super::metrics::LogCounters;
use super::record::LogBatch;
use crate::host::Streams;

/// The configured sinks.
pub struct Sinks {
    pub stdout: Option<Streams>,
    pub file: Option<FileSink>,
    pub url: Option<Arc<HttpSink>>,
    pub live: Option<LiveLogs>,
    pub counters: Arc<LogCounters>,
    pub events: EventSender,
    pub failing: FailingSinks,
}

/// Failures that have been reported.
#[derive(Debug, Default)]
pub struct FailingSinks {
    stdout: bool,
    file: bool,
    dropped_by_file: u64,
}

impl Sinks {
    /// Whether there is any sink.
    pub fn any(&self) -> bool {
        self.needs_every_line() || self.live.is_some()
    }

    /// Whether there is a sink that must not miss a line.
    pub fn needs_every_line(&self) -> bool {
        self.stdout.is_some() || self.file.is_some() || self.url.is_some()
    }

    /// Writes `batch` to every sink; blocks on the disk and on the reader of standard output.
    pub fn write(&mut self, batch: &LogBatch) {
        if let Some(live) = &self.live {
            live.publish(batch);
        }
        if let Some(url) = &self.url {
            url.write(&batch.text, batch.lines);
        }
        self.write_file(batch);
        self.write_stdout(batch);
    }

    fn write_file(&mut self, batch: &LogBatch) {
        let Some(file) = &mut self.file else { return };
        let count = &self.counters.file;
        match file.write(&batch.text) {
            Ok(()) => {
                count.forwarded.add(batch.lines);
                if std::mem::take(&mut self.failing.file) {
                    let dropped = std::mem::take(&mut self.failing.dropped_by_file);
                    self.events.send(SupervisorEvent::FileWorks { dropped });
                }
            }
            Err(error) => {
                count.dropped.add(batch.lines);
                self.failing.dropped_by_file += batch.lines;
                if !std::mem::replace(&mut self.failing.file, true) {
                    self.events.send(SupervisorEvent::FileFailing { reason: error.to_string() });
                }
            }
        }
    }

    fn write_stdout(&mut self, batch: &LogBatch) {
        let Some(stdout) = self.stdout else { return };
        let count = &self.counters.stdout;
        match stdout.data(&String::from_utf8_lossy(&batch.text)) {
            Ok(()) => count.forwarded.add(batch.lines),
            Err(error) => {
                count.dropped.add(batch.lines);
                if !std::mem::replace(&mut self.failing.stdout, true) {
                    self.events.send(SupervisorEvent::StdoutFailing { reason: error.to_string() });
                }
            }
        }
    }
}
