//! The containers of one app: those that run or ran, the lock that one replacement of them holds, and what killed runs left behind.
//!
//! Each leftover is recognised by the label with the process that made it. What a running process made is never touched.

use std::collections::BTreeSet;

use super::error::LaunchError;
use super::helper_container::HelperContainer;
use super::plan::{LAUNCHER_LABEL, SECRETS_LABEL};
use super::secrets::{SecretsFolder, remove_secrets, remove_with_secrets};
use crate::docker::{
    ContainerError, ContainerFacts, ContainerName, ContainerStatus, ContainerSummary, Containers, HELPER_LABEL,
    HELPER_PREFIX, ListQuery, Owner, Removal, Running,
};
use crate::host::{self, Life, ProcessId};

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

    /// The one that serves the app or, if none runs, the last one that did.
    pub async fn present(&self, containers: &Containers) -> Result<Option<ContainerFacts>, LaunchError> {
        match self.running.first() {
            Some(running) => Ok(Some(containers.inspect(&running.id).await?)),
            None => Ok(self.ended(containers).await?.into_iter().max_by_key(|facts| facts.state.started_at)),
        }
    }

    /// Those that exited.
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

/// Removes what no process uses any more: helper containers of all apps with their secrets, and containers of `app` that were never
/// started. What cannot be removed stays, and is not an error.
pub(super) async fn remove_leftovers(containers: &Containers, app: &str) -> Result<(), LaunchError> {
    let helpers = containers.with_label(HELPER_LABEL).await?;
    let left: Vec<&ContainerSummary> = helpers.iter().filter(|one| is_left_helper(one)).collect();
    let found = AppContainers::find(containers, app).await?;
    let of_app = found.stopped.iter().filter(|one| never_started(one) && is_left(one, LAUNCHER_LABEL));
    for one in of_app {
        let of = (&one.labels, one.image_id.as_str());
        let _ = remove_with_secrets(containers, &one.id, of, Removal::Stopped).await;
    }
    if left.is_empty() {
        return Ok(());
    }
    let gone: BTreeSet<&str> = left.iter().map(|one| one.id.as_str()).collect();
    let with_secrets = containers.with_label(SECRETS_LABEL).await?;
    let used: BTreeSet<&String> = with_secrets
        .iter()
        .filter(|one| !gone.contains(one.id.as_str()))
        .filter_map(|one| one.labels.get(SECRETS_LABEL))
        .collect();
    for one in left {
        let label = one.labels.get(SECRETS_LABEL).filter(|label| !used.contains(label));
        let emptied = match label.and_then(|label| SecretsFolder::of_label(label)) {
            Some(folder) => remove_secrets(containers, &one.image_id, &folder).await,
            None => Ok(()),
        };
        if emptied.is_ok() {
            let _ = containers.remove(&one.id, Removal::Stopped).await;
        }
    }
    Ok(())
}

fn never_started(one: &ContainerSummary) -> bool {
    one.status == ContainerStatus::Created
}

/// The lock of a replacement has the label too, but is broken by the next replacement of its app.
fn is_left_helper(one: &ContainerSummary) -> bool {
    never_started(one) && one.name.starts_with(HELPER_PREFIX) && is_left(one, HELPER_LABEL)
}

/// Whether `one` was left behind: the process named in its label `name` has ended, or, if it is one of another machine, an hour has passed.
fn is_left(one: &ContainerSummary, name: &str) -> bool {
    /// In seconds.
    const OLDEST: i64 = 60 * 60;
    let Some(maker) = one.labels.get(name) else { return false };
    match ProcessId::parse(maker).life() {
        Life::Runs => false,
        Life::Ended => true,
        Life::Unknown => one.created_at.is_some_and(|made| host::now() - made.timestamp() > OLDEST),
    }
}

/// One replacement of an app at a time. It has to be [released](ReplaceLock::release).
pub(super) struct ReplaceLock<'a> {
    helper: HelperContainer<'a>,
    /// The process that held it before and was killed.
    pub(super) broken: Option<ProcessId>,
}

impl<'a> ReplaceLock<'a> {
    pub(super) async fn take(containers: &'a Containers, app: &str, image: &str) -> Result<Self, LaunchError> {
        let name = format!("nextdeploy-replacing-{app}");
        let held = || LaunchError::Replacing { app: app.to_owned(), name: name.clone() };
        if ContainerName::parse(&name).is_err() {
            return Err(held());
        }
        let mut broken = None;
        // The second attempt follows the removal of one that was left behind.
        for _ in 0..2 {
            let spec = HelperContainer::spec(&name, image, Vec::new());
            match HelperContainer::from_spec(containers, spec).await {
                Ok(helper) => return Ok(Self { helper, broken }),
                Err(ContainerError::NameInUse { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let all = containers.with_label(HELPER_LABEL).await?;
            let Some(lock) = all.iter().find(|one| one.name == name) else { continue };
            if lock.status != ContainerStatus::Created || !is_left(lock, HELPER_LABEL) {
                return Err(held());
            }
            broken = lock.labels.get(HELPER_LABEL).map(|process| ProcessId::parse(process));
            match containers.remove(&lock.id, Removal::Stopped).await {
                Ok(()) | Err(ContainerError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(held())
    }

    /// If the removal fails, the next run breaks the lock.
    pub(super) async fn release(self) {
        let _ = self.helper.remove().await;
    }
}
