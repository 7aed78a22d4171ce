//! HTTP towards a daemon: [`ApiRequest`] → the whole answer, a stream of it, or an upgraded connection.
//!
//! This is the only way by which anything is sent to a daemon. Each request has a connection of its own, which ends when its answer is
//! dropped: that is what cancels a build, a push or a stream in the daemon. Every answer has a limit of time and size, because a daemon may
//! be operated by anyone.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, UPGRADE};
use hyper::http::request::Builder;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::error::DaemonError;
use super::transport::{Dialed, Dialer};
use crate::diagnostic::error_chain;
use crate::net::{BodyError, read_body};

/// An error message has a few lines.
const MESSAGE_LIMIT: usize = 1024 * 1024;
/// For the body of an error whose head has arrived.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Enough for a list of thousands of containers.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;
/// For requests that a healthy daemon answers at once.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
/// For requests that end in another way.
pub(crate) const NO_LIMIT: Duration = Duration::MAX;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Path and query of a request; values of the query are percent-encoded.
pub(crate) struct Uri {
    text: String,
    separator: char,
}

impl Uri {
    /// The caller vouches for `path`; one that is not valid in a URI makes the request fail.
    pub(crate) fn new(path: &str) -> Self {
        Self { text: path.to_owned(), separator: '?' }
    }

    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.text.push(self.separator);
        self.separator = '&';
        self.text.push_str(name);
        self.text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.text.push(char::from(byte));
            } else {
                write!(self.text, "%{byte:02X}").expect("writing to a string never fails");
            }
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn add_json(&mut self, name: &str, value: &impl Serialize) {
        self.add(name, &serde_json::to_string(value).expect("maps and lists of strings are JSON"));
    }
}

/// One request. Without other limits the answer may take a minute and 16 MiB.
pub(crate) struct ApiRequest<'a> {
    dialer: &'a Dialer,
    /// What the request is for, as error messages say it: "container start".
    doing: &'static str,
    head: Builder,
    uri: Uri,
    body: UnsyncBoxBody<Bytes, BoxError>,
    /// From the dial to the last byte; of a stream, to the head of the answer.
    timeout: Duration,
    /// Bytes.
    limit: usize,
}

impl<'a> ApiRequest<'a> {
    pub(super) fn new(dialer: &'a Dialer, doing: &'static str, method: Method, uri: Uri) -> Self {
        Self {
            dialer,
            doing,
            head: Request::builder().method(method).header(HOST, "docker"),
            uri,
            body: UnsyncBoxBody::new(Full::new(Bytes::new()).map_err(|never| match never {})),
            timeout: REQUEST_TIMEOUT,
            limit: ANSWER_LIMIT,
        }
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.uri.add(name, value);
        self
    }

    pub(crate) fn json_query(mut self, name: &str, value: &impl Serialize) -> Self {
        self.uri.add_json(name, value);
        self
    }

    pub(crate) fn header(mut self, name: impl Into<HeaderName>, value: &str) -> Self {
        self.head = self.head.header(name.into(), value);
        self
    }

    pub(crate) fn json(self, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("bodies of requests are JSON");
        self.body("application/json", Full::new(Bytes::from(body)))
    }

    pub(crate) fn body<B>(mut self, content_type: &str, body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.head = self.head.header(CONTENT_TYPE, content_type);
        self.body = UnsyncBoxBody::new(body.map_err(Into::into));
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// At most this many bytes.
    pub(crate) fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Status, headers and the whole body, whatever the status is.
    pub(super) async fn response(self) -> Result<Response<Result<Bytes, DaemonError>>, DaemonError> {
        let (dialer, doing, limit, patience) = (self.dialer, self.doing, self.limit, self.timeout);
        let whole = async {
            let Exchange { response, connection: _connection } = self.exchange().await?;
            let (head, body) = response.into_parts();
            Ok(Response::from_parts(head, dialer.read(body, doing, limit).await))
        };
        timeout(patience, whole).await.map_err(|_| dialer.no_answer(patience))?
    }

    /// The whole body of a successful answer.
    pub(crate) async fn bytes(self) -> Result<Bytes, ApiError> {
        let (dialer, doing) = (self.dialer, self.doing);
        let response = self.response().await?;
        let status = response.status();
        let body = response.into_body()?;
        // A container that is started or stopped already (304) is in the requested state.
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(body);
        }
        Err(DaemonRefusal { endpoint: dialer.name(), doing, status: status.as_u16(), message: message_of(&body) }
            .into())
    }

