//! What the frozen install needs besides manifests and lockfile: [`InstallNeeds`].

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::origin::{Origin, Sourced};
use crate::rel_path::RelPath;
use crate::repo::{EntryKind, SourceEntry, SourceTree};

use super::error::ProjectError;
use super::facts::{InstallNeeds, LifecycleScript, PackageManagerKind, Prisma};
use super::lockfile::{Dependent, Locked};
use super::package_json::PackageJson;
use super::package_manager::YarnConfig;
use super::text;
use super::workspace;

const CONFIG_FILES: &[&str] =
    &[".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", ".pnpmfile.cjs", ".pnpmfile.mjs", "bunfig.toml"];
/// Limit of environment variables that the install may read; there is usually one per registry.
const MOST_VARIABLES: usize = 1_000;
const LIFECYCLE: &[&str] = &["preinstall", "install", "postinstall", "prepare"];

/// What [`needs`] depends on.
pub(super) struct InstallInputs<'a> {
    pub tree: &'a SourceTree,
    /// Folder of the lockfile.
    pub dir: &'a RelPath,
    pub app_dir: &'a RelPath,
    pub app: &'a PackageJson,
    /// That of `dir` first, then of every package, the app's among them.
    pub manifests: Vec<&'a PackageJson>,
    pub locked: &'a Locked,
    pub yarn: &'a YarnConfig,
}

pub(super) fn needs(install: &InstallInputs<'_>) -> Result<InstallNeeds, ProjectError> {
    let tree = install.tree;
    let config_files: Vec<RelPath> =
        CONFIG_FILES.iter().map(|name| install.dir.child(name)).filter(|path| tree.has_file(path)).collect();
    let manifests: BTreeSet<RelPath> = install.manifests.iter().map(|manifest| manifest.path.clone()).collect();
    Ok(InstallNeeds {
        manifests: manifests.into_iter().collect(),
        files: files(install)?,
        yarn_cache: yarn_cache(install),
        prisma: prisma(install),
        lifecycle_scripts: lifecycle_scripts(install),
        sharp: sharp(install),
        needs_git: install.locked.git || has_git_dependency(install),
        variables: variables(tree, &config_files)?,
        config_files,
    })
}

