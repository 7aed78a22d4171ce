//! Logs to an HTTP endpoint: batches of JSON lines by POST, through a [`Spool`] on disk.
//!
//! Lines are never handed over directly: what is not accepted yet is on disk. Never shows the token, nor what the URL may hold of one.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::spool::{Chunk, Spool};
use super::{Counters, SinkCount};
use crate::diagnostic::error_chain;
use crate::host::{FILE_LIMIT, read_text_file};
use crate::secret::Secret;
use crate::supervise::error::SuperviseError;
use crate::supervise::notice::{Notice, Teller};

/// Of one request.
const BATCH_BYTES: usize = 1 << 20;
/// How long a batch may wait for more lines.
const LINGER: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const ELSEWHERE: &str = "it redirects to another address";
/// At the end of the program.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Where a token is.
#[derive(Debug, Clone)]
pub enum TokenSource {
    Value(Secret),
    /// Read for each request, so that it may be renewed.
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
        let url = Url::parse(url).map_err(|_| unusable("it is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(unusable("only `http://` and `https://` are supported"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(unusable("a password in it can be seen by every user of the machine"));
        }
        let is_local = url.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
        if token.is_some() && url.scheme() == "http" && !is_local {
            return Err(unusable("a token is sent through `https://` only"));
        }
        Ok(Self { url, token })
    }

    /// Without the query, which may hold a key.
    fn name(&self) -> String {
        let mut shown = self.url.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        shown.to_string()
    }
}

/// What an answer means for the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Accepted,
    /// The batch stays.
    Failed {
        reason: String,
        pause: Option<Duration>,
    },
    /// Fewer lines at once may be taken.
    TooLarge,
    /// This batch will never be taken.
    Refused {
        reason: String,
    },
}

/// Wrong credentials or a wrong path are put right by people, so the lines wait for that.
fn judge(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Accepted,
        300..=399 => Verdict::Failed { reason: ELSEWHERE.to_owned(), pause: None },
        413 => Verdict::TooLarge,
        400 | 422 => Verdict::Refused { reason: format!("status {status}") },
        _ => Verdict::Failed { reason: format!("status {status}"), pause: None },
    }
}

/// Both ends of the spool.
pub struct HttpSink {
    spool: Mutex<Spool>,
    filled: Notify,
    limit: u64,
    counters: Arc<Counters>,
    teller: Teller,
    states: Mutex<States>,
}

