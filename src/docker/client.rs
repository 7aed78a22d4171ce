//! The life of a container: [`ContainerSpec`] → created, started, stopped, restarted, renamed, removed.
//!
//! Names given here are names or ids; whose container it is, is the caller's question. Never retries what a daemon refused.

use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    RenameContainerOptionsBuilder, RestartContainerOptionsBuilder, StopContainerOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::convert;
use super::error::ContainerError;
use super::failure::Subject;
use super::spec::{ContainerName, ContainerSpec};
use crate::docker::connection::{AnswerLimits, Engine};

/// For answers that a healthy daemon gives at once, also under load.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);
/// The daemon's own, for a container without.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// How long the end of a container may be waited for.
const LIFETIME: Duration = Duration::from_hours(24 * 365);

/// The containers, networks and volumes of one daemon.
#[derive(Debug, Clone)]
pub struct Containers {
    pub(super) engine: Engine,
}

/// A container that was made, and is not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    pub id: String,
    /// What the daemon thinks of the spec.
    pub warnings: Vec<String>,
}

/// Whose doing it is that a container has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Asked,
    /// It had ended before.
    OfItself,
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

    pub(super) fn docker(&self) -> Docker {
        self.engine.patient_client(PATIENCE)
    }

    /// Makes the container; its image, network and volumes must be there. A missing network is told by `start` only.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<Created, ContainerError> {
        let (image, log_driver) = (spec.image.as_str(), spec.logging.driver.as_str());
        let subject = Subject { image, log_driver, ..Subject::container("the creation", spec.name.as_str()) };
        let options = CreateContainerOptionsBuilder::default().name(spec.name.as_str()).build();
        let mut body = convert::create_body(spec);
        if self.engine.is_podman() {
            convert::podman_check(&mut body);
        }
        let created = self.docker().create_container(Some(options), body).await;
        let created = created.map_err(|error| self.failed(&subject, error))?;
        Ok(Created { id: created.id, warnings: created.warnings })
    }

    /// Starts it; one that runs already is left alone.
    pub async fn start(&self, container: &str) -> Result<(), ContainerError> {
        let subject = Subject::container("the start", container).checked()?;
        let start = || async { self.docker().start_container(container, None).await };
        let Err(error) = start().await else { return Ok(()) };
        let Some(network) = convert::ambiguous_network(&error) else { return Err(self.failed(&subject, error)) };
        // Two that made a network of one name at once settle it with whoever sees it next.
        self.settle_network(&network).await?;
        start().await.map_err(|error| self.failed(&subject, error))
    }

    /// Asks it to end, and kills it after `grace`; `None` is what the container itself was created with. Fine when it has ended.
    pub async fn stop(&self, container: &str, grace: Option<Duration>) -> Result<(), ContainerError> {
        let subject = Subject::container("the stop", container).checked()?;
        let mut options = StopContainerOptionsBuilder::default();
        if let Some(grace) = grace {
            options = options.t(convert::whole_seconds(grace));
        }
        let limit = PATIENCE + self.grace_of(container, grace).await?;
        let stopped = self.engine.patient_client(limit).stop_container(container, Some(options.build())).await;
        stopped.map_err(|error| self.failed(&subject, error))
    }

    /// Ends it as `stop` does, by the same signals. The daemon tells no `stop` of it, which tells the stop of somebody else apart.
    pub async fn end(&self, container: &str) -> Result<End, ContainerError> {
        let subject = Subject::container("the question for it", container).checked()?;
        let config = self.inspection(&subject, container).await?.config.unwrap_or_default();
        let signal = config.stop_signal.filter(|signal| !signal.is_empty()).unwrap_or_else(|| "SIGTERM".to_owned());
        let grace = config.stop_timeout.map_or(DEFAULT_GRACE, convert::grace);
        let mut end = End::OfItself;
        for (signal, patience) in [(signal.as_str(), grace), ("SIGKILL", PATIENCE)] {
            match self.kill(container, signal).await {
                Ok(()) => end = End::Asked,
                Err(ContainerError::NotRunning { .. } | ContainerError::Conflict { .. }) => return Ok(end),
                Err(error) => return Err(error),
            }
            if let Ok(ended) = timeout(patience, self.wait(container)).await {
                return ended.map(|_| end);
            }
        }
        Err(self.no_answer())
    }

    /// `stop`, then start.
    pub async fn restart(&self, container: &str, grace: Option<Duration>) -> Result<(), ContainerError> {
        let subject = Subject::container("the restart", container).checked()?;
        let mut options = RestartContainerOptionsBuilder::default();
        if let Some(grace) = grace {
            options = options.t(convert::whole_seconds(grace));
        }
        let limit = PATIENCE + self.grace_of(container, grace).await?;
        let restarted = self.engine.patient_client(limit).restart_container(container, Some(options.build())).await;
        restarted.map_err(|error| self.failed(&subject, error))
    }

    /// How long the daemon itself waits in a stop.
    async fn grace_of(&self, container: &str, grace: Option<Duration>) -> Result<Duration, ContainerError> {
        match grace {
            Some(grace) => Ok(grace),
            None => Ok(self.inspect(container).await?.stop_grace.unwrap_or(DEFAULT_GRACE)),
        }
    }

    /// Sends a signal to its first process (`SIGTERM`, `SIGKILL`, …).
    pub async fn kill(&self, container: &str, signal: &str) -> Result<(), ContainerError> {
        let subject = Subject::container("the signal", container).checked()?;
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        self.docker().kill_container(container, Some(options)).await.map_err(|error| self.failed(&subject, error))
    }

    /// Removes it with its unnamed volumes.
    pub async fn remove(&self, container: &str, removal: Removal) -> Result<(), ContainerError> {
        let subject = Subject::container("the removal", container).checked()?;
        if removal == Removal::Forced && self.engine.is_podman() {
            // Podman asks it to end and waits for its grace, where Docker kills at once. What does not run is removed all the same.
            let _ = self.kill(container, "SIGKILL").await;
        }
        let options = RemoveContainerOptionsBuilder::default().v(true).force(removal == Removal::Forced).build();
        self.docker().remove_container(container, Some(options)).await.map_err(|error| self.failed(&subject, error))
    }

    pub async fn rename(&self, container: &str, to: &ContainerName) -> Result<(), ContainerError> {
        Subject::container("the renaming", container).checked()?;
        let subject = Subject { wanted: to.as_str(), ..Subject::container("the renaming", container) };
        let options = RenameContainerOptionsBuilder::default().name(to.as_str()).build();
        self.docker().rename_container(container, options).await.map_err(|error| self.failed(&subject, error))
    }

    /// Waits until it does not run, and says its exit code; 128 + signal when a signal ended it.
    pub async fn wait(&self, container: &str) -> Result<i64, ContainerError> {
        let subject = Subject::container("the wait for the end", container).checked()?;
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        // bollard parses all that came anew with every chunk, so what came has to be little.
        let docker = self.engine.client_within(AnswerLimits { time: LIFETIME, bytes: 64 * 1024 });
        let mut ended = std::pin::pin!(docker.wait_container(container, Some(options)));
        match ended.next().await {
            Some(Ok(answer)) => Ok(answer.status_code),
            // bollard makes an error of every exit code but 0.
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(self.failed(&subject, error)),
            None => Err(self.lost(&subject, "the answer ended early")),
        }
    }
}
