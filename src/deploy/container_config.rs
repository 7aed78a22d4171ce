//! How one container is configured, by a container document or by flags: the fields of the document with their JSON schema, and the
//! overlay of one configuration on another.
//!
//! [`document`](super::document) reads it from a file, [`from_flags`](ContainerConfig::from_flags) from the command line. Values are
//! parsed and checked, each with its origin; defaults are the business of the plan.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use super::error::LaunchError;
use super::parse::{self, InvalidOption, PortConfig};
use super::schema;
use crate::config::cli::{ContainerArgs, SecretsAsArg};
use crate::config::settings::{self, InvalidValue, SecretSource, SecretValue, ValueSource, typed_secret};
use crate::docker::{ContainerName, LogDriver, Mount, RestartPolicy, RootFilesystem};
use crate::host::Environment;
use crate::origin::{Origin, Sourced};

/// One container of an app. What is left out follows from the image.
// Unset fields are `None` or empty. A limit that is `None` inside is lifted.
#[derive(Debug, Clone, Default, PartialEq, JsonSchema)]
#[schemars(
    title = "Container document",
    rename_all = "camelCase",
    deny_unknown_fields,
    transform = schema::allow_schema_field
)]
pub struct ContainerConfig {
    /// Name of the container.
    #[schemars(with = "Option<schema::Name>")]
    pub name: Option<Sourced<ContainerName>>,
    /// Image reference; pulled when the daemon lacks it.
    #[schemars(with = "Option<schema::Image>")]
    pub image: Option<Sourced<String>>,
    /// Network to join, made when it is missing.
    #[schemars(rename = "networkName", with = "Option<schema::Network>")]
    pub network: Option<Sourced<ContainerName>>,
    #[schemars(with = "Option<schema::Variables>")]
    pub env: BTreeMap<String, Sourced<String>>,
    /// Files with variables as Next.js reads `.env`, relative to the document.
    #[schemars(with = "Option<schema::OneOrMany<String>>")]
    pub env_files: Vec<Sourced<PathBuf>>,
    /// Ports of the machine that lead to the container; an empty list publishes nothing.
    #[schemars(with = "Option<schema::OneOrMany<schema::Port>>")]
    pub ports: Option<Vec<Sourced<PortConfig>>>,
    /// Mounts of paths of the machine: `./PATH:TARGET[:ro]`, relative to the document; `VOLUME:TARGET` is a named volume.
    #[schemars(with = "Option<schema::OneOrMany<schema::Volume>>")]
    pub volumes: Vec<Sourced<Mount>>,
    /// Volumes that the daemon keeps, made when they are missing.
    #[schemars(with = "Option<schema::OneOrMany<schema::NamedVolume>>")]
    pub named_volumes: Vec<Sourced<Mount>>,
    /// Of named volumes, by name.
    #[schemars(skip)]
    pub volume_options: BTreeMap<ContainerName, VolumeOptions>,
    #[schemars(with = "Option<schema::OneOrMany<schema::SecretEntry>>")]
    pub secrets: Vec<Sourced<SecretSource>>,
    #[schemars(skip)]
    pub secrets_as: Option<Sourced<SecretsAs>>,
    /// Instead of the image's own.
    #[schemars(with = "Option<schema::Command>")]
    pub entrypoint: Option<Sourced<Vec<String>>>,
    /// Instead of the image's own.
    #[schemars(with = "Option<schema::Command>")]
    pub command: Option<Sourced<Vec<String>>>,
    #[schemars(with = "Option<schema::Path>")]
    pub working_dir: Option<Sourced<String>>,
    #[schemars(with = "Option<schema::User>")]
    pub user: Option<Sourced<String>>,
    // Bytes.
    #[schemars(with = "Option<schema::Memory>")]
    pub memory: Option<Sourced<Option<u64>>>,
    #[schemars(with = "Option<schema::Cpus>")]
    pub cpus: Option<Sourced<Option<f64>>>,
    #[schemars(with = "Option<schema::Pids>")]
    pub pids: Option<Sourced<Option<u64>>>,
    #[schemars(with = "Option<schema::Restart>")]
    pub restart: Option<Sourced<RestartPolicy>>,
    #[schemars(with = "Option<schema::Health>")]
    pub health: Option<Sourced<HealthConfig>>,
    #[schemars(with = "Option<schema::Labels>")]
    pub labels: BTreeMap<String, Sourced<String>>,
    #[schemars(with = "Option<schema::Logging>")]
    pub logging: Option<Sourced<LogDriver>>,
    /// Everything but what the app writes to is read-only.
    #[schemars(rename = "readOnly", with = "Option<bool>")]
    pub root: Option<Sourced<RootFilesystem>>,
    /// Folders in memory: `TARGET[:size=64m,mode=1777]`.
    #[schemars(with = "Option<schema::OneOrMany<schema::Tmpfs>>")]
    pub tmpfs: Vec<Sourced<Mount>>,
    #[schemars(with = "Option<schema::ExtraHosts>")]
    pub extra_hosts: Vec<Sourced<String>>,
    #[schemars(with = "Option<schema::Hooks>")]
    pub hooks: Hooks,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumeOptions {
    pub driver: Option<String>,
    pub options: BTreeMap<String, String>,
}

/// How secrets reach the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretsAs {
    /// As files below `/run/secrets`, in memory of the daemon's machine; `inspect` does not show them.
    Files,
    /// As environment variables, which every user of the daemon can read.
    Env,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthConfig {
    Disabled,
    /// Without `command` the image's own.
    Check {
        command: Option<Vec<String>>,
        interval: Option<Duration>,
        timeout: Option<Duration>,
        start_period: Option<Duration>,
        retries: Option<u32>,
    },
}

/// Commands that run inside the container, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    /// Once it has started.
    pub post_start: Vec<Sourced<Vec<String>>>,
    /// Before it is stopped.
    pub pre_stop: Vec<Sourced<Vec<String>>>,
}

