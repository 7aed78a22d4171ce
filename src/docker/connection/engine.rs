//! The connection to a daemon: [`Endpoint`] → [`Engine`], with the facts that decide how it builds.
//!
//! Each request dials anew: one place for sockets, TLS, time limits and their errors, used for the API, the build and its session.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bollard::{BollardRequest, Docker};
use futures_util::future::join;
use hyper::body::{Body, Incoming};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::answer::{ANSWER_LIMIT, AnswerLimits, Bounded, MESSAGE_LIMIT, daemon_cause};
use super::endpoint::{Address, Endpoint};
use super::error::DaemonError;
use super::identity::{Identity, PODMAN, platform};
use super::pump::{Chunk, PumpHandle, pump};
use super::ssh::{LOGIN_TIMEOUT, SshTransport, SshWords};
use super::tls;
use crate::diagnostic::error_chain;
use crate::host::Environment;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For questions that a healthy daemon answers at once.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
/// First Engine API with the built-in BuildKit out of its experimental state (Docker 18.09).
const BUILDKIT_API: (u32, u32) = (1, 39);

/// How the daemon builds, and so which instructions a Dockerfile for it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuilderKind {
    BuildKit,
    /// The classic builder: no mounts, no secrets.
    Classic,
}

/// A daemon that answered.
#[derive(Debug, Clone)]
pub struct Engine {
    /// `Docker Engine` or `Podman`.
    pub name: String,
    pub version: String,
    /// API version, `1.41`.
    pub api: String,
    pub builder: BuilderKind,
    pub(crate) dialer: Dialer,
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Opens connections to one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    pub(crate) endpoint: Arc<Endpoint>,
    tls: Option<Arc<ClientConfig>>,
    ssh: Option<Arc<SshTransport>>,
}

/// An open connection, and where its transport says why it broke.
struct Dialed {
    stream: Box<dyn Duplex>,
    words: Option<SshWords>,
}

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// One HTTP exchange; dropping it closes the connection, which is how a build is cancelled.
pub(crate) struct Exchange {
    pub(crate) response: Response<Incoming>,
    pub(crate) connection: ConnectionGuard,
}

pub(crate) struct ConnectionGuard {
    task: Option<AbortHandle>,
    pump: Option<PumpHandle>,
}

impl ConnectionGuard {
    /// The chunks of the body that came with this connection, for one that has many.
    pub(crate) fn pump(&mut self, body: Incoming) -> mpsc::Receiver<Chunk> {
        self.pump.take().expect("a connection has one body").start(body)
    }

    /// Lets the connection end by itself with its response.
    fn detach(mut self) {
        self.task = None;
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        if let Some(handle) = &self.task {
            handle.abort();
        }
    }
}

impl Engine {
    /// Connects to `endpoint` and asks what it is. `DOCKER_BUILDKIT=0` chooses the classic builder, as with the docker command line.
    pub async fn connect(endpoint: Endpoint, environment: &Environment) -> Result<Self, DaemonError> {
        let dialer = Dialer::new(endpoint, environment)?;
        let ping = dialer.ping().await?;
        let identity = if let Some(identity) = ping.server.as_deref().and_then(Identity::of_header) {
            identity
        } else {
            let limits = AnswerLimits { time: REQUEST_TIMEOUT, bytes: MESSAGE_LIMIT };
            Identity::of_version(dialer.version(dialer.docker(limits).version().await)?)
        };
        let wants_classic = environment.get("DOCKER_BUILDKIT").is_some_and(|value| !value.is_empty())
            && !environment.is_truthy("DOCKER_BUILDKIT");
        let api = ping.api;
        let has_buildkit = identity.name != PODMAN && is_at_least(&api, BUILDKIT_API);
        Ok(Self {
            name: identity.name.into(),
            version: identity.version,
            builder: if has_buildkit && !wants_classic { BuilderKind::BuildKit } else { BuilderKind::Classic },
            api,
            dialer,
        })
    }

    /// What the daemon runs on, `linux/amd64`.
    pub async fn platform(&self) -> Result<String, DaemonError> {
        self.dialer.version(platform(&self.api_client()).await)
    }

