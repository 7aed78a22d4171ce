//! Attempts of one transfer: back-off after temporary failures, renewed credentials after a rejection.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::daemon::RequestError;
use super::{TransferError, TransferEvent, TransferOptions};
use crate::image_ref::{ImageRef, RegistryHost};
use crate::registry::refusal::{RefusalContext, explain, shorten};
use crate::registry::{Access, Credential, Keychain, Refusal, Renewal};

/// Attempts if nothing listens at the registry: enough for a restart of it, few for a wrong port.
const NOT_LISTENING_ATTEMPTS: usize = 3;

/// How often and for how long a transfer is tried.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// Attempts per reference, including the first one.
    pub attempts: usize,
    /// Wait before the second attempt; doubles from there, with jitter.
    pub first_wait: Duration,
    pub longest_wait: Duration,
    /// No attempt starts later than this after the first one.
    pub total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
            total: Duration::from_mins(10),
        }
    }
}

impl RetryPolicy {
    fn waits(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::default()
            .with_min_delay(self.first_wait)
            .with_max_delay(self.longest_wait)
            .with_max_times(self.attempts.saturating_sub(1))
            .with_jitter()
            .build()
    }
}

/// What all attempts of one reference share.
pub(super) struct Attempts<'a> {
    pub(super) reference: &'a ImageRef,
    pub(super) access: Access,
    pub(super) keychain: &'a Keychain,
    pub(super) events: &'a mpsc::Sender<TransferEvent>,
    pub(super) options: &'a TransferOptions,
}

impl Attempts<'_> {
    /// Calls `attempt` until it succeeds or fails permanently.
    pub(super) async fn run<T>(
        &self,
        attempt: impl AsyncFn(&Credential) -> Result<T, RequestError>,
    ) -> Result<T, TransferError> {
        let policy = &self.options.retry;
        let host = self.reference.registry();
        let started = Instant::now();
        let mut waits = policy.waits();
        let (mut number, mut renewed) = (1, false);
        loop {
            let credential = self.keychain.resolve(&host, self.access).await?;
            let message = match attempt(&credential).await {
                Ok(value) => return Ok(value),
                Err(RequestError::Daemon(error)) => return Err(error.into()),
                Err(RequestError::Idle) => {
                    let (reference, after) = (self.reference.to_string(), self.options.idle);
                    return Err(TransferError::Idle { reference, after });
                }
                Err(RequestError::Refused(message)) => message,
            };
            let refusal = Refusal::classify(&message);
            if refusal.is_authentication() && !renewed {
                renewed = true;
                if self.renew(&host, &credential).await? {
                    continue;
                }
            }
            let wait = next_wait(refusal, number, &mut waits)
                // The registry may request a wait of any length.
                .filter(|wait| *wait <= policy.total.saturating_sub(started.elapsed()));
            let Some(wait) = wait else {
                return Err(self.refused(&credential, refusal, &message, number));
            };
            number += 1;
            let event = TransferEvent::Retrying {
                reference: self.reference.to_string(),
                reason: shorten(&message),
                attempt: number,
                attempts: policy.attempts,
                wait,
            };
            let _ = self.events.send(event).await;
            sleep(wait).await;
        }
    }

    /// Whether the keychain has another credential now.
    async fn renew(&self, host: &RegistryHost, rejected: &Credential) -> Result<bool, TransferError> {
        match self.keychain.renew(host, self.access, rejected).await? {
            Renewal::Unavailable => Ok(false),
            Renewal::AlreadyRenewed => Ok(true),
            Renewal::Renewed(Credential { origin, .. }) => {
                let registry = host.to_string();
                let _ = self.events.send(TransferEvent::CredentialsRenewed { registry, origin }).await;
                Ok(true)
            }
        }
    }

    fn refused(&self, credential: &Credential, refusal: Refusal, message: &str, attempts: usize) -> TransferError {
        let context = RefusalContext { reference: self.reference, access: self.access, credential, refusal, message };
        TransferError::Refused {
            reference: self.reference.to_string(),
            refusal,
            attempts,
            explanation: Box::new(explain(&context)),
        }
    }
}

/// The wait before the next attempt; `None` after the last one.
fn next_wait(refusal: Refusal, attempt: usize, waits: &mut impl Iterator<Item = Duration>) -> Option<Duration> {
    let is_last = refusal == Refusal::NotListening && attempt >= NOT_LISTENING_ATTEMPTS;
    if !refusal.is_temporary() || is_last {
        return None;
    }
    let wait = waits.next()?;
    Some(match refusal {
        Refusal::RateLimited { retry_after: Some(requested) } => wait.max(requested),
        _ => wait,
    })
}
