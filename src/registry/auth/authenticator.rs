//! The order in which credentials are looked for, and what was found so far.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::docker_config::{self, DockerConfig};
use super::explicit::{Explicit, Fallback, Given, read_secret};
use super::helper;
use super::job::{self, JobLogin};
use super::{Access, AuthError, Credentials, Login};
use crate::daemon::docker_config_dir;
use crate::host::Environment;
use crate::network::Network;
use crate::origin::Detected;
use crate::registry::{RegistryHost, RegistryKind};
use crate::secret::Secret;
use crate::settings::PublishSettings;

/// Finds the credentials of registries and remembers them for this run. Its Debug shows nothing.
pub struct Authenticator {
    explicit: Explicit,
    github_token: Option<Detected<Secret>>,
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
    /// `pushed` are the registries that this run pushes to: without `--registry`, `--username` and `--password` are for the only
    /// one of them. Secrets in files are read here.
    pub fn new(
        settings: &PublishSettings,
        pushed: &[RegistryHost],
        environment: &Environment,
        network: Arc<Network>,
    ) -> Result<Self, AuthError> {
        Ok(Self {
            explicit: Explicit::new(settings, pushed)?,
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
        let found = self.find(host).await?;
        *known = Some(found.clone());
        Ok(found.credentials)
    }

    /// Newer credentials after the registry refused those it got; `None` when asking again can give nothing new.
    pub async fn renew(&self, host: &RegistryHost, access: Access) -> Result<Option<Credentials>, AuthError> {
        let known = self.known(host, access);
        let mut known = known.lock().await;
        if known.as_ref().is_some_and(|found| found.lifetime == Lifetime::Fixed) {
            return Ok(None);
        }
        let found = self.find(host).await?;
        *known = Some(found.clone());
        Ok(Some(found.credentials))
    }

    fn known(&self, host: &RegistryHost, access: Access) -> Known {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry((host.clone(), access)).or_default())
    }

    async fn find(&self, host: &RegistryHost) -> Result<Found, AuthError> {
        let mut tried = Vec::new();
        let found =
            |login, origin, lifetime, tried| Found { credentials: Credentials { login, origin, tried }, lifetime };

        let (default_user, fallback) = match host.kind() {
            RegistryKind::Ghcr => (Some(job::github_user(&self.environment)), Fallback::Possible),
            RegistryKind::Ecr(_) | RegistryKind::EcrPublic => (Some("AWS"), Fallback::None),
            _ => (None, Fallback::None),
        };
        let username = match self.explicit.given(host, default_user, fallback)? {
            Given::Login { login, origin } => return Ok(found(login, origin, Lifetime::Fixed, tried)),
            Given::Username(name) => Some(name),
            Given::Nothing => None,
        };
        tried.push(self.explicit.absence(host));

        match DockerConfig::of_variable(&self.environment)? {
            Some(config) => {
                if let Some(login) = config.stored(host)? {
                    return Ok(found(login, config.name, Lifetime::Fixed, tried));
                }
                tried.push(format!("{} has no entry for it", config.name));
            }
            None => tried.push(format!("`{}` is not set", docker_config::VARIABLE)),
        }
        if let Some(config) = self.config_dir.as_deref().map(DockerConfig::of_folder).transpose()?.flatten() {
            for helper in config.helpers(host)? {
                if let Some(login) = helper::ask(&helper, &config.name, host, &self.environment).await? {
                    let origin = format!("`{}` ({} of {})", helper.program(), helper.field, config.name);
                    return Ok(found(login, origin, Lifetime::Renewable, tried));
                }
                tried.push(format!("`{}` has none for it", helper.program()));
            }
            if let Some(login) = config.stored(host)? {
                return Ok(found(login, config.name, Lifetime::Fixed, tried));
            }
            tried.push(format!("{} has no entry for it", config.name));
        } else {
            tried.push("there is no Docker config".to_owned());
        }
        match job::find(&self.environment, self.github_token.as_ref(), username.as_deref(), host) {
            JobLogin::Found { login, origin } => return Ok(found(login, origin, Lifetime::Fixed, tried)),
            JobLogin::Absent(why) => tried.extend(why),
        }
        Ok(found(Login::Anonymous, "nobody: no credentials were found".to_owned(), Lifetime::Fixed, tried))
    }
}
