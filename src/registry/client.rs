//! Client for the registry API (OCI distribution specification 1.1, and distribution's token authentication). Needs no daemon.
//!
//! Everything is bounded: how long a response may take, how long it may be, and which hosts receive credentials. Never retries.

use std::fmt;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::{Access, Login};
use crate::image_ref::ImageRef;
use crate::net::{BodyError, Network, is_loopback, read_body};
use crate::secret::Secret;

/// The size of a manifest that registries must support at least; other responses are far shorter.
const MAX_RESPONSE: usize = 4 * 1024 * 1024;
const MANIFEST_TYPES: &str = "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.index.v1+json";

/// Whether a registry that does not answer over HTTPS is tried over plain HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlainHttp {
    OnLoopback,
    Allowed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RegistryScheme {
    Https,
    Http,
}

/// Why a request failed.
#[derive(Debug)]
pub(super) enum RegistryError {
    /// No connection over this scheme.
    NotConnected,
    /// The registry or its token service rejected the login.
    Unauthorized,
    NotFound,
    /// The response is longer than [`MAX_RESPONSE`].
    TooLong,
    /// Anything else; it says nothing about the repository.
    Other,
}

impl From<reqwest::Error> for RegistryError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_connect() { Self::NotConnected } else { Self::Other }
    }
}

/// Whether a registry accepts a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginStatus {
    Accepted,
    Rejected,
    /// The registry is unreachable from here, or gives no answer.
    Unknown,
}

/// One repository at a registry that answered.
pub(super) struct RegistryClient {
    http: reqwest::Client,
    /// `https://HOST/v2/`.
    base: Url,
    /// Path of the repository.
    path: String,
    login: Login,
    challenge: Challenge,
    pull: OnceCell<Authorization>,
    push: OnceCell<Authorization>,
}

/// The authentication that the registry requires.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Challenge {
    None,
    Basic,
    /// A token issued by another service.
    Token {
        realm: Url,
        service: Option<String>,
    },
}

/// The header of a request; `None` for anonymous access.
#[derive(Clone)]
struct Authorization(Option<HeaderValue>);

impl Authorization {
    fn new(scheme: &str, value: &Secret) -> Result<Self, RegistryError> {
        let mut header =
            HeaderValue::from_str(&format!("{scheme} {}", value.expose())).map_err(|_| RegistryError::Other)?;
        header.set_sensitive(true);
        Ok(Self(Some(header)))
    }

    fn basic(username: &str, password: &Secret) -> Result<Self, RegistryError> {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{}", password.expose()));
        Self::new("Basic", &Secret::new(pair))
    }
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryClient")
            .field("base", &self.base.as_str())
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A manifest or image index, with the digest computed from its bytes.
#[derive(Debug)]
pub(super) struct RegistryManifest {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: String,
}

impl RegistryClient {
    /// Connects to the registry of `reference`, over HTTPS first, and reads which authentication it requires.
    pub(super) async fn connect(
        network: &Network,
        reference: &ImageRef,
        login: &Login,
        plain_http: PlainHttp,
    ) -> Result<Self, RegistryError> {
        let is_allowed = || plain_http == PlainHttp::Allowed || is_loopback(reference.registry().as_str());
        match Self::open(network, reference, login, RegistryScheme::Https).await {
            Err(RegistryError::NotConnected) if is_allowed() => {
                Self::open(network, reference, login, RegistryScheme::Http).await
            }
            opened => opened,
        }
    }

    async fn open(
        network: &Network,
        reference: &ImageRef,
        login: &Login,
        scheme: RegistryScheme,
    ) -> Result<Self, RegistryError> {
        let http = network.registry_client().map_err(|_| RegistryError::Other)?;
        let prefix = if scheme == RegistryScheme::Https { "https" } else { "http" };
        let base = format!("{prefix}://{}/v2/", reference.registry().api_host());
        let base = Url::parse(&base).map_err(|_| RegistryError::Other)?;
        let response = http.get(base.clone()).send().await?;
        let challenge = Challenge::parse(response.headers(), scheme);
        // The content is not needed, but a daemon reads it too, and without a limit: an endless one has to be known.
        read(response).await?;
        let (path, login) = (reference.registry_path(), login.clone());
        Ok(Self { http, base, path, login, challenge, pull: OnceCell::new(), push: OnceCell::new() })
    }

    /// Gets the authorization for `access`.
    pub(super) async fn authorize(&self, access: Access) -> Result<(), RegistryError> {
        self.authorization(access).await.map(drop)
    }

