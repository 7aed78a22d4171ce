//! What a container uses, computed as `docker stats` does.

use serde::Serialize;

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStats {
    /// Of one processor: 150 is one and a half.
    pub cpu_percent: f64,
    /// Bytes, without the page cache that can be given back.
    pub memory_used: u64,
    /// Bytes; the machine's memory when there is no limit.
    pub memory_limit: u64,
    pub memory_percent: f64,
    /// Bytes since the start, of all networks.
    pub network_received: u64,
    pub network_sent: u64,
    /// Bytes since the start.
    pub disk_read: u64,
    pub disk_written: u64,
    /// Processes and threads.
    pub pids: u64,
}
