//! The HTTP server: `/metrics`, `/healthz`, and `/logs` for WebSocket clients with the token.
//!
//! Clients get few connections, each with time limits, so that they take nothing from the supervised containers; no client can stop
//! the server or block another one. Never serves logs without a token, and never changes anything.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Sleep, interval, sleep, timeout};

use super::error::SuperviseError;
use super::event::{SupervisorEvent, SupervisorEventSender};
use super::metrics::{LogCounters, MetricsRegistry, TextFormat};
use super::record::LogBatch;
use crate::host;
use crate::net::is_loopback;
use crate::secret::Secret;

/// Concurrent WebSocket clients.
const MAX_LOG_CLIENTS: usize = 32;
/// Concurrent connections; further ones are closed immediately. Every request to the daemon needs a descriptor as well, and a process usually
/// has 1024.
const MAX_CONNECTIONS: usize = 64;
/// Where fewer descriptors are allowed, one in this many is used for connections.
const DESCRIPTORS_PER_CONNECTION: u64 = 8;
/// For reading the head of a request, and between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// For a response or WebSocket message that the client does not accept at once.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// After an error of `accept`, usually a lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How far a client may fall behind.
const BEHIND_BATCHES: usize = 4096;
const BEHIND_BYTES: usize = 4 << 20;
/// For sending one message.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Detects clients that are gone while nothing is printed.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// What the server serves.
#[derive(Clone)]
pub struct ServerState {
    pub metrics: Arc<MetricsRegistry>,
    /// `None` if logs are not served.
    pub logs: Option<(LiveLogs, Secret)>,
    /// Becomes true at shutdown.
    pub end: watch::Receiver<bool>,
}

/// Binds the socket, so that an address in use is an error before anything starts.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, SuperviseError> {
    TcpListener::bind(address).await.map_err(|source| SuperviseError::Listen { address, source })
}

/// Serves until shutdown.
pub async fn serve(listener: TcpListener, served: ServerState) {
    let end = served.end.clone();
    let mut routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .route("/logs", get(logs))
        .with_state(served);
    if listener.local_addr().is_ok_and(|address| address.ip().is_loopback()) {
        routes = routes.layer(from_fn(require_loopback_host));
    }
    accept_connections(listener, routes, end).await;
}

/// Protects against DNS rebinding: a web page can reach loopback through a host name of its own that resolves to 127.0.0.1. Browsers always
/// send that name in `Host`; an HTTP/1.0 client may send none.
async fn require_loopback_host(request: Request, next: Next) -> Response {
    let header = request.headers().get(HOST).map(|host| host.to_str().unwrap_or_default());
    let target = request.uri().authority().map(Authority::as_str);
    if header.into_iter().chain(target).all(is_loopback) {
        return next.run(request).await;
    }
    (StatusCode::MISDIRECTED_REQUEST, "only `localhost` and loopback addresses are accepted as host\n").into_response()
}

