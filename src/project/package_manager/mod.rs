//! Which package manager, in which exact version, from which lockfile.
//!
//! In: manifests, lockfiles and package manager configuration. Out: [`PackageManagerChoice`], then, once the Node.js line is
//! known, the [`PackageManager`]. Never queries the registry: versions that are not pinned come from the table in `releases.rs`.

use serde_json::Value;

use super::error::ProjectError;
use super::facts::{PackageManager, PackageManagerKind, YarnLinker};
use super::lockfile::{Locked, NAMES};
use super::package_json::PackageJson;
use super::releases::{NODE_LINES, known_versions, package_manager_node_floor, pnpm_majors};
use super::text;
use super::version::{Range, Version, parse_version};
use crate::diagnostic::{Location, Warning};
use crate::origin::{Origin, Sourced};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

/// Where the package manager may be specified: the folder of the install, then the app.
pub(super) struct PackageManagerSources<'a> {
    pub tree: &'a SourceTree,
    /// Folder of the lockfile, where the install runs.
    pub dir: &'a RelPath,
    /// That of the install folder first, then the app's.
    pub manifests: Vec<&'a PackageJson>,
    pub requested: Option<&'a Sourced<PackageManagerKind>>,
    /// `pnpm-workspace.yaml` contains settings, which pnpm 9 does not read.
    pub pnpm_settings: bool,
}

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

/// A version of the package manager as written in the project.
#[derive(Debug, Clone)]
pub(super) struct VersionRequest {
    pub text: String,
    pub origin: Origin,
    pub location: Location,
}

impl VersionRequest {
    /// The version, unless it is a range.
    pub fn exact(&self) -> Option<Version> {
        parse_version(&self.text)
    }
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
    let present: Vec<&'static str> = NAMES.iter().copied().filter(|name| has(sources, name)).collect();
    let named = named(sources)?;
    let command = match &named {
        Some(named) => named.command,
        None => by_lockfile(sources, &present)?,
    };
    let Some(file) = present.iter().copied().find(|name| command_of(name) == command) else {
        return Err(without_lockfile(sources, &present, named, command));
    };
    for stray in present.iter().filter(|name| **name != file) {
        let message = format!("`{stray}` is not used: {command} installs from `{file}`");
        let warning = Warning::new("project/stray-lockfile", message).with_hint(format!("delete `{stray}`"));
        warnings.push(warning.at(Location::file(sources.dir.child(stray).as_str())));
    }
    let locked = Locked::load(sources.tree, sources.dir, file)?;
    // A link to a directory is listed as a file.
    let locked = locked.ok_or_else(|| ProjectError::Unreadable {
        file: sources.dir.child(file),
        reason: "it is not a regular file".to_owned(),
    })?;
    let yarn = read_yarn_config(sources.tree, sources.dir, &mut warnings)?;
    let origin = named.map_or_else(|| Origin::File(locked.path.as_str().to_owned()), |named| named.origin);
    let mut choice = PackageManagerChoice {
        kind: Sourced::new(locked.kind, origin),
        locked,
        request: None,
        yarn,
        warnings,
        pnpm_settings: sources.pnpm_settings,
    };
    choice.request = version_request(sources, &choice);
    refuse_mismatch(&choice)?;
    Ok(choice)
}

fn has(sources: &PackageManagerSources<'_>, name: &str) -> bool {
    let path = sources.dir.child(name);
    sources.tree.text(&path).is_some() || sources.tree.has_file(&path)
}

fn command_of(lockfile: &str) -> &'static str {
    match lockfile {
        "yarn.lock" => "yarn",
        "pnpm-lock.yaml" => "pnpm",
        "bun.lock" | "bun.lockb" => "bun",
        _ => "npm",
    }
}

/// The flag, then `packageManager`, then `devEngines.packageManager`.
fn named(sources: &PackageManagerSources<'_>) -> Result<Option<NamedManager>, ProjectError> {
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
        return known(sources, manifest, &first.name, &["devEngines", "packageManager"]).map(Some);
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

/// Without an explicit package manager the lockfile decides; if there are two, configuration files decide between them.
fn by_lockfile(sources: &PackageManagerSources<'_>, present: &[&'static str]) -> Result<&'static str, ProjectError> {
    let mut commands: Vec<&'static str> = present.iter().map(|name| command_of(name)).collect();
    commands.dedup();
    match commands.as_slice() {
        [] => Ok("npm"),
        [one] => Ok(one),
        several => {
            let mut signs = several.iter().copied().filter(|command| has_sign(sources, command));
            if let (Some(one), None) = (signs.next(), signs.next()) {
                return Ok(one);
            }
            let files = present.iter().map(|name| (*name).to_owned()).collect();
            Err(ProjectError::TwoLockfiles { dir: sources.dir.clone(), files })
        }
    }
}

