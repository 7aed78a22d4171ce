//! Services of a Swarm: [`ServiceSpec`] → a service that is made or updated, and the wait until its tasks run.
//!
//! Swarm itself schedules, rolls and rolls back; a task counts as running once it is healthy. Never makes or joins a Swarm.

mod convert;
mod service;
mod wait;

use std::time::Duration;

use super::spec::{ContainerName, ContainerSpec};
use crate::secret::Secret;

pub use service::{Deployed, ServiceChange};
pub use wait::{Direction, ServiceFailure, ServiceProgress, TaskProblem};

/// A service as it is deployed.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceSpec {
    /// The container of each task; its name is the service's. Swarm publishes ports on all addresses of all machines.
    pub container: ContainerSpec,
    pub replicas: u64,
    /// Files of `/run/secrets`, kept by Swarm.
    pub secrets: Vec<ServiceSecret>,
    pub update: RollingUpdate,
    /// Overlay network that is made when it is missing.
    pub network: Option<ContainerName>,
}

/// A file of `/run/secrets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSecret {
    pub file: String,
    pub value: Secret<Vec<u8>>,
    /// Number of the user that may read it, besides root.
    pub user: u32,
}

/// How tasks are replaced: new ones first; when they fail, Swarm goes back to what ran before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollingUpdate {
    /// Tasks at a time.
    pub parallelism: u64,
    /// Between two groups of them.
    pub delay: Duration,
    /// How long a new task is watched before it counts as good.
    pub monitor: Duration,
}

impl Default for RollingUpdate {
    fn default() -> Self {
        Self { parallelism: 1, delay: Duration::ZERO, monitor: Duration::from_secs(5) }
    }
}

/// What this daemon is to a Swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwarmRole {
    Manager,
    /// Knows no services.
    Worker,
    /// In no Swarm.
    None,
}
