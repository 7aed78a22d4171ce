//! What a daemon tells about containers and images.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::health::{ContainerHealth, HealthStatus};
use super::spec::{Protocol, RestartPolicy};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerStatus {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
}

/// The life of a container.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerState {
    pub status: ContainerStatus,
    /// Of the last end; 128 + signal when a signal ended it.
    pub exit_code: Option<i64>,
    /// The kernel ended it for the memory it used.
    pub out_of_memory: bool,
    /// What the daemon says when it could not start it.
    pub error: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// By the daemon's restart policy.
    pub restarts: u64,
    /// `None` when it has no health check.
    pub health: Option<ContainerHealth>,
}

/// One container in full.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerFacts {
    pub id: String,
    /// Without the slash in front.
    pub name: String,
    /// As it was asked for.
    pub image: String,
    /// `sha256:…`.
    pub image_id: String,
    pub created_at: Option<DateTime<Utc>>,
    pub state: ContainerState,
    pub labels: BTreeMap<String, String>,
    pub ports: Vec<PublishedPort>,
    pub networks: Vec<NetworkAttachment>,
    /// Names of the named volumes.
    pub volumes: Vec<String>,
    /// Its output is one stream, raw as a terminal gives it.
    pub tty: bool,
    /// Bytes; `None` without limit.
    pub memory_limit: Option<u64>,
    /// How long it gets to end by itself; `None` is the daemon's default of 10 s.
    pub stop_grace: Option<Duration>,
    pub restart: RestartPolicy,
    /// Between two health checks; `None` when it has none.
    pub check_interval: Option<Duration>,
}

/// One container in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerSummary {
    pub id: String,
    pub name: String,
    pub image: String,
    pub image_id: String,
    pub created_at: Option<DateTime<Utc>>,
    pub status: ContainerStatus,
    /// The daemon's words: `Up 3 minutes (healthy)`.
    pub description: String,
    /// `None` when it has no health check, or does not run.
    pub health: Option<HealthStatus>,
    pub labels: BTreeMap<String, String>,
    pub ports: Vec<PublishedPort>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedPort {
    pub address: IpAddr,
    pub host_port: u16,
    pub container_port: u16,
    pub protocol: Protocol,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkAttachment {
    pub network: String,
    /// Of a running container.
    pub address: Option<IpAddr>,
    pub aliases: Vec<String>,
}

/// What an image says about the containers that are made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// `sha256:…`.
    pub id: String,
    pub tags: Vec<String>,
    /// `repository@sha256:…`.
    pub digests: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub env: BTreeMap<String, String>,
    /// TCP ports that it exposes.
    pub ports: Vec<u16>,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    pub has_health_check: bool,
    /// `linux/amd64`.
    pub platform: String,
}

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    pub kind: EventKind,
    pub id: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub time: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    Created,
    Started,
    /// With the exit code.
    Died(Option<i64>),
    Stopped,
    /// Somebody sent a signal, by its number.
    Signalled(Option<i64>),
    OutOfMemory,
    /// The new health.
    Health(HealthStatus),
    Renamed,
    Removed,
    /// Anything else, in the daemon's word.
    Other(String),
}
