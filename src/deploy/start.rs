//! One container, from its plan to healthy; what was made on the way is removed again when it does not get there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, Shared};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use tokio::time::sleep;

use super::error::{LaunchError, NotHealthy, Trouble};
use super::event::{LaunchEvent, Listener};
use super::helper::LAUNCHER_LABEL;
use super::hooks::run_hook;
use super::plan::LaunchPlan;
use super::probe::{HealthRequest, Probe};
use super::replace::AppContainers;
use super::secrets::{SECRETS_LABEL, SecretFile, SecretsPlace, remove_secrets, write_secrets};
use super::volumes::hand_over;
use super::wishes::SecretsAs;
use crate::config::settings::parse;
use crate::docker::{
    ContainerFacts, Containers, EnsureOutcome, ExecSpec, LogLine, LogOptions, PortMapping, Protocol, PublishedPort,
    ReadinessOutcome, Removal,
};
use crate::host::ProcessId;
use crate::origin::Origin;
use crate::secret::Secret;

/// Lines of the log that a failure shows.
const LAST_LINES: u64 = 40;
/// Between two questions to the app.
const PROBE_PAUSE: Duration = Duration::from_millis(100);

/// Completes when the user wants the launch to end.
pub type StopSignal = Shared<BoxFuture<'static, ()>>;

/// What every launch works with.
#[derive(Clone)]
pub struct Launcher<'a> {
    pub containers: &'a Containers,
    pub listener: Listener<'a>,
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

/// What a launch made so far.
#[derive(Debug, Default)]
pub(super) struct Made {
    network: Option<String>,
    volumes: Vec<String>,
    secrets: Option<(SecretsPlace, String)>,
    container: Option<String>,
}