async fn metrics(State(served): State<ServerState>, headers: HeaderMap) -> Response {
    let format = TextFormat::accepted(headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    match served.metrics.scrape(format, Instant::now()) {
        Ok(text) => ([(CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn health(State(served): State<ServerState>) -> Response {
    if served.metrics.snapshot().daemon_up {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the daemon does not respond\n").into_response()
    }
}

#[derive(Deserialize)]
struct LogQuery {
    token: Option<String>,
    app: Option<String>,
    container: Option<String>,
}

async fn logs(
    State(served): State<ServerState>,
    Query(query): Query<LogQuery>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let Some((logs, token)) = served.logs else {
        return (StatusCode::NOT_FOUND, "logs are only served with `--token`\n").into_response();
    };
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if !bearer.or(query.token.as_deref()).is_some_and(|given| is_equal(given, token.expose())) {
        return (StatusCode::UNAUTHORIZED, "the token is missing or wrong\n").into_response();
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    if logs.clients() >= MAX_LOG_CLIENTS {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many clients\n").into_response();
    }
    let filter = LiveFilter { app: query.app, container: query.container };
    // Messages from clients are ignored.
    let upgrade = upgrade.max_message_size(4096).max_frame_size(4096);
    upgrade.on_upgrade(move |socket| serve_client(socket, logs, filter, served.end))
}

/// Compares in constant time for a given length.
fn is_equal(given: &str, expected: &str) -> bool {
    let different = given.bytes().zip(expected.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b));
    given.len() == expected.len() && different == 0
}

/// Serves `routes` until `end` is true, then completes the responses under way.
async fn accept_connections(listener: TcpListener, routes: Router, mut end: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(max_connections()));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            // The sender is dropped only at the end.
            _ = end.wait_for(|end| *end) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match (accepted, Arc::clone(&slots).try_acquire_owned()) {
            (Ok((stream, _)), Ok(slot)) => {
                connections.spawn(serve_connection(
                    ClientStream { stream, stalled: None, _slot: slot },
                    routes.clone(),
                    end.clone(),
                ));
            }
            (Ok(_), Err(_)) => {}
            (Err(_), _) => sleep(ACCEPT_PAUSE).await,
        }
    }
    while connections.join_next().await.is_some() {}
}

fn max_connections() -> usize {
    let allowed = host::descriptor_limit().map_or(u64::MAX, |limit| limit / DESCRIPTORS_PER_CONNECTION);
    usize::try_from(allowed).unwrap_or(usize::MAX).clamp(1, MAX_CONNECTIONS)
}

/// Errors of a connection only end that connection.
async fn serve_connection(stream: ClientStream, routes: Router, mut end: watch::Receiver<bool>) {
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
            .with_upgrades()
    );
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = end.wait_for(|end| *end) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// A connection with a write timeout. It keeps its slot as a WebSocket too, when hyper has handed it over.
struct ClientStream {
    stream: TcpStream,
    /// Runs while a write waits for the client.
    stalled: Option<Pin<Box<Sleep>>>,
    _slot: OwnedSemaphorePermit,
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ClientStream {
    /// The timeout is only reset when everything was written: a byte now and then does not count as progress.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if matches!(written, Poll::Ready(Ok(count)) if count == bytes.len()) {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        if stalled.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Ready(ready!(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Publishes log batches to the connected WebSocket clients. Each message is one or more JSON lines.
///
/// Nothing waits for a client: one that cannot keep up is disconnected.
#[derive(Clone)]
pub struct LiveLogs {
    clients: Arc<Mutex<Vec<Subscriber>>>,
    counters: Arc<LogCounters>,
    events: SupervisorEventSender,
}

/// The publishing end of a client's queue.
struct Subscriber {
    filter: LiveFilter,
    batches: mpsc::Sender<LogBatch>,
    /// Queued bytes.
    behind: Arc<AtomicUsize>,
}

impl Subscriber {
    /// False if it is too slow or has disconnected.
    fn offer(&self, batch: &LogBatch) -> bool {
        let size = batch.text.len();
        let behind = self.behind.fetch_add(size, Ordering::Relaxed);
        // A single batch is accepted whatever its size.
        (behind == 0 || behind + size <= BEHIND_BYTES) && self.batches.try_send(batch.clone()).is_ok()
    }
}

impl LiveLogs {
    pub fn new(counters: Arc<LogCounters>, events: SupervisorEventSender) -> Self {
        Self { clients: Arc::default(), counters, events }
    }

    pub fn publish(&self, batch: &LogBatch) {
        self.locked().retain(|client| {
            let kept = !client.filter.matches(batch) || client.offer(batch);
            if !kept {
                self.counters.live.dropped.add(batch.lines);
            }
            kept
        });
    }

    /// Number of connected clients.
    pub fn clients(&self) -> usize {
        usize::try_from(self.counters.clients.get()).unwrap_or(usize::MAX)
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Subscriber>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe(&self, filter: LiveFilter) -> Subscription {
        let (batches, received) = mpsc::channel(BEHIND_BATCHES);
        let behind = Arc::new(AtomicUsize::new(0));
        self.locked().push(Subscriber { filter, batches, behind: Arc::clone(&behind) });
        self.counters.clients.add(1);
        Subscription { batches: received, behind, logs: self.clone() }
    }
}

/// The receiving end of a client's queue.
struct Subscription {
    batches: mpsc::Receiver<LogBatch>,
    behind: Arc<AtomicUsize>,
    logs: LiveLogs,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.batches.close();
        self.logs.locked().retain(|client| !client.batches.is_closed());
        let clients = &self.logs.counters.clients;
        clients.set(clients.get().saturating_sub(1));
    }
}

/// Which lines a client receives.
#[derive(Debug, Clone, Default)]
struct LiveFilter {
    app: Option<String>,
    container: Option<String>,
}

impl LiveFilter {
    fn matches(&self, batch: &LogBatch) -> bool {
        let source = &batch.source;
        self.app.as_ref().is_none_or(|app| source.app.as_ref() == Some(app))
            && self.container.as_ref().is_none_or(|container| source.container == *container)
    }
}

/// Why a client is served no longer.
enum Disconnect {
    /// By the client, or the connection broke.
    Closed,
    Slow,
    Stopping,
}

/// Serves one client until it leaves, is too slow, or the program ends.
async fn serve_client(mut socket: WebSocket, logs: LiveLogs, filter: LiveFilter, end: watch::Receiver<bool>) {
    let mut subscription = logs.subscribe(filter);
    let reason = stream(&mut socket, &mut subscription, end).await;
    drop(subscription);
    let (code, reason) = match reason {
        Disconnect::Closed => return,
        Disconnect::Slow => {
            logs.events.send(SupervisorEvent::ClientDropped);
            (close_code::POLICY, "too slow")
        }
        Disconnect::Stopping => (close_code::AWAY, "shutting down"),
    };
    let close = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let _ = timeout(Duration::from_secs(1), socket.send(Message::Close(Some(close)))).await;
}

async fn stream(socket: &mut WebSocket, subscription: &mut Subscription, mut end: watch::Receiver<bool>) -> Disconnect {
    let mut pings = interval(PING_INTERVAL);
    loop {
        let (message, lines) = tokio::select! {
            received = subscription.batches.recv() => {
                // The publishing end dropped it.
                let Some(batch) = received else { return Disconnect::Slow };
                subscription.behind.fetch_sub(batch.text.len(), Ordering::Relaxed);
                let Ok(text) = Utf8Bytes::try_from(batch.text) else { continue };
                (Message::Text(text), batch.lines)
            }
            received = socket.recv() => match received {
                // Messages from clients are ignored.
                Some(Ok(message)) if !matches!(message, Message::Close(_)) => continue,
                _ => return Disconnect::Closed,
            },
            _ = pings.tick() => (Message::Ping(axum::body::Bytes::new()), 0),
            _ = end.wait_for(|end| *end) => return Disconnect::Stopping,
        };
        let count = &subscription.logs.counters.live;
        match timeout(SEND_TIMEOUT, socket.send(message)).await {
            Ok(Ok(())) => count.forwarded.add(lines),
            Ok(Err(_)) => return Disconnect::Closed,
            Err(_) => {
                count.dropped.add(lines);
                return Disconnect::Slow;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_compared_completely() {
        assert!(is_equal("0123456789abcdef", "0123456789abcdef"));
        for wrong in ["", "0123456789abcde", "0123456789abcdefg", "0123456789abcdeF"] {
            assert!(!is_equal(wrong, "0123456789abcdef"), "{wrong}");
        }
    }
}
