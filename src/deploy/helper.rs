//! Containers that are created and never started: for files of an image and of the daemon's machine, and as the lock of a replacement.

use super::error::LaunchError;
use super::secrets::{SECRETS_LABEL, SecretsPlace};
use crate::docker::{
    ContainerError, ContainerName, ContainerSpec, ContainerStatus, ContainerSummary, Containers, HELPER_LABEL, Mount,
    Removal, helper_labels, helper_name,
};
use crate::host::{self, Life, ProcessId};

/// Label of the app's containers with the process that launched them.
pub const LAUNCHER_LABEL: &str = "nextdeploy.launcher";

/// A container that is never started. It has to be [removed](Helper::remove).
pub(super) struct Helper<'a> {
    containers: &'a Containers,
    pub(super) id: String,
}

impl<'a> Helper<'a> {
    /// Makes one of `image`, which sees `mounts`.
    pub(super) async fn create(
        containers: &'a Containers,
        image: &str,
        mounts: Vec<Mount>,
    ) -> Result<Self, LaunchError> {
        Self::from_spec(containers, spec(&helper_name(), image, mounts)).await
    }

    /// Makes one that sees the memory of `place`. Its label names the folder, so that a later run finds it whenever this one is killed.
    pub(super) async fn at(containers: &'a Containers, image: &str, place: &SecretsPlace) -> Result<Self, LaunchError> {
        let mut spec = spec(&helper_name(), image, vec![place.root_mount()]);
        spec.labels.insert(SECRETS_LABEL.to_owned(), place.path());
        // Podman says of all that it copies out that it belongs to the user of the container (seen with 4.3), so that modes are checked
        // there, and owners only where this machine sees them itself.
        spec.user = Some("0:0".to_owned());
        Self::from_spec(containers, spec).await
    }

    async fn from_spec(containers: &'a Containers, spec: ContainerSpec) -> Result<Self, LaunchError> {
        let created = containers.create(&spec).await?;
        Ok(Self { containers, id: created.id })
    }

    pub(super) async fn remove(self) -> Result<(), LaunchError> {
        Ok(self.containers.remove(&self.id, Removal::Forced).await?)
    }
}

fn spec(name: &str, image: &str, mounts: Vec<Mount>) -> ContainerSpec {
    let name = ContainerName::parse(name).expect("letters, digits and `-` are a name");
    let mut spec = ContainerSpec::idle(name, image.to_owned(), mounts);
    spec.labels.extend(helper_labels());
    spec
}

/// Whether the process that the label `name` of `one` names was killed before it removed it. Of a process of another machine only its age
/// is known.
pub(super) fn is_left(one: &ContainerSummary, name: &str) -> bool {
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
    helper: Helper<'a>,
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
        // Once more after one that was left.
        for _ in 0..2 {
            match containers.create(&spec(&name, image, Vec::new())).await {
                Ok(created) => return Ok(Self { helper: Helper { containers, id: created.id }, broken }),
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

    /// One that stays is broken by the next run.
    pub(super) async fn release(self) {
        let _ = self.helper.remove().await;
    }
}
