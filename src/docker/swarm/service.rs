//! Creating, updating, rolling back and removing services with their secrets.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::models::{
    IdResponse, LocalNodeState, NetworkInspect, Secret as StoredSwarmSecret, SecretSpec, Service,
    ServiceCreateResponse, ServiceUpdateResponse, Task,
};
use hyper::header::HeaderName;

use super::convert::{self, StoredSecret};
use crate::docker::connection::{ApiError, DaemonRefusal};
use crate::docker::containers::Containers;
use crate::docker::error::ContainerError;
use crate::docker::facts::SwarmRole;
use crate::docker::refusal::Operation;
use crate::docker::spec::{APP_LABEL, MANAGED_LABEL, ServiceSecret, ServiceSpec};
use crate::host::random_word;
use crate::secret::Secret;

/// First Engine API whose services take `no-new-privileges` (Docker 25); earlier ones ignore it.
const NO_NEW_PRIVILEGES_API: (u32, u32) = (1, 44);
/// Header with the login that the machines of a Swarm pull with.
const REGISTRY_AUTH: HeaderName = HeaderName::from_static("x-registry-auth");
/// Label of a secret: the service that uses it.
const SERVICE_LABEL: &str = "nextdeploy.service";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceChange {
    Created,
    Updated,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployedService {
    pub id: String,
    pub change: ServiceChange,
    pub warnings: Vec<String>,
}

impl Containers {
    /// The role of the daemon in a Swarm.
    pub async fn swarm_role(&self) -> Result<SwarmRole, ContainerError> {
        let swarm = self.info("Swarm inspection").await?.swarm.unwrap_or_default();
        Ok(match (swarm.local_node_state, swarm.control_available) {
            (Some(LocalNodeState::ACTIVE), Some(true)) => SwarmRole::Manager,
            (Some(LocalNodeState::ACTIVE | LocalNodeState::LOCKED | LocalNodeState::PENDING), _) => SwarmRole::Worker,
            _ => SwarmRole::None,
        })
    }

    /// Whether services of this daemon are known to run without new privileges. Engines before 23 do not report when their own
    /// configuration does that.
    pub async fn keeps_services_from_privileges(&self) -> Result<bool, ContainerError> {
        if self.engine.has_api(NO_NEW_PRIVILEGES_API) {
            return Ok(true);
        }
        let info = self.info("inspection of its security").await?;
        Ok(info.security_options.iter().flatten().any(|option| option == "name=no-new-privileges"))
    }

    /// Creates the service, or updates it to `spec`. Secrets that it no longer uses stay until [`Self::remove_old_secrets`].
    /// `registry_auth` is the value of `X-Registry-Auth` that the machines of the Swarm pull with.
    pub async fn deploy_service(
        &self,
        spec: &ServiceSpec,
        registry_auth: Option<&Secret>,
    ) -> Result<DeployedService, ContainerError> {
        let name = spec.container.name.as_str();
        let image = spec.container.image.as_str();
        let operation = Operation { image, ..Operation::new("service deployment", "service", name) };
        self.require_manager(name).await?;
        if let Some(network) = &spec.network {
            self.ensure_overlay(network.as_str(), spec).await?;
        }
        let present = self.service(name).await?;
        let secrets = self.store_secrets(spec).await?;
        let body = convert::service(spec, &secrets);
        let post = |path: &str| {
            let request = self.post(&operation, path).json(&body);
            match registry_auth {
                Some(auth) => request.header(REGISTRY_AUTH, auth.expose()),
                None => request,
            }
        };
        let answer = if let Some(service) = present {
            let request = post(&format!("/services/{name}/update")).query("version", &version(&service));
            let updated = request.read::<ServiceUpdateResponse>().await;
            updated.map(|answer| (service.id.unwrap_or_default(), ServiceChange::Updated, answer.warnings))
        } else {
            let created = post("/services/create").read::<ServiceCreateResponse>().await;
            created.map(|answer| (answer.id.unwrap_or_default(), ServiceChange::Created, answer.warnings))
        };
        match answer {
            Ok((id, change, warnings)) => Ok(DeployedService { id, change, warnings: warnings.unwrap_or_default() }),
            Err(error) => {
                self.delete_secrets(secrets.iter().map(|secret| &secret.id)).await;
                Err(operation.failed(error))
            }
        }
    }

    /// Brings the service back to its state before the last update.
    pub async fn rollback_service(&self, name: &str) -> Result<(), ContainerError> {
        let operation = Operation::new("service rollback", "service", name).checked()?;
        let service = self.service(name).await?.ok_or_else(|| operation.missing())?;
        let request = self.post(&operation, &format!("/services/{name}/update")).query("version", &version(&service));
        let request = request.query("rollback", "previous").json(&service.spec.unwrap_or_default());
        request.run().await.map_err(|error| operation.failed(error))
    }

    /// Removes the service with its secrets.
    pub async fn remove_service(&self, name: &str) -> Result<(), ContainerError> {
        let operation = Operation::new("service removal", "service", name).checked()?;
        let request = self.delete(&operation, &format!("/services/{name}"));
        request.run().await.map_err(|error| operation.failed(error))?;
        self.remove_old_secrets(name).await
    }

    /// Removes the secrets of the service that neither it nor a task that Swarm remembers uses; a rollback needs those of the tasks.
    pub async fn remove_old_secrets(&self, name: &str) -> Result<(), ContainerError> {
        let used = match self.service(name).await? {
            Some(service) => used_secrets(&service, &self.tasks(name).await?),
            None => Vec::new(),
        };
        let operation = Operation::new("secret list", "service", name);
        let filters = BTreeMap::from([("label", [format!("{SERVICE_LABEL}={name}")])]);
        let request = self.get(&operation, "/secrets").json_query("filters", &filters);
        let secrets: Vec<StoredSwarmSecret> = request.read().await.map_err(|error| operation.failed(error))?;
        let old = secrets.iter().filter_map(|secret| secret.id.as_ref()).filter(|id| !used.contains(id));
        // A task that has not ended keeps its secret; the next deployment removes it.
        self.delete_secrets(old).await;
        Ok(())
    }

    /// Best effort.
    async fn delete_secrets(&self, ids: impl Iterator<Item = &String>) {
        let operation = Operation::new("secret removal", "secret", "");
        for id in ids {
            let _ = self.delete(&operation, &format!("/secrets/{id}")).run().await;
        }
    }

    /// The number of tasks that the service should have; `None` when it does not exist.
    pub async fn service_replicas(&self, name: &str) -> Result<Option<u64>, ContainerError> {
        let service = self.service(name).await?;
        let replicas = service.map(|service| service.spec.and_then(|spec| spec.mode?.replicated?.replicas));
        Ok(replicas.map(|replicas| replicas.and_then(|count| u64::try_from(count).ok()).unwrap_or(1)))
    }

    pub(super) async fn service(&self, name: &str) -> Result<Option<Service>, ContainerError> {
        let operation = Operation::new("service inspection", "service", name).checked()?;
        self.get(&operation, &format!("/services/{name}")).find().await.map_err(|error| operation.failed(error))
    }

    async fn require_manager(&self, name: &str) -> Result<(), ContainerError> {
        match self.swarm_role().await? {
            SwarmRole::Manager => Ok(()),
            role => Err(ContainerError::NoSwarm { name: name.to_owned(), role }),
        }
    }

    async fn ensure_overlay(&self, network: &str, spec: &ServiceSpec) -> Result<(), ContainerError> {
        let operation = Operation::new("network creation", "network", network);
        if self.settle_network(network).await?.is_some() {
            return self.require_overlay(network).await;
        }
        let labels =
            spec.container.labels.iter().filter(|(name, _)| [APP_LABEL, MANAGED_LABEL].contains(&name.as_str()));
        let body = convert::overlay(network, labels.map(|(name, value)| (name.clone(), value.clone())).collect());
        match self.post(&operation, "/networks/create").json(&body).run().await {
            Ok(()) => Ok(()),
            // Another process was faster.
            Err(ApiError::Refused(DaemonRefusal { status: 409, .. })) => self.require_overlay(network).await,
            Err(error) => Err(operation.failed(error)),
        }
    }

    async fn require_overlay(&self, name: &str) -> Result<(), ContainerError> {
        let operation = Operation::new("network inspection", "network", name);
        let request = self.get(&operation, &format!("/networks/{name}"));
        let network: NetworkInspect = request.read().await.map_err(|error| operation.failed(error))?;
        match network.driver.as_deref() {
            Some("overlay") => Ok(()),
            driver => Err(ContainerError::Differs {
                kind: "network",
                name: name.to_owned(),
                difference: format!("services need an overlay network, its driver is `{}`", driver.unwrap_or_default()),
            }),
        }
    }

    /// Secrets of a Swarm cannot change, so each deployment has its own; their names reveal nothing of the value.
    async fn store_secrets(&self, spec: &ServiceSpec) -> Result<Vec<StoredSecret>, ContainerError> {
        let service = spec.container.name.as_str();
        let mut stored: Vec<StoredSecret> = Vec::new();
        for secret in &spec.secrets {
            let name = secret_name(service, &secret.file);
            match self.store_secret(service, &name, secret).await {
                Ok(id) => stored.push(StoredSecret { id, name, file: secret.file.clone(), user: secret.user }),
                Err(error) => {
                    self.delete_secrets(stored.iter().map(|secret| &secret.id)).await;
                    return Err(error);
                }
            }
        }
        Ok(stored)
    }

    async fn store_secret(&self, service: &str, name: &str, secret: &ServiceSecret) -> Result<String, ContainerError> {
        let operation = Operation::new("secret creation", "secret", name);
        let body = SecretSpec {
            name: Some(name.to_owned()),
            labels: Some(HashMap::from([
                (MANAGED_LABEL.to_owned(), "true".to_owned()),
                (SERVICE_LABEL.to_owned(), service.to_owned()),
            ])),
            data: Some(STANDARD.encode(secret.value.expose())),
            ..SecretSpec::default()
        };
        let request = self.post(&operation, "/secrets/create").json(&body);
        let answer: IdResponse = request.read().await.map_err(|error| operation.failed(error))?;
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

/// The version that an update replaces.
fn version(service: &Service) -> String {
    service.version.as_ref().and_then(|version| version.index).unwrap_or_default().to_string()
}
