//! Which package manager, in which exact version, from which lockfile.
//!
//! In: manifests, lockfiles and package manager configuration. Out: [`PackageManagerChoice`], then, once the Node.js line is
//! known, the [`PackageManager`]. Never queries the registry: versions that are not pinned come from the table in `releases.rs`.

mod evidence;
mod sources;
mod version_request;
mod yarn_config;

use super::error::ProjectError;
use super::facts::{LockfileUse, PackageManager, PackageManagerKind, YarnLinker};
use super::lockfile::{Locked, NAMES};
use super::package_json::PackageJson;
use super::releases::{known_versions, node_line, package_manager_node_floor, pnpm_majors};
use super::version::{Range, Version};
use crate::diagnostic::{Location, Warning};
use crate::origin::{Origin, Sourced};

use evidence::Verdict;
pub(super) use sources::PackageManagerSources;
use sources::command_of;
use version_request::VersionRequest;
pub(super) use yarn_config::{YarnConfig, read_yarn_config};

/// The package manager before Node.js is known.
#[derive(Debug)]
pub(super) struct PackageManagerChoice {
    pub kind: Sourced<PackageManagerKind>,
    pub locked: Locked,
    /// The version or range that the project requires.
    pub request: Option<VersionRequest>,
    pub yarn: YarnConfig,
    pub warnings: Vec<Warning>,
    pnpm_settings: bool,
}

/// A package manager named by the project or the user.
struct NamedManager {
    command: &'static str,
    origin: Origin,
    location: Location,
}

/// Chooses the package manager and reads its lockfile.
pub(super) fn choose(sources: &PackageManagerSources<'_>) -> Result<PackageManagerChoice, ProjectError> {
    let mut warnings = Vec::new();
    let present: Vec<&'static str> = NAMES.iter().copied().filter(|name| sources.has(name)).collect();
    let named = named(sources, &present)?;
    let verdict = match &named {
        Some(named) => Verdict { command: named.command, reason: None },
        None => evidence::decide(sources, &present)?,
    };
    let command = verdict.command;
    let yarn = read_yarn_config(sources.tree, sources.dir, &mut warnings)?;
    let requested = version_request::find(sources.tree, sources.dir, &sources.manifests, command)?;
    // Yarn's committed release is what runs.
    let request = yarn.release.clone().filter(|_| command == "yarn").or(requested);
    let locked = match present.iter().copied().find(|name| command_of(name) == command) {
        Some(file) => {
            warnings.extend(stray(sources, &present, file, &verdict));
            sources.load(file)?
        }
        None if sources.unlocked => {
            let kind = kind_without_lockfile(command, request.as_ref(), sources.has(".yarnrc.yml"));
            Locked::missing(kind, sources.dir.child(new_lockfile(command)))
        }
        None => return Err(without_lockfile(sources, &present, named, command)),
    };
    let locked = check_lockfile(sources, locked, &mut warnings);
    let origin = match named {
        Some(named) => named.origin,
        None if locked.is_missing() => Origin::Default("there is no lockfile".to_owned()),
        None => Origin::File(locked.path.as_str().to_owned()),
    };
    let choice = PackageManagerChoice {
        kind: Sourced::new(locked.kind, origin),
        locked,
        request,
        yarn,
        warnings,
        pnpm_settings: sources.pnpm_settings,
    };
    refuse_mismatch(&choice)?;
    Ok(choice)
}

/// Lockfiles beside `used`.
fn stray(sources: &PackageManagerSources<'_>, present: &[&str], used: &str, verdict: &Verdict) -> Vec<Warning> {
    let command = verdict.command;
    let reason = verdict.reason.as_ref().map(|reason| format!(", because {reason}")).unwrap_or_default();
    let warning = |stray: &&str| {
        let message = format!("`{stray}` is not used: {command} installs from `{used}`{reason}");
        let warning = Warning::new("project/stray-lockfile", message).with_hint(format!("delete `{stray}`"));
        warning.at(Location::file(sources.dir.child(stray).as_str()))
    };
    present.iter().filter(|name| **name != used).map(warning).collect()
}

