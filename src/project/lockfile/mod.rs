//! What a lockfile pins: text of any lockfile kind in, format and versions of the few packages that matter out.
//!
//! Lockfiles run to many megabytes, so each reader looks for [`TRACKED`] only and skips the rest. Never checks the
//! lockfile against the manifests: the frozen install does that.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::ProjectError;
use super::facts::PackageManagerKind;
use super::text;
use super::version::parse_version;
use crate::diagnostic::Location;
use crate::rel_path::RelPath;
use crate::repo::{SourceText, SourceTree};

/// Packages whose locked version detection needs.
const TRACKED: &[&str] = &["next", "prisma", "@prisma/client", "sharp"];

/// File names of lockfiles, in order of precedence within each package manager.
pub(super) const NAMES: &[&str] =
    &["npm-shrinkwrap.json", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"];

/// A parsed lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Locked {
    pub kind: PackageManagerKind,
    pub path: RelPath,
    /// See [`super::Lockfile::format`].
    pub format: String,
    pub packages: LockedPackages,
    /// A dependency is fetched with git.
    pub git: bool,
}

/// The versions of tracked packages, by package and dependent; the first one counts if a lockfile repeats itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LockedPackages {
    by_name: BTreeMap<&'static str, BTreeMap<LockKey, String>>,
    length: usize,
}

/// Versions that are kept: at most four for each package of a workspace.
const MOST_LOCKED: usize = 100_000;

impl LockedPackages {
    /// Adds a version of a tracked package; other packages are ignored.
    fn add(&mut self, name: &str, place: LockKey, version: &str) {
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

    fn get(&self, name: &str, place: &LockKey) -> Option<&str> {
        self.by_name.get(name)?.get(place).map(String::as_str)
    }

    /// The version of `name`, if all entries agree.
    fn only(&self, name: &str) -> Option<&str> {
        let mut all = self.by_name.get(name)?.values();
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    }
}

/// The dependent that a version is locked for; each kind of lockfile identifies it differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LockKey {
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
            return check_bun_binary(tree.text(&path), &path).map(|format| format.map(|f| binary(path, f)));
        }
        text::read(tree, &path)?.map(|text| Self::parse(&path, text)).transpose()
    }

    /// Reads a text lockfile; its kind follows from its file name.
    pub fn parse(path: &RelPath, text: &str) -> Result<Self, ProjectError> {
        let locked = match path.name() {
            "yarn.lock" => parse_yarn(path, text),
            "pnpm-lock.yaml" => parse_pnpm(path, text),
            "bun.lock" => parse_bun(path, text),
            _ => parse_npm(path, text),
        }?;
        if locked.packages.is_full() {
            let reason = format!("it locks more than {MOST_LOCKED} versions of {}", TRACKED.join(", "));
            return Err(ProjectError::BeyondLimit { file: path.clone(), reason });
        }
        Ok(locked)
    }

    /// The exact version of `package` that `dependent` gets.
    pub fn version(&self, package: &str, dependent: Dependent<'_>) -> Option<&str> {
        let at = |place: LockKey| self.packages.get(package, &place);
        let found = match self.kind {
            PackageManagerKind::Npm => {
                folders_up(dependent.dir).find_map(|folder| at(LockKey::Folder(folder.to_owned())))
            }
            PackageManagerKind::Pnpm => {
                let importer = if dependent.dir.is_empty() { "." } else { dependent.dir };
                at(LockKey::Importer(importer.to_owned()))
            }
            PackageManagerKind::YarnClassic | PackageManagerKind::YarnBerry => {
                // Berry writes `npm:^13.0.0` for `^13.0.0`.
                let ranges = [dependent.range.to_owned(), format!("npm:{}", dependent.range)];
                ranges.into_iter().find_map(|range| at(LockKey::Range(range)))
            }
            PackageManagerKind::Bun => {
                at(LockKey::Package(dependent.name.to_owned())).or_else(|| at(LockKey::Package(String::new())))
            }
        };
        found.or_else(|| self.packages.only(package))
    }
}

fn binary(path: RelPath, format: String) -> Locked {
    Locked { kind: PackageManagerKind::Bun, path, format, packages: LockedPackages::default(), git: false }
}

/// `a/b`, `a` and the root: the folders in which Node.js searches `node_modules`.
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

/// A JSON value of which only a string is kept; other values are skipped without being built.
struct JsonText<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for JsonText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonTextVisitor)
    }
}

struct JsonTextVisitor;

