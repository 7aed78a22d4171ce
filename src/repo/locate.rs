//! Which directory is the repository or workspace root, and where the given directory lies below it.
//!
//! Looks upwards for marker files only; a parent is the root if it declares the start directory as its member. Never looks above
//! the git top level, and without git only at parents that declare workspaces.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::error::SourceError;
use super::git::git_top_level;
use crate::host::{FILE_LIMIT, Folder};
use crate::rel_path::RelPath;

/// The root of the repository or workspace, and the requested directory below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRoot {
    /// Absolute, without links.
    pub root: PathBuf,
    pub start: RelPath,
}

/// Bytes of all files that are read on the way up.
const DECLARATIONS_LIMIT: u64 = 8 * 1024 * 1024;
/// Patterns that are matched; detection reports roots with more.
const MOST_PATTERNS: usize = 10_000;

const LOCKFILES: &[&str] =
    &["package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"];

/// Finds the root for the directory `dir`.
///
/// The nearest parent whose workspaces contain the directory is the root; else, inside a git work tree, the nearest parent with
/// a lockfile when the directory has none; else the directory itself.
pub fn locate(dir: &Path) -> Result<SourceRoot, SourceError> {
    let start = dir.canonicalize().map_err(|error| SourceError::from_io(dir, &error))?;
    fs::read_dir(&start).map_err(|error| SourceError::from_io(dir, &error))?;
    let root = find_root(&start);
    let below = start.strip_prefix(&root).ok().and_then(Path::to_str).and_then(|below| RelPath::new(below).ok());
    // A name that is not UTF-8 cannot be written in a Dockerfile: such a directory is its own root.
    Ok(match below {
        Some(below) => SourceRoot { root, start: below },
        None => SourceRoot { root: start, start: RelPath::root() },
    })
}

fn find_root(start: &Path) -> PathBuf {
    let top = git_top_level(start);
    let owners = Owners::of(start);
    let reader = DeclarationReader {
        top: top.as_deref(),
        owners,
        left: Cell::new(DECLARATIONS_LIMIT),
        patterns: Cell::new(MOST_PATTERNS),
    };
    let parents = || match &top {
        Some(top) => start.ancestors().skip(1).take_while(|parent| parent.starts_with(top)).collect::<Vec<_>>(),
        None => start.ancestors().skip(1).collect(),
    };
    if let Some(workspace) = parents().into_iter().find(|parent| declares_member(&reader, parent, start)) {
        return workspace.to_path_buf();
    }
    if top.is_some()
        && !has_lockfile(start, owners)
        && reader.workspace_patterns(start).is_empty()
        && let Some(parent) = parents().into_iter().find(|parent| has_lockfile(parent, owners))
    {
        return parent.to_path_buf();
    }
    start.to_path_buf()
}

fn has_lockfile(directory: &Path, owners: Owners) -> bool {
    LOCKFILES.iter().map(|name| directory.join(name)).any(|path| path.is_file() && owners.include(&path))
}

/// Users whose files above the start directory are trusted: otherwise a `package.json` that another user puts into `/tmp` would
/// make `/tmp` the root of every project below it.
#[derive(Debug, Clone, Copy)]
struct Owners {
    /// User id of the start directory's owner; absent when it cannot be read.
    start: Option<u32>,
    /// Effective user id of this process.
    process: u32,
}

impl Owners {
    fn of(start: &Path) -> Self {
        let owner = fs::metadata(start).ok().map(|metadata| metadata.uid());
        Self { start: owner, process: rustix::process::geteuid().as_raw() }
    }

    /// True when the file at `path`, itself and not what it links to, belongs to one of them.
    fn include(self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|found| found.uid() == self.process || Some(found.uid()) == self.start)
    }
}

/// True when the workspaces of `parent` contain `start`. The last pattern that matches decides, as all package managers do.
fn declares_member(reader: &DeclarationReader<'_>, parent: &Path, start: &Path) -> bool {
    let Ok(member) = start.strip_prefix(parent) else { return false };
    let mut is_member = false;
    for pattern in reader.workspace_patterns(parent) {
        let Some(left) = reader.patterns.get().checked_sub(1) else { return false };
        reader.patterns.set(left);
        let (negated, pattern) = match pattern.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, pattern.as_str()),
        };
        if negated == is_member
            && is_workspace_pattern(pattern)
            && glob(pattern).is_some_and(|glob| glob.is_match(member))
        {
            is_member = !negated;
        }
    }
    is_member
}

/// False for a package pattern that would take very long to compile or match.
pub fn is_workspace_pattern(pattern: &str) -> bool {
    const LONGEST: usize = 1_024;
    const MOST_WILDCARDS: usize = 16;
    const MOST_CHOICES: usize = 64;
    pattern.len() <= LONGEST
        && pattern.matches(['*', '{']).count() <= MOST_WILDCARDS
        && pattern.matches(['?', '[', ',']).count() <= MOST_CHOICES
}

fn glob(pattern: &str) -> Option<GlobMatcher> {
    let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
    GlobBuilder::new(pattern).literal_separator(true).build().ok().map(|glob| glob.compile_matcher())
}

#[derive(Deserialize)]
struct PnpmWorkspaces {
    packages: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct NpmWorkspaces {
    workspaces: Option<Workspaces>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Workspaces {
    Globs(Vec<String>),
    Object { packages: Option<Vec<String>> },
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct LernaConfig {
    packages: Option<Vec<String>>,
}

/// Reads the declarations of folders, up to a limit.
struct DeclarationReader<'a> {
    /// Top of the git work tree, which links must not leave; without git they must not leave their own folder.
    top: Option<&'a Path>,
    owners: Owners,
    /// Bytes.
    left: Cell<u64>,
    patterns: Cell<usize>,
}

impl DeclarationReader<'_> {
    /// Workspace patterns that `directory` declares. Files that cannot be read or parsed declare nothing here; when their
    /// directory becomes the root, detection reports what is wrong with them.
    fn workspace_patterns(&self, directory: &Path) -> Vec<String> {
        if let Some(text) = self.text(directory, "pnpm-workspace.yaml") {
            let workspace = serde_saphyr::from_str::<PnpmWorkspaces>(&text).ok();
            return workspace.and_then(|workspace| workspace.packages).unwrap_or_default();
        }
        if let Some(manifest) = self.json::<NpmWorkspaces>(directory, "package.json") {
            let patterns = match manifest.workspaces {
                Some(Workspaces::Globs(globs) | Workspaces::Object { packages: Some(globs) }) => globs,
                _ => Vec::new(),
            };
            if !patterns.is_empty() {
                return patterns;
            }
        }
        match self.json::<LernaConfig>(directory, "lerna.json") {
            Some(LernaConfig { packages: Some(packages) }) => packages,
            // Lerna's own default.
            Some(LernaConfig { packages: None }) => vec!["packages/*".to_owned()],
            None => Vec::new(),
        }
    }

    fn text(&self, directory: &Path, name: &str) -> Option<String> {
        let root = self.top.unwrap_or(directory);
        let path = directory.join(name);
        if !self.owners.include(&path) {
            return None;
        }
        let bytes =
            Folder::open(root).ok()?.read(path.strip_prefix(root).ok()?, FILE_LIMIT.min(self.left.get())).ok()?;
        self.left.set(self.left.get().saturating_sub(bytes.len() as u64));
        String::from_utf8(bytes).ok()
    }

    fn json<T: serde::de::DeserializeOwned>(&self, directory: &Path, name: &str) -> Option<T> {
        let text = self.text(directory, name)?;
        serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()
    }
}