    /// Whether the registry accepts the login; says nothing about the right to push. `reference` names any tag of the repository.
    pub(super) async fn login_status(&self, reference: &ImageRef) -> LoginStatus {
        let checks_login =
            matches!(self.challenge, Challenge::Token { .. }) && matches!(self.login, Login::Basic { .. });
        let result = match self.authorize(Access::Pull).await {
            Ok(()) if checks_login => Ok(()),
            Ok(()) => self.digest(reference.tag_or_latest()).await.map(drop),
            Err(error) => Err(error),
        };
        match result {
            Ok(()) | Err(RegistryError::NotFound) => LoginStatus::Accepted,
            Err(RegistryError::Unauthorized) => LoginStatus::Rejected,
            Err(RegistryError::NotConnected | RegistryError::TooLong | RegistryError::Other) => LoginStatus::Unknown,
        }
    }

    /// The digest of a tag (HEAD, or GET if the registry does not return the digest).
    pub(super) async fn digest(&self, tag: &str) -> Result<String, RegistryError> {
        let response = self.send(Method::HEAD, &format!("manifests/{tag}"), Access::Pull, None).await?;
        match response.headers().get("docker-content-digest").and_then(|digest| digest.to_str().ok()) {
            Some(digest) => Ok(digest.to_owned()),
            None => Ok(self.manifest(tag).await?.digest),
        }
    }

    /// The manifest of a tag or a digest.
    pub(super) async fn manifest(&self, reference: &str) -> Result<RegistryManifest, RegistryError> {
        let response = self.send(Method::GET, &format!("manifests/{reference}"), Access::Pull, None).await?;
        let announced = response.headers().get("docker-content-digest").cloned();
        let bytes = read(response).await?;
        let digest = Sha256::digest(&bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        let requested = Some(reference).filter(|reference| reference.contains(':'));
        let differs = |other: &str| other.starts_with("sha256:") && other != digest;
        if requested.is_some_and(differs) || announced.is_some_and(|digest| digest.to_str().is_ok_and(differs)) {
            return Err(RegistryError::Other);
        }
        Ok(RegistryManifest { bytes, digest })
    }

    /// Puts a manifest under a tag.
    pub(super) async fn put_manifest(
        &self,
        tag: &str,
        media_type: &HeaderValue,
        bytes: &[u8],
    ) -> Result<(), RegistryError> {
        let body = Some((media_type, bytes));
        let response = self.send(Method::PUT, &format!("manifests/{tag}"), Access::Push, body).await?;
        read(response).await.map(drop)
    }

    /// Tags of the repository, at most `count`.
    pub(super) async fn tags(&self, count: usize) -> Result<Vec<String>, RegistryError> {
        #[derive(Deserialize)]
        struct Tags {
            tags: Option<Vec<String>>,
        }
        let response = self.send(Method::GET, &format!("tags/list?n={count}"), Access::Pull, None).await?;
        let tags: Tags = serde_json::from_slice(&read(response).await?).map_err(|_| RegistryError::Other)?;
        Ok(tags.tags.unwrap_or_default())
    }

    /// A successful response, whose body is not read yet. `rest` follows the path of the repository.
    async fn send(
        &self,
        method: Method,
        rest: &str,
        access: Access,
        body: Option<(&HeaderValue, &[u8])>,
    ) -> Result<Response, RegistryError> {
        let url = self.base.join(&format!("{}/{rest}", self.path)).map_err(|_| RegistryError::Other)?;
        let mut request = self.http.request(method, url).header(ACCEPT, MANIFEST_TYPES);
        if let Authorization(Some(header)) = self.authorization(access).await? {
            request = request.header(AUTHORIZATION, header);
        }
        if let Some((media_type, bytes)) = body {
            request = request.header(CONTENT_TYPE, media_type).body(bytes.to_vec());
        }
        success(request.send().await?).await
    }

    async fn authorization(&self, access: Access) -> Result<Authorization, RegistryError> {
        let cell = if access == Access::Pull { &self.pull } else { &self.push };
        cell.get_or_try_init(|| self.new_authorization(access)).await.cloned()
    }

    async fn new_authorization(&self, access: Access) -> Result<Authorization, RegistryError> {
        match (&self.challenge, &self.login) {
            (_, Login::RegistryToken(token)) => Authorization::new("Bearer", token),
            (_, Login::IdentityToken(_)) => Err(RegistryError::Other),
            (Challenge::Token { realm, service }, login) => {
                Authorization::new("Bearer", &self.token(realm, service.as_deref(), login, access).await?)
            }
            (Challenge::Basic, Login::Basic { username, password }) => Authorization::basic(username, password),
            (Challenge::None, _) | (Challenge::Basic, Login::Anonymous) => Ok(Authorization(None)),
        }
    }

    /// Distribution, "Token Authentication Specification".
    async fn token(
        &self,
        realm: &Url,
        service: Option<&str>,
        login: &Login,
        access: Access,
    ) -> Result<Secret, RegistryError> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let actions = if access == Access::Pull { "pull" } else { "pull,push" };
        let mut url = realm.clone();
        url.query_pairs_mut().append_pair("scope", &format!("repository:{}:{actions}", self.path));
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", service);
        }
        let mut request = self.http.get(url);
        if let Login::Basic { username, password } = login
            && let Authorization(Some(header)) = Authorization::basic(username, password)?
        {
            request = request.header(AUTHORIZATION, header);
        }
        let body = read(success(request.send().await?).await?).await?;
        let token: Token = serde_json::from_slice(&body).map_err(|_| RegistryError::Other)?;
        let token = token.token.or(token.access_token).filter(|token| !token.is_empty());
        token.map(Secret::new).ok_or(RegistryError::Other)
    }
}

