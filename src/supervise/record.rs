//! A log line of a container as one line of JSON: `time, app, container, stream, message`.
//!
//! The result is always a single line of valid UTF-8 without control characters. Never drops or truncates a line.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

use super::state::LogPosition;
use crate::docker::{LogLine, LogStream};
use crate::secret::redact_bytes;

/// The container that printed a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSource {
    pub container: String,
    pub app: Option<String>,
}

/// The source of the lines that are being read; replaced when the container is renamed meanwhile.
pub type SharedSource = Arc<Mutex<Arc<LogSource>>>;

/// Lines of one container as JSON, each with a line break.
#[derive(Debug, Clone)]
pub struct LogBatch {
    pub id: Arc<str>,
    pub source: Arc<LogSource>,
    pub text: Bytes,
    pub lines: u64,
    /// After these lines.
    pub position: LogPosition,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord<'a> {
    /// When the daemon received it.
    time: Option<String>,
    app: Option<&'a str>,
    container: &'a str,
    stream: &'static str,
    message: &'a str,
    /// The message had invalid UTF-8, replaced by U+FFFD.
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid_utf8: Option<bool>,
}

/// Appends `line` to `out`, with a line break.
pub fn append_record(out: &mut Vec<u8>, source: &LogSource, line: &LogLine) {
    let text = redact_bytes(&line.text);
    let message = String::from_utf8_lossy(&text);
    let replaced = matches!(message, std::borrow::Cow::Owned(_));
    let record = LogRecord {
        time: line.time.map(|time| time.to_rfc3339_opts(SecondsFormat::Nanos, true)),
        app: source.app.as_deref(),
        container: &source.container,
        stream: match line.stream {
            LogStream::Stdout => "stdout",
            LogStream::Stderr => "stderr",
        },
        message: &message,
        invalid_utf8: replaced.then_some(true),
    };
    record
        .serialize(&mut Serializer::with_formatter(&mut *out, ControlEscaper(CompactFormatter)))
        .expect("strings serialise, and writing to memory never fails");
    out.push(b'\n');
}

/// JSON leaves DEL and the C1 control characters (U+0080–U+009F) unescaped; terminals act on some of them.
struct ControlEscaper(CompactFormatter);

impl Formatter for ControlEscaper {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // DEL, or the first byte of U+0080–U+00BF.
        if !fragment.bytes().any(|byte| matches!(byte, 0x7f | 0xc2)) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some(at) = rest.find(|c: char| c.is_control()) {
            let (before, after) = rest.split_at(at);
            let control = after.chars().next().expect("`find` matched a character");
            write!(writer, "{before}\\u{:04x}", u32::from(control))?;
            rest = &after[control.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        self.0.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn record(text: &[u8]) -> String {
        let source = LogSource { container: "shop-12ab34cd".to_owned(), app: Some("shop".to_owned()) };
        let time = DateTime::from_timestamp(1_800_000_000, 1_234);
        let mut out = Vec::new();
        append_record(&mut out, &source, &LogLine { stream: LogStream::Stderr, time, text: text.to_vec() });
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_is_recorded_with_its_source() {
        assert_eq!(
            record(b"GET / \"200\""),
            "{\"time\":\"2027-01-15T08:00:00.000001234Z\",\"app\":\"shop\",\"container\":\"shop-12ab34cd\",\
             \"stream\":\"stderr\",\"message\":\"GET / \\\"200\\\"\"}\n"
        );
    }

    #[test]
    fn control_characters_are_escaped() {
        let line = record("\x1b[31mred\x07 \u{9b}31m \x7f ä €".as_bytes());
        assert!(line.contains(r#""\u001b[31mred\u0007 \u009b31m \u007f ä €"}"#), "{line}");
    }

    #[test]
    fn invalid_utf8_is_replaced_and_marked() {
        let line = record(b"\xff\xfe ok");
        assert!(line.contains("\"message\":\"\u{fffd}\u{fffd} ok\",\"invalidUtf8\":true}"), "{line}");
        assert!(!record("\u{fffd}".as_bytes()).contains("invalidUtf8"), "the character itself was printed");
    }

    proptest! {
        #[test]
        fn any_output_becomes_one_line_of_json(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let line = record(&text);
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert!(!line.trim_end().contains(char::is_control));
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(value["message"].as_str().unwrap(), String::from_utf8_lossy(&text));
        }
    }
}
