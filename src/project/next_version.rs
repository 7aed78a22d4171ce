//! The exact version of Next.js: from the lockfile, else the lowest that the range admits.

use crate::diagnostic::Warning;
use crate::origin::{Origin, Sourced};
use crate::repo::SourceTree;

use super::error::ProjectError;
use super::facts::NextVersion;
use super::lockfile::{Dependent, Locked};
use super::manifest::Manifest;
use super::version::{Range, parse_version};

/// Oldest major that knows a standalone output, and the newest that was tried.
const OLDEST: u64 = 12;
const NEWEST: u64 = 16;

pub(super) fn detect(
    tree: &SourceTree,
    app: &Manifest,
    root: &Manifest,
    (locked, dir): (&Locked, &str),
    warnings: &mut Vec<Warning>,
) -> Result<Sourced<NextVersion>, ProjectError> {
    let asks = |manifest: &Manifest| manifest.dependency("next").map(|(field, range)| (field, range.to_owned()));
    let (manifest, (field, range)) = match (asks(app), asks(root)) {
        (Some(found), _) => (app, found),
        (None, Some(found)) => (root, found),
        (None, None) => return Err(ProjectError::NotNext { manifest: app.path.clone() }),
    };
    let dependent = Dependent { dir, name: &app.display_name(), range: &range };
    let place = || manifest.place(tree, &[field, "next"]);
    let (version, origin) = match locked.version("next", dependent).and_then(parse_version) {
        Some(version) => (version, Origin::File(locked.path.as_str().to_owned())),
        None if locked.format == "binary" => {
            let lowest = Range::parse(&range).and_then(|range| range.lowest());
            let version = lowest.ok_or_else(|| ProjectError::NextVersionUnknown {
                lockfile: locked.path.clone(),
                manifest: manifest.path.clone(),
                range: range.clone(),
            })?;
            let message =
                format!("`{}` is binary: Next.js {version} is assumed, the lowest that `{range}` admits", locked.path);
            let hint = "write a text lockfile: `bun install --save-text-lockfile --frozen-lockfile --lockfile-only`";
            warnings.push(Warning::new("project/next-version-assumed", message).with_hint(hint).at(place()));
            (version, Origin::field(manifest.path.as_str(), &format!("{field}.next")))
        }
        None => {
            return Err(ProjectError::LockfileOutOfDate {
                lockfile: locked.path.clone(),
                manifest: manifest.path.clone(),
                command: format!("{} install", locked.kind.command()),
            });
        }
    };
    if version.major < OLDEST {
        return Err(ProjectError::NextUnsupported {
            version: version.to_string(),
            origin: origin.to_string(),
            location: place(),
        });
    }
    if version.major > NEWEST {
        let message =
            format!("Next.js {version} ({origin}) is newer than what this version of nextdeploy was tried with");
        warnings.push(Warning::new("project/next-untested", message).with_hint("update nextdeploy").at(place()));
    }
    let part = |part: u64| u32::try_from(part).unwrap_or(u32::MAX);
    let text = version.to_string();
    let value =
        NextVersion { major: part(version.major), minor: part(version.minor), patch: part(version.patch), text };
    Ok(Sourced::new(value, origin))
}
