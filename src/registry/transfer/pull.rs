//! From a reference in a registry to an image in the daemon.

use std::pin::pin;

use tokio::sync::mpsc;

use super::account::Account;
use super::attempt::Attempts;
use super::exchange::{Call, Ending};
use super::local::find_local;
use super::push::tell_layer;
use super::stream::Said;
use super::{CredentialSource, PulledImage, TransferError, TransferEvent, TransferOptions};
use crate::docker::connection::{Engine, Uri};
use crate::image_ref::ImageRef;
use crate::registry::{Access, Credentials, RegistryHost, registry_auth_header};

/// What runs a pull.
pub struct PullRun<'a, S> {
    pub engine: &'a Engine,
    /// Without tag and digest, `latest` is meant.
    pub reference: &'a ImageRef,
    /// `linux/arm64`; `None` is the daemon's own.
    pub platform: Option<&'a str>,
    pub credentials: &'a S,
    /// Receives every event; a receiver that is gone is no error.
    pub events: mpsc::Sender<TransferEvent>,
    pub options: TransferOptions,
}

/// What the daemon said of one pull.
#[derive(Default)]
struct Heard {
    digest: Option<String>,
    up_to_date: bool,
}

impl<S: CredentialSource> PullRun<'_, S> {
    /// Pulls until the image is there or cannot be had, or `cancel` is ready. Dropping the future cancels as well.
    pub async fn pull(self, cancel: impl Future<Output = ()>) -> Result<PulledImage, TransferError> {
        let mut reference = self.reference.clone();
        if reference.digest.is_none() {
            reference.tag.get_or_insert_with(|| "latest".to_owned());
        }
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
        let account = Account::new(self.credentials, RegistryHost::of(reference), Access::Pull, &self.events);
        let attempts = Attempts { reference, account: &account, events: &self.events, options: &self.options };
        let heard = attempts.run(async |credentials| self.send(reference, credentials).await).await?;
        let image = find_local(self.engine, reference).await?;
        if let Some(wanted) = self.platform.filter(|wanted| !is_platform(&image.platform, wanted)) {
            return Err(TransferError::OtherPlatform {
                reference: reference.to_string(),
                wanted: wanted.to_owned(),
                found: image.platform,
            });
        }
        let digest = heard
            .digest
            .or_else(|| reference.digest.clone())
            .or_else(|| image.only_digest(reference))
            .ok_or_else(|| TransferError::NoDigest { reference: reference.to_string() })?;
        Ok(PulledImage { reference: reference.to_string(), digest, id: image.id, unchanged: heard.up_to_date })
    }

    /// One request to the daemon.
    async fn send(&self, reference: &ImageRef, credentials: &Credentials) -> Result<Heard, Ending> {
        let name = ImageRef { tag: None, digest: None, ..reference.clone() };
        let mut uri = Uri::new("/images/create");
        uri.add("fromImage", &name.to_string());
        if let Some(version) = reference.digest.as_deref().or(reference.tag.as_deref()) {
            uri.add("tag", version);
        }
        if let Some(platform) = self.platform {
            uri.add("platform", platform);
        }
        let call = Call {
            engine: self.engine,
            doing: "the pull",
            uri,
            registry_auth: registry_auth_header(&credentials.login, &RegistryHost::of(reference)),
            idle: self.options.idle,
        };
        let mut heard = Heard::default();
        call.run(async |said| match said {
            Said::Layer { layer, state } => tell_layer(&self.events, reference, layer, state).await,
            Said::Digest { digest, .. } => heard.digest = Some(digest),
            Said::UpToDate => heard.up_to_date = true,
            Said::Error(_) | Said::Nothing => {}
        })
        .await?;
        Ok(heard)
    }
}

/// `linux/arm64/v8` is a `linux/arm64`.
fn is_platform(found: &str, wanted: &str) -> bool {
    let mut found = found.split('/');
    wanted.split('/').all(|part| found.next().is_none_or(|found| found == part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_that_one_side_leaves_out_is_no_difference() {
        assert!(is_platform("linux/arm64/v8", "linux/arm64") && is_platform("linux/arm64", "linux/arm64/v8"));
        assert!(!is_platform("linux/amd64", "linux/arm64") && !is_platform("linux/arm/v7", "linux/arm/v6"));
    }
}
