//! What a build has found so far, so that its end can be told however it comes.

use std::sync::OnceLock;

use super::Session;
use super::project::Project;
use super::reporting;
use crate::builder::BuildError;
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::error::Error;
use crate::image::plan::ImagePlan;
use crate::image::{AppRoutes, BuiltImage, PushedReference};
use crate::registry::transfer::PushOutcome;
use crate::report::BuildRecord;
use crate::report::outputs::{ImageState, OutputSource};
use crate::report::summary::{Ending, FailedStep, Summary};

/// Filled from top to bottom; a run that ends early leaves the rest empty.
#[derive(Default)]
pub struct Told {
    pub project: OnceLock<Project>,
    pub plan: OnceLock<ImagePlan>,
    pub dockerfile: OnceLock<String>,
    pub previous: OnceLock<BuiltImage>,
    pub record: OnceLock<BuildRecord>,
    pub image: OnceLock<BuiltImage>,
    pub routes: OnceLock<AppRoutes>,
    pub pushed: OnceLock<PushOutcome>,
    /// The result as JSON on one line.
    pub metadata: OnceLock<String>,
}

impl Told {
    /// Keeps `value` and answers where it is now.
    pub fn keep<T>(place: &OnceLock<T>, value: T) -> &T {
        place.get_or_init(|| value)
    }

    /// Tells the CI system how the run ended.
    pub fn report(&self, session: &Session, ended: &Result<ExitCode, Error>) {
        let error: Option<&dyn Diagnostic> = match ended {
            Err(error) => Some(error as &dyn Diagnostic),
            Ok(_) => self.pushed.get().and_then(PushOutcome::error).map(|error| error as &dyn Diagnostic),
        };
        let ending = match (error, ended) {
            (Some(error), _) => Ending::Failed(error),
            (None, Ok(ExitCode::Interrupted | ExitCode::Terminated)) => Ending::Stopped,
            (None, _) if self.image.get().is_none() => Ending::Planned,
            (None, _) => Ending::Done,
        };
        let failed_step = match ended {
            Err(Error::Build(BuildError::StepFailed { step, tail, .. })) => Some(FailedStep { name: step, log: tail }),
            _ => None,
        };
        let warnings = session.log.warnings();
        let summary = Summary {
            facts: self.project.get().map(|project| &project.facts),
            plan: self.plan.get(),
            dockerfile: self.dockerfile.get().map(String::as_str),
            warnings: &warnings,
            record: self.record.get(),
            image: self.image.get(),
            previous: self.previous.get(),
            routes: self.routes.get(),
            pushed: self.arrived(),
            failed_step,
            ending,
        };
        reporting::report(session, &summary, self.outputs(ending));
    }

    fn arrived(&self) -> &[PushedReference] {
        self.pushed.get().map_or(&[], |outcome| &outcome.pushed)
    }

    /// Later steps, which may be there for failures, get whatever is known.
    fn outputs(&self, ending: Ending<'_>) -> OutputSource<'_> {
        OutputSource {
            facts: self.project.get().map(|project| &project.facts),
            plan: self.plan.get(),
            dockerfile: self.dockerfile.get().map_or("", String::as_str),
            image: match (self.image.get(), ending) {
                (Some(image), _) => ImageState::Built(image),
                (None, Ending::Planned) => ImageState::Planned,
                (None, _) => ImageState::Missing,
            },
            pushed: self.arrived(),
            all_pushed: !matches!(ending, Ending::Stopped)
                && self.pushed.get().is_some_and(|pushed| pushed.failed.is_empty() && !pushed.pushed.is_empty()),
            metadata: self.metadata.get().map_or("", String::as_str),
            summary_file: None,
        }
    }
}
