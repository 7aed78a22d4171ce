//! The file of the repository that a failure is about: [`ErrorSource`] and the source tree → [`Location`]s.
//!
//! Never opens a file outside of the tree, whatever a log says.

use std::path::Path;

use super::mentions::Mention;
use crate::diagnostic::Location;
use crate::host::Folder;
use crate::project::{ProjectFacts, line_of_key};
use crate::rel_path::RelPath;
use crate::repo::{SourceText, SourceTree};

/// Path of the repository in the build.
const WORKSPACE: &str = "/app/";
/// Larger sources are not searched for a line.
const SEARCHED: u64 = 1024 * 1024;

/// What kind of file a failure is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum ErrorSource {
    #[default]
    Unknown,
    /// Sources of the app, the most important first.
    Sources(Vec<Mention>),
    /// Calls that led to one error, the innermost first.
    Stack(Vec<Mention>),
    Lockfile,
    /// `package.json` of the app, at this key where it exists.
    Manifest(&'static str),
    /// `next.config.*`, at this option.
    Config(&'static str),
}

/// An error and its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocatedError {
    pub location: Location,
    /// One line.
    pub message: String,
}

impl ErrorSource {
    /// The locations; empty when none of them is in the repository.
    pub(super) fn find(&self, tree: &SourceTree, facts: &ProjectFacts) -> Vec<LocatedError> {
        let manifest = facts.app_dir.child("package.json");
        let (file, key): (RelPath, Option<&str>) = match self {
            Self::Unknown => return Vec::new(),
            Self::Sources(mentions) => return find_sources(mentions, tree, facts),
            Self::Stack(frames) => return find_sources(frames, tree, facts).into_iter().take(1).collect(),
            Self::Lockfile if tree.has_file(&facts.lockfile.path) => (facts.lockfile.path.clone(), None),
            Self::Lockfile => (manifest, None),
            Self::Manifest(key) => (manifest, Some(key)),
            Self::Config(option) => match &facts.config.file {
                Some(file) => (file.clone(), Some(option)),
                None => return Vec::new(),
            },
        };
        if !tree.has_file(&file) {
            return Vec::new();
        }
        let line = key.and_then(|key| line_of_key(&text(tree, &file)?, key));
        vec![LocatedError { location: Location { line, ..Location::file(file.as_str()) }, message: String::new() }]
    }
}

fn find_sources(mentions: &[Mention], tree: &SourceTree, facts: &ProjectFacts) -> Vec<LocatedError> {
    let mut findings: Vec<LocatedError> = Vec::new();
    for mention in mentions {
        let Some(file) = file(mention, tree, facts) else { continue };
        let line = mention.line.or_else(|| line_of_import(&text(tree, &file)?, &mention.message));
        let location = Location { line, column: mention.column, ..Location::file(file.as_str()) };
        if !findings.iter().any(|known| known.location == location) {
            findings.push(LocatedError { location, message: mention.message.clone() });
        }
    }
    findings
}

/// The file that a tool means: by its package, by the app's folder, or by the root of the repository.
fn file(mention: &Mention, tree: &SourceTree, facts: &ProjectFacts) -> Option<RelPath> {
    let path = mention.path.trim();
    let in_build = path.strip_prefix(WORKSPACE);
    let packages = facts.workspace.iter().flat_map(|workspace| &workspace.packages);
    let named = packages.filter(|package| in_build.is_none() && Some(&package.name) == mention.package.as_ref());
    let mut folders: Vec<RelPath> = named.map(|package| package.dir.clone()).collect();
    if in_build.is_none() {
        folders.extend([&facts.app_dir, &facts.next_dir].map(Clone::clone));
    }
    folders.push(RelPath::root());
    let path = in_build.unwrap_or(path);
    folders.iter().filter_map(|folder| folder.join(path).ok()).find(|file| tree.has_file(file))
}

fn text(tree: &SourceTree, file: &RelPath) -> Option<String> {
    if let Some(SourceText::Text(text)) = tree.text(file) {
        return Some(text.clone());
    }
    let bytes = Folder::open(&tree.root).ok()?.read(Path::new(file.as_str()), SEARCHED).ok()?;
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

/// webpack names the file of an unresolved import, but not the line.
fn line_of_import(text: &str, message: &str) -> Option<usize> {
    let (_, rest) = message.strip_prefix("Module not found")?.split_once("resolve '")?;
    let module = rest.split('\'').next().filter(|module| !module.is_empty())?;
    let quoted = [format!("'{module}'"), format!("\"{module}\"")];
    text.lines().position(|line| quoted.iter().any(|word| line.contains(word))).map(|at| at + 1)
}

#[cfg(test)]
mod tests;
