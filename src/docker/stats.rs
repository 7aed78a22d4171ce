//! What a container uses, computed as `docker stats` does (docker/cli, `cli/command/container/stats_helpers.go`).
//!
//! Never shows numbers of a container that does not run.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Datelike, Utc};
use futures_util::stream::{BoxStream, StreamExt, try_unfold};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::containers::{Containers, MESSAGE_LIMIT};
use super::error::ContainerError;
use super::refusal::Operation;

/// The interval of Docker Engine.
const BETWEEN_SAMPLES: Duration = Duration::from_secs(1);

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStats {
    pub time: Option<DateTime<Utc>>,
    /// Of one processor: 150 is one and a half processors.
    pub cpu_percent: f64,
    /// Bytes, without page cache that can be reclaimed.
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

impl Containers {
    /// One sample. Takes one to two seconds, because processor usage is a difference.
    pub async fn stats_once(&self, container: &str) -> Result<ContainerStats, ContainerError> {
        let mut sample = self.sample(container).await?;
        if sample.is_running() && sample.is_first() {
            // Podman does not wait for a second one.
            sleep(BETWEEN_SAMPLES).await;
            sample = StatsSample { precpu_stats: sample.cpu_stats, ..self.sample(container).await? };
        }
        sample.compute().ok_or_else(|| not_running(container))
    }

    async fn sample(&self, container: &str) -> Result<StatsSample, ContainerError> {
        let operation = Operation::container("statistics", container).checked()?;
        let request = self.get(&operation, &format!("/containers/{container}/stats")).query("stream", "false");
        request.read().await.map_err(|error| operation.failed(error))
    }

    /// One sample per second, until the container is removed or the stream is dropped. Samples from a time when it does not run are left
    /// out.
    pub async fn stats(
        &self,
        container: &str,
    ) -> Result<BoxStream<'static, Result<ContainerStats, ContainerError>>, ContainerError> {
        let operation = Operation::container("statistics", container).checked()?;
        let request = self.get(&operation, &format!("/containers/{container}/stats")).query("stream", "true");
        let answer = request.stream().await.map_err(|error| operation.failed(error))?;
        let samples = try_unfold(answer.json::<StatsSample>(MESSAGE_LIMIT), |mut samples| async {
            while let Some(sample) = samples.next().await? {
                if let Some(stats) = sample.compute().filter(|_| !sample.is_first()) {
                    return Ok(Some((stats, samples)));
                }
            }
            Ok(None)
        });
        Ok(samples.boxed())
    }
}

fn not_running(container: &str) -> ContainerError {
    ContainerError::NotRunning { name: container.to_owned() }
}

fn is_never(time: DateTime<Utc>) -> bool {
    time.year() <= 1
}

/// The daemon's sample. bollard's type requires what Podman leaves out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StatsSample {
    read: Option<DateTime<Utc>>,
    preread: Option<DateTime<Utc>>,
    cpu_stats: CpuSample,
    precpu_stats: CpuSample,
    memory_stats: MemorySample,
    networks: Option<BTreeMap<String, NetworkSample>>,
    blkio_stats: BlockIoSample,
    pids_stats: PidsSample,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CpuSample {
    #[serde(rename = "cpu_usage")]
    container: CpuUsage,
    #[serde(rename = "system_cpu_usage")]
    machine: u64,
    online_cpus: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CpuUsage {
    total_usage: u64,
    percpu_usage: Option<Vec<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MemorySample {
    usage: u64,
    limit: u64,
    stats: Option<BTreeMap<String, u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NetworkSample {
    rx_bytes: u64,
    tx_bytes: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BlockIoSample {
    io_service_bytes_recursive: Option<Vec<BlockIo>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BlockIo {
    op: String,
    value: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PidsSample {
    current: u64,
}

impl StatsSample {
    fn is_running(&self) -> bool {
        !self.read.is_none_or(is_never)
    }

    /// There is no earlier one to compare with.
    fn is_first(&self) -> bool {
        self.preread.is_none_or(is_never) && self.precpu_stats.container.total_usage == 0
    }

    /// `None` when the container does not run.
    fn compute(&self) -> Option<ContainerStats> {
        let time = self.read.filter(|_| self.is_running())?;
        let memory_used = self.memory_stats.without_cache();
        let memory_limit = self.memory_stats.limit;
        let (mut network_received, mut network_sent) = (0, 0);
        for network in self.networks.iter().flatten().map(|(_, network)| network) {
            network_received += network.rx_bytes;
            network_sent += network.tx_bytes;
        }
        let (mut disk_read, mut disk_written) = (0, 0);
        for block in self.blkio_stats.io_service_bytes_recursive.iter().flatten() {
            match block.op.bytes().next() {
                Some(b'r' | b'R') => disk_read += block.value,
                Some(b'w' | b'W') => disk_written += block.value,
                _ => {}
            }
        }
        Some(ContainerStats {
            time: Some(time),
            cpu_percent: self.cpu_percent(),
            memory_used,
            memory_limit,
            memory_percent: ratio(memory_used, memory_limit) * 100.0,
            network_received,
            network_sent,
            disk_read,
            disk_written,
            pids: self.pids_stats.current,
        })
    }

    fn cpu_percent(&self) -> f64 {
        let (now, before) = (&self.cpu_stats, &self.precpu_stats);
        let used = now.container.total_usage.saturating_sub(before.container.total_usage);
        let passed = now.machine.saturating_sub(before.machine);
        let listed = now.container.percpu_usage.as_ref().map_or(0, Vec::len);
        // Engines before 1.13 have no `online_cpus`.
        let cpus = if now.online_cpus == 0 { u32::try_from(listed).unwrap_or_default() } else { now.online_cpus };
        ratio(used, passed) * f64::from(cpus) * 100.0
    }
}

impl MemorySample {
    /// `total_inactive_file` is of cgroup v1, `inactive_file` of v2, `cache` the only one of old kernels.
    fn without_cache(&self) -> u64 {
        let stat = |name: &str| self.stats.as_ref().and_then(|stats| stats.get(name)).copied();
        let cache = stat("total_inactive_file").or_else(|| stat("inactive_file")).or_else(|| stat("cache"));
        cache.filter(|cache| *cache < self.usage).map_or(self.usage, |cache| self.usage - cache)
    }
}

#[expect(clippy::cast_precision_loss, reason = "percents need no more digits than f64 has")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests;
