//! What was asked for of one container, by flags or by a document, already parsed and checked value by value.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::config::settings::SecretSource;
use crate::docker::{ContainerName, LogDriver, Mount, Protocol, RestartPolicy, RootFilesystem};
use crate::origin::Sourced;

/// Everything that nobody asked for is absent. A limit that is `None` inside was asked to be lifted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wishes {
    pub name: Option<Sourced<ContainerName>>,
    pub image: Option<Sourced<String>>,
    pub network: Option<Sourced<ContainerName>>,
    pub env: BTreeMap<String, Sourced<String>>,
    pub env_files: Vec<Sourced<PathBuf>>,
    /// `Some` and empty: nothing is published.
    pub ports: Option<Vec<Sourced<Publish>>>,
    /// Binds, volumes and tmpfs, in the order in which they were given.
    pub mounts: Vec<Sourced<Mount>>,
    /// Driver and options of named volumes, by name.
    pub volumes: BTreeMap<ContainerName, VolumeWish>,
    pub secrets: Vec<Sourced<SecretSource>>,
    pub secrets_as: Option<Sourced<SecretsAs>>,
    pub entrypoint: Option<Sourced<Vec<String>>>,
    pub command: Option<Sourced<Vec<String>>>,
    pub working_dir: Option<Sourced<String>>,
    pub user: Option<Sourced<String>>,
    /// Bytes.
    pub memory: Option<Sourced<Option<u64>>>,
    pub cpus: Option<Sourced<Option<f64>>>,
    pub pids: Option<Sourced<Option<u64>>>,
    pub restart: Option<Sourced<RestartPolicy>>,
    pub health: Option<Sourced<HealthWish>>,
    pub labels: BTreeMap<String, Sourced<String>>,
    pub logging: Option<Sourced<LogDriver>>,
    pub root: Option<Sourced<RootFilesystem>>,
    pub extra_hosts: Vec<Sourced<String>>,
    /// Commands that run inside the container once it has started, in their order.
    pub post_start: Vec<Sourced<Vec<String>>>,
    /// Commands that run inside the container before it is stopped.
    pub pre_stop: Vec<Sourced<Vec<String>>>,
}

/// A port to publish; what is absent is decided later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish {
    pub address: Option<IpAddr>,
    /// 0 lets the daemon choose a free one.
    pub host_port: u16,
    /// `None` is the port that the app listens on.
    pub container_port: Option<u16>,
    pub protocol: Protocol,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumeWish {
    pub driver: Option<String>,
    pub options: BTreeMap<String, String>,
}

/// How secrets reach the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretsAs {
    /// In `/run/secrets`, in memory of the daemon's machine; nobody sees them in `inspect`.
    Files,
    /// As environment, which whoever may ask the daemon can read.
    Env,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthWish {
    Disabled,
    /// `command` absent: the image's own.
    Check {
        command: Option<Vec<String>>,
        interval: Option<Duration>,
        timeout: Option<Duration>,
        start_period: Option<Duration>,
        retries: Option<u32>,
    },
}

impl Wishes {
    /// These wishes, and of `others` what they leave open. Lists of the same kind are joined; of two with one name or one place in the
    /// container these win.
    #[must_use]
    pub fn or(mut self, others: Self) -> Self {
        fn join<T>(own: &mut Vec<T>, others: Vec<T>, same: impl Fn(&T, &T) -> bool) {
            let kept: Vec<T> = others.into_iter().filter(|other| !own.iter().any(|one| same(one, other))).collect();
            own.splice(0..0, kept);
        }
        for (name, value) in others.env {
            self.env.entry(name).or_insert(value);
        }
        for (name, value) in others.labels {
            self.labels.entry(name).or_insert(value);
        }
        for (name, value) in others.volumes {
            self.volumes.entry(name).or_insert(value);
        }
        join(&mut self.env_files, others.env_files, |a, b| a.value == b.value);
        join(&mut self.mounts, others.mounts, |a, b| a.value.target() == b.value.target());
        join(&mut self.secrets, others.secrets, |a, b| a.value.id == b.value.id);
        join(&mut self.extra_hosts, others.extra_hosts, |a, b| a.value == b.value);
        join(&mut self.post_start, others.post_start, |_, _| false);
        join(&mut self.pre_stop, others.pre_stop, |_, _| false);
        Self {
            name: self.name.or(others.name),
            image: self.image.or(others.image),
            network: self.network.or(others.network),
            ports: self.ports.or(others.ports),
            secrets_as: self.secrets_as.or(others.secrets_as),
            entrypoint: self.entrypoint.or(others.entrypoint),
            command: self.command.or(others.command),
            working_dir: self.working_dir.or(others.working_dir),
            user: self.user.or(others.user),
            memory: self.memory.or(others.memory),
            cpus: self.cpus.or(others.cpus),
            pids: self.pids.or(others.pids),
            restart: self.restart.or(others.restart),
            health: self.health.or(others.health),
            logging: self.logging.or(others.logging),
            root: self.root.or(others.root),
            ..self
        }
    }
}
