//! Where a checkout keeps its git data, whether that data may be trusted, and why the git facts of a repository are missing.
//!
//! In: a directory. Out: a [`WorkTree`]. Only `.git` at the top of a work tree counts: a folder that merely looks like a git
//! directory, which a repository can hold as ordinary files, is never taken for one. Runs nothing.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Warning, printable_path};
use crate::host::Environment;
use crate::repo::error::io_reason;

/// git could not be run, or its data must not be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GitError {
    #[error("`git` is not installed")]
    NotInstalled,
    #[error("cannot create a temporary folder: {reason}")]
    NoPrivateFolder { reason: String },
    #[error("{message}")]
    Failed { message: String },
    #[error("`git` did not finish within {seconds} s")]
    TimedOut { seconds: u64 },
    #[error("the output of `git` is too large")]
    TooMuchOutput,
    #[error("there are too many submodules, or they are nested too deeply")]
    TooManySubmodules,
    #[error("not a git repository: `{}`", printable_path(path))]
    NotARepository { path: PathBuf },
    #[error("`{}`: {reason}", printable_path(path))]
    Invalid { path: PathBuf, reason: String },
    #[error("`{}`: {reason}", printable_path(path))]
    Unreadable { path: PathBuf, reason: String },
    #[error("the repository uses the unsupported extension `{name}`")]
    UnknownExtension { name: String },
    #[error("`{}` is owned by another user, who could have tampered with it", printable_path(path))]
    ForeignOwner { top: PathBuf, path: PathBuf },
}

/// Consequence of missing facts.
const CONSEQUENCE: &str = "until then the image has no commit label and every environment file counts as untracked";

impl GitError {
    pub fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::Unreadable { path: path.to_path_buf(), reason: io_reason(error) }
    }

    /// The warning when the commit is known, but not whether the work tree below `root` differs from it.
    pub fn into_status_warning(self, root: &Path) -> Warning {
        Warning::new("source/git-status", format!("it is unknown whether the work tree has changes: {self}")).with_hint(
            format!("make `git -C {} status` work; until then the work tree counts as changed", printable_path(root)),
        )
    }

    /// The warning about the checkout that holds `root`.
    pub fn into_warning(self, root: &Path) -> Warning {
        let message = format!("the state of the git repository is unknown: {self}");
        match self {
            Self::ForeignOwner { top, .. } => Warning::new("source/git-foreign-owner", message).with_hint(format!(
                "if you trust it, run `git config --global --add safe.directory {}`; {CONSEQUENCE}",
                printable_path(&top)
            )),
            Self::NotInstalled => {
                Warning::new("source/git-unavailable", message).with_hint(format!("install `git`; {CONSEQUENCE}"))
            }
            _ => Warning::new("source/git-unavailable", message)
                .with_hint(format!("make `git -C {} status` work; {CONSEQUENCE}", printable_path(root))),
        }
    }
}

/// Bytes of a `.git` or `commondir` file; git itself reads no more than a path from them.
const LARGEST_POINTER: u64 = 8 * 1024;
/// Bytes of a `config` file.
const LARGEST_CONFIG: u64 = 4 * 1024 * 1024;

/// A work tree and its git directory, as absolute paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorkTree {
    pub top: PathBuf,
    /// `.git` itself: a directory, or a file in linked work trees and submodules.
    entry: PathBuf,
    /// Holds `HEAD` and `index`.
    pub git_dir: PathBuf,
    /// Holds objects, references and configuration; differs from `git_dir` in linked work trees.
    pub common_dir: PathBuf,
}

/// The nearest directory, from `dir` upwards, that is the top of a git work tree.
pub fn git_top_level(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|candidate| is_top_level(candidate)).map(Path::to_path_buf)
}

pub(super) fn is_top_level(directory: &Path) -> bool {
    let git = directory.join(".git");
    // A file in linked work trees and submodules.
    git.is_file() || git.join("HEAD").exists()
}

