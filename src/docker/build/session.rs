//! The session of a BuildKit build, from which the daemon reads secrets and registry credentials.
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
use hyper::header::HeaderName;
use tokio::task::AbortHandle;
use tonic::{Request, Response, Status};

use crate::builder::{BuildSecret, RegistryCredentials};
use crate::docker::connection::{DaemonError, Engine, UpgradedConnection};
use crate::image_ref::RegistryHost;

/// Methods that the daemon may call; it compares them without regard to case.
const METHODS: [&str; 3] = [
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.filesync.v1.Auth/Credentials",
    "/grpc.health.v1.Health/Check",
];
/// For the start of the session.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// For one request of the daemon, which names a secret or a host. Its headers have traces.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_MESSAGE: usize = 64 * 1024;
const MAX_HEADERS: u32 = 16 * 1024;
/// At the same time: BuildKit requests credentials once per image, and checks the health of the session.
const MAX_REQUESTS: usize = 64;

/// An open session; it ends when this is dropped.
pub(super) struct BuildSession {
    pub(super) id: String,
    server: AbortHandle,
}

impl Drop for BuildSession {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What the daemon may read.
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

impl BuildSession {
    /// Opens a session and serves it in the background.
    pub(super) async fn open(engine: &Engine, values: SessionValues) -> Result<Self, DaemonError> {
        let id = session_id();
        let header = HeaderName::from_static;
        let mut request = engine
            .post("start of the build session", "/session")
            .timeout(START_TIMEOUT)
            .header(header("x-docker-expose-session-uuid"), &id)
            .header(header("x-docker-expose-session-name"), "nextdeploy");
        for method in METHODS {
            request = request.header(header("x-docker-expose-session-grpc-method"), method);
        }
        let connection = request.upgrade("h2c").await?;
        let incoming = tokio_stream::once(Ok::<_, std::io::Error>(SessionConnection(connection)));
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

    // Without these, all versions of the daemon request the credentials and fetch tokens themselves (BuildKit, session/auth).
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

/// The upgraded connection as tonic needs it.
struct SessionConnection(UpgradedConnection);

mod transport {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tonic::transport::server::Connected;

    use super::SessionConnection;

    impl Connected for SessionConnection {
        type ConnectInfo = ();

        fn connect_info(&self) {}
    }

    impl AsyncRead for SessionConnection {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for SessionConnection {
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
