//! What the registry itself knows about a repository: the digests of its tags, and manifests that get further tags.
//!
//! Queried only for what the daemon does not report. A registry that this process cannot reach, although the daemon can, is not an
//! error: the result is then unknown. Writes nothing but tags of existing manifests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::docker::connection::Engine;
use crate::image::PushedReference;
use crate::image_ref::ImageRef;
use crate::net::Network;
use crate::registry::client::{PlainHttp, RegistryClient, RegistryError};
use crate::registry::{Access, Login, LoginStatus};

/// Limit for all lookups before a push together: the push works without them.
const BEFORE_PUSH: Duration = Duration::from_secs(3);
const LOOKUP: Duration = Duration::from_secs(15);
const CONCURRENCY: usize = 8;

/// Looks up one repository with one login.
pub(super) struct RegistryLookup<'a> {
    engine: &'a Engine,
    network: &'a Network,
    /// Any reference of the repository.
    reference: &'a ImageRef,
    login: Login,
    client: OnceCell<Option<RegistryClient>>,
    is_endless: AtomicBool,
}

/// What a tag points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TagState {
    Digest(String),
    Missing,
    Unknown,
}

impl TagState {
    pub(super) fn digest(self) -> Option<String> {
        match self {
            Self::Digest(digest) => Some(digest),
            Self::Missing | Self::Unknown => None,
        }
    }
}

/// The manifest or image index that a tag points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteManifest {
    /// `sha256:…`
    pub(super) digest: String,
    /// Bytes of the manifest.
    pub(super) size: u64,
    /// Digest of the image configuration, which is the image ID; an index has none.
    pub(super) config: Option<String>,
}

/// Asks the registry of `reference` whether it accepts `login`; says nothing about the right to push.
pub async fn check_login(engine: &Engine, network: &Network, reference: &ImageRef, login: &Login) -> LoginStatus {
    let status = async {
        match connect(engine, network, reference, login).await {
            Ok(client) => client.login_status(reference).await,
            Err(RegistryError::Unauthorized) => LoginStatus::Rejected,
            Err(_) => LoginStatus::Unknown,
        }
    };
    timeout(LOOKUP, status).await.unwrap_or(LoginStatus::Unknown)
}

/// Uses plain HTTP where the daemon does, too.
async fn connect(
    engine: &Engine,
    network: &Network,
    reference: &ImageRef,
    login: &Login,
) -> Result<RegistryClient, RegistryError> {
    match RegistryClient::connect(network, reference, login, PlainHttp::OnLoopback).await {
        Err(RegistryError::NotConnected) if is_insecure(engine, reference).await => {
            RegistryClient::connect(network, reference, login, PlainHttp::Allowed).await
        }
        connected => connected,
    }
}

/// Whether the registry is one of the daemon's `insecure-registries`.
async fn is_insecure(engine: &Engine, reference: &ImageRef) -> bool {
    engine.is_insecure_registry(reference.registry().as_str()).await.unwrap_or(false)
}

impl<'a> RegistryLookup<'a> {
    pub(super) fn new(engine: &'a Engine, network: &'a Network, reference: &'a ImageRef, login: &Login) -> Self {
        let (client, is_endless) = (OnceCell::new(), AtomicBool::new(false));
        Self { engine, network, reference, login: login.clone(), client, is_endless }
    }

    /// The registry sent a response without end.
    pub(super) fn is_endless(&self) -> bool {
        self.is_endless.load(Ordering::Relaxed)
    }

    fn checked<T>(&self, result: Result<T, RegistryError>) -> Result<T, RegistryError> {
        if matches!(result, Err(RegistryError::TooLong)) {
            self.is_endless.store(true, Ordering::Relaxed);
        }
        result
    }

    /// What these tags point at now, in their order.
    pub(super) async fn tag_states(&self, references: &[&ImageRef]) -> Vec<TagState> {
        let lookups = stream::iter(references).map(|reference| self.tag_state(reference)).buffered(CONCURRENCY);
        timeout(BEFORE_PUSH, lookups.collect()).await.unwrap_or_else(|_| vec![TagState::Unknown; references.len()])
    }