/// Warns of a lockfile that a frozen install refuses, or that lacks packages; decides whether the install is frozen.
fn check_lockfile(sources: &PackageManagerSources<'_>, mut locked: Locked, warnings: &mut Vec<Warning>) -> Locked {
    let (path, command) = (locked.path.clone(), locked.kind.command());
    let place = || Location::file(path.as_str());
    let stale = sources.stale(&locked);
    if sources.unlocked && (locked.is_missing() || !stale.is_empty()) {
        locked.install = LockfileUse::Unlocked;
        let problem =
            if locked.is_missing() { "there is no lockfile".to_owned() } else { format!("`{path}` is out of date") };
        let message = format!("the image is not reproducible: {problem}, so every build installs the newest versions");
        let hint = format!("run `{}` and commit the lockfile", write_command(command));
        let place =
            if locked.is_missing() { Location::file(sources.dir.child("package.json").as_str()) } else { place() };
        warnings.push(Warning::new("project/unlocked", message).with_hint(hint).at(place));
    } else if let Some(first) = stale.first() {
        let more = match stale.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let (name, range) = (&first.name, &first.range);
        let problem = match &first.locked {
            Some(locked) => format!("`{locked}` for `{name}`, which does not satisfy `{range}`"),
            None => format!("no entry for `{name}`, which is required as `{range}`"),
        };
        let message = format!("`{path}` is out of date: it has {problem} in `{}`{more}", first.manifest);
        let hint = format!("run `{command} install` and commit the lockfile; a frozen install fails otherwise");
        warnings.push(Warning::new("project/lockfile-out-of-date", message).with_hint(hint).at(place()));
    }
    if !locked.without_linux.is_empty() {
        let names: Vec<String> = locked.without_linux.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("`{path}` has binaries for other systems, but none for Linux, of {}", names.join(", "));
        let hint = format!("delete `node_modules` and `{path}`, run `npm install`, and commit the lockfile");
        warnings.push(Warning::new("project/lockfile-without-linux", message).with_hint(hint).at(place()));
    }
    locked
}

/// The package manager that writes a lockfile where there is none.
fn kind_without_lockfile(command: &str, request: Option<&VersionRequest>, has_berry_file: bool) -> PackageManagerKind {
    let major = request.and_then(|request| Range::parse(&request.text)?.lowest()).map(|lowest| lowest.major);
    let berry = major.map_or(has_berry_file, |major| major >= 2);
    match command {
        "pnpm" => PackageManagerKind::Pnpm,
        "bun" => PackageManagerKind::Bun,
        "yarn" if berry => PackageManagerKind::YarnBerry,
        "yarn" => PackageManagerKind::YarnClassic,
        _ => PackageManagerKind::Npm,
    }
}

fn new_lockfile(command: &str) -> &'static str {
    match command {
        "yarn" => "yarn.lock",
        "pnpm" => "pnpm-lock.yaml",
        "bun" => "bun.lock",
        _ => "package-lock.json",
    }
}

fn write_command(command: &str) -> &'static str {
    match command {
        "yarn" => "yarn install",
        "pnpm" => "pnpm install --lockfile-only",
        "bun" => "bun install --lockfile-only",
        _ => "npm install --package-lock-only",
    }
}

/// The flag, then `packageManager`, then `devEngines.packageManager`: of its entries the one that has a lockfile.
fn named(sources: &PackageManagerSources<'_>, present: &[&str]) -> Result<Option<NamedManager>, ProjectError> {
    if let Some(requested) = sources.requested {
        let location = Location::file(sources.dir.child("package.json").as_str());
        return Ok(Some(NamedManager {
            command: requested.value.command(),
            origin: requested.origin.clone(),
            location,
        }));
    }
    for manifest in &sources.manifests {
        let Some(text) = &manifest.package_manager else { continue };
        let name = text.split_once('@').map_or(text.as_str(), |(name, _)| name);
        return known(sources, manifest, name, &["packageManager"]).map(Some);
    }
    for manifest in &sources.manifests {
        let Some(first) = manifest.dev_package_manager.first() else { continue };
        let keys = &["devEngines", "packageManager"];
        let has_lockfile = |name: &str| present.iter().any(|file| command_of(file) == name);
        let with_lockfile = manifest.dev_package_manager.iter().find(|engine| has_lockfile(&engine.name));
        return known(sources, manifest, &with_lockfile.unwrap_or(first).name, keys).map(Some);
    }
    Ok(None)
}

fn known(
    sources: &PackageManagerSources<'_>,
    manifest: &PackageJson,
    name: &str,
    keys: &[&str],
) -> Result<NamedManager, ProjectError> {
    let origin = Origin::field(manifest.path.as_str(), &keys.join("."));
    let location = manifest.place(sources.tree, keys);
    if let Some(command) = ["npm", "yarn", "pnpm", "bun"].into_iter().find(|command| *command == name.trim()) {
        return Ok(NamedManager { command, origin, location });
    }
    let required_by = field_name(&origin);
    Err(ProjectError::UnknownPackageManager { name: name.to_owned(), required_by, location })
}

fn field_name(origin: &Origin) -> String {
    match origin {
        Origin::File(name) | Origin::Flag(name) | Origin::Variable(name) => format!("`{name}`"),
        other => other.to_string(),
    }
}

