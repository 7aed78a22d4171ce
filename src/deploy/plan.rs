//! Every choice about one container: what the image says of itself and what was asked for in, [`LaunchPlan`] out. Pure.
//!
//! What was asked for counts as it is; what nobody asked for follows from the app. Never asks the daemon.

mod environment;
mod limits;
mod mounts;
mod naming;
mod ports;

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::LaunchError;
use super::run_document::{RunDocument, RunMode};
use super::wishes::{HealthWish, SecretsAs, Wishes};
use crate::config::settings::SecretSource;
use crate::diagnostic::Warning;
use crate::docker::{
    ContainerName, ContainerSpec, HealthCheck, ImageFacts, LogDriver, Mount, NetworkSpec, PortMapping, Privileges,
    Resources, RestartPolicy, RootFilesystem, VolumeSpec,
};
use crate::origin::{Origin, Sourced};
use crate::secret::Secret;

/// Network of containers that nobody gave another.
const NETWORK: &str = "nextdeploy";
/// Label with the commands that run before a stop, as JSON: a list of lists of words.
pub const PRE_STOP_LABEL: &str = "nextdeploy.hook.pre-stop";

/// What a plan is made of.
#[derive(Clone, Copy)]
pub struct LaunchInputs<'a> {
    /// The image as it was asked for.
    pub reference: &'a Sourced<String>,
    pub image: &'a ImageFacts,
    /// Absent in images of others.
    pub run: Option<&'a RunDocument>,
    pub wishes: &'a Wishes,
    /// In the order in which they were given; later ones win.
    pub env_files: &'a [EnvFile],
}

/// The variables of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    pub origin: Origin,
    pub variables: Vec<(String, String)>,
}

/// Commands inside the container, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    pub post_start: Vec<Sourced<Vec<String>>>,
    pub pre_stop: Vec<Sourced<Vec<String>>>,
}

/// One container with everything around it, each choice with its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchPlan {
    pub app: Sourced<String>,
    pub name: Sourced<ContainerName>,
    /// As it was asked for.
    pub image: Sourced<String>,
    /// `sha256:…`; what is run, whatever the name points at by then.
    pub image_id: String,
    /// What the image says of the app; absent in images of others.
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
    /// What runs a command inside as the app itself is run, with its secrets; empty in images of others.
    pub launcher: Vec<String>,
    pub warnings: Vec<Warning>,
}

/// As whom the app runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppUser {
    Number(u32),
    /// What it means stands in the image.
    Named(String),
}

/// Makes every choice.
pub fn plan_launch(inputs: LaunchInputs<'_>) -> Result<LaunchPlan, LaunchError> {
    let wishes = inputs.wishes;
    let app = naming::app(inputs);
    let mut warnings = Vec::new();
    let port = ports::app_port(inputs);
    let ports = ports::published(inputs, port.as_ref(), &mut warnings)?;
    let memory = limits::memory(inputs);
    let env = environment::environment(inputs, port.as_ref(), &memory, &mut warnings);
    let root = mounts::root(inputs, &mut warnings);
    mounts::warn_of_user(inputs, &mut warnings);
    let mounts = mounts::mounts(inputs, &app.value, &root);
    let health = health(inputs, &mut warnings);
    Ok(LaunchPlan {
        name: naming::container(inputs, &app)?,
        image: inputs.reference.clone(),
        image_id: inputs.image.id.clone(),
        run: inputs.run.cloned(),
        port,
        network: wishes.network.clone().unwrap_or_else(|| {
            let name = ContainerName::parse(NETWORK).expect("the name of the network is a name");
            Sourced::new(name, default("one network for all apps"))
        }),
        aliases: vec![app.value.clone()],
        env,
        secrets: wishes.secrets.clone(),
        secrets_as: wishes
            .secrets_as
            .clone()
            .unwrap_or_else(|| Sourced::new(SecretsAs::Files, default("`inspect` does not show files"))),
        app_user: environment::user(inputs),
        ports,
        volumes: mounts::volumes(inputs, &app.value, &mounts),
        mounts,
        entrypoint: wishes.entrypoint.clone(),
        command: wishes.command.clone(),
        working_dir: wishes.working_dir.clone(),
        user: wishes.user.clone(),
        memory,
        cpus: wishes.cpus.clone().unwrap_or_else(|| Sourced::new(None, default("no limit"))),
        pids: limits::pids(inputs),
        restart: wishes.restart.clone().unwrap_or_else(|| {
            Sourced::new(RestartPolicy::UnlessStopped, default("also after the machine starts again"))
        }),
        health,
        labels: naming::labels(inputs, &app.value),
        logging: wishes.logging.clone().unwrap_or_else(|| {
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
        extra_hosts: wishes.extra_hosts.clone(),
        hooks: Hooks { post_start: wishes.post_start.clone(), pre_stop: wishes.pre_stop.clone() },
        stop_grace: Sourced::new(limits::STOP_GRACE, default("running requests get 10 s of it")),
        launcher: if inputs.run.is_some() { inputs.image.entrypoint.clone() } else { Vec::new() },
        warnings,
        app,
    })
}

fn default(reason: &str) -> Origin {
    Origin::Default(reason.to_owned())
}

/// The launcher answers the health check itself, without a shell; asked more often than the image says, so that it settles soon.
fn health(inputs: LaunchInputs<'_>, warnings: &mut Vec<Warning>) -> Option<Sourced<HealthCheck>> {
    let own = || -> Vec<String> {
        let launcher = inputs.image.entrypoint.iter().cloned();
        launcher.chain(["health".to_owned()]).collect()
    };
    let seconds = |number| Some(Duration::from_secs(number));
    match &inputs.wishes.health {
        Some(Sourced { value: HealthWish::Disabled, origin }) => {
            Some(Sourced::new(HealthCheck::Disabled, origin.clone()))
        }
        Some(Sourced { value: HealthWish::Check { command, interval, timeout, start_period, retries }, origin }) => {
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
            Some(Sourced::new(check, default("the launcher asks the app, without a shell")))
        }
        None => {
            if !inputs.image.has_health_check {
                let message = "the image has no health check: it counts as healthy when it still runs after 3 seconds";
                warnings.push(
                    Warning::new("launch/no-health-check", message)
                        .with_hint("give one as `health` in a container document (docs/container.md)"),
                );
            }
            None
        }
    }
}

impl LaunchPlan {
    /// The container as the daemon is asked for it. `secrets` are those that reach it as environment.
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

    /// Whether a folder of files serves the app.
    pub fn is_static(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.mode == RunMode::Static)
    }

    /// A command of the user's as it is run inside.
    pub fn inside(&self, command: &[String]) -> Vec<String> {
        self.launcher.iter().chain(command).cloned().collect()
    }

    /// What the image says of the app, when the launcher's own check tells whether it is well.
    pub(super) fn own_check(&self) -> Option<&RunDocument> {
        let argv = self.probe()?;
        self.run
            .as_ref()
            .filter(|_| argv.last().is_some_and(|last| last == "health") && argv.starts_with(&self.launcher))
    }

    /// The command that finds out whether the app is well, when the plan gives one.
    pub fn probe(&self) -> Option<&[String]> {
        match &self.health.as_ref()?.value {
            HealthCheck::Command { argv, .. } if !argv.is_empty() => Some(argv),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
