//! The way of a repository to a published image: `Opened → Planned → Prepared → Attempted → Built → Published`.
//!
//! Each stage is a struct that owns the one before. A failure carries the last stage that was reached, so that reports are made in one way
//! however a run ends. In: settings and a repository. Out: a stage, and [`Event`]s on the way. Knows no terminal: nothing here prints.

mod docker;
mod event;
mod open;
mod publish;
mod recipe;
mod record;
mod stage;
mod stop;

pub use docker::DockerBuilder;
pub use event::{Event, EventSender, Phase, event_channel};
pub use open::{OpenOptions, Opened, git_options};
pub use publish::{DaemonPublisher, Publication, RegistryAccess, named_registry, typed_reference};
pub use recipe::SecretValues;
pub use record::{BuildRecord, StepRecord, StepResult, TransferRecord, is_for_the_record};
pub use stage::{Attempted, Built, Failure, Planned, Prepared, Published, Push, Reached, ReportDetail, RunOptions};
pub use stop::Stop;

use crate::builder::{BuildError, BuildRequest};
use crate::error::Error;
use crate::image::plan::ImagePlan;
use crate::image::{AppRoutes, BuiltImage};
use crate::image_ref::ImageRef;
use crate::registry::transfer::PushOutcome;

/// Builds an image from a request.
pub trait Builder {
    /// Builds until the image exists, the build fails, or `stop` is requested. The record holds what happened either way.
    fn build(
        &self,
        plan: &ImagePlan,
        request: BuildRequest,
        events: &EventSender,
        stop: &Stop,
    ) -> impl Future<Output = (Result<BuiltImage, BuildError>, BuildRecord)>;
}

/// Where earlier images are. Best effort: what cannot be read is `None`.
pub trait ImageStore {
    /// The image that `reference` stands for now.
    fn find(&self, reference: &str) -> impl Future<Output = Option<BuiltImage>>;

    /// The routes of the app in the image with this id, if this program built it.
    fn routes(&self, id: &str) -> impl Future<Output = Option<AppRoutes>>;
}

/// Pushes an image to its registries.
pub trait Publisher {
    /// Fails where a push to `references` cannot succeed, before a long build.
    fn check(&self, references: &[ImageRef]) -> impl Future<Output = Result<(), Error>>;

    /// Pushes all references; those that failed are in the outcome.
    fn publish(
        &self,
        image: &BuiltImage,
        references: &[ImageRef],
        events: &EventSender,
        stop: &Stop,
    ) -> impl Future<Output = Result<(PushOutcome, TransferRecord), Error>>;
}
