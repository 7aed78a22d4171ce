//! `bun.lock` (JSON with trailing commas) and `bun.lockb` (binary: only recognised, versions in it are not read).

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{Locked, LockedPackages, Place, Text, first_bytes, malformed};
use crate::project::error::ProjectError;
use crate::project::facts::PackageManagerKind;
use crate::project::text;
use crate::rel_path::RelPath;
use crate::repo::SourceText;

const MAGIC: &[u8] = b"#!/usr/bin/env bun\nbun-lockfile-format-v";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BunLock {
    lockfile_version: Option<u64>,
    #[serde(default)]
    packages: Packages,
}

#[derive(Default)]
struct Packages {
    tracked: LockedPackages,
    git: bool,
}

impl<'de> Deserialize<'de> for Packages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PackagesVisitor)
    }
}

struct PackagesVisitor;

impl<'de> Visitor<'de> for PackagesVisitor {
    type Value = Packages;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Packages, A::Error> {
        let mut packages = Packages::default();
        while let Some(key) = map.next_key::<String>()? {
            // `["next@15.0.0", …]`: the resolved package comes first.
            let Text(id) = map.next_value()?;
            let Some((name, version)) = id.as_deref().and_then(split_id) else { continue };
            packages.git |= version.starts_with("git+");
            let owner = key.strip_suffix(name).unwrap_or_default().trim_end_matches('/');
            packages.tracked.add(name, Place::Package(owner.to_owned()), version);
        }
        Ok(packages)
    }
}

pub(super) fn parse(path: &RelPath, text: &str) -> Result<Locked, ProjectError> {
    if text.trim().is_empty() {
        return Err(malformed(path, "Bun lockfile", "the file is empty"));
    }
    let lock: BunLock = text::parse_jsonc(path, text)?;
    let Some(format) = lock.lockfile_version else {
        return Err(malformed(path, "Bun lockfile", "there is no `lockfileVersion`"));
    };
    let Packages { tracked: packages, git } = lock.packages;
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
