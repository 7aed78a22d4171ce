//! Files of an image, read through a container that is created and never started.

use super::error::LaunchError;
use super::run_document::{RUN_DOCUMENT, RunDocument};
use crate::container::{ContainerName, ContainerSpec, Containers, Mount, Removal};
use crate::host;

/// More than the routes of the largest apps.
const LONGEST_DOCUMENT: usize = 8 * 1024 * 1024;
/// Label of containers that are never started.
pub const HELPER_LABEL: &str = "nextdeploy.helper";

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
        let name = ContainerName::parse(&format!("nextdeploy-helper-{}", &host::random_word()[..12]));
        let name = name.expect("letters, digits and `-` are a name");
        let mut spec = ContainerSpec::idle(name, image.to_owned(), mounts);
        spec.labels.insert(HELPER_LABEL.to_owned(), "true".to_owned());
        let created = containers.create(&spec).await?;
        Ok(Self { containers, id: created.id })
    }

    pub(super) async fn remove(self) -> Result<(), LaunchError> {
        Ok(self.containers.remove(&self.id, Removal::Forced).await?)
    }
}

/// What the image says of its app; `None` when this program did not build it.
pub async fn read_run_document(containers: &Containers, image: &str) -> Result<Option<RunDocument>, LaunchError> {
    let helper = Helper::create(containers, image, Vec::new()).await?;
    let read = containers.read_file(&helper.id, RUN_DOCUMENT, LONGEST_DOCUMENT).await;
    helper.remove().await?;
    Ok(read?.as_deref().and_then(RunDocument::parse))
}
