//! What containers print, line by line, byte by byte, with the time of each line.
//!
//! A slow reader slows the daemon's answer down, nothing piles up here. Never changes or drops a byte of a line.

use std::collections::VecDeque;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::{BoxStream, StreamExt, try_unfold};
use hyper::Method;
use tokio::sync::mpsc;

use super::api::Streamed;
use super::client::Containers;
use super::error::ContainerError;
use super::failure::Subject;
use super::frames::{Frames, Piece};
use crate::docker::connection::{Chunk, ConnectionGuard, Query};

const DOING: &str = "the logs";
/// A longer line comes in parts.
const LONGEST_LINE: usize = 1024 * 1024;
/// Docker stores longer lines in records of this size (moby, `daemon/logger/copier.go`), and puts the time before each.
const RECORD: usize = 16 * 1024;

/// How the daemon cuts long lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Records {
    /// In records of [`RECORD`] bytes. The `local` driver forgets the line break of the last one (seen with 20.10), so a shorter
    /// record ends its line.
    Docker,
    /// Somehow; only a line break ends a line.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    Stdout,
    Stderr,
}

/// Which part of the output is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogOptions {
    /// Stay until the container ends.
    pub follow: bool,
    /// The last lines only.
    pub tail: Option<u64>,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

/// One line without its line break, byte by byte as it was printed: it may hold anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub stream: LogStream,
    /// When the daemon got it.
    pub time: Option<DateTime<Utc>>,
    pub text: Vec<u8>,
}

struct Reading {
    containers: Containers,
    container: String,
    chunks: mpsc::Receiver<Chunk>,
    /// Ends the connection with the stream.
    _connection: ConnectionGuard,
    assembler: Assembler,
    ready: VecDeque<LogLine>,
    ended: bool,
}

impl Containers {
    /// The lines of one container, oldest first. Of a container with a terminal everything is standard output.
    pub async fn logs(
        &self,
        container: &str,
        options: &LogOptions,
    ) -> Result<BoxStream<'static, Result<LogLine, ContainerError>>, ContainerError> {
        let tty = self.inspect(container).await?.tty;
        let subject = Subject::container(DOING, container);
        let path = request(container, options);
        let Streamed { body, mut connection } = self.stream(&subject, Method::GET, &path, None).await?;
        let reading = Reading {
            containers: self.clone(),
            container: container.to_owned(),
            chunks: connection.pump(body),
            _connection: connection,
            assembler: Assembler::new(tty, if self.engine.is_podman() { Records::Other } else { Records::Docker }),
            ready: VecDeque::new(),
            ended: false,
        };
        Ok(try_unfold(reading, next_line).boxed())
    }
}

fn request(container: &str, options: &LogOptions) -> String {
    let mut path = Query::new(&format!("/containers/{container}/logs"));
    for name in ["stdout", "stderr", "timestamps"] {
        path.add(name, "1");
    }
    if options.follow {
        path.add("follow", "1");
    }
    if let Some(lines) = options.tail {
        path.add("tail", &lines.to_string());
    }
    let time = |time: DateTime<Utc>| format!("{}.{:09}", time.timestamp(), time.timestamp_subsec_nanos());
    if let Some(since) = options.since {
        path.add("since", &time(since));
    }
    if let Some(until) = options.until {
        path.add("until", &time(until));
    }
    path.into_uri()
}

async fn next_line(mut reading: Reading) -> Result<Option<(LogLine, Reading)>, ContainerError> {
    loop {
        if let Some(line) = reading.ready.pop_front() {
            return Ok(Some((line, reading)));
        }
        if reading.ended {
            return Ok(None);
        }
        let lost = |reason: &str| Err(reading.containers.lost(&Subject::container(DOING, &reading.container), reason));
        match reading.chunks.recv().await {
            None => {
                reading.ended = true;
                reading.assembler.finish(&mut reading.ready);
                if reading.assembler.frames.is_cut() {
                    return lost("the answer ended early");
                }
            }
            Some(Err(error)) => return lost(&error.to_string()),
            Some(Ok(chunk)) => {
                if let Err(reason) = reading.assembler.feed(chunk, &mut reading.ready) {
                    return lost(&reason);
                }
            }
        }
    }
}

/// Chunks → lines.
#[derive(Debug)]
struct Assembler {
    frames: Frames,
    stdout: Line,
    stderr: Line,
}

/// The line that is being read.
#[derive(Debug)]
struct Line {
    tty: bool,
    records: Records,
    time: Option<DateTime<Utc>>,
    text: Vec<u8>,
    stamp: Stamp,
    /// Bytes of the record so far.
    record: usize,
    /// Bytes of the line so far, also those that were given out as a part.
    length: usize,
}

