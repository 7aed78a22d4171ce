//! What this program writes about a checkout, `.nextdeploy/metadata.json` and `.nextdeploy/build.lock`, and the check that it is still true.
//!
//! Same facts, same bytes: keys have a fixed order, the time is the commit's, no path is absolute.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SecondsFormat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::config_files::usable;
use super::document::parse_json;
use super::error::MetadataError;
use super::reader::{MetadataShape, shape_of};
use super::routes::{RouteInfo, routes};
use crate::diagnostic::{Location, diagnostics, printable, shown};
use crate::project::{OutputMode, PackageManagerKind, ProjectFacts, StartScript, StaticValue};
use crate::rel_path::RelPath;
use crate::repo::{SourceText, SourceTree};

/// Folder of both files, below the app.
pub const RECORD_FOLDER: &str = ".nextdeploy";
const METADATA_FILE: &str = "metadata.json";
const LOCK_FILE: &str = "build.lock";

/// What is known about the app. Key names are those of the newest generation that has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Record of a project, .nextdeploy/metadata.json")]
pub struct Metadata {
    /// Version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub schema_version: u32,
    pub app_name: String,
    /// Exact where a lockfile says it.
    pub next_version: String,
    /// `npm`, `yarn`, `pnpm` or `bun`.
    pub package_manager: String,
    /// Exact version; absent for the npm that comes with Node.js.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_manager_version: Option<String>,
    /// Release line or exact version of Node.js.
    pub node_version: String,
    pub build_command: String,
    pub start_command: String,
    /// `default`, `standalone` or `export`; absent when only running `next.config` would tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_mode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dist_dir: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_path: Option<String>,
    /// The app's folder, relative to the root of the checkout.
    pub root_dir: String,
    /// Path of the lockfile, relative to the root of the checkout.
    pub lockfile: String,
    /// Middleware or proxy file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub middleware: Option<Middleware>,
    pub static_routes: Vec<String>,
    pub dynamic_routes: Vec<String>,
    pub route_info: RouteInfo,
    pub next_build: NextBuild,
    /// Full commit id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_dirty: Option<bool>,
    /// Time of the commit, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_at: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Middleware {
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextBuild {
    pub has_app_router: bool,
    pub has_pages_router: bool,
}

/// From what the metadata was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Record of the inputs, .nextdeploy/build.lock")]
pub struct BuildLock {
    /// Version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub schema_version: u32,
    /// Full commit id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_dirty: Option<bool>,
    /// Time of the commit, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_at: Option<String>,
    /// Path of the metadata, relative to the root of the checkout.
    pub metadata_file: String,
    /// SHA-256 of the metadata file.
    pub metadata_digest: String,
    /// SHA-256 of each file that decides what is installed and how the app is built, by path.
    pub inputs: BTreeMap<String, String>,
}

/// Settings that change what is recorded.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub name: Option<String>,
    pub build_command: Option<String>,
    pub start_command: Option<Vec<String>>,
    pub port: Option<u16>,
    pub health_path: Option<String>,
}

/// Both files with their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub metadata: Metadata,
    pub lock: BuildLock,
    pub metadata_path: RelPath,
    pub lock_path: RelPath,
}

impl Record {
    /// The record of the checkout as it is now.
    pub fn of(tree: &SourceTree, facts: &ProjectFacts, overrides: &Overrides) -> Self {
        let folder = facts.app_dir.child(RECORD_FOLDER);
        let (metadata_path, lock_path) = (folder.child(METADATA_FILE), folder.child(LOCK_FILE));
        let metadata = metadata(tree, facts, overrides);
        let lock = BuildLock {
            schema_version: 1,
            git_commit: metadata.git_commit.clone(),
            git_dirty: metadata.git_dirty,
            generated_at: metadata.generated_at.clone(),
            metadata_file: metadata_path.to_string(),
            metadata_digest: digest(json_text(&metadata).as_bytes()),
            inputs: inputs(tree, facts),
        };
        Self { metadata, lock, metadata_path, lock_path }
    }

    /// Text of `.nextdeploy/metadata.json`.
    pub fn metadata_text(&self) -> String {
        json_text(&self.metadata)
    }

