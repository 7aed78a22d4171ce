//! From references in the daemon to references in their registries.
//!
//! Every repository goes its own way, at the same time as the others: its first reference alone, which uploads the layers, then the
//! rest a few at a time, most often as further tags on the manifest that is there now. What became of each reference is kept while it runs, so that a cancelled push still tells what arrived.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::sync::mpsc;

use super::account::Account;
use super::arrived::Arrived;
use super::attempt::Attempts;
use super::exchange::{Call, Ending};
use super::explain::ghcr_settings;
use super::local::{find_local, tag_local};
use super::outcome::Record;
use super::remote::{Lookup, RemoteManifest, RemoteRepository};
use super::stream::Said;
use super::{CredentialSource, Failure, LayerState, PushOutcome, TransferError, TransferEvent, TransferOptions};
use crate::diagnostic::Warning;
use crate::docker::LocalImage;
use crate::docker::connection::{Engine, Uri};
use crate::image::PushedReference;
use crate::image_ref::ImageRef;
use crate::net::Network;
use crate::registry::{Access, Credentials, RegistryHost, registry_auth_header};

/// What runs a push: all references of one image, in any number of registries.
pub struct PushRun<'a, S> {
    pub engine: &'a Engine,
    /// Image id or reference that is given these names first; `None` when the daemon knows the image by all of them.
    pub source: Option<&'a str>,
    /// Without a tag, `latest` is meant.
    pub references: &'a [ImageRef],
    pub credentials: &'a S,
    /// For what the registry itself is asked.
    pub network: &'a Network,
    /// Receives every event; a receiver that is gone is no error.
    pub events: mpsc::Sender<TransferEvent>,
    pub options: TransferOptions,
}

/// References of one repository, as indices into the record.
struct Repository {
    references: Vec<(usize, ImageRef)>,
}

/// What a push of one reference needs.
struct Task<'a, S> {
    account: &'a Account<'a, S>,
    index: usize,
    reference: &'a ImageRef,
    image: &'a LocalImage,
    /// What the tag pointed at before, where that is known.
    before: Option<String>,
}

/// What the daemon said of one push.
#[derive(Default)]
struct Heard {
    digest: Option<String>,
    size: Option<u64>,
}

