//! [`SourceTree`]: the content of a directory, as plain values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;

use super::above::{self, FolderAbove};
use super::error::SourceError;
use super::exclusions::{Exclusions, is_environment_file};
use super::git::{self, GitFacts, GitOptions};
use super::lfs::{LARGEST_POINTER, LfsPattern, LfsPointer};
use super::texts::{LazyText, SourceText, TextReader, is_environment_schema, may_be_read};
use super::walk::{EntryKind, SourceEntry, walk};
use crate::diagnostic::Warning;
use crate::host::Folder;
use crate::rel_path::RelPath;

/// Links that are followed for one path, as in Linux.
const MOST_LINKS: usize = 40;

/// A repository as a value. Entries are sorted component by component (bytewise), so parents come before their children and
/// the children of one directory stay together.
#[derive(Debug, Clone, Default)]
pub struct SourceTree {
    /// Absolute path of the repository or workspace root.
    pub root: PathBuf,
    pub(super) entries: Vec<SourceEntry>,
    /// By the index of the entry, ascending: those files and links whose text may be read.
    pub(super) texts: Vec<(usize, LazyText)>,
    reader: Option<Arc<TextReader>>,
    /// Version files above the root.
    pub above: Vec<FolderAbove>,
    /// `None` outside of a git work tree, and when git cannot be run (with a warning).
    pub git: Option<GitFacts>,
    /// What could not be read.
    pub warnings: Vec<Warning>,
    has_links: OnceLock<bool>,
}

