//! Trusted certificate authorities, proxies and HTTP clients, shared by everything that speaks HTTP.
//!
//! In: environment and `--ca-bundle`. Out: certificate authorities, proxies and configured HTTP clients. Sends no request itself.

mod proxy;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::Body;
use reqwest::redirect::{Attempt, Policy};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

pub use proxy::{Proxies, ProxyUrl};

use crate::diagnostic::{Location, diagnostics, error_chain, printable, printable_path, size_text};
use crate::host::{Environment, FILE_LIMIT, read_named};
use crate::origin::Origin;

/// Limit for opening a connection, including TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Limit for a short request, from the first byte sent to the last byte received.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const REDIRECTS: usize = 5;
/// Hosts that are never reached through a proxy.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// Trust and proxies of this run. Certificates are read when the first client needs them: that costs tens of milliseconds.
/// Its Debug shows nothing: proxies have passwords.
pub struct Network {
    environment: Environment,
    /// `--ca-bundle`.
    ca_bundle: Option<PathBuf>,
    proxies: OnceLock<Proxies>,
    authorities: OnceLock<Vec<CertificateDer<'static>>>,
    aws_authorities: OnceLock<Vec<CertificateDer<'static>>>,
    client: OnceLock<reqwest::Client>,
    registry_client: OnceLock<reqwest::Client>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

/// Selects ring for all TLS connections of the process. Call this before the first client is created.
pub fn install_provider() {
    // Fails if a provider is installed already, which is then this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl Network {
    pub fn new(environment: &Environment, ca_bundle: Option<&Path>) -> Self {
        Self {
            environment: network_variables(environment),
            ca_bundle: ca_bundle.map(Path::to_path_buf),
            proxies: OnceLock::new(),
            authorities: OnceLock::new(),
            aws_authorities: OnceLock::new(),
            client: OnceLock::new(),
            registry_client: OnceLock::new(),
        }
    }

    /// The proxies set in the environment.
    pub fn proxies(&self) -> Result<&Proxies, NetworkError> {
        get_or_try_init(&self.proxies, || Proxies::read(&self.environment))
    }

    /// The system's authorities (replaced by `SSL_CERT_FILE` and `SSL_CERT_DIR`), Mozilla's if the system has none, plus those in
    /// `--ca-bundle`.
    pub fn authorities(&self) -> Result<&[CertificateDer<'static>], NetworkError> {
        get_or_try_init(&self.authorities, || {
            let mut found = trusted_authorities(&self.environment)?;
            if let Some(bundle) = &self.ca_bundle {
                found.extend(read_authorities(bundle, &Origin::Flag("--ca-bundle".to_owned()))?);
            }
            Ok(found)
        })
        .map(Vec::as_slice)
    }

    /// [`Self::authorities`] plus those in `AWS_CA_BUNDLE`, which the AWS SDK itself does not read.
    pub fn aws_authorities(&self) -> Result<&[CertificateDer<'static>], NetworkError> {
        let Some(bundle) = self.environment.get("AWS_CA_BUNDLE") else { return self.authorities() };
        get_or_try_init(&self.aws_authorities, || {
            let mut found = self.authorities()?.to_vec();
            found.extend(read_authorities(Path::new(bundle), &Origin::Variable("AWS_CA_BUNDLE".to_owned()))?);
            Ok(found)
        })
        .map(Vec::as_slice)
    }

    /// The HTTP client of this run, bounded by [`CONNECT_TIMEOUT`] and [`REQUEST_TIMEOUT`]; clones share its connections. It follows
    /// redirects only within the same origin: on other redirects, reqwest removes `Authorization` and cookies but no other token.
    pub fn client(&self) -> Result<reqwest::Client, NetworkError> {
        let same_host = |attempt: Attempt<'_>| {
            let first = attempt.previous().first();
            let same = first.is_some_and(|first| first.origin() == attempt.url().origin());
            if same && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
        };
        let make = || self.new_client(Policy::custom(same_host), None);
        get_or_try_init(&self.client, make).cloned()
    }

    /// The same for registries, which redirect clients to other hosts. Loopback is reached without a proxy, as a local daemon does.
    pub fn registry_client(&self) -> Result<reqwest::Client, NetworkError> {
        let make = || self.new_client(Policy::limited(REDIRECTS), Some(LOOPBACK));
        get_or_try_init(&self.registry_client, make).cloned()
    }

    fn new_client(&self, redirects: Policy, direct: Option<&str>) -> Result<reqwest::Client, NetworkError> {
        install_provider();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("nextdeploy/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(redirects)
            // `Proxies` reads the environment.
            .no_proxy();
        let certificates: Result<Vec<_>, _> =
            self.authorities()?.iter().map(|authority| reqwest::Certificate::from_der(authority)).collect();
        let failed = |error: reqwest::Error| NetworkError::Client { reason: error_chain(&error) };
        builder = builder.tls_certs_only(certificates.map_err(failed)?);
        for proxy in self.proxies()?.for_reqwest(direct)? {
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(failed)
    }
}

/// True if `HOST[:PORT]` is `localhost`, in 127.0.0.0/8 or `[::1]`.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The variables that this module reads.
fn network_variables(environment: &Environment) -> Environment {
    let is_used = |name: &str| {
        name.to_ascii_lowercase().ends_with("_proxy")
            || matches!(name, "SSL_CERT_FILE" | "SSL_CERT_DIR" | "AWS_CA_BUNDLE" | "REQUEST_METHOD")
    };
    Environment::from_pairs(environment.iter().filter(|(name, value)| is_used(name) && !value.is_empty()))
}

fn get_or_try_init<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T, NetworkError>) -> Result<&T, NetworkError> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}