impl<'de> Visitor<'de> for JsonTextVisitor {
    type Value = JsonText<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(JsonText(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(JsonText(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(JsonText(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(JsonText(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(JsonText(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(JsonText(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(JsonText(None))
    }

    /// A list is represented by its first text: Bun writes `["next@15.0.0", …]`.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let first = items.next_element::<JsonText<'de>>()?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first.unwrap_or(JsonText(None)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(JsonText(None))
    }
}

/// The content of a binary lockfile, as far as it was read.
fn first_bytes(text: &SourceText) -> Option<&[u8]> {
    match text {
        SourceText::Binary(bytes) => Some(bytes),
        SourceText::Text(text) => Some(text.as_bytes()),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PackageLock {
    lockfile_version: Option<u32>,
    packages: Option<NpmPackages>,
    dependencies: Option<NpmPackages>,
}

/// The parts of a map of packages that are kept.
#[derive(Default)]
struct NpmPackages {
    tracked: Vec<(String, String)>,
    git: bool,
}

#[derive(Deserialize)]
struct JsonKey<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct NpmPackage<'a> {
    #[serde(borrow)]
    version: Option<Cow<'a, str>>,
    /// A URL, but `false` for bundled packages in old lockfiles.
    #[serde(borrow)]
    resolved: Option<JsonText<'a>>,
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
            let name = key.rsplit_once("node_modules/").map_or(&*key, |(_, name)| name);
            // One more than the limit, so that exceeding it is noticed.
            if TRACKED.contains(&name) && entries.tracked.len() <= MOST_LOCKED {
                entries.tracked.push((key.into_owned(), version.to_owned()));
            }
        }
        Ok(entries)
    }
}

fn parse_npm(path: &RelPath, text: &str) -> Result<Locked, ProjectError> {
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
            packages.add(name, LockKey::Folder(folder.to_owned()), version);
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

const BUN_BINARY: &[u8] = b"#!/usr/bin/env bun\nbun-lockfile-format-v";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BunLock {
    lockfile_version: Option<u64>,
    #[serde(default)]
    packages: BunPackages,
}

#[derive(Default)]
struct BunPackages {
    tracked: LockedPackages,
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
            let Some((name, version)) = id.as_deref().and_then(split_bun_id) else { continue };
            packages.git |= version.starts_with("git+");
            let owner = key.strip_suffix(name).unwrap_or_default().trim_end_matches('/');
            packages.tracked.add(name, LockKey::Package(owner.to_owned()), version);
        }
        Ok(packages)
    }
}

fn parse_bun(path: &RelPath, text: &str) -> Result<Locked, ProjectError> {
    if text.trim().is_empty() {
        return Err(malformed(path, "Bun lockfile", "the file is empty"));
    }
    let lock: BunLock = text::parse_jsonc(path, text)?;
    let Some(format) = lock.lockfile_version else {
        return Err(malformed(path, "Bun lockfile", "there is no `lockfileVersion`"));
    };
    let BunPackages { tracked: packages, git } = lock.packages;
    Ok(Locked { kind: PackageManagerKind::Bun, path: path.clone(), format: format.to_string(), packages, git })
}

/// The format of a binary lockfile; `None` when there is no such file.
fn check_bun_binary(text: Option<&SourceText>, path: &RelPath) -> Result<Option<String>, ProjectError> {
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

fn split_bun_id(id: &str) -> Option<(&str, &str)> {
    let at = id.char_indices().skip(1).find(|(_, c)| *c == '@')?.0;
    Some((&id[..at], &id[at + 1..]))
}

fn parse_yarn(path: &RelPath, text: &str) -> Result<Locked, ProjectError> {
    text::refuse_conflict(path, text)?;
    let mut scan = YarnScan::default();
    text.lines().for_each(|line| scan.line(line));
    let berry = scan.berry_version.is_some();
    if !berry && !scan.classic && !text.starts_with("# yarn lockfile v1") && !text.contains("\n# yarn lockfile v1") {
        let message =
            if text.trim().is_empty() { "the file is empty" } else { "no version of Yarn writes this format" };
        return Err(malformed(path, "Yarn lockfile", message));
    }
    Ok(Locked {
        kind: if berry { PackageManagerKind::YarnBerry } else { PackageManagerKind::YarnClassic },
        path: path.clone(),
        format: scan.berry_version.unwrap_or_else(|| "1".to_owned()),
        packages: scan.packages,
        git: scan.git,
    })
}

#[derive(Default)]
struct YarnScan<'t> {
    berry_version: Option<String>,
    /// A property in Yarn 1's layout (`version "1.0.0"`) was seen.
    classic: bool,
    in_metadata: bool,
    /// The descriptors of the current block.
    current: &'t str,
    packages: LockedPackages,
    git: bool,
}

impl<'t> YarnScan<'t> {
    fn line(&mut self, line: &'t str) {
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        if !line.starts_with(' ') {
            self.in_metadata = line.starts_with("__metadata:");
            self.current = line.strip_suffix(':').unwrap_or_default();
            return;
        }
        // Only direct properties; four spaces are a nested map.
        let Some(property) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) else { return };
        if let Some(value) = property.strip_prefix("version") {
            self.version(value);
        } else if let Some(value) = property.strip_prefix("resolved ") {
            let url = value.trim_matches('"');
            self.git |= url.starts_with("git") || url.starts_with("ssh:") || url.contains(".git#");
        } else if let Some(value) = property.strip_prefix("resolution: ") {
            self.git |= value.contains("#commit=");
        }
    }

    fn version(&mut self, value: &str) {
        let (berry, value) = match value.strip_prefix(':') {
            Some(value) => (true, value.trim().trim_matches('"')),
            None => (false, value.trim().trim_matches('"')),
        };
        self.classic |= !berry;
        if self.in_metadata {
            self.berry_version = Some(value.to_owned());
        }
        for (name, range) in tracked_descriptors(std::mem::take(&mut self.current)) {
            self.packages.add(name, LockKey::Range(range.to_owned()), value);
        }
    }
}

/// `next@^13.0.0, "next@13"` or `"next@npm:^13, next@npm:13"`, as name and range, tracked packages only.
fn tracked_descriptors(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let first = line.trim_start_matches('"');
    let is_tracked = TRACKED.iter().any(|name| first.strip_prefix(name).is_some_and(|rest| rest.starts_with('@')));
    let descriptors = if is_tracked { line } else { "" }.split(", ").map(|descriptor| descriptor.trim_matches('"'));
    descriptors.filter_map(|descriptor| {
        let at = descriptor.char_indices().skip(1).find(|(_, c)| *c == '@')?.0;
        Some((&descriptor[..at], &descriptor[at + 1..]))
    })
}

fn parse_pnpm(path: &RelPath, text: &str) -> Result<Locked, ProjectError> {
    text::refuse_conflict(path, text)?;
    let mut scan = PnpmScan::default();
    text.lines().for_each(|line| scan.line(line));
    let Some(format) = scan.format else {
        let message = if text.trim().is_empty() { "the file is empty" } else { "there is no `lockfileVersion`" };
        return Err(malformed(path, "pnpm lockfile", message));
    };
    Ok(Locked { kind: PackageManagerKind::Pnpm, path: path.clone(), format, packages: scan.packages, git: scan.git })
}

#[derive(Default)]
struct PnpmScan<'t> {
    format: Option<String>,
    /// Keys that lead to the current line, one per level.
    keys: Vec<&'t str>,
    packages: LockedPackages,
    git: bool,
}

impl<'t> PnpmScan<'t> {
    fn line(&mut self, line: &'t str) {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        let is_relevant = |section: &&str| is_group(section) || *section == "importers";
        if indent > 0 && !self.keys.first().is_some_and(is_relevant) {
            self.git |= content.starts_with("resolution:") && content.contains("type: git");
            return;
        }
        if content.is_empty() || content.starts_with('#') || content.starts_with("---") {
            return;
        }
        let Some((key, value)) = content.split_once(':') else { return };
        // Keys that contain a colon (`'git@host:x'`) are irrelevant.
        let (key, value) = (unquote(key), unquote(value.trim()));
        self.keys.truncate(indent / 2);
        self.keys.push(key);
        if key == "lockfileVersion" && indent == 0 {
            self.format = Some(value.to_owned());
        } else if !value.is_empty() {
            self.value(value);
        }
    }

    fn value(&mut self, value: &str) {
        let (importer, rest) = match self.keys.as_slice() {
            ["importers", importer, rest @ ..] => (*importer, rest),
            rest => (".", rest),
        };
        let name = match rest {
            [group, name] | [group, name, "version"] if is_group(group) => *name,
            _ => return,
        };
        if TRACKED.contains(&name) {
            self.packages.add(name, LockKey::Importer(importer.to_owned()), pnpm_version(value));
        }
    }
}

fn is_group(key: &str) -> bool {
    matches!(key, "dependencies" | "devDependencies" | "optionalDependencies")
}

/// `13.4.1(react@18.2.0)`, `12.1.0_react@17`, `/next/12.1.0_x` and `next@15.0.0(y)` (aliases) all name a version.
fn pnpm_version(value: &str) -> &str {
    let end = value.find(['(', '_']).unwrap_or(value.len());
    let value = &value[..end];
    let value = value.rsplit_once('/').map_or(value, |(_, version)| version);
    value.rsplit_once('@').map_or(value, |(_, version)| version)
}

fn unquote(text: &str) -> &str {
    text.trim_matches(['\'', '"'])
}

#[cfg(test)]
mod tests;
