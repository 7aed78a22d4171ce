//! Streams logs to WebSocket clients. Each message is one or more JSON lines.
//!
//! Nothing waits for a client: one that cannot keep up is disconnected.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, timeout};

use crate::supervise::event::{EventSender, SupervisorEvent};
use crate::supervise::metrics::LogCounters;
use crate::supervise::record::LogBatch;

/// How far a client may fall behind.
const BEHIND_BATCHES: usize = 4096;
const BEHIND_BYTES: usize = 4 << 20;
/// For sending one message.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Detects clients that are gone while nothing is printed.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Publishes batches to the connected clients.
#[derive(Clone)]
pub struct LiveLogs {
    clients: Arc<Mutex<Vec<Subscriber>>>,
    counters: Arc<LogCounters>,
    events: EventSender,
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
    pub fn new(counters: Arc<LogCounters>, events: EventSender) -> Self {
        Self { clients: Arc::default(), counters, events }
    }

    pub(super) fn publish(&self, batch: &LogBatch) {
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
pub struct LiveFilter {
    pub app: Option<String>,
    pub container: Option<String>,
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
pub async fn serve_client(mut socket: WebSocket, logs: LiveLogs, filter: LiveFilter, end: watch::Receiver<bool>) {
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
