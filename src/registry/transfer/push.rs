//! Pushes references of an image in the daemon to their registries.
//!
//! Repositories are pushed concurrently. In each, the first reference goes alone and uploads the layers; the others follow a few at a
//! time, usually as further tags of the pushed manifest. Results are recorded as they arrive, so that a cancelled push reports what
//! was pushed.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::sync::mpsc;

use super::daemon::{RequestError, TransferMessage, TransferRequest, find_local, tag_local};
use super::lookup::{PushedManifest, RegistryLookup, RemoteManifest, TagState};
use super::retry::Attempts;
use super::{LayerState, TransferError, TransferEvent, TransferOptions};
use crate::diagnostic::Warning;
use crate::docker::LocalImage;
use crate::docker::connection::{Engine, Uri};
use crate::image::PushedReference;
use crate::image_ref::ImageRef;
use crate::net::Network;
use crate::registry::refusal::ghcr_settings;
use crate::registry::{Access, Credential, Keychain, Refusal, registry_auth_header};

/// A push of all references of one image, to any number of registries.
pub struct PushRun<'a> {
    pub engine: &'a Engine,
    /// Image ID or reference that is tagged with the references first; `None` if the image has all of them.
    pub source: Option<&'a str>,
    /// Without a tag, `latest` is pushed.
    pub references: &'a [ImageRef],
    pub keychain: &'a Keychain,
    /// For requests to the registry itself.
    pub network: &'a Network,
    /// Receives every event; the receiver may be dropped.
    pub events: mpsc::Sender<TransferEvent>,
    pub options: TransferOptions,
}

/// The result of a push: every requested reference is in exactly one of the lists, in the order of the request.
#[derive(Debug, Default)]
pub struct PushOutcome {
    pub pushed: Vec<PushedReference>,
    pub failed: Vec<FailedPush>,
}

/// References that were not pushed, all for the same reason.
#[derive(Debug)]
pub struct FailedPush {
    /// The one that failed first, then those that were skipped because of it.
    pub references: Vec<String>,
    pub error: TransferError,
}

impl PushOutcome {
    /// The error that ends the run: cancellation, else the first one.
    pub fn error(&self) -> Option<&TransferError> {
        let errors = || self.failed.iter().map(|failed| &failed.error);
        errors().find(|error| matches!(error, TransferError::Cancelled)).or_else(|| errors().next())
    }
}

/// References of one repository, with their indices in the record.
type RepositoryPush = Vec<(usize, ImageRef)>;

/// A push of one reference.
struct ReferencePush<'a> {
    index: usize,
    reference: &'a ImageRef,
    image: &'a LocalImage,
    /// What the tag pointed at before, if known.
    before: Option<String>,
}

/// What the daemon has reported about one push.
#[derive(Default)]
struct PushProgress {
    digest: Option<String>,
    size: Option<u64>,
}

