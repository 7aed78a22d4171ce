//! What runs that were killed left: helper containers, folders of secrets, and containers of the app that never served. Each is known by
//! the process that made it; what a process made that still runs is never touched.

use std::collections::BTreeSet;

use super::error::LaunchError;
use super::helper::{LAUNCHER_LABEL, ReplaceLock, is_left};
use super::replace::{AppContainers, Replacement};
use super::secrets::{SECRETS_LABEL, SecretsPlace, remove_secrets, remove_with_secrets};
use super::start::{Launcher, address};
use crate::docker::{ContainerFacts, ContainerStatus, ContainerSummary, HELPER_LABEL, HELPER_PREFIX, Removal};

impl Launcher<'_> {
    /// Removes what no process uses any more: helper containers of all apps, and containers of `app` that were never started. What
    /// cannot be removed stays, and keeps nothing from happening.
    pub(super) async fn sweep(&self, app: &str) -> Result<(), LaunchError> {
        let helpers = self.containers.with_label(HELPER_LABEL).await?;
        let left: Vec<&ContainerSummary> = helpers.iter().filter(|one| is_left_helper(one)).collect();
        let found = AppContainers::find(self.containers, app).await?;
        let of_app = found.stopped.iter().filter(|one| never_started(one) && is_left(one, LAUNCHER_LABEL));
        for one in of_app {
            let of = (&one.labels, one.image_id.as_str());
            let _ = remove_with_secrets(self.containers, &one.id, of, Removal::Stopped).await;
        }
        if left.is_empty() {
            return Ok(());
        }
        let gone: BTreeSet<&str> = left.iter().map(|one| one.id.as_str()).collect();
        let with_secrets = self.containers.with_label(SECRETS_LABEL).await?;
        let used: BTreeSet<&String> = with_secrets
            .iter()
            .filter(|one| !gone.contains(one.id.as_str()))
            .filter_map(|one| one.labels.get(SECRETS_LABEL))
            .collect();
        for one in left {
            let label = one.labels.get(SECRETS_LABEL).filter(|label| !used.contains(label));
            let emptied = match label.and_then(|label| SecretsPlace::of_label(label)) {
                Some(place) => remove_secrets(self.containers, &one.image_id, &place).await,
                None => Ok(()),
            };
            if emptied.is_ok() {
                let _ = self.containers.remove(&one.id, Removal::Stopped).await;
            }
        }
        Ok(())
    }

    /// A replacement that was killed may have left two containers that run: the one that does not serve is removed when it is the new
    /// one, and stopped when it is the old one.
    pub(super) async fn finish_broken(
        &self,
        lock: &ReplaceLock<'_>,
        app: &str,
        how: &Replacement,
    ) -> Result<(), LaunchError> {
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
}

fn never_started(one: &ContainerSummary) -> bool {
    one.status == ContainerStatus::Created
}

/// The lock of a replacement has a label too, and is broken by the next replacement of its app.
fn is_left_helper(one: &ContainerSummary) -> bool {
    never_started(one) && one.name.starts_with(HELPER_PREFIX) && is_left(one, HELPER_LABEL)
}
