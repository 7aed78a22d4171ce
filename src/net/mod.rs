//! What every HTTP client of this program trusts and through which proxy it goes.
//!
//! In: environment and `--ca-bundle`. Out: certificate authorities, proxies and one ready HTTP client. Never talks to anybody itself.

mod authorities;
mod body;
mod error;
mod proxy;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use rustls_pki_types::CertificateDer;

pub use authorities::read_authorities;
pub use body::{BodyError, ReadBody, read_body};
pub use error::NetworkError;
pub use proxy::{Proxies, ProxyUrl};

use crate::diagnostic::error_chain;
use crate::host::Environment;
use crate::origin::Origin;

/// Until a connection stands, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For an answer to a short question, from the first byte sent to the last one received.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const REDIRECTS: usize = 5;
/// Hosts that no daemon reaches through a proxy: they are its own machine.
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

/// Chooses ring for all TLS connections of the process. To be called before the first client is made.
pub fn install_provider() {
    // Fails when a provider is installed already, and then it is this one.
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

    /// The proxies that the environment names.
    pub fn proxies(&self) -> Result<&Proxies, NetworkError> {
        get_or_try_init(&self.proxies, || Proxies::read(&self.environment))
    }

    /// The system's authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` replace them), Mozilla's where there are none, and those of
    /// `--ca-bundle`.
    pub fn authorities(&self) -> Result<&[CertificateDer<'static>], NetworkError> {
        get_or_try_init(&self.authorities, || {
            let mut found = authorities::trusted(&self.environment)?;
            if let Some(bundle) = &self.ca_bundle {
                found.extend(read_authorities(bundle, &Origin::Flag("--ca-bundle".to_owned()))?);
            }
            Ok(found)
        })
        .map(Vec::as_slice)
    }

    /// [`Self::authorities`] and those of `AWS_CA_BUNDLE`, which the AWS SDK itself does not read.
    pub fn aws_authorities(&self) -> Result<&[CertificateDer<'static>], NetworkError> {
        let Some(bundle) = self.environment.get("AWS_CA_BUNDLE") else { return self.authorities() };
        get_or_try_init(&self.aws_authorities, || {
            let mut found = self.authorities()?.to_vec();
            found.extend(read_authorities(Path::new(bundle), &Origin::Variable("AWS_CA_BUNDLE".to_owned()))?);
            Ok(found)
        })
        .map(Vec::as_slice)
    }

    /// The HTTP client of this run, bounded by [`CONNECT_TIMEOUT`] and [`REQUEST_TIMEOUT`]; cloning shares its connections. It stays at the
    /// host that was asked: only `Authorization` and cookies are taken out of a request that is redirected elsewhere, no other token.
    pub fn client(&self) -> Result<reqwest::Client, NetworkError> {
        let same_host = |attempt: Attempt<'_>| {
            let first = attempt.previous().first();
            let same = first.is_some_and(|first| first.origin() == attempt.url().origin());
            if same && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
        };
        let make = || self.new_client(Policy::custom(same_host), None);
        get_or_try_init(&self.client, make).cloned()
    }

    /// The same for questions to registries, which send clients on to other hosts, and which the daemon of this machine reaches without
    /// a proxy on loopback.
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
            // The environment is read by `Proxies`.
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

/// Whether `HOST[:PORT]` can only be this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What this module needs of the environment, so that the rest is not kept twice.
fn network_variables(environment: &Environment) -> Environment {
    let wanted = |name: &str| {
        name.to_ascii_lowercase().ends_with("_proxy")
            || matches!(name, "SSL_CERT_FILE" | "SSL_CERT_DIR" | "AWS_CA_BUNDLE" | "REQUEST_METHOD")
    };
    Environment::from_pairs(environment.iter().filter(|(name, value)| wanted(name) && !value.is_empty()))
}

fn get_or_try_init<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T, NetworkError>) -> Result<&T, NetworkError> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}

#[cfg(test)]
mod tests;
