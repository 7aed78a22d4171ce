//! One question to an API, with retries that can do no harm: time limits, rate limits, lost connections.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::error::{Action, ForgeError, message_of};
use crate::diagnostic::size_text;
use crate::host;
use crate::net::{BodyError, ReadBody};
use crate::repo::ci::CiSystem;

/// For everything that one call of this module does, waiting included.
pub const CALL_LIMIT: Duration = Duration::from_secs(20);
/// The same for a run that was interrupted: runners kill a job some seconds after they asked it to end.
pub const STOP_LIMIT: Duration = Duration::from_secs(5);
/// For one attempt, so that a connection that died leaves time for a second one.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(8);
const RETRIES: usize = 3;
/// A page of a hundred comments, each of some hundred kilobytes at most.
pub(super) const MAX_ANSWER: usize = 32 * 1024 * 1024;
/// GitHub's word for a secondary limit that names no time ("Best practices for using the REST API").
const SECONDARY_WAIT: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Patch,
    Put,
}

/// Whether a request may be sent again when nobody knows what became of the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Twice is as once.
    Harmless,
    /// Twice makes two: sent again only when the first one was surely not carried out.
    Duplicates,
}

#[derive(Debug, Clone)]
pub(super) struct Request {
    pub method: Method,
    /// With query, below the address of the API.
    pub path: String,
    pub body: Option<serde_json::Value>,
    pub repeat: Repeat,
}

impl Request {
    pub fn get(path: String) -> Self {
        Self { method: Method::Get, path, body: None, repeat: Repeat::Harmless }
    }

    pub fn write(method: Method, path: String, body: serde_json::Value, repeat: Repeat) -> Self {
        Self { method, path, body: Some(body), repeat }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub status: u16,
    pub body: String,
    /// `Retry-After` in seconds.
    pub retry_after: Option<u64>,
    /// Seconds since the epoch at which an exhausted limit is refilled.
    pub refilled_at: Option<i64>,
    /// What a personal token may do (`X-OAuth-Scopes`); tokens of jobs do not tell it.
    pub scopes: Option<String>,
    /// There is another page.
    pub has_next: bool,
}

/// No answer came.
#[derive(Debug, Clone)]
pub(super) enum Lost {
    /// The connection never stood.
    NotSent(String),
    Unknown(String),
}

/// Sends a request as it is, once.
pub(super) trait Transport: Send + Sync {
    /// Host name for messages.
    fn host(&self) -> &str;
    fn system(&self) -> CiSystem;
    fn is_from_fork(&self) -> bool;
    fn send(&self, request: &Request) -> impl Future<Output = Result<Answer, Lost>> + Send;
}

/// Everything that belongs to one call: how far it may go, and what it is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub action: Action,
    deadline: Instant,
    limit: Duration,
}

impl Call {
    pub fn begin(action: Action, limit: Duration) -> Self {
        Self { action, deadline: Instant::now() + limit, limit }
    }

