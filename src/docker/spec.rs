//! Containers, networks, volumes and services as they are created. Plain values without defaults that a daemon would add silently.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use crate::secret::Secret;

/// Label of every container, network and volume that this program creates.
pub const MANAGED_LABEL: &str = "nextdeploy.managed";
/// Label with the name of the app.
pub const APP_LABEL: &str = "nextdeploy.app";

/// Name of a container, network or volume: `[a-zA-Z0-9][a-zA-Z0-9_.-]+` (Docker's `RestrictedNamePattern`), at most 128 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it must begin with a letter or digit, and have 2 to 128 letters, digits, `_`, `.` and `-`")]
pub struct InvalidName;

impl ContainerName {
    const MAX_BYTES: usize = 128;

    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let valid = (2..=Self::MAX_BYTES).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidName) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A container as it is created.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerSpec {
    pub name: ContainerName,
    /// Reference or id of an image that the daemon has.
    pub image: String,
    /// Network to join; `None` is the daemon's default bridge.
    pub network: Option<ContainerName>,
    /// Names under which the containers of `network` find it, besides its own.
    pub aliases: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// Environment whose values are hidden here; the daemon shows them in `inspect`.
    pub secret_env: BTreeMap<String, Secret>,
    pub ports: Vec<PortMapping>,
    pub mounts: Vec<Mount>,
    /// `None` uses the image's own.
    pub entrypoint: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    pub resources: Resources,
    pub restart: RestartPolicy,
    /// `None` uses the image's own.
    pub health: Option<HealthCheck>,
    pub labels: BTreeMap<String, String>,
    pub logging: LogDriver,
    pub root: RootFilesystem,
    pub privileges: Privileges,
    /// `host:address` lines for `/etc/hosts`.
    pub extra_hosts: Vec<String>,
    /// Between the stop signal and the kill; `None` is 10 s.
    pub stop_grace: Option<Duration>,
}

impl ContainerSpec {
    /// A container that is never started: it gives access to files.
    pub fn idle(name: ContainerName, image: String, mounts: Vec<Mount>) -> Self {
        Self {
            name,
            image,
            network: None,
            aliases: Vec::new(),
            env: BTreeMap::new(),
            secret_env: BTreeMap::new(),
            ports: Vec::new(),
            mounts,
            // An image without a command cannot be created without one.
            entrypoint: Some(vec!["/nothing".to_owned()]),
            command: None,
            working_dir: None,
            user: None,
            resources: Resources::default(),
            restart: RestartPolicy::No,
            health: Some(HealthCheck::Disabled),
            labels: BTreeMap::new(),
            logging: LogDriver { driver: "none".to_owned(), options: BTreeMap::new() },
            root: RootFilesystem::Writable,
            privileges: Privileges::default(),
            extra_hosts: Vec::new(),
            stop_grace: None,
        }
    }
}

/// Limits; `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Resources {
    /// Bytes, including swap.
    pub memory: Option<u64>,
    /// Processors; `1.5` is one and a half.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
}

/// A port of the container on an address of the daemon's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortMapping {
    pub address: IpAddr,
    /// `None` lets the daemon choose a free one.
    pub host_port: Option<u16>,
    pub container_port: u16,
    pub protocol: Protocol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountAccess {
    ReadOnly,
    ReadWrite,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// A file or folder of the daemon's machine, which must exist.
    Bind { source: String, target: String, access: MountAccess },
    /// A folder of the daemon's machine, which the daemon creates (owner root, mode 0755) when it does not exist. `source` has no `:`.
    Folder { source: String, target: String, access: MountAccess },
    /// A named volume.
    Volume { name: ContainerName, target: String, access: MountAccess },
    /// A volume without a name, filled with the image's files at this path, and removed with the container.
    Unnamed { target: String },
    /// A folder in memory; `size` in bytes, `mode` as in `chmod`, `owner` is the user's number.
    Tmpfs { target: String, size: Option<u64>, mode: Option<u32>, owner: Option<u32> },
}

impl Mount {
    pub fn target(&self) -> &str {
        match self {
            Self::Bind { target, .. }
            | Self::Folder { target, .. }
            | Self::Volume { target, .. }
            | Self::Unnamed { target }
            | Self::Tmpfs { target, .. } => target,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RestartPolicy {
    No,
    /// After failures, at most this often.
    OnFailure(Option<u32>),
    Always,
    UnlessStopped,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthCheck {
    /// Disables the image's own.
    Disabled,
    /// An empty `argv` is the image's own command. `None` is the daemon's default (interval 30 s, timeout 30 s, 3 retries, no start period).
    Command {
        argv: Vec<String>,
        interval: Option<Duration>,
        timeout: Option<Duration>,
        start_period: Option<Duration>,
        retries: Option<u32>,
    },
}

/// Where the daemon stores the output of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDriver {
    /// `json-file`, `local`, `journald`, …
    pub driver: String,
    pub options: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootFilesystem {
    ReadOnly,
    Writable,
}

/// What the processes may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Privileges {
    pub no_new_privileges: bool,
    /// `ALL`, or names without `CAP_`.
    pub drop: Vec<String>,
    pub add: Vec<String>,
}

/// A bridge network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    pub name: ContainerName,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSpec {
    pub name: ContainerName,
    /// `local`, or an installed one.
    pub driver: String,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

/// A service as it is deployed.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceSpec {
    /// The container of each task; its name is the service's. Swarm publishes ports on all addresses of all machines.
    pub container: ContainerSpec,
    pub replicas: u64,
    /// Files of `/run/secrets`, kept by Swarm.
    pub secrets: Vec<ServiceSecret>,
    pub update: RollingUpdate,
    /// Overlay network, created when it does not exist.
    pub network: Option<ContainerName>,
}

/// A file of `/run/secrets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSecret {
    pub file: String,
    pub value: Secret<Vec<u8>>,
    /// Number of the user that may read it, besides root.
    pub user: u32,
}

/// How tasks are replaced: new ones start first; when they fail, Swarm rolls back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollingUpdate {
    /// Tasks at a time.
    pub parallelism: u64,
    /// Between two groups of them.
    pub delay: Duration,
    /// How long a new task is monitored for failure.
    pub monitor: Duration,
}

impl Default for RollingUpdate {
    fn default() -> Self {
        Self { parallelism: 1, delay: Duration::ZERO, monitor: Duration::from_secs(5) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_dockers_grammar() {
        for good in ["ab", "shop-12ab34cd", "a_b.c-d", "0x"] {
            assert_eq!(ContainerName::parse(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "a", "-ab", ".ab", "a/b", "a b", "ä-b", "a\nb", &"x".repeat(129)] {
            assert_eq!(ContainerName::parse(bad), Err(InvalidName), "{bad}");
        }
    }
}
