//! The walk: every path below the root as an entry, without following any link.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::error::{SourceError, io_reason};
use super::exclusions::Exclusions;
use crate::diagnostic::printable_path;
use crate::host::{DEEPEST_PATH, Size, kind_of};

/// Kind of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file of `size` bytes.
    File {
        size: u64,
    },
    Directory,
    /// A symbolic link with its target as written.
    Symlink {
        target: PathBuf,
    },
    /// A socket, pipe or device; `what` names the kind in words.
    Special {
        what: &'static str,
    },
    /// A directory that could not be listed; the operating system's message.
    UnreadableDirectory {
        reason: String,
    },
}

/// One path of the repository, relative to its root; names need not be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceEntry {
    pub path: PathBuf,
    pub kind: EntryKind,
    /// Permission bits (`0o7777`).
    pub mode: u32,
}

impl SourceEntry {
    /// True for a link to an absolute path or above the root. Only the text of the target counts.
    pub fn leaves_root(&self) -> bool {
        let EntryKind::Symlink { target } = &self.kind else { return false };
        let mut depth = self.path.components().count().saturating_sub(1);
        target.components().any(|component| match component {
            Component::RootDir | Component::Prefix(_) => true,
            Component::ParentDir if depth == 0 => true,
            Component::ParentDir => {
                depth -= 1;
                false
            }
            Component::Normal(_) => {
                depth += 1;
                false
            }
            Component::CurDir => false,
        })
    }
}

/// Memory limit of the entries: about 400,000 files and folders. A dry run takes eight times as much and has to stay below 512 MiB.
const ENTRIES_LIMIT: u64 = 48 * 1024 * 1024;

/// What is left of [`ENTRIES_LIMIT`].
struct WalkBudget {
    memory: u64,
    entries: usize,
}

impl WalkBudget {
    /// # Errors
    /// The limit that `entry` exceeds.
    fn spend(&mut self, entry: &SourceEntry) -> Result<(), String> {
        let target = if let EntryKind::Symlink { target } = &entry.kind { target.as_os_str().len() } else { 0 };
        let memory = (size_of::<SourceEntry>() + entry.path.as_os_str().len() + target) as u64;
        let entries = self.entries;
        let too_many = || format!("{entries} files and folders exceed {} with their paths", Size(ENTRIES_LIMIT));
        self.memory = self.memory.checked_sub(memory).ok_or_else(too_many)?;
        self.entries += 1;
        if entry.kind == EntryKind::Directory && entry.path.components().count() > DEEPEST_PATH {
            return Err(format!("`{}…` is nested more than {DEEPEST_PATH} folders deep", beginning(&entry.path)));
        }
        Ok(())
    }
}

/// Enough of a very long path to find it.
fn beginning(path: &Path) -> String {
    const PARTS: usize = 8;
    printable_path(&path.components().take(PARTS).collect::<PathBuf>())
}

/// All entries below `root`, sorted component by component (bytewise), parents before children.
///
/// A directory below the root that cannot be read becomes an [`EntryKind::UnreadableDirectory`]: an error only if it is sent.
pub(super) fn walk(root: &Path, exclusions: Exclusions) -> Result<Vec<SourceEntry>, SourceError> {
    let mut entries = Vec::new();
    let mut budget = WalkBudget { memory: ENTRIES_LIMIT, entries: 0 };
    let failed = |error| match error {
        ListError::Io(error) => SourceError::from_io(root, &error),
        ListError::TooLarge(reason) => SourceError::TooLarge { path: root.to_path_buf(), reason },
    };
    // Directories that are still to be listed, the next one last.
    let mut found = list(root, Path::new(""), exclusions, &mut budget).map_err(failed)?;
    found.reverse();
    while let Some(mut entry) = found.pop() {
        if entry.kind == EntryKind::Directory {
            match list(root, &entry.path, exclusions, &mut budget) {
                Ok(children) => found.extend(children.into_iter().rev()),
                Err(ListError::Io(error)) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(ListError::Io(error)) => entry.kind = EntryKind::UnreadableDirectory { reason: io_reason(&error) },
                Err(error) => return Err(failed(error)),
            }
        }
        entries.push(entry);
    }
    Ok(entries)
}

enum ListError {
    Io(io::Error),
    /// The limit that is exceeded.
    TooLarge(String),
}

impl From<io::Error> for ListError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The entries of one directory, sorted by name.
fn list(
    root: &Path,
    directory: &Path,
    exclusions: Exclusions,
    budget: &mut WalkBudget,
) -> Result<Vec<SourceEntry>, ListError> {
    let mut children: Vec<SourceEntry> = Vec::new();
    for child in fs::read_dir(root.join(directory))? {
        let child = child?;
        let name = child.file_name();
        if exclusions.prunes(directory, &name) {
            continue;
        }
        let path = directory.join(&name);
        // Relative to the open directory, so no path is resolved a second time.
        match child.metadata().and_then(|metadata| entry(root, path, &metadata)) {
            Ok(entry) => {
                budget.spend(&entry).map_err(ListError::TooLarge)?;
                children.push(entry);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    // All have the same parent.
    children.sort_unstable_by(|a, b| a.path.file_name().cmp(&b.path.file_name()));
    Ok(children)
}

fn entry(root: &Path, path: PathBuf, metadata: &Metadata) -> io::Result<SourceEntry> {
    let file_type = metadata.file_type();
    let kind = if file_type.is_file() {
        EntryKind::File { size: metadata.len() }
    } else if file_type.is_dir() {
        EntryKind::Directory
    } else if file_type.is_symlink() {
        EntryKind::Symlink { target: fs::read_link(root.join(&path))? }
    } else {
        EntryKind::Special { what: kind_of(file_type) }
    };
    Ok(SourceEntry { path, kind, mode: metadata.mode() & 0o7777 })
}
