//! One reference, tried until it is there or cannot get there: back-off on what is temporary, fresh credentials on a refusal.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::account::Account;
use super::exchange::Ending;
use super::explain::{Refusal, explain, shown};
use super::{CredentialSource, Failure, TransferError, TransferEvent, TransferOptions};
use crate::image_ref::ImageRef;
use crate::registry::Credentials;

/// Attempts when nothing listens: enough for a restart of the registry, few for a wrong port.
const NOT_LISTENING_ATTEMPTS: usize = 3;

/// What all attempts have in common.
pub(super) struct Attempts<'a, S> {
    pub(super) reference: &'a ImageRef,
    pub(super) account: &'a Account<'a, S>,
    pub(super) events: &'a mpsc::Sender<TransferEvent>,
    pub(super) options: &'a TransferOptions,
}

impl<S: CredentialSource> Attempts<'_, S> {
    /// Calls `once` until it ends well or in a way that cannot change.
    pub(super) async fn run<T>(
        &self,
        once: impl AsyncFn(&Credentials) -> Result<T, Ending>,
    ) -> Result<T, TransferError> {
        let started = Instant::now();
        let mut waits = self.waits();
        let (mut attempt, mut renewed) = (1, false);
        loop {
            let (credentials, generation) = self.account.current().await?;
            let message = match once(&credentials).await {
                Ok(value) => return Ok(value),
                Err(Ending::Daemon(error)) => return Err(error.into()),
                Err(Ending::Idle) => {
                    let (reference, after) = (self.reference.to_string(), self.options.idle);
                    return Err(TransferError::Idle { reference, after });
                }
                Err(Ending::Refused(message)) => message,
            };
            let failure = Failure::of(&message);
            if failure.is_authentication() && !renewed {
                renewed = true;
                if self.account.renew(generation).await? {
                    continue;
                }
            }
            let wait = next_wait(failure, attempt, &mut waits)
                // A registry names the time: it may be longer than any clock.
                .filter(|wait| *wait <= self.options.retry_time.saturating_sub(started.elapsed()));
            let Some(wait) = wait else {
                return Err(self.refused(&credentials, failure, &message, attempt));
            };
            attempt += 1;
            let event = TransferEvent::Retrying {
                reference: self.reference.to_string(),
                reason: shown(&message),
                attempt,
                attempts: self.options.attempts,
                wait,
            };
            let _ = self.events.send(event).await;
            sleep(wait).await;
        }
    }

    fn waits(&self) -> impl Iterator<Item = Duration> + use<S> {
        ExponentialBuilder::default()
            .with_min_delay(self.options.first_wait)
            .with_max_delay(self.options.longest_wait)
            .with_max_times(self.options.attempts.saturating_sub(1))
            .with_jitter()
            .build()
    }

    fn refused(&self, credentials: &Credentials, failure: Failure, message: &str, attempts: usize) -> TransferError {
        let refusal = Refusal { reference: self.reference, access: self.account.access, credentials, failure, message };
        TransferError::Refused {
            reference: self.reference.to_string(),
            failure,
            message: shown(message),
            attempts,
            explanation: Box::new(explain(&refusal)),
        }
    }
}

/// How long to wait before the next attempt; `None` when there is none.
fn next_wait(failure: Failure, attempt: usize, waits: &mut impl Iterator<Item = Duration>) -> Option<Duration> {
    let is_last = failure == Failure::NotListening && attempt >= NOT_LISTENING_ATTEMPTS;
    if !failure.is_temporary() || is_last {
        return None;
    }
    let wait = waits.next()?;
    Some(match failure {
        Failure::RateLimited { retry_after: Some(wanted) } => wait.max(wanted),
        _ => wait,
    })
}