impl Launcher<'_> {
    /// Starts the container of `plan` and waits until it is healthy.
    pub async fn launch(&self, plan: &LaunchPlan, secrets: &[SecretFile]) -> Result<Launched, LaunchError> {
        let made = Mutex::new(Made::default());
        let launched = async {
            let id = self.create(plan, secrets, &made).await?;
            self.start(&id, plan).await
        };
        match launched.await {
            Ok(launched) => Ok(launched),
            Err(error) => {
                self.undo(made.into_inner().unwrap_or_else(PoisonError::into_inner)).await;
                Err(error)
            }
        }
    }

    /// The same, unless the app runs already.
    pub async fn launch_alone(&self, plan: &LaunchPlan, secrets: &[SecretFile]) -> Result<Launched, LaunchError> {
        self.sweep(&plan.app.value).await?;
        let found = AppContainers::find(self.containers, &plan.app.value).await?;
        // Whoever gives a name wants another one.
        match found.running.first().filter(|_| !matches!(plan.name.origin, Origin::Flag(_) | Origin::File(_))) {
            Some(one) => Err(LaunchError::AppRuns { app: plan.app.value.clone(), name: one.name.clone() }),
            None => self.launch(plan, secrets).await,
        }
    }

    /// Everything up to the container, which is not started; the answer is its id.
    pub(super) async fn create(
        &self,
        plan: &LaunchPlan,
        secrets: &[SecretFile],
        made: &Mutex<Made>,
    ) -> Result<String, LaunchError> {
        let note = |change: &dyn Fn(&mut Made)| change(&mut made.lock().unwrap_or_else(PoisonError::into_inner));
        let network = plan.network();
        if self.containers.ensure_network(&network).await? == EnsureOutcome::Created {
            note(&|made| made.network = Some(network.name.to_string()));
            (self.listener)(&LaunchEvent::NetworkMade(network.name.as_str()));
        }
        let mut new_volumes = Vec::new();
        for volume in &plan.volumes {
            if self.containers.ensure_volume(volume).await? == EnsureOutcome::Created {
                new_volumes.push(volume.name.clone());
                note(&|made| made.volumes.push(volume.name.to_string()));
                (self.listener)(&LaunchEvent::VolumeMade(volume.name.as_str()));
            }
        }
        hand_over(self.containers, plan, &new_volumes).await?;
        let mut secret_env = BTreeMap::new();
        let mut written = None;
        match plan.secrets_as.value {
            _ if secrets.is_empty() => {}
            SecretsAs::Env => secret_env = as_environment(secrets)?,
            SecretsAs::Files => {
                let chosen = SecretsPlace::choose(self.containers, plan.name.value.as_str())?;
                note(&|made| made.secrets = Some((chosen.clone(), plan.image_id.clone())));
                let helper = write_secrets(self.containers, &plan.image_id, &chosen, secrets, &plan.app_user).await?;
                written = Some((chosen, helper));
            }
        }
        let mut spec = plan.container(secret_env);
        spec.labels.insert(LAUNCHER_LABEL.to_owned(), ProcessId::own().as_str().to_owned());
        if let Some((place, _)) = &written {
            spec.labels.insert(SECRETS_LABEL.to_owned(), place.path());
            spec.mounts.push(place.mount());
        }
        let created = match self.check_stop() {
            Ok(()) => self.containers.create(&spec).await.map_err(LaunchError::from),
            Err(error) => Err(error),
        };
        if let Ok(created) = &created {
            note(&|made| made.container = Some(created.id.clone()));
        }
        // From here on the container names the folder.
        if let Some((_, helper)) = written {
            let removed = helper.remove().await;
            created.as_ref().map_or(Ok(()), |_| removed)?;
        }
        let created = created?;
        (self.listener)(&LaunchEvent::Created(spec.name.as_str()));
        if self.containers.inspect(&created.id).await?.image_id != plan.image_id {
            return Err(LaunchError::ImageMoved { image: plan.image.value.clone() });
        }
        Ok(created.id)
    }

    /// Starts what was created, runs its hooks and waits until it is healthy.
    pub(super) async fn start(&self, id: &str, plan: &LaunchPlan) -> Result<Launched, LaunchError> {
        self.check_stop()?;
        let started = Instant::now();
        let name = plan.name.value.as_str();
        // By its name, which a failure tells.
        self.containers.start(name).await?;
        (self.listener)(&LaunchEvent::Started(name));
        for hook in &plan.hooks.post_start {
            let argv = plan.inside(&hook.value);
            let run = run_hook(self.containers, id, "postStart", &argv, self.listener);
            let ended = self.unless_stopped(run).await?;
            if let Err(error) = ended {
                // A container that ended is the better explanation.
                let facts = self.containers.inspect(id).await?;
                let trouble = match facts.state.exit_code {
                    Some(code) if facts.state.out_of_memory => Trouble::OutOfMemory { code, limit: facts.memory_limit },
                    Some(code) if facts.state.finished_at > facts.state.started_at => Trouble::Exited(Some(code)),
                    _ => return Err(self.with_log(id, error).await),
                };
                return Err(self.not_healthy(facts, trouble, started.elapsed()).await);
            }
        }
        self.wait_until_healthy(id, self.probe(plan).as_ref(), started).await
    }

    fn probe(&self, plan: &LaunchPlan) -> Option<Probe> {
        let argv = plan.probe()?.to_vec();
        let request = plan.own_check().filter(|_| self.containers.engine().is_local()).and_then(|run| {
            let app = plan.port.as_ref()?.value;
            let ports = plan.ports.iter().map(|port| port.value);
            let port = ports
                .filter(|port| port.container_port == app && port.protocol == Protocol::Tcp)
                .find_map(reached_at)?;
            Some(HealthRequest::new(port, run))
        });
        Some(Probe { argv, request })
    }

    /// Waits for a container that was started at `started`. `probe` finds out whether the app is well.
    pub(super) async fn wait_until_healthy(
        &self,
        id: &str,
        probe: Option<&Probe>,
        started: Instant,
    ) -> Result<Launched, LaunchError> {
        let listener = self.listener;
        let mut tell = move |probe: &crate::docker::Probe| listener(&LaunchEvent::Probed(probe));
        let readiness = tokio::select! {
            readiness = self.containers.wait_until_healthy(id, self.wait, &mut tell) => readiness?,
            () = self.ask_the_app(id, probe) => {
                let facts = self.containers.inspect(id).await?;
                let healthy_after = started.elapsed();
                listener(&LaunchEvent::Healthy { name: &facts.name, after: healthy_after });
                return Ok(Launched { facts, healthy_after });
            }
            () = self.stop.clone() => return Err(LaunchError::Interrupted),
        };
        let (facts, after) = (readiness.facts, started.elapsed());
        let trouble = match readiness.outcome {
            ReadinessOutcome::Healthy => {
                listener(&LaunchEvent::Healthy { name: &facts.name, after });
                return Ok(Launched { facts, healthy_after: after });
            }
            ReadinessOutcome::RunsUnchecked => {
                listener(&LaunchEvent::Runs { name: &facts.name, after });
                return Ok(Launched { facts, healthy_after: after });
            }
            ReadinessOutcome::Unhealthy => Trouble::Unhealthy,
            ReadinessOutcome::Exited { exit_code } | ReadinessOutcome::Restarts { exit_code } => {
                Trouble::Exited(exit_code)
            }
            ReadinessOutcome::OutOfMemory { limit } => {
                Trouble::OutOfMemory { code: facts.state.exit_code.unwrap_or(137), limit }
            }
            ReadinessOutcome::Removed => Trouble::Removed,
            ReadinessOutcome::TimedOut => Trouble::TimedOut(self.wait),
        };
        Err(self.not_healthy(facts, trouble, after).await)
    }

    /// Completes when the app is well. The daemon asks so seldom that the wait for it would be most of the launch.
    async fn ask_the_app(&self, id: &str, probe: Option<&Probe>) {
        let Some(Probe { argv, request }) = probe else { return std::future::pending().await };
        if let Some(request) = request {
            return request.until_well().await;
        }
        let spec = ExecSpec { argv: argv.clone(), ..ExecSpec::default() };
        loop {
            sleep(PROBE_PAUSE).await;
            let ask = async {
                let mut execution = self.containers.exec(id, &spec).await?;
                while execution.next().await?.is_some() {}
                execution.exit_code().await
            };
            // A container that ended is told by the daemon.
            if let Ok(0) = ask.await {
                return;
            }
        }
    }

    async fn not_healthy(&self, facts: ContainerFacts, trouble: Trouble, after: Duration) -> LaunchError {
        let log = self.last_lines(&facts.id).await;
        let probes = facts.state.health.map(|health| health.probes).unwrap_or_default();
        LaunchError::NotHealthy(Box::new(NotHealthy { name: facts.name, trouble, after, probes, log, cause: None }))
    }

    /// A failed hook with the log of the container.
    async fn with_log(&self, id: &str, cause: LaunchError) -> LaunchError {
        let name = self.containers.inspect(id).await.map(|facts| facts.name).unwrap_or_default();
        let log = self.last_lines(id).await;
        let (trouble, cause) = (Trouble::Hook, Some(Box::new(cause)));
        LaunchError::NotHealthy(Box::new(NotHealthy {
            name,
            trouble,
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
            // The failure itself is told in any case.
            Err(_) => Vec::new(),
        }
    }

    /// Removes what was made. What is in use by somebody else by now stays.
    pub(super) async fn undo(&self, made: Made) {
        // While the container is there, it names the folder of its secrets to the next run.
        if let Some((place, image)) = made.secrets {
            let _ = remove_secrets(self.containers, &image, &place).await;
        }
        if let Some(container) = made.container {
            let _ = self.containers.remove(&container, Removal::Forced).await;
        }
        for volume in made.volumes {
            let _ = self.containers.remove_volume(&volume).await;
        }
        if let Some(network) = made.network {
            let _ = self.containers.remove_network(&network).await;
        }
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

/// Where this machine reaches a port whose number is known before it is there.
fn reached_at(port: PortMapping) -> Option<SocketAddr> {
    let address = match port.address {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    Some(SocketAddr::new(address, port.host_port?))
}

/// Only texts without NUL can be environment.
pub(super) fn as_environment(secrets: &[SecretFile]) -> Result<BTreeMap<String, Secret>, LaunchError> {
    let variable = |secret: &SecretFile| {
        let text = String::from_utf8(secret.value.expose().clone()).ok().filter(|text| !text.contains('\0'));
        let text = text.ok_or_else(|| LaunchError::SecretNotText { id: secret.id.clone() })?;
        parse::variable_name(&secret.id).map_err(|_| LaunchError::SecretNoVariable { id: secret.id.clone() })?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let value = line.strip_suffix('\r').unwrap_or(line);
        Ok((secret.id.clone(), Secret::new(value.to_owned())))
    };
    secrets.iter().map(variable).collect()
}
