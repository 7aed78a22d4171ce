//! The stages of a run, and the steps from one to the next.

use std::collections::BTreeMap;

use super::docker::DockerBuilder;
use super::event::EventSender;
use super::open::Opened;
use super::publish::{DaemonPublisher, Publication, RegistryAccess};
use super::recipe::{self, Recipe, SecretValues};
use super::record::{BuildRecord, TransferRecord};
use super::stop::Stop;
use super::{Builder, ImageStore, Publisher};
use crate::builder::{BuildError, BuildRequest, RegistryCredentials};
use crate::diagnostic::Warning;
use crate::docker::connection::{Engine, find_endpoint};
use crate::error::Error;
use crate::host::Environment;
use crate::image::dockerfile::BuilderBackend;
use crate::image::plan::{CA_SECRET, ImagePlan};
use crate::image::{AppRoutes, BuiltImage, PushedReference};
use crate::image_ref::ImageRef;
use crate::registry::transfer::PushOutcome;

/// Names of the image under which the previous image is looked up.
const PREVIOUS_NAMES: usize = 5;

/// Every decision about the image of a repository. Nothing has been written or contacted.
pub struct Planned {
    pub opened: Opened,
    pub plan: ImagePlan,
    pub publication: Publication,
}

/// A complete build request, and the text of its Dockerfile.
pub struct Prepared {
    pub planned: Planned,
    pub dockerfile: String,
    pub request: BuildRequest,
    pub warnings: Vec<Warning>,
}

/// A build that was started.
pub struct Attempted {
    pub planned: Planned,
    pub dockerfile: String,
    pub record: BuildRecord,
    /// The image that one of the names stood for before.
    pub previous: Option<BuiltImage>,
}

pub struct Built {
    pub attempted: Attempted,
    pub image: BuiltImage,
    /// Only for [`ReportDetail::Full`], and if the image lists them.
    pub routes: Option<AppRoutes>,
}

/// The end of a run. Single references may not have been pushed: see the outcome.
pub struct Published {
    pub built: Built,
    pub push: Push,
}

pub enum Push {
    NotRequested,
    /// Requested where possible (`--push=auto`), and not possible; the reason is the end of a sentence.
    Skipped(String),
    Done(PushOutcome, TransferRecord),
}

/// How much a report of the run shows. Details that the build itself does not yield cost requests to the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportDetail {
    /// With the routes of the app and a comparison with the previous image.
    Full,
    Brief,
}

/// What the long steps of a run share.
#[derive(Clone, Copy)]
pub struct RunOptions<'a> {
    pub detail: ReportDetail,
    pub events: &'a EventSender,
    pub stop: &'a Stop,
}

/// The last stage that a run reached.
pub enum Reached {
    Nothing,
    Opened(Box<Opened>),
    Planned(Box<Planned>),
    Prepared(Box<Prepared>),
    Attempted(Box<Attempted>),
    Built(Box<Built>),
    Published(Box<Published>),
}

/// Why a run ended early, and how far it got.
pub struct Failure {
    pub error: Error,
    pub reached: Reached,
}

impl Failure {
    fn new(error: impl Into<Error>, reached: Reached) -> Box<Self> {
        Box::new(Self { error: error.into(), reached })
    }
}

impl From<Error> for Box<Failure> {
    fn from(error: Error) -> Self {
        Failure::new(error, Reached::Nothing)
    }
}

impl Reached {
    pub fn built(&self) -> Option<&Built> {
        match self {
            Self::Built(built) => Some(built),
            Self::Published(published) => Some(&published.built),
            _ => None,
        }
    }

    pub fn attempted(&self) -> Option<&Attempted> {
        match self {
            Self::Attempted(attempted) => Some(attempted),
            _ => self.built().map(|built| &built.attempted),
        }
    }

    pub fn dockerfile(&self) -> Option<&str> {
        match self {
            Self::Prepared(prepared) => Some(&prepared.dockerfile),
            _ => self.attempted().map(|attempted| attempted.dockerfile.as_str()),
        }
    }

    pub fn planned(&self) -> Option<&Planned> {
        match self {
            Self::Planned(planned) => Some(planned),
            Self::Prepared(prepared) => Some(&prepared.planned),
            _ => self.attempted().map(|attempted| &attempted.planned),
        }
    }

