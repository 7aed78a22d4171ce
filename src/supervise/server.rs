//! What is served on loopback: `/metrics`, `/healthz`, and `/logs` for WebSocket clients with the token.
//!
//! Never serves logs without a token, and never changes anything.

mod connection;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::error::SuperviseError;
use super::metrics::{Board, Format};
use super::sink::{LiveFilter, LiveLogs, serve_client};
use crate::net::is_loopback;
use crate::secret::Secret;

/// Clients that listen to logs at the same time.
const MOST_CLIENTS: usize = 32;

/// What the server shows.
#[derive(Clone)]
pub struct Served {
    pub board: Arc<Board>,
    /// `None` when nobody may have the logs.
    pub logs: Option<(LiveLogs, Secret)>,
    /// True when the program ends.
    pub end: watch::Receiver<bool>,
}

/// The socket, so that an address in use is told before anything begins.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, SuperviseError> {
    TcpListener::bind(address).await.map_err(|source| SuperviseError::Listen { address, source })
}

/// Serves until the end.
pub async fn serve(listener: TcpListener, served: Served) {
    let end = served.end.clone();
    let mut routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .route("/logs", get(logs))
        .with_state(served);
    if listener.local_addr().is_ok_and(|address| address.ip().is_loopback()) {
        routes = routes.layer(from_fn(only_own_names));
    }
    connection::serve(listener, routes, end).await;
}

/// A page in a browser of this machine reaches loopback by a name of its own that resolves to 127.0.0.1 (DNS rebinding). Browsers always
/// send that name; a client of HTTP/1.0 may send none.
async fn only_own_names(request: Request, next: Next) -> Response {
    let header = request.headers().get(HOST).map(|host| host.to_str().unwrap_or_default());
    let target = request.uri().authority().map(Authority::as_str);
    if header.into_iter().chain(target).all(is_loopback) {
        return next.run(request).await;
    }
    (StatusCode::MISDIRECTED_REQUEST, "only `localhost` and addresses of this machine are served here\n")
        .into_response()
}

async fn metrics(State(served): State<Served>, headers: HeaderMap) -> Response {
    let format = Format::accepted(headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    match served.board.scrape(format, Instant::now()) {
        Ok(text) => ([(CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn health(State(served): State<Served>) -> Response {
    if served.board.snapshot().daemon_up {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the daemon does not answer\n").into_response()
    }
}

#[derive(Deserialize)]
struct LogQuery {
    token: Option<String>,
    app: Option<String>,
    container: Option<String>,
}

async fn logs(
    State(served): State<Served>,
    Query(query): Query<LogQuery>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let Some((logs, token)) = served.logs else {
        return (StatusCode::NOT_FOUND, "logs are served when `--token` is given\n").into_response();
    };
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if !bearer.or(query.token.as_deref()).is_some_and(|given| is_same(given, token.expose())) {
        return (StatusCode::UNAUTHORIZED, "the token is missing or wrong\n").into_response();
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    if logs.clients() >= MOST_CLIENTS {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many clients\n").into_response();
    }
    let filter = LiveFilter { app: query.app, container: query.container };
    // Clients have nothing to say.
    let upgrade = upgrade.max_message_size(4096).max_frame_size(4096);
    upgrade.on_upgrade(move |socket| serve_client(socket, logs, filter, served.end))
}

/// In a time that depends on the lengths only.
fn is_same(given: &str, expected: &str) -> bool {
    let different = given.bytes().zip(expected.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b));
    given.len() == expected.len() && different == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_compared_whole() {
        assert!(is_same("0123456789abcdef", "0123456789abcdef"));
        for wrong in ["", "0123456789abcde", "0123456789abcdefg", "0123456789abcdeF"] {
            assert!(!is_same(wrong, "0123456789abcdef"), "{wrong}");
        }
    }
}
