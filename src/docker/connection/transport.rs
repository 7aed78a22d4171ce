//! Connections to one endpoint: Unix sockets, TCP, TLS and SSH, with their time limits and errors.
//!
//! Certificates are always verified. Knows nothing of HTTP.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::endpoint::{Address, Endpoint, TlsFiles};
use super::error::DaemonError;
use super::ssh::{LOGIN_TIMEOUT, SshErrors, SshTransport};
use crate::diagnostic::printable_path;
use crate::host::Environment;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens connections to one endpoint.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    pub(super) endpoint: Arc<Endpoint>,
    tls: Option<Arc<ClientConfig>>,
    ssh: Option<Arc<SshTransport>>,
}

/// An open connection.
pub(super) struct Dialed {
    pub(super) stream: Box<dyn Duplex>,
    /// What ssh says about it.
    pub(super) ssh: Option<SshErrors>,
}

pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Dialer {
    pub(super) fn new(endpoint: Endpoint, environment: &Environment) -> Result<Self, DaemonError> {
        let tls = match &endpoint.address {
            Address::Tls { files, .. } => {
                Some(client_config(files, endpoint.ca_bundle.as_deref()).map_err(|reason| DaemonError::Tls {
                    endpoint: endpoint.to_string(),
                    origin: endpoint.origin.clone(),
                    reason,
                })?)
            }
            _ => None,
        };
        let ssh = match &endpoint.address {
            Address::Ssh(target) => Some(SshTransport::new(target, environment).map_err(|reason| {
                DaemonError::Ssh { endpoint: endpoint.to_string(), origin: endpoint.origin.clone(), reason }
            })?),
            _ => None,
        };
        Ok(Self { endpoint: Arc::new(endpoint), tls, ssh: ssh.map(Arc::new) })
    }

    pub(super) fn name(&self) -> String {
        self.endpoint.to_string()
    }

    /// For the first answer on a connection.
    pub(super) fn connect_timeout(&self) -> Duration {
        if self.ssh.is_some() { LOGIN_TIMEOUT + CONNECT_TIMEOUT } else { CONNECT_TIMEOUT }
    }

    pub(super) async fn dial(&self) -> Result<Dialed, DaemonError> {
        if let Some(ssh) = &self.ssh {
            let (stream, errors) = ssh.open().map_err(|error| self.ssh_error(error.to_string()))?;
            return Ok(Dialed { stream: Box::new(stream), ssh: Some(errors) });
        }
        match timeout(CONNECT_TIMEOUT, self.open()).await {
            Ok(result) => result.map(|stream| Dialed { stream, ssh: None }),
            Err(_) => Err(self.no_answer(CONNECT_TIMEOUT)),
        }
    }

    async fn open(&self) -> Result<Box<dyn Duplex>, DaemonError> {
        match &self.endpoint.address {
            Address::Unix(path) => {
                Ok(Box::new(UnixStream::connect(path).await.map_err(|error| self.connect_error(&error))?))
            }
            Address::Tcp { host, port } => Ok(Box::new(self.open_tcp(host, *port).await?)),
            Address::Tls { host, port, .. } => {
                let config = self.tls.clone().expect("a TLS address always has a TLS configuration");
                let name = ServerName::try_from(host.clone()).map_err(|error| self.tls_error(&error.to_string()))?;
                let tcp = self.open_tcp(host, *port).await?;
                let tls = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await;
                Ok(Box::new(tls.map_err(|error| self.tls_error(&tls_reason(&error)))?))
            }
            Address::Ssh(_) => Err(self.ssh_error("there is no login".to_owned())),
        }
    }

    async fn open_tcp(&self, host: &str, port: u16) -> Result<TcpStream, DaemonError> {
        let stream = TcpStream::connect((host, port)).await.map_err(|error| self.connect_error(&error))?;
        // Small frames of the session must not wait for more.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    fn connect_error(&self, error: &io::Error) -> DaemonError {
        let (endpoint, origin) = (self.name(), self.endpoint.origin.clone());
        match error.kind() {
            io::ErrorKind::PermissionDenied => DaemonError::PermissionDenied { endpoint, origin },
            io::ErrorKind::NotFound => {
                DaemonError::Unreachable { endpoint, origin, reason: "the socket does not exist".into() }
            }
            io::ErrorKind::ConnectionRefused => {
                DaemonError::Unreachable { endpoint, origin, reason: "connection refused".into() }
            }
            _ => DaemonError::Unreachable { endpoint, origin, reason: error.to_string() },
        }
    }

    pub(super) fn tls_error(&self, reason: &str) -> DaemonError {
        DaemonError::Tls { endpoint: self.name(), origin: self.endpoint.origin.clone(), reason: reason.into() }
    }

    pub(super) fn ssh_error(&self, reason: String) -> DaemonError {
        DaemonError::Ssh { endpoint: self.name(), origin: self.endpoint.origin.clone(), reason }
    }

    pub(super) fn no_answer(&self, after: Duration) -> DaemonError {
        DaemonError::NoAnswer { endpoint: self.name(), origin: self.endpoint.origin.clone(), after }
    }

    pub(super) fn not_docker(&self, reason: &str) -> DaemonError {
        DaemonError::NotDocker { endpoint: self.name(), origin: self.endpoint.origin.clone(), reason: reason.into() }
    }

    /// The connection broke, or the answer makes no sense.
    pub(super) fn lost(&self, doing: &'static str, reason: impl Into<String>) -> DaemonError {
        DaemonError::ConnectionLost { endpoint: self.name(), doing, reason: reason.into() }
    }
}

/// Builds the client side of a connection. The error is the reason as text, naming the file.
fn client_config(files: &TlsFiles, ca_bundle: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    if let Some(ca) = &files.ca {
        add_authorities(&mut roots, ca)?;
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if let Some(bundle) = ca_bundle {
        add_authorities(&mut roots, bundle)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let config = match &files.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error.to_string()))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| unreadable(certificate, &error.to_string()))?
        }
    };
    Ok(Arc::new(config))
}

fn add_authorities(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| unreadable(file, &error.to_string()))?;
    }
    Ok(())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(file, &error.to_string()))?;
    if found.is_empty() { Err(unreadable(file, "it contains no certificate")) } else { Ok(found) }
}

fn unreadable(file: &Path, reason: &str) -> String {
    format!("cannot use `{}`: {reason}", printable_path(file))
}

fn tls_reason(error: &io::Error) -> String {
    let text = error.to_string();
    if text.contains("UnknownIssuer") {
        "its certificate is not signed by a trusted authority".into()
    } else if text.contains("NotValidForName") {
        "its certificate is for another host name".into()
    } else if text.contains("InvalidMessage") || text.contains("corrupt message") {
        "it does not speak TLS".into()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;
    use crate::origin::Origin;

    #[test]
    fn missing_permission_for_the_socket_has_a_hint() {
        let address = Address::Unix("/var/run/docker.sock".into());
        let endpoint =
            Endpoint { address, origin: Origin::Default("the standard Docker socket".into()), ca_bundle: None };
        let error = Dialer::new(endpoint, &Environment::default())
            .unwrap()
            .connect_error(&io::ErrorKind::PermissionDenied.into());
        assert_eq!(error.code(), "daemon/permission-denied");
        assert!(error.to_string().contains("unix:///var/run/docker.sock"), "{error}");
        assert!(error.hints()[0].contains("group `docker`"), "{:?}", error.hints());
    }
}
