//! Configuration of the AWS SDK's clients, and their errors.
//!
//! In: network, region, environment. Out: [`SdkConfig`], whose credentials come from the SDK's own chain, and [`AwsError`]. The HTTP client
//! has this program's trust and proxies: the SDK's own supports neither `AWS_CA_BUNDLE` nor proxies. Sends no request itself, except
//! for the caller's identity after a denial.

mod error;

use std::time::Duration;

use aws_config::meta::region::ProvideRegion as _;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;

pub use error::{AwsDenial, AwsError};

use crate::host::Environment;
use crate::net::{Network, NetworkError};

/// An unreachable endpoint costs three attempts of this length.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(25);
const ATTEMPTS: u32 = 3;
/// Lists of hundreds of keys or policies are far shorter.
const MAX_RESPONSE: usize = 8 * 1024 * 1024;

/// The configuration of all clients for one region. `None` takes the region of the environment or the profile; the instance metadata
/// service is not queried for it, because that takes seconds where there is none.
pub async fn sdk_config(
    network: &Network,
    region: Option<&str>,
    environment: &Environment,
) -> Result<SdkConfig, AwsError> {
    let region = match region {
        Some(region) => Region::new(region.to_owned()),
        None => region_of(environment).await?,
    };
    Ok(loader(network, region)?.load().await)
}

fn loader(network: &Network, region: Region) -> Result<ConfigLoader, AwsError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    Ok(aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(network)?)
        .region(region)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS)))
}

async fn region_of(environment: &Environment) -> Result<Region, AwsError> {
    let variable = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(|name| environment.get(name));
    if let Some(region) = variable.filter(|region| !region.is_empty()) {
        return Ok(Region::new(region.to_owned()));
    }
    let profile = aws_config::profile::region::ProfileFileRegionProvider::new();
    profile.region().await.ok_or(AwsError::NoRegion)
}

/// The ARN of the identity that the credentials belong to, for messages; `None` if it is not known quickly.
pub async fn caller_identity(config: &SdkConfig) -> Option<String> {
    let client = aws_sdk_sts::Client::new(config);
    let output = tokio::time::timeout(CONNECT_TIMEOUT, client.get_caller_identity().send()).await;
    output.ok()?.ok()?.arn().map(str::to_owned)
}

fn http_client(network: &Network) -> Result<SharedHttpClient, AwsError> {
    let trust = network
        .aws_authorities()?
        .iter()
        .fold(TrustStore::empty(), |trust, authority| trust.with_pem_certificate(pem(authority)));
    let context = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|error| NetworkError::Client { reason: error.to_string() })?;
    let proxy = proxy(network)?;
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector =
            Connector::builder().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).tls_context(context.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_proxy_config(proxy.clone());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    });
    Ok(http_client_fn(move |settings, components| {
        SharedHttpConnector::new(LimitedConnector(client.http_connector(settings, components)))
    }))
}

/// The SDK reads bodies without a limit; this one fails at [`MAX_RESPONSE`].
#[derive(Debug)]
struct LimitedConnector(SharedHttpConnector);

impl HttpConnector for LimitedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let response = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let limited = |body| SdkBody::from_body_1_x(http_body_util::Limited::new(body, MAX_RESPONSE));
            Ok(response.await?.map(limited))
        })
    }
}

/// For `https://` only: plain addresses are those of instance metadata and of emulators, which a proxy does not reach.
fn proxy(network: &Network) -> Result<Option<ProxyConfig>, AwsError> {
    let proxies = network.proxies()?;
    let Some(proxy) = &proxies.https else { return Ok(None) };
    // The library's error shows the URL with its password.
    let config = ProxyConfig::https(proxy.expose())
        .map_err(|_| NetworkError::Proxy { variable: proxy.variable, reason: "not a URL".to_owned() })?;
    Ok(Some(match &proxies.no_proxy {
        Some(hosts) => config.no_proxy(hosts),
        None => config,
    }))
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
pub(super) mod tests;
