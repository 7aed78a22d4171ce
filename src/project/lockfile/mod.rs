//! What a lockfile pins: text of any lockfile kind in, format and versions of the few packages that matter out.
//!
//! Lockfiles run to many megabytes, so each reader looks for [`TRACKED`] only and skips the rest. Never checks the
//! lockfile against the manifests: the frozen install does that.

mod bun;
mod npm;
mod pnpm;
mod yarn;

use node_semver::{Range, Version};

use crate::diagnostic::Location;
use crate::rel_path::RelPath;
use crate::source::{SourceText, SourceTree};

use super::error::ProjectError;
use super::facts::PackageManagerKind;
use super::text;

/// Packages whose locked version detection asks for.
const TRACKED: &[&str] = &["next", "prisma", "@prisma/client", "sharp"];

/// File names of lockfiles, the one that wins first within each package manager.
pub(super) const NAMES: &[&str] =
    &["npm-shrinkwrap.json", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"];

/// A lockfile that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Locked {
    pub kind: PackageManagerKind,
    pub path: RelPath,
    /// See [`super::Lockfile::format`].
    pub format: String,
    pub packages: Vec<LockedPackage>,
    /// A dependency is fetched by git.
    pub git: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LockedPackage {
    pub name: String,
    pub version: String,
    pub place: Place,
}

/// For whom a version is locked; every kind of lockfile says it in its own way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Installed into the `node_modules` of this folder, relative to the lockfile (npm).
    Folder(String),
    /// Asked for by the package in this folder, relative to the lockfile (pnpm).
    Importer(String),
    /// Asked for by this range (Yarn).
    Range(String),
    /// Installed below the workspace package of this name; empty for everyone (Bun).
    Package(String),
}

/// Who asks for a package: a version is looked up the way the package manager resolves it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dependent<'a> {
    /// Folder relative to the lockfile.
    pub dir: &'a str,
    pub name: &'a str,
    pub range: &'a str,
}

impl Locked {
    /// Reads the lockfile called `name` in `dir`; `None` when there is none.
    pub fn load(tree: &SourceTree, dir: &RelPath, name: &str) -> Result<Option<Self>, ProjectError> {
        let path = dir.child(name);
        if name == "bun.lockb" {
            return bun::check_binary(tree.text(&path), &path).map(|format| format.map(|f| binary(path, f)));
        }
        text::read(tree, &path)?.map(|text| Self::parse(&path, text)).transpose()
    }

    /// Reads a text lockfile; its kind follows from its file name.
    pub fn parse(path: &RelPath, text: &str) -> Result<Self, ProjectError> {
        match path.name() {
            "yarn.lock" => yarn::parse(path, text),
            "pnpm-lock.yaml" => pnpm::parse(path, text),
            "bun.lock" => bun::parse(path, text),
            _ => npm::parse(path, text),
        }
    }

    /// The exact version of `package` that `dependent` gets.
    pub fn version(&self, package: &str, dependent: Dependent<'_>) -> Option<&str> {
        let all = || self.packages.iter().filter(|locked| locked.name == package);
        let found = match self.kind {
            PackageManagerKind::Npm => folders_up(dependent.dir)
                .find_map(|folder| all().find(|locked| locked.place == Place::Folder(folder.to_owned()))),
            PackageManagerKind::Pnpm => {
                let importer = if dependent.dir.is_empty() { "." } else { dependent.dir };
                all().find(|locked| locked.place == Place::Importer(importer.to_owned()))
            }
            PackageManagerKind::YarnClassic | PackageManagerKind::YarnBerry => {
                all().find(|locked| matches!(&locked.place, Place::Range(range) if same_range(range, dependent.range)))
            }
            PackageManagerKind::Bun => {
                let own = Place::Package(dependent.name.to_owned());
                all()
                    .find(|locked| locked.place == own)
                    .or_else(|| all().find(|locked| locked.place == Place::Package(String::new())))
            }
        };
        found.or_else(|| self.only(package)).map(|locked| locked.version.as_str())
    }

    /// The one locked version of `package`, when all entries agree.
    fn only(&self, package: &str) -> Option<&LockedPackage> {
        let mut all = self.packages.iter().filter(|locked| locked.name == package);
        let first = all.next()?;
        all.all(|other| other.version == first.version).then_some(first)
    }
}

fn binary(path: RelPath, format: String) -> Locked {
    Locked { kind: PackageManagerKind::Bun, path, format, packages: Vec::new(), git: false }
}

/// `a/b`, `a`, and the root, as Node.js looks for `node_modules`.
fn folders_up(dir: &str) -> impl Iterator<Item = &str> {
    let parents = std::iter::successors(Some(dir), |dir| dir.rsplit_once('/').map(|(parent, _)| parent));
    parents.chain((!dir.is_empty()).then_some(""))
}

/// Ranges of a descriptor and of a manifest: Berry writes `npm:^13.0.0` for `^13.0.0`.
fn same_range(locked: &str, asked: &str) -> bool {
    locked == asked || locked.strip_prefix("npm:") == Some(asked)
}

/// Lowest version that a range admits.
pub(super) fn lowest(range: &str) -> Option<Version> {
    Range::parse(range).ok()?.min_version()
}

fn malformed(path: &RelPath, kind: &'static str, message: &str) -> ProjectError {
    ProjectError::Malformed { location: Location::line(path.as_str(), 1), kind, message: message.to_owned() }
}

fn is_version(text: &str) -> bool {
    Version::parse(text).is_ok()
}

/// Bytes that only matter to the binary lockfile.
fn first_bytes(text: &SourceText) -> Option<&[u8]> {
    match text {
        SourceText::Binary(bytes) => Some(bytes),
        SourceText::Text(text) => Some(text.as_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
