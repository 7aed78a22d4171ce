//! What the targets share. A target whose input goes to one of several readers takes the first byte as the choice.

use std::sync::{Arc, Mutex, OnceLock};

use chrono::{DateTime, Utc};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};

/// A lockfile and a manifest of a small app, for the files that are not the input.
pub const LOCKFILE: &str = r#"{"lockfileVersion":3,"packages":{"node_modules/next":{"version":"16.4.6"}}}"#;
pub const MANIFEST: &str = r#"{"name":"a","scripts":{"build":"next build"},"dependencies":{"next":"16.4.6"}}"#;

/// Separates the parts of an input that has several.
const PART: &[u8] = b"\n%%\n";

/// The choice of the first byte among `choices`, and the rest of the input; `None` for an empty input.
pub fn choose<'a, T: Copy>(choices: &[T], data: &'a [u8]) -> Option<(T, &'a [u8])> {
    let (first, rest) = data.split_first()?;
    Some((choices[usize::from(*first) % choices.len()], rest))
}

pub fn parts(data: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut rest = data;
    while let Some((byte, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(PART) {
            parts.push(Vec::new());
            rest = after;
        } else {
            parts.last_mut().expect("one at least").push(*byte);
            rest = after;
        }
    }
    parts
}

pub fn epoch() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

/// One runtime for the whole process.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_current_thread().enable_all().build().expect("a runtime can be made"))
}

/// What a server says: to the first request the first answer, to each further one the next, to all others the last.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<(Vec<Vec<u8>>, usize)>>);

impl Script {
    pub fn set(&self, answers: Vec<Vec<u8>>) {
        *self.0.lock().expect("no panic while it is locked") = (answers, 0);
    }

    fn next(&self) -> Vec<u8> {
        let mut script = self.0.lock().expect("no panic while it is locked");
        let (answers, at) = &mut *script;
        let answer = answers.get(*at).or(answers.last()).cloned().unwrap_or_default();
        *at += 1;
        answer
    }

    /// Reads the head of one request, answers and closes the connection.
    pub async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut head = Vec::new();
        let mut buffer = [0; 4096];
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut buffer).await {
                // A client that tries TLS (a handshake record) would wait for an answer.
                Ok(length) if length > 0 && (!head.is_empty() || buffer[0] != 0x16) => {
                    head.extend_from_slice(&buffer[..length]);
                }
                _ => return,
            }
        }
        let _ = stream.write_all(&self.next()).await;
        let _ = stream.shutdown().await;
    }
}