/// Every other status is an error. Its body is read too, because an endless one takes precedence.
async fn success(response: Response) -> Result<Response, RegistryError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    read(response).await?;
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RegistryError::Unauthorized,
        StatusCode::NOT_FOUND => RegistryError::NotFound,
        _ => RegistryError::Other,
    })
}

async fn read(response: Response) -> Result<Vec<u8>, RegistryError> {
    match read_body(reqwest::Body::from(response), MAX_RESPONSE).await {
        Ok(read) => Ok(read.bytes),
        Err(BodyError::TooLong { .. }) => Err(RegistryError::TooLong),
        Err(BodyError::Broken(error)) => Err(error.into()),
    }
}

impl Challenge {
    /// The first token service, else whether a password is required. A registry that uses HTTPS cannot make the client send the
    /// password to a service that does not.
    fn parse(headers: &HeaderMap, scheme: RegistryScheme) -> Self {
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let mut found = Self::None;
        for challenge in challenges {
            let (kind, parameters) = challenge.trim().split_once(' ').unwrap_or((challenge.trim(), ""));
            if kind.eq_ignore_ascii_case("basic") {
                found = Self::Basic;
            }
            if !kind.eq_ignore_ascii_case("bearer") {
                continue;
            }
            let realm = parameter(parameters, "realm").and_then(|realm| Url::parse(&realm).ok());
            let is_safe = |realm: &Url| match realm.scheme() {
                "https" => true,
                "http" => scheme == RegistryScheme::Http || realm.host_str().is_some_and(is_loopback),
                _ => false,
            };
            if let Some(realm) = realm.filter(is_safe) {
                return Self::Token { realm, service: parameter(parameters, "service") };
            }
        }
        found
    }
}

/// A parameter of a challenge (RFC 9110, section 11.2): a token or a quoted string.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        let (key, value) = rest.trim_start_matches([',', ' ', '\t']).split_once('=')?;
        let (found, after) = if let Some(quoted) = value.trim_start().strip_prefix('"') {
            quoted_text(quoted)?
        } else {
            let end = value.find(',').unwrap_or(value.len());
            (value[..end].trim().to_owned(), &value[end..])
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(found);
        }
        rest = after;
    }
}

/// The unescaped text before the closing quote, and the rest.
fn quoted_text(text: &str) -> Option<(String, &str)> {
    let mut found = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((found, &text[at + 1..])),
            '\\' => found.push(chars.next()?.1),
            c => found.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(values: &[&str], scheme: RegistryScheme) -> Challenge {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        Challenge::parse(&headers, scheme)
    }

    fn token(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Token { realm: Url::parse(realm).unwrap(), service: service.map(str::to_owned) }
    }

    #[test]
    fn challenges_are_parsed() {
        let docker = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io""#;
        let expected = token("https://auth.docker.io/token", Some("registry.docker.io"));
        assert_eq!(challenge(&[docker], RegistryScheme::Https), expected);
        let gitlab = r#"bearer service=container_registry, realm="https://gitlab.example/jwt/auth",scope="a:b:c,d""#;
        let expected = token("https://gitlab.example/jwt/auth", Some("container_registry"));
        assert_eq!(challenge(&[r#"Basic realm="x""#, gitlab], RegistryScheme::Https), expected);
        assert_eq!(
            challenge(&[r#"Basic realm="https://ecr.example/",service="ecr""#], RegistryScheme::Https),
            Challenge::Basic
        );
        assert_eq!(challenge(&[], RegistryScheme::Https), Challenge::None);
        for odd in ["Bearer", "Bearer realm=", "Bearer realm=\"x", "Bearer realm=\"file:///etc/passwd\"", "=", ""] {
            assert_eq!(challenge(&[odd], RegistryScheme::Https), Challenge::None, "{odd}");
        }
    }

    #[test]
    fn passwords_are_not_sent_to_plain_http_services_by_https_registries() {
        let plain = r#"Bearer realm="http://auth.example/token""#;
        assert_eq!(challenge(&[plain], RegistryScheme::Https), Challenge::None);
        assert_eq!(challenge(&[plain], RegistryScheme::Http), token("http://auth.example/token", None));
    }
}
