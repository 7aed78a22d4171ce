//! Which folder of the repository is the Next.js app to build.
//!
//! In: the tree and the requested app. Out: the app with its manifest and its workspace. Never picks one of several apps by itself.

mod framework;

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::diagnostic::Warning;
use crate::origin::{Origin, Sourced};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

use super::error::ProjectError;
use super::facts::AppCandidate;
use super::package_json::{PackageJson, PackageJsonCache};
use super::task_runner::NxProject;
use super::workspace::{self, WorkspaceMembers};

/// Folders whose apps are examples or test fixtures; only selected explicitly.
const ASIDE: &[&str] =
    &["examples", "example", "fixtures", "__fixtures__", "test", "tests", "__tests__", "e2e", "templates", "template"];

/// The app that is built.
#[derive(Debug)]
pub(super) struct ChosenApp {
    /// The app's manifest; without one (Nx), the root's without its scripts.
    pub app: Rc<PackageJson>,
    pub app_dir: RelPath,
    pub name: Sourced<String>,
    pub workspace: Option<WorkspaceMembers>,
    /// Every Next.js app of the workspace.
    pub apps: Vec<AppCandidate>,
}

/// Finds the app: the requested one, else the only one.
pub(super) fn locate(
    manifests: &PackageJsonCache<'_>,
    requested: Option<&Sourced<String>>,
    warnings: &mut Vec<Warning>,
) -> Result<ChosenApp, ProjectError> {
    let search = AppSearch::new(manifests, warnings)?;
    let chosen = match requested {
        Some(requested) => search.requested(requested)?,
        None => search.only()?,
    };
    search.located(chosen, warnings)
}

struct LoadedApp {
    app: AppCandidate,
    manifest: Rc<PackageJson>,
    named: Origin,
}

struct AppSearch<'m> {
    manifests: &'m PackageJsonCache<'m>,
    root: Option<WorkspaceMembers>,
    candidates: Vec<LoadedApp>,
    /// The first unreadable manifest outside the workspace.
    unreadable: Option<ProjectError>,
}

impl<'m> AppSearch<'m> {
    fn new(manifests: &'m PackageJsonCache<'m>, warnings: &mut Vec<Warning>) -> Result<Self, ProjectError> {
        manifests.load(&RelPath::root())?;
        let root = workspace::members(manifests, &RelPath::root(), warnings)?;
        let mut search = AppSearch { manifests, root, candidates: Vec::new(), unreadable: None };
        let mut paths = manifests.tree.texts_named("package.json").peekable();
        if paths.peek().is_none() {
            return Err(ProjectError::NoManifest { framework: framework::of_files(manifests.tree) });
        }
        for path in paths {
            search.consider(&path.parent().unwrap_or_default());
        }
        search.without_manifest();
        search.candidates.sort_by(|a, b| a.app.dir.cmp(&b.app.dir));
        Ok(search)
    }

    fn consider(&mut self, dir: &RelPath) {
        let tree = self.tree();
        match self.manifests.load(dir) {
            Ok(Some(manifest)) => {
                let depends = manifest.dependency("next").is_some();
                // A single-version workspace has `next` in its root only.
                let hoisted = || {
                    self.provider_of_next(dir).is_some() && next_config(tree, dir).is_some() && has_routes(tree, dir)
                };
                if (depends && has_marker(tree, &manifest)) || (!depends && hoisted()) {
                    self.add(dir, manifest);
                }
            }
            Ok(None) => {}
            Err(error) => {
                self.unreadable.get_or_insert(error);
            }
        }
    }

    /// Nx apps have a `project.json` instead of a manifest; dependencies are those of a folder above.
    fn without_manifest(&mut self) {
        let tree = self.tree();
        let configs = super::next_config::NAMES.iter().flat_map(|name| tree.texts_named(name));
        let dirs: BTreeSet<RelPath> = configs.filter_map(|path| path.parent()).collect();
        for dir in dirs {
            if tree.has_file(&dir.child("package.json")) || !has_routes(tree, &dir) {
                continue;
            }
            if let Some(root) = self.provider_of_next(&dir) {
                let scripts = std::collections::BTreeMap::new();
                let manifest = PackageJson { scripts, name: None, dir: dir.clone(), ..(*root).clone() };
                self.add(&dir, Rc::new(manifest));
            }
        }
    }