    /// The address of the daemon as messages name it.
    pub fn address(&self) -> String {
        self.dialer.name()
    }

    /// The daemon answers at a socket of this machine, so most likely runs on it.
    pub fn is_local(&self) -> bool {
        matches!(self.dialer.endpoint.address, Address::Unix(_))
    }

    /// Speaks this version of the API, or a later one.
    pub(crate) fn has_api(&self, version: (u32, u32)) -> bool {
        is_at_least(&self.api, version)
    }

    pub(crate) fn is_podman(&self) -> bool {
        self.name == PODMAN
    }

    /// Podman (seen with 4.3) does not end the process of a step when its client goes away.
    pub(crate) fn leaves_running_steps(&self) -> bool {
        self.name == PODMAN
    }

    /// The typed API for short questions.
    pub(crate) fn api_client(&self) -> Docker {
        self.patient_client(REQUEST_TIMEOUT)
    }

    /// The typed API for answers that take longer.
    pub(crate) fn patient_client(&self, limit: Duration) -> Docker {
        self.dialer.docker(AnswerLimits { time: limit, bytes: ANSWER_LIMIT })
    }

    /// The typed API for answers of another size.
    pub(crate) fn client_within(&self, limits: AnswerLimits) -> Docker {
        self.dialer.docker(limits)
    }
}

fn is_at_least(api: &str, version: (u32, u32)) -> bool {
    parse_api(api).is_some_and(|api| api >= version)
}

