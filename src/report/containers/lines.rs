//! Lines of a container's output: for a terminal, for a pipe, as JSON.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::terminal::TerminalFilter;
use crate::docker::{LogLine, LogStream};
use crate::secret::redact_bytes;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// Every byte as it is, but for secrets.
    Bytes,
    /// For a terminal or a log: but for colours, control characters and invalid UTF-8 are shown, and not obeyed.
    Shown,
}

/// Adds a line with its line break to `out`, behind its time when `timestamps` are wanted.
pub fn render_line(line: &LogLine, format: LineFormat, timestamps: bool, out: &mut Vec<u8>) {
    if timestamps {
        let time = line.time.map_or_else(|| "-".to_owned(), |time| stamp(&time));
        out.extend_from_slice(time.as_bytes());
        out.push(b' ');
    }
    let text = redact_bytes(&line.text);
    match format {
        LineFormat::Bytes => out.extend_from_slice(&text),
        LineFormat::Shown => {
            let mut filter = TerminalFilter::default();
            filter.push(&text, out);
            filter.finish(out);
        }
    }
    out.push(b'\n');
}

fn stamp(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// One line as a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineJson {
    pub time: Option<String>,
    pub stream: &'static str,
    /// What is no UTF-8 is replaced by U+FFFD.
    pub text: String,
}

impl LineJson {
    pub fn new(line: &LogLine) -> Self {
        Self {
            time: line.time.map(|time| time.to_rfc3339_opts(SecondsFormat::Nanos, true)),
            stream: match line.stream {
                LogStream::Stdout => "stdout",
                LogStream::Stderr => "stderr",
            },
            text: String::from_utf8_lossy(&redact_bytes(&line.text)).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &[u8]) -> LogLine {
        LogLine { stream: LogStream::Stderr, time: DateTime::from_timestamp(12, 345_678_901), text: text.to_vec() }
    }

    fn rendered(text: &[u8], format: LineFormat, timestamps: bool) -> Vec<u8> {
        let mut out = Vec::new();
        render_line(&line(text), format, timestamps, &mut out);
        out
    }

    #[test]
    fn a_terminal_is_never_told_what_to_do() {
        for (text, shown) in [
            (&b"plain \xc3\xa4\ttab"[..], "plain ä\ttab\n"),
            (b"\x1b[2J\x1b]0;title\x07", "\\u{1b}[2J\\u{1b}]0;title\\u{7}\n"),
            (b"over\rwritten", "over\\rwritten\n"),
            (b"\x1b[31mred", "\x1b[31mred\x1b[0m\n"),
            (b"\xff\xc3 \xc2\x9b31m", "\\xff\\xc3 \\u{9b}31m\n"),
            ("\u{202e}exe.txt".as_bytes(), "\\u{202e}exe.txt\n"),
            (b"", "\n"),
        ] {
            assert_eq!(String::from_utf8(rendered(text, LineFormat::Shown, false)).unwrap(), shown);
        }
    }

    #[test]
    fn a_pipe_gets_every_byte() {
        assert_eq!(rendered(b"\x1b[31m\xff\r\0", LineFormat::Bytes, false), b"\x1b[31m\xff\r\0\n");
        assert_eq!(rendered(b"x", LineFormat::Bytes, true), b"1970-01-01T00:00:12.345Z x\n");
    }

    #[test]
    fn a_line_as_a_document() {
        let json = serde_json::to_string(&LineJson::new(&line(b"a\xffb"))).unwrap();
        assert_eq!(json, "{\"time\":\"1970-01-01T00:00:12.345678901Z\",\"stream\":\"stderr\",\"text\":\"a\u{fffd}b\"}");
    }
}
