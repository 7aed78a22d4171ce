//! Making, updating, rolling back and removing services with their secrets.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use bollard::models::{LocalNodeState, SecretSpec, Service, Task};
use bollard::query_parameters::{InspectServiceOptions, ListSecretsOptionsBuilder, UpdateServiceOptionsBuilder};

use super::convert::{self, StoredSecret};
use super::{ServiceSecret, ServiceSpec, SwarmRole};
use crate::docker::client::Containers;
use crate::docker::error::ContainerError;
use crate::docker::failure::Subject;
use crate::docker::{APP_LABEL, MANAGED_LABEL};
use crate::host::random_word;
use crate::image_ref::RegistryHost;
use crate::registry::Login;

/// First Engine API whose services take `no-new-privileges` (Docker 25); earlier ones ignore it.
const NO_NEW_PRIVILEGES_API: (u32, u32) = (1, 44);
/// Label of a secret: the service that it is for.
const SERVICE_LABEL: &str = "nextdeploy.service";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceChange {
    Made,
    Updated,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    pub id: String,
    pub change: ServiceChange,
    pub warnings: Vec<String>,
}

impl Containers {
    /// What the daemon is to a Swarm.
    pub async fn swarm_role(&self) -> Result<SwarmRole, ContainerError> {
        let subject = Subject::new("the question for its Swarm", "daemon", "the daemon");
        let info = self.docker().info().await.map_err(|error| self.failed(&subject, error))?;
        let swarm = info.swarm.unwrap_or_default();
        Ok(match (swarm.local_node_state, swarm.control_available) {
            (Some(LocalNodeState::ACTIVE), Some(true)) => SwarmRole::Manager,
            (Some(LocalNodeState::ACTIVE | LocalNodeState::LOCKED | LocalNodeState::PENDING), _) => SwarmRole::Worker,
            _ => SwarmRole::None,
        })
    }

    /// Whether services of this daemon are known to be kept from new privileges. Engines before 23 do not say when their own
    /// configuration does that.
    pub async fn keeps_services_from_privileges(&self) -> Result<bool, ContainerError> {
        if self.engine.has_api(NO_NEW_PRIVILEGES_API) {
            return Ok(true);
        }
        let subject = Subject::new("the question for its security", "daemon", "the daemon");
        let info = self.docker().info().await.map_err(|error| self.failed(&subject, error))?;
        Ok(info.security_options.iter().flatten().any(|option| option == "name=no-new-privileges"))
    }

    /// Makes the service, or brings it to this state. Secrets that no longer serve it stay until [`Self::remove_old_secrets`].
    /// With a login, the machines of the Swarm pull with it.
    pub async fn deploy_service(
        &self,
        spec: &ServiceSpec,
        login: Option<(&Login, &RegistryHost)>,
    ) -> Result<Deployed, ContainerError> {
        let name = spec.container.name.as_str();
        let subject = Subject { image: &spec.container.image, ..Subject::new("the deployment", "service", name) };
        self.require_manager(name).await?;
        if let Some(network) = &spec.network {
            self.ensure_overlay(network.as_str(), spec).await?;
        }
        let present = self.service(name).await?;
        let secrets = self.store_secrets(spec).await?;
        let body = convert::service(spec, &secrets);
        let login = login.map(|(login, host)| credentials(login, host));
        let docker = self.docker();
        let answer = if let Some(service) = &present {
            let options = UpdateServiceOptionsBuilder::default().version(version(service)).build();
            let updated = docker.update_service(name, body, options, login).await;
            updated.map(|answer| (service.id.clone().unwrap_or_default(), ServiceChange::Updated, answer.warnings))
        } else {
            let made = docker.create_service(body, login).await;
            made.map(|answer| (answer.id.unwrap_or_default(), ServiceChange::Made, answer.warnings))
        };
        match answer {
            Ok((id, change, warnings)) => Ok(Deployed { id, change, warnings: warnings.unwrap_or_default() }),
            Err(error) => {
                // They serve nobody.
                for secret in &secrets {
                    let _ = docker.delete_secret(&secret.id).await;
                }
                Err(self.failed(&subject, error))
            }
        }
    }

