//! Every choice about one container, made once: the facts of the image, the configuration and the machine in, [`LaunchPlan`] out. Pure.
//!
//! What is configured is used as it is; defaults are derived from the app. Never queries the daemon.

mod environment;
mod mounts;
mod naming;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use super::container_config::{ContainerConfig, HealthConfig, Hooks, SecretsAs};
use super::error::LaunchError;
use super::parse::PortConfig;
use crate::config::settings::{SecretSource, parse};
use crate::diagnostic::Warning;
use crate::docker::{
    ContainerName, ContainerSpec, HealthCheck, ImageFacts, LogDriver, Mount, NetworkSpec, PortMapping, Privileges,
    Protocol, PublishedPort, Resources, RestartPolicy, RootFilesystem, VolumeSpec,
};
use crate::docker::{RunDocument, RunMode};
use crate::origin::{Origin, Sourced};
use crate::secret::Secret;

pub use naming::app_name;
pub(super) use naming::{LAUNCHER_LABEL, PRE_STOP_LABEL, SECRETS_LABEL};

/// The default network.
const NETWORK: &str = "nextdeploy";
const MIB: u64 = 1024 * 1024;
const RENDERING: u64 = 512 * MIB;
const FILES_ONLY: u64 = 256 * MIB;
/// Share of the memory limit for the heap of JavaScript; Node.js needs the rest.
const HEAP_PERCENT: u64 = 75;

/// Processes and threads. Node.js starts about 11 threads; with image optimisation and a few workers it stays far below this,
/// while a fork bomb cannot exhaust the machine.
const PROCESSES: u64 = 512;

/// More than the time the launcher grants running requests.
const STOP_GRACE: Duration = Duration::from_secs(15);

/// What a plan is made of.
#[derive(Clone, Copy)]
pub struct LaunchInputs<'a> {
    /// The image as it was named.
    pub reference: &'a Sourced<String>,
    pub image: &'a ImageFacts,
    /// Absent in images of others.
    pub run: Option<&'a RunDocument>,
    pub config: &'a ContainerConfig,
    /// In the order in which they were given; later ones win.
    pub env_files: &'a [LoadedEnvFile],
    pub machine: MachineFacts<'a>,
}

/// What the plan depends on besides the image and its configuration.
#[derive(Clone, Copy, Default)]
pub struct MachineFacts<'a> {
    pub replaces: Option<ReplacedContainer<'a>>,
    /// Folder of this machine with hashed assets, absolute, that the container serves itself since no proxy does.
    pub assets: Option<&'a Path>,
    pub daemon: DaemonMachine,
}

/// A container whose place the new one takes, together with its ports unless others are configured.
#[derive(Debug, Clone, Copy)]
pub struct ReplacedContainer<'a> {
    pub name: &'a str,
    pub ports: &'a [PublishedPort],
}

/// Where the daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DaemonMachine {
    #[default]
    Local,
    /// Its folders are not those of this machine.
    Remote,
}

/// The variables of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedEnvFile {
    pub origin: Origin,
    pub variables: Vec<(String, String)>,
}

/// One container with everything around it, each choice with its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchPlan {
    pub app: Sourced<String>,
    pub name: Sourced<ContainerName>,
    /// As it was named.
    pub image: Sourced<String>,
    /// `sha256:…`; this image runs even if the name refers to another one by then.
    pub image_id: String,
    /// What the build recorded about the app; `None` for images of others.
    pub run: Option<RunDocument>,
    /// The app listens on it inside the container.
    pub port: Option<Sourced<u16>>,
    pub network: Sourced<ContainerName>,
    /// Names by which the network finds it.
    pub aliases: Vec<String>,
    /// Without secrets.
    pub env: BTreeMap<String, Sourced<String>>,
    pub secrets: Vec<Sourced<SecretSource>>,
    pub secrets_as: Sourced<SecretsAs>,
    /// Who may read the files of secrets.
    pub app_user: AppUser,
    pub ports: Vec<Sourced<PortMapping>>,
    pub mounts: Vec<Sourced<Mount>>,
    /// The named volumes among the mounts.
    pub volumes: Vec<VolumeSpec>,
    /// `None` leaves the image's own.
    pub entrypoint: Option<Sourced<Vec<String>>>,
    pub command: Option<Sourced<Vec<String>>>,
    pub working_dir: Option<Sourced<String>>,
    pub user: Option<Sourced<String>>,
    /// Bytes; `None` is without limit.
    pub memory: Sourced<Option<u64>>,
    pub cpus: Sourced<Option<f64>>,
    pub pids: Sourced<Option<u64>>,
    pub restart: Sourced<RestartPolicy>,
    /// `None` leaves the image's own, which it may lack.
    pub health: Option<Sourced<HealthCheck>>,
    pub labels: BTreeMap<String, Sourced<String>>,
    pub logging: Sourced<LogDriver>,
    pub root: Sourced<RootFilesystem>,
    pub privileges: Sourced<Privileges>,
    pub extra_hosts: Vec<Sourced<String>>,
    pub hooks: Hooks,
    pub stop_grace: Sourced<Duration>,
    /// Runs a command inside as the app itself runs, with its secrets; empty in images of others.
    pub launcher: Vec<String>,
    pub warnings: Vec<Warning>,
}

