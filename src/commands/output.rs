//! Files that the user requests: written whole or not at all.
//!
//! Inside a repository, whose links anybody may have made, no link is followed.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::error::CommandError;
use crate::host::Folder;

const MODE: u32 = 0o644;

/// Replaces `path` by `content` in one step.
pub fn write_file(path: &Path, content: &[u8]) -> Result<(), CommandError> {
    let failed = |source| CommandError::Write { path: path.to_path_buf(), source };
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let mut file = tempfile::Builder::new().prefix(".nextdeploy-").tempfile_in(folder).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(MODE);
    file.as_file().set_permissions(permissions).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Replaces the file `relative` of the repository `root` by `content` in one step; missing folders are made.
pub fn write_inside(root: &Path, relative: &Path, content: &[u8]) -> Result<(), CommandError> {
    let write = || -> io::Result<()> {
        let (folder, name) = open_parent(root, relative)?;
        folder.replace_file(name, MODE, &mut &*content)
    };
    write().map_err(|source| CommandError::Write { path: root.join(relative), source })
}

/// Creates the file `relative` of the folder `root`, which must not exist yet; missing folders are made.
pub fn create_inside(root: &Path, relative: &Path, content: &[u8]) -> Result<(), CommandError> {
    let create = || -> io::Result<()> {
        let (folder, name) = open_parent(root, relative)?;
        folder.create_file(name, MODE)?.write_all(content)
    };
    create().map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => CommandError::Exists { path: root.join(relative) },
        _ => CommandError::Write { path: root.join(relative), source },
    })
}

/// The folder that is to have the file, and the file's name.
fn open_parent<'a>(root: &Path, relative: &'a Path) -> io::Result<(Folder, &'a OsStr)> {
    let name = relative.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let parent = relative.parent().unwrap_or(Path::new(""));
    Ok((Folder::open(root)?.make_inner(parent)?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_a_missing_folder_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("iid");
        write_file(&path, b"old and long").unwrap();
        write_file(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
        let error = write_file(&folder.path().join("no/iid"), b"x").unwrap_err();
        assert!(error.to_string().contains("no/iid"));
    }

    #[test]
    fn nothing_is_overwritten_by_create() {
        let folder = tempfile::tempdir().unwrap();
        let (root, name) = (folder.path(), Path::new("Dockerfile"));
        create_inside(root, name, b"mine").unwrap();
        assert!(matches!(create_inside(root, name, b"yours"), Err(CommandError::Exists { .. })));
        assert_eq!(std::fs::read(root.join(name)).unwrap(), b"mine");
    }

    #[test]
    fn links_of_a_repository_lead_nowhere() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (root, outside) = (root.path(), outside.path());
        std::fs::write(outside.join("profile"), "theirs").unwrap();
        for (target, name) in
            [(outside.to_path_buf(), ".nextdeploy"), (outside.join("profile"), "profile"), (outside.join("new"), "new")]
        {
            std::os::unix::fs::symlink(target, root.join(name)).unwrap();
        }
        for write in [write_inside, create_inside] {
            let error = write(root, Path::new(".nextdeploy/metadata.json"), b"x").unwrap_err();
            assert!(
                matches!(&error, CommandError::Write { source, .. } if source.to_string().contains("is a link")),
                "{error:?}"
            );
        }
        for name in ["profile", "new"] {
            assert!(matches!(create_inside(root, Path::new(name), b"x"), Err(CommandError::Exists { .. })));
        }
        write_inside(root, Path::new("profile"), b"mine").unwrap();
        write_file(&root.join("new"), b"mine").unwrap();
        assert_eq!(std::fs::read_to_string(root.join("profile")).unwrap(), "mine");
        assert_eq!(std::fs::read_to_string(outside.join("profile")).unwrap(), "theirs");
        assert_eq!(std::fs::read_dir(outside).unwrap().count(), 1);
    }
}
