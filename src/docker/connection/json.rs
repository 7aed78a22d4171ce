//! Answers that are one JSON object after the other (NDJSON; Podman may leave the line breaks out) → values, each within a limit.

use std::collections::VecDeque;

use serde::de::DeserializeOwned;

use super::error::DaemonError;
use super::http::AnswerStream;

/// The messages of one answer.
pub(crate) struct JsonStream<T> {
    answer: AnswerStream,
    splitter: JsonSplitter,
    ready: VecDeque<T>,
    /// What follows the values that are ready.
    failure: Option<DaemonError>,
}

impl AnswerStream {
    /// JSON values, one after the other, each of at most `limit` bytes.
    pub(crate) fn json<T>(self, limit: usize) -> JsonStream<T> {
        JsonStream { answer: self, splitter: JsonSplitter::new(limit), ready: VecDeque::new(), failure: None }
    }
}

impl<T: DeserializeOwned> JsonStream<T> {
    /// The next value; `None` at the end.
    ///
    /// # Errors
    /// When the connection breaks, a value is too long, or something is not such a value.
    pub(crate) async fn next(&mut self) -> Result<Option<T>, DaemonError> {
        loop {
            if let Some(value) = self.ready.pop_front() {
                return Ok(Some(value));
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let Some(chunk) = self.answer.chunk().await? else {
                return if self.splitter.is_cut() {
                    Err(self.answer.lost("it ended within a message"))
                } else {
                    Ok(None)
                };
            };
            let fed = self.splitter.feed(&chunk, |value| self.ready.push_back(value));
            self.failure = fed.err().map(|fault| match fault {
                JsonFault::TooLong { limit } => self.answer.too_long(limit),
                JsonFault::Invalid(error) => self.answer.lost(format!("invalid message: {error}")),
            });
        }
    }
}

/// Why the splitter gives up.
#[derive(Debug)]
enum JsonFault {
    /// A value has more bytes than `limit`.
    TooLong {
        limit: usize,
    },
    Invalid(serde_json::Error),
}

/// Finds the ends of objects, wherever the chunks are cut. Looks at each byte once and parses it once.
#[derive(Debug)]
struct JsonSplitter {
    limit: usize,
    /// The begin of a value whose end is in a later chunk.
    begun: Vec<u8>,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl JsonSplitter {
    /// Values may have `limit` bytes.
    fn new(limit: usize) -> Self {
        Self { limit, begun: Vec::new(), depth: 0, in_string: false, escaped: false }
    }

    /// Gives every value that ends in `data` to `value`.
    fn feed<T: DeserializeOwned>(&mut self, data: &[u8], mut value: impl FnMut(T)) -> Result<(), JsonFault> {
        // Of the value in `data`, whose first bytes may be in `begun`.
        let mut start = 0;
        for (at, byte) in data.iter().enumerate() {
            if at == start && self.begun.is_empty() && byte.is_ascii_whitespace() {
                start += 1;
                continue;
            }
            if self.begun.len() + (at - start) >= self.limit {
                return Err(JsonFault::TooLong { limit: self.limit });
            }
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' if !self.in_string => self.depth += 1,
                b'}' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if self.depth > 0 || self.in_string {
                continue;
            }
            let parsed = if self.begun.is_empty() {
                serde_json::from_slice(&data[start..=at])
            } else {
                self.begun.extend_from_slice(&data[start..=at]);
                serde_json::from_slice(&std::mem::take(&mut self.begun))
            };
            value(parsed.map_err(JsonFault::Invalid)?);
            start = at + 1;
        }
        self.begun.extend_from_slice(&data[start..]);
        Ok(())
    }

    /// Whether the data ended within a value.
    fn is_cut(&self) -> bool {
        !self.begun.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 100;

    fn split(splitter: &mut JsonSplitter, data: &[u8]) -> Result<Vec<serde_json::Value>, JsonFault> {
        let mut values = Vec::new();
        splitter.feed(data, |value| values.push(value)).map(|()| values)
    }

    #[test]
    fn values_are_found_wherever_the_chunks_are_cut() {
        let text = "{\"a\":{\"b\":1}}\r\n{\"a\":2}{\"a\":\"}\\n\\\"{\"}\n";
        for size in 1..=text.len() {
            let (mut splitter, mut seen) = (JsonSplitter::new(LIMIT), Vec::new());
            for chunk in text.as_bytes().chunks(size) {
                seen.extend(split(&mut splitter, chunk).unwrap());
            }
            assert_eq!((seen.len(), &seen[2]["a"]), (3, &serde_json::json!("}\n\"{")), "{size}");
            assert!(!splitter.is_cut());
        }
        let mut splitter = JsonSplitter::new(LIMIT);
        assert!(split(&mut splitter, b"{\"a\":").unwrap().is_empty() && splitter.is_cut());
    }

    #[test]
    fn invalid_json_is_refused_after_the_values_before_it() {
        for bad in ["{\"a\" 1}", "<html>", "}"] {
            let mut seen = Vec::new();
            let text = format!("{{\"a\":1}}\n{bad}");
            let fed = JsonSplitter::new(LIMIT).feed(text.as_bytes(), |value: serde_json::Value| seen.push(value));
            assert!(fed.is_err() && seen.len() == 1, "{bad}");
        }
    }

    #[test]
    fn a_value_that_does_not_end_is_refused_even_byte_by_byte() {
        let mut splitter = JsonSplitter::new(LIMIT);
        assert!(split(&mut splitter, b"{\"a\":\"").unwrap().is_empty());
        let error = (0..=LIMIT).find_map(|_| split(&mut splitter, b"x").err());
        assert!(matches!(error, Some(JsonFault::TooLong { limit: LIMIT })), "{error:?}");
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LIMIT));
        assert!(split(&mut JsonSplitter::new(LIMIT), long.as_bytes()).is_err());
        let fits = format!("{{\"a\":\"{}\"}}\n", "x".repeat(LIMIT - 8));
        assert_eq!(split(&mut JsonSplitter::new(LIMIT), fits.repeat(2).as_bytes()).unwrap().len(), 2);
    }
}
