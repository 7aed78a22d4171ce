//! What a registry itself says about a repository: manifests by reference, and tags.
//!
//! Asked only for what the daemon does not tell. A registry that this process cannot reach, although the daemon can, is no error:
//! the answer is then unknown. Types of the registry client never leave this file. Writes nothing but tags on manifests that are there.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, RegistryOperation};
use reqwest::header::HeaderValue;
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::daemon::Engine;
use crate::network::{Network, ProxyUrl, install_provider};
use crate::oci::Reference;
use crate::registry::{Login, RegistryHost};

/// For the questions before a push, all together: they only make its result more telling.
const BEFORE_PUSH: Duration = Duration::from_secs(3);
const QUESTION: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(3);
const CONCURRENCY: usize = 8;
const MANIFEST_TYPES: &[&str] =
    &[IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE];

/// One repository, as somebody with this login sees it.
pub(super) struct RemoteRepository<'a> {
    engine: &'a Engine,
    network: &'a Network,
    host: RegistryHost,
    repository: oci_client::Reference,
    /// `None` for a login that the client cannot use.
    auth: Option<RegistryAuth>,
    client: OnceCell<Option<Client>>,
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
    bytes: bytes::Bytes,
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
pub async fn ask_about_login(engine: &Engine, network: &Network, reference: &Reference, login: &Login) -> LoginAnswer {
    let repository = RemoteRepository::new(engine, network, reference, login);
    timeout(QUESTION, repository.login_answer(reference)).await.unwrap_or(LoginAnswer::Unknown)
}

impl<'a> RemoteRepository<'a> {
    pub(super) fn new(engine: &'a Engine, network: &'a Network, reference: &Reference, login: &Login) -> Self {
        let host = RegistryHost::of(reference);
        let auth = match login {
            Login::Anonymous => Some(RegistryAuth::Anonymous),
            Login::Basic { username, password } => {
                Some(RegistryAuth::Basic(username.clone(), password.expose().clone()))
            }
            Login::RegistryToken(token) => Some(RegistryAuth::Bearer(token.expose().clone())),
            Login::IdentityToken(_) => None,
        };
        let is_official = host.as_str() == "docker.io" && !reference.path.contains('/');
        let path = if is_official { format!("library/{}", reference.path) } else { reference.path.clone() };
        let repository = oci_client::Reference::with_tag(host.as_str().to_owned(), path, "latest".to_owned());
        Self { engine, network, host, repository, auth, client: OnceCell::new() }
    }

    /// What these tags point at now, in their order.
    pub(super) async fn digests(&self, references: &[&Reference]) -> Vec<Lookup> {
        let questions =
            stream::iter(references).map(|reference| self.digest(reference)).buffered(CONCURRENCY).collect();
        timeout(BEFORE_PUSH, questions).await.unwrap_or_else(|_| vec![Lookup::Unknown; references.len()])
    }

    async fn digest(&self, reference: &Reference) -> Lookup {
        let Some((client, auth)) = self.client().await else { return Lookup::Unknown };
        match client.fetch_manifest_digest(&self.tagged(reference), auth).await {
            Ok(digest) => Lookup::Digest(digest),
            Err(error) if is_missing(&error) => Lookup::Missing,
            Err(_) => Lookup::Unknown,
        }
    }

    /// The manifest that `reference` points at, if the registry tells.
    pub(super) async fn manifest(&self, reference: &Reference) -> Option<RemoteManifest> {
        #[derive(Deserialize)]
        struct Manifest {
            config: Option<Descriptor>,
        }
        #[derive(Deserialize)]
        struct Descriptor {
            digest: String,
        }
        let (client, auth) = self.client().await?;
        let tagged = self.tagged(reference);
        let answer = timeout(QUESTION, client.pull_manifest_raw(&tagged, auth, MANIFEST_TYPES)).await;
        let (bytes, digest) = answer.ok()?.ok()?;
        let manifest: Manifest = serde_json::from_slice(&bytes).ok()?;
        Some(RemoteManifest { digest, size: bytes.len() as u64, config: manifest.config.map(|config| config.digest) })
    }