fn without_lockfile(
    sources: &PackageManagerSources<'_>,
    present: &[&str],
    named: Option<NamedManager>,
    command: &'static str,
) -> ProjectError {
    let write = write_command(command);
    let (Some(other), Some(named)) = (present.first(), named) else {
        let place = if sources.dir.is_root() { String::new() } else { format!(" in `{}`", sources.dir) };
        return ProjectError::NoLockfile {
            manifest: sources.dir.child("package.json"),
            command: write.to_owned(),
            place,
        };
    };
    ProjectError::LockfileMismatch {
        location: Box::new(named.location),
        required_by: field_name(&named.origin),
        required: command.to_owned(),
        problem: format!("the only lockfile is `{}`", sources.dir.child(other)),
        action: format!("run `{write}` and commit its lockfile, or name {} there", command_of(other)),
    }
}

/// Refuses versions whose frozen install rejects or rewrites the lockfile.
fn refuse_mismatch(choice: &PackageManagerChoice) -> Result<(), ProjectError> {
    let Some(request) = choice.request.as_ref().filter(|_| !choice.locked.is_missing()) else { return Ok(()) };
    let format = choice.locked.format.as_str();
    let major = request.exact().map(|version| version.major).or_else(|| request.text.parse().ok());
    let major = match (major, request.text.as_str()) {
        (None, "berry" | "stable" | "canary") => Some(4),
        (major, _) => major,
    };
    let Some(major) = major else { return Ok(()) };
    let old_pnpm_lock = format.starts_with('5') || format.starts_with('6');
    let refused = match choice.kind.value {
        PackageManagerKind::Npm => major < 7 && format == "3",
        PackageManagerKind::YarnClassic => major >= 2,
        PackageManagerKind::YarnBerry => major < 2,
        PackageManagerKind::Pnpm => (major >= 10 && old_pnpm_lock) || (major <= 8 && !old_pnpm_lock),
        PackageManagerKind::Bun => false,
    };
    if !refused {
        return Ok(());
    }
    let command = choice.kind.value.command();
    Err(ProjectError::LockfileMismatch {
        location: Box::new(request.location.clone()),
        required_by: field_name(&request.origin),
        required: format!("{command} {}", request.text),
        problem: format!("`{}` has version {format}, which it does not install from", choice.locked.path),
        action: format!("run `{command} install` with {command} {} and commit the lockfile", request.text),
    })
}

impl PackageManagerChoice {
    /// The Node.js version that the requested version needs; `None` when the version follows from Node.js.
    pub fn node_floor(&self) -> Option<(String, Version)> {
        let version = self.request.as_ref()?.exact()?;
        let floor = package_manager_node_floor(self.kind.value, &version)?.clone();
        Some((format!("{} {version}", self.kind.value.command()), floor))
    }

    /// The package manager with its exact version, for this Node.js line.
    pub fn finish(self, node_major: u32, warnings: &mut Vec<Warning>) -> Sourced<PackageManager> {
        let version = self.exact_version(node_major, warnings);
        let kind = self.kind.value;
        warnings.extend(self.warnings);
        let berry = kind == PackageManagerKind::YarnBerry;
        self.kind.map(|kind| PackageManager {
            kind,
            version,
            yarn_path: self.yarn.path,
            yarn_linker: berry.then_some(self.yarn.linker.unwrap_or(YarnLinker::Pnp)),
        })
    }

    fn exact_version(&self, node_major: u32, warnings: &mut Vec<Warning>) -> Option<Sourced<String>> {
        let Some(request) = &self.request else { return self.by_lockfile(None, node_major) };
        if let Some(exact) = request.exact() {
            return Some(self.installable(&exact, request, node_major, warnings));
        }
        let range = Range::parse(&request.text);
        let found = range.as_ref().and_then(|range| self.by_lockfile(Some((range, &request.origin)), node_major));
        if found.is_some() || (range.is_some() && self.kind.value == PackageManagerKind::Npm) {
            return found;
        }
        let fallback = self.by_lockfile(None, node_major);
        let version = fallback.as_ref().map(|version| version.value.as_str());
        let command = self.kind.value.command();
        let message = format!(
            "`{}` ({}) does not determine a version of {command} for `{}`: using {}",
            request.text,
            request.origin,
            self.locked.path,
            version.unwrap_or("the version bundled with Node.js")
        );
        let hint = format!("pin it: `\"packageManager\": \"{command}@{}\"`", version.unwrap_or("VERSION"));
        let warning = Warning::new("project/package-manager-not-exact", message).with_hint(hint);
        warnings.push(warning.at(request.location.clone()));
        fallback
    }

