//! Logs to WebSocket clients, as they come. Each message is one or more JSON lines.
//!
//! Nothing waits for a client: one that does not keep up is disconnected.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, timeout};

use super::{Batch, Counters};
use crate::supervise::notice::{Notice, Teller};

/// What a client may be behind.
const BEHIND_BATCHES: usize = 4096;
const BEHIND_BYTES: usize = 4 << 20;
/// For one message to leave.
const PATIENCE: Duration = Duration::from_secs(5);
/// So that a client that is gone is noticed while nothing is printed.
const PING: Duration = Duration::from_secs(30);

/// Where clients get their lines from.
#[derive(Clone)]
pub struct LiveLogs {
    clients: Arc<Mutex<Vec<Client>>>,
    counters: Arc<Counters>,
    teller: Teller,
}

struct Client {
    filter: LiveFilter,
    batches: mpsc::Sender<Batch>,
    /// Bytes that wait.
    behind: Arc<AtomicUsize>,
}

impl Client {
    /// False when it is too slow, or left.
    fn offer(&self, batch: &Batch) -> bool {
        let size = batch.text.len();
        let behind = self.behind.fetch_add(size, Ordering::Relaxed);
        // A single batch is taken whatever its size.
        (behind == 0 || behind + size <= BEHIND_BYTES) && self.batches.try_send(batch.clone()).is_ok()
    }
}

impl LiveLogs {
    pub fn new(counters: Arc<Counters>, teller: Teller) -> Self {
        Self { clients: Arc::default(), counters, teller }
    }

    pub(super) fn publish(&self, batch: &Batch) {
        self.locked().retain(|client| {
            let kept = !client.filter.wants(batch) || client.offer(batch);
            if !kept {
                self.counters.live.dropped.add(batch.lines);
            }
            kept
        });
    }

    /// Clients at this moment.
    pub fn clients(&self) -> usize {
        usize::try_from(self.counters.clients.get()).unwrap_or(usize::MAX)
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, filter: LiveFilter) -> Joined {
        let (batches, received) = mpsc::channel(BEHIND_BATCHES);
        let behind = Arc::new(AtomicUsize::new(0));
        self.locked().push(Client { filter, batches, behind: Arc::clone(&behind) });
        self.counters.clients.add(1);
        Joined { batches: received, behind, logs: self.clone() }
    }
}

/// The client's end.
struct Joined {
    batches: mpsc::Receiver<Batch>,
    behind: Arc<AtomicUsize>,
    logs: LiveLogs,
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.batches.close();
        self.logs.locked().retain(|client| !client.batches.is_closed());
        let clients = &self.logs.counters.clients;
        clients.set(clients.get().saturating_sub(1));
    }
}

/// Which lines a client wants.
#[derive(Debug, Clone, Default)]
pub struct LiveFilter {
    pub app: Option<String>,
    pub container: Option<String>,
}

impl LiveFilter {
    fn wants(&self, batch: &Batch) -> bool {
        let origin = &batch.origin;
        self.app.as_ref().is_none_or(|app| origin.app.as_ref() == Some(app))
            && self.container.as_ref().is_none_or(|container| origin.container == *container)
    }
}

enum Ended {
    /// By the client, or its connection broke.
    Left,
    Slow,
    Stopping,
}

/// Serves one client until it leaves, is too slow, or the program ends.
pub async fn serve_client(mut socket: WebSocket, logs: LiveLogs, filter: LiveFilter, end: watch::Receiver<bool>) {
    let mut joined = logs.join(filter);
    let ended = talk(&mut socket, &mut joined, end).await;
    drop(joined);
    let (code, reason) = match ended {
        Ended::Left => return,
        Ended::Slow => {
            logs.teller.tell(Notice::ClientDropped);
            (close_code::POLICY, "too slow")
        }
        Ended::Stopping => (close_code::AWAY, "the program ends"),
    };
    let close = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let _ = timeout(Duration::from_secs(1), socket.send(Message::Close(Some(close)))).await;
}

async fn talk(socket: &mut WebSocket, joined: &mut Joined, mut end: watch::Receiver<bool>) -> Ended {
    let mut pings = interval(PING);
    loop {
        let (message, lines) = tokio::select! {
            received = joined.batches.recv() => {
                // The other end let go of it.
                let Some(batch) = received else { return Ended::Slow };
                joined.behind.fetch_sub(batch.text.len(), Ordering::Relaxed);
                let Ok(text) = Utf8Bytes::try_from(batch.text) else { continue };
                (Message::Text(text), batch.lines)
            }
            told = socket.recv() => match told {
                // Nothing that a client says matters.
                Some(Ok(message)) if !matches!(message, Message::Close(_)) => continue,
                _ => return Ended::Left,
            },
            _ = pings.tick() => (Message::Ping(axum::body::Bytes::new()), 0),
            _ = end.wait_for(|end| *end) => return Ended::Stopping,
        };
        let count = &joined.logs.counters.live;
        match timeout(PATIENCE, socket.send(message)).await {
            Ok(Ok(())) => count.forwarded.add(lines),
            Ok(Err(_)) => return Ended::Left,
            Err(_) => {
                count.dropped.add(lines);
                return Ended::Slow;
            }
        }
    }
}
