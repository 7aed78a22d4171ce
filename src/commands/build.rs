//! `nextdeploy build`.

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::announce::{Announced, Announcement};
use super::caches::Caches;
use super::output::write_file;
use super::project::Project;
use super::publish::{self, EVENT_QUEUE, Publication, Publisher, planned_registries, progress_mode};
use super::recipe::{Recipe, Secrets, write_recipe};
use super::stop::Stop;
use super::told::Told;
use super::{Session, block_on, dry_run, reporting, to_json, without_secrets};
use crate::builder::{BuildError, BuildEvent, BuildRequest};
use crate::config::cli::{Build, Words};
use crate::diagnostic::{Diagnostic as _, ExitCode};
use crate::docker::build::{BuildRun, ContextBody};
use crate::docker::connection::{Engine, find_endpoint};
use crate::docker::read_routes;
use crate::error::{CommandError, Error};
use crate::image::plan::{CA_SECRET, ImagePlan};
use crate::image::{AppRoutes, BuiltImage};
use crate::report::progress::show_progress;
use crate::report::transfer::{PushResult, render_push};
use crate::report::{self, BuildRecord, BuildResult, PushReport};

/// Names of the image under which the previous build is looked for.
const PREVIOUS_NAMES: usize = 5;

pub fn run(session: &Session, verb: &Build, words: &Words) -> Result<ExitCode, Error> {
    let told = Told::default();
    let ended = build(session, verb, words, &told);
    told.report(session, &ended);
    ended
}

fn build(session: &Session, verb: &Build, words: &Words, told: &Told) -> Result<ExitCode, Error> {
    let project = Told::keep(&told.project, Project::open(session, words)?);
    let plan = Told::keep(&told.plan, project.plan()?);
    session.tell_folded("detect", "Project", || report::render_facts(&project.facts));
    session.tell_folded("plan", "Plan of the image", || report::render_plan(plan));
    session.warn(&project.warnings);
    session.warn(&plan.warnings);
    let publication = publish::decide(project.publish.push.as_ref(), &project.ci, &plan.tags)?;
    if project.run.dry_run {
        let dockerfile = dry_run::run(session, verb.run.json, project, plan, &publication)?;
        Told::keep(&told.dockerfile, dockerfile);
        return Ok(ExitCode::Ok);
    }
    let (ended, announced, signal) = block_on(async {
        let stop = Stop::on_signals();
        let run = Run { session, project, plan, publication: &publication, stop: stop.clone(), told };
        let announcement = Announcement::begin(session, project);
        let ended = Box::pin(run.work()).await;
        let mut announced = Announced::Completely;
        if let Some(announcement) = announcement {
            announced = match (&ended, told.image.get(), told.record.get()) {
                (Ok(built), Some(image), Some(record)) => {
                    announcement.built(image, record, &built.push, &plan.warnings).await
                }
                (Err(error), ..) => announcement.ended(error).await,
                (Ok(_), ..) => announced,
            };
        }
        (ended, announced, stop.code())
    })?;
    match ended {
        Err(Error::Build(BuildError::Cancelled)) => {
            session.log.message("interrupted: the build was stopped, nothing was kept");
            Ok(signal.unwrap_or(ExitCode::Interrupted))
        }
        Err(error) => Err(error),
        Ok(built) => {
            let code = signal.unwrap_or(finish(session, verb.run.json, told, &built)?);
            if code == ExitCode::Ok && announced == Announced::Incompletely && project.forge.announce_required {
                return Err(CommandError::NotAnnounced.into());
            }
            Ok(code)
        }
    }
}

