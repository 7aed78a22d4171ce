//! Containers, networks and volumes of a real daemon, through the library and through the commands that manage them.

mod life;
mod logs;
mod podman;
mod readiness;
mod shared;
mod spec;
mod usage;
mod verbs;

use std::collections::BTreeMap;
use std::time::Duration;

use nextdeploy::docker::connection::{Engine as Daemon, find_endpoint};
use nextdeploy::docker::{
    APP_LABEL, ContainerName, ContainerSpec, Containers, HealthCheck, LogDriver, MANAGED_LABEL, NetworkSpec,
    Privileges, Resources, RestartPolicy, RootFilesystem, VolumeSpec,
};
use nextdeploy::host::Environment;

use crate::docker::Engine;

const IMAGE: &str = "node:22-slim";
/// A process that exits on its stop signal.
const IDLE: &str = "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)";
/// Marks what a test created.
const TEST_LABEL: &str = "nd-e2e-test";

/// How to list and remove resources; those that use others come first.
const KINDS: [(&[&str], &[&str]); 3] = [
    (&["ps", "--all"], &["rm", "--force", "--volumes"]),
    (&["network", "ls"], &["network", "rm"]),
    (&["volume", "ls"], &["volume", "rm"]),
];

/// The part of a daemon that one test uses; cleaned up on drop.
struct Lab {
    name: String,
    engine: Engine,
    containers: Containers,
}

impl Lab {
    async fn new(test: &str) -> Self {
        Self::at(test, Engine::with_base(22)).await
    }

    async fn at(test: &str, engine: Engine) -> Self {
        let environment = Environment::of_process();
        let environment = match &engine.host {
            None => environment,
            Some(host) => Environment::from_pairs([("DOCKER_HOST", host.as_str())]),
        };
        let daemon = Daemon::connect(find_endpoint(&environment, None).unwrap(), &environment).await.unwrap();
        let lab = Self { name: format!("nd-e2e-{test}"), engine, containers: Containers::new(&daemon) };
        lab.clean();
        lab
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let pairs = [(MANAGED_LABEL, "true"), (APP_LABEL, self.name.as_str()), (TEST_LABEL, self.name.as_str())];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn name(&self, suffix: &str) -> ContainerName {
        ContainerName::parse(&format!("{}-{suffix}", self.name)).unwrap()
    }

    /// A container that only runs `script` with Node.js.
    fn spec(&self, suffix: &str, script: &str) -> ContainerSpec {
        ContainerSpec {
            name: self.name(suffix),
            image: IMAGE.into(),
            network: None,
            aliases: Vec::new(),
            env: BTreeMap::new(),
            secret_env: BTreeMap::new(),
            ports: Vec::new(),
            mounts: Vec::new(),
            entrypoint: None,
            command: Some(words(&["node", "-e", script])),
            working_dir: None,
            user: None,
            resources: Resources::default(),
            restart: RestartPolicy::No,
            health: None,
            labels: self.labels(),
            logging: LogDriver { driver: "json-file".into(), options: BTreeMap::new() },
            root: RootFilesystem::Writable,
            privileges: Privileges::default(),
            extra_hosts: Vec::new(),
            stop_grace: None,
        }
    }

    fn network(&self, suffix: &str) -> NetworkSpec {
        NetworkSpec { name: self.name(suffix), labels: self.labels() }
    }

    fn volume(&self, suffix: &str, driver: &str, options: &[(&str, &str)]) -> VolumeSpec {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        VolumeSpec { name: self.name(suffix), driver: driver.into(), options, labels: self.labels() }
    }

    /// Creates and starts it; returns its id.
    async fn run(&self, spec: &ContainerSpec) -> String {
        let id = self.containers.create(spec).await.unwrap().id;
        self.containers.start(&id).await.unwrap();
        id
    }

    /// Resources of one kind that the test created and that still exist.
    fn listed(&self, list: &[&str]) -> Vec<String> {
        let filter = format!("label={TEST_LABEL}={}", self.name);
        let listed = self.engine.try_docker(&[list, &["--quiet", "--filter", &filter]].concat());
        listed.unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn left(&self) -> Vec<String> {
        KINDS.iter().flat_map(|(list, _)| self.listed(list)).collect()
    }

    fn clean(&self) {
        for (list, remove) in KINDS {
            for thing in self.listed(list) {
                let _ = self.engine.try_docker(&[remove, &[thing.as_str()]].concat());
            }
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.clean();
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn check(script: &str, retries: u32) -> HealthCheck {
    HealthCheck::Command {
        argv: words(&["node", "-e", script]),
        interval: Some(Duration::from_secs(1)),
        timeout: Some(Duration::from_secs(10)),
        start_period: None,
        retries: Some(retries),
    }
}
