//! The folder in which one supervision keeps what must survive its restart: log positions and the log buffer.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::error::SuperviseError;

/// The folder, locked against a second program for as long as this value lives.
#[derive(Debug)]
pub struct StateFolder {
    folder: PathBuf,
    _lock: File,
}

impl StateFolder {
    pub fn open(folder: &Path) -> Result<Self, SuperviseError> {
        let failed = |source: io::Error| SuperviseError::State { folder: folder.to_path_buf(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        check_owner(folder).map_err(failed)?;
        let lock = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(folder.join("lock"))
            .map_err(failed)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { folder: folder.to_path_buf(), _lock: lock }),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
                Err(SuperviseError::StateInUse { folder: folder.to_path_buf() })
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    pub fn positions(&self) -> PathBuf {
        self.folder.join("positions.json")
    }

    pub fn spool(&self) -> PathBuf {
        self.folder.join("spool")
    }

    pub fn failed(&self, source: io::Error) -> SuperviseError {
        SuperviseError::State { folder: self.folder.clone(), source }
    }
}

/// What is kept here are lines of logs, and where to go on: nobody else may read or replace it.
fn check_owner(folder: &Path) -> io::Result<()> {
    let found = fs::metadata(folder)?;
    let own = [0, rustix::process::geteuid().as_raw()];
    if own.contains(&found.uid()) && found.mode() & 0o002 == 0 {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "other users can write to it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    #[test]
    fn a_folder_has_one_user_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        let first = StateFolder::open(&inner).unwrap();
        assert_eq!(StateFolder::open(&inner).unwrap_err().code(), "supervise/state-in-use");
        drop(first);
        assert!(StateFolder::open(&inner).is_ok());
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&inner).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700);
        let set = |mode| fs::set_permissions(&inner, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        set(0o777);
        assert_eq!(StateFolder::open(&inner).unwrap_err().code(), "supervise/state", "others can write to it");
        set(0o700);
        fs::remove_file(inner.join("lock")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("theirs"), inner.join("lock")).unwrap();
        assert_eq!(StateFolder::open(&inner).unwrap_err().code(), "supervise/state", "the lock is a link");
        assert!(!folder.path().join("theirs").exists());
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(StateFolder::open(&folder.path().join("file")).unwrap_err().code(), "supervise/state");
    }
}