impl SourceTree {
    /// Reads the directory `root`: all paths that `exclusions` leaves in, and the git facts; without `git` none. Texts are read when
    /// they are needed.
    ///
    /// # Errors
    /// If `root` itself is not a readable directory, or is larger than any repository. Problems below it are part of the tree.
    pub fn read(root: &Path, exclusions: Exclusions, git: Option<&GitOptions<'_>>) -> Result<Self, SourceError> {
        let root = root.canonicalize().map_err(|error| SourceError::from_io(root, &error))?;
        let (tree, git) = thread::scope(|scope| {
            let git = scope.spawn(|| git.map(|options| git::read(&root, options)).unwrap_or_default());
            (Self::walk(&root, exclusions), git.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let mut tree = tree?;
        tree.above = above::read(&root);
        tree.git = git.facts;
        tree.warnings.extend(git.warning);
        Ok(tree)
    }

    /// The same directory with other exclusions; git is not run again.
    ///
    /// # Errors
    /// As [`SourceTree::read`].
    pub fn read_again(&self, exclusions: Exclusions) -> Result<Self, SourceError> {
        let tree = Self::walk(&self.root, exclusions)?;
        Ok(Self { above: self.above.clone(), git: self.git.clone(), warnings: self.warnings.clone(), ..tree })
    }

    fn walk(root: &Path, exclusions: Exclusions) -> Result<Self, SourceError> {
        let entries = walk(root, exclusions)?;
        let folder = Folder::open(root).map_err(|error| SourceError::from_io(root, &error))?;
        let reader = Some(Arc::new(TextReader::new(folder)));
        Ok(Self { root: root.to_path_buf(), texts: readable(&entries), entries, reader, ..Self::default() })
    }

    /// A tree made of texts only, for detection without a disk.
    pub fn from_texts<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut paths: BTreeMap<PathBuf, (EntryKind, Option<&str>)> = BTreeMap::new();
        for (path, text) in files {
            for parent in Path::new(path).ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()) {
                paths.insert(parent.to_path_buf(), (EntryKind::Directory, None));
            }
            paths.insert(PathBuf::from(path), (EntryKind::File { size: text.len() as u64 }, Some(text)));
        }
        let mut tree = Self { root: PathBuf::from("/repository"), ..Self::default() };
        for (at, (path, (kind, text))) in paths.into_iter().enumerate() {
            let mode = if kind == EntryKind::Directory { 0o755 } else { 0o644 };
            tree.entries.push(SourceEntry { path, kind, mode });
            let text = text.map(|text| Box::new(SourceText::Text(text.to_owned())));
            tree.texts.extend(text.map(|text| (at, LazyText::from(Some(text)))));
        }
        tree
    }

    /// Replaces the text at `path`, which the tree has.
    #[cfg(test)]
    pub(crate) fn set_text(&mut self, path: &str, text: SourceText) {
        let at = self.index(Path::new(path)).unwrap();
        self.texts.retain(|(index, _)| *index != at);
        self.texts.push((at, LazyText::from(Some(Box::new(text)))));
        self.texts.sort_by_key(|(index, _)| *index);
    }

    /// Replaces the file at `path`, which the tree has, by a link.
    #[cfg(test)]
    pub(crate) fn set_link(&mut self, path: &str, target: &str) {
        let at = self.index(Path::new(path)).unwrap();
        self.texts.retain(|(index, _)| *index != at);
        self.entries[at].kind = EntryKind::Symlink { target: target.into() };
    }

    pub fn entries(&self) -> &[SourceEntry] {
        &self.entries
    }

    /// The entry at `path`.
    pub fn entry(&self, path: &RelPath) -> Option<&SourceEntry> {
        self.index(Path::new(path.as_str())).map(|at| &self.entries[at])
    }

    fn index(&self, path: &Path) -> Option<usize> {
        self.entries.binary_search_by(|entry| entry.path.as_path().cmp(path)).ok()
    }

    /// The entry at `path` and all below it, in order.
    pub fn entries_at(&self, path: &RelPath) -> &[SourceEntry] {
        let path = Path::new(path.as_str());
        let start = self.entries.partition_point(|entry| entry.path.as_path() < path);
        let length = self.entries[start..].partition_point(|entry| entry.path.starts_with(path));
        &self.entries[start..start + length]
    }

    /// True when `path` is a regular file or a link, also below a link to a folder.
    pub fn has_file(&self, path: &RelPath) -> bool {
        let is_file = |e: &SourceEntry| matches!(e.kind, EntryKind::File { .. } | EntryKind::Symlink { .. });
        let behind_link = || self.has_links().then(|| self.entry(&self.resolve(path)?)).flatten();
        self.entry(path).or_else(behind_link).is_some_and(is_file)
    }

    /// True when `path` is a folder, or a link to one.
    pub fn has_directory(&self, path: &RelPath) -> bool {
        let is_directory = |path: &RelPath| self.entry(path).is_some_and(|e| e.kind == EntryKind::Directory);
        path.is_root()
            || is_directory(path)
            || (self.has_links() && self.resolve(path).is_some_and(|path| path.is_root() || is_directory(&path)))
    }

    fn has_links(&self) -> bool {
        let is_link = |entry: &SourceEntry| matches!(entry.kind, EntryKind::Symlink { .. });
        *self.has_links.get_or_init(|| self.entries.iter().any(is_link))
    }

    /// The path behind the links of `path`; `None` when it does not exist, or a link leads out of the tree or in a circle.
    pub fn resolve(&self, path: &RelPath) -> Option<RelPath> {
        let parts = |path: &RelPath| path.as_str().split('/').rev().map(str::to_owned).collect::<Vec<_>>();
        let (mut found, mut rest, mut links) = (RelPath::root(), parts(path), 0);
        while let Some(part) = rest.pop() {
            if part.is_empty() {
                continue;
            }
            let next = found.child(&part);
            match &self.entry(&next)?.kind {
                EntryKind::Symlink { target } => {
                    links += 1;
                    if links > MOST_LINKS {
                        return None;
                    }
                    rest.extend(parts(&found.join(target.to_str()?).ok()?));
                    found = RelPath::root();
                }
                _ => found = next,
            }
        }
        Some(found)
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

    /// The text at `path`, read on first access; `None` if the file does not exist or detection does not read it.
    pub fn text(&self, path: &RelPath) -> Option<&SourceText> {
        let at = self.index(Path::new(path.as_str()))?;
        let (_, text) = &self.texts[self.texts.binary_search_by_key(&at, |(index, _)| *index).ok()?];
        let load = || self.reader.as_ref()?.load(&self.entries[at]).map(Box::new);
        text.get_or_init(load).as_deref()
    }

    /// Files that are pointers of Git LFS: the large files that they stand for were not fetched.
    pub fn lfs_pointers(&self) -> Vec<&SourceEntry> {
        /// Small files that are opened.
        const MOST_OPENED: usize = 5_000;
        let attributes = self.texts_named(".gitattributes").filter_map(|path| {
            let Some(SourceText::Text(text)) = self.text(&path) else { return None };
            let folder = PathBuf::from(path.parent().unwrap_or_default().as_str());
            Some((folder, LfsPattern::parse(text)))
        });
        let attributes: Vec<(PathBuf, Vec<LfsPattern>)> = attributes.collect();
        let is_large = |entry: &SourceEntry| {
            attributes.iter().any(|(folder, patterns)| {
                let below = entry.path.strip_prefix(folder);
                below.is_ok_and(|path| patterns.iter().any(|pattern| pattern.matches(path)))
            })
        };
        let is_small = |entry: &&SourceEntry| matches!(entry.kind, EntryKind::File { size } if size < LARGEST_POINTER);
        let candidates = self.entries.iter().filter(is_small).filter(|entry| is_large(entry)).take(MOST_OPENED);
        candidates
            .filter(|entry| self.beginning(entry).is_some_and(|text| LfsPointer::parse(&text).is_some()))
            .collect()
    }

    fn beginning(&self, entry: &SourceEntry) -> Option<Vec<u8>> {
        match &self.reader {
            Some(reader) => reader.small_file(&entry.path, LARGEST_POINTER),
            None => match self.text(&RelPath::new(entry.path.to_str()?).ok()?)? {
                SourceText::Text(text) => Some(text.clone().into_bytes()),
                _ => None,
            },
        }
    }

    /// The files called `name` whose text can be read, in order.
    pub fn texts_named<'t>(&'t self, name: &str) -> impl Iterator<Item = RelPath> + use<'t> {
        self.texts_below(&RelPath::root(), name)
    }

