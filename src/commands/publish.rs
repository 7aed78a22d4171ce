//! The push as `build --push` and `push` do it: whether and whereto, who we are there, what is shown, what became of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Session, Verbosity};
use crate::builder::RegistryCredentials;
use crate::config::settings::{Progress, PublishSettings, PushPolicy};
use crate::diagnostic::{Diagnostic, ExitCode, Warning};
use crate::docker::connection::{Engine, find_endpoint};
use crate::error::{CommandError, Error};
use crate::host;
use crate::image::plan::ImagePlan;
use crate::image_ref::ImageRef;
use crate::net::Network;
use crate::origin::{Origin, Sourced};
use crate::registry::ecr::{RepositoryStatus, ensure_for_push};
use crate::registry::transfer::{PushOutcome, PushRun, TransferError, TransferEvent, TransferOptions};
use crate::registry::{Access, Authenticator, Credentials, Login, RegistryHost, RegistryKind};
use crate::repo::ci::{CiContext, CiSystem};
use crate::report::Style;
use crate::report::progress::ProgressMode;
use crate::report::text::Colours;
use crate::report::transfer::{TransferRecord, show_transfer};

/// Events that wait for the display.
pub const EVENT_QUEUE: usize = 256;

/// Whether an image that was built is pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publication {
    /// Nobody asked for it.
    None,
    /// It was asked for where it is possible, and it is not; the reason is the end of a sentence.
    Skipped(String),
    To(Vec<ImageRef>),
}

/// Decides whether and whereto the `tags` of an image are pushed.
pub fn decide(
    policy: Option<&Sourced<PushPolicy>>,
    ci: &CiContext,
    tags: &[Sourced<String>],
) -> Result<Publication, CommandError> {
    let Some(policy) = policy.filter(|policy| policy.value != PushPolicy::Never) else {
        return Ok(Publication::None);
    };
    if policy.value == PushPolicy::Auto
        && let Some(reason) = ci.without_secrets()
    {
        return Ok(Publication::Skipped(reason.to_owned()));
    }
    let references: Vec<ImageRef> = tags
        .iter()
        .filter_map(|tag| ImageRef::parse(&tag.value).ok())
        // A name without a registry and without a namespace is local: nobody can push to `docker.io/library`.
        .filter(|reference| reference.domain.is_some() || reference.path.contains('/'))
        .collect();
    match (references.is_empty(), policy.value) {
        (false, _) => Ok(Publication::To(references)),
        (true, PushPolicy::Auto) => Ok(Publication::Skipped("no image names a registry".to_owned())),
        (true, _) => Err(CommandError::NothingToPush {
            wanted_by: policy.origin.clone(),
            tags: tags.iter().map(|tag| tag.value.clone()).collect(),
        }),
    }
}

/// What a push works with.
pub struct Publisher<'a> {
    pub session: &'a Session,
    pub settings: &'a PublishSettings,
    /// What named the registries of this run.
    pub registries: Vec<Sourced<RegistryHost>>,
    pub ca_bundle: Option<&'a Path>,
    pub progress: ProgressMode,
}

