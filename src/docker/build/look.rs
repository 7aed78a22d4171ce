//! Questions about images for the report: what a name stood for before, and what an image says about itself.
//!
//! Best effort: what cannot be answered is `None`. Never starts a container.

use std::io::Read as _;
use std::time::Duration;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptions, CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;
use tokio::time::timeout;

use super::inspect::inspect;
use crate::docker::connection::{Engine, helper_labels, helper_name};
use crate::image::{AppRoutes, BuiltImage};

/// Where the image says what it is.
const RUN_DOCUMENT: &str = "/nextdeploy/run.json";
/// More than the routes of the largest apps.
const LONGEST_DOCUMENT: usize = 8 * 1024 * 1024;
/// A report does not wait longer for a busy daemon.
const PATIENCE: Duration = Duration::from_secs(5);

/// The image that `reference` names now.
pub async fn find_image(engine: &Engine, reference: &str) -> Option<BuiltImage> {
    timeout(PATIENCE, inspect(engine, reference, &[])).await.ok()?.ok()
}

/// The routes of the app in the image, when this program built it.
pub async fn read_routes(engine: &Engine, image: &str) -> Option<AppRoutes> {
    #[derive(Deserialize)]
    struct RunDocument {
        routes: AppRoutes,
    }
    let document = read_file(engine, image, RUN_DOCUMENT).await?;
    Some(serde_json::from_slice::<RunDocument>(&document).ok()?.routes)
}

/// Files of an image can be read through a container only; this one is never started.
async fn read_file(engine: &Engine, image: &str, path: &str) -> Option<Vec<u8>> {
    let docker = engine.api_client();
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        labels: Some(helper_labels()),
        ..ContainerCreateBody::default()
    };
    let created = docker.create_container(Some(named_helper()), body);
    let container = timeout(PATIENCE, created).await.ok()?.ok()?.id;
    let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
    let archive = timeout(PATIENCE, collect(docker.download_from_container(&container, Some(options)))).await;
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    // A container that stays is removed by the next run.
    let _ = docker.remove_container(&container, Some(options)).await;
    let archive = archive.ok()??;
    let mut archive = tar::Archive::new(archive.as_slice());
    let file = archive.entries().ok()?.next()?.ok()?;
    // A sparse one may be larger than its archive.
    if file.header().entry_type() != tar::EntryType::Regular {
        return None;
    }
    let mut content = Vec::new();
    file.take(LONGEST_DOCUMENT as u64).read_to_end(&mut content).ok()?;
    Some(content)
}

pub(super) fn named_helper() -> CreateContainerOptions {
    CreateContainerOptionsBuilder::default().name(&helper_name()).build()
}

/// `None` when it breaks off or is too large.
async fn collect(stream: impl Stream<Item = Result<Bytes, bollard::errors::Error>>) -> Option<Vec<u8>> {
    let mut stream = std::pin::pin!(stream);
    let mut archive = Vec::new();
    while let Some(bytes) = stream.next().await {
        archive.extend_from_slice(&bytes.ok()?);
        if archive.len() > LONGEST_DOCUMENT {
            return None;
        }
    }
    Some(archive)
}
