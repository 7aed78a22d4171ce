//! Reading and writing files of unknown kind and size: never more than a limit, and inside a [`Folder`] never what lies outside of it.
//!
//! What is checked is the open handle, so that nothing can be exchanged between a check and the access, and nothing is written
//! through a link below a [`Folder`]. Never waits for a writer at the other end of a pipe, except in [`read_named`].

use super::environment::random_word;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{File, FileType};
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, readlinkat, renameat, statat, unlinkat};
use rustix::io::Errno;

const MIB: u64 = 1024 * 1024;
/// For files that people write: configuration, documents, secrets. The largest honest one is a list of certificates (0.3 MiB).
pub const FILE_LIMIT: u64 = 4 * MIB;

/// As many as Linux follows in one path (`path_resolution(7)`).
const MOST_LINKS: usize = 40;
/// Folders that are open at once; the usual limit of a process is 1,024 files, on macOS 256.
pub const DEEPEST_PATH: usize = 128;

/// Without following a link, waiting for a pipe, or becoming the process of a terminal.
const OPEN: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Why a file was not read. Each message completes the sentence "`file` cannot be read: …".
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("it is a {what}, not a regular file")]
    NotRegular { what: &'static str },
    /// `size` is a lower bound where the file has no size of its own.
    #[error("it is larger than {}", Size(*limit))]
    TooLarge { size: u64, limit: u64 },
    #[error("it links to `{}`, outside of its folder", target.display())]
    Outside { target: PathBuf },
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Errno> for FileError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        let kind = match error {
            FileError::Io(error) => return error,
            FileError::TooLarge { .. } => io::ErrorKind::FileTooLarge,
            FileError::NotRegular { .. } | FileError::Outside { .. } => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error.to_string())
    }
}

/// `4 MiB`, `100 KiB`, `17 bytes`.
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= MIB && bytes.is_multiple_of(MIB) => write!(f, "{} MiB", bytes / MIB),
            bytes if bytes >= 1024 && bytes.is_multiple_of(1024) => write!(f, "{} KiB", bytes / 1024),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

/// The content of a regular file, also behind links. For places that this machine is trusted with, such as the configuration of Docker.
pub fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let handle = openat(CWD, path, OPEN.difference(OFlags::NOFOLLOW), Mode::empty())?;
    Ok(read_regular(&File::from(handle), limit)?)
}

/// As [`read_file`], for text.
pub fn read_text_file(path: &Path, limit: u64) -> io::Result<String> {
    utf8(read_file(path, limit)?)
}

/// The content of what a user names on the command line: also a pipe (`/dev/stdin`, `<(command)`), which is waited for.
pub fn read_named(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    Ok(read_at_most(&File::open(path)?, 0, limit)?)
}

/// As [`read_named`], for text.
pub fn read_named_text(path: &Path, limit: u64) -> io::Result<String> {
    utf8(read_named(path, limit)?)
}

fn utf8(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let message = format!("it is not UTF-8 (at byte {})", error.utf8_error().valid_up_to());
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

fn read_regular(file: &File, limit: u64) -> Result<Vec<u8>, FileError> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(FileError::NotRegular { what: kind_of(metadata.file_type()) });
    }
    if metadata.len() > limit {
        return Err(FileError::TooLarge { size: metadata.len(), limit });
    }
    read_at_most(file, metadata.len(), limit)
}

/// One byte more than the limit is read, so that a file which grows meanwhile is still seen as too large.
fn read_at_most(mut file: &File, expected: u64, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::with_capacity(usize::try_from(expected + 1).unwrap_or_default());
    Read::by_ref(&mut file).take(limit + 1).read_to_end(&mut bytes)?;
    let size = bytes.len() as u64;
    if size > limit { Err(FileError::TooLarge { size, limit }) } else { Ok(bytes) }
}

/// What a file is that cannot be read as one.
pub fn kind_of(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        "folder"
    } else if file_type.is_fifo() {
        "named pipe"
    } else if file_type.is_socket() {
        "socket"
    } else {
        "device"
    }
}

