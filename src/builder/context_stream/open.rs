//! Opening a file of the context: the regular file that the list names, and nothing that was put in its place.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::error::ContextStreamError;
use crate::repo::io_reason;

/// The open file and its metadata, when it is a regular file of `size` bytes.
pub(super) fn open(disk: &Path, size: u64) -> Result<(File, Metadata), ContextStreamError> {
    let file: File = open_without_links(disk).map_err(|errno| failure(disk, errno))?.into();
    let metadata = file.metadata().map_err(|error| unreadable(disk, &error))?;
    if !metadata.is_file() {
        return Err(changed(disk, "it is no longer a file".to_owned()));
    }
    if metadata.len() != size {
        return Err(changed(disk, sizes(size, metadata.len())));
    }
    Ok((file, metadata))
}

/// No component of the path may be a link: what is listed was reached without one, so a link has been put there since.
fn open_without_links(disk: &Path) -> rustix::io::Result<std::os::fd::OwnedFd> {
    // Without `NONBLOCK`, opening a pipe waits for its writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{ResolveFlags, openat2};
        match openat2(CWD, disk, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            // Older than Linux 5.6, or not allowed by a container's system call filter.
            Err(Errno::NOSYS | Errno::PERM) => {}
            result => return result,
        }
    }
    openat(CWD, disk, flags, Mode::empty())
}

fn failure(disk: &Path, errno: Errno) -> ContextStreamError {
    match errno {
        Errno::NOENT | Errno::NOTDIR => ContextStreamError::Vanished { path: disk.to_path_buf() },
        Errno::LOOP => changed(disk, "it is a link now, or below one".to_owned()),
        // A socket.
        Errno::NXIO => changed(disk, "it is no longer a file".to_owned()),
        errno => unreadable(disk, &errno.into()),
    }
}

pub(super) fn changed(disk: &Path, what: String) -> ContextStreamError {
    ContextStreamError::Changed { path: disk.to_path_buf(), what }
}

pub(super) fn unreadable(disk: &Path, error: &io::Error) -> ContextStreamError {
    ContextStreamError::Unreadable { path: disk.to_path_buf(), reason: io_reason(error) }
}

pub(super) fn sizes(before: u64, now: u64) -> String {
    format!("it had {before} bytes and has {now} now")
}
