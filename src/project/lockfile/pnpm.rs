//! `pnpm-lock.yaml`, versions 5 to 9.

use super::locked::{LockKey, Locked, LockedPackages, Tracked, malformed};
use crate::project::error::ProjectError;
use crate::project::facts::PackageManagerKind;
use crate::project::text;
use crate::rel_path::RelPath;

pub(super) fn parse(path: &RelPath, text: &str, tracked: Tracked<'_>) -> Result<Locked, ProjectError> {
    text::refuse_conflict(path, text)?;
    let mut scan =
        PnpmScan { tracked, format: None, keys: Vec::new(), packages: LockedPackages::default(), git: false };
    text.lines().for_each(|line| scan.line(line));
    let Some(format) = scan.format else {
        let message = if text.trim().is_empty() { "the file is empty" } else { "there is no `lockfileVersion`" };
        return Err(malformed(path, "pnpm lockfile", message));
    };
    Ok(Locked { git: scan.git, ..Locked::new(PackageManagerKind::Pnpm, path.clone(), format, scan.packages) })
}

struct PnpmScan<'t> {
    tracked: Tracked<'t>,
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
        let is_relevant = |section: &&str| is_group(section) || matches!(*section, "importers" | "specifiers");
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
        match rest {
            [group, name] | [group, name, "version"] if is_group(group) => {
                self.packages.add(self.tracked, name, LockKey::Importer(importer.to_owned()), version(value));
            }
            // Up to version 5 all ranges of a package are in one map.
            ["specifiers", name] => self.packages.require(self.tracked, importer, name, value),
            [group, name, "specifier"] if is_group(group) => self.packages.require(self.tracked, importer, name, value),
            _ => {}
        }
    }
}

fn is_group(key: &str) -> bool {
    matches!(key, "dependencies" | "devDependencies" | "optionalDependencies")
}

/// `13.4.1(react@18.2.0)`, `12.1.0_react@17`, `/next/12.1.0_x` and `next@15.0.0(y)` (aliases) all name a version.
fn version(value: &str) -> &str {
    let end = value.find(['(', '_']).unwrap_or(value.len());
    let value = &value[..end];
    let value = value.rsplit_once('/').map_or(value, |(_, version)| version);
    value.rsplit_once('@').map_or(value, |(_, version)| version)
}

fn unquote(text: &str) -> &str {
    text.trim_matches(['\'', '"'])
}
