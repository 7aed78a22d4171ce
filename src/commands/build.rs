//! `nextdeploy build`.

use super::announce::{Announced, ForgeReport};
use super::conclude::conclude;
use super::display::{progress_mode, show};
use super::output::write_file;
use super::{Session, block_on, dry_run, reporting, to_json, without_secrets};
use crate::builder::BuildError;
use crate::config::cli::{BuildArgs, CliSettings};
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::error::{CommandError, Error};
use crate::image::BuiltImage;
use crate::pipeline::{Failure, Planned, Published, Push, Reached, ReportDetail, RunOptions, Stop};
use crate::registry::transfer::PushOutcome;
use crate::repo::GitDetail;
use crate::report::transfer::{PushResult, render_push};
use crate::report::{self, BuildResult, PushReport};

pub fn run(session: &Session, verb: &BuildArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let (reached, ended) = match plan(session, words) {
        Ok(planned) => {
            session.tell_folded("detect", "Project", || report::render_facts(&planned.opened.facts));
            session.tell_folded("plan", "Plan of the image", || report::render_plan(&planned.plan));
            warn(session, &planned);
            if planned.opened.run.dry_run {
                dry_run::run(session, verb.json, planned)
            } else {
                build(session, verb, planned)
            }
        }
        Err(failure) => (failure.reached, Err(failure.error)),
    };
    conclude(session, &reached, &ended);
    ended
}

/// Builds the image of a container: it is neither pushed nor announced, and standard output stays empty. An interrupted build yields its
/// exit code.
pub fn build_image(session: &Session, words: &CliSettings) -> Result<Result<BuiltImage, ExitCode>, Error> {
    let planned = plan(session, words).map_err(|failure| failure.error)?.without_push();
    warn(session, &planned);
    let mode = progress_mode(session, planned.opened.run.progress);
    let (ended, signal) = block_on(async {
        let stop = Stop::on_signals();
        let work = async |events| {
            let run = RunOptions { detail: ReportDetail::Brief, events: &events, stop: &stop };
            Box::pin(planned.build_with_docker(&session.environment, run)).await
        };
        (Box::pin(show(session, mode, work)).await, stop.code())
    })?;
    match ended {
        Ok(published) => Ok(Ok(published.built.image)),
        Err(failure) => match failure.error {
            Error::Build(BuildError::Cancelled) => Ok(Err(signal.unwrap_or(ExitCode::Interrupted))),
            error => {
                show_failed_step(session, &error);
                Err(error)
            }
        },
    }
}

fn plan(session: &Session, words: &CliSettings) -> Result<Planned, Box<Failure>> {
    session.open(words, GitDetail::Full)?.into_planned()
}

fn warn(session: &Session, planned: &Planned) {
    session.warn(&planned.opened.warnings);
    session.warn(&planned.plan.warnings);
}

/// How far the run got, and how it ended.
fn build(session: &Session, verb: &BuildArgs, planned: Planned) -> (Reached, Result<ExitCode, Error>) {
    let announce_required = planned.opened.forge.announce_required;
    let mode = progress_mode(session, planned.opened.run.progress);
    let detail = if reporting::wants_summary(session) { ReportDetail::Full } else { ReportDetail::Brief };
    let done = block_on(async {
        let stop = Stop::on_signals();
        let forge_report = ForgeReport::begin(session, &planned.opened);
        let work = async |events| {
            let run = RunOptions { detail, events: &events, stop: &stop };
            Box::pin(planned.build_with_docker(&session.environment, run)).await
        };
        let ended = Box::pin(show(session, mode, work)).await;
        if let Err(failure) = &ended {
            show_failed_step(session, &failure.error);
        }
        let push = ended.as_ref().map_or(PushReport::NotWanted, |published| show_push(session, &published.push));
        let announced = match (forge_report, &ended) {
            (None, _) => Announced::Completely,
            (Some(forge_report), Ok(Published { built, .. })) => {
                let warnings = &built.attempted.planned.plan.warnings;
                forge_report.built(&built.image, &built.attempted.record, &push, warnings).await
            }
            (Some(forge_report), Err(failure)) => forge_report.ended(&failure.error).await,
        };
        (ended, push, announced, stop.code())
    });
    let (ended, push, announced, signal) = match done {
        Ok(done) => done,
        Err(error) => return (Reached::Nothing, Err(error.into())),
    };
    match ended {
        Ok(published) => {
            let code = write_results(session, verb.json, &published, &push).and_then(|()| {
                match signal.unwrap_or_else(|| exit_code(&published.push)) {
                    ExitCode::Ok if announced == Announced::Incompletely && announce_required => {
                        Err(CommandError::NotAnnounced.into())
                    }
                    code => Ok(code),
                }
            });
            (Reached::Published(Box::new(published)), code)
        }
        Err(failure) => match *failure {
            Failure { error: Error::Build(BuildError::Cancelled), reached } => {
                session.log.message("interrupted: the build was stopped, nothing was kept");
                (reached, Ok(signal.unwrap_or(ExitCode::Interrupted)))
            }
            Failure { error, reached } => (reached, Err(error)),
        },
    }
}

/// The end of the log of the step that failed, and every place in the sources but the first, which comes with the error itself.
fn show_failed_step(session: &Session, error: &Error) {
    let Error::Build(error) = error else { return };
    let lines = report::render_failed_step(error);
    if !lines.is_empty() {
        let _untrusted = session.log.untrusted();
        session.log.message(&lines);
    }
    for finding in error.findings().iter().skip(1) {
        session.log.finding(error.code(), finding);
    }
}

fn show_push(session: &Session, push: &Push) -> PushReport {
    match push {
        Push::NotRequested => PushReport::NotWanted,
        Push::Skipped(reason) => PushReport::Skipped(reason.clone()),
        Push::Done(outcome, record) => {
            session.tell(&render_push(outcome, record));
            session.push_errors(outcome);
            PushReport::Done(PushResult::new(outcome, record))
        }
    }
}

fn exit_code(push: &Push) -> ExitCode {
    push.outcome().and_then(PushOutcome::error).map_or(ExitCode::Ok, Diagnostic::exit_code)
}

/// Files and standard output.
fn write_results(session: &Session, json: bool, published: &Published, push: &PushReport) -> Result<(), Error> {
    let result = BuildResult::of(&published.built, push);
    let run = &published.built.attempted.planned.opened.run;
    if let Some(path) = &run.iidfile {
        write_file(path, published.built.image.id.as_bytes())?;
    }
    if let Some(path) = &run.metadata_file {
        write_file(path, format!("{}\n", to_json(&without_secrets(&result.metadata_file()))).as_bytes())?;
    }
    if json { session.json(&result) } else { session.data(&result.primary()) }
}