/// Builds the image of a container: nothing is pushed or announced, and standard output stays empty. An interrupted build answers its
/// exit code.
pub fn build_image(session: &Session, words: &Words) -> Result<Result<BuiltImage, ExitCode>, Error> {
    let told = Told::default();
    let project = Told::keep(&told.project, Project::open(session, words)?);
    let plan = Told::keep(&told.plan, project.plan()?);
    session.warn(&project.warnings);
    session.warn(&plan.warnings);
    let (ended, signal) = block_on(async {
        let stop = Stop::on_signals();
        let run = Run { session, project, plan, publication: &Publication::None, stop: stop.clone(), told: &told };
        (Box::pin(run.work()).await.map(drop), stop.code())
    })?;
    match ended {
        Err(Error::Build(BuildError::Cancelled)) => Ok(Err(signal.unwrap_or(ExitCode::Interrupted))),
        Err(error) => Err(error),
        Ok(()) => Ok(Ok(told.image.into_inner().expect("a build that ended well has an image"))),
    }
}

/// An image that was built, and pushed when that was wanted.
struct Built {
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
    told: &'a Told,
}

impl Run<'_> {
    async fn work(&self) -> Result<Built, Error> {
        let session = self.session;
        let ca_bundle = self.project.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path());
        let publisher = Publisher {
            session,
            settings: &self.project.publish,
            registries: planned_registries(self.plan),
            ca_bundle,
            progress: progress_mode(session, self.project.run.progress),
        };
        let engine = tokio::select! {
            () = self.stop.clone().requested() => return Err(BuildError::Cancelled.into()),
            engine = self.prepare(&publisher) => engine?,
        };
        let reports = reporting::wants_summary(session);
        let earlier = Earlier::ask(reports.then(|| (engine.clone(), self.names())));
        let built = self.build(&engine, &publisher, earlier.image).await;
        // Waited for however the build ended: it removes what it made.
        let earlier_routes = earlier.routes.await.unwrap_or_default();
        let (image, record) = built?;
        session.tell(&report::render_build(image, record));
        let routes = async {
            let same = || self.told.previous.get().is_some_and(|previous| has_all_of(previous, image));
            match (&record.routes, earlier_routes) {
                (Some(routes), _) => Some(routes.clone()),
                (None, Some(routes)) if same() => Some(routes),
                (None, _) if reports => read_routes(&engine, &image.id).await,
                (None, _) => None,
            }
        };
        let (pushed, routes) = tokio::join!(self.push(&engine, &publisher, image), routes);
        if let Some(routes) = routes {
            Told::keep(&self.told.routes, routes);
        }
        let (push, push_code) = pushed?;
        Ok(Built { push, push_code })
    }

    /// Everything that can be wrong before the long part begins.
    async fn prepare(&self, publisher: &Publisher<'_>) -> Result<Engine, Error> {
        let environment = &self.session.environment;
        let engine = Engine::connect(find_endpoint(environment, publisher.ca_bundle)?, environment).await?;
        self.session.tell(&format!("{engine} at {}, {}", engine.address(), engine.builder));
        if let Publication::To(references) = self.publication {
            publisher.check_credentials(references).await?;
        }
        Ok(engine)
    }

    /// The first names that the image gets.
    fn names(&self) -> Vec<String> {
        self.plan.tags.iter().take(PREVIOUS_NAMES).map(|tag| tag.value.clone()).collect()
    }

    async fn build(
        &self,
        engine: &Engine,
        publisher: &Publisher<'_>,
        previous: oneshot::Receiver<BuiltImage>,
    ) -> Result<(&BuiltImage, &BuildRecord), Error> {
        let recipe = write_recipe(self.project, self.plan, engine.builder, Secrets::Read)?;
        let Recipe { mut request, dockerfile, warnings } = recipe;
        self.session.warn(&warnings);
        let base = &self.plan.base;
        request.credentials = publisher.base_credentials(&[&base.build.value, &base.runtime.value]).await?;
        self.mask(&request);
        Told::keep(&self.told.dockerfile, dockerfile);
        let body = ContextBody::of(std::mem::take(&mut request.context));
        let caches = Caches::of(self.session, self.project, self.plan, engine, &request.credentials);
        if let Some(caches) = &caches {
            caches.restore(self.stop.clone().requested()).await;
        }

        let (events, received) = mpsc::channel::<BuildEvent>(EVENT_QUEUE);
        // The answer has to be there before the build moves the names.
        if let Ok(previous) = previous.await {
            Told::keep(&self.told.previous, previous);
        }
        let log = &self.session.log;
        log.open("build", "Build");
        let untrusted = log.untrusted();
        let display = tokio::spawn(show_progress(received, publisher.progress, log.writer()));
        let run = BuildRun { engine, request: &request, events };
        let built = run.build(body, self.stop.clone().requested()).await;
        let record = Told::keep(&self.told.record, display.await.unwrap_or_default());
        drop(untrusted);
        log.close();
        match built {
            Ok(image) => {
                if let Some(caches) = &caches {
                    caches.save(record, self.stop.clone().requested()).await;
                }
                Ok((Told::keep(&self.told.image, image), record))
            }
            Err(mut error) => {
                error.locate(&self.project.tree, &self.project.facts);
                let lines = report::render_failed_step(&error);
                if !lines.is_empty() {
                    let _untrusted = log.untrusted();
                    log.message(&lines);
                }
                // The first one stands with the error itself, which ends the run.
                for finding in error.findings().iter().skip(1) {
                    log.finding(error.code(), finding);
                }
                Err(error.into())
            }
        }
    }

    fn mask(&self, request: &BuildRequest) {
        for secret in request.secrets.iter().filter(|secret| secret.id != CA_SECRET) {
            let name = format!("the secret `{}`", secret.id);
            self.session.log.mask(&name, &String::from_utf8_lossy(secret.value.expose()));
        }
        for (host, credentials) in &request.credentials {
            self.session.log.mask(&format!("the password for {host}"), credentials.password.expose());
        }
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
        self.session.log.open("push", "Push");
        let pushed = publisher.push(engine, Some(&image.id), references, stop).await;
        self.session.log.close();
        let (outcome, record) = pushed?;
        self.session.tell(&render_push(&outcome, &record));
        let code = publisher.tell_failures(&outcome);
        let result = PushResult::new(&outcome, &record);
        Told::keep(&self.told.pushed, outcome);
        Ok((PushReport::Done(result), code))
    }
}

