//! Reading of a container document: JSON or YAML in, [`ContainerConfig`] out. Strict: an unknown field is an error, and every error names
//! the field with its line and column. Never opens the files that the document names.
//!
//! Written by hand and not derived from the type by serde, for three reasons: serde passes on the errors of values as text only, which
//! would lose their codes and hints; `jsonc_parser` has no positions for serde, and those of `serde_saphyr` cover types and not the
//! values parsed from texts; and paths and variables are resolved while reading, where serde has no place for a folder and an
//! environment.

use std::collections::BTreeMap;
use std::path::Path;

use super::container_config::{ContainerConfig, HealthConfig, Hooks, VolumeOptions};
use super::error::LaunchError;
use super::parse::{self, InvalidOption, PortConfig};
use crate::config::metadata::{Node, Value, parse_json, parse_yaml};
use crate::config::settings::{self, InvalidValue, SecretSource, SecretValue, ValueSource, typed_secret};
use crate::diagnostic::{Location, nearest, shown};
use crate::docker::{ContainerName, LogDriver, Mount, MountAccess, Protocol, RestartPolicy, RootFilesystem};
use crate::host::Environment;
use crate::origin::{Origin, Sourced};

/// Fields of the document, in the order of the documentation.
const FIELDS: [&str; 25] = [
    "$schema",
    "name",
    "image",
    "networkName",
    "env",
    "envFiles",
    "ports",
    "volumes",
    "namedVolumes",
    "secrets",
    "entrypoint",
    "command",
    "workingDir",
    "user",
    "memory",
    "cpus",
    "pids",
    "restart",
    "health",
    "labels",
    "logging",
    "readOnly",
    "tmpfs",
    "extraHosts",
    "hooks",
];

/// Reads a document. `file` is its name for messages and decides between JSON and YAML; relative paths in it start from `folder`.
pub fn read_document(
    file: &str,
    text: &str,
    folder: &Path,
    environment: &Environment,
) -> Result<ContainerConfig, LaunchError> {
    let is_json = Path::new(file).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let parsed = if is_json { parse_json(file, text) } else { parse_yaml(file, text) };
    let root = parsed.map_err(|error| LaunchError::Document(Box::new(error)))?;
    let reader = DocumentReader { file, folder, environment };
    let root = DocumentField { path: String::new(), node: &root };
    reader.document(&root)
}

/// A value with its path in the document: `ports[0].hostPort`.
struct DocumentField<'n> {
    path: String,
    node: &'n Node,
}

impl<'n> DocumentField<'n> {
    fn child(&self, key: &str, node: &'n Node) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { path, node }
    }

    /// The field `key`, unless it is missing or null.
    fn get(&self, key: &str) -> Option<Self> {
        let (name, node) = self.node.entries().iter().find(|(name, _)| name == key)?;
        (!matches!(node.value, Value::Null)).then(|| self.child(name, node))
    }