/// The schema of a container document, by the name that `nextdeploy schema` prints it under.
pub fn container_schema() -> (&'static str, Schema) {
    ("container", schema_for!(ContainerConfig))
}

impl ContainerConfig {
    /// From flags. Relative paths start from `folder`, the current one.
    pub fn from_flags(args: &ContainerArgs, folder: &Path, environment: &Environment) -> Result<Self, LaunchError> {
        let mut config = Self {
            name: one("--name", args.name.as_ref(), parse::name)?,
            network: one("--network", args.network.as_ref(), parse::network)?,
            memory: one("--memory", args.memory.as_ref(), parse::memory)?,
            cpus: one("--cpus", args.cpus.as_ref(), parse::cpus)?,
            pids: one("--pids", args.pids.as_ref(), parse::pids)?,
            restart: one("--restart", args.restart.as_ref(), parse::restart)?,
            volumes: list("--volume", &args.volume, |text| parse::mount(text, folder))?,
            env_files: list("--env-file", &args.env_file, |text| {
                settings::parse::path(text).map(|path| folder.join(path))
            })?,
            ..Self::default()
        };
        if args.publish.iter().any(|text| text == "none") {
            if args.publish.len() > 1 {
                return Err(invalid("--publish", InvalidOption::PortBesideNone));
            }
            config.ports = Some(Vec::new());
        } else if !args.publish.is_empty() {
            config.ports = Some(list("--publish", &args.publish, parse::publish)?);
        }
        for text in &args.env {
            let (name, value) = text.split_once('=').map_or((text.as_str(), None), |(name, value)| (name, Some(value)));
            let name = settings::parse::variable_name(name).map_err(|fault| invalid("--env", fault))?;
            let value = value.or_else(|| environment.get(&name));
            let value = value.ok_or_else(|| invalid("--env", InvalidValue::VariableNotSet(name.clone())))?;
            config.env.insert(name, of_flag("--env", value.to_owned()));
        }
        for text in &args.secret {
            let mut secret = typed_secret(text, environment).map_err(|fault| invalid("--secret", fault))?;
            if let SecretValue::File(path) = &mut secret.value {
                *path = folder.join(&*path);
            }
            if config.secrets.iter().any(|known| known.value.id == secret.id) {
                return Err(invalid("--secret", InvalidValue::SecretTwice(secret.id)));
            }
            config.secrets.push(of_flag("--secret", secret));
        }
        config.secrets_as = args.secrets_as.map(|kind| {
            let kind = match kind {
                SecretsAsArg::Files => SecretsAs::Files,
                SecretsAsArg::Env => SecretsAs::Env,
            };
            of_flag("--secrets-as", kind)
        });
        config.root = match (args.read_only, args.writable) {
            (true, _) => Some(of_flag("--read-only", RootFilesystem::ReadOnly)),
            (_, true) => Some(of_flag("--writable", RootFilesystem::Writable)),
            _ => None,
        };
        Ok(config)
    }

    /// This configuration on top of `base`. Lists are joined, those of `base` first; of two entries with one name or one path in the
    /// container the upper one wins.
    #[must_use]
    pub fn over(mut self, base: Self) -> Self {
        fn join<T>(upper: &mut Vec<T>, base: Vec<T>, is_replaced: impl Fn(&[T], &T) -> bool) {
            let kept: Vec<T> = base.into_iter().filter(|entry| !is_replaced(upper, entry)).collect();
            upper.splice(0..0, kept);
        }
        let targets: Vec<String> = self.mounts().map(|mount| mount.value.target().to_owned()).collect();
        let is_mounted =
            |_: &[Sourced<Mount>], mount: &Sourced<Mount>| targets.iter().any(|target| target == mount.value.target());
        join(&mut self.volumes, base.volumes, is_mounted);
        join(&mut self.named_volumes, base.named_volumes, is_mounted);
        join(&mut self.tmpfs, base.tmpfs, is_mounted);
        for (name, value) in base.env {
            self.env.entry(name).or_insert(value);
        }
        for (name, value) in base.labels {
            self.labels.entry(name).or_insert(value);
        }
        for (name, value) in base.volume_options {
            self.volume_options.entry(name).or_insert(value);
        }
        join(&mut self.env_files, base.env_files, |upper, one| upper.iter().any(|known| known.value == one.value));
        join(&mut self.secrets, base.secrets, |upper, one| upper.iter().any(|known| known.value.id == one.value.id));
        join(&mut self.extra_hosts, base.extra_hosts, |upper, one| upper.iter().any(|known| known.value == one.value));
        join(&mut self.hooks.post_start, base.hooks.post_start, |_, _| false);
        join(&mut self.hooks.pre_stop, base.hooks.pre_stop, |_, _| false);
        Self {
            name: self.name.or(base.name),
            image: self.image.or(base.image),
            network: self.network.or(base.network),
            ports: self.ports.or(base.ports),
            secrets_as: self.secrets_as.or(base.secrets_as),
            entrypoint: self.entrypoint.or(base.entrypoint),
            command: self.command.or(base.command),
            working_dir: self.working_dir.or(base.working_dir),
            user: self.user.or(base.user),
            memory: self.memory.or(base.memory),
            cpus: self.cpus.or(base.cpus),
            pids: self.pids.or(base.pids),
            restart: self.restart.or(base.restart),
            health: self.health.or(base.health),
            logging: self.logging.or(base.logging),
            root: self.root.or(base.root),
            ..self
        }
    }

