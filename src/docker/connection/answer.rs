//! Answers of a daemon, whole or line by line, each within limits: a daemon may be anybody's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

use super::engine::{Dialer, Duplex};
use super::error::DaemonError;
use crate::diagnostic::error_chain;
use crate::net::{BodyError, read_body};

/// Of an error: a message of a few lines.
pub(crate) const MESSAGE_LIMIT: usize = 1024 * 1024;
/// Of a question, such as the list of thousands of containers.
pub(crate) const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// What the answer to one request may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerLimits {
    /// From the dial to the last byte.
    pub(crate) time: Duration,
    pub(crate) bytes: usize,
}

impl Dialer {
    /// The whole of a body. `doing` is what it answers, for errors.
    pub(crate) async fn read(
        &self,
        body: Incoming,
        doing: &'static str,
        limits: AnswerLimits,
    ) -> Result<Bytes, DaemonError> {
        let read =
            timeout(limits.time, read_body(body, limits.bytes)).await.map_err(|_| self.no_answer(limits.time))?;
        match read {
            Ok(read) => Ok(read.bytes.into()),
            Err(BodyError::TooLong { limit }) => Err(self.too_long(doing, limit)),
            Err(BodyError::Broken(error)) => {
                Err(DaemonError::ConnectionLost { endpoint: self.name(), doing, reason: error_chain(&error) })
            }
        }
    }

    /// What the body of an error says: its `message`, or all of it.
    pub(crate) async fn read_message(&self, body: Incoming, doing: &'static str) -> Result<String, DaemonError> {
        #[derive(Deserialize)]
        struct Answer {
            message: String,
        }
        /// For a body that is there with its head.
        const PATIENCE: Duration = Duration::from_secs(10);
        let limits = AnswerLimits { time: PATIENCE, bytes: MESSAGE_LIMIT };
        let body = self.read(body, doing, limits).await?;
        Ok(serde_json::from_slice::<Answer>(&body)
            .map_or_else(|_| String::from_utf8_lossy(&body).trim().to_owned(), |answer| answer.message))
    }

    pub(crate) fn too_long(&self, doing: &'static str, limit: usize) -> DaemonError {
        DaemonError::AnswerTooLong { endpoint: self.name(), doing, limit }
    }
}

/// Joins chunks to lines, each of at most `limit` bytes.
pub(crate) struct Lines {
    buffer: Vec<u8>,
    limit: usize,
}

/// Why the lines end here.
pub(crate) enum LineError<E> {
    TooLong,
    Unreadable(E),
}

impl Lines {
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), limit }
    }

    /// Gives every line that `data` ends to `line`.
    pub(crate) fn feed<E>(
        &mut self,
        data: &[u8],
        mut line: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), LineError<E>> {
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            if self.buffer.len() + part.len() > self.limit {
                return Err(LineError::TooLong);
            }
            self.buffer.extend_from_slice(part);
            if part.ends_with(b"\n") {
                line(&self.buffer).map_err(LineError::Unreadable)?;
                self.buffer.clear();
            }
        }
        Ok(())
    }

    /// What came behind the last line break.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }
}

/// A connection for one answer. bollard reads every body to its end, as one piece and without a limit of its own (0.21, `docker.rs`,
/// `decode_response`), and cannot be given another kind of body: so the limit is below.
pub(super) struct Bounded {
    stream: Box<dyn Duplex>,
    left: usize,
    deadline: Pin<Box<Sleep>>,
    too_long: DaemonError,
    too_late: DaemonError,
}

impl Bounded {
    pub(super) fn new(stream: Box<dyn Duplex>, dialer: &Dialer, limits: AnswerLimits) -> Self {
        /// bollard gives the head of an answer up first, with an error of its own.
        const LATER: Duration = Duration::from_secs(1);
        Self {
            stream,
            left: limits.bytes,
            deadline: Box::pin(sleep(limits.time + LATER)),
            too_long: dialer.too_long("a question", limits.bytes),
            too_late: dialer.no_answer(limits.time),
        }
    }
}

impl AsyncRead for Bounded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() && self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::other(self.too_late.clone())));
        }
        ready!(read)?;
        match self.left.checked_sub(buffer.filled().len() - before) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::Error::other(self.too_long.clone()))),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The error of this module, or of the dial, that is a cause of `error`.
pub(crate) fn daemon_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<DaemonError> {
    let source = |error: &&'a (dyn std::error::Error + 'static)| (*error).source();
    std::iter::successors(Some(error), source).find_map(|error| {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.and_then(|inner| inner.downcast_ref::<DaemonError>()).cloned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&str], limit: usize) -> Result<Vec<String>, &'static str> {
        let (mut lines, mut seen) = (Lines::new(limit), Vec::new());
        for chunk in chunks {
            let fed = lines.feed(chunk.as_bytes(), |line| {
                seen.push(String::from_utf8_lossy(line).into_owned());
                if line == b"bad\n" { Err("bad") } else { Ok(()) }
            });
            fed.map_err(|error| match error {
                LineError::TooLong => "too long",
                LineError::Unreadable(reason) => reason,
            })?;
        }
        seen.push(String::from_utf8_lossy(&lines.rest()).into_owned());
        Ok(seen)
    }

    #[test]
    fn lines_are_found_wherever_the_chunks_are_cut() {
        assert_eq!(lines(&["a\nb", "c", "\r\n\nrest"], 10).unwrap(), ["a\n", "bc\r\n", "\n", "rest"]);
        assert_eq!(lines(&["bad\n"], 10).unwrap_err(), "bad");
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        assert_eq!(lines(&["1234567", "89ab"], 10).unwrap_err(), "too long");
        assert_eq!(lines(&["123456789ab\n"], 10).unwrap_err(), "too long");
        assert_eq!(lines(&["123456789\n", "123456789\n"], 10).unwrap(), ["123456789\n", "123456789\n", ""]);
    }
}
