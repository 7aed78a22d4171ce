//! The output of containers, line by line, with the time of each line.
//!
//! A slow reader slows the daemon's answer down, so that nothing piles up here. Never changes or drops a byte of a line.

use std::collections::VecDeque;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures_util::stream::{BoxStream, StreamExt, try_unfold};
use hyper::Method;

use super::connection::{AnswerStream, LogStream, OutputFrames, OutputPiece, Uri};
use super::containers::Containers;
use super::error::ContainerError;
use super::refusal::Operation;

/// Longer lines come in parts.
const LONGEST_LINE: usize = 1024 * 1024;
/// Docker stores longer lines in records of this size (moby, `daemon/logger/copier.go`), and puts the time before each.
const RECORD: usize = 16 * 1024;

/// How the daemon splits long lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Records {
    /// In records of [`RECORD`] bytes. The `local` driver drops the line break of the last one (seen with 20.10), so a shorter
    /// record ends its line.
    Docker,
    /// In another way; only a line break ends a line.
    Other,
}

/// Selects a part of the output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogOptions {
    /// Continue until the container ends.
    pub follow: bool,
    /// Only the last lines.
    pub tail: Option<u64>,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

/// One line without its line break. Its bytes may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub stream: LogStream,
    /// When the daemon received it.
    pub time: Option<DateTime<Utc>>,
    pub text: Vec<u8>,
}

impl Containers {
    /// The lines of one container, oldest first. The output of a terminal is all standard output.
    pub async fn logs(
        &self,
        container: &str,
        options: &LogOptions,
    ) -> Result<BoxStream<'static, Result<LogLine, ContainerError>>, ContainerError> {
        let tty = self.inspect(container).await?.tty;
        let operation = Operation::container("log stream", container);
        let request = self.request(&operation, Method::GET, logs_uri(container, options));
        let answer = request.stream().await.map_err(|error| operation.failed(error))?.pumped();
        let records = if self.engine.is_podman() { Records::Other } else { Records::Docker };
        let reader = ContainerLogReader {
            answer,
            assembler: Assembler::new(tty, records),
            ready: VecDeque::new(),
            ended: false,
        };
        Ok(try_unfold(reader, ContainerLogReader::next).boxed())
    }
}

fn logs_uri(container: &str, options: &LogOptions) -> Uri {
    let mut uri = Uri::new(&format!("/containers/{container}/logs"));
    for name in ["stdout", "stderr", "timestamps"] {
        uri.add(name, "1");
    }
    if options.follow {
        uri.add("follow", "1");
    }
    if let Some(lines) = options.tail {
        uri.add("tail", &lines.to_string());
    }
    for (name, time) in [("since", options.since), ("until", options.until)] {
        if let Some(time) = time {
            uri.add(name, &unix_time(time));
        }
    }
    uri
}

/// Seconds since the epoch with nanoseconds, as the Engine API takes times.
pub(super) fn unix_time(time: DateTime<Utc>) -> String {
    format!("{}.{:09}", time.timestamp(), time.timestamp_subsec_nanos())
}

struct ContainerLogReader {
    answer: AnswerStream,
    assembler: Assembler,
    ready: VecDeque<LogLine>,
    ended: bool,
}

impl ContainerLogReader {
    async fn next(mut self) -> Result<Option<(LogLine, Self)>, ContainerError> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some((line, self)));
            }
            if self.ended {
                return Ok(None);
            }
            if let Some(chunk) = self.answer.chunk().await? {
                self.assembler.feed(chunk, &mut self.ready).map_err(|reason| self.answer.lost(reason))?;
                continue;
            }
            self.ended = true;
            self.assembler.finish(&mut self.ready);
            if self.assembler.frames.is_cut() {
                return Err(self.answer.lost("the answer ended early").into());
            }
        }
    }
}

/// Chunks → lines.
#[derive(Debug)]
struct Assembler {
    frames: OutputFrames,
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
    /// Bytes of the line so far, with those that were emitted as a part.
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
        Self { frames: OutputFrames::new(tty), stdout: Line::new(tty, records), stderr: Line::new(tty, records) }
    }

    fn feed(&mut self, mut chunk: Bytes, ready: &mut VecDeque<LogLine>) -> Result<(), String> {
        while let Some(OutputPiece { stream, opens_frame, bytes }) = self.frames.next(&mut chunk)? {
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

    /// What looked like the beginning of a time is text.
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
            // Records of a terminal have no frames: the next time is found by their length.
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

/// The point in time that a user means by `text` at the time `now`: RFC 3339, a date (its beginning, UTC), seconds since the epoch, or a
/// time ago such as `1h30m`.
pub fn parse_moment(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.with_timezone(&Utc));
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Some(date.and_hms_opt(0, 0, 0)?.and_utc());
    }
    if let Ok(seconds) = text.parse::<u32>() {
        return DateTime::from_timestamp(seconds.into(), 0);
    }
    now.checked_sub_signed(ago(text)?)
}

fn ago(text: &str) -> Option<TimeDelta> {
    let mut rest = text;
    let mut total = TimeDelta::zero();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        let seconds = match rest[digits..].chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return None,
        };
        total = total.checked_add(&TimeDelta::try_seconds(number.checked_mul(seconds)?)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests;
