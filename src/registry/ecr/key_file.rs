//! The file for an access key: new, readable only by its owner, outside of every repository, and removed unless it was written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::error::EcrError;
use crate::secret::Secret;

/// Names that mark the root of a repository or project.
const MARKERS: &[&str] = &[".git", "package.json", "nextdeploy.yml", ".nextdeploy"];

/// An empty file for a key.
#[derive(Debug)]
pub struct KeyFile {
    /// As given by the user.
    path: PathBuf,
    file: File,
    is_written: bool,
}

impl KeyFile {
    /// Creates the file.
    ///
    /// # Errors
    /// If the path exists (including links), is inside a repository, or is an environment file.
    pub fn create(path: &Path) -> Result<Self, EcrError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name == ".env" || name.starts_with(".env.") {
            return Err(EcrError::KeyInEnvironmentFile { path: path.to_path_buf() });
        }
        let unwritable = |source| EcrError::KeyFile { path: path.to_path_buf(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().map_err(unwritable)?;
        let is_top = |folder: &&Path| MARKERS.iter().any(|marker| folder.join(marker).exists());
        if let Some(root) = folder.ancestors().find(is_top) {
            return Err(EcrError::KeyInRepository { path: path.to_path_buf(), root: root.to_path_buf() });
        }
        let file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|source| {
                match source.kind() {
                    io::ErrorKind::AlreadyExists => EcrError::KeyFileExists { path: path.to_path_buf() },
                    _ => unwritable(source),
                }
            })?;
        Ok(Self { path: path.to_path_buf(), file, is_written: false })
    }

    /// Writes the key, and keeps the file.
    ///
    /// # Errors
    /// If it cannot be written completely; the file is then removed.
    pub fn write(mut self, content: &Secret) -> Result<(), EcrError> {
        let written = writeln!(self.file, "{}", content.expose()).and_then(|()| self.file.sync_all());
        self.is_written = written.is_ok();
        written.map_err(|source| EcrError::KeyFile { path: self.path.clone(), source })
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        if !self.is_written {
            // An error cannot be reported here, and the file holds no complete key.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::diagnostic::Diagnostic;

    fn key() -> Secret {
        Secret::new("{\"secretAccessKey\":\"k\"}".to_owned())
    }

    #[test]
    fn the_file_is_private_and_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        KeyFile::create(&path).unwrap().write(&key()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"secretAccessKey\":\"k\"}\n");
        assert_eq!(KeyFile::create(&path).unwrap_err().code(), "ecr/key-file-exists");
        let link = folder.path().join("link");
        symlink(folder.path().join("elsewhere"), &link).unwrap();
        assert_eq!(KeyFile::create(&link).unwrap_err().code(), "ecr/key-file-exists");
        assert!(fs::read_dir(folder.path()).unwrap().count() == 2, "the target of the link was not created");
    }

    #[test]
    fn an_unwritten_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        drop(KeyFile::create(&folder.path().join("key.json")).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn repositories_and_environment_files_are_refused() {
        for marker in [".git", "package.json"] {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join("deep/er")).unwrap();
            fs::write(folder.path().join(marker), "gitdir: elsewhere").unwrap();
            let outside = tempfile::tempdir().unwrap();
            symlink(folder.path().join("deep"), outside.path().join("way")).unwrap();
            for path in [folder.path().join("deep/er/key.json"), outside.path().join("way/er/key.json")] {
                let error = KeyFile::create(&path).unwrap_err();
                assert_eq!((error.code(), error.exit_code() as u8), ("ecr/key-in-repository", 2));
                let root = folder.path().canonicalize().unwrap();
                assert!(error.to_string().contains(root.to_str().unwrap()), "{error}");
                assert!(!path.exists());
            }
        }
        let folder = tempfile::tempdir().unwrap();
        for name in [".env", ".env.production"] {
            let error = KeyFile::create(&folder.path().join(name)).unwrap_err();
            assert_eq!(error.code(), "ecr/key-in-environment-file");
        }
        assert_eq!(KeyFile::create(&folder.path().join("no/key.json")).unwrap_err().code(), "ecr/key-file");
    }
}