impl Publisher<'_> {
    /// The daemon of a push or pull: without it the exit code is theirs, not that of a build.
    pub async fn connect(&self) -> Result<Engine, TransferError> {
        let environment = &self.session.environment;
        Ok(Engine::connect(find_endpoint(environment, self.ca_bundle)?, environment).await?)
    }

    /// The daemon that containers run in.
    pub async fn connect_for_containers(&self) -> Result<Engine, Error> {
        let environment = &self.session.environment;
        Ok(Engine::connect(find_endpoint(environment, self.ca_bundle)?, environment).await?)
    }

    /// Credentials for the registries of this run, found anew.
    pub fn authenticator(&self) -> Result<Authenticator, Error> {
        self.authenticator_for(&self.registries)
    }

    fn authenticator_for(&self, registries: &[Sourced<RegistryHost>]) -> Result<Authenticator, Error> {
        let network = Arc::new(Network::new(&self.session.environment, self.ca_bundle));
        Ok(Authenticator::new(self.settings, registries, &self.session.environment, network)?)
    }

    /// Credentials for the registries of base images, by host. A build may need none: what is wrong with them is a warning, and the
    /// daemon then asks anonymously.
    pub async fn base_credentials(&self, images: &[&str]) -> Result<BTreeMap<String, RegistryCredentials>, Error> {
        let references: Vec<ImageRef> = images.iter().filter_map(|image| ImageRef::parse(image).ok()).collect();
        // `--username` and `--password` are for the push.
        let authenticator = self.authenticator_for(&[])?;
        let mut found = BTreeMap::new();
        for host in hosts(&references) {
            match authenticator.credentials(&host, Access::Pull).await {
                Ok(credentials) => found.extend(for_builder(&host, &credentials.login)),
                Err(error) => {
                    let message = format!("base images are asked for without credentials: {error}");
                    self.session.warn(&[as_warning(&error, &message)]);
                }
            }
        }
        Ok(found)
    }

    /// Looks for the credentials before a long build, so that what is wrong with them is told at once. Nothing is kept: tokens are
    /// fetched again right before the push.
    pub async fn check_credentials(&self, references: &[ImageRef]) -> Result<(), Error> {
        let authenticator = self.authenticator()?;
        for host in &hosts(references) {
            let credentials = authenticator.credentials(host, Access::Push).await?;
            refuse_anonymous(host, &credentials)?;
        }
        Ok(())
    }

    /// Makes missing repositories in ECR, where that is wanted. One that cannot be made is a warning: it may be there all the same,
    /// and the push tells.
    pub async fn create_repositories(&self, references: &[ImageRef]) -> Result<(), Error> {
        if !self.settings.create_repository {
            return Ok(());
        }
        let network = Network::new(&self.session.environment, self.ca_bundle);
        let ensured = ensure_for_push(&network, &self.session.environment, references, &self.settings.ecr).await?;
        for repository in ensured {
            match repository.result {
                Ok(outcome) => {
                    if outcome.status == RepositoryStatus::Created {
                        self.session.tell(&format!("created the repository {}", outcome.uri));
                    }
                    self.session.warn(&outcome.warnings);
                }
                Err(error) => self.session.warn(&[as_warning(&error, &error.to_string())]),
            }
        }
        Ok(())
    }

    /// Pushes all references; what failed is in the outcome. `source` is the image that gets these names first.
    pub async fn push(
        &self,
        engine: &Engine,
        source: Option<&str>,
        references: &[ImageRef],
        stop: impl Future<Output = ()>,
    ) -> Result<(PushOutcome, TransferRecord), Error> {
        let authenticator = self.authenticator()?;
        let (events, received) = mpsc::channel::<TransferEvent>(EVENT_QUEUE);
        let display = tokio::spawn(show_transfer(received, self.progress, self.session.log.writer()));
        let run = PushRun {
            engine,
            source,
            references,
            credentials: &authenticator,
            network: authenticator.network(),
            events,
            options: TransferOptions::default(),
        };
        let outcome = run.push(stop).await;
        let record = display.await.unwrap_or_default();
        self.session.warn(&record.notices);
        Ok((outcome, record))
    }

    /// Tells every failure with its hints; the answer is the exit code of the run.
    pub fn tell_failures(&self, outcome: &PushOutcome) -> ExitCode {
        for failed in &outcome.failed {
            self.session.log.error(&failed.error);
        }
        outcome.error().map_or(ExitCode::Ok, Diagnostic::exit_code)
    }
}

/// A login in the words of BuildKit's session: an identity token is a password without a user.
fn for_builder(host: &RegistryHost, login: &Login) -> Option<(String, RegistryCredentials)> {
    let (username, password) = match login {
        Login::Anonymous | Login::RegistryToken(_) => return None,
        Login::Basic { username, password } => (username.clone(), password.clone()),
        Login::IdentityToken(token) => (String::new(), token.clone()),
    };
    Some((host.api_host().to_owned(), RegistryCredentials { username, password }))
}

/// An error that does not end the run.
fn as_warning(error: &dyn Diagnostic, message: &str) -> Warning {
    let warning = Warning::new(error.code(), message);
    match error.hints().into_iter().next() {
        Some(hint) => warning.with_hint(hint),
        None => warning,
    }
}

