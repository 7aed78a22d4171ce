//! Requests to a registry (OCI distribution specification 1.1, and distribution's token authentication) with everything limited: how long
//! an answer may take, how long it may be, and where credentials go.
//!
//! Never retries: what is learnt here makes a push more telling, and the daemon does it with its own requests.

use std::fmt;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use crate::net::{BodyError, is_loopback, read_body};
use crate::registry::{Login, RegistryHost};
use crate::secret::Secret;

/// What the specification lets a manifest have at least; other answers are far shorter.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
const MANIFEST_TYPES: &str = "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.index.v1+json";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Https,
    Http,
}

/// What a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Pull,
    Push,
}

/// Why a request did not end well.
#[derive(Debug)]
pub(super) enum RequestError {
    /// No connection with this protocol.
    NotConnected,
    /// The registry or its token service refuses the login.
    Refused,
    Missing,
    /// The answer has no end.
    Endless,
    /// Everything else: it does not say what was asked.
    Unknown,
}

impl From<reqwest::Error> for RequestError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_connect() { Self::NotConnected } else { Self::Unknown }
    }
}

/// One repository at a registry that answered.
pub(super) struct Repository {
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

/// How the registry wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Challenge {
    /// For everybody.
    None,
    Basic,
    /// A token of another service.
    Token {
        realm: Url,
        service: Option<String>,
    },
}

/// The header of a request; absent for everybody.
#[derive(Clone)]
struct Authorization(Option<HeaderValue>);

impl Authorization {
    fn of(scheme: &str, value: &Secret) -> Option<Self> {
        let mut header = HeaderValue::from_str(&format!("{scheme} {}", value.expose())).ok()?;
        header.set_sensitive(true);
        Some(Self(Some(header)))
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("base", &self.base.as_str())
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A manifest, and its digest as it was computed here.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: String,
}

impl Repository {
    /// Asks how the registry wants to be asked.
    pub(super) async fn open(
        http: reqwest::Client,
        protocol: Protocol,
        host: &RegistryHost,
        path: String,
        login: Login,
    ) -> Result<Self, RequestError> {
        let scheme = if protocol == Protocol::Https { "https" } else { "http" };
        let base = format!("{scheme}://{}/v2/", host.api_host());
        let base = Url::parse(&base).map_err(|_| RequestError::Unknown)?;
        let response = http.get(base.clone()).send().await?;
        let challenge = Challenge::of(response.headers(), protocol);
        // What it says does not matter, but whether it ends does: the daemon reads it, too, and without a limit.
        read(response).await?;
        Ok(Self { http, base, path, login, challenge, pull: OnceCell::new(), push: OnceCell::new() })
    }

    /// Gets the right to `scope`. True when a token service gave it for a login.
    pub(super) async fn authorize(&self, scope: Scope) -> Result<bool, RequestError> {
        self.authorization(scope).await?;
        Ok(matches!(self.challenge, Challenge::Token { .. }) && matches!(self.login, Login::Basic { .. }))
    }

    /// The digest of a tag.
    pub(super) async fn digest(&self, tag: &str) -> Result<String, RequestError> {
        let response = self.send(Method::HEAD, &format!("manifests/{tag}"), Scope::Pull, None).await?;
        match response.headers().get("docker-content-digest").and_then(|digest| digest.to_str().ok()) {
            Some(digest) => Ok(digest.to_owned()),
            None => Ok(self.manifest(tag).await?.digest),
        }
    }

    /// The manifest behind a tag or a digest.
    pub(super) async fn manifest(&self, reference: &str) -> Result<Manifest, RequestError> {
        let response = self.send(Method::GET, &format!("manifests/{reference}"), Scope::Pull, None).await?;
        let said = response.headers().get("docker-content-digest").cloned();
        let bytes = read(response).await?;
        let digest = Sha256::digest(&bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        let wanted = Some(reference).filter(|reference| reference.contains(':'));
        let differs = |other: &str| other.starts_with("sha256:") && other != digest;
        if wanted.is_some_and(differs) || said.is_some_and(|said| said.to_str().is_ok_and(differs)) {
            return Err(RequestError::Unknown);
        }
        Ok(Manifest { bytes, digest })
    }

    /// Puts a manifest under a tag.
    pub(super) async fn put(&self, tag: &str, media_type: &HeaderValue, bytes: &[u8]) -> Result<(), RequestError> {
        let body = Some((media_type, bytes));
        let response = self.send(Method::PUT, &format!("manifests/{tag}"), Scope::Push, body).await?;
        read(response).await.map(drop)
    }

    /// Tags, at most `count` of them.
    pub(super) async fn tags(&self, count: usize) -> Result<Vec<String>, RequestError> {
        #[derive(Deserialize)]
        struct Tags {
            tags: Option<Vec<String>>,
        }
        let response = self.send(Method::GET, &format!("tags/list?n={count}"), Scope::Pull, None).await?;
        let tags: Tags = serde_json::from_slice(&read(response).await?).map_err(|_| RequestError::Unknown)?;
        Ok(tags.tags.unwrap_or_default())
    }

    /// A success; its body is not read yet.
    async fn send(
        &self,
        method: Method,
        rest: &str,
        scope: Scope,
        body: Option<(&HeaderValue, &[u8])>,
    ) -> Result<Response, RequestError> {
        let url = self.base.join(&format!("{}/{rest}", self.path)).map_err(|_| RequestError::Unknown)?;
        let mut request = self.http.request(method, url).header(ACCEPT, MANIFEST_TYPES);
        if let Authorization(Some(header)) = self.authorization(scope).await? {
            request = request.header(AUTHORIZATION, header);
        }
        if let Some((media_type, bytes)) = body {
            request = request.header(CONTENT_TYPE, media_type).body(bytes.to_vec());
        }
        succeeded(request.send().await?).await
    }

    async fn authorization(&self, scope: Scope) -> Result<Authorization, RequestError> {
        let cell = if scope == Scope::Pull { &self.pull } else { &self.push };
        cell.get_or_try_init(|| self.new_authorization(scope)).await.cloned()
    }

    async fn new_authorization(&self, scope: Scope) -> Result<Authorization, RequestError> {
        let unusable = RequestError::Unknown;
        match (&self.challenge, &self.login) {
            (_, Login::RegistryToken(token)) => Authorization::of("Bearer", token).ok_or(unusable),
            (_, Login::IdentityToken(_)) => Err(unusable),
            (Challenge::Token { realm, service }, login) => {
                let token = self.token(realm, service.as_deref(), login, scope).await?;
                Authorization::of("Bearer", &token).ok_or(unusable)
            }
            (Challenge::Basic, Login::Basic { username, password }) => basic(username, password).ok_or(unusable),
            (Challenge::None, _) | (Challenge::Basic, Login::Anonymous) => Ok(Authorization(None)),
        }
    }

    /// Distribution, "Token Authentication Specification".
    async fn token(
        &self,
        realm: &Url,
        service: Option<&str>,
        login: &Login,
        scope: Scope,
    ) -> Result<Secret, RequestError> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let actions = if scope == Scope::Pull { "pull" } else { "pull,push" };
        let mut url = realm.clone();
        url.query_pairs_mut().append_pair("scope", &format!("repository:{}:{actions}", self.path));
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", service);
        }
        let mut request = self.http.get(url);
        if let Login::Basic { username, password } = login {
            let Some(Authorization(Some(header))) = basic(username, password) else {
                return Err(RequestError::Unknown);
            };
            request = request.header(AUTHORIZATION, header);
        }
        let body = read(succeeded(request.send().await?).await?).await?;
        let token: Token = serde_json::from_slice(&body).map_err(|_| RequestError::Unknown)?;
        let token = token.token.or(token.access_token).filter(|token| !token.is_empty());
        token.map(Secret::new).ok_or(RequestError::Unknown)
    }
}

