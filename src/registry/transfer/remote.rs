//! What a registry itself says about a repository: manifests by reference, and tags.
//!
//! Asked only for what the daemon does not tell. A registry that this process cannot reach, although the daemon can, is no error:
//! the answer is then unknown. Writes nothing but tags on manifests that are there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::distribution::{Protocol, Repository, RequestError, Scope};
use crate::docker::connection::Engine;
use crate::image_ref::ImageRef;
use crate::net::{Network, is_loopback};
use crate::registry::{Login, RegistryHost};

/// For the questions before a push, all together: they only make its result more telling.
const BEFORE_PUSH: Duration = Duration::from_secs(3);
const QUESTION: Duration = Duration::from_secs(15);
const CONCURRENCY: usize = 8;

/// One repository, as somebody with this login sees it.
pub(super) struct RemoteRepository<'a> {
    engine: &'a Engine,
    network: &'a Network,
    host: RegistryHost,
    path: String,
    login: Login,
    opened: OnceCell<Option<Repository>>,
    endless: AtomicBool,
}

/// What a tag points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup {
    Digest(String),
    Missing,
    /// The registry did not say.
    Unknown,
}

impl Lookup {
    pub(super) fn digest(self) -> Option<String> {
        match self {
            Self::Digest(digest) => Some(digest),
            Self::Missing | Self::Unknown => None,
        }
    }
}

/// A manifest as its bytes, which are put under further tags.
#[derive(Debug)]
pub(super) struct ManifestBytes {
    bytes: Vec<u8>,
    media_type: HeaderValue,
}

impl ManifestBytes {
    pub(super) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// A manifest or image index in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteManifest {
    /// `sha256:…`
    pub(super) digest: String,
    /// Bytes of the manifest.
    pub(super) size: u64,
    /// Digest of the image configuration, which is the image id; an index has none.
    pub(super) config: Option<String>,
}

/// What a registry says about a login before anything is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginAnswer {
    Taken,
    Refused,
    /// The registry cannot be asked from here, or does not say.
    Unknown,
}

/// Asks the registry of `reference` whether it takes `login`; whether that may push stays open.
pub async fn ask_about_login(engine: &Engine, network: &Network, reference: &ImageRef, login: &Login) -> LoginAnswer {
    let repository = RemoteRepository::new(engine, network, reference, login);
    timeout(QUESTION, repository.login_answer(reference)).await.unwrap_or(LoginAnswer::Unknown)
}

impl<'a> RemoteRepository<'a> {
    pub(super) fn new(engine: &'a Engine, network: &'a Network, reference: &ImageRef, login: &Login) -> Self {
        let host = RegistryHost::of(reference);
        let is_official = host.as_str() == "docker.io" && !reference.path.contains('/');
        let path = if is_official { format!("library/{}", reference.path) } else { reference.path.clone() };
        let (opened, endless) = (OnceCell::new(), AtomicBool::new(false));
        Self { engine, network, host, path, login: login.clone(), opened, endless }
    }

    /// An answer of it had no end.
    pub(super) fn is_endless(&self) -> bool {
        self.endless.load(Ordering::Relaxed)
    }

    fn known<T>(&self, result: Result<T, RequestError>) -> Option<T> {
        self.noted(result).ok()
    }

    fn noted<T>(&self, result: Result<T, RequestError>) -> Result<T, RequestError> {
        if matches!(result, Err(RequestError::Endless)) {
            self.endless.store(true, Ordering::Relaxed);
        }
        result
    }

    /// What these tags point at now, in their order.
    pub(super) async fn digests(&self, references: &[&ImageRef]) -> Vec<Lookup> {
        let questions =
            stream::iter(references).map(|reference| self.digest(reference)).buffered(CONCURRENCY).collect();
        timeout(BEFORE_PUSH, questions).await.unwrap_or_else(|_| vec![Lookup::Unknown; references.len()])
    }

    async fn digest(&self, reference: &ImageRef) -> Lookup {
        let Some(repository) = self.repository().await else { return Lookup::Unknown };
        match self.noted(repository.digest(tag_of(reference)).await) {
            Ok(digest) => Lookup::Digest(digest),
            Err(RequestError::Missing) => Lookup::Missing,
            Err(_) => Lookup::Unknown,
        }
    }

