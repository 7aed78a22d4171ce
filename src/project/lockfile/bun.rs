//! `bun.lock` (JSON with trailing commas) and `bun.lockb` (binary: only recognised, versions in it are not read).

use serde_json::Value;

use super::{Locked, LockedPackage, Place, TRACKED, first_bytes, is_version, malformed};
use crate::project::error::ProjectError;
use crate::project::facts::PackageManagerKind;
use crate::project::text;
use crate::rel_path::RelPath;
use crate::source::SourceText;

const MAGIC: &[u8] = b"#!/usr/bin/env bun\nbun-lockfile-format-v";

pub(super) fn parse(path: &RelPath, text: &str) -> Result<Locked, ProjectError> {
    let lock: Value = text::parse_jsonc(path, text)?;
    let Some(format) = lock.get("lockfileVersion").and_then(Value::as_u64) else {
        let message = if text.trim().is_empty() { "the file is empty" } else { "there is no `lockfileVersion`" };
        return Err(malformed(path, "Bun lockfile", message));
    };
    let mut packages = Vec::new();
    let mut git = false;
    for (key, entry) in lock.get("packages").and_then(Value::as_object).into_iter().flatten() {
        // `["next@15.0.0", …]`: the resolved package comes first.
        let Some((name, version)) = entry.get(0).and_then(Value::as_str).and_then(|id| split_id(id)) else { continue };
        git |= version.starts_with("git+");
        if TRACKED.contains(&name) && is_version(version) {
            let owner = key.strip_suffix(name).unwrap_or_default().trim_end_matches('/');
            let place = Place::Package(owner.to_owned());
            packages.push(LockedPackage { name: name.to_owned(), version: version.to_owned(), place });
        }
    }
    Ok(Locked { kind: PackageManagerKind::Bun, path: path.clone(), format: format.to_string(), packages, git })
}

/// The format of a binary lockfile; `None` when there is no such file.
pub(super) fn check_binary(text: Option<&SourceText>, path: &RelPath) -> Result<Option<String>, ProjectError> {
    let Some(text) = text else { return Ok(None) };
    match first_bytes(text) {
        Some(bytes) if bytes.starts_with(MAGIC) => Ok(Some("binary".to_owned())),
        Some(_) => Err(malformed(path, "Bun lockfile", "it does not begin as Bun's binary lockfiles do")),
        None => match text {
            SourceText::Unreadable { reason } => {
                Err(ProjectError::Unreadable { file: path.clone(), reason: reason.clone() })
            }
            // Whatever its size or bytes, a binary lockfile is only asked for its presence.
            _ => Ok(Some("binary".to_owned())),
        },
    }
}

fn split_id(id: &str) -> Option<(&str, &str)> {
    let at = id.char_indices().skip(1).find(|(_, c)| *c == '@')?.0;
    Some((&id[..at], &id[at + 1..]))
}
