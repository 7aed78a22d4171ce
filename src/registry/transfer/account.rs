//! The credentials of one repository during a transfer: fetched when first needed, renewed when the registry refuses them.

use tokio::sync::{Mutex, mpsc};

use super::{CredentialSource, TransferError, TransferEvent};
use crate::registry::{Access, Credentials, RegistryHost};

/// Shared by all references of one repository.
pub(super) struct Account<'a, S> {
    source: &'a S,
    host: RegistryHost,
    pub(super) access: Access,
    events: &'a mpsc::Sender<TransferEvent>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    credentials: Option<Credentials>,
    /// How often they were renewed.
    generation: usize,
}

impl<'a, S: CredentialSource> Account<'a, S> {
    pub(super) fn new(
        source: &'a S,
        host: RegistryHost,
        access: Access,
        events: &'a mpsc::Sender<TransferEvent>,
    ) -> Self {
        Self { source, host, access, events, known: Mutex::new(Known::default()) }
    }

    /// The credentials as they are now, and their generation.
    pub(super) async fn current(&self) -> Result<(Credentials, usize), TransferError> {
        let mut known = self.known.lock().await;
        if let Some(credentials) = &known.credentials {
            return Ok((credentials.clone(), known.generation));
        }
        let credentials = self.source.credentials(&self.host, self.access).await?;
        let registry = self.host.to_string();
        let _ = self.events.send(TransferEvent::LoggedIn { registry, origin: credentials.origin.clone() }).await;
        known.credentials = Some(credentials.clone());
        Ok((credentials, known.generation))
    }

    /// Replaces the credentials of `generation`, which were refused. Whether there are others now.
    pub(super) async fn renew(&self, generation: usize) -> Result<bool, TransferError> {
        let mut known = self.known.lock().await;
        if known.generation != generation {
            return Ok(true);
        }
        let renewed = self.source.renew(&self.host, self.access).await;
        let Some(credentials) = renewed? else { return Ok(false) };
        let registry = self.host.to_string();
        let origin = credentials.origin.clone();
        let _ = self.events.send(TransferEvent::CredentialsRenewed { registry, origin }).await;
        *known = Known { credentials: Some(credentials), generation: generation + 1 };
        Ok(true)
    }
}
