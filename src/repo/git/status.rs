//! Whether a work tree differs from its commit, as `git status` sees it, without the programs that `git status` starts.
//!
//! Two of them are replaced here: the clean filter of Git LFS (a large file is compared with its pointer), and the `git status`
//! that git runs inside each submodule, with the configuration that lies there. Files of any other filter whose time or size
//! has changed count as changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::private::{CheckoutOpener, PrivateGit, TrustedCheckout};
use super::work_tree::{GitError, is_top_level};
use crate::repo::exclusions::{REPORT_FILES, is_environment_file};
use crate::repo::lfs::{LARGEST_POINTER, LfsPointer};
use crate::repo::texts::is_lockfile;

/// Leaves `.nextdeploy/` out.
const RECORDS: &str = ":(exclude,glob)**/.nextdeploy/**";
/// Bytes of files that are compared with their pointers; beyond, they count as changed.
const MOST_COMPARED: u64 = 4 * 1024 * 1024 * 1024;
/// Bytes of `.gitmodules`.
const LARGEST_MODULES: u64 = 1024 * 1024;
const MOST_SUBMODULES: usize = 200;
const DEEPEST_SUBMODULE: usize = 4;

/// Branch and state of a work tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct WorkTreeStatus {
    /// `None` on a detached head.
    pub branch: Option<String>,
    pub dirty: bool,
}

impl WorkTreeStatus {
    /// Without what has changed inside of submodules; a submodule at another commit counts.
    pub fn read(checkout: &TrustedCheckout) -> Result<Self, GitError> {
        read(checkout, Untracked::Counts)
    }

    /// The same with the state of those submodules at `gitlinks`, relative to the root, that are checked out.
    pub fn with_submodules(
        mut self,
        checkout: &TrustedCheckout,
        gitlinks: &[PathBuf],
        opener: &CheckoutOpener<'_>,
    ) -> Result<Self, GitError> {
        let mut submodules = Submodules { opener, left: MOST_SUBMODULES };
        self.dirty = self.dirty || submodules.differ(checkout, gitlinks, DEEPEST_SUBMODULE)?;
        Ok(self)
    }
}

/// Whether files that git does not track make a work tree dirty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Untracked {
    Counts,
    Ignored,
}

fn read(checkout: &TrustedCheckout, untracked: Untracked) -> Result<WorkTreeStatus, GitError> {
    // What this program writes about the checkout does not make it dirty.
    let reports = REPORT_FILES.map(|name| format!(":(exclude,glob)**/{name}"));
    let mut arguments = vec!["status", "--porcelain=v2", "--branch", "-z", "--no-renames"];
    arguments.push(match untracked {
        Untracked::Counts => "--untracked-files=normal",
        Untracked::Ignored => "--untracked-files=no",
    });
    // `dirty` keeps git from running itself inside the submodules.
    arguments.extend(["--ignore-submodules=dirty", "--", ".", RECORDS]);
    arguments.extend(reports.iter().map(String::as_str));
    let output = checkout.git.run(&arguments, &[])?;
    let mut status = WorkTreeStatus::default();
    let mut changed = Vec::new();
    for record in output.split(|byte| *byte == 0).filter(|record| !record.is_empty()) {
        let record = String::from_utf8_lossy(record);
        match record.strip_prefix("# ") {
            Some(header) => {
                let branch = header.strip_prefix("branch.head ").filter(|branch| *branch != "(detached)");
                status.branch = status.branch.or_else(|| branch.map(str::to_owned));
            }
            None => changed.push(ChangedContent::parse(&record)),
        }
    }
    status.dirty = match changed.into_iter().collect::<Option<Vec<_>>>() {
        Some(changed) => !all_are_large_files(&changed, checkout)?,
        None => true,
    };
    Ok(status)
}

/// A tracked file whose content differs from the index, and nothing else about it.
#[derive(Debug, PartialEq, Eq)]
struct ChangedContent {
    blob: String,
    path: PathBuf,
}

impl ChangedContent {
    /// A record of `git status --porcelain=v2`: `1 XY sub mH mI mW hH hI path`.
    fn parse(record: &str) -> Option<Self> {
        let fields: Vec<&str> = record.splitn(9, ' ').collect();
        let ["1", ".M", "N...", _, index_mode, mode, _, blob, path] = fields[..] else { return None };
        (index_mode == mode).then(|| Self { blob: blob.to_owned(), path: PathBuf::from(path) })
    }
}