    /// Text of `.nextdeploy/build.lock`.
    pub fn lock_text(&self) -> String {
        json_text(&self.lock)
    }
}

fn metadata(tree: &SourceTree, facts: &ProjectFacts, overrides: &Overrides) -> Metadata {
    let git = tree.git.as_ref();
    let routes = routes(tree, &facts.routers);
    let manager = facts.package_manager.value.kind;
    let node = &facts.node.value;
    Metadata {
        schema_version: 1,
        app_name: overrides.name.clone().unwrap_or_else(|| facts.name.value.clone()),
        next_version: facts.next.value.text.clone(),
        package_manager: manager.command().to_owned(),
        package_manager_version: facts.package_manager.value.version.as_ref().map(|version| version.value.clone()),
        node_version: node.version(),
        build_command: overrides.build_command.clone().unwrap_or_else(|| build_command(manager, facts)),
        start_command: overrides
            .start_command
            .as_ref()
            .map_or_else(|| start_command(manager, facts), |c| command_line(c)),
        output_mode: output_mode(&facts.config.output).map(str::to_owned),
        dist_dir: facts.config.dist_dir.value().cloned(),
        base_path: facts.config.base_path.value().cloned(),
        port: overrides.port.or_else(|| facts.port.as_ref().map(|port| port.value)),
        health_path: overrides.health_path.clone(),
        root_dir: facts.app_dir.to_string(),
        lockfile: facts.lockfile.path.to_string(),
        middleware: facts.middleware.as_ref().map(|path| Middleware { path: path.to_string() }),
        static_routes: routes.static_routes.clone(),
        dynamic_routes: routes.dynamic_routes.clone(),
        route_info: routes,
        next_build: NextBuild {
            has_app_router: facts.routers.app.is_some(),
            has_pages_router: facts.routers.pages.is_some(),
        },
        git_commit: git.and_then(|git| git.commit.clone()),
        git_dirty: git.map(|git| git.dirty),
        generated_at: git.and_then(|git| DateTime::from_timestamp(git.commit_time?, 0)).map(rfc3339),
    }
}

fn rfc3339(time: DateTime<chrono::Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn build_command(manager: PackageManagerKind, facts: &ProjectFacts) -> String {
    match &facts.build.script {
        Some(script) => format!("{} run {}", manager.command(), script.value.name),
        None => "next build".to_owned(),
    }
}

fn start_command(manager: PackageManagerKind, facts: &ProjectFacts) -> String {
    match &facts.start {
        StartScript::Custom(script) if script.value.name != "start" => {
            format!("{} run {}", manager.command(), script.value.name)
        }
        _ if manager == PackageManagerKind::Bun => "bun run start".to_owned(),
        _ => format!("{} start", manager.command()),
    }
}

/// Words as one line, quoted so that they are split into the same words again.
fn command_line(words: &[String]) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&b);
    let quoted = words.iter().map(|word| {
        if !word.is_empty() && word.bytes().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn output_mode(output: &StaticValue<OutputMode>) -> Option<&'static str> {
    match output {
        StaticValue::Absent => Some("default"),
        StaticValue::Value(mode) => Some(match mode.value {
            OutputMode::Default => "default",
            OutputMode::Standalone => "standalone",
            OutputMode::Export => "export",
        }),
        StaticValue::Unknown { .. } => None,
    }
}

/// The lockfile, the manifests, and what configures package manager and Next.js.
fn inputs(tree: &SourceTree, facts: &ProjectFacts) -> BTreeMap<String, String> {
    let manifest = facts.app_dir.child("package.json");
    let install = &facts.install;
    let paths = [&facts.lockfile.path, &manifest].into_iter().chain(&install.manifests).chain(&install.config_files);
    paths
        .chain(&facts.config.file)
        .filter_map(|path| match tree.text(path)? {
            SourceText::Text(text) => Some((path.to_string(), digest(text.as_bytes()))),
            _ => None,
        })
        .collect()
}

/// `sha256:…`.
pub(super) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn json_text(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("records have text keys and no value that JSON lacks");
    text + "\n"
}

diagnostics! {
    /// The record cannot be relied upon.
    #[exit(Project)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum CheckError {
        #[error("`{file}` is missing")]
        #[code("metadata/missing")]
        #[hint("{REGENERATE}")]
        #[location(Some(Location::file(file.as_str())))]
        Missing { file: RelPath },
        #[error("`{file}` was written by another program or version")]
        #[code("metadata/foreign")]
        #[hint("{REGENERATE}")]
        #[location(Some(Location::file(file.as_str())))]
        Foreign { file: RelPath },
        #[error("the record does not match the repository: {}", listed(.differences))]
        #[code("metadata/stale")]
        #[hint("{REGENERATE}")]
        #[location(Some(Location::file(file.as_str())))]
        Stale { file: RelPath, differences: Vec<Difference> },
        #[transparent]
        Unreadable(#[from] error: MetadataError),
    }
}

const REGENERATE: &str = "regenerate it with `nextdeploy metadata`";

/// One field that differs; absent is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `node_version`, `inputs.pnpm-lock.yaml`.
    pub field: String,
    pub recorded: Option<String>,
    pub current: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<String>| {
            value.as_deref().map_or_else(|| "nothing".to_owned(), |v| format!("`{}`", shown(v)))
        };
        write!(f, "`{}` was {} and is {}", printable(&self.field), value(&self.recorded), value(&self.current))
    }
}

