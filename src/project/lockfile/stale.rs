//! Whether a lockfile still fits the manifests: a frozen install refuses one that does not.
//!
//! Only dependencies on registry packages with a range are compared, as their package manager compares them. When in doubt (overrides,
//! packages of the workspace, tags, catalogs), a lockfile counts as up to date.

use std::collections::BTreeSet;

use super::locked::{Dependent, Locked, below, importer};
use crate::project::facts::PackageManagerKind;
use crate::project::package_json::PackageJson;
use crate::project::version::{Range, parse_version};
use crate::rel_path::RelPath;

/// A dependency that the lockfile does not satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::project) struct StaleEntry {
    pub name: String,
    pub range: String,
    pub manifest: RelPath,
    /// The version, or the range, that the lockfile has; `None` for no entry at all.
    pub locked: Option<String>,
}

impl Locked {
    /// The dependencies of `manifests` that this lockfile in `dir` does not satisfy; packages called as in `others` are not compared.
    pub fn stale(&self, dir: &RelPath, manifests: &[&PackageJson], others: &BTreeSet<&str>) -> Vec<StaleEntry> {
        if self.is_opaque() {
            return Vec::new();
        }
        let overridden: BTreeSet<&str> =
            manifests.iter().flat_map(|manifest| &manifest.overridden).map(String::as_str).collect();
        let mut found = Vec::new();
        for manifest in manifests {
            for (name, range) in manifest.all_dependencies() {
                let skipped = others.contains(name.as_str()) || overridden.contains(name.as_str());
                let Some((field, declared)) = manifest.dependency(name).filter(|_| !skipped) else { continue };
                let Some(parsed) = Range::parse(range).filter(|_| declared == range) else { continue };
                let dependent = Dependent { dir: below(dir, manifest), name: &manifest.display_name(), range };
                let locked = match self.compare(name, &parsed, dependent) {
                    LockedRange::Satisfied => continue,
                    // A package that cannot be installed everywhere may be missing.
                    LockedRange::Missing if field == "optionalDependencies" => continue,
                    LockedRange::Missing => None,
                    LockedRange::Other(locked) => Some(locked),
                };
                let (name, range, manifest) = (name.clone(), range.clone(), manifest.path.clone());
                found.push(StaleEntry { name, range, manifest, locked });
            }
        }
        found
    }

    /// npm compares versions, Yarn has an entry for each range, pnpm and Bun repeat the ranges.
    fn compare(&self, name: &str, range: &Range, dependent: Dependent<'_>) -> LockedRange {
        let locked = self.exact_version(name, dependent);
        let required = |folder: &str| self.packages.required(folder, name);
        match (self.kind, locked) {
            (PackageManagerKind::Npm, Some(version)) => {
                let fits = parse_version(version).is_none_or(|version| range.admits(&version));
                if fits { LockedRange::Satisfied } else { LockedRange::Other(version.to_owned()) }
            }
            (PackageManagerKind::Npm, None) => LockedRange::Missing,
            (PackageManagerKind::YarnClassic | PackageManagerKind::YarnBerry, Some(_)) => LockedRange::Satisfied,
            (PackageManagerKind::YarnClassic | PackageManagerKind::YarnBerry, None) => self
                .version(name, dependent)
                .map_or(LockedRange::Missing, |version| LockedRange::Other(version.to_owned())),
            (PackageManagerKind::Pnpm, _) => repeated(required(importer(dependent.dir)), dependent.range),
            (PackageManagerKind::Bun, _) => repeated(required(dependent.dir), dependent.range),
        }
    }
}

/// What a lockfile has for a range of a manifest.
enum LockedRange {
    Satisfied,
    Missing,
    /// Another version or range.
    Other(String),
}

fn repeated(required: Option<&str>, range: &str) -> LockedRange {
    match required {
        None => LockedRange::Missing,
        Some(required) if required.trim() == range.trim() || Range::parse(required).is_none() => LockedRange::Satisfied,
        Some(other) => LockedRange::Other(other.to_owned()),
    }
}
