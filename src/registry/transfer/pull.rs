//! Pulls a reference from its registry into the daemon.

use std::pin::pin;

use tokio::sync::mpsc;

use super::daemon::{RequestError, TransferMessage, TransferRequest, find_local};
use super::push::send_layer;
use super::retry::Attempts;
use super::{TransferError, TransferEvent, TransferOptions};
use crate::docker::connection::{Engine, Uri};
use crate::image_ref::ImageRef;
use crate::registry::{Access, Credential, Keychain, registry_auth_header};

/// A pull of one reference.
pub struct PullRun<'a> {
    pub engine: &'a Engine,
    /// Without tag and digest, `latest` is pulled.
    pub reference: &'a ImageRef,
    /// `linux/arm64`; `None` is the daemon's own.
    pub platform: Option<&'a str>,
    pub keychain: &'a Keychain,
    /// Receives every event; the receiver may be dropped.
    pub events: mpsc::Sender<TransferEvent>,
    pub options: TransferOptions,
}

/// The result of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledImage {
    /// The reference of the request.
    pub reference: String,
    /// Digest of the manifest or image index, `sha256:…`.
    pub digest: String,
    /// Image ID, `sha256:…`.
    pub id: String,
    /// The daemon had it already.
    pub unchanged: bool,
}

/// What the daemon has reported about one pull.
#[derive(Default)]
struct PullProgress {
    digest: Option<String>,
    up_to_date: bool,
}

impl PullRun<'_> {
    /// Pulls until the image is present or the pull has failed, or `cancel` is ready. Dropping the future cancels as well.
    pub async fn pull(self, cancel: impl Future<Output = ()>) -> Result<PulledImage, TransferError> {
        let reference = self.reference.clone().or_latest();
        let result = {
            let work = pin!(self.run(&reference));
            let cancel = pin!(cancel);
            tokio::select! {
                biased;
                () = cancel => Err(TransferError::Cancelled),
                result = work => result,
            }
        };
        let name = reference.to_string();
        let event = match &result {
            Ok(image) => {
                TransferEvent::Finished { reference: name, digest: image.digest.clone(), unchanged: image.unchanged }
            }
            Err(_) => TransferEvent::Failed { reference: name },
        };
        let _ = self.events.send(event).await;
        result
    }

    async fn run(&self, reference: &ImageRef) -> Result<PulledImage, TransferError> {
        let _ = self.events.send(TransferEvent::Started { reference: reference.to_string() }).await;
        let host = reference.registry();
        let origin = self.keychain.resolve(&host, Access::Pull).await?.origin;
        let _ = self.events.send(TransferEvent::LoggedIn { registry: host.to_string(), origin }).await;
        let attempts = Attempts {
            reference,
            access: Access::Pull,
            keychain: self.keychain,
            events: &self.events,
            options: &self.options,
        };
        let progress = attempts.run(async |credential| self.send(reference, credential).await).await?;
        let image = find_local(self.engine, reference).await?;
        if let Some(requested) = self.platform.filter(|requested| !is_platform(&image.platform, requested)) {
            return Err(TransferError::OtherPlatform {
                reference: reference.to_string(),
                requested: requested.to_owned(),
                found: image.platform,
            });
        }
        let digest = progress
            .digest
            .or_else(|| reference.digest.clone())
            .or_else(|| image.only_digest(reference))
            .ok_or_else(|| TransferError::NoDigest { reference: reference.to_string() })?;
        Ok(PulledImage { reference: reference.to_string(), digest, id: image.id, unchanged: progress.up_to_date })
    }

    /// One request to the daemon.
    async fn send(&self, reference: &ImageRef, credential: &Credential) -> Result<PullProgress, RequestError> {
        let mut uri = Uri::new("/images/create");
        uri.add("fromImage", &reference.repository());
        if let Some(version) = reference.digest.as_deref().or(reference.tag.as_deref()) {
            uri.add("tag", version);
        }
        if let Some(platform) = self.platform {
            uri.add("platform", platform);
        }
        let request = TransferRequest {
            engine: self.engine,
            doing: "the pull",
            uri,
            registry_auth: registry_auth_header(&credential.login, &reference.registry()),
            idle: self.options.idle,
        };
        let mut progress = PullProgress::default();
        request
            .run(async |message| match message {
                TransferMessage::Layer { layer, state } => send_layer(&self.events, reference, layer, state).await,
                TransferMessage::Digest { digest, .. } => progress.digest = Some(digest),
                TransferMessage::UpToDate => progress.up_to_date = true,
                TransferMessage::Error(_) | TransferMessage::Other => {}
            })
            .await?;
        Ok(progress)
    }
}

/// `linux/arm64/v8` matches `linux/arm64`.
fn is_platform(found: &str, requested: &str) -> bool {
    let mut found = found.split('/');
    requested.split('/').all(|part| found.next().is_none_or(|found| found == part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variant_matches_any() {
        assert!(is_platform("linux/arm64/v8", "linux/arm64") && is_platform("linux/arm64", "linux/arm64/v8"));
        assert!(!is_platform("linux/amd64", "linux/arm64") && !is_platform("linux/arm/v7", "linux/arm/v6"));
    }
}