    pub fn opened(&self) -> Option<&Opened> {
        match self {
            Self::Opened(opened) => Some(opened),
            _ => self.planned().map(|planned| &planned.opened),
        }
    }

    /// `None` if no push was attempted.
    pub fn push_outcome(&self) -> Option<&PushOutcome> {
        match self {
            Self::Published(published) => published.push.outcome(),
            _ => None,
        }
    }

    pub fn pushed(&self) -> &[PushedReference] {
        self.push_outcome().map_or(&[], |outcome| &outcome.pushed)
    }
}

impl Push {
    pub fn outcome(&self) -> Option<&PushOutcome> {
        match self {
            Self::Done(outcome, _) => Some(outcome),
            Self::NotRequested | Self::Skipped(_) => None,
        }
    }
}

impl Opened {
    /// Makes every choice about the image and its destination.
    ///
    /// # Errors
    /// An impossible plan, or a push without a destination.
    pub fn into_planned(self) -> Result<Planned, Box<Failure>> {
        let plan = match self.plan() {
            Ok(plan) => plan,
            Err(error) => return Err(Failure::new(error, Reached::Opened(Box::new(self)))),
        };
        let publication = Publication::decide(self.publish.push.as_ref(), &self.ci, &plan.tags);
        let mut planned = Planned { opened: self, plan, publication: Publication::NotRequested };
        match publication {
            Ok(publication) => planned.publication = publication,
            Err(error) => return Err(planned.failed(error)),
        }
        Ok(planned)
    }
}

impl Planned {
    fn failed(self, error: impl Into<Error>) -> Box<Failure> {
        Failure::new(error, Reached::Planned(Box::new(self)))
    }

    #[must_use]
    pub fn without_push(self) -> Self {
        Self { publication: Publication::NotRequested, ..self }
    }

