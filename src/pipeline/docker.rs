//! The [`Builder`] that uses a Docker daemon, with package store and `.next/cache` brought from and to a folder.

use std::path::PathBuf;

use tokio::sync::mpsc;

use super::event::{Event, EventSender, Phase};
use super::open::Opened;
use super::record::BuildRecord;
use super::stop::Stop;
use super::{Builder, ImageStore};
use crate::builder::{BuildError, BuildRequest};
use crate::config::settings::DockerfileChoice;
use crate::diagnostic::Warning;
use crate::docker::build::{BuildRun, CacheTransfer, CacheTransferError, ContextBody};
use crate::docker::connection::Engine;
use crate::docker::read_routes;
use crate::format::{duration, size};
use crate::image::dockerfile::BuilderBackend;
use crate::image::plan::ImagePlan;
use crate::image::{AppRoutes, BuiltImage};

/// Build events that wait to be recorded.
const BUILD_QUEUE: usize = 256;

pub struct DockerBuilder<'a> {
    engine: &'a Engine,
    /// Archives of caches, for machines that live for one run.
    cache_folder: Option<PathBuf>,
}

impl<'a> DockerBuilder<'a> {
    /// Warns about a cache folder that this build cannot use.
    pub async fn new(engine: &'a Engine, opened: &Opened, events: &EventSender) -> Self {
        let mut builder = Self { engine, cache_folder: opened.run.cache_dir.clone() };
        let own = opened.settings.dockerfile.as_ref().is_some_and(|own| own.value != DockerfileChoice::Generated);
        let reason = match engine.builder {
            BuilderBackend::Classic => Some("this daemon has no BuildKit"),
            BuilderBackend::BuildKit => own.then_some("the Dockerfile is the project's own"),
        };
        if let (Some(_), Some(reason)) = (&builder.cache_folder, reason) {
            let message = format!("caches are not kept: {reason}");
            events
                .warning(Warning::new("build/caches-not-kept", message).with_hint("remove the setting `cache-dir`"))
                .await;
            builder.cache_folder = None;
        }
        builder
    }
}

impl Builder for DockerBuilder<'_> {
    async fn build(
        &self,
        plan: &ImagePlan,
        mut request: BuildRequest,
        events: &EventSender,
        stop: &Stop,
    ) -> (Result<BuiltImage, BuildError>, BuildRecord) {
        let context = ContextBody::of(std::mem::take(&mut request.context));
        let caches = self.cache_folder.as_deref().map(|folder| CacheTransfer {
            engine: self.engine,
            plan,
            folder,
            credentials: &request.credentials,
            platform: request.platform.as_deref(),
        });
        if let Some(caches) = &caches {
            restore(caches, events, stop).await;
        }
        events.send(Event::Started(Phase::Build)).await;
        let (sender, received) = mpsc::channel(BUILD_QUEUE);
        let run = BuildRun { engine: self.engine, request: &request, events: sender };
        let (result, record) =
            tokio::join!(run.build(context, stop.clone().requested()), events.record_build(received));
        events.send(Event::Finished(Phase::Build)).await;
        if let (Some(caches), Ok(_)) = (&caches, &result) {
            save(caches, &record, events, stop).await;
        }
        (result, record)
    }
}

impl ImageStore for DockerBuilder<'_> {
    async fn find(&self, reference: &str) -> Option<BuiltImage> {
        self.engine.find_image(reference).await
    }

    async fn routes(&self, id: &str) -> Option<AppRoutes> {
        read_routes(self.engine, id).await
    }
}

/// Before the build. Without its caches the build is slower, nothing else.
async fn restore(caches: &CacheTransfer<'_>, events: &EventSender, stop: &Stop) {
    let start = tokio::time::Instant::now();
    match caches.restore(stop.clone().requested()).await {
        Ok(0) => events.message("caches: none stored yet").await,
        Ok(bytes) => {
            events.message(format!("caches: {} restored in {}", size(bytes), duration(start.elapsed()))).await;
        }
        Err(error) => events.warning(not_kept(caches, "restored", &error)).await,
    }
}

/// After a build that succeeded; nothing is written if every step came from the daemon's own cache.
async fn save(caches: &CacheTransfer<'_>, record: &BuildRecord, events: &EventSender, stop: &Stop) {
    let (hits, steps) = record.cache_hits();
    if hits == steps {
        return events.message("caches: nothing new to store").await;
    }
    let start = tokio::time::Instant::now();
    match caches.save(stop.clone().requested()).await {
        Ok(bytes) => {
            events.message(format!("caches: {} stored in {}", size(bytes), duration(start.elapsed()))).await;
        }
        Err(error) => events.warning(not_kept(caches, "stored", &error)).await,
    }
}

fn not_kept(caches: &CacheTransfer<'_>, what: &str, error: &CacheTransferError) -> Warning {
    let folder = caches.folder.display();
    Warning::new("build/caches-not-kept", format!("the caches were not {what}: {error}"))
        .with_hint(format!("check the folder `{folder}`; the image is not affected"))
}
