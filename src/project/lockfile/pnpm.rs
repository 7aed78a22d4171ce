//! `pnpm-lock.yaml`, lockfile versions 5 to 9.
//!
//! Written by machine with two spaces per level, so the few sections that matter are read by their indentation; parsing
//! megabytes of YAML into values would take longer than the rest of detection. pnpm 11 writes two documents.

use super::{Locked, LockedPackages, Place, TRACKED, malformed};
use crate::project::error::ProjectError;
use crate::project::facts::PackageManagerKind;
use crate::project::text;
use crate::rel_path::RelPath;

pub(super) fn parse(path: &RelPath, text: &str) -> Result<Locked, ProjectError> {
    text::refuse_conflict(path, text)?;
    let mut scan = Scan::default();
    text.lines().for_each(|line| scan.line(line));
    let Some(format) = scan.format else {
        let message = if text.trim().is_empty() { "the file is empty" } else { "there is no `lockfileVersion`" };
        return Err(malformed(path, "pnpm lockfile", message));
    };
    Ok(Locked { kind: PackageManagerKind::Pnpm, path: path.clone(), format, packages: scan.packages, git: scan.git })
}

#[derive(Default)]
struct Scan<'t> {
    format: Option<String>,
    /// Keys that lead to the current line, one per level.
    keys: Vec<&'t str>,
    packages: LockedPackages,
    git: bool,
}

impl<'t> Scan<'t> {
    fn line(&mut self, line: &'t str) {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        let wanted = |section: &&str| is_group(section) || *section == "importers";
        if indent > 0 && !self.keys.first().is_some_and(wanted) {
            self.git |= content.starts_with("resolution:") && content.contains("type: git");
            return;
        }
        if content.is_empty() || content.starts_with('#') || content.starts_with("---") {
            return;
        }
        let Some((key, value)) = content.split_once(':') else { return };
        // Keys with a colon of their own (`'git@host:x'`) never are names that matter.
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
        let name = match rest {
            [group, name] | [group, name, "version"] if is_group(group) => *name,
            _ => return,
        };
        if TRACKED.contains(&name) {
            self.packages.add(name, Place::Importer(importer.to_owned()), exact(value));
        }
    }
}

fn is_group(key: &str) -> bool {
    matches!(key, "dependencies" | "devDependencies" | "optionalDependencies")
}

/// `13.4.1(react@18.2.0)`, `12.1.0_react@17`, `/next/12.1.0_x` and `next@15.0.0(y)` (aliases) all name a version.
fn exact(value: &str) -> &str {
    let end = value.find(['(', '_']).unwrap_or(value.len());
    let value = &value[..end];
    let value = value.rsplit_once('/').map_or(value, |(_, version)| version);
    value.rsplit_once('@').map_or(value, |(_, version)| version)
}

fn unquote(text: &str) -> &str {
    text.trim_matches(['\'', '"'])
}
