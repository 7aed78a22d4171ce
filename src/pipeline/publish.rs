//! Whether and where an image is pushed, the credentials for it, and the push through a Docker daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Publisher;
use super::event::{Event, EventSender, Phase};
use super::record::TransferRecord;
use super::stop::Stop;
use crate::builder::RegistryCredentials;
use crate::config::settings::{PublishSettings, PushPolicy};
use crate::diagnostic::{Diagnostic, Warning};
use crate::docker::connection::{Engine, find_endpoint};
use crate::error::{CommandError, Error};
use crate::host::Environment;
use crate::image::BuiltImage;
use crate::image_ref::{ImageRef, RegistryHost, RegistryKind};
use crate::net::Network;
use crate::origin::{Origin, Sourced};
use crate::registry::ecr::{RepositoryStatus, ensure_for_push};
use crate::registry::transfer::{PushOutcome, PushRun, TransferError, TransferOptions};
use crate::registry::{Access, Credential, Keychain, Login};
use crate::repo::ci::CiContext;

/// Events of a transfer that wait to be recorded.
const TRANSFER_QUEUE: usize = 64;

/// Whether an image is pushed once it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publication {
    NotRequested,
    /// Requested where possible (`--push=auto`), and not possible; the reason is the end of a sentence.
    Skipped(String),
    To(Vec<ImageRef>),
}

impl Publication {
    /// Decides whether and where the `tags` of an image are pushed.
    ///
    /// # Errors
    /// A push was requested, and no tag names a registry.
    pub fn decide(
        policy: Option<&Sourced<PushPolicy>>,
        ci: &CiContext,
        tags: &[Sourced<ImageRef>],
    ) -> Result<Self, CommandError> {
        let Some(policy) = policy.filter(|policy| policy.value != PushPolicy::Never) else {
            return Ok(Publication::NotRequested);
        };
        if policy.value == PushPolicy::Auto
            && let Some(reason) = ci.without_secrets()
        {
            return Ok(Publication::Skipped(reason.to_owned()));
        }
        let references: Vec<ImageRef> = tags
            .iter()
            .map(|tag| tag.value.clone())
            // A name without a registry and a namespace is local: `docker.io/library` takes no pushes.
            .filter(|reference| !reference.is_local())
            .collect();
        match (references.is_empty(), policy.value) {
            (false, _) => Ok(Publication::To(references)),
            (true, PushPolicy::Auto) => Ok(Publication::Skipped("no image names a registry".to_owned())),
            (true, _) => Err(CommandError::NothingToPush {
                wanted_by: policy.origin.clone(),
                tags: tags.iter().map(|tag| tag.value.to_string()).collect(),
            }),
        }
    }
}

/// How the registries of a run are reached: trust, proxies and credentials.
#[derive(Clone)]
pub struct RegistryAccess {
    pub environment: Environment,
    pub settings: PublishSettings,
    /// The registries of this run, with the origin of each name.
    pub registries: Vec<Sourced<RegistryHost>>,
    pub ca_bundle: Option<PathBuf>,
}

impl RegistryAccess {
    /// The daemon for a push or pull: without it the exit code is that of a transfer, not of a build.
    pub async fn connect_for_transfer(&self) -> Result<Engine, TransferError> {
        let endpoint = find_endpoint(&self.environment, self.ca_bundle.as_deref())?;
        Ok(Engine::connect(endpoint, &self.environment).await?)
    }

    /// The daemon that containers run in.
    pub async fn connect(&self) -> Result<Engine, Error> {
        let endpoint = find_endpoint(&self.environment, self.ca_bundle.as_deref())?;
        Ok(Engine::connect(endpoint, &self.environment).await?)
    }

    /// A new keychain for the registries of this run.
    pub fn keychain(&self) -> Result<Keychain, Error> {
        self.keychain_for(&self.registries, Arc::new(self.network()))
    }

    fn keychain_for(&self, registries: &[Sourced<RegistryHost>], network: Arc<Network>) -> Result<Keychain, Error> {
        Ok(Keychain::new(&self.settings, registries, &self.environment, network)?)
    }

    fn network(&self) -> Network {
        Network::new(&self.environment, self.ca_bundle.as_deref())
    }

    /// Credentials for the registries of base images, by host. Base images are often public: credentials that cannot be found are a warning,
    /// and the daemon pulls anonymously.
    pub(super) async fn base_credentials(
        &self,
        images: &[&ImageRef],
        events: &EventSender,
    ) -> Result<BTreeMap<String, RegistryCredentials>, Error> {
        let references: Vec<ImageRef> = images.iter().copied().cloned().collect();
        // `--username` and `--password` are for the push.
        let keychain = self.keychain_for(&[], Arc::new(self.network()))?;
        let mut found = BTreeMap::new();
        for host in hosts(&references) {
            match keychain.resolve(&host, Access::Pull).await {
                Ok(credential) => found.extend(for_builder(&host, &credential.login)),
                Err(error) => {
                    let message = format!("base images are pulled without credentials: {error}");
                    events.warning(as_warning(&error, &message)).await;
                }
            }
        }
        Ok(found)
    }

