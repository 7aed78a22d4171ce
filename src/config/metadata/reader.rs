//! From the values of one file to settings: what all shapes have in common, and `metadata.json` in all its shapes
//! (`docs/metadata.md`).

use super::config_file::{ConfigFile, EnvScope, FileEntry, FileEnvValue, FileValue};
use super::document::{Node, Value, is_same_key};
use super::error::MetadataError;
use crate::config::setting::Setting;
use crate::diagnostic::{Warning, nearest, shown};
use crate::origin::Origin;
use crate::project::OutputMode;
use crate::rel_path::RelPath;
use crate::repo::SourceTree;
use crate::secret::Secret;

/// Who wrote the file: a program writes its defaults into it, a person only what should be different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    Person,
    Program,
}

/// Of one kind, about one object or path.
const MOST_WARNINGS: usize = 20;
/// Entries of one list; a process cannot be started with more variables (`ARG_MAX` of Linux).
const MOST_ENTRIES: usize = 5_000;

/// Reads one document.
pub(super) struct Reader<'a> {
    pub tree: &'a SourceTree,
    /// Folder that relative paths in the file start from.
    pub folder: RelPath,
    pub author: Author,
    pub root: &'a Node,
    pub file: ConfigFile,
    pub warnings: Vec<Warning>,
}

impl<'a> Reader<'a> {
    /// The first of `paths` that says something.
    fn first(&self, paths: &[&str]) -> Option<(String, &'a Node)> {
        paths.iter().filter_map(|path| self.root.at(path)).find(|(_, node)| !node.is_blank())
    }

    fn push(&mut self, setting: Setting, field: String, node: &Node, value: FileValue) {
        let location = node.location(&self.file.name);
        self.file.entries.push(FileEntry { setting, value, field, location });
    }

    fn wrong_type(&self, field: &str, node: &Node, expected: &'static str) -> MetadataError {
        let location = node.location(&self.file.name);
        MetadataError::WrongType { location, field: field.to_owned(), expected, found: node.kind() }
    }

    /// # Errors
    /// For more entries than any file has that is written on purpose.
    fn check_length(&self, field: &str, node: &Node) -> Result<(), MetadataError> {
        let length = match &node.value {
            Value::List(items) => items.len(),
            Value::Map(entries) => entries.len(),
            _ => return Ok(()),
        };
        if length <= MOST_ENTRIES {
            return Ok(());
        }
        let reason = format!("`{}` has more than {MOST_ENTRIES} entries", shown(field));
        Err(MetadataError::TooLarge { location: node.location(&self.file.name), reason })
    }

    pub fn warn(&mut self, code: &'static str, node: &Node, message: String, hint: impl Into<String>) {
        let location = node.location(&self.file.name);
        self.warnings.push(Warning::new(code, message).with_hint(hint).at(location));
    }

    /// A text.
    pub fn text(&mut self, setting: Setting, paths: &[&str]) -> Result<(), MetadataError> {
        let Some((field, node)) = self.first(paths) else { return Ok(()) };
        let Value::Text(text) = &node.value else { return Err(self.wrong_type(&field, node, "a text")) };
        self.push(setting, field, node, FileValue::Text(text.clone()));
        Ok(())
    }

    /// A number, also in quotes. A program writes 0 for "not set".
    pub fn number(&mut self, setting: Setting, paths: &[&str]) -> Result<(), MetadataError> {
        let Some((field, node)) = self.first(paths) else { return Ok(()) };
        let text = match &node.value {
            Value::Number(text) | Value::Text(text) => text.clone(),
            _ => return Err(self.wrong_type(&field, node, "a number")),
        };
        if self.author == Author::Person || text != "0" {
            self.push(setting, field, node, FileValue::Text(text));
        }
        Ok(())
    }

    /// `true` or `false`, also in quotes.
    pub fn switch(&mut self, setting: Setting, paths: &[&str]) -> Result<(), MetadataError> {
        let Some((field, node)) = self.first(paths) else { return Ok(()) };
        let (Value::Bool(text) | Value::Text(text)) = &node.value else {
            return Err(self.wrong_type(&field, node, "true or false"));
        };
        self.push(setting, field, node, FileValue::Text(text.clone()));
        Ok(())
    }

