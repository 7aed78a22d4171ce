//! Output of containers: lines for a terminal, for a pipe and as JSON, and a filter for raw output.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::diagnostic::is_acted_on;
use crate::docker::{LogLine, LogStream};
use crate::secret::redact_bytes;

const ESCAPE: u8 = 0x1b;
/// Longest parameters of a colour: six numbers of three digits with separators are more than anything needs.
const LONGEST_COLOUR: usize = 32;
const RESET: &[u8] = b"\x1b[0m";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// All bytes unchanged, except for secrets.
    Bytes,
    /// For a terminal or a log: control characters other than colours, and invalid UTF-8, are escaped.
    Shown,
}

/// Appends a line with its line break to `out`, after its time if `timestamps` is set.
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

/// One line of `logs --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineJson {
    pub time: Option<String>,
    pub stream: &'static str,
    /// Invalid UTF-8 is replaced by U+FFFD.
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

/// Filters output for a terminal: colours pass, everything else that a terminal acts on is escaped. Takes bytes in pieces of any size.
#[derive(Debug, Default)]
pub struct TerminalFilter {
    /// The beginning of an incomplete sequence or character.
    held: Vec<u8>,
    /// A colour is active.
    coloured: bool,
}

impl TerminalFilter {
    /// Appends the filtered `bytes` to `out`; an incomplete sequence or character is held back until the next call.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let taken = self.show(&held, out);
        self.held.extend_from_slice(&held[taken..]);
    }

    /// Appends what is held back, and resets colours.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        for byte in std::mem::take(&mut self.held) {
            match byte {
                0..=0x7f => show_char(char::from(byte), out),
                _ => show_byte(byte, out),
            }
        }
        if std::mem::take(&mut self.coloured) {
            out.extend_from_slice(RESET);
        }
    }

    /// Appends complete characters and colours; returns their length in bytes.
    fn show(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let rest = &bytes[at..];
            match byte {
                ESCAPE => match colour(rest) {
                    ColourSequence::Complete(length) => {
                        out.extend_from_slice(&rest[..length]);
                        self.coloured = !matches!(&rest[..length], b"\x1b[m" | RESET);
                        at += length;
                    }
                    ColourSequence::Incomplete => return at,
                    ColourSequence::None => {
                        show_char(char::from(ESCAPE), out);
                        at += 1;
                    }
                },
                b'\r' if rest.len() == 1 => return at,
                b'\r' if rest[1] == b'\n' => {
                    out.extend_from_slice(b"\r\n");
                    at += 2;
                }
                0..=0x7f => {
                    show_char(char::from(byte), out);
                    at += 1;
                }
                _ => {
                    let character = &rest[..rest.len().min(4)];
                    let (valid, error) = match std::str::from_utf8(character) {
                        Ok(text) => (text, None),
                        Err(error) => {
                            (std::str::from_utf8(&character[..error.valid_up_to()]).unwrap_or(""), Some(error))
                        }
                    };
                    if let Some(first) = valid.chars().next() {
                        show_char(first, out);
                        at += first.len_utf8();
                    } else if let Some(length) = error.and_then(|error| error.error_len()) {
                        rest[..length].iter().for_each(|byte| show_byte(*byte, out));
                        at += length;
                    } else {
                        return at;
                    }
                }
            }
        }
        at
    }
}

enum ColourSequence {
    /// With its length.
    Complete(usize),
    Incomplete,
    None,
}

/// Select Graphic Rendition (ECMA-48, 8.3.117): `ESC [ PARAMETERS m`.
fn colour(bytes: &[u8]) -> ColourSequence {
    match bytes {
        [_] => return ColourSequence::Incomplete,
        [_, b'[', ..] => {}
        _ => return ColourSequence::None,
    }
    let parameters = &bytes[2..];
    let end = parameters.iter().position(|b| !matches!(b, b'0'..=b'9' | b';' | b':'));
    match end {
        Some(end) if end <= LONGEST_COLOUR && parameters[end] == b'm' => ColourSequence::Complete(2 + end + 1),
        None if parameters.len() <= LONGEST_COLOUR => ColourSequence::Incomplete,
        _ => ColourSequence::None,
    }
}