    /// Source files that may declare the environment variables of an app, in order.
    pub fn environment_schemas(&self) -> impl Iterator<Item = RelPath> {
        let paths = self.texts.iter().filter_map(|(at, _)| self.entries[*at].path.to_str());
        paths.filter(|path| is_environment_schema(path)).filter_map(|path| RelPath::new(path).ok())
    }

    /// As [`Self::texts_named`], below `folder`.
    pub fn texts_below<'t>(&'t self, folder: &RelPath, name: &str) -> impl Iterator<Item = RelPath> + use<'t> {
        let folder = Path::new(folder.as_str()).to_path_buf();
        let name = name.to_owned();
        let paths = self.texts.iter().map(move |(at, _)| self.entries[*at].path.as_path());
        let named = paths
            .filter(move |path| path.file_name().is_some_and(|found| *found == *name) && path.starts_with(&folder));
        named.filter_map(|path| RelPath::new(path.to_str()?).ok())
    }
}

/// Names in a walk are plain components, so that each path that is UTF-8 is a [`RelPath`].
fn readable(entries: &[SourceEntry]) -> Vec<(usize, LazyText)> {
    let is_candidate = |entry: &SourceEntry| {
        matches!(entry.kind, EntryKind::File { .. } | EntryKind::Symlink { .. })
            && entry.path.to_str().is_some_and(may_be_read)
    };
    let found = entries.iter().enumerate().filter(|(_, entry)| is_candidate(entry));
    found.map(|(at, _)| (at, LazyText::new())).collect()
}