    /// Brings the service back to its state before the last update.
    pub async fn rollback_service(&self, name: &str) -> Result<(), ContainerError> {
        let subject = Subject::new("the rollback", "service", name).checked()?;
        let service = self.service(name).await?.ok_or_else(|| missing(name))?;
        let options = UpdateServiceOptionsBuilder::default().version(version(&service)).rollback("previous").build();
        let body = service.spec.unwrap_or_default();
        let updated = self.docker().update_service(name, body, options, None).await;
        updated.map(|_| ()).map_err(|error| self.failed(&subject, error))
    }

    /// Removes the service with its secrets.
    pub async fn remove_service(&self, name: &str) -> Result<(), ContainerError> {
        let subject = Subject::new("the removal", "service", name).checked()?;
        self.docker().delete_service(name).await.map_err(|error| self.failed(&subject, error))?;
        self.remove_old_secrets(name).await
    }

    /// Removes the secrets of the service that neither it nor a task that Swarm remembers uses: a rollback finds its own again.
    pub async fn remove_old_secrets(&self, name: &str) -> Result<(), ContainerError> {
        let used = match self.service(name).await? {
            Some(service) => used_secrets(&service, &self.tasks(name).await?),
            None => Vec::new(),
        };
        let filters = HashMap::from([("label".to_owned(), vec![format!("{SERVICE_LABEL}={name}")])]);
        let options = ListSecretsOptionsBuilder::default().filters(&filters).build();
        let subject = Subject::new("the question for its secrets", "service", name);
        let secrets = self.docker().list_secrets(Some(options)).await.map_err(|error| self.failed(&subject, error))?;
        for id in secrets.into_iter().filter_map(|secret| secret.id).filter(|id| !used.contains(id)) {
            // A task that still ends keeps its secret; the next deployment removes it.
            let _ = self.docker().delete_secret(&id).await;
        }
        Ok(())
    }

    /// How many tasks the service is to have; `None` when there is no such service.
    pub async fn service_replicas(&self, name: &str) -> Result<Option<u64>, ContainerError> {
        let service = self.service(name).await?;
        let replicas = service.map(|service| service.spec.and_then(|spec| spec.mode?.replicated?.replicas));
        Ok(replicas.map(|replicas| replicas.and_then(|count| u64::try_from(count).ok()).unwrap_or(1)))
    }

    pub(super) async fn service(&self, name: &str) -> Result<Option<Service>, ContainerError> {
        let subject = Subject::new("the question for it", "service", name).checked()?;
        match self.docker().inspect_service(name, None::<InspectServiceOptions>).await {
            Ok(service) => Ok(Some(service)),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(self.failed(&subject, error)),
        }
    }

    async fn require_manager(&self, name: &str) -> Result<(), ContainerError> {
        match self.swarm_role().await? {
            SwarmRole::Manager => Ok(()),
            role => Err(ContainerError::NoSwarm { name: name.to_owned(), role }),
        }
    }