impl<S: CredentialSource> PushRun<'_, S> {
    /// Pushes until every reference arrived or failed, or `cancel` is ready. Dropping the future cancels as well.
    pub async fn push(self, cancel: impl Future<Output = ()>) -> PushOutcome {
        let references = unique(self.references);
        let record = Mutex::new(Record::new(references.iter().map(ToString::to_string).collect()));
        {
            let work = pin!(join_all(
                repositories(references).into_iter().map(|repository| self.push_repository(repository, &record))
            ));
            let cancel = pin!(cancel);
            tokio::select! {
                biased;
                () = cancel => {}
                _ = work => {}
            }
        }
        let record = record.into_inner().unwrap_or_else(PoisonError::into_inner);
        record.into_outcome()
    }

    async fn push_repository(&self, repository: Repository, record: &Mutex<Record>) {
        let mut there = Vec::new();
        for (index, reference) in &repository.references {
            match self.local_image(reference).await {
                Ok(image) => there.push((*index, reference, image)),
                Err(error) => self.fail(record, vec![*index], error).await,
            }
        }
        let Some((_, first, _)) = there.first() else { return };
        let account = Account::new(self.credentials, RegistryHost::of(first), Access::Push, &self.events);
        let remote = match account.current().await {
            Ok((credentials, _)) => RemoteRepository::new(self.engine, self.network, first, &credentials.login),
            Err(error) => {
                let all = there.iter().map(|(index, _, _)| *index).collect();
                return self.fail(record, all, error).await;
            }
        };
        let names: Vec<&ImageRef> = there.iter().map(|(_, reference, _)| *reference).collect();
        let before = remote.digests(&names).await;
        if remote.is_endless() {
            // The daemon reads such an answer until its memory is full.
            let host = RegistryHost::of(first).to_string();
            let all = there.iter().map(|(index, _, _)| *index).collect();
            return self.fail(record, all, TransferError::EndlessAnswer { host }).await;
        }
        let is_new = before.iter().all(|found| *found == Lookup::Missing);
        let mut tasks = there.iter().zip(before).map(|((index, reference, image), before)| Task {
            account: &account,
            index: *index,
            reference,
            image,
            before: before.digest(),
        });
        let Some(first) = tasks.next() else { return };
        let mut arrived = None;
        match self.push_one(&first).await {
            Ok(pushed) => {
                if there.len() > 1 {
                    arrived = Arrived::find(&remote, first.reference, &first.image.id, &pushed).await;
                }
                self.succeed(record, first.index, pushed).await;
            }
            Err(error) => {
                let mut failed = vec![first.index];
                if stops_repository(&error) {
                    failed.extend(tasks.by_ref().map(|task| task.index));
                }
                self.fail(record, failed, error).await;
            }
        }
        let arrived = arrived.as_ref();
        stream::iter(tasks)
            .for_each_concurrent(self.options.concurrency.max(1), |task| async move {
                match self.push_further(&task, arrived).await {
                    Ok(pushed) => self.succeed(record, task.index, pushed).await,
                    Err(error) => self.fail(record, vec![task.index], error).await,
                }
            })
            .await;
        if is_new {
            self.notice_private(&remote, &names).await;
        }
    }

    /// Every reference of a repository but the first.
    async fn push_further(
        &self,
        task: &Task<'_, S>,
        arrived: Option<&Arrived<'_>>,
    ) -> Result<PushedReference, TransferError> {
        if let Some(arrived) = arrived.filter(|arrived| arrived.image == task.image.id)
            && let Some(pushed) = arrived.tag(task.reference, task.before.as_deref()).await
        {
            let _ = self.events.send(TransferEvent::Started { reference: task.reference.to_string() }).await;
            return Ok(pushed);
        }
        self.push_one(task).await
    }

    async fn local_image(&self, reference: &ImageRef) -> Result<LocalImage, TransferError> {
        if reference.digest.is_some() {
            return Err(TransferError::DigestReference { reference: reference.to_string() });
        }
        if let Some(source) = self.source {
            tag_local(self.engine, source, reference).await?;
        }
        find_local(self.engine, reference).await
    }

    async fn push_one(&self, task: &Task<'_, S>) -> Result<PushedReference, TransferError> {
        let reference = task.reference;
        let _ = self.events.send(TransferEvent::Started { reference: reference.to_string() }).await;
        let attempts = Attempts { reference, account: task.account, events: &self.events, options: &self.options };
        let heard = match attempts.run(async |credentials| self.send(reference, credentials).await).await {
            Ok(heard) => heard,
            Err(error) if error.failure() == Some(Failure::ImmutableTag) => return self.compare(task, error).await,
            Err(error) => return Err(error),
        };
        let (digest, manifest_size) = match heard {
            Heard { digest: Some(digest), size: Some(size) } => (digest, size),
            Heard { digest, .. } => match (self.remote_manifest(task).await, digest) {
                (Some(manifest), said) if said.as_ref().is_none_or(|said| *said == manifest.digest) => {
                    (manifest.digest, manifest.size)
                }
                (_, said) => {
                    let known = said.or(find_local(self.engine, reference).await?.only_digest(reference));
                    (known.ok_or_else(|| TransferError::NoDigest { reference: reference.to_string() })?, 0)
                }
            },
        };
        let unchanged = task.before.as_ref() == Some(&digest);
        Ok(PushedReference { reference: reference.to_string(), digest, manifest_size, unchanged })
    }

    /// One request to the daemon.
    async fn send(&self, reference: &ImageRef, credentials: &Credentials) -> Result<Heard, Ending> {
        let name = ImageRef { tag: None, ..reference.clone() };
        let mut uri = Uri::new(&format!("/images/{name}/push"));
        uri.add("tag", reference.tag.as_deref().unwrap_or("latest"));
        let call = Call {
            engine: self.engine,
            doing: "the push",
            uri,
            registry_auth: registry_auth_header(&credentials.login, &RegistryHost::of(reference)),
            idle: self.options.idle,
        };
        let mut heard = Heard::default();
        call.run(async |said| match said {
            Said::Layer { layer, state } => tell_layer(&self.events, reference, layer, state).await,
            Said::Digest { digest, size } => {
                heard = Heard { digest: Some(digest), size: size.or(heard.size) };
            }
            Said::UpToDate | Said::Error(_) | Said::Nothing => {}
        })
        .await?;
        Ok(heard)
    }

    /// A tag that cannot be overwritten is no failure when it points at this very image.
    async fn compare(&self, task: &Task<'_, S>, refused: TransferError) -> Result<PushedReference, TransferError> {
        let Some(theirs) = self.remote_manifest(task).await else { return Err(refused) };
        let reference = task.reference.to_string();
        let RemoteManifest { digest, size, config } = theirs.clone();
        if is_same(task.image, task.reference, &theirs) {
            return Ok(PushedReference { reference, digest, manifest_size: size, unchanged: true });
        }
        let theirs = config.unwrap_or_else(|| digest.clone());
        Err(TransferError::ImmutableTag { reference, ours: task.image.id.clone(), theirs, digest })
    }

    /// What the registry has under the reference, asked with the credentials as they are now.
    async fn remote_manifest(&self, task: &Task<'_, S>) -> Option<RemoteManifest> {
        let (credentials, _) = task.account.current().await.ok()?;
        RemoteRepository::new(self.engine, self.network, task.reference, &credentials.login)
            .manifest(task.reference)
            .await
    }

    async fn succeed(&self, record: &Mutex<Record>, index: usize, pushed: PushedReference) {
        let event = TransferEvent::Finished {
            reference: pushed.reference.clone(),
            digest: pushed.digest.clone(),
            unchanged: pushed.unchanged,
        };
        record.lock().unwrap_or_else(PoisonError::into_inner).pushed(index, pushed);
        let _ = self.events.send(event).await;
    }

    async fn fail(&self, record: &Mutex<Record>, indices: Vec<usize>, error: TransferError) {
        let names = record.lock().unwrap_or_else(PoisonError::into_inner).failed(&indices, error);
        for reference in names {
            let _ = self.events.send(TransferEvent::Failed { reference }).await;
        }
    }

    /// Whoever pushes a new package to GHCR looks for it in vain: it is private.
    async fn notice_private(&self, remote: &RemoteRepository<'_>, references: &[&ImageRef]) {
        let Some(first) = references.first() else { return };
        let Some(settings) = ghcr_settings(&RegistryHost::of(first), &first.path) else { return };
        let tags = remote.tags().await.unwrap_or_default();
        let is_ours = |tag: &String| references.iter().any(|reference| reference.tag.as_ref() == Some(tag));
        if !tags.is_empty() && tags.iter().all(is_ours) {
            let warning = Warning::new(
                "registry/ghcr-private",
                format!("the new package `{}` is private, as all new packages at `ghcr.io`", first.path),
            );
            let hint = format!("to let everybody pull it, change its visibility at {settings}");
            let _ = self.events.send(TransferEvent::Notice(warning.with_hint(hint))).await;
        }
    }
}

