//! What a daemon says about its machine: memory, and room for images and build cache.

use super::endpoint::Address;
use super::engine::Engine;
use super::error::DaemonError;

/// The machine behind a daemon. What cannot be known is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineUsage {
    /// Bytes.
    pub memory: Option<u64>,
    pub cpus: Option<u64>,
    /// Folder of images and build cache.
    pub root: Option<String>,
    /// Bytes that are free there; only for a daemon of this machine.
    pub free: Option<u64>,
    /// What the daemon warns about by itself.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Asks the daemon about its machine.
    pub async fn usage(&self) -> Result<MachineUsage, DaemonError> {
        let docker = self.api_client();
        let info =
            docker.info().await.map_err(|error| self.dialer.daemon_error("the question about its machine", &error))?;
        let is_here = matches!(self.dialer.endpoint.address, Address::Unix(_));
        let root = info.docker_root_dir.filter(|root| root.starts_with('/'));
        Ok(MachineUsage {
            memory: info.mem_total.and_then(positive),
            cpus: info.ncpu.and_then(positive),
            free: root.as_deref().filter(|_| is_here).and_then(free_bytes),
            root,
            warnings: info.warnings.unwrap_or_default(),
        })
    }
}

fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|number| *number > 0)
}

fn free_bytes(folder: &str) -> Option<u64> {
    let state = rustix::fs::statvfs(folder).ok()?;
    state.f_bavail.checked_mul(state.f_frsize)
}