/// Whether each file has the content that the pointer in the index names. git's own comparison would need the filter when a file
/// is as young as the index ("racily clean") or was touched.
fn all_are_large_files(changed: &[ChangedContent], checkout: &TrustedCheckout) -> Result<bool, GitError> {
    if changed.is_empty() {
        return Ok(true);
    }
    let blobs = changed.iter().map(|file| file.blob.as_str()).collect::<Vec<_>>().join("\n") + "\n";
    let sizes = checkout.git.run(&["cat-file", "--batch-check=%(objectsize)"], blobs.as_bytes())?;
    let is_small = |size: &str| size.parse::<u64>().is_ok_and(|size| size < LARGEST_POINTER);
    if !String::from_utf8_lossy(&sizes).lines().all(is_small) {
        return Ok(false);
    }
    let output = checkout.git.run(&["cat-file", "--batch"], blobs.as_bytes())?;
    let mut rest = output.as_slice();
    let mut left = MOST_COMPARED;
    for file in changed {
        let Some((pointer, after)) = next_blob(rest) else { return Ok(false) };
        rest = after;
        let Some(pointer) = LfsPointer::parse(pointer) else { return Ok(false) };
        left = left.saturating_sub(pointer.size);
        if left == 0 || !is_content_of(&pointer, &checkout.root.join(&file.path)).unwrap_or(false) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first content in output of `git cat-file --batch` (`oid type size LF content LF`), and what follows it.
fn next_blob(output: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = output.iter().position(|byte| *byte == b'\n')?;
    let header = std::str::from_utf8(&output[..end]).ok()?;
    let size: usize = header.rsplit(' ').next()?.parse().ok()?;
    let content = output.get(end + 1..(end + 1).checked_add(size)?)?;
    Some((content, output.get(end + 1 + size + 1..)?))
}

/// Whether the file at `path` is the one that `pointer` stands for.
fn is_content_of(pointer: &LfsPointer, path: &Path) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() || metadata.len() != pointer.size {
        return Ok(false);
    }
    let mut digest = Sha256::new();
    io::copy(&mut File::open(path)?, &mut digest)?;
    Ok(format!("{:x}", digest.finalize()) == pointer.sha256)
}

/// Looks into submodules, up to a limit for all of them.
struct Submodules<'a> {
    opener: &'a CheckoutOpener<'a>,
    left: usize,
}