    /// Binds, volumes and tmpfs.
    pub fn mounts(&self) -> impl Iterator<Item = &Sourced<Mount>> {
        self.volumes.iter().chain(&self.named_volumes).chain(&self.tmpfs)
    }
}

/// The duration that the flag `flag` was given, such as `10s`.
pub fn duration_of_flag(flag: &str, text: Option<&String>) -> Result<Option<Duration>, LaunchError> {
    Ok(one(flag, text, settings::parse::duration)?.map(|duration| duration.value))
}

fn of_flag<T>(flag: &str, value: T) -> Sourced<T> {
    Sourced::new(value, Origin::Flag(flag.to_owned()))
}

fn invalid(flag: &str, reason: impl Into<InvalidOption>) -> LaunchError {
    LaunchError::value(ValueSource { origin: Origin::Flag(flag.to_owned()), location: None }, reason)
}

fn one<T, E: Into<InvalidOption>>(
    flag: &str,
    value: Option<&String>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<Sourced<T>>, LaunchError> {
    value.map(|text| parse(text).map(|value| of_flag(flag, value)).map_err(|error| invalid(flag, error))).transpose()
}

fn list<T, E: Into<InvalidOption>>(
    flag: &str,
    values: &[String],
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<Sourced<T>>, LaunchError> {
    let one = |text: &String| parse(text).map(|value| of_flag(flag, value)).map_err(|error| invalid(flag, error));
    values.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Diagnostic, ExitCode};

    fn check(change: impl FnOnce(&mut ContainerArgs)) -> Result<ContainerConfig, LaunchError> {
        let mut args = ContainerArgs::default();
        change(&mut args);
        let environment = Environment::from_pairs([("API_KEY", "sk-hush"), ("EMPTY", "")]);
        ContainerConfig::from_flags(&args, Path::new("/srv"), &environment)
    }

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn flags_become_a_configuration() {
        let config = check(|args| {
            args.env = texts(&["A=1", "API_KEY"]);
            args.env_file = texts(&["a.env"]);
            args.volume = texts(&["./data:/data:ro"]);
            args.publish = texts(&["8080", "[::1]:9000:9000"]);
            args.memory = Some("none".into());
            args.writable = true;
        })
        .unwrap();
        assert_eq!((config.env["A"].value.as_str(), config.env["API_KEY"].value.as_str()), ("1", "sk-hush"));
        assert_eq!(config.env_files[0].value, Path::new("/srv/a.env"));
        assert_eq!(config.ports.unwrap().len(), 2);
        assert_eq!((config.memory.unwrap().value, config.root.unwrap().value), (None, RootFilesystem::Writable));
        assert!(check(|args| args.publish = texts(&["none"])).unwrap().ports.is_some_and(|ports| ports.is_empty()));
        assert_eq!(check(|_| {}).unwrap(), ContainerConfig::default());
    }

    #[test]
    fn errors_name_the_flag_and_no_secret() {
        for (change, flag) in [
            ((|args| args.publish = texts(&["none", "80"])) as fn(&mut ContainerArgs), "--publish"),
            (|args| args.env = texts(&["NOT_SET"]), "--env"),
            (|args| args.env = texts(&["a b=1"]), "--env"),
            (|args| args.secret = texts(&["API_KEY=sk-hush"]), "--secret"),
            (|args| args.secret = texts(&["API_KEY", "id=API_KEY,src=x"]), "--secret"),
            (|args| args.secret = texts(&["EMPTY"]), "--secret"),
            (|args| args.memory = Some("1".into()), "--memory"),
            (|args| args.memory = Some("1m".into()), "--memory"),
            (|args| args.name = Some("a/b".into()), "--name"),
            (|args| args.network = Some("host".into()), "--network"),
        ] {
            let error = check(change).unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{flag}`")), "{error}");
            assert!(!format!("{error} {:?}", error.hints()).contains("hush"), "{error}");
            assert_eq!(error.exit_code(), ExitCode::Usage);
        }
    }
}
