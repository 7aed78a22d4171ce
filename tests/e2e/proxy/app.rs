//! The upstream of the proxy: a server that returns its name and responds like a Next.js app.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const CHUNK_DELAY: Duration = Duration::from_millis(300);
pub const CHUNKS: usize = 4;

/// Stopped on drop.
pub struct App {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl App {
    pub async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/", get(|State(name): State<&'static str>| async move { ([("x-powered-by", "Next.js")], name) }))
            .route("/headers", get(|headers: HeaderMap| async move { format!("{headers:?}") }))
            .route("/api/health", get(|| async { "well" }))
            .route(
                "/big",
                get(|| async { ([("content-type", "text/html; charset=utf-8")], "<p>text</p>".repeat(500)) }),
            )
            .route(
                "/own",
                get(|| async { ([("x-content-type-options", "of-the-app"), ("content-type", "text/plain")], "") }),
            )
            .route("/slow/{milliseconds}", get(slow))
            .route("/stream", get(stream))
            .route("/echo", get(echo))
            .route("/_next/static/{file}", get(asset))
            .route("/docs/_next/static/{file}", get(asset))
            .with_state(name);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, task }
    }

    pub fn upstream(&self) -> String {
        self.address.to_string()
    }

    /// Accepts no more connections and closes the open ones.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

async fn slow(State(name): State<&'static str>, Path(milliseconds): Path<u64>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    name
}

/// Like a WebSocket: echoes what it receives.
async fn echo(mut request: axum::extract::Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let (mut from, mut to) = tokio::io::split(hyper_util::rt::TokioIo::new(upgrade.await.unwrap()));
        tokio::io::copy(&mut from, &mut to).await
    });
    (StatusCode::SWITCHING_PROTOCOLS, [("connection", "Upgrade"), ("upgrade", "echo")]).into_response()
}

/// Like a streamed page: no length, and long pauses.
async fn stream() -> Response {
    let chunks = futures_util::stream::unfold(0, |number| async move {
        tokio::time::sleep(if number == 0 { Duration::ZERO } else { CHUNK_DELAY }).await;
        (number < CHUNKS).then(|| (Ok::<_, std::io::Error>(Bytes::from("x".repeat(700))), number + 1))
    });
    ([("content-type", "text/html; charset=utf-8")], Body::from_stream(chunks)).into_response()
}

/// Only this version has `new.js`; a custom server sets no caching headers.
async fn asset(Path(file): Path<String>) -> Response {
    match file.as_str() {
        "new.js" => ([("content-type", "text/javascript")], "new ".repeat(400)).into_response(),
        _ => (StatusCode::NOT_FOUND, "not here").into_response(),
    }
}