/// Patches, Yarn's own files, vendored packages.
fn files(install: &InstallInputs<'_>) -> Result<Vec<RelPath>, ProjectError> {
    let mut paths = BTreeSet::new();
    let mut add = |path: Option<RelPath>| paths.extend(path.filter(|path| !path.is_root()));
    let root = install.dir;
    for folder in [".yarn/releases", ".yarn/plugins", ".yarn/patches", "patches"] {
        add(root.join(folder).ok());
    }
    add(install.yarn.path.clone());
    let in_pnpm =
        workspace::pnpm_workspace(install.tree, root)?.and_then(|(_, mut values)| values.remove("patchedDependencies"));
    let in_pnpm: Vec<String> = match in_pnpm {
        Some(Value::Object(patches)) => patches.values().filter_map(|path| path.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    for path in &in_pnpm {
        add(root.join(path).ok());
    }
    let members: BTreeSet<&RelPath> = install.manifests.iter().map(|manifest| &manifest.dir).collect();
    for manifest in &install.manifests {
        // patch-package reads the folder that it runs in.
        if manifest.dependency("patch-package").is_some() {
            add(manifest.dir.join("patches").ok());
        }
        for path in &manifest.patched_dependencies {
            add(manifest.dir.join(path).ok());
        }
        let ranges = manifest.all_dependencies().map(|(_, range)| range).chain(&manifest.resolutions);
        for local in ranges.filter_map(|range| local_path(range)) {
            // Packages of the workspace are sent as manifests.
            add(manifest.dir.join(local).ok().filter(|path| !members.contains(path)));
        }
    }
    // Each file once, even if several dependencies name a folder above it.
    let above = |path: &RelPath| std::iter::successors(path.parent(), RelPath::parent);
    let outermost = paths.iter().filter(|path| !above(path).any(|folder| paths.contains(&folder)));
    let mut files: BTreeSet<RelPath> = outermost.flat_map(|path| files_below(install.tree, path)).collect();
    files.extend(install.manifests.iter().flat_map(|manifest| programs(install.tree, manifest)));
    Ok(files.into_iter().collect())
}

/// Package managers link a program only when its file exists.
fn programs(tree: &SourceTree, manifest: &PackageJson) -> Vec<RelPath> {
    let paths = manifest.programs.iter().filter_map(|program| manifest.dir.join(program).ok());
    paths.filter(|path| tree.has_file(path)).collect()
}

/// The path in `file:`, `link:`, `portal:` and at the end of `patch:`.
fn local_path(range: &str) -> Option<&str> {
    if let Some(patch) = range.strip_prefix("patch:") {
        let path = patch.rsplit_once('#')?.1;
        let path = path.split("::").next().unwrap_or(path);
        return (!path.contains('~') && !path.contains("builtin<")).then_some(path);
    }
    let path = ["file:", "link:", "portal:"].into_iter().find_map(|protocol| range.strip_prefix(protocol));
    path.or_else(|| (range.starts_with('.') && has_extension(range, "tgz")).then_some(range))
        .map(|path| path.split("::").next().unwrap_or(path))
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// The file itself, or every regular file and link of the folder.
fn files_below(tree: &SourceTree, path: &RelPath) -> Vec<RelPath> {
    let files = tree.entries_at(path).iter().filter(|entry| is_file(entry));
    files.filter_map(|entry| entry.path.to_str().and_then(|name| RelPath::new(name).ok())).collect()
}

fn is_file(entry: &SourceEntry) -> bool {
    matches!(entry.kind, EntryKind::File { .. } | EntryKind::Symlink { .. })
}

/// A committed package cache (zero-install).
fn yarn_cache(install: &InstallInputs<'_>) -> Option<RelPath> {
    let folder = install.yarn.cache_folder.as_deref().unwrap_or(".yarn/cache");
    let path = install.dir.join(folder).ok().filter(|path| !path.is_root() && install.tree.has_directory(path))?;
    let berry = install.locked.kind == PackageManagerKind::YarnBerry;
    let archive = |file: &RelPath| has_extension(file.as_str(), "zip");
    (berry && files_below(install.tree, &path).iter().any(archive)).then_some(path)
}

fn prisma(install: &InstallInputs<'_>) -> Option<Prisma> {
    let depends =
        |manifest: &&PackageJson| ["prisma", "@prisma/client"].iter().any(|name| manifest.dependency(name).is_some());
    let users: Vec<&PackageJson> = install.manifests.iter().copied().filter(depends).collect();
    if users.is_empty() {
        return None;
    }
    let mut schemas = Schemas::new(install.tree);
    for manifest in &users {
        // `prisma.config.ts` may name any path, but only Prisma can run it.
        if !schemas.add_usual(manifest) && manifest.dependency("prisma").is_some() {
            schemas.add(&manifest.dir);
        }
    }
    // A package of the workspace may use a schema of the root's or the app's folder.
    for dir in [install.dir, install.app_dir] {
        schemas.add_usual(&PackageJson { dir: dir.clone(), ..PackageJson::default() });
    }
    let version = users.iter().find_map(|manifest| {
        ["prisma", "@prisma/client"].iter().find_map(|name| locked_version(install, manifest, name))
    });
    Some(Prisma { version, schemas: schemas.found() })
}

/// Schema files; many packages may refer to the same ones.
struct Schemas<'t> {
    /// All in the tree, in the order of its entries.
    all: Vec<&'t Path>,
    /// Ranges of `all`.
    chosen: BTreeSet<(usize, usize)>,
}

impl<'t> Schemas<'t> {
    fn new(tree: &'t SourceTree) -> Self {
        let files = tree.entries().iter().filter(|entry| is_file(entry)).map(|entry| entry.path.as_path());
        let is_schema = |path: &&Path| path.extension().is_some_and(|extension| extension == "prisma");
        Self { all: files.filter(is_schema).collect(), chosen: BTreeSet::new() }
    }

    /// Adds the schemas at or below `path`; false if there are none.
    fn add(&mut self, path: &RelPath) -> bool {
        let path = Path::new(path.as_str());
        let start = self.all.partition_point(|schema| *schema < path);
        let length = self.all[start..].partition_point(|schema| schema.starts_with(path));
        if length > 0 {
            self.chosen.insert((start, start + length));
        }
        length > 0
    }

    /// Adds `prisma.schema`, `--schema` of scripts, and Prisma's default paths.
    fn add_usual(&mut self, manifest: &PackageJson) -> bool {
        let in_scripts = manifest.scripts.values().filter_map(|script| {
            let (_, rest) = script.split_once("--schema")?;
            rest.trim_start_matches(['=', ' ']).split_whitespace().next().map(|path| path.trim_matches(['"', '\'']))
        });
        let places = manifest.prisma_schema.as_deref().into_iter().chain(in_scripts).chain(["schema.prisma", "prisma"]);
        let mut is_found = false;
        for path in places.filter_map(|place| manifest.dir.join(place).ok()) {
            is_found |= self.add(&path);
        }
        is_found
    }

    fn found(&self) -> Vec<RelPath> {
        let mut found = BTreeSet::new();
        let mut next = 0;
        for (start, end) in &self.chosen {
            let new = self.all.get(next.max(*start)..*end).unwrap_or_default();
            found.extend(new.iter().filter_map(|path| RelPath::new(path.to_str()?).ok()));
            next = next.max(*end);
        }
        found.into_iter().collect()
    }
}

fn locked_version(install: &InstallInputs<'_>, manifest: &PackageJson, name: &str) -> Option<String> {
    let (_, range) = manifest.dependency(name)?;
    let dir = if install.dir.contains(&manifest.dir) { workspace::relative(install.dir, &manifest.dir) } else { "" };
    let dependent = Dependent { dir, name: &manifest.display_name(), range };
    install.locked.version(name, dependent).map(str::to_owned)
}

fn lifecycle_scripts(install: &InstallInputs<'_>) -> Vec<LifecycleScript> {
    let of = |manifest: &PackageJson| -> Vec<LifecycleScript> {
        let script = |name: &&str| {
            let command = manifest.scripts.get(*name).filter(|command| !command.trim().is_empty())?;
            Some(LifecycleScript { dir: manifest.dir.clone(), name: (*name).to_owned(), command: command.clone() })
        };
        LIFECYCLE.iter().filter_map(script).collect()
    };
    install.manifests.iter().flat_map(|manifest| of(manifest)).collect()
}

fn sharp(install: &InstallInputs<'_>) -> Option<Sourced<String>> {
    let (field, range) = install.app.dependency("sharp")?;
    let version = locked_version(install, install.app, "sharp").unwrap_or_else(|| range.to_owned());
    Some(Sourced::new(version, Origin::field(install.app.path.as_str(), &format!("{field}.sharp"))))
}

fn has_git_dependency(install: &InstallInputs<'_>) -> bool {
    let git = |range: &String| {
        range.starts_with("git+") || range.starts_with("git:") || range.starts_with("git@") || range.starts_with("ssh:")
    };
    install.manifests.iter().any(|manifest| manifest.all_dependencies().any(|(_, range)| git(range)))
}

/// `${NPM_TOKEN}` in package manager configuration, each name once.
fn variables(tree: &SourceTree, config_files: &[RelPath]) -> Result<Vec<Sourced<String>>, ProjectError> {
    let mut found: Vec<Sourced<String>> = Vec::new();
    let mut known = BTreeSet::new();
    for path in config_files {
        let Some(content) = text::read(tree, path)? else { continue };
        let bun = path.name() == "bunfig.toml";
        let lines = content.lines().filter(|line| !line.trim_start().starts_with(['#', ';']));
        for name in lines.flat_map(|line| references(line, bun)) {
            if found.len() == MOST_VARIABLES {
                let reason = format!("it refers to more than {MOST_VARIABLES} variables");
                return Err(ProjectError::BeyondLimit { file: path.clone(), reason });
            }
            if known.insert(name.clone()) {
                found.push(Sourced::new(name, Origin::File(path.as_str().to_owned())));
            }
        }
    }
    Ok(found)
}

/// `${NAME}` with any default; Bun also reads `$NAME`.
fn references(line: &str, bare: bool) -> Vec<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for part in line.split('$').skip(1) {
        let (text, braced) = part.strip_prefix('{').map_or((part, false), |inner| (inner, true));
        let end = text.find(|c| !word(c)).unwrap_or(text.len());
        if end > 0 && (braced || bare) {
            names.push(text[..end].to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests;
