//! The session beside a BuildKit build: the daemon asks here for secrets and registry credentials.
//!
//! An HTTP/1 connection is upgraded to h2c and served in the other direction by us. Nothing else of the machine is exposed:
//! no files, no agents, only the values that the request names.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::health_server::{Health, HealthServer};
use bollard_buildkit_proto::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard_buildkit_proto::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, UPGRADE};
use hyper::{Request as HttpRequest, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tonic::{Request, Response, Status};

use crate::builder::{BuildError, BuildSecret, RegistryCredentials};
use crate::docker::connection::{DaemonError, Dialer, Exchange};
use crate::image_ref::RegistryHost;

/// Methods that the daemon may call; it compares them without regard to case.
const METHODS: [&str; 3] = [
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.filesync.v1.Auth/Credentials",
    "/grpc.health.v1.Health/Check",
];
/// Until the session stands.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// For one request of the daemon, which names a secret or a host; its headers carry traces.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_MESSAGE: usize = 64 * 1024;
const MAX_HEADERS: u32 = 16 * 1024;
/// At the same time: BuildKit asks for credentials once per image, and for the health of the session.
const MAX_REQUESTS: usize = 64;

/// An open session; it ends when this is dropped.
pub(super) struct Session {
    pub(super) id: String,
    server: AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What the daemon may ask for.
#[derive(Clone)]
pub(super) struct SessionValues {
    secrets: Arc<[BuildSecret]>,
    credentials: Arc<BTreeMap<String, RegistryCredentials>>,
}

impl SessionValues {
    pub(super) fn new(secrets: &[BuildSecret], credentials: &BTreeMap<String, RegistryCredentials>) -> Self {
        Self { secrets: secrets.into(), credentials: Arc::new(credentials.clone()) }
    }
}

impl Session {
    /// Opens a session named `id` and serves it in the background.
    pub(super) async fn open(dialer: &Dialer, values: SessionValues) -> Result<Self, BuildError> {
        const DOING: &str = "the start of the build session";
        let id = session_id();
        let lost = |reason: String| DaemonError::ConnectionLost { endpoint: dialer.name(), doing: DOING, reason };
        let mut request = HttpRequest::post("/session")
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "h2c")
            .header("X-Docker-Expose-Session-Uuid", &id)
            .header("X-Docker-Expose-Session-Name", "nextdeploy");
        for method in METHODS {
            request = request.header("X-Docker-Expose-Session-Grpc-Method", method);
        }
        let request = request.body(Empty::<Bytes>::new()).expect("constant headers and a hexadecimal id are valid");
        let exchange = timeout(START_TIMEOUT, dialer.exchange(request)).await;
        let exchange = exchange.map_err(|_| dialer.no_answer(START_TIMEOUT))?;
        let Exchange { response, connection } = exchange?.map_err(lost)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let message = dialer.read_message(response.into_body(), DOING).await?;
            return Err(DaemonError::Answer { endpoint: dialer.name(), doing: DOING, message }.into());
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| lost(error.to_string()))?;
        drop(connection);
        let incoming = tokio_stream::once(Ok::<_, std::io::Error>(Upgraded(TokioIo::new(upgraded))));
        let server = tokio::spawn(async move {
            let router = tonic::transport::Server::builder()
                .timeout(REQUEST_TIMEOUT)
                .concurrency_limit_per_connection(MAX_REQUESTS)
                .max_concurrent_streams(u32::try_from(MAX_REQUESTS).unwrap_or(u32::MAX))
                .http2_max_header_list_size(MAX_HEADERS)
                .http2_max_pending_accept_reset_streams(Some(MAX_REQUESTS))
                .add_service(HealthServer::new(AlwaysServing).max_decoding_message_size(MAX_MESSAGE))
                .add_service(SecretsServer::new(values.clone()).max_decoding_message_size(MAX_MESSAGE))
                .add_service(AuthServer::new(values).max_decoding_message_size(MAX_MESSAGE));
            // When it breaks, the build fails with the daemon's own message.
            let _ = router.serve_with_incoming(incoming).await;
        });
        Ok(Self { id, server: server.abort_handle() })
    }
}

#[tonic::async_trait]
impl Secrets for SessionValues {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        match self.secrets.iter().find(|secret| secret.id == id) {
            Some(secret) => Ok(Response::new(GetSecretResponse { data: secret.value.expose().clone() })),
            None => Err(Status::not_found(format!("secret {id} was not given"))),
        }
    }
}

#[tonic::async_trait]
impl Auth for SessionValues {
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        // The daemon and users write Docker Hub in several ways.
        let found = RegistryHost::of_config_key(&request.into_inner().host).and_then(|host| {
            self.credentials.iter().find(|(name, _)| RegistryHost::of_config_key(name).as_ref() == Some(&host))
        });
        // An empty answer means anonymous access.
        Ok(Response::new(found.map_or_else(CredentialsResponse::default, |(_, credentials)| CredentialsResponse {
            username: credentials.username.clone(),
            secret: credentials.password.expose().clone(),
        })))
    }

    // Without these the daemon asks for the credentials and fetches tokens itself, in all versions (BuildKit, session/auth).
    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("tokens are fetched by the daemon"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("tokens are fetched by the daemon"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("tokens are fetched by the daemon"))
    }
}

struct AlwaysServing;

#[tonic::async_trait]
impl Health for AlwaysServing {
    type WatchStream = tokio_stream::Once<Result<HealthCheckResponse, Status>>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(serving()))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("one service only"))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(tokio_stream::once(Ok(serving()))))
    }
}

fn serving() -> HealthCheckResponse {
    HealthCheckResponse { status: ServingStatus::Serving as i32 }
}

/// The upgraded connection as tonic wants it.
struct Upgraded(TokioIo<hyper::upgrade::Upgraded>);

mod transport {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tonic::transport::server::Connected;

    use super::Upgraded;

    impl Connected for Upgraded {
        type ConnectInfo = ();

        fn connect_info(&self) {}
    }

    impl AsyncRead for Upgraded {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Upgraded {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }
}

/// 128 random bits: another client must not be able to join.
pub(super) fn session_id() -> String {
    let mut bytes = [0; 16];
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(&mut bytes).expect("the operating system has random bytes");
    format!("{:032x}", u128::from_be_bytes(bytes))
}