/// An open folder, from which only regular files inside it are read, whatever links it holds.
#[derive(Debug)]
pub struct Folder {
    pub(super) handle: OwnedFd,
    /// Absolute, without links.
    pub(super) path: PathBuf,
}

impl Folder {
    /// Opens the folder at `path`, which may itself be reached through links.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let handle = openat(CWD, &path, OPEN.union(OFlags::DIRECTORY), Mode::empty())?;
        Ok(Self { handle, path })
    }

    /// The content of the regular file at `relative`.
    pub fn read(&self, relative: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
        read_regular(&self.open_file(relative)?, limit)
    }

    /// The first bytes of a regular file, at most `length` of them.
    pub fn read_start(&self, relative: &Path, length: u64) -> Result<Vec<u8>, FileError> {
        let file = self.open_file(relative)?;
        let file_type = file.metadata()?.file_type();
        if !file_type.is_file() {
            return Err(FileError::NotRegular { what: kind_of(file_type) });
        }
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Resolves the path here, name by name and each below an open folder, because the kernel's own way to do so
    /// (`openat2(2)` with `RESOLVE_BENEATH`) is neither in every container nor outside of Linux.
    fn open_file(&self, relative: &Path) -> Result<File, FileError> {
        let mut folders: Vec<OwnedFd> = Vec::new();
        let mut names = Vec::new();
        let mut links = 0;
        let mut target = relative.to_path_buf();
        push_names(relative, &mut names);
        while let Some(name) = names.pop() {
            if name == ".." {
                folders.pop().ok_or_else(|| FileError::Outside { target: target.clone() })?;
                continue;
            }
            let here = folders.last().map_or(self.handle.as_fd(), AsFd::as_fd);
            let flags = if names.is_empty() { OPEN } else { OPEN.union(OFlags::DIRECTORY) };
            match openat(here, &name, flags, Mode::empty()) {
                Ok(handle) if names.is_empty() => return Ok(File::from(handle)),
                Ok(_) if folders.len() == DEEPEST_PATH => return Err(Errno::NAMETOOLONG.into()),
                Ok(handle) => folders.push(handle),
                Err(error) => {
                    // Which error a link gives differs from system to system.
                    let Ok(link) = readlinkat(here, &name, Vec::new()) else { return Err(error.into()) };
                    target = PathBuf::from(OsString::from_vec(link.into_bytes()));
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    let inside = if target.is_absolute() {
                        let inside = target.strip_prefix(&self.path);
                        folders.clear();
                        inside.map_err(|_| FileError::Outside { target: target.clone() })?
                    } else {
                        target.as_path()
                    };
                    push_names(inside, &mut names);
                }
            }
        }
        Err(FileError::NotRegular { what: "folder" })
    }
}

