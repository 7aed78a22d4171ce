//! Version files in the folders above the root of a source tree, up to the top of the git work tree.
//!
//! Version managers look upwards, also from an app that is built on its own. Nothing else above the root is read.

use std::path::Path;

use super::git::git_top_level;
use super::texts::{SourceText, decode};
use super::version_files::VERSION_FILES;
use crate::host::{FILE_LIMIT, FileError, Folder};

/// Folders between the root and the top of the work tree.
const MOST_FOLDERS: usize = 32;

/// The version files of one folder above the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderAbove {
    /// As seen from the root: `..`, `../..`.
    pub path: String,
    files: Vec<(&'static str, SourceText)>,
}

impl FolderAbove {
    pub fn text(&self, name: &str) -> Option<&SourceText> {
        self.files.iter().find(|(file, _)| *file == name).map(|(_, text)| text)
    }
}

/// The folders with version files, nearest first; none outside of a git work tree.
pub(super) fn read(root: &Path) -> Vec<FolderAbove> {
    let Some(top) = git_top_level(root) else { return Vec::new() };
    let above = root.ancestors().skip(1).take_while(|folder| folder.starts_with(&top)).take(MOST_FOLDERS);
    let folders = above.enumerate().filter_map(|(up, folder)| {
        let folder = Folder::open(folder).ok()?;
        let files: Vec<_> = VERSION_FILES.into_iter().filter_map(|name| Some((name, text(&folder, name)?))).collect();
        (!files.is_empty()).then(|| FolderAbove { path: vec![".."; up + 1].join("/"), files })
    });
    folders.collect()
}

fn text(folder: &Folder, name: &str) -> Option<SourceText> {
    match folder.read(Path::new(name), FILE_LIMIT) {
        Ok(bytes) => Some(decode(bytes)),
        Err(error @ FileError::TooLarge { .. }) => Some(SourceText::TooLarge { reason: error.to_string() }),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_folders_of_the_work_tree_count() {
        let folder = tempfile::tempdir().unwrap();
        let app = folder.path().join("repository/apps/web");
        fs::create_dir_all(&app).unwrap();
        fs::write(folder.path().join(".nvmrc"), "18").unwrap();
        fs::write(folder.path().join("repository/.nvmrc"), "20").unwrap();
        fs::create_dir_all(app.join("../.config/mise")).unwrap();
        fs::write(app.join("../.config/mise/config.toml"), "").unwrap();
        assert_eq!(read(&app), []);
        fs::create_dir(folder.path().join("repository/.git")).unwrap();
        fs::write(folder.path().join("repository/.git/HEAD"), "ref: refs/heads/main\n").unwrap();
        let found = read(&app);
        let paths: Vec<&str> = found.iter().map(|folder| folder.path.as_str()).collect();
        assert_eq!(paths, ["..", "../.."]);
        assert_eq!(found[1].text(".nvmrc"), Some(&SourceText::Text("20".to_owned())));
    }
}
