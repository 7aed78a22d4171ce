//! The walk: every path below the root as an entry, without following any link.

use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::error::{SourceError, io_reason};
use super::exclusions::Exclusions;
use super::tree::{EntryKind, SourceEntry};

/// All entries below `root`, sorted component by component (bytewise), parents before children.
///
/// A directory below the root that cannot be read becomes an [`EntryKind::UnreadableDirectory`]: it is an error only for
/// those who want to send it.
pub(super) fn walk(root: &Path, exclusions: Exclusions) -> Result<Vec<SourceEntry>, SourceError> {
    let mut entries = Vec::new();
    // Directories that are still to be listed, the next one last.
    let mut found = list(root, Path::new(""), exclusions).map_err(|error| SourceError::from_io(root, &error))?;
    found.reverse();
    while let Some(mut entry) = found.pop() {
        if entry.kind == EntryKind::Directory {
            match list(root, &entry.path, exclusions) {
                Ok(children) => found.extend(children.into_iter().rev()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => entry.kind = EntryKind::UnreadableDirectory { reason: io_reason(&error) },
            }
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// The entries of one directory, sorted by name.
fn list(root: &Path, directory: &Path, exclusions: Exclusions) -> io::Result<Vec<SourceEntry>> {
    let mut children = Vec::new();
    for child in fs::read_dir(root.join(directory))? {
        let child = child?;
        let name = child.file_name();
        if exclusions.prunes(directory, &name) {
            continue;
        }
        let path = directory.join(&name);
        // Relative to the open directory, so no path is resolved a second time.
        match child.metadata().and_then(|metadata| entry(root, path, &metadata)) {
            Ok(entry) => children.push((name, entry)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    children.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(children.into_iter().map(|(_, entry)| entry).collect())
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
        EntryKind::Special { what: special(file_type) }
    };
    Ok(SourceEntry { path, kind, mode: metadata.mode() & 0o7777 })
}

fn special(file_type: FileType) -> &'static str {
    if file_type.is_fifo() {
        "named pipe"
    } else if file_type.is_socket() {
        "socket"
    } else {
        "device"
    }
}
