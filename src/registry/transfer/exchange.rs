//! One request to the daemon whose answer is a stream of messages.
//!
//! Dropping the future closes the connection, and the daemon stops what it was doing.

use std::time::Duration;

use hyper::Method;
use hyper::header::HeaderName;
use tokio::time::timeout;

use super::stream::{Message, Said};
use crate::docker::connection::{ApiError, DaemonError, Engine, NO_LIMIT, Uri};
use crate::secret::Secret;

/// Real messages have some hundred bytes, and texts of registries in them some thousand.
const MAX_MESSAGE: usize = 1024 * 1024;
const REGISTRY_AUTH: HeaderName = HeaderName::from_static("x-registry-auth");

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
    pub(super) uri: Uri,
    /// Value of `X-Registry-Auth`.
    pub(super) registry_auth: Secret,
    pub(super) idle: Duration,
}

impl Call<'_> {
    /// Sends the request and gives every message to `hear`. An error of the daemon, also one inside an answer with status 200, is
    /// an error here.
    pub(super) async fn run(self, mut hear: impl AsyncFnMut(Said)) -> Result<(), Ending> {
        let request = self.engine.request(self.doing, Method::POST, self.uri).timeout(NO_LIMIT);
        let request = request.header(REGISTRY_AUTH, self.registry_auth.expose());
        let answer = timeout(self.idle, request.stream()).await.map_err(|_| Ending::Idle)?;
        let mut messages = match answer {
            Ok(answer) => answer.json::<Message>(MAX_MESSAGE),
            Err(ApiError::Refused(refusal)) => return Err(Ending::Refused(refusal.message)),
            Err(ApiError::Daemon(error)) => return Err(error.into()),
        };
        let mut refusal = None;
        // Only messages count: a body may drip.
        while let Some(message) = match timeout(self.idle, messages.next()).await.map_err(|_| Ending::Idle)? {
            // What was said before the end explains it.
            Err(_) if refusal.is_some() => None,
            message => message?,
        } {
            match message.meaning() {
                Said::Error(text) => drop(refusal.get_or_insert(text)),
                said => hear(said).await,
            }
        }
        refusal.map_or(Ok(()), |text| Err(Ending::Refused(text)))
    }
}
