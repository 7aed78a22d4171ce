//! Replacing a container by a new one, and going back. The old container serves until the new one is healthy, and keeps serving if that
//! never happens. It is kept, stopped, until the next replacement.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::app_containers::{AppContainers, ReplaceLock, remove_leftovers};
use super::container_config::duration_of_flag;
use super::error::LaunchError;
use super::launch::{CreatedResources, run_pre_stop};
use super::launcher::{HealthProbe, LaunchEvent, Launched, Launcher, address, never};
use super::plan::{LAUNCHER_LABEL, LaunchPlan};
use super::proxy::{CaddyAdmin, ProxyError, Upstream};
use super::secrets::{SecretFile, remove_with_secrets};
use crate::docker::{ContainerError, ContainerFacts, ContainerName, ContainerStatus, PortMapping, Protocol, Removal};
use crate::origin::{Origin, Sourced};

/// Default of `--drain`.
const DRAIN: Duration = Duration::from_secs(10);
/// How many ports are tried.
const ATTEMPTS: u32 = 10;

/// How a container takes the place of another.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// The Caddy in front; without it the port itself moves.
    pub proxy: Option<CaddyAdmin>,
    /// How long the old one may go on answering.
    pub drain: Duration,
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

impl Replacement {
    /// From `--proxy` and `--drain`.
    pub fn from_flags(proxy: Option<&String>, drain: Option<&String>) -> Result<Self, LaunchError> {
        let proxy = proxy.map(|url| CaddyAdmin::new(url)).transpose()?;
        Ok(Self { proxy, drain: duration_of_flag("--drain", drain)?.unwrap_or(DRAIN) })
    }
}

impl Replaced {
    /// Nothing was there to replace.
    pub fn nothing(launched: Launched) -> Self {
        Self { launched, previous: None, gap: None }
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
        remove_leftovers(self.containers, &plan.app.value).await?;
        let lock = ReplaceLock::take(self.containers, &plan.app.value, &plan.image_id).await?;
        let replaced = async {
            self.finish_broken(&lock, &plan.app.value, how).await?;
            self.replace_locked(plan, secrets, how).await
        };
        let replaced = replaced.await;
        lock.release().await;
        replaced
    }

    async fn replace_locked(
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
        let replaced = match (&how.proxy, &old) {
            (Some(admin), _) => {
                Box::pin(self.replace_behind_proxy(plan, secrets, old.as_ref(), (admin, how.drain))).await?
            }
            (None, None) => Replaced::nothing(self.launch(&plan, secrets).await?),
            (None, Some(old)) => Box::pin(self.replace_at_port(&plan, secrets, old, how.drain)).await?,
        };
        self.remove_older(&replaced).await;
        Ok(replaced)
    }

    /// A replacement that was killed may have left two containers that run: the one that does not serve is removed when it is the new
    /// one, and stopped when it is the old one.
    async fn finish_broken(&self, lock: &ReplaceLock<'_>, app: &str, how: &Replacement) -> Result<(), LaunchError> {
        let Some(process) = &lock.broken else { return Ok(()) };
        let found = AppContainers::find(self.containers, app).await?;
        let mut running = Vec::new();
        for one in &found.running {
            running.push(self.containers.inspect(&one.id).await?);
        }
        let is_new = |one: &ContainerFacts| one.labels.get(LAUNCHER_LABEL).is_some_and(|by| by == process.as_str());
        let (new, old): (Vec<_>, Vec<_>) = running.into_iter().partition(is_new);
        if new.is_empty() || old.is_empty() {
            return Ok(());
        }
        let live = match &how.proxy {
            Some(admin) => admin.upstreams(app).await?.unwrap_or_default(),
            None => Vec::new(),
        };
        let serves = |one: &ContainerFacts| one.ports.iter().any(|port| live.contains(&address(port)));
        if new.iter().any(serves) {
            for one in old.iter().filter(|one| !serves(one)) {
                self.retire(one, how.drain).await?;
            }
        } else if old.iter().any(serves) || new.iter().all(|one| one.ports.is_empty()) {
            for one in &new {
                self.discard(one).await;
            }
        }
        Ok(())
    }