    fn items(&self) -> Option<Vec<Self>> {
        let Value::List(items) = &self.node.value else { return None };
        let item = |(at, node): (usize, &'n Node)| Self { path: format!("{}[{at}]", self.path), node };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The items of the list `key`, or the single value in its place.
    fn list(&self, key: &str) -> Option<Vec<Self>> {
        let field = self.get(key)?;
        Some(field.items().unwrap_or_else(|| vec![field]))
    }

    fn members(&self) -> Option<Vec<(&'n str, Self)>> {
        let Value::Map(entries) = &self.node.value else { return None };
        Some(entries.iter().map(|(key, node)| (key.as_str(), self.child(key, node))).collect())
    }
}

struct DocumentReader<'a> {
    file: &'a str,
    folder: &'a Path,
    environment: &'a Environment,
}

type Read<T> = Result<T, LaunchError>;

impl DocumentReader<'_> {
    fn document(&self, root: &DocumentField<'_>) -> Read<ContainerConfig> {
        self.known(root, &FIELDS)?;
        let mut targets = Vec::new();
        let volumes = self.mounts(root, "volumes", &mut targets, Self::volume)?;
        let named_volumes = self.mounts(root, "namedVolumes", &mut targets, Self::named_volume)?;
        let tmpfs = self.mounts(root, "tmpfs", &mut targets, Self::tmpfs)?;
        Ok(ContainerConfig {
            name: self.one(root, "name", parse::name)?,
            image: self.one(root, "image", parse::image)?,
            network: self.one(root, "networkName", parse::network)?,
            env: self.variables(root)?,
            env_files: self.env_files(root)?,
            ports: self.ports(root)?,
            volumes,
            named_volumes,
            tmpfs,
            volume_options: self.volume_options(root)?,
            secrets: self.secrets(root)?,
            secrets_as: None,
            entrypoint: self.command(root, "entrypoint")?,
            command: self.command(root, "command")?,
            working_dir: self.one(root, "workingDir", parse::target_path)?,
            user: self.one(root, "user", parse::user)?,
            memory: self.one(root, "memory", parse::memory)?,
            cpus: self.one(root, "cpus", parse::cpus)?,
            pids: self.one(root, "pids", parse::pids)?,
            restart: self.restart(root)?,
            health: self.health(root)?,
            labels: self.labels(root)?,
            logging: self.logging(root)?,
            root: self
                .switch(root, "readOnly")?
                .map(|on| on.map(|on| if on { RootFilesystem::ReadOnly } else { RootFilesystem::Writable })),
            extra_hosts: self.extra_hosts(root)?,
            hooks: Hooks { post_start: self.hooks(root, "postStart")?, pre_stop: self.hooks(root, "preStop")? },
        })
    }

