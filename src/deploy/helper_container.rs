//! Containers that are created and never started: to write to volumes and folders of the daemon's machine.

use crate::docker::{
    ContainerError, ContainerName, ContainerSpec, Containers, Mount, Removal, helper_labels, helper_name,
};

/// A container that is never started. It has to be [removed](HelperContainer::remove).
pub(super) struct HelperContainer<'a> {
    containers: &'a Containers,
    pub(super) id: String,
}

impl<'a> HelperContainer<'a> {
    /// Creates one of `image` with these mounts.
    pub(super) async fn create(
        containers: &'a Containers,
        image: &str,
        mounts: Vec<Mount>,
    ) -> Result<Self, ContainerError> {
        Self::from_spec(containers, Self::spec(&helper_name(), image, mounts)).await
    }

    pub(super) async fn from_spec(containers: &'a Containers, spec: ContainerSpec) -> Result<Self, ContainerError> {
        let created = containers.create(&spec).await?;
        Ok(Self { containers, id: created.id })
    }

    /// `name` has letters, digits and `-` only.
    pub(super) fn spec(name: &str, image: &str, mounts: Vec<Mount>) -> ContainerSpec {
        let name = ContainerName::parse(name).expect("letters, digits and `-` are a name");
        let mut spec = ContainerSpec::idle(name, image.to_owned(), mounts);
        spec.labels.extend(helper_labels());
        spec
    }

    pub(super) async fn remove(self) -> Result<(), ContainerError> {
        self.containers.remove(&self.id, Removal::Forced).await
    }
}
