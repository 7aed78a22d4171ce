//! The version of a package manager as the project requires it.

use crate::diagnostic::Location;
use crate::origin::Origin;
use crate::project::error::ProjectError;
use crate::project::package_json::PackageJson;
use crate::project::tool_versions::{self, VersionFolder};
use crate::project::version::{Range, Version, parse_version};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

/// A version of the package manager as written in the project.
#[derive(Debug, Clone)]
pub(in crate::project) struct VersionRequest {
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

/// The version of `command` in `packageManager`, `devEngines`, `volta`, the files of version managers and `engines`, in this order;
/// most specific manifest first.
pub(super) fn find(
    tree: &SourceTree,
    dir: &RelPath,
    manifests: &[&PackageJson],
    command: &str,
) -> Result<Option<VersionRequest>, ProjectError> {
    let request = |manifest: &PackageJson, keys: &[&str], text: &str| VersionRequest {
        text: text.trim().trim_start_matches('v').to_owned(),
        origin: Origin::field(manifest.path.as_str(), &keys.join(".")),
        location: manifest.place(tree, keys),
    };
    let manifests = || manifests.iter().copied();
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
    let volta =
        || manifests().find_map(|manifest| Some(request(manifest, &["volta", command], manifest.volta.get(command)?)));
    if let Some(found) = field.or_else(dev).or_else(volta) {
        return Ok(Some(found));
    }
    if let Some(pinned) = tool_versions::find(&[VersionFolder::Inside(tree, dir.clone())], &[command])? {
        return Ok(Some(VersionRequest { text: pinned.text, origin: pinned.origin, location: pinned.location }));
    }
    Ok(manifests().find_map(|manifest| {
        // `please-use-yarn` is not a version.
        let range = manifest.engines.get(command).filter(|range| Range::parse(range).is_some())?;
        Some(request(manifest, &["engines", command], range))
    }))
}
