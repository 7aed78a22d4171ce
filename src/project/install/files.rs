//! The files that an install reads beside manifests, lockfile and configuration: patches, Yarn's own files, pnpmfiles, local packages.
//!
//! In: manifests and configuration of the package managers. Out: paths of the repository. A path that a configuration names but that
//! cannot be sent is a warning, or an error when the app cannot do without it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

use super::InstallInputs;
use crate::diagnostic::{Diagnostic, Location, Warning, shown};
use crate::project::error::ProjectError;
use crate::project::facts::PackageManagerKind;
use crate::project::package_json::PackageJson;
use crate::project::{text, workspace};
use crate::rel_path::RelPath;
use crate::repo::{EntryKind, SourceEntry, SourceTree};

/// Files that are sent.
pub(super) struct InstallFiles {
    pub files: Vec<RelPath>,
    /// Manifests of workspace packages that are copied when they are installed.
    pub copied_manifests: Vec<RelPath>,
}

pub(super) fn collect(install: &InstallInputs<'_>, warnings: &mut Vec<Warning>) -> Result<InstallFiles, ProjectError> {
    let mut members: BTreeMap<&str, Vec<&RelPath>> = BTreeMap::new();
    for manifest in &install.manifests {
        members.entry(manifest.name.as_deref().unwrap_or_default()).or_default().push(&manifest.dir);
    }
    let mut found = Collector {
        install,
        members,
        folders: install.manifests.iter().map(|manifest| &manifest.dir).collect(),
        paths: BTreeSet::new(),
        copied: BTreeSet::new(),
        warned: 0,
        warnings,
    };
    for folder in [".yarn/releases", ".yarn/plugins", ".yarn/patches", "patches"] {
        found.add(install.dir.join(folder).ok());
    }
    found.add(install.yarn.path.clone());
    found.yarn_berry()?;
    found.settings_of_lines()?;
    found.pnpm_workspace()?;
    found.pnpmfile(&install.dir.child(".pnpmfile.cjs"));
    found.pnpmfile(&install.dir.child(".pnpmfile.mjs"));
    for manifest in &install.manifests {
        found.manifest(manifest)?;
    }
    Ok(found.finish())
}

/// Warnings about files; a broken repository needs no more.
const MOST_WARNINGS: usize = 100;

struct Collector<'a, 'i> {
    install: &'a InstallInputs<'i>,
    /// Folders of the packages by name, and all of them.
    members: BTreeMap<&'a str, Vec<&'a RelPath>>,
    folders: BTreeSet<&'a RelPath>,
    /// Files and folders.
    paths: BTreeSet<RelPath>,
    /// Folders of workspace packages that are copied.
    copied: BTreeSet<RelPath>,
    warned: usize,
    warnings: &'a mut Vec<Warning>,
}

impl Collector<'_, '_> {
    fn warn(&mut self, warning: Warning) {
        self.warned += 1;
        if self.warned <= MOST_WARNINGS {
            self.warnings.push(warning);
        }
    }

    fn add(&mut self, path: Option<RelPath>) {
        self.paths.extend(path.filter(|path| !path.is_root()));
    }

    /// A path that `file` names, relative to `dir`.
    fn named(&mut self, dir: &RelPath, path: &str, file: &RelPath) {
        let Ok(found) = dir.join(path) else {
            let message = format!("`{file}` names `{}`, which is outside the repository", shown(path));
            let hint = "move the file into the repository; the install cannot read it otherwise";
            let place = Location::file(file.as_str());
            self.warn(Warning::new("project/install-file-outside", message).with_hint(hint).at(place));
            return;
        };
        if !self.may_exist(&found) {
            let message = format!("`{file}` names `{found}`, which is not in the repository");
            let hint = "commit the file, or remove its entry";
            let place = Location::file(file.as_str());
            self.warn(Warning::new("project/install-file-missing", message).with_hint(hint).at(place));
        }
        self.add(Some(found));
    }

    /// A path below a link to a folder is not in the tree.
    fn may_exist(&self, path: &RelPath) -> bool {
        let tree = self.install.tree;
        let is_link =
            |path: RelPath| tree.entry(&path).is_some_and(|entry| matches!(entry.kind, EntryKind::Symlink { .. }));
        path.is_root()
            || tree.entry(path).is_some()
            || std::iter::successors(path.parent(), RelPath::parent).any(is_link)
    }

