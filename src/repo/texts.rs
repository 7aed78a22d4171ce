//! The texts that detection reads, each read when it is first needed, with a limit for one file and for all together.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::error::io_reason;
use super::exclusions::is_environment_template;
use super::version_files::VERSION_FILES;
use super::walk::{EntryKind, SourceEntry};
use crate::host::{FILE_LIMIT, FileError, Folder, Size};

const MIB: u64 = 1024 * 1024;
/// The largest lockfiles of public monorepos have 10 MiB, a few private ones 30.
const LOCKFILE_LIMIT: u64 = 48 * MIB;
/// All lockfiles together: a folder may contain those of several package managers.
const LOCKFILES_LIMIT: u64 = 96 * MIB;
/// Everything else together. As values, manifests take up to 15 times the memory of their text.
const TEXTS_LIMIT: u64 = 16 * MIB;
/// Number of files, most of them manifests of a workspace.
const MOST_TEXTS: usize = 50_000;
/// Bytes kept of a file that is binary by design: its header.
const BINARY_HEADER: u64 = 4096;

/// Files of the program itself, read in addition to `.dockerignore` files and what detection reads.
const OWN_FILES: &[&str] =
    &["metadata.json", ".nextdeploy/metadata.json", ".nextdeploy/build.lock", "nextdeploy.yml", "nextdeploy.yaml"];

/// Text of one file that detection reads, or why it could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceText {
    /// UTF-8, without byte order mark.
    Text(String),
    /// Binary by design (`bun.lockb`): only its presence and first bytes matter.
    Binary(Vec<u8>),
    /// Not UTF-8 although it should be; the byte offset of the first invalid sequence.
    NotUtf8 { valid_up_to: usize },
    /// Larger than any sensible file of its kind, or beyond the total limit; completes "`file` is too large: …".
    TooLarge { reason: String },
    /// Cannot be read; the operating system's message.
    Unreadable { reason: String },
}

/// True when the text at `path` may be read.
pub(super) fn may_be_read(path: &str) -> bool {
    is_read(path)
        || path.ends_with(".dockerignore")
        || OWN_FILES.iter().any(|own| path == *own || ends_with_path(path, own))
}

fn ends_with_path(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.ends_with('/'))
}

/// A text that is read on first access; `None` for a link to something that is not a file.
pub(super) type LazyText = OnceLock<Option<Box<SourceText>>>;

/// Reads the texts of one repository within a budget.
#[derive(Debug)]
pub(super) struct TextReader {
    folder: Folder,
    budget: Mutex<ReadBudget>,
}

#[derive(Debug)]
struct ReadBudget {
    lockfiles: u64,
    texts: u64,
    files: usize,
}

impl TextReader {
    pub fn new(folder: Folder) -> Self {
        let budget = ReadBudget { lockfiles: LOCKFILES_LIMIT, texts: TEXTS_LIMIT, files: MOST_TEXTS };
        Self { folder, budget: Mutex::new(budget) }
    }

    /// A file of at most `limit` bytes; `None` if it cannot be read.
    pub fn small_file(&self, path: &Path, limit: u64) -> Option<Vec<u8>> {
        self.folder.read(path, limit).ok()
    }

    pub fn load(&self, entry: &SourceEntry) -> Option<SourceText> {
        let link = match &entry.kind {
            EntryKind::Symlink { target } => Some(target),
            EntryKind::File { .. } => None,
            EntryKind::Directory | EntryKind::Special { .. } | EntryKind::UnreadableDirectory { .. } => return None,
        };
        let name = entry.path.file_name()?.to_str()?;
        let reason = match self.read(&entry.path, name) {
            Ok(text) => return Some(text),
            Err(FileError::NotRegular { .. }) if link.is_some() => return None,
            Err(error @ FileError::TooLarge { .. }) => return Some(SourceText::TooLarge { reason: error.to_string() }),
            Err(FileError::Outside { target }) => {
                format!("it links to `{}`, outside the repository", link.unwrap_or(&target).display())
            }
            Err(FileError::Io(error)) => match link {
                Some(target) => format!("it links to `{}`: {}", target.display(), io_reason(&error)),
                None => io_reason(&error),
            },
            Err(error @ FileError::NotRegular { .. }) => error.to_string(),
        };
        Some(SourceText::Unreadable { reason })
    }

    fn read(&self, path: &Path, name: &str) -> Result<SourceText, FileError> {
        if name == "bun.lockb" {
            return self.folder.read_start(path, BINARY_HEADER).map(SourceText::Binary);
        }
        let is_lockfile = is_lockfile(name);
        let bytes = self.folder.read(path, if is_lockfile { LOCKFILE_LIMIT } else { FILE_LIMIT })?;
        Ok(match self.spend(is_lockfile, bytes.len() as u64) {
            Ok(()) => decode(bytes),
            Err(reason) => SourceText::TooLarge { reason },
        })
    }

