//! The HTTP client of the AWS SDK, with this program's trust and proxies: the SDK's own honours neither `AWS_CA_BUNDLE` nor proxies.

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

use super::AwsError;
use crate::net::{Network, NetworkError};

/// Lists of hundreds of keys or policies are far shorter.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

pub(super) fn http_client(network: &Network) -> Result<SharedHttpClient, AwsError> {
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
        SharedHttpConnector::new(Limited(client.http_connector(settings, components)))
    }))
}

/// The SDK reads every body to its end; here it ends with an error at [`MAX_ANSWER`].
#[derive(Debug)]
struct Limited(SharedHttpConnector);

impl HttpConnector for Limited {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let limited = |body| SdkBody::from_body_1_x(http_body_util::Limited::new(body, MAX_ANSWER));
            Ok(answer.await?.map(limited))
        })
    }
}

/// For `https://` only: plain addresses are those of an instance's own services and of emulators, which no proxy reaches.
fn proxy(network: &Network) -> Result<Option<ProxyConfig>, AwsError> {
    let proxies = network.proxies()?;
    let Some(proxy) = &proxies.https else { return Ok(None) };
    // The error of the library shows the URL, and with it the password.
    let config = ProxyConfig::https(proxy.expose())
        .map_err(|_| NetworkError::Proxy { variable: proxy.variable, reason: "it is no URL".to_owned() })?;
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