    async fn ensure_overlay(&self, network: &str, spec: &ServiceSpec) -> Result<(), ContainerError> {
        let subject = Subject::new("the creation", "network", network);
        if self.settle_network(network).await?.is_some() {
            return self.require_overlay(network).await;
        }
        let labels =
            spec.container.labels.iter().filter(|(name, _)| [APP_LABEL, MANAGED_LABEL].contains(&name.as_str()));
        let body = convert::overlay(network, labels.map(|(name, value)| (name.clone(), value.clone())).collect());
        match self.docker().create_network(body).await {
            Ok(_) => Ok(()),
            // Somebody else was faster.
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 409, .. }) => {
                self.require_overlay(network).await
            }
            Err(error) => Err(self.failed(&subject, error)),
        }
    }

    async fn require_overlay(&self, name: &str) -> Result<(), ContainerError> {
        let subject = Subject::new("the question for it", "network", name);
        let network = self.docker().inspect_network(name, None).await.map_err(|error| self.failed(&subject, error))?;
        match network.driver.as_deref() {
            Some("overlay") => Ok(()),
            driver => Err(ContainerError::Differs {
                kind: "network",
                name: name.to_owned(),
                difference: format!("services need an overlay network, its driver is `{}`", driver.unwrap_or_default()),
            }),
        }
    }

    /// Swarm's secrets never change, so each deployment has its own; their names tell nothing of the value.
    async fn store_secrets(&self, spec: &ServiceSpec) -> Result<Vec<StoredSecret>, ContainerError> {
        let service = spec.container.name.as_str();
        let mut stored: Vec<StoredSecret> = Vec::new();
        for secret in &spec.secrets {
            let name = secret_name(service, &secret.file);
            match self.store_secret(service, &name, secret).await {
                Ok(id) => stored.push(StoredSecret { id, name, file: secret.file.clone(), user: secret.user }),
                Err(error) => {
                    for secret in &stored {
                        let _ = self.docker().delete_secret(&secret.id).await;
                    }
                    return Err(error);
                }
            }
        }
        Ok(stored)
    }

    async fn store_secret(&self, service: &str, name: &str, secret: &ServiceSecret) -> Result<String, ContainerError> {
        let subject = Subject::new("the storage", "secret", name);
        let body = SecretSpec {
            name: Some(name.to_owned()),
            labels: Some(HashMap::from([
                (MANAGED_LABEL.to_owned(), "true".to_owned()),
                (SERVICE_LABEL.to_owned(), service.to_owned()),
            ])),
            data: Some(STANDARD.encode(secret.value.expose())),
            ..SecretSpec::default()
        };
        let answer = self.docker().create_secret(body).await.map_err(|error| self.failed(&subject, error))?;
        Ok(answer.id)
    }
}

/// Unique, in the grammar of Swarm's names (64 bytes at most).
fn secret_name(service: &str, file: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' };
    let readable: String = format!("{service}-{file}").chars().map(plain).take(40).collect();
    format!("{readable}-{}", &random_word()[..16])
}

fn used_secrets(service: &Service, tasks: &[Task]) -> Vec<String> {
    let template = service.spec.as_ref().and_then(|spec| spec.task_template.as_ref());
    let specs = template.into_iter().chain(tasks.iter().filter_map(|task| task.spec.as_ref()));
    let containers = specs.filter_map(|spec| spec.container_spec.as_ref());
    let secrets = containers.flat_map(|container| container.secrets.iter().flatten());
    secrets.filter_map(|secret| secret.secret_id.clone()).collect()
}

fn version(service: &Service) -> i32 {
    let index = service.version.as_ref().and_then(|version| version.index).unwrap_or_default();
    i32::try_from(index).unwrap_or(i32::MAX)
}

fn missing(name: &str) -> ContainerError {
    ContainerError::NotFound { kind: "service", name: name.to_owned() }
}

fn credentials(login: &Login, host: &RegistryHost) -> DockerCredentials {
    let serveraddress = Some(host.to_string());
    match login {
        Login::Anonymous => DockerCredentials::default(),
        Login::Basic { username, password } => DockerCredentials {
            username: Some(username.clone()),
            password: Some(password.expose().clone()),
            serveraddress,
            ..DockerCredentials::default()
        },
        Login::IdentityToken(token) => DockerCredentials {
            identitytoken: Some(token.expose().clone()),
            serveraddress,
            ..DockerCredentials::default()
        },
        Login::RegistryToken(token) => DockerCredentials {
            registrytoken: Some(token.expose().clone()),
            serveraddress,
            ..DockerCredentials::default()
        },
    }
}
