//! The result of a launch for machines.

use schemars::JsonSchema;
use serde::Serialize;

use crate::deploy::{LaunchPlan, Launched, LaunchedService, Replaced};
use crate::docker::ServiceChange;

/// `nextdeploy run --json` and `nextdeploy rollback --json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    pub schema_version: u32,
    pub app: String,
    /// Name of the container.
    pub name: String,
    pub id: String,
    /// As it was asked for.
    pub image: String,
    /// `sha256:…`.
    pub image_id: String,
    /// Where the app can be reached from the daemon's machine.
    pub addresses: Vec<String>,
    /// From the start of the container.
    pub healthy_after_seconds: f64,
    /// The container whose place it took; stopped, and kept for a rollback.
    pub replaced: Option<String>,
    /// How long nothing answered; absent when nothing was replaced, or a proxy moved.
    pub gap_seconds: Option<f64>,
    /// Messages of all warnings.
    pub warnings: Vec<String>,
}

/// `nextdeploy run --swarm --json` and `nextdeploy rollback --swarm --json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceResult {
    pub schema_version: u32,
    /// Name of the service.
    pub name: String,
    /// `made` or `updated`.
    pub change: String,
    /// Tasks, all of them healthy.
    pub replicas: u64,
    /// Messages of all warnings.
    pub warnings: Vec<String>,
}

impl ServiceResult {
    pub fn new(service: &LaunchedService, plan: Option<&LaunchPlan>) -> Self {
        let change = match service.change {
            ServiceChange::Created => "made",
            ServiceChange::Updated => "updated",
        };
        Self {
            schema_version: 1,
            name: service.name.clone(),
            change: change.to_owned(),
            replicas: service.replicas,
            warnings: plan.iter().flat_map(|plan| &plan.warnings).map(|warning| warning.message.clone()).collect(),
        }
    }
}

impl RunResult {
    pub fn new(launched: &Launched, plan: Option<&LaunchPlan>) -> Self {
        let facts = &launched.facts;
        Self {
            schema_version: 1,
            app: facts.app().unwrap_or_default().to_owned(),
            name: facts.name.clone(),
            id: facts.id.clone(),
            image: facts.image.clone(),
            image_id: facts.image_id.clone(),
            addresses: launched.addresses(),
            healthy_after_seconds: launched.healthy_after.as_secs_f64(),
            replaced: None,
            gap_seconds: None,
            warnings: plan.iter().flat_map(|plan| &plan.warnings).map(|warning| warning.message.clone()).collect(),
        }
    }

    pub fn replacing(replaced: &Replaced, plan: Option<&LaunchPlan>) -> Self {
        Self {
            replaced: replaced.previous.clone(),
            gap_seconds: replaced.gap.map(|gap| gap.as_secs_f64()),
            ..Self::new(&replaced.launched, plan)
        }
    }
}
