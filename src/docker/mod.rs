//! Containers, networks and volumes of a daemon in our own words: specs in, states, streams and typed errors out.
//!
//! Docker's types are converted here, in both directions, and go no further. Never decides what a container looks like.

mod api;
pub mod build;
mod client;
pub mod connection;
mod convert;
mod copy;
mod error;
mod events;
mod exec;
mod facts;
mod failure;
mod frames;
mod health;
mod logs;
mod lookup;
mod messages;
mod moment;
mod network;
mod podman;
mod readiness;
mod spec;
mod stats;
mod swarm;

pub use client::{Containers, Created, End, Removal};
pub use copy::{ArchiveContent, ArchiveEntry, FileState, pack};
pub use error::ContainerError;
pub use events::EventQuery;
pub use exec::{ExecOutput, ExecSpec, Execution};
pub(crate) use facts::is_path;
pub use facts::{
    ContainerEvent, ContainerFacts, ContainerState, ContainerStatus, ContainerSummary, EventKind, ImageFacts,
    InvalidField, NetworkAttachment, PublishedPort,
};
pub use health::{ContainerHealth, HealthStatus, Probe};
pub use logs::{LogLine, LogOptions, LogStream};
pub use lookup::{ListQuery, Owner, Running};
pub use moment::parse_moment;
pub use network::Ensured;
pub use podman::CheckClock;
pub use readiness::{Readiness, ReadinessOutcome};
pub use spec::{
    Access, ContainerName, ContainerSpec, HealthCheck, InvalidName, LogDriver, Mount, NetworkSpec, PortMapping,
    Privileges, Protocol, Resources, RestartPolicy, RootFilesystem, VolumeSpec,
};
pub use stats::ContainerStats;
pub use swarm::{
    Deployed, Direction, RollingUpdate, ServiceChange, ServiceFailure, ServiceProgress, ServiceSecret, ServiceSpec,
    SwarmRole, TaskProblem,
};

/// Label of every container, network and volume that this program makes.
pub const MANAGED_LABEL: &str = "nextdeploy.managed";
/// Label with the name of the app.
pub const APP_LABEL: &str = "nextdeploy.app";
