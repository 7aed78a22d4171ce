//! What containers print: which part is asked for, and one line of it.

use chrono::{DateTime, Utc};

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