    async fn tag_state(&self, reference: &ImageRef) -> TagState {
        let Some(client) = self.client().await else { return TagState::Unknown };
        match self.checked(client.digest(reference.tag_or_latest()).await) {
            Ok(digest) => TagState::Digest(digest),
            Err(RegistryError::NotFound) => TagState::Missing,
            Err(_) => TagState::Unknown,
        }
    }

    /// The manifest that `reference` points at.
    pub(super) async fn manifest(&self, reference: &ImageRef) -> Option<RemoteManifest> {
        #[derive(Deserialize)]
        struct Manifest {
            config: Option<Descriptor>,
        }
        #[derive(Deserialize)]
        struct Descriptor {
            digest: String,
        }
        let client = self.client().await?;
        let found = timeout(LOOKUP, client.manifest(reference.tag_or_latest())).await.ok()?;
        let found = self.checked(found).ok()?;
        let manifest: Manifest = serde_json::from_slice(&found.bytes).ok()?;
        let size = found.bytes.len() as u64;
        Some(RemoteManifest { digest: found.digest, size, config: manifest.config.map(|config| config.digest) })
    }

    /// Tags of the repository, at most some dozens.
    pub(super) async fn tags(&self) -> Option<Vec<String>> {
        let client = self.client().await?;
        self.checked(timeout(LOOKUP, client.tags(50)).await.ok()?).ok()
    }

    /// The client, once the registry has accepted the login.
    async fn client(&self) -> Option<&RegistryClient> {
        let connect = || async {
            let client = self.checked(connect(self.engine, self.network, self.reference, &self.login).await).ok()?;
            self.checked(client.authorize(Access::Pull).await).ok()?;
            Some(client)
        };
        self.client.get_or_init(connect).await.as_ref()
    }
}

/// A manifest that the daemon has pushed, and that gets further tags.
///
/// The daemon checks every layer again for each tag; a single request to the registry has the same effect. If that fails, the result
/// is `None` and the daemon pushes the tag, with its retries and errors.
pub(super) struct PushedManifest<'a> {
    /// Image ID.
    pub(super) image: String,
    digest: String,
    bytes: Vec<u8>,
    media_type: HeaderValue,
    lookup: &'a RegistryLookup<'a>,
}

impl<'a> PushedManifest<'a> {
    /// The manifest of `pushed`, with the authorization to tag it.
    pub(super) async fn find(
        lookup: &'a RegistryLookup<'a>,
        reference: &ImageRef,
        image: &str,
        pushed: &PushedReference,
    ) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Manifest {
            media_type: String,
        }
        // The daemon may resolve the same name to another registry: from here, the tag must point at what was pushed.
        if lookup.tag_states(&[reference]).await != [TagState::Digest(pushed.digest.clone())] {
            return None;
        }
        let client = lookup.client().await?;
        let manifest = async {
            // One token for all tags.
            client.authorize(Access::Push).await?;
            client.manifest(&pushed.digest).await
        };
        let bytes = lookup.checked(timeout(LOOKUP, manifest).await.ok()?).ok()?.bytes;
        let Manifest { media_type } = serde_json::from_slice(&bytes).ok()?;
        let media_type = HeaderValue::from_str(&media_type).ok()?;
        Some(Self { image: image.to_owned(), digest: pushed.digest.clone(), bytes, media_type, lookup })
    }

    /// Makes `reference`, which pointed at `before`, point at this manifest.
    pub(super) async fn tag(&self, reference: &ImageRef, before: Option<&str>) -> Option<PushedReference> {
        let unchanged = before == Some(&self.digest);
        if !unchanged {
            let client = self.lookup.client().await?;
            let put = client.put_manifest(reference.tag_or_latest(), &self.media_type, &self.bytes);
            self.lookup.checked(timeout(LOOKUP, put).await.ok()?).ok()?;
        }
        let (reference, digest) = (reference.clone(), self.digest.clone());
        Some(PushedReference { reference, digest, manifest_size: self.bytes.len() as u64, unchanged })
    }
}
