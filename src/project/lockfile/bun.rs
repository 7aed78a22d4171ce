//! `bun.lock`, and as far as possible the binary `bun.lockb`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::json::JsonText;
use super::locked::{LockKey, Locked, LockedPackages, Tracked, malformed};
use crate::project::error::ProjectError;
use crate::project::facts::PackageManagerKind;
use crate::project::text;
use crate::rel_path::RelPath;
use crate::repo::SourceText;

const BUN_BINARY: &[u8] = b"#!/usr/bin/env bun\nbun-lockfile-format-v";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BunLock {
    lockfile_version: Option<u64>,
    /// The dependencies of each manifest, by folder.
    #[serde(default)]
    workspaces: Map<String, Value>,
    #[serde(default)]
    packages: BunPackages,
}

#[derive(Default)]
struct BunPackages {
    /// Owner, name and version.
    found: Vec<(String, String, String)>,
    git: bool,
}

impl<'de> Deserialize<'de> for BunPackages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BunPackagesVisitor)
    }
}

struct BunPackagesVisitor;

impl<'de> Visitor<'de> for BunPackagesVisitor {
    type Value = BunPackages;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BunPackages, A::Error> {
        let mut packages = BunPackages::default();
        while let Some(key) = map.next_key::<String>()? {
            // `["next@15.0.0", …]`: the resolved package comes first.
            let JsonText(id) = map.next_value()?;
            let Some((name, version)) = id.as_deref().and_then(split_id) else { continue };
            packages.git |= version.starts_with("git+");
            let owner = key.strip_suffix(name).unwrap_or_default().trim_end_matches('/');
            packages.found.push((owner.to_owned(), name.to_owned(), version.to_owned()));
        }
        Ok(packages)
    }
}

pub(super) fn parse(path: &RelPath, text: &str, tracked: Tracked<'_>) -> Result<Locked, ProjectError> {
    if text.trim().is_empty() {
        return Err(malformed(path, "Bun lockfile", "the file is empty"));
    }
    let lock: BunLock = text::parse_jsonc(path, text)?;
    let Some(format) = lock.lockfile_version else {
        return Err(malformed(path, "Bun lockfile", "there is no `lockfileVersion`"));
    };
    let mut packages = LockedPackages::default();
    for (owner, name, version) in lock.packages.found {
        packages.add(tracked, &name, LockKey::Package(owner), &version);
    }
    for (folder, manifest) in &lock.workspaces {
        for field in ["dependencies", "devDependencies", "optionalDependencies"] {
            for (name, range) in manifest.get(field).and_then(Value::as_object).into_iter().flatten() {
                packages.require(tracked, folder, name, range.as_str().unwrap_or_default());
            }
        }
    }
    let locked = Locked::new(PackageManagerKind::Bun, path.clone(), format.to_string(), packages);
    Ok(Locked { git: lock.packages.git, ..locked })
}

/// The binary lockfile, of which only the presence is known; `None` when there is no such file.
pub(super) fn read_binary(text: Option<&SourceText>, path: &RelPath) -> Result<Option<Locked>, ProjectError> {
    let format = check_binary(text, path)?;
    let packages = LockedPackages::default();
    Ok(format.map(|format| Locked::new(PackageManagerKind::Bun, path.clone(), format, packages)))
}

/// The format of a binary lockfile; `None` when there is no such file.
pub(super) fn check_binary(text: Option<&SourceText>, path: &RelPath) -> Result<Option<String>, ProjectError> {
    let Some(text) = text else { return Ok(None) };
    match first_bytes(text) {
        Some(bytes) if bytes.starts_with(BUN_BINARY) => Ok(Some("binary".to_owned())),
        Some(_) => Err(malformed(path, "Bun lockfile", "it does not start like a binary Bun lockfile")),
        None => match text {
            SourceText::Unreadable { reason } => {
                Err(ProjectError::Unreadable { file: path.clone(), reason: reason.clone() })
            }
            // Only the presence of a binary lockfile matters, not its size or content.
            _ => Ok(Some("binary".to_owned())),
        },
    }
}

fn split_id(id: &str) -> Option<(&str, &str)> {
    let at = id.char_indices().skip(1).find(|(_, c)| *c == '@')?.0;
    Some((&id[..at], &id[at + 1..]))
}

/// The content of a binary lockfile, as far as it was read.
fn first_bytes(text: &SourceText) -> Option<&[u8]> {
    match text {
        SourceText::Binary(bytes) => Some(bytes),
        SourceText::Text(text) => Some(text.as_bytes()),
        _ => None,
    }
}
