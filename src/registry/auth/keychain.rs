//! The order in which credentials are searched, their cache, and their renewal.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::docker_config::{self, DockerConfig};
use super::ecr_token;
use super::inputs::{ExplicitLogin, JobLogin, job_login, read_secret};
use super::{Access, AuthError, Credential, Login};
use crate::config::settings::PublishSettings;
use crate::docker::connection::docker_config_dir;
use crate::host::Environment;
use crate::image_ref::{RegistryHost, RegistryKind};
use crate::net::Network;
use crate::origin::Sourced;
use crate::registry::aws;
use crate::registry::ecr::PublicRepository;
use crate::secret::Secret;

/// Resolves a registry to a credential; finds each credential once per run and renews it when the registry rejects it. Its Debug
/// shows nothing.
pub struct Keychain {
    source: Source,
    cache: Mutex<BTreeMap<(RegistryHost, Access), Slot>>,
}

enum Source {
    CredentialSearch(Box<CredentialSearch>),
    /// Each credential is the renewal of the one before it.
    Fixed(Vec<Credential>),
}

/// Locked during a search, so that concurrent callers share its result.
type Slot = Arc<tokio::sync::Mutex<Cached>>;

#[derive(Default)]
struct Cached {
    found: Option<FoundCredential>,
    renewals: usize,
}

#[derive(Clone)]
struct FoundCredential {
    credential: Credential,
    lifetime: Lifetime,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    /// The same for the whole run.
    Fixed,
    /// Issued on request: another search may find a newer one.
    Renewable,
}

/// The result of [`Keychain::renew`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    Renewed(Credential),
    /// Another caller has renewed it: [`Keychain::resolve`] returns the newer one.
    AlreadyRenewed,
    /// There is no other credential.
    Unavailable,
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keychain").finish_non_exhaustive()
    }
}

impl Keychain {
    /// A keychain that searches the inputs of this run. `registries` are those that the run pushes to or pulls from: without
    /// `--registry`, `--username` and `--password` are for the only one among them that a flag, a variable or the CI system names.
    /// Reads secrets from files.
    pub fn new(
        settings: &PublishSettings,
        registries: &[Sourced<RegistryHost>],
        environment: &Environment,
        network: Arc<Network>,
    ) -> Result<Self, AuthError> {
        let search = CredentialSearch {
            explicit: ExplicitLogin::new(settings, registries)?,
            github_token: settings.github_token.as_ref().map(read_secret).transpose()?,
            config_dir: docker_config_dir(environment),
            environment: environment.clone(),
            network,
        };
        Ok(Self { source: Source::CredentialSearch(Box::new(search)), cache: Mutex::default() })
    }

    /// A keychain with the first of these credentials for every registry; each renewal takes the next one. Without any, access is
    /// anonymous.
    pub fn fixed(credentials: impl IntoIterator<Item = Credential>) -> Self {
        Self { source: Source::Fixed(credentials.into_iter().collect()), cache: Mutex::default() }
    }

    /// The credential for `host`. If there is none, it is [`Login::Anonymous`] with the list of places that were searched.
    pub async fn resolve(&self, host: &RegistryHost, access: Access) -> Result<Credential, AuthError> {
        let slot = self.slot(host, access);
        let mut cached = slot.lock().await;
        if let Some(found) = &cached.found {
            return Ok(found.credential.clone());
        }
        let found = self.find(host, access, 0).await?;
        let credential = found.credential.clone();
        cached.found = Some(found);
        Ok(credential)
    }

    /// Replaces `rejected`, which the registry did not accept.
    pub async fn renew(
        &self,
        host: &RegistryHost,
        access: Access,
        rejected: &Credential,
    ) -> Result<Renewal, AuthError> {
        let slot = self.slot(host, access);
        let mut cached = slot.lock().await;
        if let Some(found) = &cached.found {
            if found.credential.login != rejected.login {
                return Ok(Renewal::AlreadyRenewed);
            }
            if found.lifetime == Lifetime::Fixed {
                return Ok(Renewal::Unavailable);
            }
        }
        let found = self.find(host, access, cached.renewals + 1).await?;
        let credential = found.credential.clone();
        *cached = Cached { found: Some(found), renewals: cached.renewals + 1 };
        if credential.login == rejected.login { Ok(Renewal::Unavailable) } else { Ok(Renewal::Renewed(credential)) }
    }

