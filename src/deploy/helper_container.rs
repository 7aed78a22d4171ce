//! Containers that are created and never started: to read files of an image, and to write to volumes and folders of the daemon's machine.

use super::error::LaunchError;
use super::run_document::{RUN_DOCUMENT, RunDocument};
use crate::docker::connection::{helper_labels, helper_name};
use crate::docker::{ContainerError, ContainerName, ContainerSpec, Containers, Mount, Removal};
use crate::host::Cache;

/// More than the routes of the largest apps.
const LONGEST_DOCUMENT: usize = 8 * 1024 * 1024;

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

/// The document of the image with the id `image`; `None` when this program did not build it. `known` caches the documents of images,
/// since reading one takes the daemon a tenth of a second.
///
/// # Errors
/// Also when a value in it is one that no build writes.
pub async fn read_run_document(
    containers: &Containers,
    image: &str,
    known: &Cache,
) -> Result<Option<RunDocument>, LaunchError> {
    // Images without one are not cached.
    if let Some(document) = known.get(image).and_then(|bytes| RunDocument::parse(&bytes).ok()) {
        return Ok(Some(document));
    }
    let helper = HelperContainer::create(containers, image, Vec::new()).await?;
    let read = containers.read_file(&helper.id, RUN_DOCUMENT, LONGEST_DOCUMENT).await;
    helper.remove().await?;
    let Some(bytes) = read? else { return Ok(None) };
    let document = RunDocument::parse(&bytes)
        .map_err(|invalid| ContainerError::InvalidImage { image: image.to_owned(), invalid })?;
    known.put(image, &bytes);
    Ok(Some(document))
}
