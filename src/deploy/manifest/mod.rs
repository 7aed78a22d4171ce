//! What Kubernetes, Compose and Amazon ECS need for the container that `run` would start.
//!
//! In: a [`LaunchPlan`](crate::deploy::LaunchPlan) and what an engine wants to know besides. Out: a document and warnings. Values of
//! secrets never stand in it, and no engine is asked.

mod compose;
mod ecs;
mod kubernetes;
mod workload;

pub use compose::{ComposeOptions, render_compose};
pub use ecs::{EcsOptions, render_ecs};
pub use kubernetes::{KubernetesOptions, render_kubernetes};
pub use workload::{ManifestError, RenderedManifest};

#[cfg(test)]
mod tests;
