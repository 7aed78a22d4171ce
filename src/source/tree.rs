//! [`SourceTree`]: what was found on disk, as plain values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use super::environment_file::is_environment_file;
use super::error::SourceError;
use super::exclusions::Exclusions;
use super::git::{self, GitFacts, GitOptions};
use super::texts::load_texts;
use super::walk::walk;
use crate::diagnostic::Warning;
use crate::rel_path::RelPath;

/// What a path is.
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

/// Text of one file that detection reads, or why it could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceText {
    /// UTF-8, without byte order mark.
    Text(String),
    /// Binary by design (`bun.lockb`): only its presence and first bytes matter.
    Binary(Vec<u8>),
    /// Not UTF-8 although it should be; the byte offset of the first invalid sequence.
    NotUtf8 { valid_up_to: usize },
    /// Larger than any sane file of its kind (bytes).
    TooLarge { size: u64 },
    /// Cannot be read; the operating system's message.
    Unreadable { reason: String },
}

type Walked = (Vec<SourceEntry>, BTreeMap<RelPath, SourceText>);

/// A repository as a value. Entries are sorted component by component (bytewise), so parents come before their children and
/// the children of one directory stay together.
#[derive(Debug, Clone, Default)]
pub struct SourceTree {
    /// Absolute path of the repository or workspace root.
    pub root: PathBuf,
    pub(super) entries: Vec<SourceEntry>,
    pub(super) texts: BTreeMap<RelPath, SourceText>,
    /// Absent outside of a git work tree, and when git cannot be asked (then a warning says so).
    pub git: Option<GitFacts>,
    /// What could not be found out while reading.
    pub warnings: Vec<Warning>,
}

impl SourceTree {
    /// Reads the directory `root`: all paths that `exclusions` leaves in, the texts that detection needs, the git facts; without `git`
    /// none.
    ///
    /// # Errors
    /// When `root` itself is no readable directory. What is wrong below it is part of the tree.
    pub fn read(root: &Path, exclusions: Exclusions, git: Option<&GitOptions<'_>>) -> Result<Self, SourceError> {
        let root = root.canonicalize().map_err(|error| SourceError::from_io(root, &error))?;
        let (walked, git) = thread::scope(|scope| {
            let git = scope.spawn(|| git.map(|options| git::read(&root, options)).unwrap_or_default());
            (Self::walk(&root, exclusions), git.join().unwrap_or_default())
        });
        let (entries, texts) = walked?;
        Ok(Self { root, entries, texts, git: git.facts, warnings: git.warning.into_iter().collect() })
    }

    /// The same directory with other exclusions; git is not asked again.
    ///
    /// # Errors
    /// As [`SourceTree::read`].
    pub fn read_again(&self, exclusions: Exclusions) -> Result<Self, SourceError> {
        let (entries, texts) = Self::walk(&self.root, exclusions)?;
        Ok(Self { entries, texts, root: self.root.clone(), git: self.git.clone(), warnings: self.warnings.clone() })
    }

    fn walk(root: &Path, exclusions: Exclusions) -> Result<Walked, SourceError> {
        let entries = walk(root, exclusions)?;
        let texts = load_texts(root, &entries);
        Ok((entries, texts))
    }

    /// A tree made of texts only, for detection without a disk.
    pub fn from_texts<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut tree = Self { root: PathBuf::from("/repository"), ..Self::default() };
        let mut paths: BTreeMap<PathBuf, EntryKind> = BTreeMap::new();
        for (path, text) in files {
            for parent in Path::new(path).ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()) {
                paths.insert(parent.to_path_buf(), EntryKind::Directory);
            }
            paths.insert(PathBuf::from(path), EntryKind::File { size: text.len() as u64 });
            let path = RelPath::new(path).expect("paths of a literal tree are relative");
            tree.texts.insert(path, SourceText::Text(text.to_owned()));
        }
        let mode = |kind: &EntryKind| if *kind == EntryKind::Directory { 0o755 } else { 0o644 };
        tree.entries = paths.into_iter().map(|(path, kind)| SourceEntry { mode: mode(&kind), path, kind }).collect();
        tree
    }

    pub fn entries(&self) -> &[SourceEntry] {
        &self.entries
    }

    /// The entry at `path`.
    pub fn entry(&self, path: &RelPath) -> Option<&SourceEntry> {
        let wanted = Path::new(path.as_str());
        self.entries.binary_search_by(|entry| entry.path.as_path().cmp(wanted)).ok().map(|at| &self.entries[at])
    }

    /// True when `path` is a regular file or a link.
    pub fn has_file(&self, path: &RelPath) -> bool {
        self.entry(path).is_some_and(|e| matches!(e.kind, EntryKind::File { .. } | EntryKind::Symlink { .. }))
    }

    pub fn has_directory(&self, path: &RelPath) -> bool {
        path.is_root() || self.entry(path).is_some_and(|e| e.kind == EntryKind::Directory)
    }

    /// True for an environment file that git does not track: it stays on this machine. Without git facts none is tracked.
    pub fn is_untracked_environment_file(&self, entry: &SourceEntry) -> bool {
        let is_file = matches!(entry.kind, EntryKind::File { .. } | EntryKind::Symlink { .. });
        let name = entry.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if !is_file || !is_environment_file(&name) {
            return false;
        }
        let tracked = self.git.as_ref().map(|git| &git.tracked_env_files);
        !tracked.is_some_and(|tracked| entry.path.to_str().is_some_and(|path| tracked.contains(path)))
    }

    /// The loaded text at `path`; `None` when the file does not exist or is of no interest to detection.
    pub fn text(&self, path: &RelPath) -> Option<&SourceText> {
        self.texts.get(path)
    }

    /// All loaded texts in path order.
    pub fn texts(&self) -> impl Iterator<Item = (&RelPath, &SourceText)> {
        self.texts.iter()
    }
}
