//! The end of a build, however it came: job summary, outputs and files for later steps, from the last stage that was reached.

use super::{Session, reporting, without_secrets};
use crate::builder::BuildError;
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::error::Error;
use crate::pipeline::{Push, Reached};
use crate::registry::transfer::PushOutcome;
use crate::report::outputs::{ImageState, OutputSource};
use crate::report::summary::{Ending, FailedStep, Summary};
use crate::report::transfer::PushResult;
use crate::report::{BuildResult, PushReport};

/// Reports to the CI system how the run ended.
pub fn conclude(session: &Session, reached: &Reached, ended: &Result<ExitCode, Error>) {
    let error: Option<&dyn Diagnostic> = match ended {
        Err(error) => Some(error),
        Ok(_) => reached.push_outcome().and_then(PushOutcome::error).map(|error| error as &dyn Diagnostic),
    };
    let built = reached.built();
    let ending = match (error, ended) {
        (Some(error), _) => Ending::Failed(error),
        (None, Ok(ExitCode::Interrupted | ExitCode::Terminated)) => Ending::Stopped,
        (None, _) if built.is_none() => Ending::Planned,
        (None, _) => Ending::Done,
    };
    let failed_step = match ended {
        Err(Error::Build(BuildError::StepFailed { step, tail, .. })) => Some(FailedStep { name: step, log: tail }),
        _ => None,
    };
    let attempted = reached.attempted();
    let facts = reached.opened().map(|opened| &opened.facts);
    let plan = reached.planned().map(|planned| &planned.plan);
    let warnings = session.log.warnings();
    let summary = Summary {
        facts,
        plan,
        dockerfile: reached.dockerfile(),
        warnings: &warnings,
        record: attempted.map(|attempted| &attempted.record),
        image: built.map(|built| &built.image),
        previous: attempted.and_then(|attempted| attempted.previous.as_ref()),
        routes: built.and_then(|built| built.routes.as_ref()),
        pushed: reached.pushed(),
        failed_step,
        ending,
    };
    let metadata = metadata(reached);
    let outputs = OutputSource {
        facts,
        plan,
        dockerfile: reached.dockerfile().unwrap_or_default(),
        image: match (built, ending) {
            (Some(built), _) => ImageState::Built(&built.image),
            (None, Ending::Planned) => ImageState::Planned,
            (None, _) => ImageState::Missing,
        },
        pushed: reached.pushed(),
        all_pushed: !matches!(ending, Ending::Stopped)
            && reached.push_outcome().is_some_and(|outcome| outcome.failed.is_empty() && !outcome.pushed.is_empty()),
        metadata: &metadata,
        summary_file: None,
    };
    reporting::report(session, &summary, outputs);
}

/// The result as JSON on one line; empty for a run that did not get to its end.
fn metadata(reached: &Reached) -> String {
    let Reached::Published(published) = reached else { return String::new() };
    let push = match &published.push {
        Push::NotRequested => PushReport::NotWanted,
        Push::Skipped(reason) => PushReport::Skipped(reason.clone()),
        Push::Done(outcome, record) => PushReport::Done(PushResult::new(outcome, record)),
    };
    without_secrets(&BuildResult::of(&published.built, &push).metadata_file()).to_string()
}
