//! The container document: JSON or YAML text in, [`Wishes`] out. Strict: a field that is not known is an error, and every error
//! names the field with its line and column. Never opens the files that it names.

mod fields;

use std::path::Path;

use super::error::{LaunchError, Problem};
use super::grammar;
use super::wishes::Wishes;
use crate::config::metadata::{Node, Value, parse_json, parse_yaml};
use crate::config::settings::{InvalidValue, ValueSource, parse};
use crate::diagnostic::{Location, nearest, shown};
use crate::docker::RootFilesystem;
use crate::host::Environment;
use crate::origin::{Origin, Sourced};

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
            network: self.one(root, "networkName", grammar::network)?,
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
            restart: self.restart(root)?,
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
        let source = ValueSource { origin: self.origin(field), location: Some(self.place(field.node)) };
        LaunchError::value(source, problem)
    }

    fn origin(&self, field: &Field<'_>) -> Origin {
        Origin::field(self.file, &field.path)
    }

    fn found<T>(&self, field: &Field<'_>, value: T) -> Sourced<T> {
        Sourced::new(value, self.origin(field))
    }

    /// A scalar as it is written.
    fn text<'n>(&self, field: &Field<'n>) -> Read<&'n str> {
        match &field.node.value {
            Value::Text(text) if text.contains('\0') => Err(self.fail(field, InvalidValue::Nul)),
            Value::Text(text) | Value::Number(text) => Ok(text),
            _ => Err(self.wrong(field, "a text")),
        }
    }

    fn one<T, P: Into<Problem>>(
        &self,
        parent: &Field<'_>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, P>,
    ) -> Read<Option<Sourced<T>>> {
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

    fn switch(&self, parent: &Field<'_>, key: &str) -> Read<Option<Sourced<bool>>> {
        let Some(field) = parent.get(key) else { return Ok(None) };
        let Value::Bool(text) = &field.node.value else { return Err(self.wrong(&field, "true or false")) };
        let on = parse::switch(text).map_err(|invalid| self.fail(&field, invalid))?;
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