fn parse_api(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl Dialer {
    fn new(endpoint: Endpoint, environment: &Environment) -> Result<Self, DaemonError> {
        let tls =
            match &endpoint.address {
                Address::Tls { files, .. } => {
                    Some(tls::client_config(files, endpoint.ca_bundle.as_deref()).map_err(|reason| {
                        DaemonError::Tls { endpoint: endpoint.to_string(), origin: endpoint.origin.clone(), reason }
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

    pub(crate) fn name(&self) -> String {
        self.endpoint.to_string()
    }

    /// For the first answer on a connection.
    pub(super) fn connect_timeout(&self) -> Duration {
        if self.ssh.is_some() { LOGIN_TIMEOUT + CONNECT_TIMEOUT } else { CONNECT_TIMEOUT }
    }

    async fn dial(&self) -> Result<Dialed, DaemonError> {
        if let Some(ssh) = &self.ssh {
            let (stream, words) = ssh.open().map_err(|error| self.ssh_error(error.to_string()))?;
            return Ok(Dialed { stream: Box::new(stream), words: Some(words) });
        }
        match timeout(CONNECT_TIMEOUT, self.open()).await {
            Ok(result) => result.map(|stream| Dialed { stream, words: None }),
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
            io::ErrorKind::ConnectionRefused => DaemonError::Unreachable {
                endpoint,
                origin,
                reason: "connection refused, nothing listens there".into(),
            },
            _ => DaemonError::Unreachable { endpoint, origin, reason: error.to_string() },
        }
    }

    pub(super) fn tls_error(&self, reason: &str) -> DaemonError {
        DaemonError::Tls { endpoint: self.name(), origin: self.endpoint.origin.clone(), reason: reason.into() }
    }

    fn ssh_error(&self, reason: String) -> DaemonError {
        DaemonError::Ssh { endpoint: self.name(), origin: self.endpoint.origin.clone(), reason }
    }

    /// What a broken exchange says: the words of the transport, when it has some.
    async fn broken<T>(&self, words: Option<SshWords>, error: &hyper::Error) -> Result<Result<T, String>, DaemonError> {
        match words {
            Some(words) => match words.reason().await {
                Some(reason) => Err(self.ssh_error(reason)),
                None => Ok(Err(error_chain(error))),
            },
            None => Ok(Err(error_chain(error))),
        }
    }

    pub(crate) fn no_answer(&self, after: Duration) -> DaemonError {
        DaemonError::NoAnswer { endpoint: self.name(), origin: self.endpoint.origin.clone(), after }
    }

    pub(super) fn not_docker(&self, reason: &str) -> DaemonError {
        DaemonError::NotDocker { endpoint: self.name(), origin: self.endpoint.origin.clone(), reason: reason.into() }
    }

    /// What a failed question says about the daemon.
    pub(crate) fn daemon_error(&self, doing: &'static str, error: &bollard::errors::Error) -> DaemonError {
        use bollard::errors::Error;
        match error {
            Error::DockerResponseServerError { message, .. } => {
                DaemonError::Answer { endpoint: self.name(), doing, message: message.clone() }
            }
            Error::RequestTimeoutError => self.no_answer(REQUEST_TIMEOUT),
            other => {
                // It hides the error that it is transparent for.
                let cause = if let Error::IOError { err } = other { daemon_cause(err) } else { daemon_cause(other) };
                let (endpoint, reason) = (self.name(), other.to_string());
                cause.unwrap_or(DaemonError::ConnectionLost { endpoint, doing, reason })
            }
        }
    }

    /// Sends one request on a connection of its own. The error of the exchange itself is a text. How much of the answer is read is
    /// for the caller to limit.
    pub(crate) async fn exchange<B>(&self, request: Request<B>) -> Result<Result<Exchange, String>, DaemonError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.exchange_on(self.dial().await?, request).await
    }

    async fn exchange_on<B>(
        &self,
        Dialed { stream, words }: Dialed,
        mut request: Request<B>,
    ) -> Result<Result<Exchange, String>, DaemonError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        *request.uri_mut() = Uri::try_from(path).expect("the path of a URI is a URI");
        request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("docker"));
        let (mut sender, connection) = match hyper::client::conn::http1::handshake(TokioIo::new(stream)).await {
            Ok(pair) => pair,
            Err(error) => return self.broken(words, &error).await,
        };
        let (handle, pump) = pump();
        // Failures of the connection reach the waiting side through the response.
        let task = tokio::spawn(join(connection.with_upgrades(), pump.run()));
        let connection = ConnectionGuard { task: Some(task.abort_handle()), pump: Some(handle) };
        match sender.send_request(request).await {
            Ok(response) => Ok(Ok(Exchange { response, connection })),
            Err(error) => self.broken(words, &error).await,
        }
    }

    fn version<T>(&self, answer: Result<T, bollard::errors::Error>) -> Result<T, DaemonError> {
        answer.map_err(|error| self.daemon_error("the question for its version", &error))
    }

    fn docker(&self, limits: AnswerLimits) -> Docker {
        let dialer = self.clone();
        let transport = move |request: BollardRequest| {
            let dialer = dialer.clone();
            async move {
                let answer = async {
                    let Dialed { stream, words } = dialer.dial().await?;
                    let stream = Box::new(Bounded::new(stream, &dialer, limits));
                    dialer.exchange_on(Dialed { stream, words }, request).await
                };
                match answer.await {
                    Ok(Ok(Exchange { response, connection })) => {
                        connection.detach();
                        Ok(response)
                    }
                    Ok(Err(reason)) => Err(io::Error::other(reason).into()),
                    Err(error) => Err(io::Error::other(error).into()),
                }
            }
        };
        Docker::connect_with_custom_transport(
            transport,
            Some("http://docker"),
            limits.time.as_secs(),
            bollard::API_DEFAULT_VERSION,
        )
        .expect("a custom transport needs nothing that could be missing")
    }
}

fn tls_reason(error: &io::Error) -> String {
    let text = error.to_string();
    if text.contains("UnknownIssuer") {
        "its certificate is not signed by an authority that is trusted here".into()
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
    fn versions_of_the_api_are_numbers() {
        assert!(is_at_least("1.44", (1, 44)) && is_at_least("1.100", (1, 44)) && is_at_least("2.0", (1, 44)));
        assert!(!is_at_least("1.41", (1, 44)) && !is_at_least("1.5", (1, 44)) && !is_at_least("", (1, 44)));
    }

    #[test]
    fn a_socket_without_permission_says_what_to_do() {
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