/// The user that the app runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppUser {
    Number(u32),
    /// Its number is defined in the image.
    Named(String),
}

/// Makes every choice.
pub fn plan_launch(inputs: LaunchInputs<'_>) -> Result<LaunchPlan, LaunchError> {
    let config = inputs.config;
    let app = app_name(inputs.reference, inputs.image);
    let mut warnings = Vec::new();
    let port = app_port(inputs);
    let ports = published(inputs, port.as_ref(), &mut warnings)?;
    let memory = memory_limit(inputs);
    let env = environment::environment(inputs, port.as_ref(), &memory, &mut warnings);
    let root = mounts::root(inputs, &mut warnings);
    mounts::warn_about_user(inputs, &mut warnings);
    let mounts = mounts::mounts(inputs, &app.value, &root);
    let health = health(inputs, &mut warnings);
    if inputs.machine.daemon == DaemonMachine::Remote {
        mounts::warn_about_remote_folders(inputs, &mounts, &mut warnings);
    }
    Ok(LaunchPlan {
        name: naming::container(inputs, &app)?,
        image: inputs.reference.clone(),
        image_id: inputs.image.id.clone(),
        run: inputs.run.cloned(),
        port,
        network: config.network.clone().unwrap_or_else(|| {
            let name = ContainerName::parse(NETWORK).expect("the name of the network is a name");
            Sourced::new(name, default("one network for all apps"))
        }),
        aliases: vec![app.value.clone()],
        env,
        secrets: config.secrets.clone(),
        secrets_as: config
            .secrets_as
            .clone()
            .unwrap_or_else(|| Sourced::new(SecretsAs::Files, default("files are not shown by `inspect`"))),
        app_user: environment::user(inputs),
        ports,
        volumes: mounts::volumes(inputs, &app.value, &mounts),
        mounts,
        entrypoint: config.entrypoint.clone(),
        command: config.command.clone(),
        working_dir: config.working_dir.clone(),
        user: config.user.clone(),
        memory,
        cpus: config.cpus.clone().unwrap_or_else(|| Sourced::new(None, default("no limit"))),
        pids: pids(inputs),
        restart: config.restart.clone().unwrap_or_else(|| {
            Sourced::new(RestartPolicy::UnlessStopped, default("also after the machine starts again"))
        }),
        health,
        labels: naming::labels(inputs, &app.value),
        logging: config.logging.clone().unwrap_or_else(|| {
            let options =
                [("max-file", "3"), ("max-size", "10m")].map(|(name, value)| (name.to_owned(), value.to_owned()));
            let driver = LogDriver { driver: "json-file".to_owned(), options: options.into() };
            Sourced::new(driver, default("30 MB of log at most"))
        }),
        root,
        privileges: Sourced::new(
            Privileges { no_new_privileges: true, drop: vec!["ALL".to_owned()], add: Vec::new() },
            default("a web server needs none"),
        ),
        extra_hosts: config.extra_hosts.clone(),
        hooks: config.hooks.clone(),
        stop_grace: Sourced::new(STOP_GRACE, default("running requests get 10 s of it")),
        launcher: if inputs.run.is_some() { inputs.image.entrypoint.clone() } else { Vec::new() },
        warnings,
        app,
    })
}

