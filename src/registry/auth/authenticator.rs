//! The order in which credentials are looked for, and what was found so far.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::docker_config::{self, DockerConfig};
use super::ecr;
use super::explicit::{Explicit, Fallback, Given, read_secret};
use super::helper;
use super::job::{self, JobLogin};
use super::{Access, AuthError, Credentials, Login};
use crate::config::settings::PublishSettings;
use crate::docker::connection::docker_config_dir;
use crate::host::Environment;
use crate::net::Network;
use crate::origin::Sourced;
use crate::registry::aws;
use crate::registry::{RegistryHost, RegistryKind};
use crate::secret::Secret;

/// Finds the credentials of registries and remembers them for this run. Its Debug shows nothing.
pub struct Authenticator {
    explicit: Explicit,
    github_token: Option<Sourced<Secret>>,
    environment: Environment,
    network: Arc<Network>,
    config_dir: Option<PathBuf>,
    known: Mutex<BTreeMap<(RegistryHost, Access), Known>>,
}

/// Locked while somebody looks for these credentials, so that nobody else looks for the same.
type Known = Arc<tokio::sync::Mutex<Option<Found>>>;

#[derive(Clone)]
struct Found {
    credentials: Credentials,
    lifetime: Lifetime,
}

/// Can asking again give something newer?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    /// The same as long as the program runs.
    Fixed,
    /// Tokens that somebody issues on request.
    Renewable,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

impl Authenticator {
    /// `registries` are those that this run pushes to or pulls from: without `--registry`, `--username` and `--password` are for
    /// the only one of them that flags, variables or the CI system name. Secrets in files are read here.
    pub fn new(
        settings: &PublishSettings,
        registries: &[Sourced<RegistryHost>],
        environment: &Environment,
        network: Arc<Network>,
    ) -> Result<Self, AuthError> {
        Ok(Self {
            explicit: Explicit::new(settings, registries)?,
            github_token: settings.github_token.as_ref().map(read_secret).transpose()?,
            config_dir: docker_config_dir(environment),
            environment: environment.clone(),
            network,
            known: Mutex::default(),
        })
    }

    /// Trust and proxies that this run works with.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The credentials for `host`; [`Login::Anonymous`] when there are none, with the list of what was tried.
    pub async fn credentials(&self, host: &RegistryHost, access: Access) -> Result<Credentials, AuthError> {
        let known = self.known(host, access);
        let mut known = known.lock().await;
        if let Some(found) = &*known {
            return Ok(found.credentials.clone());
        }
        let found = self.find(host, access).await?;
        *known = Some(found.clone());
        Ok(found.credentials)
    }

    /// Newer credentials after the registry refused those from before; `None` when asking again gives nothing new.
    pub async fn renew(&self, host: &RegistryHost, access: Access) -> Result<Option<Credentials>, AuthError> {
        let known = self.known(host, access);
        let mut known = known.lock().await;
        if known.as_ref().is_some_and(|found| found.lifetime == Lifetime::Fixed) {
            return Ok(None);
        }
        let found = self.find(host, access).await?;
        let refused = known.replace(found.clone());
        let is_new = refused.is_none_or(|refused| refused.credentials.login != found.credentials.login);
        Ok(is_new.then_some(found.credentials))
    }