impl PushRun<'_> {
    /// Pushes until every reference is pushed or has failed, or `cancel` is ready. Dropping the future cancels as well.
    pub async fn push(self, cancel: impl Future<Output = ()>) -> PushOutcome {
        let references = unique(self.references);
        let record = Mutex::new(PushRecord::new(references.iter().map(ToString::to_string).collect()));
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
        record.into_inner().unwrap_or_else(PoisonError::into_inner).into_outcome()
    }

    async fn push_repository(&self, references: RepositoryPush, record: &Mutex<PushRecord>) {
        let mut present = Vec::new();
        for (index, reference) in &references {
            match self.local_image(reference).await {
                Ok(image) => present.push((*index, reference, image)),
                Err(error) => self.fail(record, vec![*index], error).await,
            }
        }
        let Some((_, first, _)) = present.first() else { return };
        let all = || present.iter().map(|(index, _, _)| *index).collect();
        let login = match self.log_in(first).await {
            Ok(credential) => credential.login,
            Err(error) => return self.fail(record, all(), error).await,
        };
        let lookup = RegistryLookup::new(self.engine, self.network, first, &login);
        let names: Vec<&ImageRef> = present.iter().map(|(_, reference, _)| *reference).collect();
        let before = lookup.tag_states(&names).await;
        if lookup.is_endless() {
            // The daemon would read such a response until its memory is full.
            let host = first.registry().to_string();
            return self.fail(record, all(), TransferError::EndlessAnswer { host }).await;
        }
        let is_new = before.iter().all(|state| *state == TagState::Missing);
        let mut remaining = present.iter().zip(before).map(|((index, reference, image), before)| ReferencePush {
            index: *index,
            reference,
            image,
            before: before.digest(),
        });
        let Some(first) = remaining.next() else { return };
        let mut manifest = None;
        match self.push_one(&first).await {
            Ok(pushed) => {
                if present.len() > 1 {
                    manifest = PushedManifest::find(&lookup, first.reference, &first.image.id, &pushed).await;
                }
                self.succeed(record, first.index, pushed).await;
            }
            Err(error) => {
                let mut failed = vec![first.index];
                if stops_repository(&error) {
                    failed.extend(remaining.by_ref().map(|push| push.index));
                }
                self.fail(record, failed, error).await;
            }
        }
        let manifest = manifest.as_ref();
        stream::iter(remaining)
            .for_each_concurrent(self.options.concurrency.max(1), |push| async move {
                match self.push_further(&push, manifest).await {
                    Ok(pushed) => self.succeed(record, push.index, pushed).await,
                    Err(error) => self.fail(record, vec![push.index], error).await,
                }
            })
            .await;
        if is_new {
            self.notice_private(&lookup, &names).await;
        }
    }

    async fn log_in(&self, reference: &ImageRef) -> Result<Credential, TransferError> {
        let host = reference.registry();
        let credential = self.keychain.resolve(&host, Access::Push).await?;
        let (registry, origin) = (host.to_string(), credential.origin.clone());
        let _ = self.events.send(TransferEvent::LoggedIn { registry, origin }).await;
        Ok(credential)
    }

    /// Pushes a reference after the first one of its repository.
    async fn push_further(
        &self,
        push: &ReferencePush<'_>,
        manifest: Option<&PushedManifest<'_>>,
    ) -> Result<PushedReference, TransferError> {
        if let Some(manifest) = manifest.filter(|manifest| manifest.image == push.image.id)
            && let Some(pushed) = manifest.tag(push.reference, push.before.as_deref()).await
        {
            let _ = self.events.send(TransferEvent::Started { reference: push.reference.to_string() }).await;
            return Ok(pushed);
        }
        self.push_one(push).await
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

    async fn push_one(&self, push: &ReferencePush<'_>) -> Result<PushedReference, TransferError> {
        let reference = push.reference;
        let _ = self.events.send(TransferEvent::Started { reference: reference.to_string() }).await;
        let attempts = Attempts {
            reference,
            access: Access::Push,
            keychain: self.keychain,
            events: &self.events,
            options: &self.options,
        };
        let progress = match attempts.run(async |credential| self.send(reference, credential).await).await {
            Ok(progress) => progress,
            Err(error) if error.refusal() == Some(Refusal::ImmutableTag) => return self.compare(push, error).await,
            Err(error) => return Err(error),
        };
        let (digest, manifest_size) = match progress {
            PushProgress { digest: Some(digest), size: Some(size) } => (digest, size),
            PushProgress { digest, .. } => match (self.remote_manifest(reference).await, digest) {
                (Some(manifest), reported) if reported.as_ref().is_none_or(|digest| *digest == manifest.digest) => {
                    (manifest.digest, manifest.size)
                }
                (_, Some(digest)) => (digest, 0),
                (_, None) => {
                    let known = find_local(self.engine, reference).await?.only_digest(reference);
                    (known.ok_or_else(|| TransferError::NoDigest { reference: reference.to_string() })?, 0)
                }
            },
        };
        let unchanged = push.before.as_ref() == Some(&digest);
        Ok(PushedReference { reference: reference.clone(), digest, manifest_size, unchanged })
    }

    /// One request to the daemon.
    async fn send(&self, reference: &ImageRef, credential: &Credential) -> Result<PushProgress, RequestError> {
        let mut uri = Uri::new(&format!("/images/{}/push", reference.repository()));
        uri.add("tag", reference.tag_or_latest());
        let request = TransferRequest {
            engine: self.engine,
            doing: "the push",
            uri,
            registry_auth: registry_auth_header(&credential.login, &reference.registry()),
            idle: self.options.idle,
        };
        let mut progress = PushProgress::default();
        request
            .run(async |message| match message {
                TransferMessage::Layer { layer, state } => send_layer(&self.events, reference, layer, state).await,
                TransferMessage::Digest { digest, size } => {
                    progress = PushProgress { digest: Some(digest), size: size.or(progress.size) };
                }
                TransferMessage::UpToDate | TransferMessage::Error(_) | TransferMessage::Other => {}
            })
            .await?;
        Ok(progress)
    }

    /// An immutable tag that points at this very image is a success.
    async fn compare(
        &self,
        push: &ReferencePush<'_>,
        refused: TransferError,
    ) -> Result<PushedReference, TransferError> {
        let Some(theirs) = self.remote_manifest(push.reference).await else { return Err(refused) };
        let reference = push.reference.clone();
        if is_same(push.image, &reference, &theirs) {
            let RemoteManifest { digest, size, .. } = theirs;
            return Ok(PushedReference { reference, digest, manifest_size: size, unchanged: true });
        }
        let RemoteManifest { digest, config, .. } = theirs;
        let theirs = config.unwrap_or_else(|| digest.clone());
        let reference = reference.to_string();
        Err(TransferError::ImmutableTag { reference, ours: push.image.id.clone(), theirs, digest })
    }

    /// The manifest in the registry, looked up with the current credential.
    async fn remote_manifest(&self, reference: &ImageRef) -> Option<RemoteManifest> {
        let credential = self.keychain.resolve(&reference.registry(), Access::Push).await.ok()?;
        RegistryLookup::new(self.engine, self.network, reference, &credential.login).manifest(reference).await
    }

    async fn succeed(&self, record: &Mutex<PushRecord>, index: usize, pushed: PushedReference) {
        let event = TransferEvent::Finished {
            reference: pushed.reference.to_string(),
            digest: pushed.digest.clone(),
            unchanged: pushed.unchanged,
        };
        record.lock().unwrap_or_else(PoisonError::into_inner).pushed.push((index, pushed));
        let _ = self.events.send(event).await;
    }

    async fn fail(&self, record: &Mutex<PushRecord>, indices: Vec<usize>, error: TransferError) {
        let names = record.lock().unwrap_or_else(PoisonError::into_inner).fail(indices, error);
        for reference in names {
            let _ = self.events.send(TransferEvent::Failed { reference }).await;
        }
    }

    /// New packages at GHCR are private, which surprises users who cannot find them.
    async fn notice_private(&self, lookup: &RegistryLookup<'_>, references: &[&ImageRef]) {
        let Some(first) = references.first() else { return };
        let Some(settings) = ghcr_settings(&first.registry(), &first.path) else { return };
        let tags = lookup.tags().await.unwrap_or_default();
        let is_ours = |tag: &String| references.iter().any(|reference| reference.tag.as_ref() == Some(tag));
        if !tags.is_empty() && tags.iter().all(is_ours) {
            let warning = Warning::new(
                "registry/ghcr-private",
                format!("the new package `{}` is private, as all new packages at `ghcr.io`", first.path),
            );
            let hint = format!("to make it public, change its visibility at {settings}");
            let _ = self.events.send(TransferEvent::Notice(warning.with_hint(hint))).await;
        }
    }
}

