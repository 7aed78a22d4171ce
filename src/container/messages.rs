//! Answers that go on: one JSON value after the other, wherever the chunks are cut → values.

use std::collections::VecDeque;

use bytes::BytesMut;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::api::Streamed;

/// No message of a daemon is longer.
const LONGEST: usize = 4 * 1024 * 1024;

pub(super) struct Messages<T> {
    streamed: Streamed,
    rest: BytesMut,
    ready: VecDeque<T>,
}

impl<T: DeserializeOwned> Messages<T> {
    pub(super) fn new(streamed: Streamed) -> Self {
        Self { streamed, rest: BytesMut::new(), ready: VecDeque::new() }
    }

    /// The next value; `None` at the end. The error is the reason as text.
    pub(super) async fn next(&mut self) -> Result<Option<T>, String> {
        loop {
            if let Some(value) = self.ready.pop_front() {
                return Ok(Some(value));
            }
            let Some(frame) = self.streamed.body.frame().await else {
                let cut = self.rest.iter().any(|byte| !byte.is_ascii_whitespace());
                return if cut { Err("the answer ended early".into()) } else { Ok(None) };
            };
            let Ok(data) = frame.map_err(|error| error.to_string())?.into_data() else { continue };
            self.rest.extend_from_slice(&data);
            self.ready.extend(split(&mut self.rest)?);
        }
    }
}

/// Takes the whole values out of `rest`. Docker ends each with a line break, Podman may not.
pub(super) fn split<T: DeserializeOwned>(rest: &mut BytesMut) -> Result<Vec<T>, String> {
    let mut values = Vec::new();
    let mut parsed = serde_json::Deserializer::from_slice(rest).into_iter::<T>();
    let mut read = 0;
    loop {
        match parsed.next() {
            Some(Ok(value)) => {
                read = parsed.byte_offset();
                values.push(value);
            }
            Some(Err(error)) if !error.is_eof() => return Err(format!("an answer of no use: {error}")),
            _ => break,
        }
    }
    let _ = rest.split_to(read);
    if rest.len() > LONGEST { Err("a message without end".into()) } else { Ok(values) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_wherever_the_chunks_are_cut() {
        let text = "{\"a\":1}\r\n{\"a\":2}{\"a\":\"}\\n\"}\n";
        for size in 1..=text.len() {
            let mut rest = BytesMut::new();
            let mut seen = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                rest.extend_from_slice(chunk);
                seen.extend(split::<serde_json::Value>(&mut rest).unwrap());
            }
            assert_eq!((seen.len(), &seen[2]["a"]), (3, &serde_json::json!("}\n")), "{size}");
            assert!(rest.iter().all(u8::is_ascii_whitespace));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert!(split::<serde_json::Value>(&mut BytesMut::from("{\"a\" 1}")).is_err());
        assert!(split::<serde_json::Value>(&mut BytesMut::from(&*vec![b'['; LONGEST + 1])).is_err());
    }
}