    fn known(&self, field: &DocumentField<'_>, known: &[&'static str]) -> Read<()> {
        let Value::Map(entries) = &field.node.value else { return Err(self.wrong(field, "an object")) };
        match entries.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, node)) => Err(LaunchError::UnknownField {
                location: Box::new(self.location(node)),
                field: field.child(key, node).path,
                near: nearest_field(key, known),
                known: known.iter().copied().filter(|name| *name != "$schema").collect(),
            }),
        }
    }

    fn location(&self, node: &Node) -> Location {
        node.location(self.file)
    }

    fn wrong(&self, field: &DocumentField<'_>, expected: &'static str) -> LaunchError {
        let path = if field.path.is_empty() { self.file.to_owned() } else { field.path.clone() };
        let location = Box::new(self.location(field.node));
        LaunchError::WrongType { location, field: path, expected, found: field.node.kind() }
    }

    fn fail(&self, field: &DocumentField<'_>, invalid: impl Into<InvalidOption>) -> LaunchError {
        let from = ValueSource { origin: self.origin(field), location: Some(self.location(field.node)) };
        LaunchError::value(from, invalid)
    }

    fn origin(&self, field: &DocumentField<'_>) -> Origin {
        Origin::field(self.file, &field.path)
    }

    fn found<T>(&self, field: &DocumentField<'_>, value: T) -> Sourced<T> {
        Sourced::new(value, self.origin(field))
    }

    /// A scalar as it is written.
    fn text<'n>(&self, field: &DocumentField<'n>) -> Read<&'n str> {
        match &field.node.value {
            Value::Text(text) if text.contains('\0') => Err(self.fail(field, InvalidValue::Nul)),
            Value::Text(text) | Value::Number(text) => Ok(text),
            _ => Err(self.wrong(field, "a text")),
        }
    }

    fn one<T, P: Into<InvalidOption>>(
        &self,
        parent: &DocumentField<'_>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, P>,
    ) -> Read<Option<Sourced<T>>> {
        let Some(field) = parent.get(key) else { return Ok(None) };
        let value = parse(self.text(&field)?).map_err(|invalid| self.fail(&field, invalid))?;
        Ok(Some(self.found(&field, value)))
    }

    fn plain<T, P: Into<InvalidOption>>(
        &self,
        parent: &DocumentField<'_>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, P>,
    ) -> Read<Option<T>> {
        Ok(self.one(parent, key, parse)?.map(|found| found.value))
    }

    fn switch(&self, parent: &DocumentField<'_>, key: &str) -> Read<Option<Sourced<bool>>> {
        let Some(field) = parent.get(key) else { return Ok(None) };
        let Value::Bool(text) = &field.node.value else { return Err(self.wrong(&field, "true or false")) };
        let on = settings::parse::switch(text).map_err(|fault| self.fail(&field, fault))?;
        Ok(Some(self.found(&field, on)))
    }

    fn required<'n>(
        &self,
        parent: &DocumentField<'n>,
        key: &'static str,
        expected: &'static str,
    ) -> Read<DocumentField<'n>> {
        parent.get(key).ok_or_else(|| self.missing(parent, key, expected))
    }

    fn missing(&self, parent: &DocumentField<'_>, field: &'static str, expected: &'static str) -> LaunchError {
        self.fail(parent, InvalidOption::MissingField { parent: shown(&parent.path), field, expected })
    }

    /// An object of names and values, or a list of `NAME=VALUE` and `NAME`. Without a value it is taken from the environment.
    fn variables(&self, root: &DocumentField<'_>) -> Read<BTreeMap<String, Sourced<String>>> {
        let Some(field) = root.get("env") else { return Ok(BTreeMap::new()) };
        let mut variables = BTreeMap::new();
        let mut add = |field: &DocumentField<'_>, name: &str, value: Option<&str>| {
            let name = settings::parse::variable_name(name).map_err(|fault| self.fail(field, fault))?;
            let value = value.or_else(|| self.environment.get(&name));
            let value = value.ok_or_else(|| self.fail(field, InvalidValue::VariableNotSet(name.clone())))?;
            variables.insert(name, self.found(field, value.to_owned()));
            Ok::<(), LaunchError>(())
        };
        if let Some(members) = field.members() {
            for (name, field) in members {
                match &field.node.value {
                    Value::Null => add(&field, name, None)?,
                    Value::Bool(text) => add(&field, name, Some(text))?,
                    _ => add(&field, name, Some(self.text(&field)?))?,
                }
            }
        } else {
            for item in field.items().ok_or_else(|| self.wrong(&field, "an object or a list"))? {
                let text = self.text(&item)?;
                let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
                add(&item, name, value)?;
            }
        }
        Ok(variables)
    }

    fn env_files(&self, root: &DocumentField<'_>) -> Read<Vec<Sourced<std::path::PathBuf>>> {
        let items = root.list("envFiles").unwrap_or_default();
        let read = |item: &DocumentField<'_>| {
            let path = settings::parse::path(self.text(item)?).map_err(|fault| self.fail(item, fault))?;
            Ok(self.found(item, self.folder.join(path)))
        };
        items.iter().map(read).collect()
    }

    fn ports(&self, root: &DocumentField<'_>) -> Read<Option<Vec<Sourced<PortConfig>>>> {
        let Some(items) = root.list("ports") else { return Ok(None) };
        items.iter().map(|item| Ok(self.found(item, self.port(item)?))).collect::<Read<_>>().map(Some)
    }

    fn port(&self, item: &DocumentField<'_>) -> Read<PortConfig> {
        if !matches!(item.node.value, Value::Map(_)) {
            return parse::publish(self.text(item)?).map_err(|invalid| self.fail(item, invalid));
        }
        self.known(item, &["address", "hostPort", "containerPort", "protocol"])?;
        let protocol = |text: &str| match text {
            "tcp" => Ok(Protocol::Tcp),
            "udp" => Ok(Protocol::Udp),
            other => Err(InvalidValue::Choice { value: shown(other), known: &["tcp", "udp"] }),
        };
        let address = |text: &str| text.parse().map_err(|_| InvalidOption::Address { text: shown(text) });
        let container_port = self.plain(item, "containerPort", settings::parse::port)?;
        let host_port = self.plain(item, "hostPort", parse::host_port)?.or(container_port);
        Ok(PortConfig {
            address: self.plain(item, "address", address)?,
            host_port: host_port.ok_or_else(|| self.missing(item, "hostPort", "a port of the machine"))?,
            container_port,
            protocol: self.plain(item, "protocol", protocol)?.unwrap_or(Protocol::Tcp),
        })
    }

    /// The mounts at `key`. `targets` has those of all mounts so far: each is used once.
    fn mounts(
        &self,
        root: &DocumentField<'_>,
        key: &str,
        targets: &mut Vec<String>,
        read: impl Fn(&Self, &DocumentField<'_>) -> Read<Mount>,
    ) -> Read<Vec<Sourced<Mount>>> {
        let mut mounts = Vec::new();
        for item in root.list(key).unwrap_or_default() {
            let mount = read(self, &item)?;
            let target = mount.target().to_owned();
            if targets.contains(&target) {
                return Err(self.fail(&item, InvalidOption::MountTwice { target: shown(&target) }));
            }
            targets.push(target);
            mounts.push(self.found(&item, mount));
        }
        Ok(mounts)
    }

    fn volume(&self, item: &DocumentField<'_>) -> Read<Mount> {
        if !matches!(item.node.value, Value::Map(_)) {
            return parse::mount(self.text(item)?, self.folder).map_err(|invalid| self.fail(item, invalid));
        }
        self.known(item, &["source", "target", "readOnly"])?;
        let source = self.required(item, "source", "a path of the machine, or the name of a volume")?;
        let (target, access) = (self.target(item)?, self.access(item)?);
        let mount = parse::mount_of(self.text(&source)?, target, access, self.folder);
        mount.map_err(|invalid| self.fail(&source, invalid))
    }

    fn named_volume(&self, item: &DocumentField<'_>) -> Read<Mount> {
        if !matches!(item.node.value, Value::Map(_)) {
            let mount = parse::mount(self.text(item)?, self.folder).map_err(|invalid| self.fail(item, invalid))?;
            return if matches!(mount, Mount::Volume { .. }) {
                Ok(mount)
            } else {
                Err(self.fail(item, InvalidOption::PathAsVolume))
            };
        }
        self.known(item, &["name", "target", "readOnly", "driver", "options"])?;
        Ok(Mount::Volume { name: self.volume_name(item)?, target: self.target(item)?, access: self.access(item)? })
    }

    fn volume_name(&self, item: &DocumentField<'_>) -> Read<ContainerName> {
        let name = self.required(item, "name", "the name of the volume")?;
        parse::name(self.text(&name)?).map_err(|invalid| self.fail(&name, invalid))
    }

    fn target(&self, item: &DocumentField<'_>) -> Read<String> {
        let target = self.required(item, "target", "a path in the container")?;
        parse::target_path(self.text(&target)?).map_err(|invalid| self.fail(&target, invalid))
    }

    fn access(&self, item: &DocumentField<'_>) -> Read<MountAccess> {
        let read_only = self.switch(item, "readOnly")?.is_some_and(|on| on.value);
        Ok(if read_only { MountAccess::ReadOnly } else { MountAccess::ReadWrite })
    }

    fn volume_options(&self, root: &DocumentField<'_>) -> Read<BTreeMap<ContainerName, VolumeOptions>> {
        let mut volumes = BTreeMap::new();
        let items = root.list("namedVolumes").unwrap_or_default();
        for item in items.iter().filter(|item| matches!(item.node.value, Value::Map(_))) {
            let driver = self.plain(item, "driver", settings::parse::word)?;
            let options = self.texts(item, "options")?;
            if driver.is_some() || !options.is_empty() {
                volumes.insert(self.volume_name(item)?, VolumeOptions { driver, options });
            }
        }
        Ok(volumes)
    }

    /// An object of texts.
    fn texts(&self, parent: &DocumentField<'_>, key: &str) -> Read<BTreeMap<String, String>> {
        let Some(field) = parent.get(key) else { return Ok(BTreeMap::new()) };
        let members = field.members().ok_or_else(|| self.wrong(&field, "an object"))?;
        let member = |(name, field): (&str, DocumentField<'_>)| match &field.node.value {
            Value::Bool(text) => Ok((name.to_owned(), text.clone())),
            _ => Ok((name.to_owned(), self.text(&field)?.to_owned())),
        };
        members.into_iter().map(member).collect()
    }

    fn tmpfs(&self, item: &DocumentField<'_>) -> Read<Mount> {
        if !matches!(item.node.value, Value::Map(_)) {
            return parse::tmpfs(self.text(item)?).map_err(|invalid| self.fail(item, invalid));
        }
        self.known(item, &["target", "size", "mode"])?;
        Ok(Mount::Tmpfs {
            target: self.target(item)?,
            size: self.plain(item, "size", settings::parse::size)?,
            mode: self.plain(item, "mode", parse::file_mode)?,
            owner: None,
        })
    }

    fn secrets(&self, root: &DocumentField<'_>) -> Read<Vec<Sourced<SecretSource>>> {
        let mut secrets: Vec<Sourced<SecretSource>> = Vec::new();
        for item in root.list("secrets").unwrap_or_default() {
            let mut secret = self.secret(&item)?;
            if let SecretValue::File(path) = &mut secret.value {
                *path = self.folder.join(&*path);
            }
            if secrets.iter().any(|known| known.value.id == secret.id) {
                return Err(self.fail(&item, InvalidValue::SecretTwice(shown(&secret.id))));
            }
            secrets.push(self.found(&item, secret));
        }
        Ok(secrets)
    }

    fn secret(&self, item: &DocumentField<'_>) -> Read<SecretSource> {
        if !matches!(item.node.value, Value::Map(_)) {
            return typed_secret(self.text(item)?, self.environment).map_err(|fault| self.fail(item, fault));
        }
        self.known(item, &["name", "file", "env"])?;
        let name = self.required(item, "name", "the name by which the app reads it")?;
        let (name, file) = (self.text(&name)?, self.plain(item, "file", settings::parse::path)?);
        let typed = match (file, self.plain(item, "env", settings::parse::variable_name)?) {
            (Some(_), Some(_)) => {
                return Err(self.fail(item, InvalidValue::SecretSyntax("has both `file` and `env`".into())));
            }
            (Some(file), None) => typed_secret(&format!("id={name},src=x"), self.environment)
                .map(|secret| SecretSource { value: SecretValue::File(file.into()), ..secret }),
            (None, Some(variable)) => typed_secret(&format!("id={name},env={variable}"), self.environment),
            (None, None) => typed_secret(&format!("id={name}"), self.environment),
        };
        typed.map_err(|fault| self.fail(item, fault))
    }

    /// A text of words, or a list of words.
    fn command(&self, parent: &DocumentField<'_>, key: &str) -> Read<Option<Sourced<Vec<String>>>> {
        parent.get(key).map(|field| self.words(&field)).transpose()
    }

    fn words(&self, field: &DocumentField<'_>) -> Read<Sourced<Vec<String>>> {
        let words = match field.items() {
            None => settings::parse::words(self.text(field)?).map_err(|invalid| self.fail(field, invalid))?,
            Some(items) => items.iter().map(|item| self.text(item).map(str::to_owned)).collect::<Read<_>>()?,
        };
        if words.first().is_none_or(String::is_empty) {
            return Err(self.fail(field, InvalidValue::Empty));
        }
        Ok(self.found(field, words))
    }

    /// One command as text, or a list of commands; a command is a text or a list of words.
    fn hooks(&self, root: &DocumentField<'_>, key: &str) -> Read<Vec<Sourced<Vec<String>>>> {
        let Some(hooks) = root.get("hooks") else { return Ok(Vec::new()) };
        self.known(&hooks, &["postStart", "preStop"])?;
        hooks.list(key).unwrap_or_default().iter().map(|item| self.words(item)).collect()
    }

    /// YAML 1.1 reads `no` as false, so that writers of YAML may turn it into that.
    fn restart(&self, root: &DocumentField<'_>) -> Read<Option<Sourced<RestartPolicy>>> {
        match root.get("restart") {
            Some(field) if matches!(&field.node.value, Value::Bool(text) if text == "false") => {
                Ok(Some(self.found(&field, RestartPolicy::No)))
            }
            _ => self.one(root, "restart", parse::restart),
        }
    }

    fn health(&self, root: &DocumentField<'_>) -> Read<Option<Sourced<HealthConfig>>> {
        let Some(field) = root.get("health") else { return Ok(None) };
        if matches!(&field.node.value, Value::Bool(text) if text == "false") {
            return Ok(Some(self.found(&field, HealthConfig::Disabled)));
        }
        if !matches!(field.node.value, Value::Map(_)) {
            return Err(self.wrong(&field, "an object, or `false` for no health check"));
        }
        self.known(&field, &["command", "interval", "timeout", "startPeriod", "retries"])?;
        let times = |text: &str| {
            let number = text.parse::<u32>().ok().filter(|number| (1..=1000).contains(number));
            number.ok_or_else(|| InvalidValue::Count(shown(text)))
        };
        let check = HealthConfig::Check {
            command: self.command(&field, "command")?.map(|command| command.value),
            interval: self.plain(&field, "interval", settings::parse::duration)?,
            timeout: self.plain(&field, "timeout", settings::parse::duration)?,
            start_period: self.plain(&field, "startPeriod", settings::parse::duration)?,
            retries: self.plain(&field, "retries", times)?,
        };
        Ok(Some(self.found(&field, check)))
    }

    fn labels(&self, root: &DocumentField<'_>) -> Read<BTreeMap<String, Sourced<String>>> {
        let Some(field) = root.get("labels") else { return Ok(BTreeMap::new()) };
        let mut labels = BTreeMap::new();
        for (name, field) in field.members().ok_or_else(|| self.wrong(&field, "an object"))? {
            let name = settings::parse::label_name(name).map_err(|fault| self.fail(&field, fault))?;
            let value = match &field.node.value {
                Value::Bool(text) => text,
                _ => self.text(&field)?,
            };
            labels.insert(name, self.found(&field, value.to_owned()));
        }
        Ok(labels)
    }

    fn logging(&self, root: &DocumentField<'_>) -> Read<Option<Sourced<LogDriver>>> {
        let Some(field) = root.get("logging") else { return Ok(None) };
        self.known(&field, &["driver", "options"])?;
        let driver = self.required(&field, "driver", "such as json-file, local or journald")?;
        let driver = settings::parse::word(self.text(&driver)?).map_err(|invalid| self.fail(&driver, invalid))?;
        Ok(Some(self.found(&field, LogDriver { driver, options: self.texts(&field, "options")? })))
    }

    /// A list of `HOST:ADDRESS`, or an object of hosts and addresses.
    fn extra_hosts(&self, root: &DocumentField<'_>) -> Read<Vec<Sourced<String>>> {
        let Some(field) = root.get("extraHosts") else { return Ok(Vec::new()) };
        let host = |field: &DocumentField<'_>, line: &str| {
            let host = parse::extra_host(line).map_err(|invalid| self.fail(field, invalid))?;
            Ok(self.found(field, host))
        };
        if let Some(members) = field.members() {
            return members.iter().map(|(name, field)| host(field, &format!("{name}:{}", self.text(field)?))).collect();
        }
        let items = field.items().ok_or_else(|| self.wrong(&field, "a list or an object"))?;
        items.iter().map(|item| host(item, self.text(item)?)).collect()
    }
}

/// The field that was most likely meant. Spellings and names of Compose count, too: `env_files` is `envFiles`.
fn nearest_field(key: &str, known: &[&'static str]) -> Option<String> {
    const OTHER_NAMES: [(&str, &str); 9] = [
        ("environment", "env"),
        ("network", "networkName"),
        ("networks", "networkName"),
        ("healthcheck", "health"),
        ("working_dir", "workingDir"),
        ("cmd", "command"),
        ("mem_limit", "memory"),
        ("restartPolicy", "restart"),
        ("read_only", "readOnly"),
    ];
    let plain = |key: &str| key.replace(['_', '-'], "").to_ascii_lowercase();
    let spelled = known.iter().find(|name| plain(name) == plain(key));
    let renamed = || {
        OTHER_NAMES
            .iter()
            .find(|(other, name)| plain(other) == plain(key) && known.contains(name))
            .map(|(_, name)| name)
    };
    spelled
        .or_else(renamed)
        .map(|name| (*name).to_owned())
        .or_else(|| nearest(key, known.iter().copied()).map(str::to_owned))
}

#[cfg(test)]
mod tests;
