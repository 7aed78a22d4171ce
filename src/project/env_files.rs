//! The `.env*` files of the app and of the install's folder.

use crate::rel_path::RelPath;
use crate::source::{EntryKind, SourceTree};

use super::dotenv;
use super::error::ProjectError;
use super::facts::EnvFile;
use super::text;

/// Files in path order; variables are read of those that Next.js loads for a production build and that are shared.
pub(super) fn detect(tree: &SourceTree, app_dir: &RelPath, root: &RelPath) -> Result<Vec<EnvFile>, ProjectError> {
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
        let loaded = folder == *app_dir && matches!(path.name(), ".env" | ".env.production");
        let content = if loaded { text::read(tree, &path)? } else { None };
        files.push(EnvFile {
            tracked: tracked.is_some_and(|tracked| tracked.contains(path.as_str())),
            variables: content.map(dotenv::parse).unwrap_or_default(),
            path,
        });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