    /// A command as one text, or as a list of words.
    pub fn command(&mut self, setting: Setting, paths: &[&str]) -> Result<(), MetadataError> {
        let Some((field, node)) = self.first(paths) else { return Ok(()) };
        let value = match &node.value {
            Value::Text(text) => FileValue::Text(text.clone()),
            Value::List(words) => {
                self.check_length(&field, node)?;
                let words = words.iter().map(|word| match &word.value {
                    Value::Text(text) | Value::Number(text) => Ok(text.clone()),
                    _ => Err(self.wrong_type(&field, word, "a text")),
                });
                FileValue::Words(words.collect::<Result<_, _>>()?)
            }
            _ => return Err(self.wrong_type(&field, node, "a text or a list of texts")),
        };
        if !matches!(&value, FileValue::Words(words) if words.is_empty()) {
            self.push(setting, field, node, value);
        }
        Ok(())
    }

    /// A list of texts, or one text.
    pub fn list(&mut self, setting: Setting, paths: &[&str]) -> Result<(), MetadataError> {
        let Some((field, node)) = self.first(paths) else { return Ok(()) };
        self.check_length(&field, node)?;
        let single = std::slice::from_ref(node);
        let values = if let Value::List(values) = &node.value { values.as_slice() } else { single };
        for (at, value) in values.iter().enumerate() {
            let Value::Text(text) = &value.value else { return Err(self.wrong_type(&field, value, "a text")) };
            self.push(setting, format!("{field}[{at}]"), value, FileValue::Text(text.clone()));
        }
        Ok(())
    }

