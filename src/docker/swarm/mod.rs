//! Services of a Swarm: [`ServiceSpec`](super::ServiceSpec) → a service that is created or updated, and the wait until its tasks run.
//!
//! Swarm itself schedules, rolls out and rolls back; a task counts as running once it is healthy. Never creates or joins a Swarm.

mod convert;
mod service;
mod wait;

pub use service::{DeployedService, ServiceChange};
pub use wait::{RolloutDirection, ServiceFailure, ServiceProgress, TaskProblem};
