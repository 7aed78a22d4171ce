//! Connections of clients: few of them, each for a limited time, so that those who ask take nothing from what is supervised.
//!
//! A client may be anybody who reaches the address. What one does never ends the loop, nor keeps another one waiting.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};

use crate::host;

/// At the same time. More are closed at once: every request to the daemon needs a descriptor, and 1024 are what a process usually has.
const MOST_CONNECTIONS: usize = 64;
/// Where fewer descriptors are allowed, connections get one in so many.
const DESCRIPTORS_PER_CONNECTION: u64 = 8;
/// For the head of a request, and between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// For an answer, or a message of a WebSocket, once the client has not taken all of it at once.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// After an error of `accept`, which is most often a lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves `routes` until `end` is true, and lets the answers that have begun end.
pub(super) async fn serve(listener: TcpListener, routes: Router, mut end: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(most_connections()));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            // The sender is gone only at the end.
            _ = end.wait_for(|end| *end) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match (accepted, Arc::clone(&slots).try_acquire_owned()) {
            (Ok((stream, _)), Ok(slot)) => {
                connections.spawn(talk(Limited::new(stream, slot), routes.clone(), end.clone()));
            }
            (Ok(_), Err(_)) => {}
            (Err(_), _) => sleep(ACCEPT_PAUSE).await,
        }
    }
    while connections.join_next().await.is_some() {}
}

fn most_connections() -> usize {
    let allowed = host::descriptor_limit().map_or(u64::MAX, |limit| limit / DESCRIPTORS_PER_CONNECTION);
    usize::try_from(allowed).unwrap_or(usize::MAX).clamp(1, MOST_CONNECTIONS)
}

/// What goes wrong with a connection stays with it.
async fn talk(stream: Limited, routes: Router, mut end: watch::Receiver<bool>) {
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

/// A connection whose other end has to read. It holds its slot also as a WebSocket, when hyper has let go of it.
struct Limited {
    stream: TcpStream,
    /// Runs while something waits for the other end.
    stalled: Option<Pin<Box<Sleep>>>,
    _slot: OwnedSemaphorePermit,
}

impl Limited {
    fn new(stream: TcpStream, slot: OwnedSemaphorePermit) -> Self {
        Self { stream, stalled: None, _slot: slot }
    }
}

impl AsyncRead for Limited {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Limited {
    /// The time ends only when all that was offered is taken: one byte now and then is no progress.
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
