//! Back to the container that ran before, which a replacement kept; it takes the place of the present one as a new one would.

use std::time::{Duration, Instant};

use super::error::LaunchError;
use super::event::LaunchEvent;
use super::helper::ReplaceLock;
use super::probe::Probe;
use super::replace::{AppContainers, Replaced, Replacement, check_site, never};
use super::start::{Launched, Launcher};
use crate::docker::ContainerFacts;

impl Launcher<'_> {
    /// Goes back to the container that ran before the one that runs now.
    pub async fn roll_back(&self, app: &str, how: &Replacement) -> Result<Replaced, LaunchError> {
        self.sweep(app).await?;
        let found = AppContainers::find(self.containers, app).await?;
        let Some(any) = found.running.first().or(found.stopped.first()) else {
            return Err(LaunchError::NoPrevious { app: app.to_owned(), runs: None });
        };
        let lock = ReplaceLock::take(self.containers, app, &any.image_id).await?;
        let replaced = async {
            self.finish_broken(&lock, app, how).await?;
            Box::pin(self.roll_back_in_turn(app, how)).await
        };
        let replaced = replaced.await;
        lock.release().await;
        replaced
    }

    async fn roll_back_in_turn(&self, app: &str, how: &Replacement) -> Result<Replaced, LaunchError> {
        let found = AppContainers::find(self.containers, app).await?;
        let last = found.present(self.containers).await?;
        let mut ended = found.ended(self.containers).await?;
        // One that was stopped by hand is not what ran before.
        ended.retain(|facts| last.as_ref().is_none_or(|last| last.id != facts.id));
        // The one that ended last was replaced last.
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
        probe: Option<&Probe>,
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
    async fn start_again(&self, previous: &ContainerFacts, probe: Option<&Probe>) -> Result<Launched, LaunchError> {
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

    /// The launcher of images of ours answers at once.
    pub(super) async fn probe_of(&self, facts: &ContainerFacts) -> Result<Option<Probe>, LaunchError> {
        let image = self.containers.image_facts(&facts.image_id).await?;
        let is_ours = image.entrypoint.last().is_some_and(|last| last == "/nextdeploy/launcher.cjs");
        let checked = is_ours && image.has_health_check;
        let argv = || image.entrypoint.into_iter().chain(["health".to_owned()]).collect();
        Ok(checked.then(|| Probe { argv: argv(), request: None }))
    }
}

/// The ports of a container that does not run are not known, so those of both are looked for in what they were created with.
fn shares_a_port(one: &ContainerFacts, other: &ContainerFacts) -> bool {
    one.ports.iter().any(|port| other.ports.iter().any(|theirs| theirs.host_port == port.host_port))
}