fn show_char(character: char, out: &mut Vec<u8>) {
    if is_acted_on(character) && !matches!(character, '\t' | '\n') {
        out.extend(character.escape_default().to_string().bytes());
    } else {
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

fn show_byte(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
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
    fn control_characters_of_a_line_are_escaped() {
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
    fn bytes_are_passed_unchanged() {
        assert_eq!(rendered(b"\x1b[31m\xff\r\0", LineFormat::Bytes, false), b"\x1b[31m\xff\r\0\n");
        assert_eq!(rendered(b"x", LineFormat::Bytes, true), b"1970-01-01T00:00:12.345Z x\n");
    }

    #[test]
    fn a_line_as_json() {
        let json = serde_json::to_string(&LineJson::new(&line(b"a\xffb"))).unwrap();
        assert_eq!(json, "{\"time\":\"1970-01-01T00:00:12.345678901Z\",\"stream\":\"stderr\",\"text\":\"a\u{fffd}b\"}");
    }

    /// The result, which must not depend on how the bytes are split.
    fn shown(bytes: &[u8]) -> String {
        let whole = in_pieces(bytes, bytes.len().max(1));
        for size in 1..bytes.len() {
            assert_eq!(in_pieces(bytes, size), whole, "in pieces of {size}");
        }
        String::from_utf8(whole).unwrap()
    }

    fn in_pieces(bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut filter, mut out) = (TerminalFilter::default(), Vec::new());
        bytes.chunks(size).for_each(|piece| filter.push(piece, &mut out));
        filter.finish(&mut out);
        out
    }

    #[test]
    fn colours_pass_and_are_reset() {
        for (bytes, expected) in [
            (&b"\x1b[32mready\x1b[0m in \x1b[1m2 s\x1b[m"[..], "\x1b[32mready\x1b[0m in \x1b[1m2 s\x1b[m"),
            (b"\x1b[38;2;255;0;0mred", "\x1b[38;2;255;0;0mred\x1b[0m"),
            (b"\x1b[4:3mwavy\x1b[0m\n", "\x1b[4:3mwavy\x1b[0m\n"),
        ] {
            assert_eq!(shown(bytes), expected);
        }
    }

    #[test]
    fn everything_else_is_escaped() {
        for (bytes, expected) in [
            (&b"\x1b[2J\x1b[H"[..], "\\u{1b}[2J\\u{1b}[H"),
            (b"\x1b]0;title\x07\x1b]52;c;aGk=\x1b\\", "\\u{1b}]0;title\\u{7}\\u{1b}]52;c;aGk=\\u{1b}\\"),
            (b"\x1b[?1049h\x1b[>4;1m", "\\u{1b}[?1049h\\u{1b}[>4;1m"),
            (b"\x1b[31", "\\u{1b}[31"),
            (b"\x1b", "\\u{1b}"),
            (b"a\rb\r\nc\r", "a\\rb\r\nc\\r"),
            (b"\x08\x00\x7f\t.", "\\u{8}\\u{0}\\u{7f}\t."),
            ("\u{9b}2J \u{202e}x \u{e4}\u{1f600}".as_bytes(), "\\u{9b}2J \\u{202e}x \u{e4}\u{1f600}"),
            (b"\xff\xc3 \xe2\x82", "\\xff\\xc3 \\xe2\\x82"),
            (b"", ""),
        ] {
            assert_eq!(shown(bytes), expected);
        }
        let long = format!("\x1b[{}m", "1;".repeat(100));
        assert_eq!(shown(long.as_bytes()), long.replace('\x1b', "\\u{1b}"));
    }
}
