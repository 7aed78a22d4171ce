//! Cache mounts into a daemon and out of it: archives in a folder of this machine ↔ mounts of BuildKit, which no API reaches.
//!
//! Both ways are small builds of their own ([`crate::image::dockerfile::cache_transfer`]); what they leave behind is removed. Never touches the image
//! that is really built.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::request::ContextBody;
use super::run::BuildRun;
use super::session::session_id;
use crate::builder::{BuildError, BuildRequest, RegistryCredentials};
use crate::config::settings::{CacheUse, PullPolicy};
use crate::diagnostic::{printable_path, size_text};
use crate::docker::connection::Engine;
use crate::docker::{ContainerError, Containers, Removal, helper_spec};
use crate::image::dockerfile::cache_transfer::{ARCHIVES, COPIES, render_restore, render_save, travelling_caches};
use crate::image::dockerfile::{BuildContext, ContextContent, ContextEntry, DOCKERFILE_NAME};
use crate::image::plan::ImagePlan;

/// For one direction. Caches that take longer are not worth it.
const LIMIT: Duration = Duration::from_mins(5);
/// Of one archive, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024 * 1024;

/// Why a cache was not transferred; the build goes on without it.
#[derive(Debug, thiserror::Error)]
pub enum CacheTransferError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error("the archive of a cache is larger than {}", size_text(LARGEST))]
    TooLarge,
    #[error("the download of a cache did not end within {} s", LIMIT.as_secs())]
    TimedOut,
    #[error("`{}` cannot be used: {source}", printable_path(path))]
    File { path: PathBuf, source: std::io::Error },
}

/// Caches of one plan at one daemon.
pub struct CacheTransfer<'a> {
    pub engine: &'a Engine,
    pub plan: &'a ImagePlan,
    /// Folder of the archives on this machine.
    pub folder: &'a Path,
    /// For the base image.
    pub credentials: &'a BTreeMap<String, RegistryCredentials>,
    /// As in the real build.
    pub platform: Option<&'a str>,
}

impl CacheTransfer<'_> {
    /// Fills empty mounts; returns the size of the archives in bytes.
    pub async fn restore(&self, cancel: impl Future<Output = ()>) -> Result<u64, CacheTransferError> {
        let mut archives = Vec::new();
        for cache in travelling_caches(self.plan) {
            let disk = std::path::absolute(self.archive(&cache.id)).unwrap_or_else(|_| self.archive(&cache.id));
            match std::fs::metadata(&disk) {
                Ok(state) if state.is_file() => {
                    let path = Path::new(ARCHIVES).join(format!("{}.tar", cache.id));
                    archives.push(ContextEntry {
                        path,
                        content: ContextContent::File { disk, size: state.len() },
                        mode: 0o644,
                    });
                }
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(CacheTransferError::File { path: disk, source }),
            }
        }
        let bytes = archives.iter().map(ContextEntry::size).sum();
        if archives.is_empty() {
            return Ok(0);
        }
        let image = self.build(&render_restore(self.plan, &session_id()), archives, cancel).await?;
        self.remove_image(&image).await;
        Ok(bytes)
    }

    /// Writes the archives, each atomically; returns their size in bytes.
    pub async fn save(&self, cancel: impl Future<Output = ()>) -> Result<u64, CacheTransferError> {
        let unusable = |source| CacheTransferError::File { path: self.folder.to_path_buf(), source };
        std::fs::create_dir_all(self.folder).map_err(unusable)?;
        let image = self.build(&render_save(self.plan, &session_id()), Vec::new(), cancel).await?;
        let result = self.download_all(&image).await;
        self.remove_image(&image).await;
        result
    }

    async fn build(
        &self,
        dockerfile: &str,
        archives: Vec<ContextEntry>,
        cancel: impl Future<Output = ()>,
    ) -> Result<String, CacheTransferError> {
        let generated = ContextContent::Generated(dockerfile.as_bytes().to_vec());
        let mut entries = vec![ContextEntry { path: DOCKERFILE_NAME.into(), content: generated, mode: 0o644 }];
        entries.push(ContextEntry { path: ARCHIVES.into(), content: ContextContent::Directory, mode: 0o755 });
        entries.extend(archives);
        let request = BuildRequest {
            context: BuildContext::default(),
            dockerfile: DOCKERFILE_NAME.to_owned(),
            tags: Vec::new(),
            platform: self.platform.map(str::to_owned),
            target: None,
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            secrets: Vec::new(),
            credentials: self.credentials.clone(),
            network: Some("none".to_owned()),
            cache_from: Vec::new(),
            memory: None,
            // Building without the cache would empty the mounts (seen with Docker Engine 20.10).
            cache: CacheUse::Use,
            pull: PullPolicy::Missing,
            timeout: Some(LIMIT),
        };
        // Its progress is not shown.
        let (events, _) = mpsc::channel(1);
        let run = BuildRun { engine: self.engine, request: &request, events };
        Ok(run.build(ContextBody::of(BuildContext { entries }), cancel).await?.id)
    }

    async fn download_all(&self, image: &str) -> Result<u64, CacheTransferError> {
        let containers = Containers::new(self.engine);
        let container = containers.create(&helper_spec(image, Vec::new())).await?.id;
        let mut bytes = 0;
        let mut result = Ok(());
        for cache in travelling_caches(self.plan) {
            match timeout(LIMIT, self.download(&containers, &container, &cache.id)).await {
                Ok(Ok(size)) => bytes += size,
                Ok(Err(error)) => result = Err(error),
                Err(_) => result = Err(CacheTransferError::TimedOut),
            }
        }
        let _ = containers.remove(&container, Removal::Forced).await;
        result.map(|()| bytes)
    }

    async fn download(&self, containers: &Containers, container: &str, id: &str) -> Result<u64, CacheTransferError> {
        let path = self.archive(id);
        let unusable = |source| CacheTransferError::File { path: path.clone(), source };
        let mut chunks = containers.copy_out(container, &format!("{COPIES}/{id}")).await?;
        let mut file = tempfile::Builder::new().prefix(".nextdeploy-").tempfile_in(self.folder).map_err(unusable)?;
        let mut bytes = 0;
        while let Some(chunk) = chunks.try_next().await? {
            bytes += chunk.len() as u64;
            if bytes > LARGEST {
                return Err(CacheTransferError::TooLarge);
            }
            file.write_all(&chunk).map_err(unusable)?;
        }
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(permissions).map_err(unusable)?;
        file.persist(&path).map_err(|error| unusable(error.error))?;
        Ok(bytes)
    }

    fn archive(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.tar"))
    }

    /// Best effort: the image has no name.
    async fn remove_image(&self, image: &str) {
        let _ = self.engine.remove_image(image).await;
    }
}
