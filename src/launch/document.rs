//! The container document: JSON or YAML text in, [`Wishes`] out. Strict: a field that is not known is an error, and every error
//! names the field with its line and column. Never opens the files that it names.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::{LaunchError, Problem};
use super::grammar;
use super::wishes::{HealthWish, Publish, VolumeWish, Wishes};
use crate::container::{Access, ContainerName, LogDriver, Mount, Protocol, RootFilesystem};
use crate::diagnostic::{Location, nearest, shown};
use crate::host::Environment;
use crate::metadata::{Node, Value, parse_json, parse_yaml};
use crate::origin::{Detected, Origin};
use crate::settings::{Fault, Giver, SecretSource, SecretValue, parse, typed_secret};

/// Fields of the document, in the order of the documentation.
pub(super) const FIELDS: [&str; 25] = [
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

/// Reads a document. `file` is its name for messages, and tells JSON from YAML; relative paths in it start from `folder`.
pub fn read_document(file: &str, text: &str, folder: &Path, environment: &Environment) -> Result<Wishes, LaunchError> {
    let is_json = Path::new(file).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let parsed = if is_json { parse_json(file, text) } else { parse_yaml(file, text) };
    let root = parsed.map_err(|error| LaunchError::Document(Box::new(error)))?;
    let reader = Reader { file, folder, environment };
    let root = Field { path: String::new(), node: &root };
    reader.document(&root)
}

/// A value together with the way to it.
struct Field<'n> {
    path: String,
    node: &'n Node,
}

impl<'n> Field<'n> {
    fn child(&self, key: &str, node: &'n Node) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { path, node }
    }

    /// The field `key`, when it says something.
    fn get(&self, key: &str) -> Option<Self> {
        let (name, node) = self.node.entries().iter().find(|(name, _)| name == key)?;
        (!matches!(node.value, Value::Null)).then(|| self.child(name, node))
    }

    fn items(&self) -> Option<Vec<Self>> {
        let Value::List(items) = &self.node.value else { return None };
        let item = |(at, node): (usize, &'n Node)| Self { path: format!("{}[{at}]", self.path), node };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The items of the list `key`, or the one value that stands in its place.
    fn list(&self, key: &str) -> Option<Vec<Self>> {
        let field = self.get(key)?;
        Some(field.items().unwrap_or_else(|| vec![field]))
    }

    fn members(&self) -> Option<Vec<(&'n str, Self)>> {
        let Value::Map(entries) = &self.node.value else { return None };
        Some(entries.iter().map(|(key, node)| (key.as_str(), self.child(key, node))).collect())
    }
}

struct Reader<'a> {
    file: &'a str,
    folder: &'a Path,
    environment: &'a Environment,
}

type Read<T> = Result<T, LaunchError>;

impl Reader<'_> {
    fn document(&self, root: &Field<'_>) -> Read<Wishes> {
        self.known(root, &FIELDS)?;
        Ok(Wishes {
            name: self.one(root, "name", grammar::name)?,
            image: self.one(root, "image", grammar::image)?,
            network: self.one(root, "networkName", grammar::name)?,
            env: self.variables(root)?,
            env_files: self.env_files(root)?,
            ports: self.ports(root)?,
            mounts: self.mounts(root)?,
            volumes: self.volume_options(root)?,
            secrets: self.secrets(root)?,
            secrets_as: None,
            entrypoint: self.command(root, "entrypoint")?,
            command: self.command(root, "command")?,
            working_dir: self.one(root, "workingDir", grammar::target_path)?,
            user: self.one(root, "user", grammar::user)?,
            memory: self.one(root, "memory", grammar::memory)?,
            cpus: self.one(root, "cpus", grammar::cpus)?,
            pids: self.one(root, "pids", grammar::pids)?,
            restart: self.one(root, "restart", grammar::restart)?,
            health: self.health(root)?,
            labels: self.labels(root)?,
            logging: self.logging(root)?,
            root: self
                .switch(root, "readOnly")?
                .map(|on| on.map(|on| if on { RootFilesystem::ReadOnly } else { RootFilesystem::Writable })),
            extra_hosts: self.extra_hosts(root)?,
            post_start: self.hooks(root, "postStart")?,
            pre_stop: self.hooks(root, "preStop")?,
        })
    }

