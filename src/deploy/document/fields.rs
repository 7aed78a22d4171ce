//! The fields of a container document, one by one.

use std::collections::BTreeMap;

use super::{Field, Read, Reader};
use crate::config::metadata::Value;
use crate::config::settings::{InvalidValue, SecretSource, SecretValue, parse, typed_secret};
use crate::deploy::error::{LaunchError, Problem};
use crate::deploy::grammar;
use crate::deploy::wishes::{HealthWish, Publish, VolumeWish};
use crate::diagnostic::shown;
use crate::docker::{Access, ContainerName, LogDriver, Mount, Protocol, RestartPolicy};
use crate::origin::Sourced;

impl Reader<'_> {
    /// An object of names and values, or a list of `NAME=VALUE` and `NAME`; a name without value is taken from the environment.
    pub(super) fn variables(&self, root: &Field<'_>) -> Read<BTreeMap<String, Sourced<String>>> {
        let Some(field) = root.get("env") else { return Ok(BTreeMap::new()) };
        let mut variables = BTreeMap::new();
        let mut add = |field: &Field<'_>, name: &str, value: Option<&str>| {
            let name = parse::variable_name(name).map_err(|invalid| self.fail(field, invalid))?;
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

    pub(super) fn env_files(&self, root: &Field<'_>) -> Read<Vec<Sourced<std::path::PathBuf>>> {
        let items = root.list("envFiles").unwrap_or_default();
        let read = |item: &Field<'_>| {
            let path = parse::path(self.text(item)?).map_err(|invalid| self.fail(item, invalid))?;
            Ok(self.found(item, self.folder.join(path)))
        };
        items.iter().map(read).collect()
    }

    pub(super) fn ports(&self, root: &Field<'_>) -> Read<Option<Vec<Sourced<Publish>>>> {
        let Some(items) = root.list("ports") else { return Ok(None) };
        items.iter().map(|item| Ok(self.found(item, self.port(item)?))).collect::<Read<_>>().map(Some)
    }

    pub(super) fn port(&self, item: &Field<'_>) -> Read<Publish> {
        if !matches!(item.node.value, Value::Map(_)) {
            return grammar::publish(self.text(item)?).map_err(|problem| self.fail(item, problem));
        }
        self.known(item, &["address", "hostPort", "containerPort", "protocol"])?;
        let protocol = |text: &str| match text {
            "tcp" => Ok(Protocol::Tcp),
            "udp" => Ok(Protocol::Udp),
            other => Err(InvalidValue::Choice { value: shown(other), known: &["tcp", "udp"] }),
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

    pub(super) fn mounts(&self, root: &Field<'_>) -> Read<Vec<Sourced<Mount>>> {
        let mut mounts: Vec<Sourced<Mount>> = Vec::new();
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

    pub(super) fn volume(&self, item: &Field<'_>) -> Read<Mount> {
        if !matches!(item.node.value, Value::Map(_)) {
            return grammar::mount(self.text(item)?, self.folder).map_err(|problem| self.fail(item, problem));
        }
        self.known(item, &["source", "target", "readOnly"])?;
        let source = self.required(item, "source", "a path of the machine, or the name of a volume")?;
        let (target, access) = (self.target(item)?, self.access(item)?);
        let mount = grammar::mount_of(self.text(&source)?, target, access, self.folder);
        mount.map_err(|problem| self.fail(&source, problem))
    }

    pub(super) fn named_volume(&self, item: &Field<'_>) -> Read<Mount> {
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

    pub(super) fn volume_name(&self, item: &Field<'_>) -> Read<ContainerName> {
        let name = self.required(item, "name", "the name of the volume")?;
        grammar::name(self.text(&name)?).map_err(|problem| self.fail(&name, problem))
    }

    pub(super) fn target(&self, item: &Field<'_>) -> Read<String> {
        let target = self.required(item, "target", "a path in the container")?;
        grammar::target_path(self.text(&target)?).map_err(|problem| self.fail(&target, problem))
    }

    pub(super) fn access(&self, item: &Field<'_>) -> Read<Access> {
        let read_only = self.switch(item, "readOnly")?.is_some_and(|on| on.value);
        Ok(if read_only { Access::ReadOnly } else { Access::ReadWrite })
    }

    pub(super) fn volume_options(&self, root: &Field<'_>) -> Read<BTreeMap<ContainerName, VolumeWish>> {
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
    pub(super) fn texts(&self, parent: &Field<'_>, key: &str) -> Read<BTreeMap<String, String>> {
        let Some(field) = parent.get(key) else { return Ok(BTreeMap::new()) };
        let members = field.members().ok_or_else(|| self.wrong(&field, "an object"))?;
        let member = |(name, field): (&str, Field<'_>)| match &field.node.value {
            Value::Bool(text) => Ok((name.to_owned(), text.clone())),
            _ => Ok((name.to_owned(), self.text(&field)?.to_owned())),
        };
        members.into_iter().map(member).collect()
    }

    pub(super) fn tmpfs(&self, item: &Field<'_>) -> Read<Mount> {
        if !matches!(item.node.value, Value::Map(_)) {
            return grammar::tmpfs(self.text(item)?).map_err(|problem| self.fail(item, problem));
        }
        self.known(item, &["target", "size", "mode"])?;
        Ok(Mount::Tmpfs {
            target: self.target(item)?,
            size: self.plain(item, "size", parse::size)?,
            mode: self.plain(item, "mode", grammar::file_mode)?,
            owner: None,
        })
    }

    pub(super) fn secrets(&self, root: &Field<'_>) -> Read<Vec<Sourced<SecretSource>>> {
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

    pub(super) fn secret(&self, item: &Field<'_>) -> Read<SecretSource> {
        if !matches!(item.node.value, Value::Map(_)) {
            return typed_secret(self.text(item)?, self.environment).map_err(|invalid| self.fail(item, invalid));
        }
        self.known(item, &["name", "file", "env"])?;
        let name = self.required(item, "name", "the name that the app knows it by")?;
        let (name, file) = (self.text(&name)?, self.plain(item, "file", parse::path)?);
        let typed = match (file, self.plain(item, "env", parse::variable_name)?) {
            (Some(_), Some(_)) => {
                return Err(self.fail(item, InvalidValue::SecretSyntax("has both `file` and `env`".into())));
            }
            (Some(file), None) => typed_secret(&format!("id={name},src=x"), self.environment)
                .map(|secret| SecretSource { value: SecretValue::File(file.into()), ..secret }),
            (None, Some(variable)) => typed_secret(&format!("id={name},env={variable}"), self.environment),
            (None, None) => typed_secret(&format!("id={name}"), self.environment),
        };
        typed.map_err(|invalid| self.fail(item, invalid))
    }

    /// A text of words, or a list of words.
    pub(super) fn command(&self, parent: &Field<'_>, key: &str) -> Read<Option<Sourced<Vec<String>>>> {
        parent.get(key).map(|field| self.words(&field)).transpose()
    }

    pub(super) fn words(&self, field: &Field<'_>) -> Read<Sourced<Vec<String>>> {
        let words = match field.items() {
            None => grammar::command(self.text(field)?).map_err(|problem| self.fail(field, problem))?,
            Some(items) => items.iter().map(|item| self.text(item).map(str::to_owned)).collect::<Read<_>>()?,
        };
        if words.first().is_none_or(String::is_empty) {
            return Err(self.fail(field, InvalidValue::Empty));
        }
        Ok(self.found(field, words))
    }

    /// One command as text, or a list of commands; a command is a text or a list of words.
    pub(super) fn hooks(&self, root: &Field<'_>, key: &str) -> Read<Vec<Sourced<Vec<String>>>> {
        let Some(hooks) = root.get("hooks") else { return Ok(Vec::new()) };
        self.known(&hooks, &["postStart", "preStop"])?;
        hooks.list(key).unwrap_or_default().iter().map(|item| self.words(item)).collect()
    }

    /// `no` is a boolean to some writers of YAML, and reaches us as `false`.
    pub(super) fn restart(&self, root: &Field<'_>) -> Read<Option<Sourced<RestartPolicy>>> {
        match root.get("restart") {
            Some(field) if matches!(&field.node.value, Value::Bool(text) if text == "false") => {
                Ok(Some(self.found(&field, RestartPolicy::No)))
            }
            _ => self.one(root, "restart", grammar::restart),
        }
    }

    pub(super) fn health(&self, root: &Field<'_>) -> Read<Option<Sourced<HealthWish>>> {
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
            number.ok_or_else(|| InvalidValue::Count(shown(text)))
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

    pub(super) fn labels(&self, root: &Field<'_>) -> Read<BTreeMap<String, Sourced<String>>> {
        let Some(field) = root.get("labels") else { return Ok(BTreeMap::new()) };
        let mut labels = BTreeMap::new();
        for (name, field) in field.members().ok_or_else(|| self.wrong(&field, "an object"))? {
            let name = parse::label_name(name).map_err(|invalid| self.fail(&field, invalid))?;
            let value = match &field.node.value {
                Value::Bool(text) => text,
                _ => self.text(&field)?,
            };
            labels.insert(name, self.found(&field, value.to_owned()));
        }
        Ok(labels)
    }

    pub(super) fn logging(&self, root: &Field<'_>) -> Read<Option<Sourced<LogDriver>>> {
        let Some(field) = root.get("logging") else { return Ok(None) };
        self.known(&field, &["driver", "options"])?;
        let driver = self.required(&field, "driver", "such as json-file, local or journald")?;
        let driver = grammar::word(self.text(&driver)?).map_err(|problem| self.fail(&driver, problem))?;
        Ok(Some(self.found(&field, LogDriver { driver, options: self.texts(&field, "options")? })))
    }

    /// A list of `HOST:ADDRESS`, or an object of hosts and addresses.
    pub(super) fn extra_hosts(&self, root: &Field<'_>) -> Read<Vec<Sourced<String>>> {
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