    fn known(&self, host: &RegistryHost, access: Access) -> Known {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry((host.clone(), access)).or_default())
    }

    async fn find(&self, host: &RegistryHost, access: Access) -> Result<Found, AuthError> {
        let mut search = Search { host, tried: Vec::new() };
        let username = match self.explicit(host)? {
            Given::Login { login, origin } => return Ok(search.found(login, origin, Lifetime::Fixed)),
            Given::Username(name) => Some(name),
            Given::Nothing => None,
        };
        search.tried.push(self.explicit.absence(host));
        if let Some(found) = self.of_docker(&mut search).await? {
            return Ok(found);
        }
        if let Some(found) = self.of_aws(&mut search, access).await? {
            return Ok(found);
        }
        match job::find(&self.environment, self.github_token.as_ref(), username.as_deref(), host) {
            JobLogin::Found { login, origin } => return Ok(search.found(login, origin, Lifetime::Fixed)),
            JobLogin::Absent(why) => search.tried.extend(why),
        }
        Ok(search.found(Login::Anonymous, "nobody: no credentials were found".to_owned(), Lifetime::Fixed))
    }

    fn explicit(&self, host: &RegistryHost) -> Result<Given, AuthError> {
        let (default_user, fallback) = match host.kind() {
            _ if job::is_github_registry(&self.environment, host) => {
                (Some(job::github_user(&self.environment)), Fallback::Possible)
            }
            RegistryKind::Ghcr => (Some(job::github_user(&self.environment)), Fallback::None),
            RegistryKind::Ecr(_) | RegistryKind::EcrPublic => (Some("AWS"), Fallback::None),
            _ => (None, Fallback::None),
        };
        self.explicit.given(host, default_user, fallback)
    }

    async fn of_docker(&self, search: &mut Search<'_>) -> Result<Option<Found>, AuthError> {
        match DockerConfig::of_variable(&self.environment)? {
            Some(config) => {
                if let Some(login) = config.stored(search.host)? {
                    return Ok(Some(search.found(login, config.name, Lifetime::Fixed)));
                }
                search.tried.push(format!("{} has no entry for it", config.name));
            }
            None => search.tried.push(format!("`{}` is not set", docker_config::VARIABLE)),
        }
        let Some(config) = self.config_dir.as_deref().map(DockerConfig::of_folder).transpose()?.flatten() else {
            search.tried.push("there is no Docker config".to_owned());
            return Ok(None);
        };
        for helper in config.helpers(search.host)? {
            if let Some(login) = helper::ask(&helper, &config.name, search.host, &self.environment).await? {
                let origin = format!("`{}` ({} of {})", helper.program(), helper.field, config.name);
                return Ok(Some(search.found(login, origin, Lifetime::Renewable)));
            }
            search.tried.push(format!("`{}` has none for it", helper.program()));
        }
        let stored = config.stored(search.host)?;
        if stored.is_none() {
            search.tried.push(format!("{} has no entry for it", config.name));
        }
        Ok(stored.map(|login| search.found(login, config.name, Lifetime::Fixed)))
    }

    /// Nobody but a registry of AWS is a reason to ask AWS.
    async fn of_aws(&self, search: &mut Search<'_>, access: Access) -> Result<Option<Found>, AuthError> {
        let (region, asked) = match search.host.kind() {
            RegistryKind::Ecr(host) => (host.region, "ECR"),
            RegistryKind::EcrPublic => (ecr::PUBLIC_REGION.to_owned(), "ECR Public"),
            _ => return Ok(None),
        };
        let config = aws::sdk_config(&self.network, Some(&region), &self.environment).await?;
        let is_public = search.host.kind() == RegistryKind::EcrPublic;
        let token = if is_public { ecr::public_token(&config).await } else { ecr::private_token(&config).await };
        match token {
            Ok(login) => {
                let origin = format!("a token of {asked} in {region}, with the AWS credentials of this environment");
                Ok(Some(search.found(login, origin, Lifetime::Renewable)))
            }
            // Everybody may pull there.
            Err(error) if is_public && access == Access::Pull => {
                search.tried.push(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error.refined(&self.environment).into()),
        }
    }
}

/// One search, with what was in vain so far.
struct Search<'a> {
    host: &'a RegistryHost,
    tried: Vec<String>,
}

impl Search<'_> {
    fn found(&mut self, login: Login, origin: String, lifetime: Lifetime) -> Found {
        Found { credentials: Credentials { login, origin, tried: std::mem::take(&mut self.tried) }, lifetime }
    }
}