    /// Puts the build request together.
    ///
    /// # Errors
    /// Files of the repository or of secrets that cannot be read.
    pub fn into_prepared(
        self,
        backend: BuilderBackend,
        secrets: SecretValues,
        credentials: BTreeMap<String, RegistryCredentials>,
    ) -> Result<Prepared, Box<Failure>> {
        match recipe::write(&self.opened, &self.plan, backend, secrets, credentials) {
            Ok(Recipe { dockerfile, request, warnings }) => {
                Ok(Prepared { planned: self, dockerfile, request, warnings })
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Builds with the Docker daemon of `environment`, and pushes from there.
    ///
    /// # Errors
    /// What ends the run before the push is over. References that were not pushed are in the outcome instead.
    pub async fn build_with_docker(
        self,
        environment: &Environment,
        run: RunOptions<'_>,
    ) -> Result<Published, Box<Failure>> {
        let RunOptions { events, stop, .. } = run;
        let access = RegistryAccess {
            environment: environment.clone(),
            settings: self.opened.publish.clone(),
            registries: self.plan.registries.clone(),
            ca_bundle: self.opened.settings.ca_bundle.as_ref().map(|bundle| bundle.value.clone()),
        };
        let connected = tokio::select! {
            () = stop.clone().requested() => Err(BuildError::Cancelled.into()),
            connected = self.connect(&access, events) => connected,
        };
        let (engine, credentials) = match connected {
            Ok(connected) => connected,
            Err(error) => return Err(self.failed(error)),
        };
        let builder = DockerBuilder::new(&engine, &self.opened, events).await;
        let prepared = self.into_prepared(engine.builder, SecretValues::Read, credentials)?;
        let built = Box::pin(prepared.build(&builder, run)).await?;
        let publisher = DaemonPublisher { engine: &engine, access: &access };
        Box::pin(built.publish(&publisher, &builder, run)).await
    }

    /// Everything that can fail before the long part begins.
    async fn connect(
        &self,
        access: &RegistryAccess,
        events: &EventSender,
    ) -> Result<(Engine, BTreeMap<String, RegistryCredentials>), Error> {
        let endpoint = find_endpoint(&access.environment, access.ca_bundle.as_deref())?;
        let engine = Engine::connect(endpoint, &access.environment).await?;
        events.message(format!("{engine} at {}, {}", engine.address(), engine.builder)).await;
        if let Publication::To(references) = &self.publication {
            DaemonPublisher { engine: &engine, access }.check(references).await?;
        }
        let base = &self.plan.base;
        let credentials = access.base_credentials(&[&base.build.value, &base.runtime.value], events).await?;
        Ok((engine, credentials))
    }
}

impl Prepared {
    /// Builds the image; meanwhile the previous one is looked at.
    ///
    /// # Errors
    /// The build failed or was stopped.
    pub async fn build(
        self,
        builder: &(impl Builder + ImageStore),
        RunOptions { detail, events, stop }: RunOptions<'_>,
    ) -> Result<Built, Box<Failure>> {
        let Self { planned, dockerfile, request, warnings } = self;
        events.warnings(warnings).await;
        for secret in request.secrets.iter().filter(|secret| secret.id != CA_SECRET) {
            events.mask(format!("the secret `{}`", secret.id), &String::from_utf8_lossy(secret.value.expose())).await;
        }
        for (host, credentials) in &request.credentials {
            events.mask(format!("the password for {host}"), credentials.password.expose()).await;
        }
        // Before the build moves the names.
        let previous = match detail {
            ReportDetail::Full => find_previous(builder, &request.tags).await,
            ReportDetail::Brief => None,
        };
        let previous_routes = async {
            match &previous {
                Some(previous) => builder.routes(&previous.id).await,
                None => None,
            }
        };
        let build = builder.build(&planned.plan, request, events, stop);
        let ((result, record), previous_routes) = tokio::join!(build, previous_routes);
        let attempted = Attempted { planned, dockerfile, record, previous };
        match result {
            Ok(image) => {
                events.built(&image, &attempted.record).await;
                let same = attempted.previous.as_ref().is_some_and(|previous| has_layers_of(previous, &image));
                let routes = attempted.record.routes.clone().or(previous_routes.filter(|_| same));
                Ok(Built { attempted, image, routes })
            }
            Err(mut error) => {
                let opened = &attempted.planned.opened;
                error.locate(&opened.tree, &opened.facts, &attempted.planned.plan.missing_variables);
                if let Some(bundle) = &opened.settings.ca_bundle {
                    error.with_ca_bundle(&bundle.value);
                }
                Err(Failure::new(error, Reached::Attempted(Box::new(attempted))))
            }
        }
    }
}

impl Built {
    /// Pushes the image as planned; meanwhile its routes are read.
    ///
    /// # Errors
    /// What concerns all references.
    pub async fn publish(
        mut self,
        publisher: &impl Publisher,
        store: &impl ImageStore,
        RunOptions { detail, events, stop }: RunOptions<'_>,
    ) -> Result<Published, Box<Failure>> {
        let routes = async {
            match (&self.routes, detail) {
                (None, ReportDetail::Full) => store.routes(&self.image.id).await,
                (routes, _) => routes.clone(),
            }
        };
        let push = async {
            match &self.attempted.planned.publication {
                Publication::NotRequested => Ok::<_, Error>(Push::NotRequested),
                Publication::Skipped(reason) => {
                    events.message(format!("notice: nothing is pushed: {reason}")).await;
                    Ok(Push::Skipped(reason.clone()))
                }
                Publication::To(references) => {
                    let (outcome, record) = publisher.publish(&self.image, references, events, stop).await?;
                    Ok(Push::Done(outcome, record))
                }
            }
        };
        let (routes, push) = tokio::join!(routes, push);
        self.routes = routes;
        match push {
            Ok(push) => Ok(Published { built: self, push }),
            Err(error) => Err(Failure::new(error, Reached::Built(Box::new(self)))),
        }
    }
}

async fn find_previous(store: &impl ImageStore, names: &[ImageRef]) -> Option<BuiltImage> {
    for name in names.iter().take(PREVIOUS_NAMES) {
        if let Some(previous) = store.find(&name.to_string()).await {
            return Some(previous);
        }
    }
    None
}

/// Whether every layer of `image` is in `other`, so that both describe the same app.
fn has_layers_of(other: &BuiltImage, image: &BuiltImage) -> bool {
    image.layers.iter().all(|layer| other.layers.iter().any(|known| known.diff_id == layer.diff_id))
}