fn has_sign(sources: &PackageManagerSources<'_>, command: &str) -> bool {
    let configuration: &[&str] = match command {
        "yarn" => &[".yarnrc", ".yarnrc.yml"],
        "pnpm" => &["pnpm-workspace.yaml", ".pnpmfile.cjs"],
        "bun" => &["bunfig.toml"],
        _ => &[],
    };
    let pinned =
        |manifest: &&PackageJson| manifest.volta.contains_key(command) || manifest.engines.contains_key(command);
    configuration.iter().any(|name| has(sources, name)) || sources.manifests.iter().any(pinned)
}

fn without_lockfile(
    sources: &PackageManagerSources<'_>,
    present: &[&str],
    named: Option<NamedManager>,
    command: &'static str,
) -> ProjectError {
    let write = match command {
        "yarn" => "yarn install",
        "pnpm" => "pnpm install --lockfile-only",
        "bun" => "bun install --lockfile-only",
        _ => "npm install --package-lock-only",
    };
    let (Some(other), Some(named)) = (present.first(), named) else {
        return ProjectError::NoLockfile { manifest: sources.dir.child("package.json"), command: write.to_owned() };
    };
    ProjectError::LockfileMismatch {
        location: Box::new(named.location),
        required_by: field_name(&named.origin),
        required: command.to_owned(),
        problem: format!("the only lockfile is `{}`", sources.dir.child(other)),
        action: format!("run `{write}` and commit its lockfile, or name {} there", command_of(other)),
    }
}

/// Yarn's committed release first (it is what runs), then the fields, most specific first.
fn version_request(sources: &PackageManagerSources<'_>, choice: &PackageManagerChoice) -> Option<VersionRequest> {
    if let Some(release) = choice.yarn.release.as_ref().filter(|_| choice.kind.value.command() == "yarn") {
        return Some(release.clone());
    }
    let command = choice.kind.value.command();
    let request = |manifest: &PackageJson, keys: &[&str], text: &str| VersionRequest {
        text: text.trim().trim_start_matches('v').to_owned(),
        origin: Origin::field(manifest.path.as_str(), &keys.join(".")),
        location: manifest.place(sources.tree, keys),
    };
    let manifests = || sources.manifests.iter().copied();
    let field = manifests().find_map(|manifest| {
        let (name, version) = manifest.package_manager.as_deref()?.split_once('@')?;
        // `pnpm@9.1.0+sha512.…`: the hash is for Corepack.
        let version = version.split_once('+').map_or(version, |(version, _)| version);
        (name == command).then(|| request(manifest, &["packageManager"], version))
    });
    let dev = || {
        manifests().find_map(|manifest| {
            let engine = manifest.dev_package_manager.iter().find(|engine| engine.name == command)?;
            Some(request(manifest, &["devEngines", "packageManager"], engine.version.as_deref()?))
        })
    };
    let map = |field: &'static str| {
        manifests().find_map(|manifest| {
            let map = if field == "volta" { &manifest.volta } else { &manifest.engines };
            Some(request(manifest, &[field, command], map.get(command)?))
        })
    };
    field.or_else(dev).or_else(|| map("volta")).or_else(|| map("engines"))
}

