//! What a lockfile pins: text of any lockfile kind in, format and versions of the few packages that matter out.
//!
//! Lockfiles run to many megabytes, so each reader looks for [`TRACKED`] only and skips the rest. Never checks the
//! lockfile against the manifests: the frozen install does that.

mod bun;
mod npm;
mod pnpm;
mod yarn;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::diagnostic::Location;
use crate::rel_path::RelPath;
use crate::repo::{SourceText, SourceTree};

use super::error::ProjectError;
use super::facts::PackageManagerKind;
use super::text;
use super::version::parse_version;

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
    pub packages: LockedPackages,
    /// A dependency is fetched by git.
    pub git: bool,
}

/// The versions of tracked packages, by package and place; the first one where a lockfile repeats itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LockedPackages {
    by_name: BTreeMap<&'static str, BTreeMap<Place, String>>,
    length: usize,
}

/// Versions that are taken over: at most four for each package of a workspace.
const MOST_LOCKED: usize = 100_000;

impl LockedPackages {
    /// Takes over a version of a tracked package; others are passed over.
    fn add(&mut self, name: &str, place: Place, version: &str) {
        if self.is_full() {
            return;
        }
        let Some(name) = TRACKED.iter().find(|tracked| **tracked == name).filter(|_| is_version(version)) else {
            return;
        };
        self.by_name.entry(*name).or_default().entry(place).or_insert_with(|| version.to_owned());
        self.length += 1;
    }

    fn is_full(&self) -> bool {
        self.length == MOST_LOCKED
    }

    fn get(&self, name: &str, place: &Place) -> Option<&str> {
        self.by_name.get(name)?.get(place).map(String::as_str)
    }

    /// The one version of `name`, when all entries agree.
    fn only(&self, name: &str) -> Option<&str> {
        let mut all = self.by_name.get(name)?.values();
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    }
}

/// For whom a version is locked; every kind of lockfile says it in its own way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
        let locked = match path.name() {
            "yarn.lock" => yarn::parse(path, text),
            "pnpm-lock.yaml" => pnpm::parse(path, text),
            "bun.lock" => bun::parse(path, text),
            _ => npm::parse(path, text),
        }?;
        if locked.packages.is_full() {
            let reason = format!("it locks {MOST_LOCKED} versions of {}", TRACKED.join(", "));
            return Err(ProjectError::BeyondLimit { file: path.clone(), reason });
        }
        Ok(locked)
    }

    /// The exact version of `package` that `dependent` gets.
    pub fn version(&self, package: &str, dependent: Dependent<'_>) -> Option<&str> {
        let at = |place: Place| self.packages.get(package, &place);
        let found = match self.kind {
            PackageManagerKind::Npm => {
                folders_up(dependent.dir).find_map(|folder| at(Place::Folder(folder.to_owned())))
            }
            PackageManagerKind::Pnpm => {
                let importer = if dependent.dir.is_empty() { "." } else { dependent.dir };
                at(Place::Importer(importer.to_owned()))
            }
            PackageManagerKind::YarnClassic | PackageManagerKind::YarnBerry => {
                // Berry writes `npm:^13.0.0` for `^13.0.0`.
                let ranges = [dependent.range.to_owned(), format!("npm:{}", dependent.range)];
                ranges.into_iter().find_map(|range| at(Place::Range(range)))
            }
            PackageManagerKind::Bun => {
                at(Place::Package(dependent.name.to_owned())).or_else(|| at(Place::Package(String::new())))
            }
        };
        found.or_else(|| self.packages.only(package))
    }
}

fn binary(path: RelPath, format: String) -> Locked {
    Locked { kind: PackageManagerKind::Bun, path, format, packages: LockedPackages::default(), git: false }
}

/// `a/b`, `a`, and the root, as Node.js looks for `node_modules`.
fn folders_up(dir: &str) -> impl Iterator<Item = &str> {
    let parents = std::iter::successors(Some(dir), |dir| dir.rsplit_once('/').map(|(parent, _)| parent));
    parents.chain((!dir.is_empty()).then_some(""))
}

fn malformed(path: &RelPath, kind: &'static str, message: &str) -> ProjectError {
    ProjectError::Malformed { location: Location::line(path.as_str(), 1), kind, message: message.to_owned() }
}

fn is_version(text: &str) -> bool {
    parse_version(text).is_some()
}

/// A JSON value, of which only a text is kept; others are passed over without being built.
struct Text<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    /// The text at the beginning of a list stands for it: Bun writes `["next@15.0.0", …]`.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let first = items.next_element::<Text<'de>>()?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first.unwrap_or(Text(None)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
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