    /// The bytes of the manifest with this digest, and the right to put them under other tags.
    pub(super) async fn manifest_bytes(&self, digest: &str) -> Option<ManifestBytes> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Manifest {
            media_type: String,
        }
        let (client, auth) = self.client().await?;
        let (registry, repository) = (self.repository.registry().to_owned(), self.repository.repository().to_owned());
        let by_digest = oci_client::Reference::with_digest(registry, repository, digest.to_owned());
        let answer = async {
            // One token for all tags.
            client.auth(&self.repository, auth, RegistryOperation::Push).await?;
            client.pull_manifest_raw(&by_digest, auth, MANIFEST_TYPES).await
        };
        let (bytes, _) = timeout(QUESTION, answer).await.ok()?.ok()?;
        let Manifest { media_type } = serde_json::from_slice(&bytes).ok()?;
        Some(ManifestBytes { bytes, media_type: HeaderValue::from_str(&media_type).ok()? })
    }

    /// Puts a manifest of this repository under another tag; `None` when that did not go well.
    pub(super) async fn tag(&self, manifest: &ManifestBytes, reference: &Reference) -> Option<()> {
        let (client, _) = self.client().await?;
        let tagged = self.tagged(reference);
        let put = client.push_manifest_raw(&tagged, manifest.bytes.clone(), manifest.media_type.clone());
        timeout(QUESTION, put).await.ok()?.ok().map(drop)
    }

    /// Tags of the repository, at most some dozens.
    pub(super) async fn tags(&self) -> Option<Vec<String>> {
        let (client, auth) = self.client().await?;
        let answer = timeout(QUESTION, client.list_tags(&self.repository, auth, Some(50), None)).await;
        Some(answer.ok()?.ok()?.tags)
    }

    fn tagged(&self, reference: &Reference) -> oci_client::Reference {
        let (registry, repository) = (self.repository.registry().to_owned(), self.repository.repository().to_owned());
        let tag = reference.tag.clone().unwrap_or_else(|| "latest".to_owned());
        oci_client::Reference::with_tag(registry, repository, tag)
    }

    /// A client that is let in, with its login.
    async fn client(&self) -> Option<(&Client, &RegistryAuth)> {
        let auth = self.auth.as_ref()?;
        let client = self.client.get_or_init(|| self.connect(auth)).await;
        Some((client.as_ref()?, auth))
    }

    /// HTTPS first, as the daemon does; plain HTTP only where the daemon allows it too.
    async fn connect(&self, auth: &RegistryAuth) -> Option<Client> {
        let client = self.new_client(ClientProtocol::Https)?;
        match client.auth(&self.repository, auth, RegistryOperation::Pull).await {
            Ok(_) => return Some(client),
            Err(OciDistributionError::RequestError(error)) if error.is_connect() => {}
            Err(_) => return None,
        }
        if !self.may_be_plain().await {
            return None;
        }
        let client = self.new_client(ClientProtocol::Http)?;
        client.auth(&self.repository, auth, RegistryOperation::Pull).await.ok()?;
        Some(client)
    }

    async fn login_answer(&self, reference: &Reference) -> LoginAnswer {
        let Some(auth) = &self.auth else { return LoginAnswer::Unknown };
        for protocol in [ClientProtocol::Https, ClientProtocol::Http] {
            if matches!(protocol, ClientProtocol::Http) && !self.may_be_plain().await {
                break;
            }
            let Some(client) = self.new_client(protocol) else { break };
            let asked = match client.auth(&self.repository, auth, RegistryOperation::Pull).await {
                // The service of tokens has said it.
                Ok(Some(_)) if matches!(auth, RegistryAuth::Basic(..)) => return LoginAnswer::Taken,
                Ok(_) => client.fetch_manifest_digest(&self.tagged(reference), auth).await,
                Err(error) => Err(error),
            };
            return match asked {
                Ok(_) => LoginAnswer::Taken,
                Err(error) if is_missing(&error) => LoginAnswer::Taken,
                Err(OciDistributionError::RequestError(error)) if error.is_connect() => continue,
                Err(
                    OciDistributionError::AuthenticationFailure(_) | OciDistributionError::UnauthorizedError { .. },
                ) => LoginAnswer::Refused,
                Err(_) => LoginAnswer::Unknown,
            };
        }
        LoginAnswer::Unknown
    }

    async fn may_be_plain(&self) -> bool {
        is_loopback(self.host.as_str()) || self.is_insecure_for_daemon().await
    }

    async fn is_insecure_for_daemon(&self) -> bool {
        let info = self.engine.api_client().info().await.ok();
        let indexes = info.and_then(|info| info.registry_config).and_then(|config| config.index_configs);
        indexes.and_then(|indexes| indexes.get(self.host.as_str())?.secure) == Some(false)
    }

    fn new_client(&self, protocol: ClientProtocol) -> Option<Client> {
        install_provider();
        let proxies = self.network.proxies().ok()?;
        let url = |proxy: &Option<ProxyUrl>| proxy.as_ref().map(|proxy| proxy.expose().to_owned());
        // No daemon reaches the registry of its own machine through a proxy.
        let direct = proxies.no_proxy.iter().map(String::as_str).chain(["localhost", "127.0.0.0/8", "::1"]);
        let config = ClientConfig {
            protocol,
            connect_timeout: Some(CONNECT),
            read_timeout: Some(QUESTION),
            user_agent: concat!("nextdeploy/", env!("CARGO_PKG_VERSION")),
            tls_certs_only: self.network.authorities().ok()?.iter().map(certificate).collect(),
            http_proxy: url(&proxies.http),
            https_proxy: url(&proxies.https),
            no_proxy: Some(direct.collect::<Vec<_>>().join(",")),
            ..ClientConfig::default()
        };
        Client::try_from(config).ok()
    }
}

fn certificate(authority: &CertificateDer<'static>) -> Certificate {
    Certificate { encoding: CertificateEncoding::Der, data: authority.to_vec() }
}

/// `localhost` and 127.0.0.0/8, which daemons take to be insecure by default, and `[::1]`.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_missing(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::RegistryError { envelope, .. } => envelope.errors.iter().any(|error| {
            matches!(error.code, OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound)
        }),
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["ghcr.io", "10.0.0.1:5000", "localhost.example:5000", "127.0.0.1.example"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
