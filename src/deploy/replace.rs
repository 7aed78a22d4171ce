//! A new container in the place of an old one. The old one serves until the new one is healthy, and goes on when that never happens; it is
//! kept, stopped, until the next replacement.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::LaunchError;
use super::event::LaunchEvent;
use super::helper::ReplaceLock;
use super::hooks::run_pre_stop;
use super::plan::LaunchPlan;
use super::secrets::{SecretFile, remove_with_secrets};
use super::start::{Launched, Launcher, Made, StopSignal, address};
use crate::deploy::proxy::{CaddyAdmin, Upstream};
use crate::docker::{
    ContainerError, ContainerFacts, ContainerName, ContainerStatus, ContainerSummary, Containers, ListQuery, Owner,
    PortMapping, Protocol, Removal, Running,
};
use crate::origin::{Origin, Sourced};

/// How often another port is tried.
const ATTEMPTS: u32 = 10;

/// How a container takes the place of another.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// The Caddy in front; without it the port itself moves.
    pub proxy: Option<CaddyAdmin>,
    /// How long the old one may go on answering.
    pub drain: Duration,
}

/// What is to be launched.
struct Candidate<'a> {
    plan: LaunchPlan,
    secrets: &'a [SecretFile],
}

/// A container that took the place of another.
#[derive(Debug, Clone, PartialEq)]
pub struct Replaced {
    pub launched: Launched,
    /// The container that is stopped now, and kept.
    pub previous: Option<String>,
    /// How long nothing answered; absent when a proxy moved.
    pub gap: Option<Duration>,
}

impl Replaced {
    /// Nothing was there to replace.
    pub fn nothing(launched: Launched) -> Self {
        Self { launched, previous: None, gap: None }
    }
}

/// The containers of one app.
#[derive(Debug, Clone, Default)]
pub struct AppContainers {
    /// Youngest first.
    pub running: Vec<ContainerSummary>,
    /// Not running, youngest first.
    pub stopped: Vec<ContainerSummary>,
}

impl AppContainers {
    pub async fn find(containers: &Containers, app: &str) -> Result<Self, LaunchError> {
        let query = ListQuery { owner: Owner::Ours, running: Running::OrNot, app: Some(app) };
        let all = containers.list(&query).await?;
        let runs = |one: &ContainerSummary| {
            matches!(one.status, ContainerStatus::Running | ContainerStatus::Restarting | ContainerStatus::Paused)
        };
        let (running, stopped) = all.into_iter().partition(runs);
        Ok(Self { running, stopped })
    }

    /// The one that serves the app; when none runs, the one that did last.
    pub async fn present(&self, containers: &Containers) -> Result<Option<ContainerFacts>, LaunchError> {
        match self.running.first() {
            Some(running) => Ok(Some(containers.inspect(&running.id).await?)),
            None => Ok(self.ended(containers).await?.into_iter().max_by_key(|facts| facts.state.started_at)),
        }
    }