    /// The manifest above `dir` whose `next` it uses: that of an Nx workspace, else the root's.
    fn provider_of_next(&self, dir: &RelPath) -> Option<Rc<PackageJson>> {
        let tree = self.tree();
        let mut above = std::iter::successors(dir.parent(), RelPath::parent);
        let root = above.find(|folder| folder.is_root() || tree.has_file(&folder.child("nx.json")))?;
        self.manifests.load(&root).ok()?.filter(|manifest| manifest.dependency("next").is_some())
    }

    fn tree(&self) -> &'m SourceTree {
        self.manifests.tree
    }

    fn add(&mut self, dir: &RelPath, manifest: Rc<PackageJson>) {
        let (name, named) = name_of(self.tree(), dir, &manifest);
        self.candidates.push(LoadedApp { app: AppCandidate { name, dir: dir.clone() }, manifest, named });
    }

    /// The candidates to choose from without `--app`: those of the workspace, else all outside of `ASIDE` folders, else all.
    fn likely(&self) -> Vec<&LoadedApp> {
        let pick = |keep: &dyn Fn(&&LoadedApp) -> bool| self.candidates.iter().filter(keep).collect::<Vec<_>>();
        if let Some(root) = &self.root {
            let mut members = pick(&|candidate| root.holds(&candidate.app.dir));
            if members.len() > 1 {
                members.retain(|candidate| !self.only_starts(candidate));
            }
            if !members.is_empty() {
                return members;
            }
        }
        let aside = |dir: &RelPath| dir.as_str().split('/').any(|part| ASIDE.contains(&part) || part.starts_with('.'));
        let mut likely = pick(&|candidate| !aside(&candidate.app.dir));
        let root = pick(&|candidate| candidate.app.dir.is_root());
        if likely.len() > 1 && root.iter().any(|root| self.only_starts(root)) {
            likely.retain(|candidate| !candidate.app.dir.is_root());
        } else if !root.is_empty() {
            return root;
        }
        if likely.is_empty() { self.candidates.iter().collect() } else { likely }
    }

    /// A root whose `next start` starts nothing: it has no routes and does not build.
    fn only_starts(&self, candidate: &LoadedApp) -> bool {
        let builds = || candidate.manifest.scripts.values().any(|script| script.contains("next build"));
        candidate.app.dir.is_root() && !has_routes(self.tree(), &candidate.app.dir) && !builds()
    }

    fn only(&self) -> Result<&LoadedApp, ProjectError> {
        Self::one_of(&self.likely()).unwrap_or_else(|| Err(self.no_app()))
    }

    fn one_of<'c>(candidates: &[&'c LoadedApp]) -> Option<Result<&'c LoadedApp, ProjectError>> {
        match candidates {
            [] => None,
            [one] => Some(Ok(one)),
            several => {
                let apps = several.iter().map(|candidate| candidate.app.clone()).collect();
                Some(Err(ProjectError::SeveralApps { apps }))
            }
        }
    }

    fn no_app(&self) -> ProjectError {
        if let Some(error) = &self.unreadable {
            return error.clone();
        }
        let tree = self.tree();
        let root = Some(RelPath::root().child("package.json")).filter(|root| tree.has_file(root));
        let manifest = root.or_else(|| tree.texts_named("package.json").next());
        let framework = framework::of_manifests(self.manifests);
        match (framework, manifest) {
            (Some((manifest, framework)), _) => ProjectError::NotNext { manifest, framework: Some(framework) },
            (None, Some(manifest)) => ProjectError::NotNext { manifest, framework: framework::of_files(tree) },
            (None, None) => ProjectError::NoManifest { framework: framework::of_files(tree) },
        }
    }

    /// A folder, a full name, or the last part of a name or folder where that is unique.
    fn requested(&self, requested: &Sourced<String>) -> Result<&LoadedApp, ProjectError> {
        let selector = requested.value.trim();
        let dir = RelPath::new(selector).ok().filter(|dir| self.tree().has_directory(dir));
        let exact = self.candidates.iter().find(|candidate| dir.as_ref() == Some(&candidate.app.dir));
        if let Some(candidate) = exact {
            return Ok(candidate);
        }
        let by_name = self.candidates.iter().filter(|candidate| candidate.app.name == selector).collect::<Vec<_>>();
        if let Some(found) = Self::one_of(&by_name) {
            return found;
        }
        let last = |candidate: &&LoadedApp| {
            candidate.app.dir.name() == selector || candidate.app.name.rsplit('/').next() == Some(selector)
        };
        if let Some(found) = Self::one_of(&self.candidates.iter().filter(last).collect::<Vec<_>>()) {
            return found;
        }
        if let Some(dir) = dir {
            // The manifest of the folder that was named may be the one that cannot be read.
            self.manifests.load(&dir)?;
            let below: Vec<&LoadedApp> =
                self.candidates.iter().filter(|candidate| dir.contains(&candidate.app.dir)).collect();
            if let Some(found) = Self::one_of(&below) {
                return found;
            }
        }
        Err(ProjectError::UnknownApp {
            requested: requested.value.clone(),
            origin: requested.origin.to_string(),
            apps: self.candidates.iter().map(|candidate| candidate.app.clone()).collect(),
        })
    }

    /// The chosen app with the nearest workspace that holds it.
    fn located(&self, chosen: &LoadedApp, warnings: &mut Vec<Warning>) -> Result<ChosenApp, ProjectError> {
        let dir = &chosen.app.dir;
        let mut workspace = None;
        let mut folder = Some(dir.clone());
        while let Some(current) = folder {
            // Warnings about the root were reported when the search began.
            let mut reported = Vec::new();
            let found =
                workspace::members(self.manifests, &current, if current.is_root() { &mut reported } else { warnings })?;
            // An Nx app without a manifest belongs to the root, which declares its dependencies.
            let adopted = chosen.manifest.path.parent().as_ref() == Some(&current) && current != *dir;
            if let Some(members) = found.filter(|members| adopted || members.holds(dir)) {
                workspace = Some(members);
                break;
            }
            folder = current.parent();
        }
        let in_workspace = |candidate: &&LoadedApp| workspace.as_ref().is_some_and(|w| w.holds(&candidate.app.dir));
        Ok(ChosenApp {
            app: Rc::clone(&chosen.manifest),
            app_dir: dir.clone(),
            name: Sourced::new(chosen.app.name.clone(), chosen.named.clone()),
            apps: self.candidates.iter().filter(in_workspace).map(|candidate| candidate.app.clone()).collect(),
            workspace,
        })
    }
}