    /// Creates missing repositories in ECR, if requested. One that cannot be created is a warning: it may exist all the same.
    async fn create_repositories(&self, references: &[ImageRef], events: &EventSender) -> Result<(), Error> {
        if !self.settings.create_repository {
            return Ok(());
        }
        let ensured = ensure_for_push(&self.network(), &self.environment, references, &self.settings.ecr).await?;
        for repository in ensured {
            match repository.result {
                Ok(outcome) => {
                    if outcome.status == RepositoryStatus::Created {
                        events.message(format!("created the repository {}", outcome.uri)).await;
                    }
                    events.warnings(outcome.warnings).await;
                }
                Err(error) => events.warning(as_warning(&error, &error.to_string())).await,
            }
        }
        Ok(())
    }
}

/// Pushes through a Docker daemon.
pub struct DaemonPublisher<'a> {
    pub engine: &'a Engine,
    pub access: &'a RegistryAccess,
}

impl DaemonPublisher<'_> {
    /// Pushes all references; those that failed are in the outcome. `source` is the image that gets these names first.
    ///
    /// # Errors
    /// Credentials that cannot be read.
    pub async fn push(
        &self,
        source: Option<&str>,
        references: &[ImageRef],
        events: &EventSender,
        stop: &Stop,
    ) -> Result<(PushOutcome, TransferRecord), Error> {
        self.access.create_repositories(references, events).await?;
        let network = Arc::new(self.access.network());
        let keychain = self.access.keychain_for(&self.access.registries, Arc::clone(&network))?;
        let (sender, received) = mpsc::channel(TRANSFER_QUEUE);
        let run = PushRun {
            engine: self.engine,
            source,
            references,
            keychain: &keychain,
            network: &network,
            events: sender,
            options: TransferOptions::default(),
        };
        events.send(Event::Started(Phase::Push)).await;
        let push = run.push(stop.clone().requested());
        let (outcome, (record, notices)) = tokio::join!(push, events.record_transfer(received));
        events.warnings(notices).await;
        events.send(Event::Finished(Phase::Push)).await;
        Ok((outcome, record))
    }
}

impl Publisher for DaemonPublisher<'_> {
    /// Credentials only. They are not kept: tokens are fetched again right before the push.
    async fn check(&self, references: &[ImageRef]) -> Result<(), Error> {
        let keychain = self.access.keychain()?;
        for host in &hosts(references) {
            refuse_anonymous(host, &keychain.resolve(host, Access::Push).await?)?;
        }
        Ok(())
    }

    async fn publish(
        &self,
        image: &BuiltImage,
        references: &[ImageRef],
        events: &EventSender,
        stop: &Stop,
    ) -> Result<(PushOutcome, TransferRecord), Error> {
        self.push(Some(&image.id), references, events, stop).await
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
    let mut hosts: Vec<RegistryHost> = references.iter().map(ImageRef::registry).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// Known services never take anonymous pushes; other registries may.
fn refuse_anonymous(host: &RegistryHost, credential: &Credential) -> Result<(), CommandError> {
    if credential.login == Login::Anonymous && host.kind() != RegistryKind::Other {
        return Err(CommandError::NoCredentials { host: host.to_string(), tried: credential.tried.clone() });
    }
    Ok(())
}

/// The registry of an image, with the origin of the image.
pub fn named_registry(reference: &ImageRef, origin: &Origin) -> Sourced<RegistryHost> {
    Sourced::new(reference.registry(), origin.clone())
}

/// A reference of the command line; without tag and digest it is `latest`, as for `docker`.
pub fn typed_reference(text: &str) -> Result<ImageRef, CommandError> {
    let reference = ImageRef::parse(text).map_err(|invalid| CommandError::InvalidReference {
        text: text.to_owned(),
        reason: invalid.to_string(),
        hint: invalid.hint(),
    })?;
    Ok(reference.or_latest())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::ExitCode;
    use crate::repo::ci::{PullRequest, PullRequestSource};

    fn check(policy: PushPolicy, from: Option<PullRequestSource>, tags: &[&str]) -> Result<Publication, CommandError> {
        let ci = CiContext {
            pull_request: from.map(|from| PullRequest { from, ..PullRequest::default() }),
            ..CiContext::default()
        };
        let origin = Origin::Flag("--push".to_owned());
        let tags: Vec<_> = tags.iter().map(|tag| Sourced::new(ImageRef::parse(tag).unwrap(), origin.clone())).collect();
        Publication::decide(Some(&Sourced::new(policy, origin)), &ci, &tags)
    }

    fn to(tags: &[&str]) -> Publication {
        Publication::To(tags.iter().map(|tag| ImageRef::parse(tag).unwrap()).collect())
    }

    #[test]
    fn a_pull_request_from_a_fork_is_pushed_only_with_push_always() {
        let fork = Some(PullRequestSource::Fork);
        let tags = ["ghcr.io/acme/shop:1"];
        let Publication::Skipped(reason) = check(PushPolicy::Auto, fork, &tags).unwrap() else { panic!() };
        assert!(reason.contains("fork"), "{reason}");
        assert_eq!(check(PushPolicy::Always, fork, &tags).unwrap(), to(&tags));
        assert_eq!(check(PushPolicy::Auto, Some(PullRequestSource::SameRepository), &tags).unwrap(), to(&tags));
        assert_eq!(check(PushPolicy::Never, None, &tags).unwrap(), Publication::NotRequested);
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
    fn the_default_tag_is_latest() {
        assert_eq!(typed_reference("ghcr.io/a/b").unwrap().to_string(), "ghcr.io/a/b:latest");
        assert_eq!(typed_reference("localhost:5000/b:1").unwrap().to_string(), "localhost:5000/b:1");
        assert_eq!(typed_reference("Acme/Shop").unwrap_err().code(), "command/invalid-reference");
    }
}