fn default(reason: &str) -> Origin {
    Origin::Default(reason.to_owned())
}

/// The launcher performs the check itself, without a shell, more often than the image says, so that the container is healthy soon.
fn health(inputs: LaunchInputs<'_>, warnings: &mut Vec<Warning>) -> Option<Sourced<HealthCheck>> {
    let own = || -> Vec<String> {
        let launcher = inputs.image.entrypoint.iter().cloned();
        launcher.chain(["health".to_owned()]).collect()
    };
    let seconds = |number| Some(Duration::from_secs(number));
    match &inputs.config.health {
        Some(Sourced { value: HealthConfig::Disabled, origin }) => {
            Some(Sourced::new(HealthCheck::Disabled, origin.clone()))
        }
        Some(Sourced { value: HealthConfig::Check { command, interval, timeout, start_period, retries }, origin }) => {
            let argv = command.clone().unwrap_or_else(|| if inputs.run.is_some() { own() } else { Vec::new() });
            let check = HealthCheck::Command {
                argv,
                interval: *interval,
                timeout: *timeout,
                start_period: *start_period,
                retries: *retries,
            };
            Some(Sourced::new(check, origin.clone()))
        }
        None if inputs.run.is_some() => {
            let check = HealthCheck::Command {
                argv: own(),
                interval: seconds(10),
                timeout: seconds(5),
                start_period: seconds(30),
                retries: Some(3),
            };
            Some(Sourced::new(check, default("the launcher checks the app, without a shell")))
        }
        None => {
            if !inputs.image.has_health_check {
                let message =
                    "the image has no health check: a container that still runs after 3 seconds counts as healthy";
                warnings.push(
                    Warning::new("launch/no-health-check", message)
                        .with_hint("set `health` in a container document (docs/container.md)"),
                );
            }
            None
        }
    }
}

/// The port inside the container: `PORT` as configured, the port of the build, or the lowest one that the image exposes.
fn app_port(inputs: LaunchInputs<'_>) -> Option<Sourced<u16>> {
    let given = inputs.config.env.get("PORT").map(|port| (port.value.as_str(), port.origin.clone()));
    let of_file = || {
        inputs.env_files.iter().rev().find_map(|file| {
            let (_, value) = file.variables.iter().rev().find(|(name, _)| name == "PORT")?;
            Some((value.as_str(), file.origin.clone()))
        })
    };
    if let Some((text, origin)) = given.or_else(of_file)
        && let Ok(port) = parse::port(text)
    {
        return Some(Sourced::new(port, origin));
    }
    if let Some(port) = inputs.run.and_then(|run| run.port) {
        return Some(Sourced::new(port, Origin::Derived("the build in the image".to_owned())));
    }
    let exposed = inputs.image.ports.iter().min().copied();
    exposed.map(|port| Sourced::new(port, Origin::Derived("the port that the image exposes".to_owned())))
}

fn published(
    inputs: LaunchInputs<'_>,
    app: Option<&Sourced<u16>>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Sourced<PortMapping>>, LaunchError> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let taken_over = || ports_of_replaced(inputs.machine.replaces?, app);
    let Some(configured) = inputs.config.ports.clone().or_else(taken_over) else {
        let own = app.map(|port| PortMapping {
            address: loopback,
            host_port: Some(port.value),
            container_port: port.value,
            protocol: Protocol::Tcp,
        });
        return Ok(own
            .map(|port| Sourced::new(port, default("the app's port, on this machine only")))
            .into_iter()
            .collect());
    };
    let mut ports = Vec::new();
    for Sourced { value: config, origin } in configured {
        let container_port = config.container_port.or(app.map(|port| port.value));
        let container_port =
            container_port.ok_or_else(|| LaunchError::NoPort { image: inputs.reference.value.clone() })?;
        let address = config.address.unwrap_or(loopback);
        if address.is_unspecified() {
            let message = format!("port {} is open on every network of the machine, without TLS", config.host_port);
            warnings.push(
                Warning::new("launch/published-everywhere", message)
                    .with_hint("publish it on 127.0.0.1 and put a proxy in front (`nextdeploy proxy caddy`)"),
            );
        }
        let host_port = Some(config.host_port).filter(|port| *port != 0);
        ports.push(Sourced::new(PortMapping { address, host_port, container_port, protocol: config.protocol }, origin));
    }
    Ok(ports)
}

