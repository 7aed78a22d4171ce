//! Sends logs to an HTTP endpoint: batches of JSON lines by POST, through a [`Spool`] on disk.
//!
//! Lines are never passed on directly: what has not been accepted yet is on disk. Never shows the token or the query of the URL.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::spool::{Spool, SpoolChunk};
use crate::diagnostic::error_chain;
use crate::host::{FILE_LIMIT, read_text_file};
use crate::secret::Secret;
use crate::supervise::error::SuperviseError;
use crate::supervise::event::{SupervisorEvent, SupervisorEventSender};
use crate::supervise::metrics::{LogCounters, SinkCounters};

/// Largest body of a request.
const BATCH_BYTES: usize = 1 << 20;
/// How long a small batch waits for more lines.
const LINGER: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const REDIRECTED: &str = "redirected to another URL";
/// For the remaining lines at shutdown.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Where a token comes from.
#[derive(Debug, Clone)]
pub enum TokenSource {
    Value(Secret),
    /// Read for each request, so that it can be rotated.
    File(PathBuf),
}

impl TokenSource {
    pub fn read(&self) -> io::Result<Secret> {
        match self {
            Self::Value(token) => Ok(token.clone()),
            Self::File(path) => Ok(Secret::new(read_text_file(path, FILE_LIMIT)?.trim().to_owned())),
        }
    }
}

/// The endpoint.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    url: Url,
    token: Option<TokenSource>,
}

impl HttpTarget {
    pub fn parse(url: &str, token: Option<TokenSource>) -> Result<Self, SuperviseError> {
        let unusable = |reason: &str| SuperviseError::LogUrl { reason: reason.to_owned() };
        let url = Url::parse(url).map_err(|_| unusable("invalid URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(unusable("only `http://` and `https://` are supported"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(unusable("a password in the URL is visible to every user of the machine"));
        }
        let is_local = url.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
        if token.is_some() && url.scheme() == "http" && !is_local {
            return Err(unusable("a token is only sent over `https://`"));
        }
        Ok(Self { url, token })
    }

    /// Without the query, which may contain a key.
    fn display_url(&self) -> String {
        let mut shown = self.url.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        shown.to_string()
    }
}

/// What a response means for the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PostOutcome {
    Accepted,
    /// The batch is kept and sent again.
    Failed {
        reason: String,
        pause: Option<Duration>,
    },
    /// Fewer lines at a time may be accepted.
    TooLarge,
    /// This batch will never be accepted.
    Rejected {
        reason: String,
    },
}

/// Wrong credentials or a wrong path can be fixed, so the lines are kept until then.
fn classify(status: u16) -> PostOutcome {
    match status {
        200..=299 => PostOutcome::Accepted,
        300..=399 => PostOutcome::Failed { reason: REDIRECTED.to_owned(), pause: None },
        413 => PostOutcome::TooLarge,
        400 | 422 => PostOutcome::Rejected { reason: format!("status {status}") },
        _ => PostOutcome::Failed { reason: format!("status {status}"), pause: None },
    }
}

/// The writing and the sending end of the spool.
pub struct HttpSink {
    spool: Mutex<Spool>,
    filled: Notify,
    limit: u64,
    counters: Arc<LogCounters>,
    events: SupervisorEventSender,
    reported: Mutex<ReportedFailures>,
}

/// Failures of the spool that have been reported.
#[derive(Default)]
struct ReportedFailures {
    full: bool,
    broken: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HttpSink {
    pub fn new(spool: Spool, limit: u64, counters: Arc<LogCounters>, events: SupervisorEventSender) -> Self {
        counters.buffered.set(spool.bytes());
        let reported = Mutex::default();
        Self { spool: Mutex::new(spool), filled: Notify::new(), limit, counters, events, reported }
    }

    fn count(&self) -> &SinkCounters {
        &self.counters.url
    }

    /// Appends whole lines to the spool. Blocks only on the disk.
    pub fn write(&self, text: &[u8], lines: u64) {
        let (appended, bytes) = {
            let mut spool = locked(&self.spool);
            (spool.append(text, lines), spool.bytes())
        };
        self.counters.buffered.set(bytes);
        let mut reported = locked(&self.reported);
        match appended {
            Ok(dropped) => {
                reported.broken = false;
                self.count().dropped.add(dropped);
                if dropped > 0 && !reported.full {
                    reported.full = true;
                    self.events.send(SupervisorEvent::BufferFull { limit: self.limit });
                }
            }
            Err(error) => {
                self.count().dropped.add(lines);
                if !std::mem::replace(&mut reported.broken, true) {
                    self.events.send(SupervisorEvent::BufferFailing { reason: error.to_string() });
                }
            }
        }
        self.filled.notify_one();
    }

    /// Sends the spool until `end`, and then what can be sent within a few seconds.
    pub async fn send(&self, target: &HttpTarget, client: &reqwest::Client, mut end: watch::Receiver<bool>) {
        let sender = Sender { sink: self, target, client };
        tokio::select! {
            () = sender.send_forever() => {}
            _ = end.wait_for(|end| *end) => {}
        }
        // Each of the last batches is tried once.
        let _ =
            timeout(LAST_REQUESTS, async { while sender.send_one(BATCH_BYTES).await == Some(SendOutcome::Done) {} })
                .await;
        let lines = locked(&self.spool).lines();
        if lines > 0 {
            self.events.send(SupervisorEvent::Unsent { lines });
        }
    }

    /// Removes a batch that was accepted or rejected for good.
    fn remove(&self, chunk: &SpoolChunk) {
        let (removed, bytes) = {
            let mut spool = locked(&self.spool);
            (spool.remove(chunk), spool.bytes())
        };
        self.counters.buffered.set(bytes);
        if bytes < self.limit / 2 {
            locked(&self.reported).full = false;
        }
        if let Err(error) = removed {
            self.events.send(SupervisorEvent::BufferFailing { reason: error.to_string() });
        }
    }
}

/// What became of the first batch of the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SendOutcome {
    Done,
    TooLarge { bytes: usize },
    Failed { reason: String, pause: Option<Duration> },
}

