//! Containers that are created and never started: for files of an image, and as a mark that a replacement is under way.

use super::error::LaunchError;
use super::run_document::{RUN_DOCUMENT, RunDocument};
use crate::container::{ContainerError, ContainerName, ContainerSpec, Containers, Mount, Removal};
use crate::host::{self, Cache};

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

/// Nobody else replaces a container of the app meanwhile. It has to be [released](Turn::release).
pub(super) struct Turn<'a>(Helper<'a>);

impl<'a> Turn<'a> {
    /// In seconds: a mark that is older was left by a program that was killed.
    const OLDEST: i64 = 60 * 60;

    pub(super) async fn take(containers: &'a Containers, app: &str, image: &str) -> Result<Self, LaunchError> {
        let name = format!("nextdeploy-replacing-{app}");
        let Ok(name) = ContainerName::parse(&name) else {
            return Err(LaunchError::Replacing { app: app.to_owned(), name });
        };
        let mut spec = ContainerSpec::idle(name.clone(), image.to_owned(), Vec::new());
        spec.labels.insert(HELPER_LABEL.to_owned(), "true".to_owned());
        if let Ok(left) = containers.inspect(name.as_str()).await
            && left.created_at.is_some_and(|made| host::now() - made.timestamp() > Self::OLDEST)
        {
            containers.remove(&left.id, Removal::Stopped).await?;
        }
        match containers.create(&spec).await {
            Ok(created) => Ok(Self(Helper { containers, id: created.id })),
            Err(ContainerError::NameInUse { .. }) => {
                Err(LaunchError::Replacing { app: app.to_owned(), name: name.to_string() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A mark that stays is told to the next one, and is too old in an hour.
    pub(super) async fn release(self) {
        let _ = self.0.remove().await;
    }
}

/// What the image with the id `image` says of its app; `None` when this program did not build it. `known` has the documents of images
/// that were read before: the daemon takes a tenth of a second for one.
pub async fn read_run_document(
    containers: &Containers,
    image: &str,
    known: &Cache,
) -> Result<Option<RunDocument>, LaunchError> {
    // Nothing is kept of an image without one.
    if let Some(document) = known.get(image).as_deref().and_then(RunDocument::parse) {
        return Ok(Some(document));
    }
    let helper = Helper::create(containers, image, Vec::new()).await?;
    let read = containers.read_file(&helper.id, RUN_DOCUMENT, LONGEST_DOCUMENT).await;
    helper.remove().await?;
    let Some(bytes) = read? else { return Ok(None) };
    let document = RunDocument::parse(&bytes);
    if document.is_some() {
        known.put(image, &bytes);
    }
    Ok(document)
}