    /// A successful answer without a body of interest.
    pub(crate) async fn run(self) -> Result<(), ApiError> {
        self.bytes().await.map(drop)
    }

    /// A successful answer in JSON.
    pub(crate) async fn read<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        let (dialer, doing) = (self.dialer, self.doing);
        let body = self.bytes().await?;
        serde_json::from_slice(&body).map_err(|error| dialer.lost(doing, format!("invalid answer: {error}")).into())
    }

    /// Like [`read`](Self::read); `None` when there is no such thing (404).
    pub(crate) async fn find<T: DeserializeOwned>(self) -> Result<Option<T>, ApiError> {
        match self.read().await {
            Ok(found) => Ok(Some(found)),
            Err(ApiError::Refused(DaemonRefusal { status: 404, .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The body of a successful answer as it comes. How much of it is read is for the caller to limit.
    pub(crate) async fn stream(self) -> Result<AnswerStream, ApiError> {
        let (dialer, doing, patience) = (self.dialer, self.doing, self.timeout);
        let exchange = timeout(patience, self.exchange()).await.map_err(|_| dialer.no_answer(patience))??;
        let Exchange { response, connection } = exchange;
        if !response.status().is_success() {
            return Err(dialer.refusal(response, doing).await);
        }
        let chunks = Chunks::Here(response.into_body());
        Ok(AnswerStream { dialer: dialer.clone(), doing, chunks, connection })
    }

    /// The connection itself, for another `protocol`.
    pub(crate) async fn upgrade(self, protocol: &str) -> Result<UpgradedConnection, ApiError> {
        let (dialer, doing, patience) = (self.dialer, self.doing, self.timeout);
        let request = self.header(CONNECTION, "Upgrade").header(UPGRADE, protocol);
        let exchange = timeout(patience, request.exchange()).await.map_err(|_| dialer.no_answer(patience))??;
        let Exchange { response, connection: _connection } = exchange;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(dialer.refusal(response, doing).await);
        }
        let upgraded = hyper::upgrade::on(response).await;
        Ok(TokioIo::new(upgraded.map_err(|error| dialer.lost(doing, error.to_string()))?))
    }

    /// Sends the request on a connection of its own.
    async fn exchange(self) -> Result<Exchange, DaemonError> {
        let Self { dialer, doing, head, uri, body, .. } = self;
        let request = head.uri(uri.as_str()).body(body).map_err(|error| dialer.lost(doing, error.to_string()))?;
        let Dialed { stream, ssh } = dialer.dial().await?;
        let exchange = async {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            let (start, started) = oneshot::channel();
            // A failure of the connection reaches the waiting side through the response.
            let task = tokio::spawn(join(connection.with_upgrades(), pump(started)));
            let connection = ConnectionGuard { task: task.abort_handle(), pump: Some(start) };
            Ok::<_, hyper::Error>(Exchange { response: sender.send_request(request).await?, connection })
        };
        match exchange.await {
            Ok(exchange) => Ok(exchange),
            // What ssh printed explains it best.
            Err(error) => match ssh {
                Some(ssh) => Err(match ssh.reason().await {
                    Some(reason) => dialer.ssh_error(reason),
                    None => dialer.lost(doing, error_chain(&error)),
                }),
                None => Err(dialer.lost(doing, error_chain(&error))),
            },
        }
    }
}

impl Dialer {
    fn too_long(&self, doing: &'static str, limit: usize) -> DaemonError {
        DaemonError::AnswerTooLong { endpoint: self.name(), doing, limit }
    }

    async fn read(&self, body: Incoming, doing: &'static str, limit: usize) -> Result<Bytes, DaemonError> {
        match read_body(body, limit).await {
            Ok(read) => Ok(read.bytes.into()),
            Err(BodyError::TooLong { limit }) => Err(self.too_long(doing, limit)),
            Err(BodyError::Broken(error)) => Err(self.lost(doing, error_chain(&error))),
        }
    }

    async fn refusal(&self, response: Response<Incoming>, doing: &'static str) -> ApiError {
        let status = response.status().as_u16();
        match timeout(MESSAGE_TIMEOUT, self.read(response.into_body(), doing, MESSAGE_LIMIT)).await {
            Ok(Ok(body)) => DaemonRefusal { endpoint: self.name(), doing, status, message: message_of(&body) }.into(),
            Ok(Err(error)) => error.into(),
            Err(_) => self.no_answer(MESSAGE_TIMEOUT).into(),
        }
    }
}

/// The `message` of an error, or all of it.
fn message_of(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct ErrorBody {
        message: String,
    }
    serde_json::from_slice::<ErrorBody>(body)
        .map_or_else(|_| String::from_utf8_lossy(body).trim().to_owned(), |body| body.message)
}

/// Why a request has no answer of use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// What a refusal means depends on the request.
    #[error(transparent)]
    Refused(#[from] DaemonRefusal),
}

/// An answer with the status of an error.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct DaemonRefusal {
    endpoint: String,
    doing: &'static str,
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl From<ApiError> for DaemonError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Daemon(error) => error,
            ApiError::Refused(DaemonRefusal { endpoint, doing, message, .. }) => {
                Self::Answer { endpoint, doing, message }
            }
        }
    }
}

