//! What Kubernetes, Compose and Amazon ECS need for the container that `run` would start.
//!
//! In: a [`LaunchPlan`](crate::deploy::LaunchPlan) and what an engine wants to know besides. Out: a document and warnings. Values of
//! secrets never stand in it, and no engine is asked.

mod compose;
mod ecs;
mod error;
mod fargate;
mod kubernetes;
mod workload;
mod yaml;

pub use compose::{ComposeOptions, render_compose};
pub use ecs::{EcsOptions, render_ecs};
pub use error::ManifestError;
pub use kubernetes::{KubernetesOptions, render_kubernetes};

use crate::diagnostic::Warning;

/// A document as it is written to a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    pub text: String,
    /// What the engine must be given besides, and what several replicas need.
    pub warnings: Vec<Warning>,
}

#[cfg(test)]
mod tests;
