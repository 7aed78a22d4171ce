//! Manifests of Kubernetes, Compose and Amazon ECS for the container that `run` would start.
//!
//! In: a [`LaunchPlan`](crate::deploy::LaunchPlan) and the options of an engine. Out: a document and warnings. Never contains the value of
//! a secret, and never connects to an engine.

mod compose;
mod ecs;
mod kubernetes;
mod workload;

pub use compose::{ComposeOptions, render_compose};
pub use ecs::{EcsOptions, parse_secret_arns, render_ecs};
pub use kubernetes::{KubernetesOptions, render_kubernetes};
pub use workload::{ManifestError, RenderedManifest};

#[cfg(test)]
mod tests;