    /// Those that ran before.
    pub(super) async fn ended(&self, containers: &Containers) -> Result<Vec<ContainerFacts>, LaunchError> {
        let mut ended = Vec::new();
        for one in self.stopped.iter().filter(|one| one.status == ContainerStatus::Exited) {
            match containers.inspect(&one.id).await {
                Ok(facts) => ended.push(facts),
                Err(ContainerError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(ended)
    }
}

impl Launcher<'_> {
    /// Starts the container of `plan` in the place of the one that runs of the same app; without one it is a launch.
    pub async fn replace(
        &self,
        plan: &LaunchPlan,
        secrets: &[SecretFile],
        how: &Replacement,
    ) -> Result<Replaced, LaunchError> {
        self.sweep(&plan.app.value).await?;
        let lock = ReplaceLock::take(self.containers, &plan.app.value, &plan.image_id).await?;
        let replaced = async {
            self.finish_broken(&lock, &plan.app.value, how).await?;
            self.replace_in_turn(plan, secrets, how).await
        };
        let replaced = replaced.await;
        lock.release().await;
        replaced
    }

    async fn replace_in_turn(
        &self,
        plan: &LaunchPlan,
        secrets: &[SecretFile],
        how: &Replacement,
    ) -> Result<Replaced, LaunchError> {
        let app = AppContainers::find(self.containers, &plan.app.value).await?;
        let old = match app.running.first() {
            None => None,
            Some(running) => Some(self.containers.inspect(&running.id).await?),
        };
        let plan = LaunchPlan { name: self.free_name(&plan.name).await?, ..plan.clone() };
        let new = Candidate { plan, secrets };
        let replaced = match (&how.proxy, &old) {
            (Some(admin), _) => Box::pin(self.behind_proxy(new, old.as_ref(), admin, how.drain)).await?,
            (None, None) => {
                let launched = self.launch(&new.plan, secrets).await?;
                Replaced::nothing(launched)
            }
            (None, Some(old)) => Box::pin(self.moving_the_port(&new, old, how.drain)).await?,
        };
        self.remove_older(&replaced).await;
        Ok(replaced)
    }

    /// The name, or the first of `name-2`, `name-3`, … that nobody has.
    async fn free_name(&self, name: &Sourced<ContainerName>) -> Result<Sourced<ContainerName>, LaunchError> {
        for number in 1..1000 {
            let text = if number == 1 { name.value.to_string() } else { format!("{}-{number}", name.value) };
            let Ok(candidate) = ContainerName::parse(&text) else { break };
            match self.containers.inspect(candidate.as_str()).await {
                Err(ContainerError::NotFound { .. }) if number == 1 => return Ok(name.clone()),
                Err(ContainerError::NotFound { .. }) => {
                    let origin = Origin::Derived(format!("`{}` is in use", name.value));
                    return Ok(Sourced::new(candidate, origin));
                }
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
        }
        Err(ContainerError::NameInUse { name: name.value.to_string() }.into())
    }

    /// The new one gets a port of its own, and the proxy is told.
    async fn behind_proxy(
        &self,
        new: Candidate<'_>,
        old: Option<&ContainerFacts>,
        admin: &CaddyAdmin,
        drain: Duration,
    ) -> Result<Replaced, LaunchError> {
        let Candidate { mut plan, secrets } = new;
        let app = plan.app.value.clone();
        check_site(admin, &app).await?;
        let port = plan.port.as_ref().ok_or_else(|| LaunchError::NoPort { image: plan.image.value.clone() })?.value;
        // The port that needs no new configuration of the proxy, when nobody has it.
        let mut spare = admin.spare(&app).await?.and_then(|upstream| upstream.loopback_port());
        let mut attempt = 0;
        let launched = loop {
            attempt += 1;
            let free = || Upstream::free().loopback_port();
            let mapping = PortMapping {
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                host_port: spare.take().or_else(free),
                container_port: port,
                protocol: Protocol::Tcp,
            };
            plan.ports = vec![Sourced::new(mapping, Origin::Derived("a free port for the proxy".to_owned()))];
            match self.launch(&plan, secrets).await {
                Err(LaunchError::Container(ContainerError::PortInUse { .. })) if attempt < ATTEMPTS => {}
                other => break other?,
            }
        };
        if let Err(error) = self.switch(admin, &app, &launched.facts, drain).await {
            self.discard(&launched.facts).await;
            return Err(error);
        }
        if let Some(old) = old {
            self.retire(old, Duration::ZERO).await?;
        }
        Ok(Replaced { launched, previous: old.map(|old| old.name.clone()), gap: None })
    }

    /// Sends the requests to `new`, and waits until the old one has answered its own.
    pub(super) async fn switch(
        &self,
        admin: &CaddyAdmin,
        app: &str,
        new: &ContainerFacts,
        drain: Duration,
    ) -> Result<(), LaunchError> {
        self.check_stop()?;
        let upstream =
            new.ports.first().map(address).ok_or_else(|| LaunchError::NoPort { image: new.image.clone() })?;
        // From here on the requests go to the new one: a wish to stop comes too late.
        let switched = admin.switch_upstream(app, &upstream, drain).await?;
        let (drained, by) = (&switched.drained, switched.by);
        (self.listener)(&LaunchEvent::Switched { upstream: &upstream, drained, by });
        Ok(())
    }

    /// Two containers cannot have one port: a first one without it shows that the image is well, and then the port moves.
    async fn moving_the_port(
        &self,
        new: &Candidate<'_>,
        old: &ContainerFacts,
        drain: Duration,
    ) -> Result<Replaced, LaunchError> {
        let Candidate { plan, secrets } = new;
        let mut check = plan.clone();
        check.ports.clear();
        check.hooks.post_start.clear();
        let checked = self.launch(&check, secrets).await?;
        self.discard(&checked.facts).await;

        let made = Mutex::new(Made::default());
        let undo = || std::mem::take(&mut *made.lock().unwrap_or_else(PoisonError::into_inner));
        let id = match self.create(plan, secrets, &made).await {
            Ok(id) => id,
            Err(error) => {
                self.undo(undo()).await;
                return Err(error);
            }
        };
        // A wish to stop is heard again when one of the two answers.
        let uninterrupted = Launcher { stop: never(), ..self.clone() };
        let begin = Instant::now();
        (self.listener)(&LaunchEvent::GapBegins { name: &old.name });
        if let Err(error) = uninterrupted.retire(old, drain).await {
            self.undo(undo()).await;
            uninterrupted.restore(old).await?;
            return Err(error);
        }
        match uninterrupted.start(&id, plan).await {
            Ok(launched) => {
                let gap = begin.elapsed();
                (self.listener)(&LaunchEvent::GapEnds { after: gap });
                Ok(Replaced { launched, previous: Some(old.name.clone()), gap: Some(gap) })
            }
            Err(error) => {
                self.undo(undo()).await;
                uninterrupted.restore(old).await?;
                (self.listener)(&LaunchEvent::GapEnds { after: begin.elapsed() });
                Err(error)
            }
        }
    }

    /// Runs `preStop` and stops it; the container stays. `drain` is the time that running requests get at least.
    pub(super) async fn retire(&self, old: &ContainerFacts, drain: Duration) -> Result<(), LaunchError> {
        run_pre_stop(self.containers, &old.id, &old.labels, self.listener).await;
        let grace = old.stop_grace.unwrap_or_default().max(drain);
        self.containers.stop(&old.id, Some(grace)).await?;
        (self.listener)(&LaunchEvent::Stopped { name: &old.name });
        Ok(())
    }

    /// Starts the container that ran before again, and waits until it answers.
    pub(super) async fn restore(&self, old: &ContainerFacts) -> Result<(), LaunchError> {
        let failed = |source| LaunchError::NotRestored { name: old.name.clone(), source };
        let started = Instant::now();
        self.containers.start(&old.id).await.map_err(failed)?;
        (self.listener)(&LaunchEvent::Restored { name: &old.name });
        // It was well before; when it is not now, its own health tells.
        if let Ok(probe) = self.probe_of(old).await {
            let _ = self.wait_until_healthy(&old.id, probe.as_ref(), started).await;
        }
        Ok(())
    }

    /// Removes a container with its secrets. What fails leaves something harmless behind.
    pub(super) async fn discard(&self, facts: &ContainerFacts) {
        let of = (&facts.labels, facts.image_id.as_str());
        let _ = remove_with_secrets(self.containers, &facts.id, of, Removal::Forced).await;
    }

    /// Removes the stopped containers of the app but the one that was just replaced.
    async fn remove_older(&self, replaced: &Replaced) {
        let Some(previous) = &replaced.previous else { return };
        let Some(app) = replaced.launched.facts.app() else { return };
        let Ok(found) = AppContainers::find(self.containers, app).await else { return };
        for older in found.stopped.iter().filter(|one| one.name != *previous) {
            // One that is being made by somebody else at this moment was never started.
            if older.status == ContainerStatus::Created {
                continue;
            }
            let Ok(facts) = self.containers.inspect(&older.id).await else { continue };
            let of = (&facts.labels, facts.image_id.as_str());
            if remove_with_secrets(self.containers, &facts.id, of, Removal::Stopped).await.is_ok() {
                (self.listener)(&LaunchEvent::Removed { name: &facts.name });
            }
        }
    }
}

/// The site of the app has to be there before anything begins.
pub(super) async fn check_site(admin: &CaddyAdmin, app: &str) -> Result<(), LaunchError> {
    if admin.has_site(app).await? {
        return Ok(());
    }
    Err(crate::deploy::proxy::ProxyError::NoSite { url: admin.address().to_owned(), app: app.to_owned() }.into())
}

pub(super) fn never() -> StopSignal {
    use futures_util::FutureExt as _;
    let pending: futures_util::future::BoxFuture<'static, ()> = Box::pin(std::future::pending());
    pending.shared()
}