#[derive(Default)]
struct States {
    full: bool,
    broken: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HttpSink {
    pub fn new(spool: Spool, limit: u64, counters: Arc<Counters>, teller: Teller) -> Self {
        counters.buffered.set(spool.bytes());
        let states = Mutex::default();
        Self { spool: Mutex::new(spool), filled: Notify::new(), limit, counters, teller, states }
    }

    fn count(&self) -> &SinkCount {
        &self.counters.url
    }

    /// Puts whole lines into the spool. Blocks for the disk only.
    pub fn write(&self, text: &[u8], lines: u64) {
        let (appended, bytes) = {
            let mut spool = locked(&self.spool);
            (spool.append(text, lines), spool.bytes())
        };
        self.counters.buffered.set(bytes);
        let mut states = locked(&self.states);
        match appended {
            Ok(dropped) => {
                states.broken = false;
                self.count().dropped.add(dropped);
                if dropped > 0 && !states.full {
                    states.full = true;
                    self.teller.tell(Notice::BufferFull { limit: self.limit });
                }
            }
            Err(error) => {
                self.count().dropped.add(lines);
                if !std::mem::replace(&mut states.broken, true) {
                    self.teller.tell(Notice::BufferFailing { reason: error.to_string() });
                }
            }
        }
        self.filled.notify_one();
    }

    /// Sends what is in the spool until `end`, and then what can be sent soon.
    pub async fn send(&self, target: &HttpTarget, client: &reqwest::Client, mut end: watch::Receiver<bool>) {
        let sender = Sender { sink: self, target, client };
        tokio::select! {
            () = sender.send_for_ever() => {}
            _ = end.wait_for(|end| *end) => {}
        }
        // Each of the last batches has one try.
        let _ = timeout(LAST_REQUESTS, async { while sender.send_one(BATCH_BYTES).await == Some(Sent::Done) {} }).await;
        let lines = locked(&self.spool).lines();
        if lines > 0 {
            self.teller.tell(Notice::Unsent { lines });
        }
    }

    /// What the endpoint took, or will never take.
    fn remove(&self, chunk: &Chunk) {
        let (removed, bytes) = {
            let mut spool = locked(&self.spool);
            (spool.remove(chunk), spool.bytes())
        };
        self.counters.buffered.set(bytes);
        if bytes < self.limit / 2 {
            locked(&self.states).full = false;
        }
        if let Err(error) = removed {
            self.teller.tell(Notice::BufferFailing { reason: error.to_string() });
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Sent {
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
    async fn send_for_ever(&self) {
        let (mut pause, mut limit) = (FIRST_PAUSE, BATCH_BYTES);
        let mut failing_since: Option<Instant> = None;
        loop {
            self.linger().await;
            match self.send_one(limit).await {
                None => self.sink.filled.notified().await,
                Some(Sent::Done) => {
                    if let Some(since) = failing_since.take() {
                        self.sink.teller.tell(Notice::UrlWorks { after: since.elapsed() });
                    }
                    (pause, limit) = (FIRST_PAUSE, (limit * 2).min(BATCH_BYTES));
                }
                Some(Sent::TooLarge { bytes }) => limit = (bytes / 2).max(1),
                Some(Sent::Failed { reason, pause: wanted }) => {
                    if failing_since.is_none() {
                        failing_since = Some(Instant::now());
                        self.sink
                            .teller
                            .tell(Notice::UrlFailing { reason: format!("{}: {reason}", self.target.name()) });
                    }
                    sleep(wanted.unwrap_or(pause).min(LONGEST_PAUSE)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Few lines wait a moment for more.
    async fn linger(&self) {
        let waiting = || locked(&self.sink.spool).bytes();
        if waiting() == 0 {
            return;
        }
        let fill = async {
            while waiting() < BATCH_BYTES as u64 {
                self.sink.filled.notified().await;
            }
        };
        let _ = timeout(LINGER, fill).await;
    }

    /// One request; `None` when nothing waits.
    async fn send_one(&self, limit: usize) -> Option<Sent> {
        let peeked = locked(&self.sink.spool).peek(limit);
        let chunk = match peeked {
            Ok(chunk) => chunk?,
            Err(error) => {
                self.sink.teller.tell(Notice::BufferFailing { reason: error.to_string() });
                let skipped = locked(&self.sink.spool).skip().unwrap_or(0);
                self.sink.count().dropped.add(skipped);
                return Some(Sent::Done);
            }
        };
        Some(match self.post(&chunk).await {
            Verdict::Accepted => {
                self.sink.count().forwarded.add(chunk.lines);
                self.sink.remove(&chunk);
                Sent::Done
            }
            Verdict::TooLarge if chunk.lines > 1 => Sent::TooLarge { bytes: chunk.text.len() },
            Verdict::TooLarge => self.refused(&chunk, "status 413"),
            Verdict::Refused { reason } => self.refused(&chunk, &reason),
            Verdict::Failed { reason, pause } => Sent::Failed { reason, pause },
        })
    }

    fn refused(&self, chunk: &Chunk, reason: &str) -> Sent {
        self.sink.count().dropped.add(chunk.lines);
        let reason = format!("{}: {reason}", self.target.name());
        self.sink.teller.tell(Notice::UrlRefused { reason, lines: chunk.lines });
        self.sink.remove(chunk);
        Sent::Done
    }

    async fn post(&self, chunk: &Chunk) -> Verdict {
        let failed = |reason: String| Verdict::Failed { reason, pause: None };
        let mut request = self
            .client
            .post(self.target.url.clone())
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header("Idempotency-Key", chunk.key())
            .body(chunk.text.clone());
        if let Some(source) = &self.target.token {
            let token = match source.read() {
                Ok(token) => token,
                Err(error) => return failed(format!("the token cannot be read: {error}")),
            };
            let Ok(mut header) = HeaderValue::from_str(&format!("Bearer {}", token.expose())) else {
                return failed("the token has characters that no header may have".to_owned());
            };
            header.set_sensitive(true);
            request = request.header(AUTHORIZATION, header);
        }
        match request.send().await {
            // A redirection turns the POST into a GET, whose answer says nothing.
            Ok(response) if response.url() != &self.target.url => failed(ELSEWHERE.to_owned()),
            Ok(response) => match judge(response.status().as_u16()) {
                Verdict::Failed { reason, .. } => {
                    let seconds =
                        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                    Verdict::Failed { reason, pause: seconds.map(Duration::from_secs) }
                }
                verdict => verdict,
            },
            Err(error) => failed(error_chain(&error.without_url())),
        }
    }
}

#[cfg(test)]
mod tests;
