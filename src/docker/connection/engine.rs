//! A daemon that answered: [`Endpoint`] → [`Engine`], with the facts that decide how it builds.

use std::time::Duration;

use bollard::models::{SystemInfo, SystemVersion};
use bytes::Bytes;
use hyper::Method;

use super::endpoint::{Address, Endpoint};
use super::error::DaemonError;
use super::http::{ApiRequest, Uri};
use super::transport::Dialer;
use crate::diagnostic::printable;
use crate::host::Environment;
use crate::image::dockerfile::BuilderBackend;

/// First Engine API with the built-in BuildKit out of its experimental state (Docker 18.09).
const BUILDKIT_API: (u32, u32) = (1, 39);
const DOCKER: &str = "Docker Engine";
const PODMAN: &str = "Podman";

/// A daemon that answered.
#[derive(Debug, Clone)]
pub struct Engine {
    /// `Docker Engine` or `Podman`.
    pub name: String,
    pub version: String,
    /// API version, `1.41`.
    pub api: String,
    pub builder: BuilderBackend,
    dialer: Dialer,
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The machine behind a daemon. Unknown values are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineUsage {
    /// Bytes.
    pub memory: Option<u64>,
    pub cpus: Option<u64>,
    /// Folder of images and build cache.
    pub root: Option<String>,
    /// Free bytes there; only known for a daemon of this machine.
    pub free: Option<u64>,
    /// The daemon's own warnings.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Connects to `endpoint` and identifies the daemon. `DOCKER_BUILDKIT=0` selects the classic builder, as with the docker command line.
    ///
    /// # Errors
    /// When the daemon cannot be reached, or what answers is not a Docker daemon.
    pub async fn connect(endpoint: Endpoint, environment: &Environment) -> Result<Self, DaemonError> {
        let dialer = Dialer::new(endpoint, environment)?;
        let ping = ping(&dialer).await?;
        let identity = if let Some(identity) = ping.server.as_deref().and_then(Identity::from_header) {
            identity
        } else {
            Identity::from_version(version(&dialer).await?)
        };
        let selects_classic = environment.get("DOCKER_BUILDKIT").is_some_and(|value| !value.is_empty())
            && !environment.is_truthy("DOCKER_BUILDKIT");
        let has_buildkit = identity.name != PODMAN && is_at_least(&ping.api, BUILDKIT_API);
        Ok(Self {
            name: identity.name.into(),
            version: identity.version,
            builder: if has_buildkit && !selects_classic { BuilderBackend::BuildKit } else { BuilderBackend::Classic },
            api: ping.api,
            dialer,
        })
    }

    /// Platform of the daemon, `linux/amd64`.
    pub async fn platform(&self) -> Result<String, DaemonError> {
        let version = version(&self.dialer).await?;
        let (os, architecture) = (version.os.as_deref(), version.arch.as_deref());
        Ok(format!("{}/{}", os.unwrap_or("linux"), architecture.unwrap_or("amd64")))
    }

    /// What the daemon says about its machine: memory, and space for images and build cache.
    pub async fn usage(&self) -> Result<MachineUsage, DaemonError> {
        let info: SystemInfo = self.get("inspection of its machine", "/info").read().await?;
        let root = info.docker_root_dir.filter(|root| root.starts_with('/'));
        Ok(MachineUsage {
            memory: info.mem_total.and_then(positive),
            cpus: info.ncpu.and_then(positive),
            free: root.as_deref().filter(|_| self.is_local()).and_then(free_bytes),
            root,
            warnings: info.warnings.unwrap_or_default(),
        })
    }

    /// Whether the daemon's configuration allows plain HTTP to the registry `host`.
    pub(crate) async fn is_insecure_registry(&self, host: &str) -> Result<bool, DaemonError> {
        let info: SystemInfo = self.get("inspection of its registries", "/info").read().await?;
        let indexes = info.registry_config.and_then(|config| config.index_configs);
        Ok(indexes.and_then(|indexes| indexes.get(host)?.secure) == Some(false))
    }

    /// The address of the daemon as messages name it.
    pub fn address(&self) -> String {
        self.dialer.name()
    }

    /// The daemon listens on a socket of this machine, so most likely runs on it.
    pub fn is_local(&self) -> bool {
        matches!(self.dialer.endpoint.address, Address::Unix(_))
    }

    /// Supports this version of the API, or a later one.
    pub(crate) fn has_api(&self, version: (u32, u32)) -> bool {
        is_at_least(&self.api, version)
    }

    pub(crate) fn is_podman(&self) -> bool {
        self.name == PODMAN
    }

    /// Podman (seen with 4.3) does not stop the process of a build step when its client disconnects.
    pub(crate) fn leaves_running_steps(&self) -> bool {
        self.is_podman()
    }

    /// `doing` is what the request is for, in messages: "container start".
    pub(crate) fn request(&self, doing: &'static str, method: Method, uri: Uri) -> ApiRequest<'_> {
        ApiRequest::new(&self.dialer, doing, method, uri)
    }

    pub(crate) fn get(&self, doing: &'static str, path: &str) -> ApiRequest<'_> {
        self.request(doing, Method::GET, Uri::new(path))
    }

    pub(crate) fn post(&self, doing: &'static str, path: &str) -> ApiRequest<'_> {
        self.request(doing, Method::POST, Uri::new(path))
    }

    pub(crate) fn delete(&self, doing: &'static str, path: &str) -> ApiRequest<'_> {
        self.request(doing, Method::DELETE, Uri::new(path))
    }

    /// The connection broke, or the answer makes no sense.
    pub(crate) fn lost(&self, doing: &'static str, reason: impl Into<String>) -> DaemonError {
        self.dialer.lost(doing, reason)
    }

    pub(crate) fn no_answer(&self, after: Duration) -> DaemonError {
        self.dialer.no_answer(after)
    }
}

fn is_at_least(api: &str, version: (u32, u32)) -> bool {
    let parse = |(major, minor): (&str, &str)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?));
    api.split_once('.').and_then(parse).is_some_and(|api| api >= version)
}

fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|number| *number > 0)
}

fn free_bytes(folder: &str) -> Option<u64> {
    let state = rustix::fs::statvfs(folder).ok()?;
    state.f_bavail.checked_mul(state.f_frsize)
}

/// What the first answer says.
struct Ping {
    /// Version of the API.
    api: String,
    /// Product and version, as the daemon or a proxy in front of it says them.
    server: Option<String>,
}

async fn ping(dialer: &Dialer) -> Result<Ping, DaemonError> {
    const DOING: &str = "the first request";
    /// The answer of a daemon is two bytes.
    const LIMIT: usize = 64 * 1024;
    let limit = dialer.connect_timeout();
    let request = ApiRequest::new(dialer, DOING, Method::GET, Uri::new("/_ping")).timeout(limit).limit(LIMIT);
    let response = request.response().await.map_err(|error| match error {
        DaemonError::ConnectionLost { reason, .. } => first_exchange_error(dialer, &reason),
        error => error,
    })?;
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (api, server) = (header("api-version"), header("server"));
    let body = match response.into_body() {
        Ok(body) => body,
        // The head is enough.
        Err(DaemonError::ConnectionLost { .. }) => Bytes::new(),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&body);
    if text.contains("HTTP request to an HTTPS server") {
        return Err(DaemonError::NeedsTls { endpoint: dialer.name(), origin: dialer.endpoint.origin.clone() });
    }
    match api {
        Some(api) if status.is_success() => Ok(Ping { api, server }),
        _ if status.is_success() => Err(dialer.not_docker("its answer has no API version")),
        Some(_) => {
            let message = printable(text.lines().next().unwrap_or_default()).chars().take(300).collect();
            Err(DaemonError::Answer { endpoint: dialer.name(), doing: DOING, message })
        }
        None => Err(dialer.not_docker(&format!("it answers with status {status}"))),
    }
}

/// A daemon refuses a client's certificate only after the handshake (RFC 8446, section 4.4.2.4).
fn first_exchange_error(dialer: &Dialer, reason: &str) -> DaemonError {
    if reason.contains("CertificateRequired") {
        dialer.tls_error("it requires a client certificate")
    } else if reason.contains("fatal alert") {
        dialer.tls_error(reason)
    } else {
        dialer.not_docker(reason)
    }
}

async fn version(dialer: &Dialer) -> Result<SystemVersion, DaemonError> {
    Ok(ApiRequest::new(dialer, "inspection of its version", Method::GET, Uri::new("/version")).read().await?)
}

/// Product and version: from the headers of the first answer, else from `/version`, which starts programs on the daemon's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    name: &'static str,
    version: String,
}