struct Sender<'a> {
    sink: &'a HttpSink,
    target: &'a HttpTarget,
    client: &'a reqwest::Client,
}

impl Sender<'_> {
    async fn send_forever(&self) {
        let (mut pause, mut limit) = (FIRST_PAUSE, BATCH_BYTES);
        let mut failing_since: Option<Instant> = None;
        loop {
            self.linger().await;
            match self.send_one(limit).await {
                None => self.sink.filled.notified().await,
                Some(SendOutcome::Done) => {
                    if let Some(since) = failing_since.take() {
                        self.sink.events.send(SupervisorEvent::UrlWorks { after: since.elapsed() });
                    }
                    (pause, limit) = (FIRST_PAUSE, (limit * 2).min(BATCH_BYTES));
                }
                Some(SendOutcome::TooLarge { bytes }) => limit = (bytes / 2).max(1),
                Some(SendOutcome::Failed { reason, pause: requested }) => {
                    if failing_since.is_none() {
                        failing_since = Some(Instant::now());
                        self.sink.events.send(SupervisorEvent::UrlFailing {
                            reason: format!("{}: {reason}", self.target.display_url()),
                        });
                    }
                    sleep(requested.unwrap_or(pause).min(LONGEST_PAUSE)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Waits a moment for more lines if there are few.
    async fn linger(&self) {
        let queued = || locked(&self.sink.spool).bytes();
        if queued() == 0 {
            return;
        }
        let fill = async {
            while queued() < BATCH_BYTES as u64 {
                self.sink.filled.notified().await;
            }
        };
        let _ = timeout(LINGER, fill).await;
    }

    /// One request; `None` if the spool is empty.
    async fn send_one(&self, limit: usize) -> Option<SendOutcome> {
        let peeked = locked(&self.sink.spool).peek(limit);
        let chunk = match peeked {
            Ok(chunk) => chunk?,
            Err(error) => {
                self.sink.events.send(SupervisorEvent::BufferFailing { reason: error.to_string() });
                let skipped = locked(&self.sink.spool).skip().unwrap_or(0);
                self.sink.count().dropped.add(skipped);
                return Some(SendOutcome::Done);
            }
        };
        Some(match self.post(&chunk).await {
            PostOutcome::Accepted => {
                self.sink.count().forwarded.add(chunk.lines);
                self.sink.remove(&chunk);
                SendOutcome::Done
            }
            PostOutcome::TooLarge if chunk.lines > 1 => SendOutcome::TooLarge { bytes: chunk.text.len() },
            PostOutcome::TooLarge => self.reject(&chunk, "status 413"),
            PostOutcome::Rejected { reason } => self.reject(&chunk, &reason),
            PostOutcome::Failed { reason, pause } => SendOutcome::Failed { reason, pause },
        })
    }

    fn reject(&self, chunk: &SpoolChunk, reason: &str) -> SendOutcome {
        self.sink.count().dropped.add(chunk.lines);
        let reason = format!("{}: {reason}", self.target.display_url());
        self.sink.events.send(SupervisorEvent::UrlRejected { reason, lines: chunk.lines });
        self.sink.remove(chunk);
        SendOutcome::Done
    }

    async fn post(&self, chunk: &SpoolChunk) -> PostOutcome {
        let failed = |reason: String| PostOutcome::Failed { reason, pause: None };
        let mut request = self
            .client
            .post(self.target.url.clone())
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header("Idempotency-Key", chunk.key())
            .body(chunk.text.clone());
        if let Some(source) = &self.target.token {
            let token = match source.read() {
                Ok(token) => token,
                Err(error) => return failed(format!("cannot read the token: {error}")),
            };
            let Ok(mut header) = HeaderValue::from_str(&format!("Bearer {}", token.expose())) else {
                return failed("the token contains characters that are not allowed in a header".to_owned());
            };
            header.set_sensitive(true);
            request = request.header(AUTHORIZATION, header);
        }
        match request.send().await {
            // A redirect turns the POST into a GET, whose response says nothing about the batch.
            Ok(response) if response.url() != &self.target.url => failed(REDIRECTED.to_owned()),
            Ok(response) => match classify(response.status().as_u16()) {
                PostOutcome::Failed { reason, .. } => {
                    let seconds =
                        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                    PostOutcome::Failed { reason, pause: seconds.map(Duration::from_secs) }
                }
                outcome => outcome,
            },
            Err(error) => failed(error_chain(&error.without_url())),
        }
    }
}

#[cfg(test)]
mod tests;
