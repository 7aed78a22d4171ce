//! The `.env*` files of the app and of the install's folder.

use crate::diagnostic::{Location, Warning};
use crate::rel_path::RelPath;
use crate::repo::{EntryKind, SourceText, SourceTree};

use super::dotenv;
use super::error::ProjectError;
use super::facts::EnvFile;
use super::text;

/// Files in path order; variables are read of those that Next.js loads for a production build and that are shared.
pub(super) fn detect(
    tree: &SourceTree,
    app_dir: &RelPath,
    root: &RelPath,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<EnvFile>, ProjectError> {
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
        // Next.js passes over what is not there, such as a link to a local file of the root.
        let link = matches!(entry.kind, EntryKind::Symlink { .. });
        if link && matches!(tree.text(&path), Some(SourceText::Unreadable { .. })) {
            let message = format!("`{path}` links to a file that cannot be read: it is left out");
            let warning =
                Warning::new("project/env-file-dangling", message).with_hint("remove the link, or commit its target");
            warnings.push(warning.at(Location::file(path.as_str())));
            continue;
        }
        let tracked = tracked.is_some_and(|tracked| tracked.contains(path.as_str()));
        files.push(EnvFile { tracked, variables: Vec::new(), path });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    // Next.js loads them in this order, and the second one may refer to the first (`@next/env` 12 to 16).
    let mut earlier = Vec::new();
    for name in [".env.production", ".env"] {
        let path = app_dir.child(name);
        let Some(file) = files.iter_mut().find(|file| file.path == path) else { continue };
        let Some(content) = text::read(tree, &path)? else { continue };
        file.variables = dotenv::parse_after(content, &earlier)
            .map_err(|error| ProjectError::BeyondLimit { file: path, reason: error.to_string() })?;
        if file.tracked {
            earlier.clone_from(&file.variables);
        }
    }
    Ok(files)
}
