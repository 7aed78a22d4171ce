//! What all launches have in common: the [`Launcher`] with its events, and the wait until a started container is healthy.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, Shared};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use reqwest::Url;
use reqwest::header::CONNECTION;
use tokio::time::sleep;

use super::container_config::duration_of_flag;
use super::error::{LaunchError, NotHealthy, UnhealthyReason};
use super::proxy::{Drained, SwitchedBy};
use crate::diagnostic::Warning;
use crate::docker::RunDocument;
use crate::docker::{
    ContainerFacts, Containers, ExecSpec, LogLine, LogOptions, LogStream, Probe, Protocol, PublishedPort,
    ReadinessOutcome, ServiceChange, ServiceProgress,
};
use crate::net;

/// Default of `--wait-timeout`.
const WAIT: Duration = Duration::from_mins(2);
/// Lines of the log that a failure shows.
const LAST_LINES: u64 = 40;
/// Between two health checks inside the container.
const PROBE_PAUSE: Duration = Duration::from_millis(100);
/// Between two requests to the app.
const REQUEST_PAUSE: Duration = Duration::from_millis(10);
/// A first page may take seconds to render.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// What happens during a launch, as it happens.
#[derive(Debug, Clone, PartialEq)]
pub enum LaunchEvent<'a> {
    NetworkMade(&'a str),
    VolumeMade(&'a str),
    Created(&'a str),
    Started(&'a str),
    /// A health check of the daemon ended.
    Probed(&'a Probe),
    Healthy {
        name: &'a str,
        after: Duration,
    },
    /// It runs, and has no health check.
    Runs {
        name: &'a str,
        after: Duration,
    },
    Hook {
        kind: &'static str,
        argv: &'a [String],
    },
    HookOutput {
        stream: LogStream,
        bytes: &'a [u8],
    },
    /// A hook whose failure is ignored.
    HookFailed {
        kind: &'static str,
        reason: &'a str,
    },
    /// Files of the new version are beside those of the old one.
    AssetsCopied {
        files: usize,
        folder: &'a str,
    },
    /// The requests go to the new container.
    Switched {
        upstream: &'a str,
        drained: &'a Drained,
        by: SwitchedBy,
    },
    /// Nothing answers until the new container does.
    GapBegins {
        name: &'a str,
    },
    /// The new container answers.
    GapEnds {
        after: Duration,
    },
    Stopped {
        name: &'a str,
    },
    /// The container that ran before runs again.
    Restored {
        name: &'a str,
    },
    Removed {
        name: &'a str,
    },
    /// Something differs from the plan.
    Warned(&'a Warning),
    ServiceDeployed {
        name: &'a str,
        change: ServiceChange,
    },
    /// New tasks failed, and Swarm rolls the service back.
    ServiceGoesBack {
        name: &'a str,
    },
    /// How many tasks are in their new state.
    ServiceProgress {
        name: &'a str,
        progress: ServiceProgress,
    },
}

pub type LaunchListener<'a> = &'a (dyn Fn(&LaunchEvent<'_>) + Send + Sync);

/// Completes when the user interrupts the launch.
pub type StopSignal = Shared<BoxFuture<'static, ()>>;

/// What every launch works with.
#[derive(Clone)]
pub struct Launcher<'a> {
    pub containers: &'a Containers,
    pub listener: LaunchListener<'a>,
    pub stop: StopSignal,
    /// How long a container may take to become healthy.
    pub wait: Duration,
}

/// A container that is healthy.
#[derive(Debug, Clone, PartialEq)]
pub struct Launched {
    pub facts: ContainerFacts,
    /// From the start to healthy.
    pub healthy_after: Duration,
}

impl Launched {
    /// Where the app can be reached from the daemon's machine.
    pub fn addresses(&self) -> Vec<String> {
        let ports = self.facts.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
        let mut found: Vec<String> = ports.map(address).collect();
        found.dedup();
        found
    }
}

/// `127.0.0.1:3000`; a port on every address can be reached on this one.
pub(super) fn address(port: &PublishedPort) -> String {
    match port.address {
        IpAddr::V4(address) if address.is_unspecified() => format!("127.0.0.1:{}", port.host_port),
        IpAddr::V6(address) if address.is_unspecified() => format!("[::1]:{}", port.host_port),
        IpAddr::V4(address) => format!("{address}:{}", port.host_port),
        IpAddr::V6(address) => format!("[{address}]:{}", port.host_port),
    }
}

/// How long a container may take to become healthy, from `--wait-timeout`.
pub fn wait_timeout(text: Option<&String>) -> Result<Duration, LaunchError> {
    Ok(duration_of_flag("--wait-timeout", text)?.unwrap_or(WAIT))
}

/// Never completes.
pub(super) fn never() -> StopSignal {
    let pending: BoxFuture<'static, ()> = Box::pin(std::future::pending());
    pending.shared()
}

impl Launcher<'_> {
    /// Waits for a container that was started at `started`. `probe` checks the app besides the daemon's own health check.
    pub(super) async fn wait_until_healthy(
        &self,
        id: &str,
        probe: Option<&HealthProbe>,
        started: Instant,
    ) -> Result<Launched, LaunchError> {
        let listener = self.listener;
        let mut on_probe = move |probe: &Probe| listener(&LaunchEvent::Probed(probe));
        let readiness = tokio::select! {
            readiness = self.containers.wait_until_healthy(id, self.wait, &mut on_probe) => readiness?,
            () = self.probe_app(id, probe) => {
                let facts = self.containers.inspect(id).await?;
                let healthy_after = started.elapsed();
                listener(&LaunchEvent::Healthy { name: &facts.name, after: healthy_after });
                return Ok(Launched { facts, healthy_after });
            }
            () = self.stop.clone() => return Err(LaunchError::Interrupted),
        };
        let (facts, after) = (readiness.facts, started.elapsed());
        let reason = match readiness.outcome {
            ReadinessOutcome::Healthy => {
                listener(&LaunchEvent::Healthy { name: &facts.name, after });
                return Ok(Launched { facts, healthy_after: after });
            }
            ReadinessOutcome::RunsUnchecked => {
                listener(&LaunchEvent::Runs { name: &facts.name, after });
                return Ok(Launched { facts, healthy_after: after });
            }
            ReadinessOutcome::Unhealthy => UnhealthyReason::HealthCheck,
            ReadinessOutcome::Exited { exit_code } | ReadinessOutcome::Restarts { exit_code } => {
                UnhealthyReason::Exited(exit_code)
            }
            ReadinessOutcome::OutOfMemory { limit } => {
                UnhealthyReason::OutOfMemory { code: facts.state.exit_code.unwrap_or(137), limit }
            }
            ReadinessOutcome::Removed => UnhealthyReason::Removed,
            ReadinessOutcome::TimedOut => UnhealthyReason::TimedOut(self.wait),
        };
        Err(self.not_healthy(facts, reason, after).await)
    }

    /// Completes when the app is healthy. The daemon probes so seldom that waiting for it would take most of the launch.
    async fn probe_app(&self, id: &str, probe: Option<&HealthProbe>) {
        let Some(HealthProbe { argv, request }) = probe else { return std::future::pending().await };
        if let Some(request) = request {
            return request.until_healthy().await;
        }
        let spec = ExecSpec { argv: argv.clone(), ..ExecSpec::default() };
        loop {
            sleep(PROBE_PAUSE).await;
            let check = async {
                let mut execution = self.containers.exec(id, &spec).await?;
                while execution.next().await?.is_some() {}
                execution.exit_code().await
            };
            // The daemon reports a container that exited.
            if let Ok(0) = check.await {
                return;
            }
        }
    }

    pub(super) async fn not_healthy(
        &self,
        facts: ContainerFacts,
        reason: UnhealthyReason,
        after: Duration,
    ) -> LaunchError {
        let log = self.last_lines(&facts.id).await;
        let probes = facts.state.health.map(|health| health.probes).unwrap_or_default();
        LaunchError::NotHealthy(Box::new(NotHealthy { name: facts.name, reason, after, probes, log, cause: None }))
    }

    /// A failed hook, with the log of the container.
    pub(super) async fn hook_failed(&self, id: &str, cause: LaunchError) -> LaunchError {
        let name = self.containers.inspect(id).await.map(|facts| facts.name).unwrap_or_default();
        let log = self.last_lines(id).await;
        let (reason, cause) = (UnhealthyReason::Hook, Some(Box::new(cause)));
        LaunchError::NotHealthy(Box::new(NotHealthy {
            name,
            reason,
            after: Duration::ZERO,
            probes: Vec::new(),
            log,
            cause,
        }))
    }

    pub(super) async fn last_lines(&self, id: &str) -> Vec<LogLine> {
        let options = LogOptions { tail: Some(LAST_LINES), ..LogOptions::default() };
        match self.containers.logs(id, &options).await {
            Ok(lines) => lines.take(1000).try_collect().await.unwrap_or_default(),
            // The failure itself is reported anyway.
            Err(_) => Vec::new(),
        }
    }

    /// For images of this program, the check of their launcher.
    pub(super) async fn probe_of(&self, facts: &ContainerFacts) -> Result<Option<HealthProbe>, LaunchError> {
        let image = self.containers.image_facts(&facts.image_id).await?;
        let is_ours = image.entrypoint.last().is_some_and(|last| last == "/nextdeploy/launcher.cjs");
        let checked = is_ours && image.has_health_check;
        let argv = || image.entrypoint.into_iter().chain(["health".to_owned()]).collect();
        Ok(checked.then(|| HealthProbe { argv: argv(), request: None }))
    }

    pub(super) fn check_stop(&self) -> Result<(), LaunchError> {
        if self.stop.clone().now_or_never().is_some() { Err(LaunchError::Interrupted) } else { Ok(()) }
    }

    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, LaunchError> {
        tokio::select! {
            done = work => Ok(done),
            () = self.stop.clone() => Err(LaunchError::Interrupted),
        }
    }
}

/// How to find out whether the app is healthy.
#[derive(Debug, Clone)]
pub(super) struct HealthProbe {
    /// Runs inside the container; exit code 0 is healthy.
    pub argv: Vec<String>,
    /// The same check from this machine, without a process in the container.
    pub request: Option<HealthRequest>,
}

/// The request of the launcher's health check.
#[derive(Debug, Clone)]
pub(super) struct HealthRequest {
    client: reqwest::Client,
    url: Url,
    /// Only success and redirects count as healthy; otherwise everything but an error of the server does.
    strict: bool,
}

impl HealthRequest {
    /// `None` if no HTTP client can be created.
    pub fn new(address: SocketAddr, run: &RunDocument) -> Option<Self> {
        net::install_provider();
        let client = reqwest::Client::builder()
            .user_agent("nextdeploy-health")
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(REQUEST_TIMEOUT)
            .pool_max_idle_per_host(0)
            .tls_certs_only([])
            .build();
        let mut url = Url::parse(&format!("http://{address}")).ok()?;
        url.set_path(run.health_path.as_deref().unwrap_or(&run.base_path));
        Some(Self { client: client.ok()?, url, strict: run.health_path.is_some() })
    }

    /// Sends requests until the app is healthy.
    async fn until_healthy(&self) {
        loop {
            // Failures are ignored: if they last, the daemon's own health check reports them.
            let request = self.client.get(self.url.clone()).header(CONNECTION, "close");
            if request.send().await.is_ok_and(|response| self.is_healthy(response.status().as_u16())) {
                return;
            }
            sleep(REQUEST_PAUSE).await;
        }
    }

    fn is_healthy(&self, status: u16) -> bool {
        if self.strict { (200..400).contains(&status) } else { (100..500).contains(&status) }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn run(health_path: Option<&str>, base_path: &str) -> RunDocument {
        RunDocument {
            health_path: health_path.map(str::to_owned),
            base_path: base_path.into(),
            ..RunDocument::default()
        }
    }

    #[test]
    fn requests_and_the_launcher_agree_on_what_is_healthy() {
        let request = |run: &RunDocument| HealthRequest::new(([127, 0, 0, 1], 1).into(), run).unwrap();
        let lenient = request(&run(None, "/docs"));
        assert_eq!(lenient.url.path(), "/docs");
        assert_eq!([200, 404, 500].map(|status| lenient.is_healthy(status)), [true, true, false]);
        let strict = request(&run(Some("/w\u{e9}ll "), ""));
        assert_eq!(strict.url.path(), "/w%C3%A9ll%20");
        assert_eq!([204, 307, 404, 500].map(|status| strict.is_healthy(status)), [true, true, false, false]);
        assert_eq!(request(&run(None, "")).url.path(), "/");
    }

    #[tokio::test]
    async fn requests_are_repeated_until_the_app_is_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let request = HealthRequest::new(listener.local_addr().unwrap(), &run(None, "")).unwrap();
        let answers = ["", "HTTP/1.1 503 Busy\r\n\r\n", "nonsense, and long", "HTTP/1.1 200 OK\r\n\r\n"];
        let server = async {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 14];
                stream.read_exact(&mut asked).await.unwrap();
                assert_eq!(&asked, b"GET / HTTP/1.1");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        tokio::join!(server, request.until_healthy());
    }
}