impl Identity {
    /// `Docker/20.10.24 (linux)` or `Libpod/4.3.1 (linux)`; `None` for the header of a proxy.
    fn from_header(server: &str) -> Option<Self> {
        let (product, version) = server.split_whitespace().next()?.split_once('/')?;
        let name = match product {
            "Docker" => DOCKER,
            "Libpod" => PODMAN,
            _ => return None,
        };
        (!version.is_empty()).then(|| Self { name, version: version.to_owned() })
    }

    fn from_version(version: SystemVersion) -> Self {
        let podman = version.components.iter().flatten().any(|part| part.name.starts_with("Podman"));
        Self {
            name: if podman { PODMAN } else { DOCKER },
            version: version.version.unwrap_or_else(|| "of unknown version".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_api_are_numbers() {
        assert!(is_at_least("1.44", (1, 44)) && is_at_least("1.100", (1, 44)) && is_at_least("2.0", (1, 44)));
        assert!(!is_at_least("1.41", (1, 44)) && !is_at_least("1.5", (1, 44)) && !is_at_least("", (1, 44)));
    }

    #[test]
    fn the_header_names_the_product() {
        let seen = |server| Identity::from_header(server).map(|identity| (identity.name, identity.version));
        assert_eq!(seen("Docker/20.10.24+dfsg1 (linux)"), Some((DOCKER, "20.10.24+dfsg1".to_owned())));
        assert_eq!(seen("Libpod/4.3.1 (linux)"), Some((PODMAN, "4.3.1".to_owned())));
        for other in ["", "nginx/1.22.1", "Docker", "Docker/ (linux)", "nginx"] {
            assert_eq!(seen(other), None, "{other}");
        }
    }
}