    fn spend(&self, is_lockfile: bool, size: u64) -> Result<(), String> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, limit) = if is_lockfile {
            (budget.lockfiles.checked_sub(size), LOCKFILES_LIMIT)
        } else {
            (budget.texts.checked_sub(size), TEXTS_LIMIT)
        };
        let what = if is_lockfile { "lockfiles" } else { "manifests and configuration files" };
        let left = left.ok_or_else(|| format!("the {what} of the repository exceed {} in total", Size(limit)))?;
        budget.files = budget
            .files
            .checked_sub(1)
            .ok_or_else(|| format!("the repository has more than {MOST_TEXTS} manifests and configuration files"))?;
        *(if is_lockfile { &mut budget.lockfiles } else { &mut budget.texts }) = left;
        Ok(())
    }
}

pub(super) fn is_lockfile(name: &str) -> bool {
    matches!(
        name,
        "package-lock.json" | "npm-shrinkwrap.json" | "yarn.lock" | "pnpm-lock.yaml" | "bun.lock" | "bun.lockb"
    )
}

/// UTF-8 text; a byte order mark is dropped.
pub(super) fn decode(bytes: Vec<u8>) -> SourceText {
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            if text.starts_with('\u{feff}') {
                text.drain(..'\u{feff}'.len_utf8());
            }
            SourceText::Text(text)
        }
        Err(error) => SourceText::NotUtf8 { valid_up_to: error.utf8_error().valid_up_to() },
    }
}

/// True when detection reads the text of the file at `path` (relative, `/`-separated).
fn is_read(path: &str) -> bool {
    let mut folders = path.split('/');
    let name = folders.next_back().unwrap_or_default();
    if folders.any(|folder| folder == "node_modules") {
        return false;
    }
    matches!(
        name,
        "package.json"
            | "package-lock.json"
            | "npm-shrinkwrap.json"
            | "yarn.lock"
            | "pnpm-lock.yaml"
            | "bun.lock"
            | "bun.lockb"
            | "pnpm-workspace.yaml"
            | "turbo.json"
            | "turbo.jsonc"
            | "nx.json"
            | "project.json"
            | "lerna.json"
            | ".npmrc"
            | ".yarnrc"
            | ".yarnrc.yml"
            | "bunfig.toml"
            | ".env"
            | ".env.production"
            | ".gitmodules"
            | ".gitattributes"
    ) || (name.starts_with(".env.") && !name.contains("local"))
        || is_environment_template(name)
        || is_ci_definition(path)
        || VERSION_FILES.iter().any(|file| path == *file || ends_with_path(path, file))
        || is_code(name)
}

/// Endings of source files that check variables with a schema; the last parts of `env.mjs`, `env.server.ts`, `server-env.ts`.
const SOURCES: [&str; 6] = ["ts", "mts", "js", "mjs", "cjs", "tsx"];

/// True for a source file that may declare the environment variables of an app: `src/env.ts`, `packages/env/src/index.ts`.
pub(super) fn is_environment_schema(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let Some((stem, ending)) = parts.next().and_then(|name| name.rsplit_once('.')) else { return false };
    let stem = if stem == "index" { parts.find(|folder| *folder != "src").unwrap_or_default() } else { stem };
    let stem = stem.to_ascii_lowercase().replace(['.', '-', '_'], "");
    SOURCES.contains(&ending)
        && matches!(
            stem.as_str(),
            "env"
                | "envserver"
                | "envclient"
                | "serverenv"
                | "clientenv"
                | "envschema"
                | "envconfig"
                | "environment"
                | "keys"
                | "checkenv"
                | "checkenvvariables"
                | "checkenvironment"
                | "validateenv"
        )
}

/// Files that define how a CI or hosting system builds the repository, which show the package manager in use.
const CI_DEFINITIONS: [&str; 8] = [
    ".gitlab-ci.yml",
    ".circleci/config.yml",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    "vercel.json",
    "netlify.toml",
    "amplify.yml",
    "Dockerfile",
];

/// True for [`CI_DEFINITIONS`] and for workflows in the manner of GitHub.
pub fn is_ci_definition(path: &str) -> bool {
    let workflows = [".github/workflows/", ".gitea/workflows/", ".forgejo/workflows/"];
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let in_workflows = workflows.iter().any(|folder| path.starts_with(folder));
    CI_DEFINITIONS.contains(&path) || (in_workflows && matches!(extension, "yml" | "yaml"))
}

/// `next.config.*`, and what a custom server imports.
fn is_code(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(extension, "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" | "tsx" | "jsx")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_manifests_configuration_and_lockfiles_everywhere_but_in_installed_packages() {
        for path in [
            "package.json",
            "apps/web/package.json",
            "bun.lockb",
            "apps/web/next.config.mts",
            ".env.staging",
            "src/index.ts",
            "prisma.config.ts",
            "web/.config/prisma.ts",
            ".pnpmfile.cjs",
            "config/pnpmfile.js",
        ] {
            assert!(is_read(path), "{path}");
        }
        for path in [
            "node_modules/a/package.json",
            "a/node_modules/b/.npmrc",
            ".env.local",
            "src/index.css",
            "next.config.json",
        ] {
            assert!(!is_read(path), "{path}");
        }
    }
}
