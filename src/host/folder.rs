//! Writing below a [`Folder`]: whatever others do to its path meanwhile, what is made below it is made there, and no link below it
//! is followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::file::Folder;
use super::random::random_word;

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
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile => {
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
            .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink);
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
