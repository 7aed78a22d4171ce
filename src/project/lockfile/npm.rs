//! `package-lock.json` and `npm-shrinkwrap.json`, versions 1 to 3.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::json::JsonText;
use super::locked::{LockKey, Locked, LockedPackages, Tracked, malformed};
use crate::project::error::ProjectError;
use crate::project::facts::PackageManagerKind;
use crate::project::text;
use crate::rel_path::RelPath;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PackageLock {
    lockfile_version: Option<u32>,
    packages: Option<NpmPackages>,
    dependencies: Option<NpmPackages>,
}

/// Packages with install scripts that are kept; there are seldom more than ten.
const MOST_SCRIPTS: usize = 1_000;

/// The parts of a map of packages that are kept.
#[derive(Default)]
struct NpmPackages {
    /// Folder, name and version of what dependents of the project can find; old lockfiles have no folders.
    found: Vec<(String, String, String)>,
    git: bool,
    platforms: PlatformFamilies,
    install_scripts: BTreeSet<String>,
}

#[derive(Deserialize)]
struct JsonKey<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NpmPackage<'a> {
    #[serde(borrow)]
    version: Option<Cow<'a, str>>,
    /// A URL, but `false` for bundled packages in old lockfiles.
    #[serde(borrow)]
    resolved: Option<JsonText<'a>>,
    /// The first system that it is for.
    #[serde(borrow)]
    os: Option<JsonText<'a>>,
    has_install_script: Option<bool>,
}

impl<'de> Deserialize<'de> for NpmPackages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NpmPackagesVisitor)
    }
}

struct NpmPackagesVisitor;

impl<'de> Visitor<'de> for NpmPackagesVisitor {
    type Value = NpmPackages;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NpmPackages, A::Error> {
        let mut entries = NpmPackages::default();
        while let Some(JsonKey(key)) = map.next_key::<JsonKey>()? {
            let entry: NpmPackage = map.next_value()?;
            let version = entry.version.as_deref().unwrap_or_default();
            let url = entry.resolved.as_ref().and_then(|JsonText(url)| url.as_deref()).unwrap_or(version);
            entries.git |= url.starts_with("git+") || url.starts_with("git:");
            let (folder, name) = key.rsplit_once("node_modules/").unwrap_or(("", &*key));
            let os = entry.os.as_ref().and_then(|JsonText(os)| os.as_deref());
            entries.platforms.add(name, os);
            if entry.has_install_script == Some(true)
                && os.is_none_or(|os| os == "linux" || os.starts_with('!'))
                && entries.install_scripts.len() < MOST_SCRIPTS
            {
                entries.install_scripts.insert(name.to_owned());
            }
            // `node_modules/a/node_modules/next` serves `a` only.
            if !folder.contains("node_modules/") {
                let folder = folder.trim_end_matches('/').to_owned();
                entries.found.push((folder, name.to_owned(), version.to_owned()));
            }
        }
        Ok(entries)
    }
}

/// Packages that differ in their system only, by what their names have in common: `@next/swc-`, `lightningcss-`.
#[derive(Default)]
struct PlatformFamilies {
    /// Those with a package for another system.
    foreign: BTreeSet<String>,
    linux: BTreeSet<String>,
}

impl PlatformFamilies {
    fn add(&mut self, name: &str, os: Option<&str>) {
        if let Some(at) = name.find("linux") {
            self.linux.insert(name[..at].to_owned());
        }
        let system = os.filter(|os| matches!(*os, "darwin" | "win32")).and_then(|os| name.find(os));
        if let Some(at) = system.filter(|at| *at > 0) {
            self.foreign.insert(name[..at].to_owned());
        }
    }

    /// A defect of npm: a lockfile that it writes where `node_modules` exists can lose the packages for other systems.
    fn without_linux(&self) -> Vec<String> {
        self.foreign.difference(&self.linux).map(|family| family.trim_end_matches(['-', '/']).to_owned()).collect()
    }
}

pub(super) fn parse(path: &RelPath, text: &str, tracked: Tracked<'_>) -> Result<Locked, ProjectError> {
    let lock: PackageLock = serde_json::from_str(text).map_err(|error| text::json_error(path, text, &error))?;
    let Some(format) = lock.lockfile_version else {
        return Err(malformed(path, "npm lockfile", "there is no `lockfileVersion`"));
    };
    let entries = lock.packages.or(lock.dependencies).unwrap_or_default();
    let mut packages = LockedPackages::default();
    for (folder, name, version) in entries.found {
        packages.add(tracked, &name, LockKey::Folder(folder), &version);
    }
    Ok(Locked {
        git: entries.git,
        without_linux: entries.platforms.without_linux(),
        install_scripts: entries.install_scripts.into_iter().collect(),
        ..Locked::new(PackageManagerKind::Npm, path.clone(), format.to_string(), packages)
    })
}
