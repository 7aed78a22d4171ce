//! `.env*` files of the app and of the folder of its lockfile: paths, whether git tracks them, and the variables that Next.js loads for
//! a production build.

use super::dotenv::{DotenvReader, DotenvVariable, parse};
use super::error::ProjectError;
use super::facts::DotenvFile;
use super::text;
use crate::diagnostic::{Location, Warning};
use crate::rel_path::RelPath;
use crate::repo::{EntryKind, SourceText, SourceTree};

/// Files in path order, with the variables of those that Next.js loads for a production build.
pub(super) fn detect(
    tree: &SourceTree,
    app_dir: &RelPath,
    root: &RelPath,
    mut reader: DotenvReader,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<DotenvFile>, ProjectError> {
    let tracked = tree.git.as_ref().map(|git| &git.tracked_env_files);
    let mut files = Vec::new();
    for entry in tree.entries() {
        if !matches!(entry.kind, EntryKind::File { .. } | EntryKind::Symlink { .. }) {
            continue;
        }
        if !entry.path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".env")) {
            continue;
        }
        let Some(path) = entry.path.to_str().and_then(|path| RelPath::new(path).ok()) else { continue };
        let folder = path.parent().unwrap_or_default();
        let named = path.name() == ".env" || path.name().starts_with(".env.");
        if !named || (folder != *app_dir && folder != *root) {
            continue;
        }
        // Next.js ignores missing files, such as a link to a local file of the root.
        let link = matches!(entry.kind, EntryKind::Symlink { .. });
        if link && matches!(tree.text(&path), Some(SourceText::Unreadable { .. })) {
            let message = format!("`{path}` links to a file that cannot be read, and is ignored");
            let warning =
                Warning::new("project/env-file-dangling", message).with_hint("remove the link, or commit its target");
            warnings.push(warning.at(Location::file(path.as_str())));
            continue;
        }
        let tracked = tracked.is_some_and(|tracked| tracked.contains(path.as_str()));
        files.push(DotenvFile { tracked, variables: Vec::new(), path, read_by_start: false });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    // The order in which Next.js loads them; the second one may refer to the first (`@next/env` 12 to 16).
    for name in [".env.production", ".env"] {
        let path = app_dir.child(name);
        let Some(file) = files.iter_mut().find(|file| file.path == path && file.tracked) else { continue };
        let Some(content) = text::read(tree, &path)? else { continue };
        match reader.read(content) {
            Ok(variables) => file.variables = variables,
            Err(error) if error.is_limit() => {
                return Err(ProjectError::BeyondLimit { file: path, reason: error.to_string() });
            }
            Err(error) => {
                let message = format!("Next.js cannot load `{path}`, and the app gets none of its values: {error}");
                let warning = Warning::new("project/env-file-unusable", message)
                    .with_hint("write `\\$` for a dollar sign, and correct references to the variable itself");
                warnings.push(warning.at(Location::file(path.as_str())));
            }
        }
    }
    Ok(files)
}

/// Reads a tracked file that the start script names.
pub(super) fn read_by_start(
    tree: &SourceTree,
    path: &RelPath,
    files: &mut Vec<DotenvFile>,
    warnings: &mut Vec<Warning>,
) -> Result<(), ProjectError> {
    let Some(content) = text::read(tree, path)? else { return Ok(()) };
    let variables = match parse(content) {
        Ok(variables) => variables,
        Err(error) if error.is_limit() => {
            return Err(ProjectError::BeyondLimit { file: path.clone(), reason: error.to_string() });
        }
        Err(error) => {
            let message = format!("`{path}`, which the start script reads, gives no values to the image: {error}");
            let warning = Warning::new("project/env-file-unusable", message)
                .with_hint("write `\\$` for a dollar sign, and correct references to the variable itself");
            warnings.push(warning.at(Location::file(path.as_str())));
            Vec::new()
        }
    };
    let variable = |(name, value)| DotenvVariable { name, value, unknown: Vec::new() };
    let variables = variables.into_iter().map(variable).collect();
    files.retain(|file| file.path != *path);
    files.push(DotenvFile { path: path.clone(), tracked: true, variables, read_by_start: true });
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}