/// What the image's names stood for before: on a machine that keeps its images, the last build. Asked beside the build.
struct Earlier {
    /// Closed without an answer when there is none.
    image: oneshot::Receiver<BuiltImage>,
    routes: JoinHandle<Option<AppRoutes>>,
}

impl Earlier {
    fn ask(whom: Option<(Engine, Vec<String>)>) -> Self {
        let (found, image) = oneshot::channel();
        let routes = tokio::spawn(async move {
            let (engine, names) = whom?;
            for name in names {
                if let Some(previous) = engine.find_image(&name).await {
                    let id = previous.id.clone();
                    // A build that ended already does not ask any more.
                    let _ = found.send(previous);
                    return read_routes(&engine, &id).await;
                }
            }
            None
        });
        Self { image, routes }
    }
}

/// True when every layer of `image` is in `other`, so that both say the same of themselves.
fn has_all_of(other: &BuiltImage, image: &BuiltImage) -> bool {
    image.layers.iter().all(|layer| other.layers.iter().any(|known| known.diff_id == layer.diff_id))
}

fn finish(session: &Session, json: bool, told: &Told, built: &Built) -> Result<ExitCode, Error> {
    let (Some(project), Some(plan), Some(image), Some(record)) =
        (told.project.get(), told.plan.get(), told.image.get(), told.record.get())
    else {
        unreachable!("a build that ended well has all of them")
    };
    let result = BuildResult::new(image, record, &project.facts, plan).with_push(&built.push);
    let document = without_secrets(&result.metadata_file());
    Told::keep(&told.metadata, document.to_string());
    if let Some(path) = &project.run.iidfile {
        write_file(path, image.id.as_bytes())?;
    }
    if let Some(path) = &project.run.metadata_file {
        write_file(path, format!("{}\n", to_json(&document)).as_bytes())?;
    }
    if json {
        session.json(&result)?;
    } else {
        session.data(&result.primary())?;
    }
    Ok(built.push_code)
}