    /// Names with values: an object, a list of `{name, value, secret, scope}`, or a list of `NAME=VALUE`.
    pub fn pairs(&mut self, setting: Setting, paths: &[&str]) -> Result<(), MetadataError> {
        let Some((field, node)) = self.first(paths) else { return Ok(()) };
        self.check_length(&field, node)?;
        match &node.value {
            Value::Map(entries) => {
                for (name, value) in entries {
                    let field = format!("{field}.{name}");
                    let text = self.scalar(&field, value)?;
                    let value_of = FileEnvValue::Plain(text);
                    self.push(
                        setting,
                        field,
                        value,
                        FileValue::Pair { name: name.clone(), value: value_of, scope: None },
                    );
                }
            }
            Value::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.pair_item(setting, format!("{field}[{at}]"), item)?;
                }
            }
            _ => return Err(self.wrong_type(&field, node, "an object or a list")),
        }
        Ok(())
    }

    fn pair_item(&mut self, setting: Setting, field: String, item: &Node) -> Result<(), MetadataError> {
        if let Value::Text(text) = &item.value {
            self.push(setting, field, item, FileValue::Text(text.clone()));
            return Ok(());
        }
        let Value::Map(_) = &item.value else {
            return Err(self.wrong_type(&field, item, "an object with `name` and `value`"));
        };
        let Some((_, Node { value: Value::Text(name), .. })) = item.get("name") else {
            return Err(self.wrong_type(&format!("{field}.name"), item.get("name").map_or(item, |(_, n)| n), "a text"));
        };
        let is_secret = match item.get("secret") {
            Some((_, Node { value: Value::Bool(text), .. })) => text.eq_ignore_ascii_case("true"),
            Some((_, node)) if !node.is_blank() => {
                return Err(self.wrong_type(&format!("{field}.secret"), node, "true or false"));
            }
            _ => false,
        };
        let scope = self.scope(&field, item)?;
        let value = item.get("value").map(|(_, value)| self.scalar(&format!("{field}.value"), value)).transpose()?;
        let value = value.filter(|value| !(is_secret && value.is_empty()));
        match value {
            // The file names the secret, the environment holds it.
            None if is_secret => self.push(Setting::Secret, field, item, FileValue::Text(name.clone())),
            None => self.push(setting, field, item, FileValue::Text(name.clone())),
            Some(text) if is_secret => {
                let message = format!("the value of the secret `{}` is in the file", shown(name));
                let hint = format!(
                    "remove the value from the file and from its history, change the secret, and set `{}` in the environment",
                    shown(name)
                );
                self.warn("metadata/secret-in-file", item, message, hint);
                let value = FileEnvValue::Secret(Secret::new(text));
                self.push(setting, field, item, FileValue::Pair { name: name.clone(), value, scope });
            }
            Some(text) => {
                let value = FileEnvValue::Plain(text);
                self.push(setting, field, item, FileValue::Pair { name: name.clone(), value, scope });
            }
        }
        Ok(())
    }

    fn scope(&self, field: &str, item: &Node) -> Result<Option<EnvScope>, MetadataError> {
        let Some((_, node)) = item.get("scope").filter(|(_, node)| !node.is_blank()) else { return Ok(None) };
        let scope = match &node.value {
            Value::Text(text) => match text.as_str() {
                "auto" => Some(EnvScope::Auto),
                "build" => Some(EnvScope::Build),
                "image" => Some(EnvScope::Image),
                "container" => Some(EnvScope::Container),
                _ => None,
            },
            _ => None,
        };
        let expected = "`auto`, `build`, `image` or `container`";
        scope.map(Some).ok_or_else(|| self.wrong_type(&format!("{field}.scope"), node, expected))
    }

    /// A scalar as it was written; nothing is the empty text.
    fn scalar(&self, field: &str, node: &Node) -> Result<String, MetadataError> {
        match &node.value {
            Value::Null => Ok(String::new()),
            Value::Bool(text) | Value::Number(text) | Value::Text(text) => Ok(text.clone()),
            Value::List(_) | Value::Map(_) => Err(self.wrong_type(field, node, "a text")),
        }
    }

    /// The app's folder, relative to the file. An absolute path of another machine is not followed.
    pub fn folder(&mut self, paths: &[&str]) -> Result<(), MetadataError> {
        let Some((field, node)) = self.first(paths) else { return Ok(()) };
        let Value::Text(text) = &node.value else { return Err(self.wrong_type(&field, node, "a text")) };
        let location = node.location(&self.file.name);
        let folder = if text.starts_with('/') || text.contains('\\') || text.get(1..2) == Some(":") {
            let Some(inside) = std::path::Path::new(text).strip_prefix(&self.tree.root).ok().and_then(|p| p.to_str())
            else {
                if self.author == Author::Person {
                    let message = format!("`{field}` is an absolute path and is ignored");
                    self.warn("metadata/absolute-path", node, message, "write the app's folder, relative to the file");
                }
                return Ok(());
            };
            RelPath::new(inside)
        } else {
            self.folder.join(text)
        };
        let folder = folder.map_err(|_| MetadataError::OutsideRepository {
            location: location.clone(),
            field: field.clone(),
            path: text.clone(),
        })?;
        if !self.tree.has_directory(&folder) {
            return Err(MetadataError::NoSuchFolder { location, field, path: text.clone() });
        }
        // The file's own folder is the default.
        if folder != self.folder {
            self.push(Setting::App, field, node, FileValue::Text(folder.to_string()));
        }
        Ok(())
    }

    pub fn output_mode(&mut self, paths: &[&str]) -> Result<(), MetadataError> {
        let Some((field, node)) = self.first(paths) else { return Ok(()) };
        let mode = match &node.value {
            Value::Text(text) => match text.as_str() {
                "default" => Some(OutputMode::Default),
                "standalone" => Some(OutputMode::Standalone),
                "export" => Some(OutputMode::Export),
                _ => None,
            },
            _ => None,
        };
        let expected = "`default`, `standalone` or `export`";
        let mode = mode.ok_or_else(|| self.wrong_type(&field, node, expected))?;
        self.file.output_mode = Some(crate::origin::Sourced::new(mode, Origin::field(&self.file.name, &field)));
        Ok(())
    }

    /// Warns of credentials: `paths` that hold a text other than a reference to a variable.
    pub fn credentials(&mut self, paths: &[&str]) {
        for path in paths {
            let in_clear = |(_, node): &(String, &Node)| match &node.value {
                Value::Text(text) => !text.trim().is_empty() && !text.starts_with('$') && !text.starts_with("{{"),
                _ => false,
            };
            for (field, node) in found(self.root, path).into_iter().filter(in_clear).take(MOST_WARNINGS) {
                let message = format!("`{field}` holds a credential in clear");
                let hint = "remove it from the file and from its history, and change it; this program does not use it";
                self.warn("metadata/secret-in-file", node, message, hint);
            }
        }
    }

    /// Warns of keys of `node` that are not in `known`; names are compared without case, `_` and `-`.
    pub fn unknown_keys(&mut self, prefix: &str, node: &Node, known: &[&str]) {
        let is_known = |key: &str| known.iter().any(|known| is_same_key(known, key));
        let unknown = node.entries().iter().filter(|(key, _)| !is_known(key));
        for (key, value) in unknown.take(MOST_WARNINGS) {
            let message = format!("unknown field `{}` is ignored", shown(&format!("{prefix}{key}")));
            let hint = match nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{prefix}{near}`?"),
                None => "the fields are listed in docs/metadata.md".to_owned(),
            };
            self.warn("metadata/unknown-field", value, message, hint);
        }
    }
}

/// Every value at `path`, in which `[]` stands for all items of a list.
pub(super) fn found<'a>(root: &'a Node, path: &str) -> Vec<(String, &'a Node)> {
    let mut nodes = vec![(String::new(), root)];
    for key in path.split('.') {
        let (name, all_items) = key.strip_suffix("[]").map_or((key, false), |name| (name, true));
        let mut next = Vec::new();
        for (field, node) in nodes {
            let Some((written, value)) = node.get(name) else { continue };
            let field = if field.is_empty() { written.to_owned() } else { format!("{field}.{written}") };
            match &value.value {
                Value::List(items) if all_items => {
                    next.extend(items.iter().enumerate().map(|(at, item)| (format!("{field}[{at}]"), item)));
                }
                _ => next.push((field, value)),
            }
        }
        nodes = next;
    }
    nodes
}

/// Keys that only programs write; one of them tells the generated payload from the file that a person writes.
const PAYLOAD_KEYS: &[&str] = &[
    "nextbuildmetadata",
    "next_version",
    "next_config",
    "next_build",
    "route_info",
    "static_routes",
    "dymanic_routes",
    "dynamic_routes",
    "generated_at",
    "image_assets",
    "static_assets",
    "metadata_file_path",
    "detected_features",
];

/// Keys of the file that a person writes.
pub(super) const FLAT_KEYS: &[&str] = &[
    "$schema",
    "app_name",
    "name",
    "entry_point",
    "entrypoint",
    "start_command",
    "build_command",
    "package_manager",
    "node_version",
    "port",
    "root_dir",
    "working_dir",
    "env_vars",
    "env",
    "environment",
    "output_mode",
    "standalone",
    "output",
    "health_path",
];

/// The version of [`super::Metadata`], which this program writes.
pub(super) const SCHEMA_VERSION: &str = "1";

/// What kind of document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetadataShape {
    /// Written by a person.
    Flat,
    /// Written by the program's predecessor.
    Payload,
    /// Written by this program: a record of what was detected, not a setting.
    Record,
}

pub(super) fn shape_of(file: &str, root: &Node) -> Result<MetadataShape, MetadataError> {
    let location = || root.location(file);
    if !matches!(root.value, Value::Map(_)) {
        return Err(MetadataError::NotAnObject { location: location(), found: root.kind() });
    }
    if let Some((_, version)) = root.get("schema_version") {
        return match &version.value {
            Value::Number(number) if number == SCHEMA_VERSION => Ok(MetadataShape::Record),
            _ => Err(MetadataError::UnknownSchema { location: version.location(file) }),
        };
    }
    let is_payload = PAYLOAD_KEYS.iter().any(|key| root.get(key).is_some());
    Ok(if is_payload { MetadataShape::Payload } else { MetadataShape::Flat })
}

/// Author of a document of `shape`.
pub(super) fn author_of(shape: MetadataShape) -> Author {
    if shape == MetadataShape::Flat { Author::Person } else { Author::Program }
}

impl Reader<'_> {
    /// Reads all fields; of several spellings the first one that says something counts.
    pub(super) fn metadata_json(&mut self) -> Result<(), MetadataError> {
        self.text(Setting::Name, &["app_name", "name", "config.app_name", "config.app.name"])?;
        self.folder(&["root_dir", "working_dir"])?;
        self.text(Setting::PackageManager, &["package_manager"])?;
        self.number(Setting::NodeVersion, &["node_version"])?;
        self.text(Setting::BuildCommand, &["build_command"])?;
        self.command(Setting::StartCommand, &["entry_point", "entrypoint", "start_command"])?;
        self.number(Setting::Port, &["port", "config.port", "config.app.port"])?;
        self.text(Setting::HealthPath, &["health_path"])?;
        self.pairs(Setting::Env, &["env_vars", "env", "environment"])?;
        // In later payloads `config.environment` is a word such as `production`.
        if self.root.at("config.environment").is_some_and(|(_, node)| matches!(node.value, Value::List(_))) {
            self.pairs(Setting::Env, &["config.environment"])?;
        }
        self.output_mode(&["output_mode", "standalone", "output", "nextbuildmetadata.outputmode"])?;
        self.credentials(&["config.docker.password"]);
        if self.author == Author::Person {
            let root = self.root;
            self.unknown_keys("", root, FLAT_KEYS);
        }
        Ok(())
    }
}
