//! Files that the user asked for: written whole or not at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::CommandError;

/// Replaces `path` by `content` in one step.
pub fn write_file(path: &Path, content: &[u8]) -> Result<(), CommandError> {
    let failed = |source| CommandError::Write { path: path.to_path_buf(), source };
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let mut file = tempfile::Builder::new().prefix(".nextdeploy-").tempfile_in(folder).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(permissions).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Creates `path`, which must not exist yet.
pub fn create_file(path: &Path, content: &[u8]) -> Result<(), CommandError> {
    let mut file = std::fs::File::create_new(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => CommandError::Exists { path: path.to_path_buf() },
        _ => CommandError::Write { path: path.to_path_buf(), source },
    })?;
    file.write_all(content).map_err(|source| CommandError::Write { path: path.to_path_buf(), source })
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
        let path = folder.path().join("Dockerfile");
        create_file(&path, b"mine").unwrap();
        assert!(matches!(create_file(&path, b"yours"), Err(CommandError::Exists { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }
}
