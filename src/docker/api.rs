//! Requests that bollard cannot send as they must be: one exchange on a connection of its own, which ends when its answer is dropped.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::client::{Containers, PATIENCE};
use super::error::ContainerError;
use super::failure::{Subject, explain};
use crate::docker::connection::{ANSWER_LIMIT, AnswerLimits, ConnectionGuard, DaemonError, Exchange};

/// A body that is still being sent.
pub(super) struct Streamed {
    pub(super) body: Incoming,
    /// Ends the connection with the stream.
    pub(super) connection: ConnectionGuard,
}

impl Containers {
    /// Sends JSON, and gets the status and the daemon's message or answer.
    pub(super) async fn post(
        &self,
        subject: &Subject<'_>,
        path: &str,
        body: &Value,
    ) -> Result<(u16, String), ContainerError> {
        let Exchange { response, connection } = self.exchange(subject, Method::POST, path, Some(body)).await?;
        let status = response.status().as_u16();
        let text = self.message(subject, response).await?;
        drop(connection);
        Ok((status, text))
    }

    /// Sends a request whose answer is a stream, and is an error unless its status is a success.
    pub(super) async fn stream(
        &self,
        subject: &Subject<'_>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Streamed, ContainerError> {
        let Exchange { response, connection } = self.exchange(subject, method, path, body).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(Streamed { body: response.into_body(), connection });
        }
        let message = self.message(subject, response).await?;
        Err(explain(subject, status.as_u16(), &message))
    }

    /// The whole of an answer.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        subject: &Subject<'_>,
        answer: Streamed,
    ) -> Result<T, ContainerError> {
        let limits = AnswerLimits { time: PATIENCE, bytes: ANSWER_LIMIT };
        let body = self.engine.dialer.read(answer.body, subject.doing, limits).await?;
        drop(answer.connection);
        serde_json::from_slice(&body).map_err(|error| self.lost(subject, &format!("an answer of no use: {error}")))
    }

    async fn exchange(
        &self,
        subject: &Subject<'_>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Exchange, ContainerError> {
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
        let request = request.body(Full::new(bytes)).expect("paths are made of percent-encoded parts");
        match timeout(PATIENCE, self.engine.dialer.exchange(request)).await {
            Ok(Ok(Ok(exchange))) => Ok(exchange),
            Ok(Ok(Err(reason))) => Err(self.lost(subject, &reason)),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(self.no_answer()),
        }
    }

    pub(super) fn no_answer(&self) -> ContainerError {
        let origin = self.engine.dialer.endpoint.origin.clone();
        DaemonError::NoAnswer { endpoint: self.engine.address(), origin, after: PATIENCE }.into()
    }

    /// The `message` of an error, or the whole text.
    async fn message(&self, subject: &Subject<'_>, response: Response<Incoming>) -> Result<String, ContainerError> {
        Ok(self.engine.dialer.read_message(response.into_body(), subject.doing).await?)
    }
}
