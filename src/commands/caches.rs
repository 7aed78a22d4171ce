//! Package store and `.next/cache` on machines that live for one run: into the daemon before the build, out of it afterwards.

use std::collections::BTreeMap;
use std::path::Path;

use super::Session;
use super::project::Project;
use crate::builder::RegistryCredentials;
use crate::config::settings::DockerfileChoice;
use crate::diagnostic::Warning;
use crate::docker::build::{CacheTransfer, CacheTransferError};
use crate::docker::connection::Engine;
use crate::image::dockerfile::BuilderBackend;
use crate::image::plan::ImagePlan;
use crate::report::BuildRecord;
use crate::report::progress::{duration, size};

/// The caches of one build, when a folder for them was named.
pub struct Caches<'a> {
    session: &'a Session,
    transfer: CacheTransfer<'a>,
}

impl<'a> Caches<'a> {
    pub fn of(
        session: &'a Session,
        project: &'a Project,
        plan: &'a ImagePlan,
        engine: &'a Engine,
        credentials: &'a BTreeMap<String, RegistryCredentials>,
    ) -> Option<Self> {
        let folder: &Path = project.run.cache_dir.as_deref()?;
        let own = project.settings.dockerfile.as_ref().is_some_and(|own| own.value != DockerfileChoice::Generated);
        let reason = match engine.builder {
            BuilderBackend::Classic => Some("this daemon has no BuildKit"),
            BuilderBackend::BuildKit => own.then_some("the Dockerfile is the project's own"),
        };
        if let Some(reason) = reason {
            session.warn(&[Warning::new("build/caches-not-kept", format!("caches do not survive: {reason}"))
                .with_hint("remove the setting `cache-dir`")]);
            return None;
        }
        let platform = project.settings.platform.as_ref().map(|platform| platform.value.as_str());
        Some(Self { session, transfer: CacheTransfer { engine, plan, folder, credentials, platform } })
    }

    /// Before the build. What does not come in costs time, not the build.
    pub async fn restore(&self, cancel: impl Future<Output = ()>) {
        let start = tokio::time::Instant::now();
        match self.transfer.restore(cancel).await {
            Ok(0) => self.session.tell("caches: none stored yet"),
            Ok(bytes) => {
                self.session.tell(&format!("caches: {} restored in {}", size(bytes), duration(start.elapsed())));
            }
            Err(error) => self.warn("restored", &error),
        }
    }

    /// After a build that succeeded; nothing is written when every step came from the daemon's own cache.
    pub async fn save(&self, record: &BuildRecord, cancel: impl Future<Output = ()>) {
        let (cached, counted) = record.cache_hits();
        if cached == counted {
            return self.session.tell("caches: nothing new to store");
        }
        let start = tokio::time::Instant::now();
        match self.transfer.save(cancel).await {
            Ok(bytes) => {
                self.session.tell(&format!("caches: {} stored in {}", size(bytes), duration(start.elapsed())));
            }
            Err(error) => self.warn("stored", &error),
        }
    }

    fn warn(&self, what: &str, error: &CacheTransferError) {
        let warning = Warning::new("build/caches-not-kept", format!("the caches are not {what}: {error}"));
        let folder = self.transfer.folder.display();
        self.session.warn(&[warning.with_hint(format!("check the folder `{folder}`; the image is not affected"))]);
    }
}
