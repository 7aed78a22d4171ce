//! Which directory is the repository or workspace root, and where the given directory lies below it.
//!
//! Looks upwards for marker files only; a parent is taken as the root when it says itself that the start directory is part
//! of it. Never looks above the git top level, and without git only at parents that declare workspaces.

use std::fs;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;
use serde_json::Value;

use super::error::SourceError;
use super::git::git_top_level;
use crate::rel_path::RelPath;

/// The root of the repository or workspace, and the directory that was asked for below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Absolute, without links.
    pub root: PathBuf,
    pub start: RelPath,
}

const LOCKFILES: &[&str] =
    &["package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"];

/// Finds the root for the directory `dir`.
///
/// The nearest parent whose workspaces contain the directory is the root; else, inside a git work tree, the nearest parent with
/// a lockfile when the directory has none; else the directory itself.
pub fn locate(dir: &Path) -> Result<Located, SourceError> {
    let start = dir.canonicalize().map_err(|error| SourceError::from_io(dir, &error))?;
    fs::read_dir(&start).map_err(|error| SourceError::from_io(dir, &error))?;
    let root = find_root(&start);
    let below = start.strip_prefix(&root).ok().and_then(Path::to_str).and_then(|below| RelPath::new(below).ok());
    // A name that is not UTF-8 cannot be said in a Dockerfile: such a directory is its own root.
    Ok(match below {
        Some(below) => Located { root, start: below },
        None => Located { root: start, start: RelPath::root() },
    })
}

fn find_root(start: &Path) -> PathBuf {
    let top = git_top_level(start);
    let parents = || match &top {
        Some(top) => start.ancestors().skip(1).take_while(|parent| parent.starts_with(top)).collect::<Vec<_>>(),
        None => start.ancestors().skip(1).collect(),
    };
    if let Some(workspace) = parents().into_iter().find(|parent| declares_member(parent, start)) {
        return workspace.to_path_buf();
    }
    if top.is_some()
        && !has_lockfile(start)
        && workspace_patterns(start).is_empty()
        && let Some(parent) = parents().into_iter().find(|parent| has_lockfile(parent))
    {
        return parent.to_path_buf();
    }
    start.to_path_buf()
}

fn has_lockfile(directory: &Path) -> bool {
    LOCKFILES.iter().any(|name| directory.join(name).is_file())
}

/// True when the workspaces of `parent` contain `start`. The last pattern that matches decides, as all package managers do.
fn declares_member(parent: &Path, start: &Path) -> bool {
    let Ok(member) = start.strip_prefix(parent) else { return false };
    let mut is_member = false;
    for pattern in workspace_patterns(parent) {
        let (negated, pattern) = match pattern.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, pattern.as_str()),
        };
        if negated == is_member && glob(pattern).is_some_and(|glob| glob.is_match(member)) {
            is_member = !negated;
        }
    }
    is_member
}

fn glob(pattern: &str) -> Option<GlobMatcher> {
    let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
    GlobBuilder::new(pattern).literal_separator(true).build().ok().map(|glob| glob.compile_matcher())
}

#[derive(Deserialize)]
struct PnpmWorkspace {
    #[serde(default)]
    packages: Option<Vec<String>>,
}

/// Workspace patterns that `directory` declares. Files that cannot be read or parsed declare nothing here; when their
/// directory becomes the root, detection reports what is wrong with them.
fn workspace_patterns(directory: &Path) -> Vec<String> {
    let text = |name: &str| fs::read_to_string(directory.join(name)).ok();
    let json = |name: &str| {
        text(name).and_then(|text| serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')).ok())
    };
    if let Some(text) = text("pnpm-workspace.yaml") {
        let workspace = serde_saphyr::from_str::<PnpmWorkspace>(&text).ok();
        return workspace.and_then(|workspace| workspace.packages).unwrap_or_default();
    }
    if let Some(manifest) = json("package.json") {
        let workspaces = &manifest["workspaces"];
        let patterns = strings(if workspaces.is_object() { &workspaces["packages"] } else { workspaces });
        if !patterns.is_empty() {
            return patterns;
        }
    }
    match json("lerna.json") {
        Some(lerna) if lerna["packages"].is_array() => strings(&lerna["packages"]),
        // Lerna's own default.
        Some(_) => vec!["packages/*".to_owned()],
        None => Vec::new(),
    }
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