/// Where the time before a record is.
#[derive(Debug)]
enum Stamp {
    /// Its bytes so far.
    Expected(Vec<u8>),
    Read,
}

impl Assembler {
    fn new(tty: bool, records: Records) -> Self {
        Self { frames: Frames::new(tty), stdout: Line::new(tty, records), stderr: Line::new(tty, records) }
    }

    fn feed(&mut self, mut chunk: Bytes, ready: &mut VecDeque<LogLine>) -> Result<(), String> {
        while let Some(Piece { stream, opens_frame, bytes }) = self.frames.next(&mut chunk)? {
            let line = match stream {
                LogStream::Stdout => &mut self.stdout,
                LogStream::Stderr => &mut self.stderr,
            };
            let mut emit = |text, time| ready.push_back(LogLine { stream, time, text });
            if opens_frame {
                line.open_record(&mut emit);
            }
            line.add(&bytes, &mut emit);
        }
        Ok(())
    }

    fn finish(&mut self, ready: &mut VecDeque<LogLine>) {
        for (stream, line) in [(LogStream::Stdout, &mut self.stdout), (LogStream::Stderr, &mut self.stderr)] {
            line.expect_no_stamp();
            if !line.text.is_empty() {
                ready.push_back(LogLine { stream, time: line.time, text: std::mem::take(&mut line.text) });
            }
        }
    }
}

impl Line {
    fn new(tty: bool, records: Records) -> Self {
        Self { tty, records, time: None, text: Vec::new(), stamp: Stamp::Expected(Vec::new()), record: 0, length: 0 }
    }

    fn open_record(&mut self, emit: &mut impl FnMut(Vec<u8>, Option<DateTime<Utc>>)) {
        self.expect_no_stamp();
        if self.records == Records::Docker && self.record < RECORD && self.length > 0 {
            emit(std::mem::take(&mut self.text), self.time.take());
            self.length = 0;
        }
        self.record = 0;
        self.stamp = Stamp::Expected(Vec::new());
    }

    /// What looked like the beginning of a time was text.
    fn expect_no_stamp(&mut self) {
        if let Stamp::Expected(begun) = std::mem::replace(&mut self.stamp, Stamp::Read) {
            self.length += begun.len();
            self.record += begun.len();
            self.text.extend_from_slice(&begun);
        }
    }

    fn add(&mut self, mut bytes: &[u8], emit: &mut impl FnMut(Vec<u8>, Option<DateTime<Utc>>)) {
        while !bytes.is_empty() {
            if let Stamp::Expected(_) = self.stamp {
                bytes = self.read_stamp(bytes);
                continue;
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let room = LONGEST_LINE - self.text.len();
            // Records of a terminal have no frames: only their length tells where the next time stands.
            let record = if self.tty { RECORD - self.length % RECORD } else { usize::MAX };
            let take = end.unwrap_or(bytes.len()).min(room).min(record);
            self.text.extend_from_slice(&bytes[..take]);
            self.length += take;
            self.record += take;
            bytes = &bytes[take..];
            if bytes.first() == Some(&b'\n') {
                bytes = &bytes[1..];
                if self.tty && self.text.last() == Some(&b'\r') {
                    self.text.pop();
                }
                emit(std::mem::take(&mut self.text), self.time.take());
                self.length = 0;
                self.stamp = Stamp::Expected(Vec::new());
            } else {
                if self.text.len() == LONGEST_LINE {
                    emit(std::mem::take(&mut self.text), self.time);
                }
                if take == record {
                    self.stamp = Stamp::Expected(Vec::new());
                }
            }
        }
    }

    /// Takes the time off, up to the space behind it; gives back what follows.
    fn read_stamp<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        /// `2026-11-22T03:00:24.934791581+01:00`.
        const LONGEST_STAMP: usize = 35;
        let Stamp::Expected(begun) = &mut self.stamp else { return bytes };
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b' ' {
                let time = std::str::from_utf8(begun).ok().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
                if let Some(time) = time {
                    // A line has the time of its first record.
                    self.time.get_or_insert(time.with_timezone(&Utc));
                    self.stamp = Stamp::Read;
                    return &bytes[at + 1..];
                }
            }
            if begun.len() == LONGEST_STAMP || !(byte.is_ascii_digit() || b"-T:.Z+".contains(byte)) {
                self.expect_no_stamp();
                return &bytes[at..];
            }
            begun.push(*byte);
        }
        &[]
    }
}

#[cfg(test)]
mod tests;
