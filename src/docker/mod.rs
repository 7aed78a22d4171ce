//! A client for Docker Engine and Podman: builds, images, containers, networks, volumes, logs, commands, statistics, events and services of a
//! Swarm, with types of its own in and out.
//!
//! How it is built, from the bottom:
//!
//! 1. `connection`: [`find_endpoint`](connection::find_endpoint) finds the daemon that the docker command line would use, and
//!    [`Engine`](connection::Engine) is the connection to it: the only type that holds sockets, TLS and SSH.
//! 2. One HTTP layer: a request (method, path, query, headers, body) gives a whole answer, a stream or an upgraded connection. Each has a
//!    connection of its own and a limit of time and size; dropping the answer cancels what the daemon does.
//! 3. One reader for each format that streams: JSON messages (builds, pushes, pulls, events, statistics), and output frames (logs, commands).
//! 4. One map from refusals to errors: `refusal` turns status and message into [`ContainerError`]; what is wrong with the connection
//!    itself is a [`DaemonError`](connection::DaemonError).
//! 5. [`Containers`] is the API for containers, networks, volumes and services; images are methods of `Engine`, [`build`] runs builds.
//! 6. `convert` is the border: Docker's JSON types (from bollard) are converted there in both directions. What Podman does otherwise is
//!    handled there and in `podman`.
//!
//! Never decides what a container looks like.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use nextdeploy::docker::connection::{Engine, find_endpoint};
//! use nextdeploy::docker::{ContainerName, ContainerSpec, Containers, Removal};
//! use nextdeploy::host::Environment;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let environment = Environment::from_pairs([("DOCKER_HOST", "unix:///var/run/docker.sock")]);
//! let engine = Engine::connect(find_endpoint(&environment, None)?, &environment).await?;
//! println!("{engine}, API {}, {}", engine.api, engine.platform().await?);
//!
//! let containers = Containers::new(&engine);
//! let mut spec = ContainerSpec::idle(ContainerName::parse("shop")?, "node:22-slim".to_owned(), Vec::new());
//! spec.entrypoint = Some(vec!["node".to_owned(), "--version".to_owned()]);
//! let shop = containers.create(&spec).await?;
//! containers.start(&shop.id).await?;
//! let ready = containers.wait_until_healthy(&shop.id, Duration::from_secs(30), &mut |probe| println!("{probe:?}")).await?;
//! println!("{:?} after {:?}", ready.outcome, ready.waited);
//! containers.remove(&shop.id, Removal::Forced).await?;
//! # Ok(())
//! # }
//! ```

pub mod build;
pub mod connection;
mod containers;
mod convert;
mod copy;
mod error;
mod events;
mod exec;
mod facts;
mod images;
mod logs;
mod lookup;
mod networks;
mod podman;
mod readiness;
mod refusal;
pub(crate) mod run_document;
mod spec;
mod stats;
mod swarm;

pub use connection::LogStream;
pub use containers::{Containers, CreatedContainer, EndCause, Removal};
pub use copy::{ArchiveContent, ArchiveEntry, FileState, pack};
pub use error::ContainerError;
pub use events::EventQuery;
pub use exec::{ExecOutput, ExecSpec, Execution};
pub use facts::{
    ContainerEvent, ContainerFacts, ContainerHealth, ContainerState, ContainerStatus, ContainerSummary, EventKind,
    HealthStatus, ImageFacts, InvalidField, NetworkAttachment, Probe, PublishedPort, SwarmRole,
};
pub use images::{HELPER_LABEL, HELPER_PREFIX, LocalImage, helper_labels, helper_name, helper_spec};
pub use logs::{LogLine, LogOptions, parse_moment};
pub use lookup::{ListQuery, Owner, Running};
pub use networks::EnsureOutcome;
pub use podman::CheckClock;
pub use readiness::{Readiness, ReadinessOutcome};
pub use run_document::{RUN_DOCUMENT, RunDocument, RunMode, read_routes, read_run_document};
pub use spec::{
    APP_LABEL, ContainerName, ContainerSpec, HealthCheck, InvalidName, LogDriver, MANAGED_LABEL, Mount, MountAccess,
    NetworkSpec, PortMapping, Privileges, Protocol, Resources, RestartPolicy, RollingUpdate, RootFilesystem,
    ServiceSecret, ServiceSpec, VolumeSpec,
};
pub use stats::ContainerStats;
pub use swarm::{DeployedService, RolloutDirection, ServiceChange, ServiceFailure, ServiceProgress, TaskProblem};