/// The ports of `old`, with the app's own port at the end of a single one. `None` when it has none.
fn ports_of_replaced(old: ReplacedContainer<'_>, app: Option<&Sourced<u16>>) -> Option<Vec<Sourced<PortConfig>>> {
    let origin = Origin::Derived(format!("`{}`, which it replaces", old.name));
    let is_apps = app.is_some() && old.ports.len() == 1;
    let taken_over = old.ports.iter().map(|port| {
        let config = PortConfig {
            address: Some(port.address),
            host_port: port.host_port,
            container_port: (!is_apps).then_some(port.container_port),
            protocol: port.protocol,
        };
        Sourced::new(config, origin.clone())
    });
    Some(taken_over.collect()).filter(|ports: &Vec<_>| !ports.is_empty())
}

fn memory_limit(inputs: LaunchInputs<'_>) -> Sourced<Option<u64>> {
    if let Some(memory) = &inputs.config.memory {
        return memory.clone();
    }
    match inputs.run {
        Some(run) if run.renders() => Sourced::new(Some(RENDERING), default("the app renders on the server")),
        Some(_) => Sourced::new(Some(FILES_ONLY), default("every route is rendered by the build")),
        None => Sourced::new(None, default("nothing is known of the app")),
    }
}

fn pids(inputs: LaunchInputs<'_>) -> Sourced<Option<u64>> {
    let limit = || Sourced::new(Some(PROCESSES), default("leaves processes to the rest of the machine"));
    inputs.config.pids.clone().unwrap_or_else(limit)
}

impl LaunchPlan {
    /// The container to create. `secrets` are those that reach it as environment variables.
    pub fn container(&self, secrets: BTreeMap<String, Secret>) -> ContainerSpec {
        let plain = |list: &Option<Sourced<Vec<String>>>| list.as_ref().map(|list| list.value.clone());
        ContainerSpec {
            name: self.name.value.clone(),
            image: self.image.value.clone(),
            network: Some(self.network.value.clone()),
            aliases: self.aliases.clone(),
            env: self.env.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect(),
            secret_env: secrets,
            ports: self.ports.iter().map(|port| port.value).collect(),
            mounts: self.mounts.iter().map(|mount| mount.value.clone()).collect(),
            entrypoint: plain(&self.entrypoint),
            command: plain(&self.command),
            working_dir: self.working_dir.as_ref().map(|folder| folder.value.clone()),
            user: self.user.as_ref().map(|user| user.value.clone()),
            resources: Resources { memory: self.memory.value, cpus: self.cpus.value, pids: self.pids.value },
            restart: self.restart.value,
            health: self.health.as_ref().map(|check| check.value.clone()),
            labels: self.labels.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect(),
            logging: self.logging.value.clone(),
            root: self.root.value,
            privileges: self.privileges.value.clone(),
            extra_hosts: self.extra_hosts.iter().map(|host| host.value.clone()).collect(),
            stop_grace: Some(self.stop_grace.value),
        }
    }

    pub fn network(&self) -> NetworkSpec {
        NetworkSpec { name: self.network.value.clone(), labels: naming::own_labels(&self.app.value) }
    }

    /// Whether the app is files only.
    pub fn is_static(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.mode == RunMode::Static)
    }

    /// A command of the user as it runs inside.
    pub fn inside(&self, command: &[String]) -> Vec<String> {
        self.launcher.iter().chain(command).cloned().collect()
    }

    /// What the build recorded about the app, if the health check is the launcher's own.
    pub(super) fn own_check(&self) -> Option<&RunDocument> {
        let argv = self.probe()?;
        self.run
            .as_ref()
            .filter(|_| argv.last().is_some_and(|last| last == "health") && argv.starts_with(&self.launcher))
    }

    /// The command of the health check, if the plan has one.
    pub fn probe(&self) -> Option<&[String]> {
        match &self.health.as_ref()?.value {
            HealthCheck::Command { argv, .. } if !argv.is_empty() => Some(argv),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
