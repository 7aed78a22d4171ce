//! One API request with safe retries: time limits, rate limits, lost connections.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use reqwest::Method;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::error::{ForgeAction, ForgeError, message_of};
use crate::diagnostic::size_text;
use crate::host;
use crate::net::{BodyError, ReadBody};
use crate::repo::ci::CiSystem;

/// For everything that one report needs, waits included.
pub const CALL_LIMIT: Duration = Duration::from_secs(20);
/// The same for an interrupted run: runners kill a job a few seconds after the signal.
pub const STOP_LIMIT: Duration = Duration::from_secs(5);
/// For one attempt, so that a dead connection leaves time for a second one.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(8);
const RETRIES: usize = 3;
/// A page of a hundred comments, each of some hundred kilobytes at most.
pub(super) const MAX_RESPONSE: usize = 32 * 1024 * 1024;
/// GitHub's recommendation for a secondary rate limit without `Retry-After` ("Best practices for using the REST API").
const SECONDARY_WAIT: Duration = Duration::from_mins(1);

/// Whether a request may be repeated when it is unknown whether the first one was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idempotence {
    /// Repeating it has no further effect.
    Safe,
    /// Repeating it creates a duplicate: only repeated when the first one was certainly not carried out.
    Duplicates,
}

#[derive(Debug, Clone)]
pub(super) struct ForgeRequest {
    pub method: Method,
    /// With query, below the URL of the API.
    pub path: String,
    pub body: Option<serde_json::Value>,
    pub repeat: Idempotence,
}

impl ForgeRequest {
    pub fn get(path: String) -> Self {
        Self { method: Method::GET, path, body: None, repeat: Idempotence::Safe }
    }