impl Submodules<'_> {
    /// Whether one of the work trees at `gitlinks` differs from its own commit.
    fn differ(&mut self, checkout: &TrustedCheckout, gitlinks: &[PathBuf], depth: usize) -> Result<bool, GitError> {
        if gitlinks.is_empty() {
            return Ok(false);
        }
        let ignored = ignore_settings(checkout)?;
        for path in gitlinks {
            let Ok(folder) = checkout.root.join(path).canonicalize() else { continue };
            if !folder.starts_with(&checkout.root) || folder == checkout.root || !is_top_level(&folder) {
                continue;
            }
            let ignored = folder.strip_prefix(&checkout.work_tree.top).ok().and_then(|path| ignored.get(path));
            let untracked = match ignored.map(String::as_str) {
                Some("all" | "dirty") => continue,
                Some("untracked") => Untracked::Ignored,
                _ => Untracked::Counts,
            };
            if depth == 0 || self.left == 0 {
                return Err(GitError::TooManySubmodules);
            }
            self.left -= 1;
            let submodule = self.opener.open(&folder, &folder)?;
            let gitlinks = GitIndex::read(&submodule.git)?.gitlinks;
            if read(&submodule, untracked)?.dirty || self.differ(&submodule, &gitlinks, depth - 1)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// `submodule.NAME.ignore` by path: of `.gitmodules`, and over it of the repository's configuration (gitmodules(5)).
fn ignore_settings(checkout: &TrustedCheckout) -> Result<BTreeMap<PathBuf, String>, GitError> {
    let file = checkout.work_tree.top.join(".gitmodules");
    if !fs::symlink_metadata(&file).is_ok_and(|found| found.is_file() && found.len() <= LARGEST_MODULES) {
        return Ok(BTreeMap::new());
    }
    let mut entries = checkout.git.read_config(&file)?;
    entries.extend(checkout.git.submodules.iter().cloned());
    let values = |field: &str| {
        let names = entries.iter().filter_map(|(key, value)| {
            Some((key.strip_prefix("submodule.")?.strip_suffix(field)?.to_owned(), value.clone()))
        });
        names.collect::<BTreeMap<_, _>>()
    };
    let mut ignored = values(".ignore");
    Ok(values(".path").into_iter().filter_map(|(name, path)| Some((path.into(), ignored.remove(&name)?))).collect())
}

/// Mode of an entry that is the commit of another repository.
const GITLINK: &str = "160000";

/// Paths relative to the working directory of git.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct GitIndex {
    /// Environment files.
    pub env_files: BTreeSet<String>,
    pub lockfiles: Vec<String>,
    /// Submodules, and repositories that were added without becoming one.
    pub gitlinks: Vec<PathBuf>,
}

impl GitIndex {
    pub fn read(git: &PrivateGit) -> Result<Self, GitError> {
        Ok(Self::parse(&git.run(&["ls-files", "--stage", "-z"], &[])?))
    }

    /// Records of `git ls-files --stage -z`: `mode oid stage TAB path NUL`.
    fn parse(output: &[u8]) -> Self {
        let mut index = Self::default();
        for record in output.split(|byte| *byte == 0) {
            // No tool reads environment files with names that are not UTF-8: they count as untracked.
            let Some((head, path)) = std::str::from_utf8(record).ok().and_then(|record| record.split_once('\t')) else {
                continue;
            };
            if head.starts_with(GITLINK) {
                index.gitlinks.push(PathBuf::from(path));
            } else if path.rsplit('/').next().is_some_and(is_env_name) {
                index.env_files.insert(path.to_owned());
            } else if path.rsplit('/').next().is_some_and(is_lockfile) {
                index.lockfiles.push(path.to_owned());
            }
        }
        index
    }
}

/// Templates such as `.env.example` hold no secrets, but whether git tracks them is reported as well.
fn is_env_name(name: &str) -> bool {
    name.starts_with(".env") || is_environment_file(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_of_content_can_be_large_files() {
        let check = |record: &str, expected: Option<(&str, &str)>| {
            let found = ChangedContent::parse(record);
            let found = found.as_ref().map(|file| (file.blob.as_str(), file.path.to_str().unwrap()));
            assert_eq!(found, expected, "{record}");
        };
        check("1 .M N... 100644 100644 100644 a b file name", Some(("b", "file name")));
        check("1 .M N... 100644 100644 100755 a b x", None);
        check("1 M. N... 100644 100644 100644 a b x", None);
        check("1 .D N... 100644 100644 000000 a b x", None);
        check("1 .M SC.. 160000 160000 160000 a b sub", None);
        check("? x", None);
        check("u UU N... 100644 100644 100644 100644 a b c x", None);
    }

    #[test]
    fn blobs_of_a_batch_are_cut_by_their_size() {
        let (first, rest) = next_blob(b"aa blob 3\na\nb\nbb blob 0\n\n").unwrap();
        assert_eq!((first, next_blob(rest)), (b"a\nb".as_slice(), Some((b"".as_slice(), b"".as_slice()))));
        assert_eq!(next_blob(b"aa blob 300\nabc\n"), None);
        assert_eq!(next_blob(b"aa missing\n"), None);
    }

    #[test]
    fn environment_files_and_gitlinks_are_found() {
        let index = GitIndex::parse(
            b"100644 aa 0\t.env\x00100644 bb 0\tapps/web/.env.example\x00160000 cc 0\tlib\x00100644 dd 0\tsrc/env.ts\x00100644 ff 0\tweb/yarn.lock\x00100644 ee 0\t.env\xff\0",
        );
        assert_eq!(Vec::from_iter(&index.env_files), [".env", "apps/web/.env.example"]);
        assert_eq!(index.gitlinks, [PathBuf::from("lib")]);
        assert_eq!(index.lockfiles, ["web/yarn.lock"]);
    }
}
