//! The life of a container: [`ContainerSpec`] → created, started, stopped, restarted, renamed, removed.
//!
//! Containers are given by name or id; checking whose they are is up to the caller. Never retries what a daemon refused.

use std::time::Duration;

use bollard::models::{ContainerCreateResponse, ContainerWaitResponse, SystemInfo};
use hyper::Method;
use tokio::time::timeout;

use super::connection::{ApiError, ApiRequest, Engine, NO_LIMIT, Uri};
use super::convert;
use super::error::ContainerError;
use super::refusal::{Operation, RESTART, START};
use super::spec::{ContainerName, ContainerSpec};

/// For requests that a healthy daemon answers at once, also under load.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);
/// Bytes of one message of a stream.
pub(super) const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;
/// The daemon's default.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// The containers, networks and volumes of one daemon.
#[derive(Debug, Clone)]
pub struct Containers {
    pub(super) engine: Engine,
}

/// A container that was created and not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedContainer {
    pub id: String,
    /// The daemon's, about the spec.
    pub warnings: Vec<String>,
}

/// Why a container no longer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    Signalled,
    AlreadyExited,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Refused while it runs.
    Stopped,
    /// Kills it first.
    Forced,
}

impl Containers {
    pub fn new(engine: &Engine) -> Self {
        Self { engine: engine.clone() }
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn request(&self, operation: &Operation<'_>, method: Method, uri: Uri) -> ApiRequest<'_> {
        self.engine.request(operation.doing, method, uri).timeout(PATIENCE)
    }

    pub(super) fn get(&self, operation: &Operation<'_>, path: &str) -> ApiRequest<'_> {
        self.engine.get(operation.doing, path).timeout(PATIENCE)
    }

    pub(super) fn post(&self, operation: &Operation<'_>, path: &str) -> ApiRequest<'_> {
        self.engine.post(operation.doing, path).timeout(PATIENCE)
    }

    pub(super) fn delete(&self, operation: &Operation<'_>, path: &str) -> ApiRequest<'_> {
        self.engine.delete(operation.doing, path).timeout(PATIENCE)
    }

    /// The answer to `operation` has no use.
    pub(super) fn lost(&self, operation: &Operation<'_>, reason: impl Into<String>) -> ContainerError {
        self.engine.lost(operation.doing, reason).into()
    }

    pub(super) async fn info(&self, doing: &'static str) -> Result<SystemInfo, ContainerError> {
        let operation = Operation::new(doing, "daemon", "the daemon");
        self.get(&operation, "/info").read().await.map_err(|error| operation.failed(error))
    }

    /// Creates the container; its image, network and volumes must exist. Whether the network does shows at `start` only.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<CreatedContainer, ContainerError> {
        let (image, log_driver) = (spec.image.as_str(), spec.logging.driver.as_str());
        let operation =
            Operation { image, log_driver, ..Operation::container("container creation", spec.name.as_str()) };
        let mut body = convert::create_body(spec);
        if self.engine.is_podman() {
            convert::podman_check(&mut body);
        }
        let request = self.post(&operation, "/containers/create").query("name", spec.name.as_str()).json(&body);
        let created: ContainerCreateResponse = request.read().await.map_err(|error| operation.failed(error))?;
        Ok(CreatedContainer { id: created.id, warnings: created.warnings })
    }

    /// Starts it; does nothing when it runs already.
    pub async fn start(&self, container: &str) -> Result<(), ContainerError> {
        let operation = Operation::container(START, container).checked()?;
        let path = format!("/containers/{container}/start");
        let Err(error) = self.post(&operation, &path).run().await else { return Ok(()) };
        let network = match &error {
            ApiError::Refused(refusal) => convert::ambiguous_network(&refusal.message),
            ApiError::Daemon(_) => None,
        };
        let Some(network) = network else { return Err(operation.failed(error)) };
        // Two processes that created a network of one name at once leave it to the first one that notices.
        self.settle_network(&network).await?;
        self.post(&operation, &path).run().await.map_err(|error| operation.failed(error))
    }

    /// Sends its stop signal, and kills it after `grace`; `None` is the time that the container was created with. Does nothing when it has
    /// ended already.
    pub async fn stop(&self, container: &str, grace: Option<Duration>) -> Result<(), ContainerError> {
        self.stop_by(&Operation::container("container stop", container), "stop", grace).await
    }

    /// `stop`, then start.
    pub async fn restart(&self, container: &str, grace: Option<Duration>) -> Result<(), ContainerError> {
        self.stop_by(&Operation::container(RESTART, container), "restart", grace).await
    }

    async fn stop_by(
        &self,
        operation: &Operation<'_>,
        verb: &str,
        grace: Option<Duration>,
    ) -> Result<(), ContainerError> {
        let container = operation.checked()?.name;
        let mut uri = Uri::new(&format!("/containers/{container}/{verb}"));
        // The daemon waits as long before it answers.
        let wait = if let Some(grace) = grace {
            uri.add("t", &convert::whole_seconds(grace).to_string());
            grace
        } else {
            self.inspect(container).await?.stop_grace.unwrap_or(DEFAULT_GRACE)
        };
        let request = self.request(operation, Method::POST, uri).timeout(PATIENCE + wait);
        request.run().await.map_err(|error| operation.failed(error))
    }

    /// Ends it with the same signals as `stop`, but without the daemon's `stop` event, so that a stop by someone else can be told apart.
    pub async fn end(&self, container: &str) -> Result<EndCause, ContainerError> {
        let operation = Operation::container("container inspection", container).checked()?;
        let config = self.inspection(&operation, container).await?.config.unwrap_or_default();
        let signal = config.stop_signal.filter(|signal| !signal.is_empty()).unwrap_or_else(|| "SIGTERM".to_owned());
        let grace = config.stop_timeout.map_or(DEFAULT_GRACE, convert::grace);
        let mut cause = EndCause::AlreadyExited;
        for (signal, patience) in [(signal.as_str(), grace), ("SIGKILL", PATIENCE)] {
            match self.kill(container, signal).await {
                Ok(()) => cause = EndCause::Signalled,
                Err(ContainerError::NotRunning { .. } | ContainerError::Conflict { .. }) => return Ok(cause),
                Err(error) => return Err(error),
            }
            if let Ok(ended) = timeout(patience, self.wait(container)).await {
                return ended.map(|_| cause);
            }
        }
        Err(self.engine.no_answer(PATIENCE).into())
    }

    /// Sends a signal to its first process (`SIGTERM`, `SIGKILL`, …).
    pub async fn kill(&self, container: &str, signal: &str) -> Result<(), ContainerError> {
        let operation = Operation::container("container signal", container).checked()?;
        let request = self.post(&operation, &format!("/containers/{container}/kill")).query("signal", signal);
        request.run().await.map_err(|error| operation.failed(error))
    }

    /// Removes it with its unnamed volumes.
    pub async fn remove(&self, container: &str, removal: Removal) -> Result<(), ContainerError> {
        let operation = Operation::container("container removal", container).checked()?;
        let force = removal == Removal::Forced;
        if force && self.engine.is_podman() {
            // Podman stops it and waits for its grace time, where Docker kills it at once. One that does not run is removed all the same.
            let _ = self.kill(container, "SIGKILL").await;
        }
        let request = self.delete(&operation, &format!("/containers/{container}")).query("v", "true");
        let request = request.query("force", if force { "true" } else { "false" });
        request.run().await.map_err(|error| operation.failed(error))
    }

    pub async fn rename(&self, container: &str, to: &ContainerName) -> Result<(), ContainerError> {
        let operation = Operation::container("container rename", container).checked()?;
        let operation = Operation { new_name: to.as_str(), ..operation };
        let request = self.post(&operation, &format!("/containers/{container}/rename")).query("name", to.as_str());
        request.run().await.map_err(|error| operation.failed(error))
    }

    /// Waits until it does not run, and returns its exit code; 128 + signal when a signal ended it.
    pub async fn wait(&self, container: &str) -> Result<i64, ContainerError> {
        let operation = Operation::container("wait for a container", container).checked()?;
        let request = self.post(&operation, &format!("/containers/{container}/wait")).query("condition", "not-running");
        let answer: ContainerWaitResponse =
            request.timeout(NO_LIMIT).read().await.map_err(|error| operation.failed(error))?;
        Ok(answer.status_code)
    }
}