/// The registries of these references, each once.
fn hosts(references: &[ImageRef]) -> Vec<RegistryHost> {
    let mut hosts: Vec<RegistryHost> = references.iter().map(RegistryHost::of).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// Services that let nobody push anonymously; other registries may.
fn refuse_anonymous(host: &RegistryHost, credentials: &Credentials) -> Result<(), CommandError> {
    if credentials.login == Login::Anonymous && host.kind() != RegistryKind::Other {
        return Err(CommandError::NoCredentials { host: host.to_string(), tried: credentials.tried.clone() });
    }
    Ok(())
}

/// The registry of an image, with what named the image.
pub fn named_registry(reference: &ImageRef, origin: &Origin) -> Sourced<RegistryHost> {
    Sourced::new(RegistryHost::of(reference), origin.clone())
}

/// The registries that a plan pushes to.
pub fn planned_registries(plan: &ImagePlan) -> Vec<Sourced<RegistryHost>> {
    plan.registries.iter().map(|registry| registry.clone().map(|host| RegistryHost::new(&host))).collect()
}

/// How progress of this run is shown.
pub fn progress_mode(session: &Session, progress: Progress) -> ProgressMode {
    let ci = session.reporting.system;
    let colours = if session.style == Style::Coloured { Colours::Keep } else { Colours::Drop };
    let live = match progress {
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

/// A reference that was typed; without tag and digest it is `latest`, as for the docker command line.
pub fn typed_reference(text: &str) -> Result<ImageRef, CommandError> {
    let mut reference = ImageRef::parse(text).map_err(|invalid| CommandError::InvalidReference {
        text: text.to_owned(),
        reason: invalid.to_string(),
        hint: invalid.hint(),
    })?;
    if reference.tag.is_none() && reference.digest.is_none() {
        reference.tag = Some("latest".to_owned());
    }
    Ok(reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::ci::{PullRequest, PullRequestSource};

    fn check(policy: PushPolicy, from: Option<PullRequestSource>, tags: &[&str]) -> Result<Publication, CommandError> {
        let ci = CiContext {
            pull_request: from.map(|from| PullRequest { from, ..PullRequest::default() }),
            ..CiContext::default()
        };
        let origin = Origin::Flag("--push".to_owned());
        let tags: Vec<_> = tags.iter().map(|tag| Sourced::new((*tag).to_owned(), origin.clone())).collect();
        decide(Some(&Sourced::new(policy, origin)), &ci, &tags)
    }

    fn to(tags: &[&str]) -> Publication {
        Publication::To(tags.iter().map(|tag| ImageRef::parse(tag).unwrap()).collect())
    }

    #[test]
    fn a_pull_request_from_a_fork_is_built_and_not_pushed_unless_somebody_insists() {
        let fork = Some(PullRequestSource::Fork);
        let tags = ["ghcr.io/acme/shop:1"];
        let Publication::Skipped(reason) = check(PushPolicy::Auto, fork, &tags).unwrap() else { panic!() };
        assert!(reason.contains("fork"), "{reason}");
        assert_eq!(check(PushPolicy::Always, fork, &tags).unwrap(), to(&tags));
        assert_eq!(check(PushPolicy::Auto, Some(PullRequestSource::SameRepository), &tags).unwrap(), to(&tags));
        assert_eq!(check(PushPolicy::Never, None, &tags).unwrap(), Publication::None);
    }

    #[test]
    fn local_names_are_not_pushed() {
        assert_eq!(
            check(PushPolicy::Always, None, &["shop:1", "acme/shop:1", "localhost:5000/shop:1"]).unwrap(),
            to(&["acme/shop:1", "localhost:5000/shop:1"])
        );
        assert!(matches!(check(PushPolicy::Auto, None, &["shop:1"]).unwrap(), Publication::Skipped(_)));
        let error = check(PushPolicy::Always, None, &["shop:1"]).unwrap_err();
        assert_eq!((error.code(), error.exit_code()), ("command/nothing-to-push", ExitCode::Usage));
        assert!(error.to_string().contains("`shop:1`"), "{error}");
    }

    #[test]
    fn what_is_typed_without_tag_is_the_latest() {
        assert_eq!(typed_reference("ghcr.io/a/b").unwrap().to_string(), "ghcr.io/a/b:latest");
        assert_eq!(typed_reference("localhost:5000/b:1").unwrap().to_string(), "localhost:5000/b:1");
        assert_eq!(typed_reference("Acme/Shop").unwrap_err().code(), "command/invalid-reference");
    }
}
