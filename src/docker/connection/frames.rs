//! The stream format of logs and commands: bytes as they arrive → pieces of standard output and standard error.
//!
//! Docker Engine API, "Attach to a container", stream format: 8 bytes `[stream, 0, 0, 0, length (big endian)]`, then the payload; a
//! container with a terminal has no frames. Buffers nothing but the header, and never waits for a whole frame.

use bytes::{Buf, Bytes};

const HEADER: usize = 8;

/// A stream of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    Stdout,
    Stderr,
}

/// Part of the payload of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OutputPiece {
    pub(crate) stream: LogStream,
    /// The first of its frame; in a raw stream never.
    pub(crate) opens_frame: bool,
    pub(crate) bytes: Bytes,
}

#[derive(Debug)]
pub(crate) enum OutputFrames {
    Raw,
    Multiplexed { header: [u8; HEADER], filled: usize, stream: LogStream, left: usize, opens: bool },
}

impl OutputFrames {
    pub(crate) fn new(tty: bool) -> Self {
        if tty {
            return Self::Raw;
        }
        Self::Multiplexed { header: [0; HEADER], filled: 0, stream: LogStream::Stdout, left: 0, opens: false }
    }

    /// Takes the next piece out of `chunk`; `None` when `chunk` is empty. The error has what was read instead of a header.
    pub(crate) fn next(&mut self, chunk: &mut Bytes) -> Result<Option<OutputPiece>, String> {
        let Self::Multiplexed { header, filled, stream, left, opens } = self else {
            let bytes = chunk.split_off(0);
            let piece = OutputPiece { stream: LogStream::Stdout, opens_frame: false, bytes };
            return Ok((!piece.bytes.is_empty()).then_some(piece));
        };
        loop {
            if *left > 0 {
                if chunk.is_empty() {
                    return Ok(None);
                }
                let bytes = chunk.split_to(chunk.len().min(*left));
                *left -= bytes.len();
                return Ok(Some(OutputPiece { stream: *stream, opens_frame: std::mem::take(opens), bytes }));
            }
            let take = chunk.len().min(HEADER - *filled);
            chunk.copy_to_slice(&mut header[*filled..*filled + take]);
            *filled += take;
            if *filled < HEADER {
                return Ok(None);
            }
            *filled = 0;
            let [kind, 0, 0, 0, length @ ..] = *header else {
                return Err(format!("{header:?} is not a frame header"));
            };
            *stream = match kind {
                // 0 is standard input, which is never attached.
                0 | 1 => LogStream::Stdout,
                2 => LogStream::Stderr,
                _ => return Err(format!("{header:?} is not a frame header")),
            };
            *left = u32::from_be_bytes(length) as usize;
            *opens = true;
        }
    }

    /// Whether the stream ended within a frame.
    pub(crate) fn is_cut(&self) -> bool {
        matches!(self, Self::Multiplexed { filled, left, .. } if *filled > 0 || *left > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, text: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[kind, 0, 0, 0][..], &length, text].concat()
    }

    /// Everything, with `chunk_size` bytes at a time: `(stdout, stderr, frames)`.
    fn read(frames: &mut OutputFrames, bytes: &[u8], chunk_size: usize) -> (Vec<u8>, Vec<u8>, usize) {
        let (mut stdout, mut stderr, mut opened) = (Vec::new(), Vec::new(), 0);
        for chunk in bytes.chunks(chunk_size) {
            let mut chunk = Bytes::copy_from_slice(chunk);
            while let Some(piece) = frames.next(&mut chunk).unwrap() {
                opened += usize::from(piece.opens_frame);
                match piece.stream {
                    LogStream::Stdout => stdout.extend_from_slice(&piece.bytes),
                    LogStream::Stderr => stderr.extend_from_slice(&piece.bytes),
                }
            }
        }
        (stdout, stderr, opened)
    }

    #[test]
    fn frames_are_split_wherever_the_chunks_are_cut() {
        let bytes = [frame(1, b"one\n"), frame(2, b"\xff\x01\n"), frame(1, b""), frame(1, b"two")].concat();
        for size in 1..=bytes.len() {
            let mut frames = OutputFrames::new(false);
            let seen = read(&mut frames, &bytes, size);
            assert_eq!(seen, (b"one\ntwo".to_vec(), b"\xff\x01\n".to_vec(), 3), "{size}");
            assert!(!frames.is_cut());
        }
    }

    #[test]
    fn an_early_end_is_detected() {
        let bytes = frame(1, b"text");
        for cut in 1..bytes.len() {
            let mut frames = OutputFrames::new(false);
            read(&mut frames, &bytes[..cut], 3);
            assert!(frames.is_cut(), "{cut}");
        }
    }

    #[test]
    fn invalid_headers_are_refused() {
        for bad in [*b"plain tx", [3, 0, 0, 0, 0, 0, 0, 1], [1, 0, 1, 0, 0, 0, 0, 1]] {
            let error = OutputFrames::new(false).next(&mut Bytes::copy_from_slice(&bad)).unwrap_err();
            assert!(error.ends_with("is not a frame header"), "{error}");
        }
    }

    #[test]
    fn the_output_of_a_terminal_is_passed_through() {
        let mut frames = OutputFrames::new(true);
        let seen = read(&mut frames, b"\x01\0\0\0 raw\r\n", 4);
        assert_eq!(seen, (b"\x01\0\0\0 raw\r\n".to_vec(), Vec::new(), 0));
        assert!(!frames.is_cut());
    }
}
