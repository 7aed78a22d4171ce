//! Answers that go on: one JSON value after the other, wherever the chunks are cut → values.

use std::collections::VecDeque;

use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::api::Streamed;

/// No message of a daemon is longer.
const LONGEST: usize = 4 * 1024 * 1024;

pub(super) struct Messages<T> {
    streamed: Streamed,
    splitter: Splitter,
    ready: VecDeque<T>,
}

impl<T: DeserializeOwned> Messages<T> {
    pub(super) fn new(streamed: Streamed) -> Self {
        Self { streamed, splitter: Splitter::default(), ready: VecDeque::new() }
    }

    /// The next value; `None` at the end. The error is the reason as text.
    pub(super) async fn next(&mut self) -> Result<Option<T>, String> {
        loop {
            if let Some(value) = self.ready.pop_front() {
                return Ok(Some(value));
            }
            let Some(frame) = self.streamed.body.frame().await else {
                return if self.splitter.is_cut() { Err("the answer ended early".into()) } else { Ok(None) };
            };
            let Ok(data) = frame.map_err(|error| error.to_string())?.into_data() else { continue };
            self.ready.extend(self.splitter.feed(&data)?);
        }
    }
}

/// Finds the ends of objects. Docker ends each with a line break, Podman may not. Each byte is looked at once, however small the chunks
/// are, and parsed once.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    value: Vec<u8>,
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Splitter {
    pub(super) fn feed<T: DeserializeOwned>(&mut self, data: &[u8]) -> Result<Vec<T>, String> {
        let mut values = Vec::new();
        for byte in data {
            if self.value.is_empty() && byte.is_ascii_whitespace() {
                continue;
            }
            if self.value.len() == LONGEST {
                return Err("a message without end".into());
            }
            self.value.push(*byte);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                b'{' if !self.in_text => self.depth += 1,
                b'}' if !self.in_text => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            let ends = self.depth == 0 && !self.in_text;
            if ends {
                let parsed = serde_json::from_slice(&self.value);
                values.push(parsed.map_err(|error| format!("the answer cannot be read: {error}"))?);
                self.value.clear();
            }
        }
        Ok(values)
    }

    fn is_cut(&self) -> bool {
        !self.value.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_wherever_the_chunks_are_cut() {
        let text = "{\"a\":{\"b\":1}}\r\n{\"a\":2}{\"a\":\"}\\n\\\"{\"}\n";
        for size in 1..=text.len() {
            let (mut splitter, mut seen) = (Splitter::default(), Vec::new());
            for chunk in text.as_bytes().chunks(size) {
                seen.extend(splitter.feed::<serde_json::Value>(chunk).unwrap());
            }
            assert_eq!((seen.len(), &seen[2]["a"]), (3, &serde_json::json!("}\n\"{")), "{size}");
            assert!(!splitter.is_cut());
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bad in ["{\"a\" 1}", "<html>", "}"] {
            assert!(Splitter::default().feed::<serde_json::Value>(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_message_without_end_is_given_up_also_byte_by_byte() {
        let mut splitter = Splitter::default();
        assert!(splitter.feed::<serde_json::Value>(b"{\"a\":\"").unwrap().is_empty());
        let error = (0..=LONGEST).find_map(|_| splitter.feed::<serde_json::Value>(b"x").err());
        assert_eq!(error.as_deref(), Some("a message without end"));
    }
}