    pub fn write(method: Method, path: String, body: serde_json::Value, repeat: Idempotence) -> Self {
        Self { method, path, body: Some(body), repeat }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct ApiResponse {
    pub status: u16,
    pub body: String,
    /// `Retry-After` in seconds.
    pub retry_after: Option<u64>,
    /// When an exhausted rate limit resets, in seconds since the epoch.
    pub refilled_at: Option<i64>,
    /// Scopes of a personal token (`X-OAuth-Scopes`); absent for job tokens.
    pub scopes: Option<String>,
    /// There is another page.
    pub has_next: bool,
}

/// No response was received.
#[derive(Debug, Clone)]
pub(super) enum SendError {
    /// The connection was not established.
    NotSent(String),
    Unknown(String),
}

/// The API of a service: sends a request once, without retries.
pub(super) trait ForgeApi: Send + Sync {
    /// Host name for messages.
    fn host(&self) -> &str;
    fn system(&self) -> CiSystem;
    fn is_from_fork(&self) -> bool;
    fn send(&self, request: &ForgeRequest) -> impl Future<Output = Result<ApiResponse, SendError>> + Send;
}

/// The requests for one report: their common deadline and purpose.
#[derive(Debug, Clone, Copy)]
pub(super) struct ApiCall {
    pub action: ForgeAction,
    deadline: Instant,
    limit: Duration,
}

impl ApiCall {
    pub fn new(action: ForgeAction, limit: Duration) -> Self {
        Self { action, deadline: Instant::now() + limit, limit }
    }

    /// A successful response; any other one is an error.
    pub async fn send<T: ForgeApi>(self, api: &T, request: &ForgeRequest) -> Result<ApiResponse, ForgeError> {
        let mut waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_factor(2.0)
            .with_jitter()
            .with_max_times(RETRIES)
            .build();
        loop {
            let result = self.attempt(api, request).await;
            let (error, retry) = match result {
                Ok(response) if (200..300).contains(&response.status) => return Ok(response),
                Ok(response) => self.classify_response(api, request, &response),
                Err(error) => self.classify_send_error(api, request, error),
            };
            let wait = match (retry, waits.next()) {
                (Retry::After(time), Some(usual)) => time.max(usual),
                (Retry::Soon, Some(usual)) => usual,
                (Retry::Never, _) | (_, None) => return Err(error),
            };
            // The service sets the time: adding it to the clock may overflow.
            if Instant::now().checked_add(wait).is_none_or(|then| then >= self.deadline) {
                return Err(error);
            }
            sleep(wait).await;
        }
    }

    async fn attempt<T: ForgeApi>(self, api: &T, request: &ForgeRequest) -> Result<ApiResponse, SendError> {
        let no_response = || SendError::Unknown(String::new());
        match timeout_at(self.deadline, timeout(ATTEMPT_LIMIT, api.send(request))).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(no_response()),
        }
    }

    fn classify_response<T: ForgeApi>(
        self,
        api: &T,
        request: &ForgeRequest,
        response: &ApiResponse,
    ) -> (ForgeError, Retry) {
        let (host, action, status) = (api.host().to_owned(), self.action, response.status);
        if let Some(wait) = limit_wait(response) {
            // A rate-limited request was not carried out, so it may be repeated.
            return (ForgeError::RateLimited { host, action, wait }, Retry::After(wait));
        }
        let message = message_of(&response.body);
        let system = api.system();
        let error = match status {
            401 => ForgeError::Unauthorized { host, action, message },
            403 => ForgeError::NotAllowed { system, action, from_fork: api.is_from_fork(), message },
            404 => ForgeError::NotFound { host, system, action, message },
            500.. => ForgeError::Unavailable { host, action, status },
            _ => ForgeError::Refused { host, action, status, message },
        };
        let retry = match (status, request.repeat) {
            (500 | 502..=504, Idempotence::Safe) => Retry::Soon,
            _ => Retry::Never,
        };
        (error, retry)
    }

    fn classify_send_error<T: ForgeApi>(self, api: &T, request: &ForgeRequest, lost: SendError) -> (ForgeError, Retry) {
        let (host, action) = (api.host().to_owned(), self.action);
        let retry = match (&lost, request.repeat) {
            (SendError::NotSent(_), _) | (_, Idempotence::Safe) => Retry::Soon,
            (SendError::Unknown(_), Idempotence::Duplicates) => Retry::Never,
        };
        let error = match lost {
            SendError::Unknown(reason) if reason.is_empty() => ForgeError::NoAnswer { host, action, after: self.limit },
            SendError::NotSent(reason) | SendError::Unknown(reason) => ForgeError::Unreachable { host, action, reason },
        };
        (error, retry)
    }

    /// The JSON body of a successful response.
    pub fn read<B: serde::de::DeserializeOwned, T: ForgeApi>(
        self,
        api: &T,
        response: &ApiResponse,
    ) -> Result<B, ForgeError> {
        serde_json::from_str(&response.body).map_err(|error| ForgeError::Malformed {
            host: api.host().to_owned(),
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

/// How long to wait for a rate limit; `None` for any other response. GitHub uses 403 or 429 for its primary and secondary limits, GitLab
/// 429.
fn limit_wait(response: &ApiResponse) -> Option<Duration> {
    let mentions_limit = || response.body.to_ascii_lowercase().contains("rate limit");
    let exhausted =
        response.refilled_at.map(|at| Duration::from_secs(u64::try_from(at.saturating_sub(host::now())).unwrap_or(0)));
    match response.status {
        429 => {}
        403 if response.retry_after.is_some() || exhausted.is_some() || mentions_limit() => {}
        503 if response.retry_after.is_some() => {}
        _ => return None,
    }
    Some(response.retry_after.map(Duration::from_secs).or(exhausted).unwrap_or(SECONDARY_WAIT))
}

/// The value of `Retry-After` in seconds; these services do not use dates.
pub(super) fn retry_after_seconds(header: Option<&str>) -> Option<u64> {
    header?.trim().parse().ok()
}

/// True when a `Link` header (RFC 8288) names a next page.
pub(super) fn has_next_page(link: Option<&str>) -> bool {
    link.is_some_and(|link| link.split(',').any(|part| part.contains("rel=\"next\"")))
}

/// A response body as text.
pub(super) fn body_text<E>(
    read: Result<ReadBody, BodyError<E>>,
    describe: impl FnOnce(&E) -> SendError,
) -> Result<String, SendError> {
    match read {
        Ok(read) => Ok(String::from_utf8_lossy(&read.bytes).into_owned()),
        Err(BodyError::Broken(error)) => Err(describe(&error)),
        Err(BodyError::TooLong { limit }) => {
            Err(SendError::Unknown(format!("the response is longer than {}", size_text(limit as u64))))
        }
    }
}

pub(super) fn send_error(error: &reqwest::Error) -> SendError {
    // Without the URL, which may contain a password.
    if error.is_connect() {
        return SendError::NotSent(innermost_cause(error));
    }
    SendError::Unknown(if error.is_timeout() { String::new() } else { innermost_cause(error) })
}

/// The innermost cause, which is the shortest description.
pub(super) fn innermost_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    crate::diagnostic::printable(&last.to_string())
}
