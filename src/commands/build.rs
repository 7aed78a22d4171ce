//! `nextdeploy build`.

use std::path::Path;

use tokio::sync::mpsc;

use super::output::write_file;
use super::project::Project;
use super::publish::{self, EVENT_QUEUE, Publication, Publisher, progress_mode};
use super::recipe::{Recipe, Secrets, write_recipe};
use super::stop::Stop;
use super::{Session, block_on, dry_run, to_json};
use crate::builder::docker::{BuildRun, ContextBody};
use crate::builder::{BuildError, BuildEvent};
use crate::cli::{Build, Words};
use crate::daemon::{BuilderKind, Engine, find_endpoint};
use crate::diagnostic::ExitCode;
use crate::dockerfile::Dialect;
use crate::error::Error;
use crate::host;
use crate::image::BuiltImage;
use crate::plan::ImagePlan;
use crate::report::progress::show_progress;
use crate::report::transfer::{PushResult, render_push};
use crate::report::{self, BuildRecord, BuildResult, PushReport};

pub fn run(session: &Session, verb: &Build, words: &Words) -> Result<ExitCode, Error> {
    let project = Project::open(session, words)?;
    let plan = project.plan()?;
    session.warn(&project.warnings);
    session.warn(&plan.warnings);
    let publication = publish::decide(project.publish.push.as_ref(), &project.ci, &plan.tags)?;
    if project.run.dry_run {
        return dry_run::run(session, verb.run.json, &project, &plan, &publication);
    }
    let (ended, signal) = block_on(async {
        let stop = Stop::on_signals();
        let run = Run { session, project: &project, plan: &plan, publication: &publication, stop: stop.clone() };
        (run.work().await, stop.code())
    })?;
    match ended {
        Err(Error::Build(BuildError::Cancelled)) => {
            session.streams.message("interrupted: the build was stopped, nothing was kept");
            Ok(signal.unwrap_or(ExitCode::Interrupted))
        }
        Err(error) => Err(error),
        Ok(built) => {
            let code = finish(session, verb.run.json, &project, &plan, &built)?;
            Ok(signal.unwrap_or(code))
        }
    }
}

/// An image that was built, and pushed when that was wanted.
struct Built {
    image: BuiltImage,
    record: BuildRecord,
    push: PushReport,
    push_code: ExitCode,
}

/// One run of the verb.
struct Run<'a> {
    session: &'a Session,
    project: &'a Project,
    plan: &'a ImagePlan,
    publication: &'a Publication,
    stop: Stop,
}

impl Run<'_> {
    async fn work(&self) -> Result<Built, Error> {
        let session = self.session;
        let ca_bundle = self.project.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path());
        let publisher = Publisher {
            session,
            settings: &self.project.publish,
            ca_bundle,
            progress: progress_mode(session, self.project.run.progress, self.project.ci.system),
        };
        let engine = tokio::select! {
            () = self.stop.clone().requested() => return Err(BuildError::Cancelled.into()),
            engine = self.prepare(&publisher) => engine?,
        };
        let (image, record) = self.build(&engine, &publisher).await?;
        session.tell(&report::render_build(&image, &record));
        let (push, push_code) = self.push(&engine, &publisher, &image).await?;
        Ok(Built { image, record, push, push_code })
    }

    /// Everything that can be wrong before the long part begins.
    async fn prepare(&self, publisher: &Publisher<'_>) -> Result<Engine, Error> {
        let environment = &self.session.environment;
        let engine = Engine::connect(find_endpoint(environment, publisher.ca_bundle)?, environment).await?;
        self.session.tell(&format!("{engine} at {}, {}", engine.address(), builder_name(engine.builder)));
        if let Publication::To(references) = self.publication {
            publisher.check_credentials(references).await?;
        }
        Ok(engine)
    }

    async fn build(&self, engine: &Engine, publisher: &Publisher<'_>) -> Result<(BuiltImage, BuildRecord), Error> {
        let dialect = match engine.builder {
            BuilderKind::BuildKit => Dialect::BuildKit,
            BuilderKind::Classic => Dialect::Classic,
        };
        let Recipe { mut request, .. } = write_recipe(self.project, self.plan, dialect, Secrets::Read)?;
        let base = &self.plan.base;
        request.credentials = publisher.base_credentials(&[&base.build.value, &base.runtime.value]).await?;
        let body = ContextBody::of(std::mem::take(&mut request.context));

        let (events, received) = mpsc::channel::<BuildEvent>(EVENT_QUEUE);
        let display = tokio::spawn(show_progress(received, publisher.progress, host::error_writer()));
        let run = BuildRun { engine, request: &request, events };
        let built = run.build(body, self.stop.clone().requested()).await;
        let record = display.await.unwrap_or_default();
        built.map(|image| (image, record)).map_err(|error| {
            let log = report::render_failed_step(&error);
            if !log.is_empty() {
                self.session.streams.message(&log);
            }
            error.into()
        })
    }

    async fn push(
        &self,
        engine: &Engine,
        publisher: &Publisher<'_>,
        image: &BuiltImage,
    ) -> Result<(PushReport, ExitCode), Error> {
        let references = match self.publication {
            Publication::None => return Ok((PushReport::NotWanted, ExitCode::Ok)),
            Publication::Skipped(reason) => {
                self.session.tell(&format!("notice: nothing is pushed: {reason}"));
                return Ok((PushReport::Skipped(reason.clone()), ExitCode::Ok));
            }
            Publication::To(references) => references,
        };
        publisher.create_repositories(references).await?;
        let stop = self.stop.clone().requested();
        let (outcome, record) = publisher.push(engine, Some(&image.id), references, stop).await?;
        self.session.tell(&render_push(&outcome, &record));
        let code = publisher.tell_failures(&outcome);
        Ok((PushReport::Done(PushResult::new(&outcome, &record)), code))
    }
}

fn builder_name(kind: BuilderKind) -> &'static str {
    match kind {
        BuilderKind::BuildKit => "BuildKit",
        BuilderKind::Classic => "classic builder",
    }
}

fn finish(
    session: &Session,
    json: bool,
    project: &Project,
    plan: &ImagePlan,
    built: &Built,
) -> Result<ExitCode, Error> {
    let result = BuildResult::new(&built.image, &built.record, &project.facts, plan).with_push(&built.push);
    if let Some(path) = &project.run.iidfile {
        write_file(path, built.image.id.as_bytes())?;
    }
    if let Some(path) = &project.run.metadata_file {
        write_json(path, &result.metadata_file())?;
    }
    session.data(&if json { to_json(&result) } else { result.primary() })?;
    Ok(built.push_code)
}

fn write_json(path: &Path, value: &serde_json::Value) -> Result<(), Error> {
    Ok(write_file(path, format!("{}\n", to_json(value)).as_bytes())?)
}