    /// The pinned version, or the nearest one that is published and runs: the npm registry has Yarn Berry from 2.4.1 on,
    /// and pnpm before 7.33 fails on Node.js 20 and later (`ERR_INVALID_THIS`).
    fn installable(
        &self,
        exact: &Version,
        request: &VersionRequest,
        node_major: u32,
        warnings: &mut Vec<Warning>,
    ) -> Sourced<String> {
        let before = |major: u64, minor: u64, patch: u64| *exact < Version::new(major, minor, patch);
        let kind = self.kind.value;
        let (stand_in, code, problem, hint) = match kind {
            PackageManagerKind::YarnBerry if self.yarn.path.is_none() && before(2, 4, 1) => (
                2,
                "project/yarn-not-published",
                "is not on the npm registry".to_owned(),
                "commit the release with `yarn set version`, or upgrade Yarn",
            ),
            PackageManagerKind::Pnpm if node_major >= 20 && before(7, 33, 0) => (
                7,
                "project/pnpm-too-old",
                format!("does not run on Node.js {node_major}"),
                "upgrade pnpm, or use Node.js 18",
            ),
            _ => return Sourced::new(exact.to_string(), request.origin.clone()),
        };
        let command = kind.command();
        let stand_in = known_versions(kind).iter().find(|known| known.version.major == stand_in);
        let stand_in = stand_in.map_or_else(|| exact.clone(), |known| known.version.clone());
        let message = format!("{command} {exact} ({}) {problem}: using {stand_in}", request.origin);
        warnings.push(Warning::new(code, message).with_hint(hint).at(request.location.clone()));
        Sourced::new(stand_in.to_string(), Origin::Derived(format!("{command} {exact}, which {problem}")))
    }

    /// The version that installs from the lockfile (and is in the range); `None` for npm: the version bundled with Node.js.
    fn by_lockfile(&self, required: Option<(&Range, &Origin)>, node_major: u32) -> Option<Sourced<String>> {
        let kind = self.kind.value;
        let line = node_line(node_major);
        let format = self.locked.format.as_str();
        let runs = |floor: &Version| line.is_some_and(|line| floor <= line.newest());
        let known = known_versions(kind).iter().filter(|known| known.node.as_ref().is_none_or(runs));
        let admitted = |version: &&Version| required.is_none_or(|(range, _)| range.admits(version));
        let usable: Vec<&Version> = known.map(|known| &known.version).filter(admitted).collect();
        let of_major = |major: u64| usable.iter().find(|version| version.major == major).copied();
        let chosen = match kind {
            PackageManagerKind::Npm => {
                let bundled = line.map_or(0, |line| line.npm_major);
                let fits =
                    required.is_none_or(|(range, _)| admits_major(range, bundled)) && (bundled > 6 || format != "3");
                if fits {
                    return None;
                }
                let mut readable = usable.iter().filter(|version| version.major > 6);
                // The nearest in the range: npm 12 runs no scripts of dependencies that the project does not allow.
                let later = readable.clone().find(|version| required.is_some() && version.major > bundled);
                later.or_else(|| readable.next_back()).copied()
            }
            PackageManagerKind::Pnpm => {
                let majors = pnpm_majors(format);
                let newer = if self.pnpm_settings && majors.contains(&10) { &[10, 11][..] } else { &[] };
                newer.iter().chain(majors).find_map(|major| of_major(*major))
            }
            PackageManagerKind::YarnBerry if format.parse().is_ok_and(|format: u32| format > 8) => {
                usable.last().copied()
            }
            PackageManagerKind::YarnBerry => of_major(berry_major(format)),
            PackageManagerKind::Bun if format == "binary" => usable.first().copied(),
            PackageManagerKind::YarnClassic | PackageManagerKind::Bun => usable.last().copied(),
        };
        let origin = || match required {
            Some((_, origin)) => origin.clone(),
            None => Origin::Derived(format!("`{}`, version {format}", self.locked.path)),
        };
        if let Some(version) = chosen {
            return Some(Sourced::new(version.to_string(), origin()));
        }
        // The range contains no version of the table; its lowest version exists.
        let lowest = required.and_then(|(range, _)| range.lowest()).filter(|version| self.reads_lockfile(version))?;
        Some(Sourced::new(lowest.to_string(), origin()))
    }

    fn reads_lockfile(&self, version: &Version) -> bool {
        match self.kind.value {
            PackageManagerKind::Pnpm => pnpm_majors(&self.locked.format).contains(&version.major),
            PackageManagerKind::YarnBerry => version.major >= 2,
            PackageManagerKind::YarnClassic => version.major == 1,
            PackageManagerKind::Npm | PackageManagerKind::Bun => version.major > 0,
        }
    }
}

fn admits_major(range: &Range, major: u64) -> bool {
    range.lowest_of_major(major).is_some()
}

/// The major of Yarn that writes this `__metadata.version`.
fn berry_major(format: &str) -> u64 {
    match format.parse::<u32>() {
        Ok(..=4) => 2,
        Ok(5..=7) => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests;
