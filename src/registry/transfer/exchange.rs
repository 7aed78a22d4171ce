//! One request to the daemon whose answer is a stream of messages.
//!
//! Dropping the future closes the connection, and the daemon stops what it was doing.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use serde::Deserialize;
use tokio::time::timeout;

use super::stream::{Message, Said};
use crate::daemon::{DaemonError, Engine, Exchange};
use crate::diagnostic::error_chain;
use crate::secret::Secret;

/// Real messages have some hundred bytes.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
const MAX_ERROR_BODY: usize = 1024 * 1024;

/// Why an exchange did not end well.
#[derive(Debug)]
pub(super) enum Ending {
    Daemon(DaemonError),
    /// The daemon's own words, on the stream or as the answer.
    Refused(String),
    /// Nothing was heard for too long.
    Idle,
}

impl From<DaemonError> for Ending {
    fn from(error: DaemonError) -> Self {
        Self::Daemon(error)
    }
}

/// One request.
pub(super) struct Call<'a> {
    pub(super) engine: &'a Engine,
    /// What is being done, for errors: "the push".
    pub(super) doing: &'static str,
    /// Path and query.
    pub(super) uri: String,
    /// Value of `X-Registry-Auth`.
    pub(super) registry_auth: Secret,
    pub(super) idle: Duration,
}

impl Call<'_> {
    /// Sends the request and gives every message to `hear`. An error of the daemon, also one inside an answer with status 200, is
    /// an error here.
    pub(super) async fn run(self, mut hear: impl AsyncFnMut(Said)) -> Result<(), Ending> {
        let lost = |reason: String| {
            Ending::Daemon(DaemonError::ConnectionLost { endpoint: self.engine.address(), doing: self.doing, reason })
        };
        let request = Request::post(&self.uri)
            .header("X-Registry-Auth", self.registry_auth.expose())
            .header("Content-Length", "0")
            .body(Empty::<Bytes>::new())
            .map_err(|error| lost(error.to_string()))?;
        let exchange = timeout(self.idle, self.engine.dialer.exchange(request)).await.map_err(|_| Ending::Idle)??;
        let Exchange { response, connection: _connection } = exchange.map_err(lost)?;
        let succeeded = response.status().is_success();
        let mut body = response.into_body();
        if !succeeded {
            let body = timeout(self.idle, Limited::new(body, MAX_ERROR_BODY).collect()).await;
            let bytes = body.map_err(|_| Ending::Idle)?.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            return Err(Ending::Refused(error_message(&bytes)));
        }
        let mut lines = Lines::default();
        let mut refusal = None;
        while let Some(frame) = timeout(self.idle, body.frame()).await.map_err(|_| Ending::Idle)? {
            let frame = match frame {
                Ok(frame) => frame,
                // What was said before the end explains it.
                Err(_) if refusal.is_some() => break,
                Err(error) => return Err(lost(error_chain(&error))),
            };
            let Ok(data) = frame.into_data() else { continue };
            for said in lines.add(&data).map_err(lost)? {
                note(said, &mut refusal, &mut hear).await;
            }
        }
        if let Some(said) = lines.end().map_err(lost)? {
            note(said, &mut refusal, &mut hear).await;
        }
        refusal.map_or(Ok(()), |text| Err(Ending::Refused(text)))
    }
}

async fn note(said: Said, refusal: &mut Option<String>, hear: &mut impl AsyncFnMut(Said)) {
    match said {
        Said::Error(text) => drop(refusal.get_or_insert(text)),
        said => hear(said).await,
    }
}

fn error_message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Answer {
        message: String,
    }
    serde_json::from_slice::<Answer>(body)
        .map_or_else(|_| String::from_utf8_lossy(body).trim().to_owned(), |answer| answer.message)
}

/// Joins chunks to lines.
#[derive(Default)]
struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    fn add(&mut self, data: &[u8]) -> Result<Vec<Said>, String> {
        let mut said = Vec::new();
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            self.buffer.extend_from_slice(part);
            if self.buffer.ends_with(b"\n") {
                said.extend(self.end()?);
            } else if self.buffer.len() > MAX_MESSAGE {
                return Err("the daemon sent an endless message".into());
            }
        }
        Ok(said)
    }

    fn end(&mut self) -> Result<Option<Said>, String> {
        let line = std::mem::take(&mut self.buffer);
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        match Message::parse(&line) {
            Ok(message) => Ok(Some(message.meaning())),
            Err(error) => Err(format!("the daemon's answer cannot be read: {error}")),
        }
    }
}
