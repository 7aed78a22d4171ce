//! Parts of the repository that are not checked out: submodules, and large files of Git LFS. Both leave something in their place, so
//! that a build may succeed and serve a broken site.

use super::facts::Workspace;
use super::text;
use crate::diagnostic::{Location, Warning, printable, printable_path};
use crate::rel_path::RelPath;
use crate::repo::{SourceEntry, SourceTree};

/// Folders that no app needs.
const ASIDE: [&str; 11] =
    ["docs", "doc", "examples", "example", "fixtures", "__fixtures__", "test", "tests", "__tests__", "e2e", ".github"];

/// Warns about what is missing from the folders of the app and of the packages that it needs.
pub(super) fn check(tree: &SourceTree, app_dir: &RelPath, workspace: Option<&Workspace>, warnings: &mut Vec<Warning>) {
    let built = workspace.into_iter().flat_map(|workspace| {
        workspace.packages.iter().filter(|package| workspace.build_order.contains(&package.name))
    });
    let folders: Vec<&RelPath> = built.map(|package| &package.dir).chain([app_dir]).collect();
    let is_used = |path: &RelPath| {
        let is_aside = path.as_str().split('/').any(|part| ASIDE.contains(&part));
        !is_aside && folders.iter().any(|folder| folder.contains(path) || path.contains(folder))
    };
    warnings.extend(large_files(tree, is_used));
    let in_workspace =
        |path: &RelPath| workspace.is_some() && !path.as_str().split('/').any(|part| ASIDE.contains(&part));
    submodules(tree, |path| is_used(path) || in_workspace(path), warnings);
}

fn large_files(tree: &SourceTree, is_used: impl Fn(&RelPath) -> bool) -> Option<Warning> {
    let is_used = |entry: &&SourceEntry| {
        entry.path.to_str().and_then(|path| RelPath::new(path).ok()).is_some_and(|path| is_used(&path))
    };
    let found: Vec<&SourceEntry> = tree.lfs_pointers().into_iter().filter(is_used).collect();
    let first = found.first()?;
    let more = if found.len() > 1 { format!(" (and {} more)", found.len() - 1) } else { String::new() };
    let message = format!("`{}` is a pointer of Git LFS instead of the file itself{more}", printable_path(&first.path));
    let warning = Warning::new("project/lfs-pointer", message)
        .with_hint("run `git lfs pull`; in GitHub Actions, set `lfs: true` for actions/checkout");
    Some(warning.at(Location::file(&first.path)))
}

/// Submodules of `.gitmodules` whose folder is empty or missing.
fn submodules(tree: &SourceTree, is_used: impl Fn(&RelPath) -> bool, warnings: &mut Vec<Warning>) {
    let file = RelPath::root().child(".gitmodules");
    let text = match text::read(tree, &file) {
        Ok(Some(text)) => text,
        Ok(None) => return,
        Err(error) => {
            let warning = Warning::new("project/gitmodules", error.to_string());
            warnings.push(warning.with_hint("make the file a readable UTF-8 text").at(Location::file(file.as_str())));
            return;
        }
    };
    let mut in_section = false;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        in_section |= line.starts_with("[submodule");
        let Some(value) = line.strip_prefix("path").and_then(|rest| rest.trim_start().strip_prefix('=')) else {
            continue;
        };
        let place = Location::line(file.as_str(), at + 1);
        let path = value.trim().trim_matches('"');
        let path = RelPath::new(path).ok().filter(|path| in_section && !path.is_root());
        let Some(path) = path else {
            let message = format!("`{file}` has a path that belongs to no submodule of this repository");
            let hint = "write each path below a line `[submodule \"NAME\"]`, relative to the top of the repository";
            warnings.push(Warning::new("project/gitmodules", message).with_hint(hint).at(place));
            continue;
        };
        let is_empty = tree.entries_at(&path).iter().all(|entry| entry.path.to_str() == Some(path.as_str()));
        if is_empty && is_used(&path) {
            let path = printable(path.as_str());
            let message = format!("the submodule `{path}` is not checked out, so the build does not have its files");
            let hint = "run `git submodule update --init --recursive`; in GitHub Actions, set `submodules: true` for actions/checkout";
            warnings.push(Warning::new("project/submodule-missing", message).with_hint(hint).at(place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(files: &[(&str, &str)]) -> Vec<&'static str> {
        let tree = SourceTree::from_texts(files.iter().copied());
        let mut warnings = Vec::new();
        check(&tree, &RelPath::root(), None, &mut warnings);
        warnings.iter().map(|warning| warning.code).collect()
    }

    #[test]
    fn submodules_without_files_are_reported() {
        let modules = "[submodule \"ui\"]\n\tpath = ui\n\turl = x\n[submodule \"docs\"]\n\tpath = docs/theme\n";
        assert_eq!(codes(&[(".gitmodules", modules)]), ["project/submodule-missing"]);
        assert_eq!(codes(&[(".gitmodules", modules), ("ui/index.ts", "")]), [""; 0]);
        assert_eq!(codes(&[(".gitmodules", "path = ui\n")]), ["project/gitmodules"]);
        assert_eq!(codes(&[(".gitmodules", "[submodule \"x\"]\npath = ../x\n")]), ["project/gitmodules"]);
        assert_eq!(codes(&[(".gitmodules", "")]), [""; 0]);
    }

    #[test]
    fn pointers_of_large_files_are_reported_once() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        let attributes = (".gitattributes", "*.png filter=lfs diff=lfs merge=lfs -text\n");
        assert_eq!(codes(&[attributes, ("public/a.png", pointer), ("b.png", pointer)]), ["project/lfs-pointer"]);
        assert_eq!(codes(&[attributes, ("public/a.png", "PNG"), ("docs/b.png", pointer)]), [""; 0]);
        assert_eq!(codes(&[("public/a.png", pointer)]), [""; 0]);
    }
}
