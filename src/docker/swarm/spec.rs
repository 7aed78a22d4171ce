//! Services as they are deployed.

use std::time::Duration;

use crate::docker::spec::{ContainerName, ContainerSpec};
use crate::secret::Secret;

/// A service as it is deployed.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceSpec {
    /// The container of each task; its name is the service's. Swarm publishes ports on all addresses of all machines.
    pub container: ContainerSpec,
    pub replicas: u64,
    /// Files of `/run/secrets`, kept by Swarm.
    pub secrets: Vec<ServiceSecret>,
    pub update: RollingUpdate,
    /// Overlay network, created when it does not exist.
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

/// How tasks are replaced: new ones start first; when they fail, Swarm rolls back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollingUpdate {
    /// Tasks at a time.
    pub parallelism: u64,
    /// Between two groups of them.
    pub delay: Duration,
    /// How long a new task is monitored for failure.
    pub monitor: Duration,
}

impl Default for RollingUpdate {
    fn default() -> Self {
        Self { parallelism: 1, delay: Duration::ZERO, monitor: Duration::from_secs(5) }
    }
}

/// The role of a daemon in a Swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwarmRole {
    Manager,
    /// Cannot manage services.
    Worker,
    /// In no Swarm.
    None,
}