/// Reads a PEM file with at least one certificate; each must be usable as an authority.
pub fn read_authorities(file: &Path, origin: &Origin) -> Result<Vec<CertificateDer<'static>>, NetworkError> {
    let unusable = |reason: String| NetworkError::Authorities { file: file.into(), origin: origin.clone(), reason };
    let bytes = read_named(file, FILE_LIMIT).map_err(|error| unusable(error.to_string()))?;
    let found: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(pem_reason(&error)))?;
    if found.is_empty() {
        return Err(unusable("no certificate found".to_owned()));
    }
    let mut store = RootCertStore::empty();
    for (index, certificate) in found.iter().enumerate() {
        store
            .add(certificate.clone())
            .map_err(|error| unusable(format!("certificate {} of {}: {error}", index + 1, found.len())))?;
    }
    Ok(found)
}

fn pem_reason(error: &rustls_pki_types::pem::Error) -> String {
    match error {
        rustls_pki_types::pem::Error::Io(error) => error.to_string(),
        rustls_pki_types::pem::Error::NoItemsFound => "no certificate found".to_owned(),
        _ => "not a valid PEM file".to_owned(),
    }
}

/// The system's authorities, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`; Mozilla's if the system has none, as in an empty image.
fn trusted_authorities(environment: &Environment) -> Result<Vec<CertificateDer<'static>>, NetworkError> {
    let (file, folders) = (environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR"));
    if file.is_none() && folders.is_none() {
        let system = usable(rustls_native_certs::load_native_certs().certs);
        let bundled = || webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec();
        return Ok(if system.is_empty() { bundled() } else { system });
    }
    let mut found = Vec::new();
    if let Some(file) = file {
        found.extend(read_authorities(Path::new(file), &Origin::Variable("SSL_CERT_FILE".to_owned()))?);
    }
    for folder in folders.into_iter().flat_map(|list| list.split(':')).filter(|folder| !folder.is_empty()) {
        found.extend(usable(rustls_native_certs::load_certs_from_paths(None, Some(Path::new(folder))).certs));
    }
    if found.is_empty() {
        return Err(NetworkError::Authorities {
            file: folders.unwrap_or_default().into(),
            origin: Origin::Variable("SSL_CERT_DIR".to_owned()),
            reason: "no directory in it holds a certificate under its hashed name".to_owned(),
        });
    }
    Ok(found)
}

/// Drops certificates that the TLS library rejects: a single one in the system's store would make all others unusable.
fn usable(mut found: Vec<CertificateDer<'static>>) -> Vec<CertificateDer<'static>> {
    found.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    found
}

/// A body that was read completely.
#[derive(Debug, Default)]
pub struct ReadBody {
    pub bytes: Vec<u8>,
    pub trailers: HeaderMap,
}

/// Why a body was not read to the end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError<E> {
    #[error("the response is longer than {}", size_text(*.limit as u64))]
    TooLong { limit: usize },
    #[error(transparent)]
    Broken(E),
}

/// Reads at most `limit` bytes of `body`, whatever the HTTP library. The caller sets time limits.
pub async fn read_body<B>(body: B, limit: usize) -> Result<ReadBody, BodyError<B::Error>>
where
    B: Body<Data = Bytes>,
{
    let mut body = std::pin::pin!(body);
    let mut read = ReadBody::default();
    while let Some(frame) = body.frame().await {
        match frame.map_err(BodyError::Broken)?.into_data() {
            Ok(data) if data.len() > limit - read.bytes.len() => return Err(BodyError::TooLong { limit }),
            Ok(data) => read.bytes.extend_from_slice(&data),
            Err(frame) => read.trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok(read)
}

diagnostics! {
    /// A certificate file or proxy setting that prevents HTTP clients.
    #[exit(Usage)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum NetworkError {
        #[error("cannot use the certificate authorities in `{}` ({origin}): {}", printable_path(file), printable(reason))]
        #[code("network/ca-bundle")]
        #[hint("use a readable PEM file with the certificates of your authorities (`-----BEGIN CERTIFICATE-----`)")]
        #[location(Some(Location::file(file.clone())))]
        Authorities { file: PathBuf, origin: Origin, reason: String },

        /// Does not hold the value, which may contain a password.
        #[error("invalid proxy in `{variable}`: {reason}")]
        #[code("network/proxy")]
        #[hint("set `{variable}` to `http://host:port`, or unset it")]
        Proxy { variable: &'static str, reason: String },

        #[error("cannot create an HTTP client: {reason}")]
        #[code("network/client")]
        #[hint("check `--ca-bundle`, `SSL_CERT_FILE` and the proxy variables")]
        Client { reason: String },
    }
}

#[cfg(test)]
mod tests;