/// A connection on which HTTP is over.
pub(crate) type UpgradedConnection = TokioIo<hyper::upgrade::Upgraded>;

struct Exchange {
    response: Response<Incoming>,
    connection: ConnectionGuard,
}

/// Ends the connection when it is dropped.
struct ConnectionGuard {
    task: AbortHandle,
    pump: Option<oneshot::Sender<PumpJob>>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The body of an answer as it comes. Dropping it closes the connection.
pub(crate) struct AnswerStream {
    dialer: Dialer,
    doing: &'static str,
    chunks: Chunks,
    connection: ConnectionGuard,
}

enum Chunks {
    /// Read by the task that waits for them.
    Here(Incoming),
    /// Read by the task of the connection.
    Pumped(mpsc::Receiver<Result<Bytes, hyper::Error>>),
}

impl AnswerStream {
    /// `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, DaemonError> {
        let chunk = match &mut self.chunks {
            Chunks::Here(body) => next_data(body).await,
            Chunks::Pumped(chunks) => chunks.recv().await,
        };
        chunk.transpose().map_err(|error| self.lost(error_chain(&error)))
    }

    /// For many small chunks, such as the lines of a log: the task of the connection reads them. Between two tasks each chunk would cost
    /// the wake-up of a thread.
    pub(crate) fn pumped(mut self) -> Self {
        /// More than these make the daemon wait.
        const WAITING_CHUNKS: usize = 256;
        if let (Chunks::Here(_), Some(pump)) = (&self.chunks, self.connection.pump.take()) {
            let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
            if let Chunks::Here(body) = std::mem::replace(&mut self.chunks, Chunks::Pumped(receiver)) {
                // When the task has ended, so have the chunks.
                let _ = pump.send(PumpJob { body, chunks: sender });
            }
        }
        self
    }

    /// The stream ended early, or makes no sense.
    pub(crate) fn lost(&self, reason: impl Into<String>) -> DaemonError {
        self.dialer.lost(self.doing, reason)
    }

    pub(crate) fn no_answer(&self, after: Duration) -> DaemonError {
        self.dialer.no_answer(after)
    }

    /// A message of the stream has more than `limit` bytes.
    pub(super) fn too_long(&self, limit: usize) -> DaemonError {
        self.dialer.too_long(self.doing, limit)
    }
}

/// The next bytes of a body, without trailers.
async fn next_data(body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
    loop {
        match body.frame().await? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

struct PumpJob {
    body: Incoming,
    chunks: mpsc::Sender<Result<Bytes, hyper::Error>>,
}

/// Runs beside a connection: passes its body on until the body or its reader has ended.
async fn pump(job: oneshot::Receiver<PumpJob>) {
    let Ok(PumpJob { mut body, chunks }) = job.await else { return };
    while let Some(chunk) = next_data(&mut body).await {
        if chunks.send(chunk).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_are_percent_encoded() {
        let mut uri = Uri::new("/build");
        uri.add("t", "a&b=c d/é\n");
        assert_eq!(uri.as_str(), "/build?t=a%26b%3Dc%20d%2F%C3%A9%0A");
    }

    #[test]
    fn messages_of_errors_are_json_or_text() {
        assert_eq!(message_of(br#"{"message":"no such image"}"#), "no such image");
        assert_eq!(message_of(b" page not found\n"), "page not found");
    }
}