    fn slot(&self, host: &RegistryHost, access: Access) -> Slot {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cache.entry((host.clone(), access)).or_default())
    }

    async fn find(&self, host: &RegistryHost, access: Access, renewals: usize) -> Result<FoundCredential, AuthError> {
        match &self.source {
            Source::CredentialSearch(search) => search.run(host, access).await,
            Source::Fixed(credentials) => {
                let lifetime = if renewals + 1 < credentials.len() { Lifetime::Renewable } else { Lifetime::Fixed };
                let credential = credentials.get(renewals).cloned().unwrap_or_else(|| anonymous(Vec::new()));
                Ok(FoundCredential { credential, lifetime })
            }
        }
    }
}

fn anonymous(tried: Vec<String>) -> Credential {
    Credential { login: Login::Anonymous, origin: "anonymous access: no credentials found".to_owned(), tried }
}

/// The places that may have a credential.
struct CredentialSearch {
    explicit: ExplicitLogin,
    github_token: Option<Sourced<Secret>>,
    environment: Environment,
    network: Arc<Network>,
    config_dir: Option<PathBuf>,
}

/// A login with its origin.
type Match = (Login, String, Lifetime);

impl CredentialSearch {
    async fn run(&self, host: &RegistryHost, access: Access) -> Result<FoundCredential, AuthError> {
        let mut tried = Vec::new();
        let found = self.first_match(host, access, &mut tried).await?;
        Ok(match found {
            Some((login, origin, lifetime)) => {
                FoundCredential { credential: Credential { login, origin, tried }, lifetime }
            }
            None => FoundCredential { credential: anonymous(tried), lifetime: Lifetime::Fixed },
        })
    }

    async fn first_match(
        &self,
        host: &RegistryHost,
        access: Access,
        tried: &mut Vec<String>,
    ) -> Result<Option<Match>, AuthError> {
        if let Some((login, origin)) = self.explicit.login(host, &self.environment)? {
            return Ok(Some((login, origin, Lifetime::Fixed)));
        }
        tried.push(self.explicit.absence(host));
        if let Some(found) = self.docker_login(host, tried).await? {
            return Ok(Some(found));
        }
        if let Some(found) = self.ecr_token(host, access, tried).await? {
            return Ok(Some(found));
        }
        let username = self.explicit.username(host);
        match job_login(&self.environment, self.github_token.as_ref(), username, host) {
            JobLogin::Found { login, origin } => Ok(Some((login, origin, Lifetime::Fixed))),
            JobLogin::Absent(reason) => {
                tried.extend(reason);
                Ok(None)
            }
        }
    }

    async fn docker_login(&self, host: &RegistryHost, tried: &mut Vec<String>) -> Result<Option<Match>, AuthError> {
        match DockerConfig::from_variable(&self.environment)? {
            Some(config) => {
                if let Some(login) = config.stored(host)? {
                    return Ok(Some((login, config.name, Lifetime::Fixed)));
                }
                tried.push(format!("{} has no entry for it", config.name));
            }
            None => tried.push(format!("`{}` is not set", docker_config::VARIABLE)),
        }
        let Some(config) = self.config_dir.as_deref().map(DockerConfig::from_folder).transpose()?.flatten() else {
            tried.push("there is no Docker config".to_owned());
            return Ok(None);
        };
        for helper in config.helpers(host)? {
            if let Some(login) = helper.get(&config.name, host, &self.environment).await? {
                let origin = format!("`{}` ({} in {})", helper.program(), helper.field, config.name);
                return Ok(Some((login, origin, Lifetime::Renewable)));
            }
            tried.push(format!("`{}` has no entry for it", helper.program()));
        }
        let stored = config.stored(host)?;
        if stored.is_none() {
            tried.push(format!("{} has no entry for it", config.name));
        }
        Ok(stored.map(|login| (login, config.name, Lifetime::Fixed)))
    }

    /// Only ECR hosts are a reason to query AWS.
    async fn ecr_token(
        &self,
        host: &RegistryHost,
        access: Access,
        tried: &mut Vec<String>,
    ) -> Result<Option<Match>, AuthError> {
        let (region, service) = match host.kind() {
            RegistryKind::Ecr(ecr) => (ecr.region, "ECR"),
            RegistryKind::EcrPublic => (PublicRepository::REGION.to_owned(), "ECR Public"),
            _ => return Ok(None),
        };
        let config = aws::sdk_config(&self.network, Some(&region), &self.environment).await?;
        let is_public = host.kind() == RegistryKind::EcrPublic;
        let token = if is_public { ecr_token::public(&config).await } else { ecr_token::private(&config).await };
        match token {
            Ok(login) => {
                let origin =
                    format!("an {service} token for {region}, issued for the AWS credentials of this environment");
                Ok(Some((login, origin, Lifetime::Renewable)))
            }
            // Public images can be pulled anonymously.
            Err(error) if is_public && access == Access::Pull => {
                tried.push(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error.refined(&self.environment).into()),
        }
    }
}
