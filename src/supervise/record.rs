//! One line of a container as one line of JSON: `time, app, container, stream, message`.
//!
//! Whatever was printed, the result is one line of valid UTF-8 without control characters. Never drops or cuts a line.

use std::io;

use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

use crate::docker::{LogLine, LogStream};
use crate::secret::redact_bytes;

/// Whose lines these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub container: String,
    pub app: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    /// When the daemon got it.
    time: Option<String>,
    app: Option<&'a str>,
    container: &'a str,
    stream: &'static str,
    message: &'a str,
    /// The message held bytes that are no UTF-8, which are U+FFFD now.
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid_utf8: Option<bool>,
}

/// Adds `line` to `out`, with a line break.
pub fn append_record(out: &mut Vec<u8>, origin: &Origin, line: &LogLine) {
    let text = redact_bytes(&line.text);
    let message = String::from_utf8_lossy(&text);
    let replaced = matches!(message, std::borrow::Cow::Owned(_));
    let record = Record {
        time: line.time.map(|time| time.to_rfc3339_opts(SecondsFormat::Nanos, true)),
        app: origin.app.as_deref(),
        container: &origin.container,
        stream: match line.stream {
            LogStream::Stdout => "stdout",
            LogStream::Stderr => "stderr",
        },
        message: &message,
        invalid_utf8: replaced.then_some(true),
    };
    record
        .serialize(&mut Serializer::with_formatter(&mut *out, Printable(CompactFormatter)))
        .expect("strings are JSON, and memory takes every write");
    out.push(b'\n');
}

/// JSON leaves DEL and the C1 control characters (U+0080–U+009F) as they are; terminals obey some of them.
struct Printable(CompactFormatter);

impl Formatter for Printable {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // DEL, or the first byte of U+0080–U+00BF.
        if !fragment.bytes().any(|byte| matches!(byte, 0x7f | 0xc2)) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some(at) = rest.find(|c: char| c.is_control()) {
            let (before, after) = rest.split_at(at);
            let control = after.chars().next().expect("something was found");
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
        let origin = Origin { container: "shop-12ab34cd".to_owned(), app: Some("shop".to_owned()) };
        let time = DateTime::from_timestamp(1_800_000_000, 1_234);
        let mut out = Vec::new();
        append_record(&mut out, &origin, &LogLine { stream: LogStream::Stderr, time, text: text.to_vec() });
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_is_told_with_its_origin() {
        assert_eq!(
            record(b"GET / \"200\""),
            "{\"time\":\"2027-01-15T08:00:00.000001234Z\",\"app\":\"shop\",\"container\":\"shop-12ab34cd\",\
             \"stream\":\"stderr\",\"message\":\"GET / \\\"200\\\"\"}\n"
        );
    }

    #[test]
    fn what_no_terminal_may_get_is_escaped() {
        let line = record("\x1b[31mred\x07 \u{9b}31m \x7f ä €".as_bytes());
        assert!(line.contains(r#""\u001b[31mred\u0007 \u009b31m \u007f ä €"}"#), "{line}");
    }

    #[test]
    fn bytes_that_are_no_text_are_marked() {
        let line = record(b"\xff\xfe ok");
        assert!(line.contains("\"message\":\"\u{fffd}\u{fffd} ok\",\"invalidUtf8\":true}"), "{line}");
        assert!(!record("\u{fffd}".as_bytes()).contains("invalidUtf8"), "it was printed so");
    }

    proptest! {
        #[test]
        fn whatever_is_printed_is_one_line_of_json(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let line = record(&text);
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert!(!line.trim_end().contains(char::is_control));
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(value["message"].as_str().unwrap(), String::from_utf8_lossy(&text));
        }
    }
}