impl WorkTree {
    /// The work tree whose top is `top`.
    pub fn open(top: &Path) -> Result<Self, GitError> {
        let entry = top.join(".git");
        let git_dir = if metadata(&entry)?.is_dir() { entry.clone() } else { linked_git_dir(top, &entry)? };
        let pointer = git_dir.join("commondir");
        let common_dir = match fs::symlink_metadata(&pointer) {
            Ok(_) => git_dir.join(read_pointer(&pointer)?),
            Err(_) => git_dir.clone(),
        };
        let resolve = |path: &Path| path.canonicalize().map_err(|error| GitError::unreadable(path, &error));
        let work_tree =
            Self { top: top.to_path_buf(), git_dir: resolve(&git_dir)?, common_dir: resolve(&common_dir)?, entry };
        work_tree.check_files()?;
        Ok(work_tree)
    }

    /// Refuses anything but regular files: git would block on a named pipe and never finish reading a device.
    fn check_files(&self) -> Result<(), GitError> {
        let regular = |path: PathBuf, largest: u64| match fs::metadata(&path) {
            Ok(found) if found.is_file() && found.len() <= largest => Ok(()),
            Ok(_) => Err(GitError::Invalid { path, reason: "not a regular file of a reasonable size".to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(GitError::unreadable(&path, &error)),
        };
        regular(self.git_dir.join("HEAD"), LARGEST_POINTER)?;
        regular(self.git_dir.join("index"), u64::MAX)?;
        regular(self.common_dir.join("packed-refs"), u64::MAX)?;
        regular(self.common_dir.join("shallow"), u64::MAX)?;
        for name in ["info/exclude", "info/attributes"] {
            regular(self.common_dir.join(name), LARGEST_CONFIG)?;
        }
        self.config_files().into_iter().try_for_each(|path| regular(path, LARGEST_CONFIG))
    }

    /// The repository's own configuration files, those that exist, least specific first.
    pub fn config_files(&self) -> Vec<PathBuf> {
        let files = [self.common_dir.join("config"), self.git_dir.join("config.worktree")];
        files.into_iter().filter(|path| fs::symlink_metadata(path).is_ok()).collect()
    }

    pub fn is_shallow(&self) -> bool {
        self.common_dir.join("shallow").is_file()
    }

    /// The first part of this work tree that is owned by another user.
    ///
    /// The rule is git's own since 2.35.2 (CVE-2022-24765): work tree, `.git` file and git directory must belong to the
    /// effective user; behind `sudo` also to the user who called it.
    pub fn foreign_part(&self, environment: &Environment) -> Option<&Path> {
        let own = rustix::process::geteuid().as_raw();
        let behind_sudo = (own == 0).then(|| environment.get("SUDO_UID")?.parse::<u32>().ok()).flatten();
        [&self.top, &self.entry, &self.git_dir, &self.common_dir].into_iter().map(PathBuf::as_path).find(|path| {
            let owner = fs::symlink_metadata(path).map(|metadata| metadata.uid());
            !owner.is_ok_and(|owner| owner == own || Some(owner) == behind_sudo)
        })
    }
}

fn metadata(path: &Path) -> Result<Metadata, GitError> {
    fs::metadata(path).map_err(|error| GitError::unreadable(path, &error))
}

/// What a `.git` file names: `gitdir: PATH`, relative to its own folder.
fn linked_git_dir(top: &Path, entry: &Path) -> Result<PathBuf, GitError> {
    let text = read_pointer(entry)?;
    let invalid =
        || GitError::Invalid { path: entry.to_path_buf(), reason: "it does not point to a git directory".to_owned() };
    let target = top.join(text.strip_prefix("gitdir:").ok_or_else(invalid)?.trim());
    if target.join("HEAD").exists() { Ok(target) } else { Err(GitError::NotARepository { path: target }) }
}

fn read_pointer(path: &Path) -> Result<String, GitError> {
    let found = metadata(path)?;
    if !found.is_file() || found.len() > LARGEST_POINTER {
        return Err(GitError::Invalid {
            path: path.to_path_buf(),
            reason: "it does not point to a git directory".to_owned(),
        });
    }
    let text = fs::read_to_string(path)
        .map_err(|error| GitError::Unreadable { path: path.to_path_buf(), reason: io_reason(&error) })?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}
