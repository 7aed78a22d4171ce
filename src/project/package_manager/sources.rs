//! What the choice of the package manager depends on: [`PackageManagerSources`].

use std::collections::BTreeSet;

use crate::origin::Sourced;
use crate::project::error::ProjectError;
use crate::project::facts::PackageManagerKind;
use crate::project::lockfile::{Locked, StaleEntry, Tracked};
use crate::project::package_json::PackageJson;
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

/// Where the package manager may be specified: the folder of the install, then the app.
pub(in crate::project) struct PackageManagerSources<'a> {
    pub tree: &'a SourceTree,
    /// Folder of the lockfile, where the install runs.
    pub dir: &'a RelPath,
    /// That of the install folder first, then the app's.
    pub manifests: Vec<&'a PackageJson>,
    pub requested: Option<&'a Sourced<PackageManagerKind>>,
    /// An install without a lockfile is allowed.
    pub unlocked: bool,
    /// `pnpm-workspace.yaml` contains settings, which pnpm 9 does not read.
    pub pnpm_settings: bool,
    /// Packages of the workspace, and those that `pnpm-workspace.yaml` overrides: their ranges say nothing about the lockfile.
    pub unchecked: BTreeSet<&'a str>,
}

impl PackageManagerSources<'_> {
    /// True when the file is beside the lockfile.
    pub(super) fn has(&self, name: &str) -> bool {
        let path = self.dir.child(name);
        self.tree.text(&path).is_some() || self.tree.has_file(&path)
    }

    /// Reads the lockfile called `name`, which is listed.
    pub(super) fn load(&self, name: &str) -> Result<Locked, ProjectError> {
        let direct = self.manifests.iter().flat_map(|manifest| manifest.all_dependencies());
        let names: BTreeSet<&str> = direct.map(|(name, _)| name.as_str()).collect();
        let locked = Locked::load(self.tree, self.dir, name, Tracked(&names))?;
        // A link to a directory is listed as a file.
        locked.ok_or_else(|| ProjectError::Unreadable {
            file: self.dir.child(name),
            reason: "it is not a regular file".to_owned(),
        })
    }

    /// The dependencies that `locked` does not satisfy. A pnpmfile may change manifests in any way.
    pub(super) fn stale(&self, locked: &Locked) -> Vec<StaleEntry> {
        let has_pnpmfile = [".pnpmfile.cjs", ".pnpmfile.mjs"].iter().any(|name| self.has(name));
        if has_pnpmfile && locked.kind == PackageManagerKind::Pnpm {
            return Vec::new();
        }
        locked.stale(self.dir, &self.manifests, &self.unchecked)
    }
}

/// The command that installs from a lockfile.
pub(super) fn command_of(lockfile: &str) -> &'static str {
    match lockfile {
        "yarn.lock" => "yarn",
        "pnpm-lock.yaml" => "pnpm",
        "bun.lock" | "bun.lockb" => "bun",
        _ => "npm",
    }
}
