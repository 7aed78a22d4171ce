//! One request to the daemon whose answer is a stream of messages.
//!
//! Dropping the future closes the connection, and the daemon stops what it was doing.

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use super::stream::{Message, Said};
use crate::diagnostic::error_chain;
use crate::docker::connection::{DaemonError, Engine, Exchange, LineError, Lines};
use crate::secret::Secret;

/// Real messages have some hundred bytes, and texts of registries in them some thousand.
const MAX_MESSAGE: usize = 1024 * 1024;

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
            return Err(Ending::Refused(self.engine.dialer.read_message(body, self.doing).await?));
        }
        let mut lines = Lines::new(MAX_MESSAGE);
        let mut refusal = None;
        let mut said = Vec::new();
        // Bytes are no news, messages are: a body may drip.
        let mut heard = Instant::now();
        while let Some(frame) = timeout_at(heard + self.idle, body.frame()).await.map_err(|_| Ending::Idle)? {
            let frame = match frame {
                Ok(frame) => frame,
                // What was said before the end explains it.
                Err(_) if refusal.is_some() => break,
                Err(error) => return Err(lost(error_chain(&error))),
            };
            let Ok(data) = frame.into_data() else { continue };
            let fed = lines.feed(&data, |line| parse(line).map(|found| said.extend(found)));
            if !said.is_empty() {
                heard = Instant::now();
            }
            for said in said.drain(..) {
                note(said, &mut refusal, &mut hear).await;
            }
            fed.map_err(|error| match error {
                LineError::TooLong => Ending::Daemon(self.engine.dialer.too_long(self.doing, MAX_MESSAGE)),
                LineError::Unreadable(reason) => lost(reason),
            })?;
        }
        if let Some(said) = parse(&lines.rest()).map_err(lost)? {
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

/// The meaning of one line; `None` for an empty one.
fn parse(line: &[u8]) -> Result<Option<Said>, String> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let message = Message::parse(line).map_err(|error| format!("the daemon's answer cannot be read: {error}"))?;
    Ok(Some(message.meaning()))
}
