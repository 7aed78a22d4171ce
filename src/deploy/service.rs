//! The same plan as a service of a Swarm: [`LaunchPlan`] → [`ServiceSpec`] (pure), and its deployment until all tasks are healthy.
//!
//! Swarm rolls out and back; a first deployment that fails is removed again. Never makes a Swarm.

use std::collections::BTreeMap;

use super::container_config::SecretsAs;
use super::error::{LaunchError, ServiceNotHealthy};
use super::launch::as_environment;
use super::launcher::{LaunchEvent, Launcher};
use super::plan::LaunchPlan;
use super::secrets::{SecretFile, user_number};
use crate::diagnostic::Warning;
use crate::docker::connection::Engine;
use crate::docker::{
    ContainerError, ContainerName, Containers, ImageFacts, LogLine, RollingUpdate, RolloutDirection, ServiceChange,
    ServiceFailure, ServiceProgress, ServiceSecret, ServiceSpec, SwarmRole,
};
use crate::image_ref::{ImageRef, RegistryHost};
use crate::origin::Origin;
use crate::registry::{Login, registry_auth_header};

/// The default network. A bridge may already have the name of the one for containers.
const OVERLAY: &str = "nextdeploy-swarm";

/// A service as it would be deployed.
#[derive(Debug, Clone, PartialEq)]
pub struct ServicePlan {
    /// Its secrets are added by the deployment.
    pub spec: ServiceSpec,
    /// Those of the container plan that hold for a service, and its own.
    pub warnings: Vec<Warning>,
}

/// A service whose tasks are all healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchedService {
    pub name: String,
    pub id: String,
    pub change: ServiceChange,
    pub replicas: u64,
}

/// What differs for a Swarm: the service has the name of the app, its image is named so that every machine gets the same one, and
/// a port is published only if it is configured, because Swarm opens it on all addresses of all machines.
pub fn plan_service(plan: &LaunchPlan, image: &ImageFacts, replicas: u64) -> Result<ServicePlan, LaunchError> {
    if !plan.hooks.post_start.is_empty() || !plan.hooks.pre_stop.is_empty() {
        return Err(LaunchError::NotInSwarm { what: "hooks".to_owned() });
    }
    // A service is always published on all addresses, about which there is a warning of its own.
    let of_plan = plan.warnings.iter().filter(|warning| warning.code != "launch/published-everywhere");
    let mut warnings: Vec<Warning> = of_plan.cloned().collect();
    let mut container = plan.container(BTreeMap::new());
    container.name = service_name(plan);
    container.image = pinned(plan, image, &mut warnings);
    container.network = None;
    container.ports.clear();
    for port in plan.ports.iter().filter(|port| !matches!(port.origin, Origin::Default(_))) {
        if !port.value.address.is_unspecified() {
            let message = format!(
                "port {} is open on all addresses of all machines of the Swarm, not only on {}",
                port.value.host_port.unwrap_or(port.value.container_port),
                port.value.address
            );
            let hint =
                "protect it with a firewall, or publish nothing (`--publish none`) and run the proxy in the Swarm";
            warnings.push(Warning::new("launch/swarm-port", message).with_hint(hint));
        }
        container.ports.push(port.value);
    }
    if replicas > 1 && plan.run.as_ref().is_some_and(|run| !run.routes.isr.is_empty()) {
        let message = "the app revalidates pages (ISR), but each of its tasks has its own cache";
        let hint = "set a `cacheHandler` that all tasks share, or use `--replicas 1`";
        warnings.push(Warning::new("launch/swarm-cache", message).with_hint(hint));
    }
    let network = if matches!(plan.network.origin, Origin::Default(_)) {
        ContainerName::parse(OVERLAY).expect("the name of the network is a name")
    } else {
        plan.network.value.clone()
    };
    let update = RollingUpdate::default();
    let spec = ServiceSpec { container, replicas, secrets: Vec::new(), update, network: Some(network) };
    Ok(ServicePlan { spec, warnings })
}

/// The configured name, else that of the app.
fn service_name(plan: &LaunchPlan) -> ContainerName {
    let of_app = ContainerName::parse(&plan.app.value).ok();
    let of_app = of_app.filter(|_| !matches!(plan.name.origin, Origin::Flag(_) | Origin::File(_)));
    of_app.unwrap_or_else(|| plan.name.value.clone())
}

/// How many tasks the service of `plan` has now; `None` when there is no such service.
///
/// # Errors
/// Also when the daemon does not manage a Swarm.
pub async fn present_replicas(containers: &Containers, plan: &LaunchPlan) -> Result<Option<u64>, LaunchError> {
    let name = service_name(plan);
    match containers.swarm_role().await? {
        SwarmRole::Manager => Ok(containers.service_replicas(name.as_str()).await?),
        role => Err(ContainerError::NoSwarm { name: name.to_string(), role }.into()),
    }
}

/// By digest where a registry has it.
fn pinned(plan: &LaunchPlan, image: &ImageFacts, warnings: &mut Vec<Warning>) -> String {
    let repository = |text: &str| ImageRef::parse(text).ok().map(|reference| (reference.domain, reference.path));
    let wanted = repository(&plan.image.value);
    let same = image.digests.iter().find(|digest| repository(digest) == wanted);
    if let Some(digest) = same.or_else(|| image.digests.first()) {
        return digest.clone();
    }
    let message = format!("no registry has the image `{}`: only this machine can run it", plan.image.value);
    warnings.push(
        Warning::new("launch/swarm-image", message)
            .with_hint("push it first (`nextdeploy push`), and run it under the name it has there"),
    );
    plan.image.value.clone()
}