    /// The name, or the first of `name-2`, `name-3`, … that is free.
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

    /// The new container gets a port of its own, to which the proxy switches.
    async fn replace_behind_proxy(
        &self,
        mut plan: LaunchPlan,
        secrets: &[SecretFile],
        old: Option<&ContainerFacts>,
        (admin, drain): (&CaddyAdmin, Duration),
    ) -> Result<Replaced, LaunchError> {
        let app = plan.app.value.clone();
        check_site(admin, &app).await?;
        let port = plan.port.as_ref().ok_or_else(|| LaunchError::NoPort { image: plan.image.value.clone() })?.value;
        // The port that needs no new configuration of the proxy, if it is free.
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
        // From here on requests go to the new container: an interruption would be too late.
        let switched = admin.switch_upstream(app, &upstream, drain).await?;
        let (drained, by) = (&switched.drained, switched.by);
        (self.listener)(&LaunchEvent::Switched { upstream: &upstream, drained, by });
        Ok(())
    }

    /// Two containers cannot share a port: a trial container without it shows that the image is healthy before the port moves.
    async fn replace_at_port(
        &self,
        plan: &LaunchPlan,
        secrets: &[SecretFile],
        old: &ContainerFacts,
        drain: Duration,
    ) -> Result<Replaced, LaunchError> {
        let mut check = plan.clone();
        check.ports.clear();
        check.hooks.post_start.clear();
        let checked = self.launch(&check, secrets).await?;
        self.discard(&checked.facts).await;

        let made = Mutex::new(CreatedResources::default());
        let undo = || std::mem::take(&mut *made.lock().unwrap_or_else(PoisonError::into_inner));
        let id = match self.create(plan, secrets, &made).await {
            Ok(id) => id,
            Err(error) => {
                self.undo(undo()).await;
                return Err(error);
            }
        };
        // No interruption until one of the two serves again.
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

    /// Restarts the container that ran before, and waits until it is healthy.
    pub(super) async fn restore(&self, old: &ContainerFacts) -> Result<(), LaunchError> {
        let failed = |source| LaunchError::NotRestored { name: old.name.clone(), source };
        let started = Instant::now();
        self.containers.start(&old.id).await.map_err(failed)?;
        (self.listener)(&LaunchEvent::Restored { name: &old.name });
        // It was healthy before. If it no longer is, its own health status shows it.
        if let Ok(probe) = self.probe_of(old).await {
            let _ = self.wait_until_healthy(&old.id, probe.as_ref(), started).await;
        }
        Ok(())
    }

    /// Removes a container with its secrets. What cannot be removed is harmless.
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
            // A container that another process is creating was never started.
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

    /// Goes back to the container that ran before the one that runs now.
    pub async fn roll_back(&self, app: &str, how: &Replacement) -> Result<Replaced, LaunchError> {
        remove_leftovers(self.containers, app).await?;
        let found = AppContainers::find(self.containers, app).await?;
        let Some(any) = found.running.first().or(found.stopped.first()) else {
            return Err(LaunchError::NoPrevious { app: app.to_owned(), runs: None });
        };
        let lock = ReplaceLock::take(self.containers, app, &any.image_id).await?;
        let replaced = async {
            self.finish_broken(&lock, app, how).await?;
            Box::pin(self.roll_back_locked(app, how)).await
        };
        let replaced = replaced.await;
        lock.release().await;
        replaced
    }

    async fn roll_back_locked(&self, app: &str, how: &Replacement) -> Result<Replaced, LaunchError> {
        let found = AppContainers::find(self.containers, app).await?;
        let last = found.present(self.containers).await?;
        let mut ended = found.ended(self.containers).await?;
        // A container that was stopped by hand is the present one.
        ended.retain(|facts| last.as_ref().is_none_or(|last| last.id != facts.id));
        // The one that exited last was replaced last.
        let Some(previous) = ended.into_iter().max_by_key(|facts| facts.state.finished_at) else {
            let runs = found.running.first().map(|one| one.name.clone());
            return Err(LaunchError::NoPrevious { app: app.to_owned(), runs });
        };
        let present = last.filter(|_| !found.running.is_empty());
        if let Some(admin) = &how.proxy {
            check_site(admin, app).await?;
        }
        let probe = self.probe_of(&previous).await?;
        let beside =
            how.proxy.as_ref().filter(|_| !present.as_ref().is_some_and(|present| shares_a_port(present, &previous)));
        let launched = match (beside, &present) {
            (Some(admin), _) => {
                let launched = self.start_again(&previous, probe.as_ref()).await?;
                if let Err(error) = self.switch(admin, app, &launched.facts, how.drain).await {
                    let _ = self.containers.stop(&previous.id, None).await;
                    return Err(error);
                }
                if let Some(present) = &present {
                    self.retire(present, Duration::ZERO).await?;
                }
                return Ok(Replaced { launched, previous: present.map(|one| one.name), gap: None });
            }
            (None, None) => self.start_again(&previous, probe.as_ref()).await?,
            (None, Some(present)) => return self.swap(present, &previous, probe.as_ref(), how).await,
        };
        Ok(Replaced::nothing(launched))
    }

    /// Stops `present` and starts `previous` at its port; the other way round when that does not become healthy.
    async fn swap(
        &self,
        present: &ContainerFacts,
        previous: &ContainerFacts,
        probe: Option<&HealthProbe>,
        how: &Replacement,
    ) -> Result<Replaced, LaunchError> {
        let uninterrupted = Launcher { stop: never(), ..self.clone() };
        let begin = Instant::now();
        (self.listener)(&LaunchEvent::GapBegins { name: &present.name });
        let started = match uninterrupted.retire(present, how.drain).await {
            Ok(()) => uninterrupted.start_again(previous, probe).await,
            Err(error) => Err(error),
        };
        let ended = match started {
            Ok(launched) => {
                let moved = match &how.proxy {
                    Some(admin) => {
                        let app = present.app().unwrap_or_default();
                        uninterrupted.switch(admin, app, &launched.facts, how.drain).await
                    }
                    None => Ok(()),
                };
                moved.map(|()| launched)
            }
            Err(error) => Err(error),
        };
        match ended {
            Ok(launched) => {
                let gap = begin.elapsed();
                (self.listener)(&LaunchEvent::GapEnds { after: gap });
                Ok(Replaced { launched, previous: Some(present.name.clone()), gap: Some(gap) })
            }
            Err(error) => {
                let _ = self.containers.stop(&previous.id, None).await;
                uninterrupted.restore(present).await?;
                (self.listener)(&LaunchEvent::GapEnds { after: begin.elapsed() });
                Err(error)
            }
        }
    }

    /// Starts a container that ran before; stopped again when it does not become healthy.
    async fn start_again(
        &self,
        previous: &ContainerFacts,
        probe: Option<&HealthProbe>,
    ) -> Result<Launched, LaunchError> {
        let started = Instant::now();
        let launched = async {
            self.containers.start(&previous.id).await?;
            (self.listener)(&LaunchEvent::Started(&previous.name));
            self.wait_until_healthy(&previous.id, probe, started).await
        };
        let launched = launched.await;
        if launched.is_err() {
            let _ = self.containers.stop(&previous.id, Some(Duration::ZERO)).await;
        }
        launched
    }
}

/// Fails before anything is started if the proxy has no site for the app.
pub(super) async fn check_site(admin: &CaddyAdmin, app: &str) -> Result<(), LaunchError> {
    if admin.has_site(app).await? {
        return Ok(());
    }
    Err(ProxyError::NoSite { url: admin.address().to_owned(), app: app.to_owned() }.into())
}

/// Compares the ports that both were created with, since a stopped container has no others.
fn shares_a_port(one: &ContainerFacts, other: &ContainerFacts) -> bool {
    one.ports.iter().any(|port| other.ports.iter().any(|theirs| theirs.host_port == port.host_port))
}