/// Refuses versions whose frozen install rejects or rewrites the lockfile.
fn refuse_mismatch(choice: &PackageManagerChoice) -> Result<(), ProjectError> {
    let Some(request) = &choice.request else { return Ok(()) };
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
    pub fn node_floor(&self) -> Option<(String, (u64, u64, u64))> {
        let version = self.request.as_ref()?.exact()?;
        let floor = package_manager_node_floor(self.kind.value, &version)?;
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
                known_versions(kind)[0],
                "project/yarn-not-published",
                "is not on the npm registry".to_owned(),
                "commit the release with `yarn set version`, or upgrade Yarn",
            ),
            PackageManagerKind::Pnpm if node_major >= 20 && before(7, 33, 0) => (
                known_versions(kind)[1],
                "project/pnpm-too-old",
                format!("does not run on Node.js {node_major}"),
                "upgrade pnpm, or use Node.js 18",
            ),
            _ => return Sourced::new(exact.to_string(), request.origin.clone()),
        };
        let command = kind.command();
        let message = format!("{command} {exact} ({}) {problem}: using {stand_in}", request.origin);
        warnings.push(Warning::new(code, message).with_hint(hint).at(request.location.clone()));
        Sourced::new(stand_in.to_owned(), Origin::Derived(format!("{command} {exact}, which {problem}")))
    }

    /// The version that installs from the lockfile (and is in the range); `None` for npm: the version bundled with Node.js.
    fn by_lockfile(&self, required: Option<(&Range, &Origin)>, node_major: u32) -> Option<Sourced<String>> {
        let kind = self.kind.value;
        let line = NODE_LINES.iter().find(|line| line.major == node_major);
        let format = self.locked.format.as_str();
        let newest = line.map_or((0, 0, 0), |line| line.newest);
        let known = known_versions(kind).iter().filter_map(|text| Version::parse(text).ok());
        let runs = |version: &Version| package_manager_node_floor(kind, version).is_none_or(|floor| floor <= newest);
        let admitted = |version: &Version| required.is_none_or(|(range, _)| range.admits(version));
        let usable: Vec<Version> = known.filter(|version| runs(version) && admitted(version)).collect();
        let of_major = |major: u64| usable.iter().find(|version| version.major == major);
        let chosen = match kind {
            PackageManagerKind::Npm => {
                let bundled = u64::from(line.map_or(0, |line| line.npm_major));
                let fits =
                    required.is_none_or(|(range, _)| admits_major(range, bundled)) && (bundled > 6 || format != "3");
                if fits {
                    return None;
                }
                usable.iter().rev().find(|version| version.major > 6)
            }
            PackageManagerKind::Pnpm => {
                let majors = pnpm_majors(format);
                let newer = if self.pnpm_settings && majors.contains(&10) { &[10, 11][..] } else { &[] };
                newer.iter().chain(majors).find_map(|major| of_major(*major))
            }
            PackageManagerKind::YarnBerry => of_major(berry_major(format)),
            PackageManagerKind::Bun if format == "binary" => usable.first(),
            PackageManagerKind::YarnClassic | PackageManagerKind::Bun => usable.last(),
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

/// Yarn's configuration.
#[derive(Debug, Default)]
pub(super) struct YarnConfig {
    /// The release file, if it is committed.
    pub path: Option<RelPath>,
    /// Its version, from its file name.
    pub release: Option<VersionRequest>,
    pub linker: Option<YarnLinker>,
    /// `cacheFolder`, or its default.
    pub cache_folder: Option<String>,
}

/// `.yarnrc.yml` (Berry) and `.yarnrc` (Yarn 1): linker and committed release.
pub(super) fn read_yarn_config(
    tree: &SourceTree,
    dir: &RelPath,
    warnings: &mut Vec<Warning>,
) -> Result<YarnConfig, ProjectError> {
    let mut config = YarnConfig::default();
    let path = dir.child(".yarnrc.yml");
    if let Some(content) = text::read(tree, &path)? {
        let values = text::parse_yaml(&path, content)?;
        let string = |key: &str| match values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(wrong_yarn_type(&path, content, key, "a string")),
        };
        config.linker = match string("nodeLinker")?.as_deref() {
            None => None,
            Some("node-modules") => Some(YarnLinker::NodeModules),
            Some("pnp") => Some(YarnLinker::Pnp),
            Some("pnpm") => Some(YarnLinker::Pnpm),
            Some(_) => {
                return Err(wrong_yarn_type(&path, content, "nodeLinker", "one of `node-modules`, `pnp`, `pnpm`"));
            }
        };
        config.cache_folder = string("cacheFolder")?;
        let release = string("yarnPath")?.map(|release| (release, line_of(content, "yarnPath")));
        set_release(&mut config, tree, (&path, "yarnPath"), release, warnings);
    }
    let path = dir.child(".yarnrc");
    if config.release.is_none()
        && let Some(content) = text::read(tree, &path)?
    {
        let line = content.lines().position(|line| line.trim_start_matches('"').starts_with("yarn-path"));
        let release = line.and_then(|at| {
            let (_, value) = content.lines().nth(at)?.split_once(char::is_whitespace)?;
            Some((value.trim().trim_matches('"').to_owned(), at + 1))
        });
        set_release(&mut config, tree, (&path, "yarn-path"), release, warnings);
    }
    Ok(config)
}

fn set_release(
    config: &mut YarnConfig,
    tree: &SourceTree,
    (file, key): (&RelPath, &str),
    release: Option<(String, usize)>,
    warnings: &mut Vec<Warning>,
) {
    let Some((release, line)) = release else { return };
    let location = Location::line(file.as_str(), line);
    let path = file.parent().unwrap_or_default().join(&release).ok().filter(|path| tree.has_file(path));
    if path.is_none() {
        let message = format!("`{release}`, which `{file}` names as `{key}`, is not in the repository");
        let hint = "commit the release, or remove the setting and pin Yarn with `packageManager`";
        warnings.push(Warning::new("project/yarn-release-missing", message).with_hint(hint).at(location.clone()));
    }
    config.path = path;
    // `yarn-4.5.0.cjs`, `yarn-1.22.19.js`, `yarn-berry.cjs`
    let name = release.rsplit('/').next().unwrap_or_default();
    let version = name.strip_prefix("yarn-").map(|rest| rest.trim_end_matches(".cjs").trim_end_matches(".js"));
    config.release = version.filter(|version| parse_version(version).is_some()).map(|version| VersionRequest {
        text: version.to_owned(),
        origin: Origin::field(file.as_str(), key),
        location,
    });
}

fn wrong_yarn_type(path: &RelPath, content: &str, key: &str, expected: &'static str) -> ProjectError {
    let location = Location::line(path.as_str(), line_of(content, key));
    ProjectError::WrongType { location, field: key.to_owned(), expected }
}

fn line_of(content: &str, key: &str) -> usize {
    content.lines().position(|line| line.starts_with(key)).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests;