    // What every field needs

    fn known(&self, field: &Field<'_>, known: &[&'static str]) -> Read<()> {
        let Value::Map(entries) = &field.node.value else { return Err(self.wrong(field, "an object")) };
        match entries.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, node)) => Err(LaunchError::UnknownField {
                location: Box::new(self.place(node)),
                field: field.child(key, node).path,
                near: nearest_field(key, known),
                known: known.iter().copied().filter(|name| *name != "$schema").collect(),
            }),
        }
    }

    fn place(&self, node: &Node) -> Location {
        node.location(self.file)
    }

    fn wrong(&self, field: &Field<'_>, wanted: &'static str) -> LaunchError {
        let path = if field.path.is_empty() { self.file.to_owned() } else { field.path.clone() };
        let location = Box::new(self.place(field.node));
        LaunchError::WrongType { location, field: path, wanted, found: field.node.kind() }
    }

    fn fail(&self, field: &Field<'_>, problem: impl Into<Problem>) -> LaunchError {
        let giver = Giver { origin: self.origin(field), location: Some(self.place(field.node)) };
        LaunchError::value(giver, problem)
    }

    fn origin(&self, field: &Field<'_>) -> Origin {
        Origin::field(self.file, &field.path)
    }

    fn found<T>(&self, field: &Field<'_>, value: T) -> Detected<T> {
        Detected::new(value, self.origin(field))
    }

    /// A scalar as it is written.
    fn text<'n>(&self, field: &Field<'n>) -> Read<&'n str> {
        match &field.node.value {
            Value::Text(text) if text.contains('\0') => Err(self.fail(field, Fault::Nul)),
            Value::Text(text) | Value::Number(text) => Ok(text),
            _ => Err(self.wrong(field, "a text")),
        }
    }

    fn one<T, P: Into<Problem>>(
        &self,
        parent: &Field<'_>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, P>,
    ) -> Read<Option<Detected<T>>> {
        let Some(field) = parent.get(key) else { return Ok(None) };
        let value = parse(self.text(&field)?).map_err(|problem| self.fail(&field, problem))?;
        Ok(Some(self.found(&field, value)))
    }

    fn plain<T, P: Into<Problem>>(
        &self,
        parent: &Field<'_>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, P>,
    ) -> Read<Option<T>> {
        Ok(self.one(parent, key, parse)?.map(|found| found.value))
    }

    fn switch(&self, parent: &Field<'_>, key: &str) -> Read<Option<Detected<bool>>> {
        let Some(field) = parent.get(key) else { return Ok(None) };
        let Value::Bool(text) = &field.node.value else { return Err(self.wrong(&field, "true or false")) };
        let on = parse::switch(text).map_err(|fault| self.fail(&field, fault))?;
        Ok(Some(self.found(&field, on)))
    }

    fn required<'n>(&self, parent: &Field<'n>, key: &'static str, wanted: &'static str) -> Read<Field<'n>> {
        parent.get(key).ok_or_else(|| self.missing(parent, key, wanted))
    }

    fn missing(&self, parent: &Field<'_>, key: &'static str, wanted: &'static str) -> LaunchError {
        let message = format!("`{}` has no `{key}`", shown(&parent.path));
        let hint = format!("add `{key}`: {wanted}");
        self.fail(parent, Problem { code: "launch/missing-field", message, hint })
    }

    // The fields

    /// An object of names and values, or a list of `NAME=VALUE` and `NAME`; a name without value is taken from the environment.
    fn variables(&self, root: &Field<'_>) -> Read<BTreeMap<String, Detected<String>>> {
        let Some(field) = root.get("env") else { return Ok(BTreeMap::new()) };
        let mut variables = BTreeMap::new();
        let mut add = |field: &Field<'_>, name: &str, value: Option<&str>| {
            let name = parse::variable_name(name).map_err(|fault| self.fail(field, fault))?;
            let value = value.or_else(|| self.environment.get(&name));
            let value = value.ok_or_else(|| self.fail(field, Fault::VariableNotSet(name.clone())))?;
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

    fn env_files(&self, root: &Field<'_>) -> Read<Vec<Detected<std::path::PathBuf>>> {
        let items = root.list("envFiles").unwrap_or_default();
        let read = |item: &Field<'_>| {
            let path = parse::path(self.text(item)?).map_err(|fault| self.fail(item, fault))?;
            Ok(self.found(item, self.folder.join(path)))
        };
        items.iter().map(read).collect()
    }

    fn ports(&self, root: &Field<'_>) -> Read<Option<Vec<Detected<Publish>>>> {
        let Some(items) = root.list("ports") else { return Ok(None) };
        items.iter().map(|item| Ok(self.found(item, self.port(item)?))).collect::<Read<_>>().map(Some)
    }

    fn port(&self, item: &Field<'_>) -> Read<Publish> {
        if !matches!(item.node.value, Value::Map(_)) {
            return grammar::publish(self.text(item)?).map_err(|problem| self.fail(item, problem));
        }
        self.known(item, &["address", "hostPort", "containerPort", "protocol"])?;
        let protocol = |text: &str| match text {
            "tcp" => Ok(Protocol::Tcp),
            "udp" => Ok(Protocol::Udp),
            other => Err(Fault::Choice { value: shown(other), known: &["tcp", "udp"] }),
        };
        let address = |text: &str| {
            text.parse().map_err(|_| Problem {
                code: "launch/address",
                message: format!("`{}` is no IP address", shown(text)),
                hint: "give an address of the machine, such as 127.0.0.1".to_owned(),
            })
        };
        let host = |text: &str| if text == "0" { Ok(0) } else { parse::port(text) };
        let container_port = self.plain(item, "containerPort", parse::port)?;
        let host_port = self.plain(item, "hostPort", host)?.or(container_port);
        Ok(Publish {
            address: self.plain(item, "address", address)?,
            host_port: host_port.ok_or_else(|| self.missing(item, "hostPort", "a port of the machine"))?,
            container_port,
            protocol: self.plain(item, "protocol", protocol)?.unwrap_or(Protocol::Tcp),
        })
    }

    fn mounts(&self, root: &Field<'_>) -> Read<Vec<Detected<Mount>>> {
        let mut mounts: Vec<Detected<Mount>> = Vec::new();
        for (key, read) in [
            ("volumes", Self::volume as fn(&Self, &Field<'_>) -> Read<Mount>),
            ("namedVolumes", Self::named_volume),
            ("tmpfs", Self::tmpfs),
        ] {
            for item in root.list(key).unwrap_or_default() {
                let mount = read(self, &item)?;
                if mounts.iter().any(|known| known.value.target() == mount.target()) {
                    return Err(self.fail(
                        &item,
                        Problem {
                            code: "launch/mount-twice",
                            message: format!("two mounts have the place `{}`", shown(mount.target())),
                            hint: "give each place in the container once".to_owned(),
                        },
                    ));
                }
                mounts.push(self.found(&item, mount));
            }
        }
        Ok(mounts)
    }

    fn volume(&self, item: &Field<'_>) -> Read<Mount> {
        if !matches!(item.node.value, Value::Map(_)) {
            return grammar::mount(self.text(item)?, self.folder).map_err(|problem| self.fail(item, problem));
        }
        self.known(item, &["source", "target", "readOnly"])?;
        let source = self.required(item, "source", "a path of the machine")?;
        let path =
            grammar::source_path(self.text(&source)?, self.folder).map_err(|problem| self.fail(&source, problem))?;
        Ok(Mount::Bind { source: path, target: self.target(item)?, access: self.access(item)? })
    }

    fn named_volume(&self, item: &Field<'_>) -> Read<Mount> {
        if !matches!(item.node.value, Value::Map(_)) {
            let mount = grammar::mount(self.text(item)?, self.folder).map_err(|problem| self.fail(item, problem))?;
            return if matches!(mount, Mount::Volume { .. }) {
                Ok(mount)
            } else {
                Err(self.fail(
                    item,
                    Problem {
                        code: "launch/volume",
                        message: "a path is no name of a volume".to_owned(),
                        hint: "put paths of the machine under `volumes`".to_owned(),
                    },
                ))
            };
        }
        self.known(item, &["name", "target", "readOnly", "driver", "options"])?;
        Ok(Mount::Volume { name: self.volume_name(item)?, target: self.target(item)?, access: self.access(item)? })
    }

    fn volume_name(&self, item: &Field<'_>) -> Read<ContainerName> {
        let name = self.required(item, "name", "the name of the volume")?;
        grammar::name(self.text(&name)?).map_err(|problem| self.fail(&name, problem))
    }

    fn target(&self, item: &Field<'_>) -> Read<String> {
        let target = self.required(item, "target", "a path in the container")?;
        grammar::target_path(self.text(&target)?).map_err(|problem| self.fail(&target, problem))
    }

    fn access(&self, item: &Field<'_>) -> Read<Access> {
        let read_only = self.switch(item, "readOnly")?.is_some_and(|on| on.value);
        Ok(if read_only { Access::ReadOnly } else { Access::ReadWrite })
    }

    fn volume_options(&self, root: &Field<'_>) -> Read<BTreeMap<ContainerName, VolumeWish>> {
        let mut volumes = BTreeMap::new();
        let items = root.list("namedVolumes").unwrap_or_default();
        for item in items.iter().filter(|item| matches!(item.node.value, Value::Map(_))) {
            let driver = self.plain(item, "driver", grammar::word)?;
            let options = self.texts(item, "options")?;
            if driver.is_some() || !options.is_empty() {
                volumes.insert(self.volume_name(item)?, VolumeWish { driver, options });
            }
        }
        Ok(volumes)
    }

    /// An object of texts.
    fn texts(&self, parent: &Field<'_>, key: &str) -> Read<BTreeMap<String, String>> {
        let Some(field) = parent.get(key) else { return Ok(BTreeMap::new()) };
        let members = field.members().ok_or_else(|| self.wrong(&field, "an object"))?;
        let member = |(name, field): (&str, Field<'_>)| match &field.node.value {
            Value::Bool(text) => Ok((name.to_owned(), text.clone())),
            _ => Ok((name.to_owned(), self.text(&field)?.to_owned())),
        };
        members.into_iter().map(member).collect()
    }

    fn tmpfs(&self, item: &Field<'_>) -> Read<Mount> {
        if !matches!(item.node.value, Value::Map(_)) {
            return grammar::tmpfs(self.text(item)?).map_err(|problem| self.fail(item, problem));
        }
        self.known(item, &["target", "size", "mode"])?;
        Ok(Mount::Tmpfs {
            target: self.target(item)?,
            size: self.plain(item, "size", parse::memory)?,
            mode: self.plain(item, "mode", grammar::file_mode)?,
            owner: None,
        })
    }

    fn secrets(&self, root: &Field<'_>) -> Read<Vec<Detected<SecretSource>>> {
        let mut secrets: Vec<Detected<SecretSource>> = Vec::new();
        for item in root.list("secrets").unwrap_or_default() {
            let mut secret = self.secret(&item)?;
            if let SecretValue::File(path) = &mut secret.value {
                *path = self.folder.join(&*path);
            }
            if secrets.iter().any(|known| known.value.id == secret.id) {
                return Err(self.fail(&item, Fault::SecretTwice(shown(&secret.id))));
            }
            secrets.push(self.found(&item, secret));
        }
        Ok(secrets)
    }

    fn secret(&self, item: &Field<'_>) -> Read<SecretSource> {
        if !matches!(item.node.value, Value::Map(_)) {
            return typed_secret(self.text(item)?, self.environment).map_err(|fault| self.fail(item, fault));
        }
        self.known(item, &["name", "file", "env"])?;
        let name = self.required(item, "name", "the name that the app knows it by")?;
        let (name, file) = (self.text(&name)?, self.plain(item, "file", parse::path)?);
        let typed = match (file, self.plain(item, "env", parse::variable_name)?) {
            (Some(_), Some(_)) => return Err(self.fail(item, Fault::SecretSyntax("has both `file` and `env`".into()))),
            (Some(file), None) => typed_secret(&format!("id={name},src=x"), self.environment)
                .map(|secret| SecretSource { value: SecretValue::File(file.into()), ..secret }),
            (None, Some(variable)) => typed_secret(&format!("id={name},env={variable}"), self.environment),
            (None, None) => typed_secret(&format!("id={name}"), self.environment),
        };
        typed.map_err(|fault| self.fail(item, fault))
    }

    /// A text of words, or a list of words.
    fn command(&self, parent: &Field<'_>, key: &str) -> Read<Option<Detected<Vec<String>>>> {
        parent.get(key).map(|field| self.words(&field)).transpose()
    }

    fn words(&self, field: &Field<'_>) -> Read<Detected<Vec<String>>> {
        let words = match field.items() {
            None => grammar::command(self.text(field)?).map_err(|problem| self.fail(field, problem))?,
            Some(items) => items.iter().map(|item| self.text(item).map(str::to_owned)).collect::<Read<_>>()?,
        };
        if words.first().is_none_or(String::is_empty) {
            return Err(self.fail(field, Fault::Empty));
        }
        Ok(self.found(field, words))
    }

    /// One command as text, or a list of commands; a command is a text or a list of words.
    fn hooks(&self, root: &Field<'_>, key: &str) -> Read<Vec<Detected<Vec<String>>>> {
        let Some(hooks) = root.get("hooks") else { return Ok(Vec::new()) };
        self.known(&hooks, &["postStart", "preStop"])?;
        hooks.list(key).unwrap_or_default().iter().map(|item| self.words(item)).collect()
    }

    fn health(&self, root: &Field<'_>) -> Read<Option<Detected<HealthWish>>> {
        let Some(field) = root.get("health") else { return Ok(None) };
        if matches!(&field.node.value, Value::Bool(text) if text == "false") {
            return Ok(Some(self.found(&field, HealthWish::Disabled)));
        }
        if !matches!(field.node.value, Value::Map(_)) {
            return Err(self.wrong(&field, "an object, or `false` for no health check"));
        }
        self.known(&field, &["command", "interval", "timeout", "startPeriod", "retries"])?;
        let times = |text: &str| {
            let number = text.parse::<u32>().ok().filter(|number| (1..=1000).contains(number));
            number.ok_or_else(|| Fault::Count(shown(text)))
        };
        let check = HealthWish::Check {
            command: self.command(&field, "command")?.map(|command| command.value),
            interval: self.plain(&field, "interval", grammar::duration)?,
            timeout: self.plain(&field, "timeout", grammar::duration)?,
            start_period: self.plain(&field, "startPeriod", grammar::duration)?,
            retries: self.plain(&field, "retries", times)?,
        };
        Ok(Some(self.found(&field, check)))
    }

    fn labels(&self, root: &Field<'_>) -> Read<BTreeMap<String, Detected<String>>> {
        let Some(field) = root.get("labels") else { return Ok(BTreeMap::new()) };
        let mut labels = BTreeMap::new();
        for (name, field) in field.members().ok_or_else(|| self.wrong(&field, "an object"))? {
            let name = parse::label_name(name).map_err(|fault| self.fail(&field, fault))?;
            let value = match &field.node.value {
                Value::Bool(text) => text,
                _ => self.text(&field)?,
            };
            labels.insert(name, self.found(&field, value.to_owned()));
        }
        Ok(labels)
    }

    fn logging(&self, root: &Field<'_>) -> Read<Option<Detected<LogDriver>>> {
        let Some(field) = root.get("logging") else { return Ok(None) };
        self.known(&field, &["driver", "options"])?;
        let driver = self.required(&field, "driver", "such as json-file, local or journald")?;
        let driver = grammar::word(self.text(&driver)?).map_err(|problem| self.fail(&driver, problem))?;
        Ok(Some(self.found(&field, LogDriver { driver, options: self.texts(&field, "options")? })))
    }

    /// A list of `HOST:ADDRESS`, or an object of hosts and addresses.
    fn extra_hosts(&self, root: &Field<'_>) -> Read<Vec<Detected<String>>> {
        let Some(field) = root.get("extraHosts") else { return Ok(Vec::new()) };
        let host = |field: &Field<'_>, line: &str| {
            let host = grammar::extra_host(line).map_err(|problem| self.fail(field, problem))?;
            Ok(self.found(field, host))
        };
        if let Some(members) = field.members() {
            return members.iter().map(|(name, field)| host(field, &format!("{name}:{}", self.text(field)?))).collect();
        }
        let items = field.items().ok_or_else(|| self.wrong(&field, "a list or an object"))?;
        items.iter().map(|item| host(item, self.text(item)?)).collect()
    }
}

/// The field that was most likely meant, also when only its spelling differs: `env_files` is `envFiles`.
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
