//! Loading the texts that detection reads, each with a bound on its size.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::error::io_reason;
use super::read_list::is_read;
use super::tree::{EntryKind, SourceEntry, SourceText};
use crate::rel_path::RelPath;

const MIB: u64 = 1024 * 1024;
/// No real lockfile comes near; a larger one is a mistake or an attack.
const LARGEST_LOCKFILE: u64 = 64 * MIB;
const LARGEST_TEXT: u64 = 4 * MIB;
/// Bytes kept of a file that is binary by design: its header.
const BINARY_HEADER: u64 = 4096;

/// Files of the program itself, read besides `.dockerignore` files and what detection asks for.
const OWN_FILES: &[&str] =
    &["metadata.json", ".nextdeploy/metadata.json", ".nextdeploy/build.lock", "nextdeploy.yml", "nextdeploy.yaml"];

/// The texts of those entries that are worth reading, by path.
pub(super) fn load_texts(root: &Path, entries: &[SourceEntry]) -> BTreeMap<RelPath, SourceText> {
    entries
        .iter()
        .filter(|entry| matches!(entry.kind, EntryKind::File { .. } | EntryKind::Symlink { .. }))
        .filter_map(|entry| {
            let path = entry.path.to_str()?;
            let wanted = is_read(path)
                || path.ends_with(".dockerignore")
                || OWN_FILES.iter().any(|own| path == *own || ends_with_path(path, own));
            // Names in a walk are plain components: never absolute, never `..`.
            let rel = wanted.then(|| RelPath::new(path).ok()).flatten()?;
            load(root, entry).map(|text| (rel, text))
        })
        .collect()
}

fn ends_with_path(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.ends_with('/'))
}

/// `None` for a link to something that is no file.
fn load(root: &Path, entry: &SourceEntry) -> Option<SourceText> {
    let path = root.join(&entry.path);
    let unreadable = |reason: String| Some(SourceText::Unreadable { reason });
    if let EntryKind::Symlink { target } = &entry.kind {
        match path.canonicalize() {
            Ok(real) if !real.starts_with(root) => {
                return unreadable(format!("it links to `{}`, outside the repository", target.display()));
            }
            Ok(real) if !real.is_file() => return None,
            Ok(_) => {}
            Err(error) => {
                return unreadable(format!("it links to `{}`: {}", target.display(), io_reason(&error)));
            }
        }
    }
    let name = entry.path.file_name()?.to_str()?;
    match read(&path, name) {
        Ok(text) => Some(text),
        Err(error) => unreadable(io_reason(&error)),
    }
}

fn read(path: &Path, name: &str) -> io::Result<SourceText> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    if name == "bun.lockb" {
        file.take(BINARY_HEADER).read_to_end(&mut bytes)?;
        return Ok(SourceText::Binary(bytes));
    }
    let largest = largest(name);
    // One byte more, so that a file which grows meanwhile is still seen as too large.
    file.by_ref().take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Ok(SourceText::TooLarge { size: file.metadata()?.len().max(bytes.len() as u64) });
    }
    Ok(decode(bytes))
}

fn largest(name: &str) -> u64 {
    match name {
        "package-lock.json" | "npm-shrinkwrap.json" | "yarn.lock" | "pnpm-lock.yaml" | "bun.lock" => LARGEST_LOCKFILE,
        _ => LARGEST_TEXT,
    }
}

/// UTF-8 text; a byte order mark is dropped.
fn decode(bytes: Vec<u8>) -> SourceText {
    match String::from_utf8(bytes) {
        Ok(text) => SourceText::Text(match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        }),
        Err(error) => SourceText::NotUtf8 { valid_up_to: error.utf8_error().valid_up_to() },
    }
}
