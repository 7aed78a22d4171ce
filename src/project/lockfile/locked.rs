//! What was read of a lockfile: [`Locked`].

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::Location;
use crate::project::error::ProjectError;
use crate::project::facts::{LockfileUse, PackageManagerKind};
use crate::project::package_json::PackageJson;
use crate::project::version::parse_version;
use crate::project::workspace;
use crate::rel_path::RelPath;

/// Packages whose locked version detection needs.
pub(super) const TRACKED: [&str; 5] = ["next", "prisma", "@prisma/client", "sharp", "@types/node"];
/// Versions that are kept: a few for each package of a workspace.
pub(super) const MOST_LOCKED: usize = 100_000;

/// A parsed lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::project) struct Locked {
    pub kind: PackageManagerKind,
    pub path: RelPath,
    /// See [`crate::project::Lockfile::format`].
    pub format: String,
    pub packages: LockedPackages,
    /// A dependency is fetched with git.
    pub git: bool,
    /// Packages with binaries for other systems, but none for Linux: `lightningcss`.
    pub without_linux: Vec<String>,
    /// Packages with install scripts (npm).
    pub install_scripts: Vec<String>,
    pub install: LockfileUse,
}

impl Locked {
    /// A lockfile that is not there, for an install without one.
    pub fn missing(kind: PackageManagerKind, path: RelPath) -> Self {
        Self::new(kind, path, "none".to_owned(), LockedPackages::default())
    }

    pub(super) fn new(kind: PackageManagerKind, path: RelPath, format: String, packages: LockedPackages) -> Self {
        Self {
            kind,
            path,
            format,
            packages,
            git: false,
            without_linux: Vec::new(),
            install_scripts: Vec::new(),
            install: LockfileUse::Frozen,
        }
    }

    pub fn is_missing(&self) -> bool {
        self.format == "none"
    }

    /// A lockfile that cannot be read, or none at all: it says nothing about versions.
    pub fn is_opaque(&self) -> bool {
        self.is_missing() || self.format == "binary"
    }
}

/// The direct dependencies of a project, which are looked up in its lockfile.
#[derive(Debug, Clone, Copy)]
pub(in crate::project) struct Tracked<'a>(pub &'a BTreeSet<&'a str>);

impl Tracked<'_> {
    pub fn contains(self, name: &str) -> bool {
        TRACKED.contains(&name) || self.0.contains(name)
    }
}

/// The versions of tracked packages, by package and dependent; the first one counts if a lockfile repeats itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::project) struct LockedPackages {
    by_name: BTreeMap<String, BTreeMap<LockKey, String>>,
    /// The range with which each dependent requires a package, where the lockfile repeats it, by folder and name.
    required: BTreeMap<(String, String), String>,
    length: usize,
}

impl LockedPackages {
    /// Adds a version of a tracked package; other packages are ignored.
    pub(super) fn add(&mut self, tracked: Tracked<'_>, name: &str, place: LockKey, version: &str) {
        if self.is_full() || !tracked.contains(name) || parse_version(version).is_none() {
            return;
        }
        self.by_name.entry(name.to_owned()).or_default().entry(place).or_insert_with(|| version.to_owned());
        self.length += 1;
    }

    /// Adds the range with which the package in `folder` requires `name`.
    pub(super) fn require(&mut self, tracked: Tracked<'_>, folder: &str, name: &str, range: &str) {
        if self.is_full() || !tracked.contains(name) {
            return;
        }
        self.required.entry((folder.to_owned(), name.to_owned())).or_insert_with(|| range.to_owned());
        self.length += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.length == MOST_LOCKED
    }

    fn get(&self, name: &str, place: &LockKey) -> Option<&str> {
        self.by_name.get(name)?.get(place).map(String::as_str)
    }

    /// The version of `name`, if all entries agree.
    fn only(&self, name: &str) -> Option<&str> {
        let mut all = self.by_name.get(name)?.values();
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    }

    /// The range with which the package in `folder` requires `name`, according to the lockfile.
    pub fn required(&self, folder: &str, name: &str) -> Option<&str> {
        self.required.get(&(folder.to_owned(), name.to_owned())).map(String::as_str)
    }
}

/// The dependent that a version is locked for; each kind of lockfile identifies it differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::project) enum LockKey {
    /// Installed into the `node_modules` of this folder, relative to the lockfile (npm).
    Folder(String),
    /// Required by the package in this folder, relative to the lockfile (pnpm).
    Importer(String),
    /// Required with this range (Yarn).
    Range(String),
    /// Installed below the workspace package of this name; empty for all packages (Bun).
    Package(String),
}

/// A package with a dependency, whose version is looked up as the package manager resolves it.
#[derive(Debug, Clone, Copy)]
pub(in crate::project) struct Dependent<'a> {
    /// Folder relative to the lockfile.
    pub dir: &'a str,
    pub name: &'a str,
    pub range: &'a str,
}

impl Locked {
    /// The exact version of a direct dependency of `manifest`; the lockfile is in `dir`.
    pub fn version_for(&self, package: &str, manifest: &PackageJson, dir: &RelPath) -> Option<&str> {
        let (_, range) = manifest.dependency(package)?;
        self.version(package, Dependent { dir: below(dir, manifest), name: &manifest.display_name(), range })
    }

    /// The exact version of `package` that `dependent` gets, or the only one that there is.
    pub fn version(&self, package: &str, dependent: Dependent<'_>) -> Option<&str> {
        self.exact_version(package, dependent).or_else(|| self.packages.only(package))
    }

    /// The exact version of `package` that `dependent` gets.
    pub fn exact_version(&self, package: &str, dependent: Dependent<'_>) -> Option<&str> {
        let at = |place: LockKey| self.packages.get(package, &place);
        match self.kind {
            PackageManagerKind::Npm => {
                folders_up(dependent.dir).find_map(|folder| at(LockKey::Folder(folder.to_owned())))
            }
            PackageManagerKind::Pnpm => at(LockKey::Importer(importer(dependent.dir).to_owned())),
            PackageManagerKind::YarnClassic | PackageManagerKind::YarnBerry => {
                // Berry writes `npm:^13.0.0` for `^13.0.0`.
                let ranges = [dependent.range.to_owned(), format!("npm:{}", dependent.range)];
                ranges.into_iter().find_map(|range| at(LockKey::Range(range)))
            }
            PackageManagerKind::Bun => {
                at(LockKey::Package(dependent.name.to_owned())).or_else(|| at(LockKey::Package(String::new())))
            }
        }
    }
}

/// Folder of `manifest` as seen from the lockfile in `dir`; empty if it is elsewhere.
pub(super) fn below<'m>(dir: &RelPath, manifest: &'m PackageJson) -> &'m str {
    if dir.contains(&manifest.dir) { workspace::relative(dir, &manifest.dir) } else { "" }
}

/// The name that pnpm gives to a folder.
pub(super) fn importer(dir: &str) -> &str {
    if dir.is_empty() { "." } else { dir }
}

/// `a/b`, `a` and the root: the folders in which Node.js searches `node_modules`.
fn folders_up(dir: &str) -> impl Iterator<Item = &str> {
    let parents = std::iter::successors(Some(dir), |dir| dir.rsplit_once('/').map(|(parent, _)| parent));
    parents.chain((!dir.is_empty()).then_some(""))
}

pub(super) fn malformed(path: &RelPath, kind: &'static str, message: &str) -> ProjectError {
    ProjectError::Malformed { location: Location::line(path.as_str(), 1), kind, message: message.to_owned() }
}
