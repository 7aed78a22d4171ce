//! `package-lock.json` and `npm-shrinkwrap.json`, lockfile versions 1 to 3.
//!
//! Version 1 nests `dependencies`; 2 and 3 list `packages` by folder (2 carries both). Read in one pass, entry by entry.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{Locked, LockedPackages, MOST_LOCKED, Place, TRACKED, Text, malformed};
use crate::project::error::ProjectError;
use crate::project::facts::PackageManagerKind;
use crate::project::text;
use crate::rel_path::RelPath;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PackageLock {
    lockfile_version: Option<u32>,
    packages: Option<Entries>,
    dependencies: Option<Entries>,
}

/// What is kept of a map of packages.
#[derive(Default)]
struct Entries {
    tracked: Vec<(String, String)>,
    git: bool,
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    version: Option<Cow<'a, str>>,
    /// A URL, but `false` for bundled packages in old lockfiles.
    #[serde(borrow)]
    resolved: Option<Text<'a>>,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Entries::default();
        while let Some(Key(key)) = map.next_key::<Key>()? {
            let entry: Entry = map.next_value()?;
            let version = entry.version.as_deref().unwrap_or_default();
            let url = entry.resolved.as_ref().and_then(|Text(url)| url.as_deref()).unwrap_or(version);
            entries.git |= url.starts_with("git+") || url.starts_with("git:");
            let name = key.rsplit_once("node_modules/").map_or(&*key, |(_, name)| name);
            // One more than is taken over, so that it is seen.
            if TRACKED.contains(&name) && entries.tracked.len() <= MOST_LOCKED {
                entries.tracked.push((key.into_owned(), version.to_owned()));
            }
        }
        Ok(entries)
    }
}

pub(super) fn parse(path: &RelPath, text: &str) -> Result<Locked, ProjectError> {
    let lock: PackageLock = serde_json::from_str(text).map_err(|error| text::json_error(path, text, &error))?;
    let Some(format) = lock.lockfile_version else {
        return Err(malformed(path, "npm lockfile", "there is no `lockfileVersion`"));
    };
    let (entries, by_folder) = match (lock.packages, lock.dependencies) {
        (Some(packages), _) => (packages, true),
        (None, dependencies) => (dependencies.unwrap_or_default(), false),
    };
    let mut packages = LockedPackages::default();
    for (key, version) in &entries.tracked {
        if let Some((name, folder)) = installed(key, by_folder) {
            packages.add(name, Place::Folder(folder.to_owned()), version);
        }
    }
    Ok(Locked {
        kind: PackageManagerKind::Npm,
        path: path.clone(),
        format: format.to_string(),
        packages,
        git: entries.git,
    })
}

/// The package and the folder into whose `node_modules` it is installed.
fn installed(key: &str, by_folder: bool) -> Option<(&str, &str)> {
    if !by_folder {
        return Some((key, ""));
    }
    let (folder, name) = key.rsplit_once("node_modules/")?;
    // `node_modules/a/node_modules/next` serves `a` only.
    (!folder.contains("node_modules/")).then(|| (name, folder.trim_end_matches('/')))
}