/// Progress may be lost when the receiver is slow; the other states may not.
pub(super) async fn tell_layer(
    events: &mpsc::Sender<TransferEvent>,
    reference: &ImageRef,
    layer: String,
    state: LayerState,
) {
    let is_progress = matches!(state, LayerState::Moving { .. } | LayerState::Extracting { .. });
    let event = TransferEvent::Layer { reference: reference.to_string(), layer, state };
    if is_progress {
        let _ = events.try_send(event);
    } else {
        let _ = events.send(event).await;
    }
}

/// The image id is the digest of the configuration, or that of the manifest in the containerd image store.
fn is_same(ours: &LocalImage, reference: &ImageRef, theirs: &RemoteManifest) -> bool {
    theirs.config.as_ref() == Some(&ours.id)
        || theirs.digest == ours.id
        || ours.digests(reference).any(|digest| digest == theirs.digest)
}

/// Whether the other references of the repository would fail in the same way.
fn stops_repository(error: &TransferError) -> bool {
    !matches!(error, TransferError::ImmutableTag { .. } | TransferError::NoLocalImage { .. })
        && error.failure() != Some(Failure::ImmutableTag)
}

/// Every reference once, with its tag.
fn unique(references: &[ImageRef]) -> Vec<ImageRef> {
    let mut unique: Vec<ImageRef> = Vec::new();
    for reference in references {
        let mut reference = reference.clone();
        if reference.digest.is_none() {
            reference.tag.get_or_insert_with(|| "latest".to_owned());
        }
        if !unique.contains(&reference) {
            unique.push(reference);
        }
    }
    unique
}

fn repositories(references: Vec<ImageRef>) -> Vec<Repository> {
    let mut found: Vec<Repository> = Vec::new();
    for (index, reference) in references.into_iter().enumerate() {
        let is_of = |other: &ImageRef| (&other.domain, &other.path) == (&reference.domain, &reference.path);
        match found.iter_mut().find(|repository| is_of(&repository.references[0].1)) {
            Some(repository) => repository.references.push((index, reference)),
            None => found.push(Repository { references: vec![(index, reference)] }),
        }
    }
    found
}
