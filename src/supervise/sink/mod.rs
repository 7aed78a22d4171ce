//! Where logs go: standard output, a file, an HTTP endpoint, WebSocket clients. [`Sinks`] writes each batch to all of them.
//!
//! Standard output and the file slow down the reading of logs, which the daemon keeps; the endpoint has a bounded buffer on disk; slow
//! clients are disconnected. So memory is bounded whatever a sink does.

mod http;
mod spool;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};

pub use http::{HttpSink, HttpTarget, TokenSource};
pub use spool::Spool;

use super::event::{SupervisorEvent, SupervisorEventSender};
use super::metrics::LogCounters;
use super::record::LogBatch;
use super::server::LiveLogs;
use crate::host::Streams;

/// The configured sinks.
pub struct Sinks {
    pub stdout: Option<Streams>,
    pub file: Option<FileSink>,
    pub url: Option<Arc<HttpSink>>,
    pub live: Option<LiveLogs>,
    pub counters: Arc<LogCounters>,
    pub events: SupervisorEventSender,
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOptions {
    pub path: PathBuf,
    /// Bytes of one file.
    pub size: u64,
    /// Number of old files to keep.
    pub count: usize,
}

/// Writes logs to a file that rotates by size: `FILE`, `FILE.1` (newest) … `FILE.N` (oldest). A line is never split between files. Continues
/// in a new file when the current one is moved away.
pub struct FileSink {
    options: FileOptions,
    file: FileRotate<AppendCount>,
    written: u64,
    /// Device and inode.
    identity: (u64, u64),
}

impl FileSink {
    pub fn open(mut options: FileOptions) -> io::Result<Self> {
        options.path = std::path::absolute(&options.path)?;
        // `FileRotate` ignores a file that it cannot open, and panics on a folder.
        let metadata = open(&options.path)?.metadata()?;
        let suffix = AppendCount::new(options.count);
        let file = FileRotate::new(&options.path, suffix, ContentLimit::None, Compression::None, Some(open_options()));
        Ok(Self { written: metadata.len(), identity: identity(&metadata), options, file })
    }

    /// Writes whole lines.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let current = fs::metadata(&self.options.path).ok();
        if current.as_ref().map(identity) != Some(self.identity) {
            *self = Self::open(self.options.clone())?;
        }
        if self.written > 0 && self.written.saturating_add(lines.len() as u64) > self.options.size {
            self.rotate()?;
        }
        let written = self.file.write_all(lines);
        if written.is_ok() {
            self.written += lines.len() as u64;
        } else if let Ok(file) = open(&self.options.path) {
            // A partial line would corrupt the next one.
            let _ = file.set_len(self.written);
        }
        written
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.options.count == 0 {
            open(&self.options.path)?.set_len(0)?;
        } else {
            self.file.rotate()?;
        }
        self.identity = identity(&open(&self.options.path)?.metadata()?);
        self.written = 0;
        Ok(())
    }
}

fn open_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).create(true).append(true).mode(0o640);
    options
}

fn open(path: &Path) -> io::Result<File> {
    open_options().open(path)
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink(folder: &Path, size: u64, count: usize) -> FileSink {
        FileSink::open(FileOptions { path: folder.join("app.log"), size, count }).unwrap()
    }

    fn files(folder: &Path) -> Vec<(String, String)> {
        let mut found: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
            .collect();
        found.sort();
        found
    }

    fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn files_rotate_by_size_and_the_oldest_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = sink(folder.path(), 8, 2);
        for line in ["one\n", "two\n", "three\n", "a line that is longer\n", "four\n", "five\n"] {
            sink.write(line.as_bytes()).unwrap();
        }
        let expected = [("app.log", "five\n"), ("app.log.1", "four\n"), ("app.log.2", "a line that is longer\n")];
        assert_eq!(files(folder.path()), named(&expected));
    }

    #[test]
    fn an_existing_file_is_continued() {
        let folder = tempfile::tempdir().unwrap();
        sink(folder.path(), 8, 1).write(b"one\n").unwrap();
        let mut again = sink(folder.path(), 8, 1);
        again.write(b"two\n").unwrap();
        again.write(b"three\n").unwrap();
        assert_eq!(files(folder.path()), named(&[("app.log", "three\n"), ("app.log.1", "one\ntwo\n")]));
    }

    #[test]
    fn without_old_files_the_file_is_truncated() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = sink(folder.path(), 6, 0);
        for line in ["one\n", "two\n", "six\n"] {
            sink.write(line.as_bytes()).unwrap();
        }
        assert_eq!(files(folder.path()), named(&[("app.log", "six\n")]));
    }

    #[test]
    fn a_file_that_was_moved_away_is_recreated() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = sink(folder.path(), 1000, 2);
        sink.write(b"one\n").unwrap();
        fs::rename(folder.path().join("app.log"), folder.path().join("moved")).unwrap();
        sink.write(b"two\n").unwrap();
        assert_eq!(files(folder.path()), named(&[("app.log", "two\n"), ("moved", "one\n")]));
    }

    #[test]
    fn an_unwritable_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("logs");
        fs::create_dir(&inner).unwrap();
        let mut sink = sink(&inner, 4, 2);
        sink.write(b"one\n").unwrap();
        fs::remove_dir_all(&inner).unwrap();
        assert_eq!(sink.write(b"two\n").unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::create_dir(&inner).unwrap();
        sink.write(b"six\n").unwrap();
        assert_eq!(files(&inner), named(&[("app.log", "six\n")]));
        let missing = FileOptions { path: folder.path().join("no/app.log"), size: 1, count: 1 };
        assert!(FileSink::open(missing).is_err());
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let full = FileOptions { path: "/dev/full".into(), size: 1000, count: 1 };
        let mut sink = FileSink::open(full).unwrap();
        assert_eq!(sink.write(b"one\n").unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