fn privileges_warning(engine: &Engine) -> Warning {
    let message = format!(
        "`no-new-privileges` is not in force unless every `daemon.json` sets it: {engine} (API {}) ignores it for services, so a program with the setuid bit runs as its owner",
        engine.api
    );
    let hint = "set `\"no-new-privileges\": true` in `daemon.json` on every machine of the Swarm, or update them to Docker Engine 25";
    Warning::new("launch/swarm-privileges", message).with_hint(hint)
}

impl Launcher<'_> {
    /// Deploys the service and waits until all its tasks are healthy. With a login, the machines of the Swarm pull with it.
    pub async fn deploy(
        &self,
        service: &ServicePlan,
        plan: &LaunchPlan,
        secrets: &[SecretFile],
        login: Option<(&Login, &RegistryHost)>,
    ) -> Result<LaunchedService, LaunchError> {
        let mut spec = service.spec.clone();
        match plan.secrets_as.value {
            SecretsAs::Env => spec.container.secret_env = as_environment(secrets)?,
            SecretsAs::Files if secrets.is_empty() => {}
            SecretsAs::Files => {
                let user = user_number(self.containers, &plan.image_id, &plan.app_user).await?;
                let stored =
                    |secret: &SecretFile| ServiceSecret { file: secret.id.clone(), value: secret.value.clone(), user };
                spec.secrets = secrets.iter().map(stored).collect();
            }
        }
        self.check_stop()?;
        let name = spec.container.name.as_str();
        if spec.container.privileges.no_new_privileges && !self.containers.keeps_services_from_privileges().await? {
            (self.listener)(&LaunchEvent::Warned(&privileges_warning(self.containers.engine())));
        }
        let auth = login.map(|(login, host)| registry_auth_header(login, host));
        let deployed = self.containers.deploy_service(&spec, auth.as_ref()).await?;
        (self.listener)(&LaunchEvent::ServiceDeployed { name, change: deployed.change });
        let mut goes_back = false;
        let on_progress = |progress: ServiceProgress| match progress.direction {
            RolloutDirection::Forward => (self.listener)(&LaunchEvent::ServiceProgress { name, progress }),
            RolloutDirection::Back if goes_back => {}
            RolloutDirection::Back => {
                goes_back = true;
                (self.listener)(&LaunchEvent::ServiceGoesBack { name });
            }
        };
        let waited = self.unless_stopped(self.containers.await_service(name, self.wait, on_progress)).await;
        let failure = match waited {
            Ok(Ok(Ok(progress))) => {
                self.containers.remove_old_secrets(name).await?;
                return Ok(LaunchedService {
                    name: name.to_owned(),
                    id: deployed.id,
                    change: deployed.change,
                    replicas: progress.running,
                });
            }
            Ok(Ok(Err(failure))) => failure,
            Ok(Err(error)) => return Err(error.into()),
            Err(interrupted) => {
                self.take_back(name, deployed.change, None).await;
                return Err(interrupted);
            }
        };
        let log = self.log_of_a_task(&failure).await;
        self.take_back(name, deployed.change, Some(&failure)).await;
        Err(LaunchError::ServiceNotHealthy(Box::new(ServiceNotHealthy { name: name.to_owned(), failure, log })))
    }

    /// Back to the state before the last update.
    pub async fn roll_back_service(&self, name: &str) -> Result<LaunchedService, LaunchError> {
        self.containers.rollback_service(name).await?;
        let on_progress = |progress: ServiceProgress| (self.listener)(&LaunchEvent::ServiceProgress { name, progress });
        match self.unless_stopped(self.containers.await_service(name, self.wait, on_progress)).await?? {
            Ok(_) | Err(ServiceFailure::RolledBack(_)) => {}
            Err(failure) => {
                let log = self.log_of_a_task(&failure).await;
                let name = name.to_owned();
                return Err(LaunchError::ServiceNotHealthy(Box::new(ServiceNotHealthy { name, failure, log })));
            }
        }
        let replicas = self.containers.service_replicas(name).await?.unwrap_or_default();
        Ok(LaunchedService { name: name.to_owned(), id: String::new(), change: ServiceChange::Updated, replicas })
    }

    /// Its own failure is ignored: that of the service is reported.
    async fn take_back(&self, name: &str, change: ServiceChange, failure: Option<&ServiceFailure>) {
        match (change, failure) {
            (ServiceChange::Created, _) => {
                let _ = self.containers.remove_service(name).await;
            }
            (ServiceChange::Updated, Some(ServiceFailure::RolledBack(_))) => {}
            (ServiceChange::Updated, _) => {
                let _ = self.containers.rollback_service(name).await;
            }
        }
    }

    async fn log_of_a_task(&self, failure: &ServiceFailure) -> Vec<LogLine> {
        for container in failure.problems().iter().filter_map(|problem| problem.container.as_deref()) {
            let lines = self.last_lines(container).await;
            if !lines.is_empty() {
                return lines;
            }
        }
        Vec::new()
    }
}