    /// The answer in success; every other one is an error.
    pub async fn ask<T: Transport>(self, transport: &T, request: &Request) -> Result<Answer, ForgeError> {
        let mut waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_factor(2.0)
            .with_jitter()
            .with_max_times(RETRIES)
            .build();
        loop {
            let result = self.attempt(transport, request).await;
            let (error, retry) = match result {
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer),
                Ok(answer) => self.judge(transport, request, &answer),
                Err(lost) => self.judge_loss(transport, request, lost),
            };
            let wait = match (retry, waits.next()) {
                (Retry::After(time), Some(usual)) => time.max(usual),
                (Retry::Soon, Some(usual)) => usual,
                (Retry::Never, _) | (_, None) => return Err(error),
            };
            // The service names the time: it may be longer than any clock.
            if Instant::now().checked_add(wait).is_none_or(|then| then >= self.deadline) {
                return Err(error);
            }
            sleep(wait).await;
        }
    }

    async fn attempt<T: Transport>(self, transport: &T, request: &Request) -> Result<Answer, Lost> {
        let silent = || Lost::Unknown(String::new());
        match timeout_at(self.deadline, timeout(ATTEMPT_LIMIT, transport.send(request))).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(silent()),
        }
    }

    fn judge<T: Transport>(self, transport: &T, request: &Request, answer: &Answer) -> (ForgeError, Retry) {
        let (host, action, status) = (transport.host().to_owned(), self.action, answer.status);
        if let Some(wait) = limit_wait(answer) {
            // A request that ran into a limit was not carried out.
            return (ForgeError::RateLimited { host, action, wait }, Retry::After(wait));
        }
        let message = message_of(&answer.body);
        let system = transport.system();
        let error = match status {
            401 => ForgeError::Unauthorized { host, action, message },
            403 => ForgeError::NotAllowed { system, action, from_fork: transport.is_from_fork(), message },
            404 => ForgeError::NotFound { host, system, action, message },
            500.. => ForgeError::Unavailable { host, action, status },
            _ => ForgeError::Refused { host, action, status, message },
        };
        let retry = match (status, request.repeat) {
            (500 | 502..=504, Repeat::Harmless) => Retry::Soon,
            _ => Retry::Never,
        };
        (error, retry)
    }

    fn judge_loss<T: Transport>(self, transport: &T, request: &Request, lost: Lost) -> (ForgeError, Retry) {
        let (host, action) = (transport.host().to_owned(), self.action);
        let retry = match (&lost, request.repeat) {
            (Lost::NotSent(_), _) | (_, Repeat::Harmless) => Retry::Soon,
            (Lost::Unknown(_), Repeat::Duplicates) => Retry::Never,
        };
        let error = match lost {
            Lost::Unknown(reason) if reason.is_empty() => ForgeError::NoAnswer { host, action, after: self.limit },
            Lost::NotSent(reason) | Lost::Unknown(reason) => ForgeError::Unreachable { host, action, reason },
        };
        (error, retry)
    }

    /// The body of a successful answer.
    pub fn read<B: serde::de::DeserializeOwned, T: Transport>(
        self,
        transport: &T,
        answer: &Answer,
    ) -> Result<B, ForgeError> {
        serde_json::from_str(&answer.body).map_err(|error| ForgeError::Malformed {
            host: transport.host().to_owned(),
            action: self.action,
            reason: error.to_string(),
        })
    }
}

enum Retry {
    Soon,
    After(Duration),
    Never,
}

/// How long a limit of the service asks to wait; `None` when the answer is about something else. GitHub says 403 or 429 for its
/// primary and secondary limits, GitLab 429.
fn limit_wait(answer: &Answer) -> Option<Duration> {
    let worded = || answer.body.to_ascii_lowercase().contains("rate limit");
    let exhausted =
        answer.refilled_at.map(|at| Duration::from_secs(u64::try_from(at.saturating_sub(host::now())).unwrap_or(0)));
    match answer.status {
        429 => {}
        403 if answer.retry_after.is_some() || exhausted.is_some() || worded() => {}
        503 if answer.retry_after.is_some() => {}
        _ => return None,
    }
    Some(answer.retry_after.map(Duration::from_secs).or(exhausted).unwrap_or(SECONDARY_WAIT))
}

/// The value of `Retry-After` when it is a number; dates are not used by these services.
pub(super) fn seconds(header: Option<&str>) -> Option<u64> {
    header?.trim().parse().ok()
}

/// True when a `Link` header (RFC 8288) names a next page.
pub(super) fn names_next(link: Option<&str>) -> bool {
    link.is_some_and(|link| link.split(',').any(|part| part.contains("rel=\"next\"")))
}

/// The text of a body that was read.
pub(super) fn text<E>(read: Result<ReadBody, BodyError<E>>, lost: impl FnOnce(&E) -> Lost) -> Result<String, Lost> {
    match read {
        Ok(read) => Ok(String::from_utf8_lossy(&read.bytes).into_owned()),
        Err(BodyError::Broken(error)) => Err(lost(&error)),
        Err(BodyError::TooLong { limit }) => {
            Err(Lost::Unknown(format!("its answer is longer than {}", size_text(limit as u64))))
        }
    }
}

pub(super) fn lost(error: &reqwest::Error) -> Lost {
    // The address is not part of it: it may have a password.
    if error.is_connect() {
        return Lost::NotSent(cause(error));
    }
    Lost::Unknown(if error.is_timeout() { String::new() } else { cause(error) })
}

/// The innermost cause, which says it in the fewest words.
pub(super) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    crate::diagnostic::printable(&last.to_string())
}
