//! `nextdeploy build`.

use std::path::Path;

use tokio::sync::{mpsc, oneshot};

use super::output::write_file;
use super::project::Project;
use super::recipe::{Recipe, Secrets, write_recipe};
use super::{Session, Verbosity, dry_run, to_json};
use crate::builder::docker::{self, BuildRun, ContextBody};
use crate::builder::{BuildError, BuildEvent};
use crate::ci::CiSystem;
use crate::cli::{Build, Words};
use crate::daemon::{BuilderKind, Engine, find_endpoint};
use crate::diagnostic::ExitCode;
use crate::dockerfile::Dialect;
use crate::error::{CommandError, Error};
use crate::host;
use crate::image::BuiltImage;
use crate::plan::ImagePlan;
use crate::report::progress::{Colours, ProgressMode, show_progress};
use crate::report::{self, BuildRecord, BuildResult, Style};
use crate::settings::{Progress, RunSettings};

/// Events that wait for the display; a slow terminal slows the build rather than growing memory.
const EVENT_QUEUE: usize = 256;

pub fn run(session: &Session, verb: &Build, words: &Words) -> Result<ExitCode, Error> {
    let project = Project::open(session, words)?;
    let plan = project.plan()?;
    session.warn(&project.warnings);
    session.warn(&plan.warnings);
    if project.run.dry_run {
        return dry_run::run(session, verb.run.json, &project, &plan);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)?;
    let ended = runtime.block_on(build(session, &project, &plan))?;
    // Threads that still read the context of a stopped build are not waited for.
    runtime.shutdown_background();
    match ended {
        Ended::Built(image, record) => finish(session, verb.run.json, &project, &plan, (&image, &record)),
        Ended::Stopped(code) => {
            session.streams.message("interrupted: the build was stopped, nothing was kept");
            Ok(code)
        }
    }
}

enum Ended {
    Built(BuiltImage, BuildRecord),
    Stopped(ExitCode),
}

async fn build(session: &Session, project: &Project, plan: &ImagePlan) -> Result<Ended, Error> {
    let (stop, stopped) = oneshot::channel();
    let mut signal = tokio::spawn(async move {
        let code = host::ended().await;
        let _ = stop.send(());
        code
    });
    let work = work(session, project, plan, async {
        // Without handlers there is nothing to wait for.
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    });
    match work.await {
        Err(Error::Build(BuildError::Cancelled)) => {
            let code = (&mut signal).await.ok().and_then(Result::ok).unwrap_or(ExitCode::Interrupted);
            Ok(Ended::Stopped(code))
        }
        result => {
            signal.abort();
            result
        }
    }
}

async fn work(
    session: &Session,
    project: &Project,
    plan: &ImagePlan,
    stop: impl Future<Output = ()>,
) -> Result<Ended, Error> {
    let mut stop = std::pin::pin!(stop);
    let ca_bundle = project.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path());
    let endpoint = find_endpoint(&session.environment, ca_bundle)?;
    let engine = tokio::select! {
        () = &mut stop => return Err(BuildError::Cancelled.into()),
        engine = Engine::connect(endpoint, &session.environment) => engine?,
    };
    session.tell(&format!("{engine} at {}, {}", engine.address(), builder_name(engine.builder)));
    let dialect = match engine.builder {
        BuilderKind::BuildKit => Dialect::BuildKit,
        BuilderKind::Classic => Dialect::Classic,
    };
    let Recipe { mut request, .. } = write_recipe(project, plan, dialect, Secrets::Read)?;
    request.credentials = docker::stored_credentials(&[&plan.base.build.value, &plan.base.runtime.value]);
    let context = std::mem::take(&mut request.context);
    let body = ContextBody::of(context);

    let (events, received) = mpsc::channel::<BuildEvent>(EVENT_QUEUE);
    let mode = progress_mode(session, &project.run, project.ci.system);
    let display = tokio::spawn(show_progress(received, mode, host::error_writer()));
    let built = BuildRun { engine: &engine, request: &request, events }.build(body, stop).await;
    let record = display.await.unwrap_or_default();
    match built {
        Ok(image) => Ok(Ended::Built(image, record)),
        Err(error) => {
            let log = report::render_failed_step(&error);
            if !log.is_empty() {
                session.streams.message(&log);
            }
            Err(error.into())
        }
    }
}

fn builder_name(kind: BuilderKind) -> &'static str {
    match kind {
        BuilderKind::BuildKit => "BuildKit",
        BuilderKind::Classic => "classic builder",
    }
}

fn progress_mode(session: &Session, run: &RunSettings, ci: CiSystem) -> ProgressMode {
    let colours = if session.style == Style::Coloured { Colours::Keep } else { Colours::Drop };
    let live = match run.progress {
        Progress::Plain => false,
        Progress::Tty => true,
        Progress::Auto => host::is_terminal() && ci == CiSystem::None && session.verbosity < Verbosity::Verbose,
    };
    match (session.verbosity, live) {
        (Verbosity::Quiet, _) => ProgressMode::Quiet,
        (_, true) => ProgressMode::Live { width: host::terminal_width() },
        (_, false) => ProgressMode::Plain(colours),
    }
}

fn finish(
    session: &Session,
    json: bool,
    project: &Project,
    plan: &ImagePlan,
    (image, record): (&BuiltImage, &BuildRecord),
) -> Result<ExitCode, Error> {
    let result = BuildResult::new(image, record, &project.facts, plan);
    session.tell(&report::render_build(image, record));
    if let Some(path) = &project.run.iidfile {
        write_file(path, image.id.as_bytes())?;
    }
    if let Some(path) = &project.run.metadata_file {
        write_json(path, &result.metadata_file())?;
    }
    session.data(&if json { to_json(&result) } else { result.image.clone() })?;
    Ok(ExitCode::Ok)
}

fn write_json(path: &Path, value: &serde_json::Value) -> Result<(), Error> {
    Ok(write_file(path, format!("{}\n", to_json(value)).as_bytes())?)
}