fn basic(username: &str, password: &Secret) -> Option<Authorization> {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{}", password.expose()));
    Authorization::of("Basic", &Secret::new(pair))
}

/// Every other status is an error, also of what its body says.
async fn succeeded(response: Response) -> Result<Response, RequestError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    read(response).await?;
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RequestError::Refused,
        StatusCode::NOT_FOUND => RequestError::Missing,
        _ => RequestError::Unknown,
    })
}

async fn read(response: Response) -> Result<Vec<u8>, RequestError> {
    match read_body(reqwest::Body::from(response), MAX_ANSWER).await {
        Ok(read) => Ok(read.bytes),
        Err(BodyError::TooLong { .. }) => Err(RequestError::Endless),
        Err(BodyError::Broken(error)) => Err(error.into()),
    }
}

impl Challenge {
    /// The first token service that is named, else whether a password is wanted. A registry that speaks HTTPS sends no password to a
    /// service that does not.
    fn of(headers: &HeaderMap, protocol: Protocol) -> Self {
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let mut found = Self::None;
        for challenge in challenges {
            let (scheme, parameters) = challenge.trim().split_once(' ').unwrap_or((challenge.trim(), ""));
            if scheme.eq_ignore_ascii_case("basic") {
                found = Self::Basic;
            }
            if !scheme.eq_ignore_ascii_case("bearer") {
                continue;
            }
            let realm = parameter(parameters, "realm").and_then(|realm| Url::parse(&realm).ok());
            let is_safe = |realm: &Url| match realm.scheme() {
                "https" => true,
                "http" => protocol == Protocol::Http || realm.host_str().is_some_and(is_loopback),
                _ => false,
            };
            if let Some(realm) = realm.filter(is_safe) {
                return Self::Token { realm, service: parameter(parameters, "service") };
            }
        }
        found
    }
}

/// A parameter of a challenge (RFC 9110, section 11.2): a token, or text in quotes.
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

/// The text before the closing quote, and what follows.
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

    fn challenge(values: &[&str], protocol: Protocol) -> Challenge {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        Challenge::of(&headers, protocol)
    }

    fn token(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Token { realm: Url::parse(realm).unwrap(), service: service.map(str::to_owned) }
    }

    #[test]
    fn challenges_of_registries() {
        let docker = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io""#;
        let expected = token("https://auth.docker.io/token", Some("registry.docker.io"));
        assert_eq!(challenge(&[docker], Protocol::Https), expected);
        let gitlab = r#"bearer service=container_registry, realm="https://gitlab.example/jwt/auth",scope="a:b:c,d""#;
        let expected = token("https://gitlab.example/jwt/auth", Some("container_registry"));
        assert_eq!(challenge(&[r#"Basic realm="x""#, gitlab], Protocol::Https), expected);
        assert_eq!(
            challenge(&[r#"Basic realm="https://ecr.example/",service="ecr""#], Protocol::Https),
            Challenge::Basic
        );
        assert_eq!(challenge(&[], Protocol::Https), Challenge::None);
        for odd in ["Bearer", "Bearer realm=", "Bearer realm=\"x", "Bearer realm=\"file:///etc/passwd\"", "=", ""] {
            assert_eq!(challenge(&[odd], Protocol::Https), Challenge::None, "{odd}");
        }
    }

    #[test]
    fn a_password_does_not_leave_https() {
        let plain = r#"Bearer realm="http://auth.example/token""#;
        assert_eq!(challenge(&[plain], Protocol::Https), Challenge::None);
        assert_eq!(challenge(&[plain], Protocol::Http), token("http://auth.example/token", None));
    }
}