fn listed(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Compares the record in `tree` with the one that would be written now.
///
/// # Errors
/// [`CheckError::Stale`] with every difference; the other kinds when there is nothing to compare.
pub fn check(tree: &SourceTree, current: &Record) -> Result<(), CheckError> {
    let metadata = recorded(tree, &current.metadata_path)?;
    let lock = recorded(tree, &current.lock_path)?;
    let now = |value: Result<Value, serde_json::Error>| value.expect("records are JSON");
    let mut differences = Vec::new();
    compare("", &metadata.value, &now(serde_json::to_value(&current.metadata)), &mut differences);
    let edited = lock.value["metadata_digest"].as_str() != Some(digest(metadata.text.as_bytes()).as_str());
    let mut of_lock = Vec::new();
    compare("", &lock.value, &now(serde_json::to_value(&current.lock)), &mut of_lock);
    // What both files hold is listed once; the digest of the metadata matters only if all its fields agree.
    of_lock.retain(|difference| {
        let listed = differences.iter().any(|known| known.field == difference.field);
        !listed && (difference.field != "metadata_digest" || (edited && differences.is_empty()))
    });
    differences.extend(of_lock);
    if differences.is_empty() {
        Ok(())
    } else {
        Err(CheckError::Stale { file: current.metadata_path.clone(), differences })
    }
}

struct Recorded<'a> {
    text: &'a str,
    value: Value,
}

fn recorded<'a>(tree: &'a SourceTree, file: &RelPath) -> Result<Recorded<'a>, CheckError> {
    let text = tree.text(file).ok_or_else(|| CheckError::Missing { file: file.clone() })?;
    let text = usable(file.as_str(), text)?;
    let root = parse_json(file.as_str(), text)?;
    if !matches!(shape_of(file.as_str(), &root), Ok(MetadataShape::Record)) {
        return Err(CheckError::Foreign { file: file.clone() });
    }
    let value = serde_json::from_str(text).map_err(|_| CheckError::Foreign { file: file.clone() })?;
    Ok(Recorded { text, value })
}

/// Adds every leaf that differs. Fields of objects are compared one by one, in the order in which they are written now.
fn compare(field: &str, recorded: &Value, current: &Value, differences: &mut Vec<Difference>) {
    if let (Value::Object(old), Value::Object(new)) = (recorded, current) {
        let below = |key: &str| if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") };
        for (key, value) in new {
            compare(&below(key), old.get(key).unwrap_or(&Value::Null), value, differences);
        }
        for (key, value) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
            compare(&below(key), value, &Value::Null, differences);
        }
    } else if recorded != current {
        let text = |value: &Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        differences.push(Difference { field: field.to_owned(), recorded: text(recorded), current: text(current) });
    }
}

#[cfg(test)]
mod tests;