/// Progress is dropped if the receiver is slow; other states are not.
pub(super) async fn send_layer(
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

/// The image ID is the digest of the configuration, or that of the manifest in the containerd image store.
fn is_same(ours: &LocalImage, reference: &ImageRef, theirs: &RemoteManifest) -> bool {
    theirs.config.as_ref() == Some(&ours.id)
        || theirs.digest == ours.id
        || ours.digests(reference).any(|digest| digest == theirs.digest)
}

/// Whether the other references of the repository would fail the same way.
fn stops_repository(error: &TransferError) -> bool {
    !matches!(error, TransferError::ImmutableTag { .. } | TransferError::NoLocalImage { .. })
        && error.refusal() != Some(Refusal::ImmutableTag)
}

/// Every reference once, with its tag.
fn unique(references: &[ImageRef]) -> Vec<ImageRef> {
    let mut unique: Vec<ImageRef> = Vec::new();
    for reference in references.iter().cloned().map(ImageRef::or_latest) {
        if !unique.contains(&reference) {
            unique.push(reference);
        }
    }
    unique
}

fn repositories(references: Vec<ImageRef>) -> Vec<RepositoryPush> {
    let mut found: Vec<RepositoryPush> = Vec::new();
    for (index, reference) in references.into_iter().enumerate() {
        let is_same = |other: &ImageRef| (&other.domain, &other.path) == (&reference.domain, &reference.path);
        match found.iter_mut().find(|repository| is_same(&repository[0].1)) {
            Some(repository) => repository.push((index, reference)),
            None => found.push(vec![(index, reference)]),
        }
    }
    found
}

/// The results so far.
#[derive(Debug)]
struct PushRecord {
    references: Vec<String>,
    pushed: Vec<(usize, PushedReference)>,
    failed: Vec<(Vec<usize>, TransferError)>,
}

impl PushRecord {
    fn new(references: Vec<String>) -> Self {
        Self { references, pushed: Vec::new(), failed: Vec::new() }
    }

    /// The names of the failed references.
    fn fail(&mut self, indices: Vec<usize>, error: TransferError) -> Vec<String> {
        let names = self.names(&indices);
        self.failed.push((indices, error));
        names
    }

    fn names(&self, indices: &[usize]) -> Vec<String> {
        indices.iter().map(|index| self.references[*index].clone()).collect()
    }

    /// References without a result were cancelled.
    fn into_outcome(mut self) -> PushOutcome {
        let is_known = |index: &usize| {
            self.pushed.iter().any(|(pushed, _)| pushed == index)
                || self.failed.iter().any(|(failed, _)| failed.contains(index))
        };
        let cancelled: Vec<usize> = (0..self.references.len()).filter(|index| !is_known(index)).collect();
        if !cancelled.is_empty() {
            self.failed.push((cancelled, TransferError::Cancelled));
        }
        self.pushed.sort_by_key(|(index, _)| *index);
        self.failed.sort_by_key(|(indices, _)| indices.first().copied());
        let failed = std::mem::take(&mut self.failed);
        PushOutcome {
            failed: failed
                .into_iter()
                .map(|(indices, error)| FailedPush { references: self.names(&indices), error })
                .collect(),
            pushed: self.pushed.into_iter().map(|(_, pushed)| pushed).collect(),
        }
    }
}
