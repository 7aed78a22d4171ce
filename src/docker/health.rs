//! The health of a container as its health check found it.

use chrono::{DateTime, Utc};
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    Starting,
    Healthy,
    Unhealthy,
}

/// Status with its history, oldest probe first; the daemon keeps the last five.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerHealth {
    pub status: HealthStatus,
    /// Failures in a row.
    pub failing_streak: u64,
    pub probes: Vec<Probe>,
}

/// One run of the health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// 0 is healthy, 1 unhealthy, −1 that it took too long.
    pub exit_code: i64,
    /// What it printed, at most 4 KiB.
    pub output: String,
}
