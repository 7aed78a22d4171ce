//! `yarn.lock` of Yarn 1 and of Yarn Berry.

use super::locked::{LockKey, Locked, LockedPackages, Tracked, malformed};
use crate::project::error::ProjectError;
use crate::project::facts::PackageManagerKind;
use crate::project::text;
use crate::rel_path::RelPath;

pub(super) fn parse(path: &RelPath, text: &str, tracked: Tracked<'_>) -> Result<Locked, ProjectError> {
    text::refuse_conflict(path, text)?;
    let mut scan = YarnScan::new(tracked);
    text.lines().for_each(|line| scan.line(line));
    let berry = scan.berry_version.is_some();
    if !berry && !scan.classic && !text.starts_with("# yarn lockfile v1") && !text.contains("\n# yarn lockfile v1") {
        let message =
            if text.trim().is_empty() { "the file is empty" } else { "no version of Yarn writes this format" };
        return Err(malformed(path, "Yarn lockfile", message));
    }
    let kind = if berry { PackageManagerKind::YarnBerry } else { PackageManagerKind::YarnClassic };
    let format = scan.berry_version.unwrap_or_else(|| "1".to_owned());
    Ok(Locked { git: scan.git, ..Locked::new(kind, path.clone(), format, scan.packages) })
}

struct YarnScan<'t> {
    tracked: Tracked<'t>,
    berry_version: Option<String>,
    /// A property in Yarn 1's layout (`version "1.0.0"`) was seen.
    classic: bool,
    in_metadata: bool,
    /// The descriptors of the current block.
    current: &'t str,
    packages: LockedPackages,
    git: bool,
}

impl<'t> YarnScan<'t> {
    fn new(tracked: Tracked<'t>) -> Self {
        Self {
            tracked,
            berry_version: None,
            classic: false,
            in_metadata: false,
            current: "",
            packages: LockedPackages::default(),
            git: false,
        }
    }

    fn line(&mut self, line: &'t str) {
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        if !line.starts_with(' ') {
            self.in_metadata = line.starts_with("__metadata:");
            self.current = line.strip_suffix(':').unwrap_or_default();
            return;
        }
        // Only direct properties; four spaces are a nested map.
        let Some(property) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) else { return };
        if let Some(value) = property.strip_prefix("version") {
            self.version(value);
        } else if let Some(value) = property.strip_prefix("resolved ") {
            let url = value.trim_matches('"');
            self.git |= url.starts_with("git") || url.starts_with("ssh:") || url.contains(".git#");
        } else if let Some(value) = property.strip_prefix("resolution: ") {
            self.git |= value.contains("#commit=");
        }
    }

    fn version(&mut self, value: &str) {
        let (berry, value) = match value.strip_prefix(':') {
            Some(value) => (true, value.trim().trim_matches('"')),
            None => (false, value.trim().trim_matches('"')),
        };
        self.classic |= !berry;
        if self.in_metadata {
            self.berry_version = Some(value.to_owned());
        }
        for (name, range) in descriptors(std::mem::take(&mut self.current)) {
            self.packages.add(self.tracked, name, LockKey::Range(range.to_owned()), value);
        }
    }
}

/// `next@^13.0.0, "next@13"` or `"next@npm:^13, next@npm:13"`, as name and range.
fn descriptors(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let descriptors = line.split(", ").map(|descriptor| descriptor.trim_matches('"'));
    descriptors.filter_map(|descriptor| {
        let at = descriptor.char_indices().skip(1).find(|(_, c)| *c == '@')?.0;
        Some((&descriptor[..at], &descriptor[at + 1..]))
    })
}