    /// The manifest that `reference` points at, if the registry tells.
    pub(super) async fn manifest(&self, reference: &ImageRef) -> Option<RemoteManifest> {
        #[derive(Deserialize)]
        struct Manifest {
            config: Option<Descriptor>,
        }
        #[derive(Deserialize)]
        struct Descriptor {
            digest: String,
        }
        let repository = self.repository().await?;
        let answer = timeout(QUESTION, repository.manifest(tag_of(reference))).await.ok()?;
        let found = self.known(answer)?;
        let manifest: Manifest = serde_json::from_slice(&found.bytes).ok()?;
        let size = found.bytes.len() as u64;
        Some(RemoteManifest { digest: found.digest, size, config: manifest.config.map(|config| config.digest) })
    }

    /// The bytes of the manifest with this digest, and the right to put them under other tags.
    pub(super) async fn manifest_bytes(&self, digest: &str) -> Option<ManifestBytes> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Manifest {
            media_type: String,
        }
        let repository = self.repository().await?;
        let answer = async {
            // One token for all tags.
            repository.authorize(Scope::Push).await?;
            repository.manifest(digest).await
        };
        let bytes = self.known(timeout(QUESTION, answer).await.ok()?)?.bytes;
        let Manifest { media_type } = serde_json::from_slice(&bytes).ok()?;
        Some(ManifestBytes { bytes, media_type: HeaderValue::from_str(&media_type).ok()? })
    }

    /// Puts a manifest of this repository under another tag; `None` when that did not go well.
    pub(super) async fn tag(&self, manifest: &ManifestBytes, reference: &ImageRef) -> Option<()> {
        let repository = self.repository().await?;
        let put = repository.put(tag_of(reference), &manifest.media_type, &manifest.bytes);
        self.known(timeout(QUESTION, put).await.ok()?)
    }

    /// Tags of the repository, at most some dozens.
    pub(super) async fn tags(&self) -> Option<Vec<String>> {
        let repository = self.repository().await?;
        self.known(timeout(QUESTION, repository.tags(50)).await.ok()?)
    }

    /// The repository, once the registry lets this login in.
    async fn repository(&self) -> Option<&Repository> {
        let open = || async {
            let repository = self.known(self.open().await)?;
            self.known(repository.authorize(Scope::Pull).await)?;
            Some(repository)
        };
        self.opened.get_or_init(open).await.as_ref()
    }

    /// HTTPS first, as the daemon does; plain HTTP only where the daemon allows it too.
    async fn open(&self) -> Result<Repository, RequestError> {
        let open = async |protocol| {
            let http = self.network.registry_client().map_err(|_| RequestError::Unknown)?;
            Repository::open(http, protocol, &self.host, self.path.clone(), self.login.clone()).await
        };
        match open(Protocol::Https).await {
            Err(RequestError::NotConnected) if self.may_be_plain().await => open(Protocol::Http).await,
            opened => opened,
        }
    }

    async fn login_answer(&self, reference: &ImageRef) -> LoginAnswer {
        let answer = async {
            let repository = self.open().await?;
            // The service of tokens has said it.
            if repository.authorize(Scope::Pull).await? {
                Ok(())
            } else {
                repository.digest(tag_of(reference)).await.map(drop)
            }
        };
        match answer.await {
            Ok(()) | Err(RequestError::Missing) => LoginAnswer::Taken,
            Err(RequestError::Refused) => LoginAnswer::Refused,
            Err(RequestError::NotConnected | RequestError::Endless | RequestError::Unknown) => LoginAnswer::Unknown,
        }
    }

    async fn may_be_plain(&self) -> bool {
        is_loopback(self.host.as_str()) || self.is_insecure_for_daemon().await
    }

    async fn is_insecure_for_daemon(&self) -> bool {
        self.engine.is_insecure_registry(self.host.as_str()).await.unwrap_or(false)
    }
}

fn tag_of(reference: &ImageRef) -> &str {
    reference.tag.as_deref().unwrap_or("latest")
}
