//! What a lockfile pins: text of any lockfile kind in, [`Locked`] out.
//!
//! Lockfiles run to many megabytes, so each reader keeps the direct dependencies of the project only and skips the rest.

mod bun;
mod json;
mod locked;
mod npm;
mod pnpm;
mod stale;
mod yarn;

pub(super) use locked::{Dependent, Locked, Tracked};
pub(super) use stale::StaleEntry;

use super::error::ProjectError;
use super::text;
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

use locked::{MOST_LOCKED, TRACKED};

/// File names of lockfiles, in order of precedence within each package manager.
pub(super) const NAMES: &[&str] =
    &["npm-shrinkwrap.json", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"];

impl Locked {
    /// Reads the lockfile called `name` in `dir`; `None` when there is none.
    pub fn load(
        tree: &SourceTree,
        dir: &RelPath,
        name: &str,
        tracked: Tracked<'_>,
    ) -> Result<Option<Self>, ProjectError> {
        let path = dir.child(name);
        if name == "bun.lockb" {
            return bun::read_binary(tree.text(&path), &path);
        }
        text::read(tree, &path)?.map(|text| Self::parse(&path, text, tracked)).transpose()
    }

    /// Reads a text lockfile; its kind follows from its file name.
    pub fn parse(path: &RelPath, text: &str, tracked: Tracked<'_>) -> Result<Self, ProjectError> {
        let locked = match path.name() {
            "yarn.lock" => yarn::parse(path, text, tracked),
            "pnpm-lock.yaml" => pnpm::parse(path, text, tracked),
            "bun.lock" => bun::parse(path, text, tracked),
            _ => npm::parse(path, text, tracked),
        }?;
        if locked.packages.is_full() {
            let reason =
                format!("it locks more than {MOST_LOCKED} versions of direct dependencies and {}", TRACKED.join(", "));
            return Err(ProjectError::BeyondLimit { file: path.clone(), reason });
        }
        Ok(locked)
    }
}

#[cfg(test)]
mod tests;