/// The names of `path` onto a stack, the first one on top.
fn push_names(path: &Path, names: &mut Vec<OsString>) {
    let parts = path.components().rev().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    names.extend(parts.map(|part| part.as_os_str().to_owned()));
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Folder {
    /// The folder `relative` below this one. What is missing is made, with mode 0755 less the umask.
    ///
    /// # Errors
    /// When a part of `relative` is `..` or absolute, or is a link or a file on the disk.
    pub fn make_inner(&self, relative: &Path) -> io::Result<Self> {
        let mut inner = Self { handle: self.handle.try_clone()?, path: self.path.clone() };
        for part in relative.components() {
            let name = match part {
                Component::Normal(name) => name,
                Component::CurDir => continue,
                _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path leaves its folder")),
            };
            match mkdirat(&inner.handle, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let opened = openat(&inner.handle, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
            let handle = opened.map_err(|error| inner.explain(name, error))?;
            inner = Self { handle, path: inner.path.join(name) };
        }
        Ok(inner)
    }

    /// The size of the file `name`; `None` for what is missing or no regular file.
    pub fn file_size(&self, name: &OsStr) -> io::Result<Option<u64>> {
        match statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if rustix::fs::FileType::from_raw_mode(found.st_mode) == rustix::fs::FileType::RegularFile => {
                Ok(u64::try_from(found.st_size).ok())
            }
            Ok(_) | Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The text of the file `name`; `None` when nothing has the name.
    ///
    /// # Errors
    /// When it is a link, no regular file, longer than `limit` bytes, or not UTF-8.
    pub fn read_text(&self, name: &OsStr, limit: u64) -> io::Result<Option<String>> {
        // Without `NONBLOCK`, opening a pipe waits for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.explain(name, error)),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > limit {
            return Err(io::Error::other(format!("it is not a file of at most {limit} bytes")));
        }
        let mut text = String::new();
        file.take(limit).read_to_string(&mut text)?;
        Ok(Some(text))
    }

    /// Creates the file `name`.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when anything of that name is there, links included.
    pub fn create_file(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(&self.handle, name, flags, Mode::from_raw_mode(mode))?);
        // Whatever the umask.
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        Ok(file)
    }

    /// Writes the file `name` whole or not at all, in the place of what has the name. A link is replaced, and not what it leads to.
    pub fn replace_file(&self, name: &OsStr, mode: u32, content: &mut dyn Read) -> io::Result<()> {
        let temporary = format!(".nextdeploy-{}", random_word());
        let mut file = self.create_file(OsStr::new(&temporary), mode)?;
        let written = io::copy(content, &mut file)
            .and_then(|_| file.flush())
            .and_then(|()| Ok(renameat(&self.handle, temporary.as_str(), &self.handle, name)?));
        if written.is_err() {
            let _ = unlinkat(&self.handle, temporary.as_str(), AtFlags::empty());
        }
        written
    }

    /// `ENOTDIR` says nothing of links.
    fn explain(&self, name: &OsStr, error: Errno) -> io::Error {
        let is_link = statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|found| rustix::fs::FileType::from_raw_mode(found.st_mode) == rustix::fs::FileType::Symlink);
        if is_link {
            let name = crate::diagnostic::printable(&name.to_string_lossy());
            return io::Error::other(format!("`{name}` is a link, and links are not followed here"));
        }
        error.into()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn fifo(path: &Path) {
        rustix::fs::mknodat(CWD, path, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }

    #[test]
    fn only_regular_files_up_to_the_limit_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "four").unwrap();
        assert_eq!(read_file(&path, 4).unwrap(), b"four");
        let error = read_file(&path, 3).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::FileTooLarge, "it is larger than 3 bytes")
        );
        fifo(&dir.path().join("pipe"));
        for (path, kind) in [("pipe", "named pipe"), ("/dev/zero", "device"), (".", "folder")] {
            let error = read_file(&dir.path().join(path), 4).unwrap_err();
            assert_eq!(error.to_string(), format!("it is a {kind}, not a regular file"));
        }
        fs::write(&path, b"a\xff").unwrap();
        assert_eq!(read_text_file(&path, 9).unwrap_err().to_string(), "it is not UTF-8 (at byte 1)");
    }

    #[test]
    fn what_a_user_names_may_be_a_device_or_a_pipe_but_not_endless() {
        assert_eq!(read_named(Path::new("/dev/null"), 3).unwrap(), b"");
        let error = read_named(Path::new("/dev/zero"), 2 * MIB).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 2 MiB");
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        fifo(&pipe);
        let writer = {
            let pipe = pipe.clone();
            std::thread::spawn(move || fs::write(pipe, "secret"))
        };
        assert_eq!(read_named_text(&pipe, 100).unwrap(), "secret");
        writer.join().unwrap().unwrap();
    }

    #[test]
    fn a_folder_is_never_left() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(dir.path().join("secret"), "s").unwrap();
        fs::write(root.join("a/file"), "f").unwrap();
        let folder = Folder::open(&root).unwrap();
        let link = |target: &Path, name: &str| symlink(target, root.join(name)).unwrap();
        link(Path::new("a/file"), "inside");
        link(Path::new("../a/b/../file"), "a/around");
        link(&folder.path.join("a/file"), "absolute");
        link(Path::new("b"), "a/folder");
        link(Path::new("../secret"), "above");
        link(Path::new("../root/a/file"), "out-and-in");
        link(Path::new("../.."), "a/up");
        link(Path::new("/dev/zero"), "device");
        link(Path::new("loop"), "loop");
        for path in ["a/file", "inside", "a/around", "absolute", "a/folder/../file", "a/./file"] {
            assert_eq!(folder.read(Path::new(path), 9).unwrap(), b"f", "{path}");
        }
        for path in ["above", "a/up/secret", "out-and-in", "device", "../secret"] {
            let error = folder.read(Path::new(path), 9).unwrap_err();
            assert!(matches!(error, FileError::Outside { .. }), "{path}: {error}");
        }
        for (path, reason) in
            [("loop", "symbolic links"), ("none", "No such file"), ("a", "it is a folder"), (".", "folder")]
        {
            let error = folder.read(Path::new(path), 9).unwrap_err().to_string();
            assert!(error.contains(reason), "{path}: {error}");
        }
        fifo(&root.join("pipe"));
        assert_eq!(
            folder.read(Path::new("pipe"), 9).unwrap_err().to_string(),
            "it is a named pipe, not a regular file"
        );
        assert_eq!(folder.read_start(Path::new("a/file"), 9).unwrap(), b"f");
    }

    #[test]
    fn nothing_is_written_through_links() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = Folder::open(inside.path()).unwrap();
        symlink(outside.path(), inside.path().join("way")).unwrap();
        for path in ["way", "way/deeper", "a/../../x", "/etc"] {
            assert!(folder.make_inner(Path::new(path)).is_err(), "{path}");
        }
        let error = folder.make_inner(Path::new("way")).unwrap_err();
        assert_eq!(error.to_string(), "`way` is a link, and links are not followed here");
        fs::write(outside.path().join("theirs"), "theirs").unwrap();
        symlink(outside.path().join("theirs"), inside.path().join("file")).unwrap();
        let name = OsStr::new("file");
        assert_eq!(folder.file_size(name).unwrap(), None);
        assert_eq!(folder.create_file(name, 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(folder.read_text(name, 100).is_err() && folder.read_text(OsStr::new("way"), 100).is_err());
        assert_eq!(folder.read_text(OsStr::new("missing"), 100).unwrap(), None);
        folder.replace_file(name, 0o644, &mut &b"mine"[..]).unwrap();
        assert_eq!(fs::read_to_string(outside.path().join("theirs")).unwrap(), "theirs");
        assert_eq!(
            (fs::read_to_string(inside.path().join("file")).unwrap().as_str(), folder.file_size(name).unwrap()),
            ("mine", Some(4))
        );
        assert_eq!(folder.read_text(name, 100).unwrap().as_deref(), Some("mine"));
        assert!(folder.read_text(name, 3).is_err(), "it is longer");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_is_the_one_that_was_opened() {
        let place = tempfile::tempdir().unwrap();
        let (old, moved) = (place.path().join("old"), place.path().join("moved"));
        fs::create_dir(&old).unwrap();
        let folder = Folder::open(&old).unwrap();
        fs::rename(&old, &moved).unwrap();
        symlink("/", &old).unwrap();
        folder.make_inner(Path::new("a/./b")).unwrap().replace_file(OsStr::new("c"), 0o640, &mut &b"x"[..]).unwrap();
        let written = moved.join("a/b/c");
        assert_eq!(fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o640);
        let mut broken = io::empty().chain(Broken);
        assert!(folder.replace_file(OsStr::new("d"), 0o640, &mut broken).is_err());
        assert_eq!(fs::read_dir(&moved).unwrap().count(), 1, "no half of it stays");
    }

    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
}