/// The manifest's name, Nx's, or the folder's.
fn name_of(tree: &SourceTree, dir: &RelPath, manifest: &PackageJson) -> (String, Origin) {
    if let Some(name) = &manifest.name {
        return (name.clone(), Origin::field(manifest.path.as_str(), "name"));
    }
    if let Ok(Some((NxProject { name: Some(name), .. }, path))) = NxProject::load(tree, dir) {
        return (name, Origin::field(path.as_str(), "name"));
    }
    let folder = if dir.is_root() {
        tree.root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    } else {
        dir.name().to_owned()
    };
    let folder = if folder.is_empty() { "app".to_owned() } else { folder };
    (folder, Origin::Derived("the name of the folder".to_owned()))
}

/// The `next.config.*` of a folder, whichever it is.
fn next_config(tree: &SourceTree, dir: &RelPath) -> Option<RelPath> {
    super::next_config::NAMES.iter().map(|name| dir.child(name)).find(|path| tree.has_file(path))
}

fn has_routes(tree: &SourceTree, dir: &RelPath) -> bool {
    ["app", "pages", "src/app", "src/pages"]
        .iter()
        .any(|folder| dir.join(folder).is_ok_and(|path| tree.has_directory(&path)))
}

/// Libraries and component workshops depend on `next` too; an app also has routes or a script that runs `next`.
fn has_marker(tree: &SourceTree, manifest: &PackageJson) -> bool {
    let builds =
        || manifest.scripts.values().any(|script| script.contains("next build") || script.contains("next start"));
    has_routes(tree, &manifest.dir) || builds()
}

#[cfg(test)]
mod tests;
