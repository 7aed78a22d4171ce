//! What the build sees of the sources that detection has read: `.dockerignore` may hide them, links may lead out of the repository.

use std::path::Path;

use super::error::PlanError;
use super::image::Inputs;
use crate::config::settings::DockerfileChoice;
use crate::diagnostic::{Location, Warning, printable_path};
use crate::rel_path::RelPath;
use crate::repo::{EntryKind, IgnoreRules, SourceEntry};

/// The entries that `.dockerignore` leaves.
pub(super) struct SentSources<'a> {
    entries: Option<Vec<&'a SourceEntry>>,
}

impl<'a> SentSources<'a> {
    /// Rules that cannot be read hide nothing here: the build reports them.
    pub fn of(inputs: Inputs<'a>) -> Self {
        let choice = inputs.settings.dockerfile.as_ref().map(|choice| &choice.value);
        let is_generated = matches!(choice, None | Some(DockerfileChoice::Generated));
        let has_rules = inputs.tree.has_file(&RelPath::root().child(".dockerignore"));
        let sent = || IgnoreRules::of_tree(inputs.tree, None)?.sent(inputs.tree, &[]);
        Self { entries: (is_generated && has_rules).then(sent).and_then(Result::ok) }
    }

    /// True when the file at `path`, or a file below it, is sent.
    pub fn has(&self, path: &RelPath) -> bool {
        let Some(entries) = &self.entries else { return true };
        let path = Path::new(path.as_str());
        let start = entries.partition_point(|entry| entry.path.as_path() < path);
        let below = entries[start..].iter().take_while(|entry| entry.path.starts_with(path));
        below.into_iter().any(|entry| entry.kind != EntryKind::Directory)
    }
}

/// Compares the facts with what is sent.
pub(super) fn check(inputs: Inputs<'_>, sent: &SentSources<'_>, warnings: &mut Vec<Warning>) -> Result<(), PlanError> {
    let Inputs { facts, tree, .. } = inputs;
    let exists = |path: &RelPath| tree.entries_at(path).iter().any(|entry| entry.kind != EntryKind::Directory);
    let is_hidden = |path: &RelPath| !sent.has(path) && exists(path);
    let manifest = Some(facts.app_dir.child("package.json")).filter(is_hidden);
    let routers: Vec<&RelPath> = facts.routers.app.iter().chain(&facts.routers.pages).collect();
    let mut missing: Vec<String> = manifest.iter().map(ToString::to_string).collect();
    if !routers.is_empty() && routers.iter().all(|path| is_hidden(path)) {
        missing.extend(routers.iter().map(ToString::to_string));
    }
    if !missing.is_empty() {
        return Err(PlanError::SourcesIgnored { paths: missing });
    }
    let public = Some(facts.next_dir.child("public"));
    let built = facts.workspace.iter().flat_map(|workspace| {
        workspace.packages.iter().filter(|package| workspace.build_order.contains(&package.name))
    });
    let rest =
        facts.config.file.iter().chain(&facts.middleware).chain(&public).chain(built.map(|package| &package.dir));
    let hidden: Vec<String> =
        routers.into_iter().chain(rest).filter(|path| is_hidden(path)).map(|path| format!("`{path}`")).collect();
    if let Some(first) = hidden.first() {
        let message = format!("`.dockerignore` leaves out {}, which the app uses", hidden.join(", "));
        let hint = format!("add `!{}` to `.dockerignore` if the build needs it", first.trim_matches('`'));
        let warning = Warning::new("plan/sources-ignored", message).with_hint(hint);
        warnings.push(warning.at(Location::file(".dockerignore")));
    }
    warnings.extend(leaving_link(inputs));
    Ok(())
}

/// Folders of tests, whose links no build follows.
const TESTS: [&str; 6] = ["test", "tests", "__tests__", "fixtures", "__fixtures__", "e2e"];

/// A link among the routes or the public files to something that the build does not have. Any other link is sent as it is.
fn leaving_link(inputs: Inputs<'_>) -> Option<Warning> {
    let Inputs { facts, tree, .. } = inputs;
    let public = facts.next_dir.child("public");
    let folders = [facts.routers.app.as_ref(), facts.routers.pages.as_ref(), facts.config.file.as_ref(), Some(&public)];
    let used = |entry: &SourceEntry| {
        let is_test = entry.path.components().any(|part| TESTS.iter().any(|name| part.as_os_str() == *name));
        !is_test && folders.iter().flatten().any(|folder| entry.path.starts_with(folder.as_str()))
    };
    let leaves = |entry: &&SourceEntry| entry.leaves_root() && used(entry);
    let found: Vec<&SourceEntry> = tree.entries().iter().filter(leaves).collect();
    let first = found.first()?;
    let EntryKind::Symlink { target } = &first.kind else { return None };
    let more = if found.len() > 1 { format!(" (and {} more)", found.len() - 1) } else { String::new() };
    let message = format!(
        "`{}` links to `{}`, outside the repository, which the build does not have{more}",
        printable_path(&first.path),
        printable_path(target)
    );
    let warning =
        Warning::new("plan/link-leaves-repository", message).with_hint("replace the link with what it links to");
    Some(warning.at(Location::file(&first.path)))
}
