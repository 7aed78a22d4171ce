//! `metadata.json` in every shape that it ever had (`docs/metadata.md`).

use super::document::{Node, Value};
use super::error::MetadataError;
use super::reader::{Author, Reader};
use crate::config::Setting;

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
pub(super) enum Shape {
    /// Written by a person.
    Flat,
    /// Written by the program's predecessor.
    Payload,
    /// Written by this program: a record of what was detected, not a wish.
    Record,
}

pub(super) fn shape_of(file: &str, root: &Node) -> Result<Shape, MetadataError> {
    let location = || root.location(file);
    if !matches!(root.value, Value::Map(_)) {
        return Err(MetadataError::NotAnObject { location: location(), found: root.kind() });
    }
    if let Some((_, version)) = root.get("schema_version") {
        return match &version.value {
            Value::Number(number) if number == SCHEMA_VERSION => Ok(Shape::Record),
            _ => Err(MetadataError::UnknownSchema { location: version.location(file) }),
        };
    }
    let is_payload = PAYLOAD_KEYS.iter().any(|key| root.get(key).is_some());
    Ok(if is_payload { Shape::Payload } else { Shape::Flat })
}

/// Author of a document of `shape`.
pub(super) fn author_of(shape: Shape) -> Author {
    if shape == Shape::Flat { Author::Person } else { Author::Program }
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