    /// Plugins, patches and certificates in `.yarnrc.yml`.
    fn yarn_berry(&mut self) -> Result<(), ProjectError> {
        let (dir, file) = (self.install.dir, self.install.dir.child(".yarnrc.yml"));
        if self.install.locked.kind != PackageManagerKind::YarnBerry {
            return Ok(());
        }
        let Some(content) = text::read(self.install.tree, &file)? else { return Ok(()) };
        let values = text::parse_yaml(&file, content)?;
        for plugin in values.get("plugins").and_then(Value::as_array).into_iter().flatten() {
            if let Some(path) = plugin.as_str().or_else(|| plugin.get("path")?.as_str()) {
                self.named(dir, path, &file);
            }
        }
        for key in ["patchFolder", "httpsCaFilePath", "caFilePath"] {
            // `${…}` is known only when Yarn runs.
            let path = values.get(key).and_then(Value::as_str).filter(|path| !path.contains('$'));
            self.add(path.and_then(|path| dir.join(path).ok()));
        }
        Ok(())
    }

    /// `.npmrc` (`key=value`) and Yarn 1's `.yarnrc` (`key "value"`).
    fn settings_of_lines(&mut self) -> Result<(), ProjectError> {
        let dir = self.install.dir;
        for (name, separator) in [(".npmrc", '='), (".yarnrc", ' ')] {
            let file = dir.child(name);
            let Some(content) = text::read(self.install.tree, &file)? else { continue };
            for line in content.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
                let Some((key, value)) = line.split_once(separator) else { continue };
                let (key, value) = (unquoted(key), unquoted(value));
                match key {
                    _ if value.is_empty() || value.contains('$') => {}
                    "pnpmfile" | "global-pnpmfile" if self.is(PackageManagerKind::Pnpm) => {
                        self.pnpmfile_elsewhere(value, &file);
                    }
                    "inject-workspace-packages" if self.is(PackageManagerKind::Pnpm) && value == "true" => {
                        self.copy_all_workspace_dependencies();
                    }
                    "cafile" | "yarn-offline-mirror" => self.add(dir.join(value).ok()),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn is(&self, kind: PackageManagerKind) -> bool {
        self.install.locked.kind == kind
    }

    fn pnpm_workspace(&mut self) -> Result<(), ProjectError> {
        let Some((file, values)) = workspace::pnpm_workspace(self.install.tree, self.install.dir)? else {
            return Ok(());
        };
        let dir = self.install.dir;
        for path in strings_in(&values, "patchedDependencies") {
            self.named(dir, path, &file);
        }
        for key in ["pnpmfile", "globalPnpmfile"] {
            for path in strings_in(&values, key) {
                self.pnpmfile_elsewhere(path, &file);
            }
        }
        for local in strings_in(&values, "overrides").into_iter().filter_map(local_path) {
            self.named(dir, local, &file);
        }
        if values.get("injectWorkspacePackages") == Some(&Value::Bool(true)) {
            self.copy_all_workspace_dependencies();
        }
        Ok(())
    }

    fn pnpmfile_elsewhere(&mut self, path: &str, file: &RelPath) {
        self.named(self.install.dir, path, file);
        if let Ok(path) = self.install.dir.join(path) {
            self.pnpmfile(&path);
        }
    }

    /// A pnpmfile, and the modules that it may load.
    fn pnpmfile(&mut self, path: &RelPath) {
        if !self.is(PackageManagerKind::Pnpm) || !self.install.tree.has_file(path) {
            return;
        }
        self.add(Some(path.clone()));
        let mut modules = vec![path.clone()];
        if let Ok(Some(content)) = text::read(self.install.tree, path) {
            let dir = path.parent().unwrap_or_default();
            modules.extend(relative_imports(content).filter_map(|import| self.module(&dir, import)));
        }
        for module in &modules {
            self.add(Some(module.clone()));
            self.add_modules_beside(module);
        }
    }

    /// The file that `require` finds.
    fn module(&self, dir: &RelPath, import: &str) -> Option<RelPath> {
        let path = dir.join(import).ok()?;
        let ends = ["", ".js", ".cjs", ".mjs", ".json", "/index.js", "/index.cjs"];
        let found = ends.into_iter().filter_map(|end| RelPath::new(&format!("{path}{end}")).ok());
        found.into_iter().find(|path| self.install.tree.has_file(path))
    }

    /// Only Node.js knows what a module loads in turn. Its folder is sent, unless that is the folder of a package.
    fn add_modules_beside(&mut self, module: &RelPath) {
        let Some(dir) = module.parent().filter(|dir| !dir.is_root()) else { return };
        if self.install.tree.has_file(&dir.child("package.json")) || dir.contains(self.install.dir) {
            return;
        }
        let is_module = |entry: &&SourceEntry| {
            let extension = entry.path.extension().and_then(|extension| extension.to_str());
            entry.path.parent() == Some(Path::new(dir.as_str()))
                && is_file(entry)
                && matches!(extension, Some("js" | "cjs" | "mjs" | "json"))
        };
        let modules = self.install.tree.entries_at(&dir).iter().filter(is_module);
        self.paths.extend(modules.filter_map(|entry| RelPath::new(entry.path.to_str()?).ok()));
    }

    /// Packages that any other names as its dependency.
    fn copy_all_workspace_dependencies(&mut self) {
        let names: BTreeSet<&String> = self
            .install
            .manifests
            .iter()
            .flat_map(|manifest| manifest.all_dependencies())
            .map(|(name, _)| name)
            .collect();
        for name in names {
            self.copy_workspace_package(name);
        }
    }

    fn copy_workspace_package(&mut self, name: &str) {
        let folders = self.members.get(name).into_iter().flatten().filter(|dir| **dir != self.install.dir);
        self.copied.extend(folders.map(|dir| (*dir).clone()));
    }

    fn manifest(&mut self, manifest: &PackageJson) -> Result<(), ProjectError> {
        // patch-package reads the folder that it runs in.
        if manifest.dependency("patch-package").is_some() {
            self.add(manifest.dir.join("patches").ok());
        }
        for path in &manifest.patched_dependencies {
            self.named(&manifest.dir, path, &manifest.path);
        }
        if self.is(PackageManagerKind::Pnpm) {
            manifest.injected.iter().for_each(|name| self.copy_workspace_package(name));
        }
        for (name, range) in manifest.all_dependencies() {
            if let Some(path) = local_path(range) {
                self.local_dependency(manifest, name, range, path)?;
            }
        }
        for range in &manifest.overrides {
            for path in patches(range).into_iter().chain(local_path(range)) {
                self.project_path(manifest, path);
            }
        }
        for path in manifest.all_dependencies().flat_map(|(_, range)| patches(range)) {
            self.project_path(manifest, path);
        }
        self.paths.extend(programs(self.install.tree, manifest));
        Ok(())
    }

    /// `~/` is the folder of the lockfile.
    fn project_path(&mut self, manifest: &PackageJson, path: &str) {
        match path.strip_prefix("~/") {
            Some(path) => self.named(self.install.dir, path, &manifest.path),
            None if self.is_package(&manifest.dir, path) => {}
            None => self.named(&manifest.dir, path, &manifest.path),
        }
    }

    fn is_package(&self, dir: &RelPath, path: &str) -> bool {
        dir.join(path).is_ok_and(|path| self.folders.contains(&path))
    }

    /// `file:`, `link:` and `portal:`.
    fn local_dependency(
        &mut self,
        manifest: &PackageJson,
        name: &str,
        range: &str,
        path: &str,
    ) -> Result<(), ProjectError> {
        let Ok(found) = manifest.dir.join(path) else {
            let location =
                manifest.place(self.install.tree, &[manifest.dependency(name).map_or("", |(field, _)| field), name]);
            let outside = ProjectError::DependencyOutside { location, name: name.to_owned(), range: shown(range) };
            if self.install.needed.contains(&manifest.dir) {
                return Err(outside);
            }
            let hint = outside.hints().swap_remove(0);
            let warning = Warning::new(outside.code(), outside.to_string()).with_hint(hint);
            self.warn(outside.location().map_or(warning.clone(), |place| warning.at(place)));
            return Ok(());
        };
        if self.folders.contains(&found) {
            // A package of the workspace is sent as manifest, unless the package manager copies it. npm always links.
            let copies = range.starts_with("file:") && !self.is(PackageManagerKind::Npm);
            self.copied.extend(Some(found).filter(|dir| copies && dir != self.install.dir));
            return Ok(());
        }
        self.named(&manifest.dir, path, &manifest.path);
        Ok(())
    }

    fn finish(self) -> InstallFiles {
        let tree = self.install.tree;
        // Each file once, even if several dependencies name a folder above it.
        let above = |path: &RelPath| std::iter::successors(path.parent(), RelPath::parent);
        let paths: BTreeSet<&RelPath> = self.paths.iter().chain(&self.copied).collect();
        let outermost = paths.iter().filter(|path| !above(path).any(|folder| paths.contains(&folder)));
        let mut files: BTreeSet<RelPath> = outermost.flat_map(|path| files_below(tree, path)).collect();
        let manifests = self.install.manifests.iter().filter(|manifest| self.copied.contains(&manifest.dir));
        let copied_manifests: Vec<RelPath> = manifests.map(|manifest| manifest.path.clone()).collect();
        for manifest in &self.install.manifests {
            files.remove(&manifest.path);
        }
        InstallFiles { files: files.into_iter().collect(), copied_manifests }
    }
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// A text, the texts of a list, or those of an object.
fn strings_in<'v>(values: &'v Map<String, Value>, key: &str) -> Vec<&'v str> {
    match values.get(key) {
        Some(Value::String(text)) => vec![text.as_str()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(Value::Object(fields)) => fields.values().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Package managers link a program only when its file exists.
fn programs(tree: &SourceTree, manifest: &PackageJson) -> Vec<RelPath> {
    let paths = manifest.programs.iter().filter_map(|program| manifest.dir.join(program).ok());
    paths.filter(|path| tree.has_file(path)).collect()
}

/// The path in `file:`, `link:`, `portal:` and `exec:`, and a plain path.
fn local_path(range: &str) -> Option<&str> {
    let path = ["file:", "link:", "portal:", "exec:"].into_iter().find_map(|protocol| range.strip_prefix(protocol));
    let is_path = range.starts_with("./") || range.starts_with("../") || range.starts_with('/');
    let path = path.or(is_path.then_some(range))?.split("::").next()?;
    // `file://../x` is the same as `file:../x`.
    Some(path.strip_prefix("//").unwrap_or(path))
}

/// The patches at the end of `patch:name@npm%3A1.0.0#one&optional!two::version=…`, without those that Yarn has built in.
fn patches(range: &str) -> Vec<&str> {
    let Some((_, patches)) = range.strip_prefix("patch:").and_then(|patch| patch.rsplit_once('#')) else {
        return Vec::new();
    };
    let patches = patches.split("::").next().unwrap_or(patches).split('&');
    let paths = patches.map(|patch| patch.rsplit_once('!').map_or(patch, |(_, path)| path));
    paths.filter(|path| !path.is_empty() && !path.trim_start_matches('~').starts_with("builtin<")).collect()
}

/// Texts in quotes that begin with `./` or `../`, up to a limit: what a script requires or imports.
fn relative_imports(content: &str) -> impl Iterator<Item = &str> {
    const MOST: usize = 50;
    let quoted = content.split(['"', '\'', '`']).filter(|text| text.starts_with("./") || text.starts_with("../"));
    quoted.filter(|text| !text.contains('\n')).take(MOST)
}

pub(super) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// The file itself, or every regular file and link of the folder. Environment files that git does not track stay on this machine.
pub(super) fn files_below(tree: &SourceTree, path: &RelPath) -> Vec<RelPath> {
    let files = tree.entries_at(path).iter().filter(|entry| is_file(entry));
    let files = files.filter(|entry| !tree.is_untracked_environment_file(entry));
    files.filter_map(|entry| entry.path.to_str().and_then(|name| RelPath::new(name).ok())).collect()
}

pub(super) fn is_file(entry: &SourceEntry) -> bool {
    matches!(entry.kind, EntryKind::File { .. } | EntryKind::Symlink { .. })
}
