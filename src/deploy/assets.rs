//! Copies the hashed assets of an image beside those of earlier ones, into a folder that a proxy serves, so that pages of the previous
//! version that are still open in browsers find their files. Names change with content: nothing is ever overwritten or removed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _, Write as _};
use std::path::{Component, Path, PathBuf};

use futures_util::TryStreamExt as _;

use super::app_containers::AppContainers;
use super::error::LaunchError;
use super::helper_container::HelperContainer;
use crate::docker::{ContainerError, Containers, ImageFacts, RunDocument, read_run_document};
use crate::host::{Cache, Folder};

/// Limits for one image, above the assets of the largest apps.
#[derive(Debug, Clone, Copy)]
struct ArchiveLimits {
    /// Of the whole archive.
    bytes: u64,
    /// Files, folders and anything else.
    entries: usize,
    /// Folders in each other.
    depth: usize,
}

const LIMITS: ArchiveLimits = ArchiveLimits { bytes: 512 * 1024 * 1024, entries: 100_000, depth: 32 };
/// A proxy of another user can read them.
const MODE: u32 = 0o644;

/// Copies the assets of the image that runs and then those of `image`, which replaces it. Returns the number of new files.
pub async fn copy_assets(
    containers: &Containers,
    app: &AppContainers,
    (image, run): (&ImageFacts, &RunDocument),
    folder: &Path,
    known: &Cache,
) -> Result<usize, LaunchError> {
    let mut files = 0;
    if let Some(old) = app.running.first()
        && old.image_id != image.id
        && let Some(old_run) = read_run_document(containers, &old.image_id, known).await?
    {
        files += copy_of_image(containers, &old.image_id, &old_run, folder).await?;
    }
    Ok(files + copy_of_image(containers, &image.id, run, folder).await?)
}

/// Copies them to `folder`, laid out as in their URLs (`BASE_PATH/_next/static/…`). Returns the number of new files.
async fn copy_of_image(
    containers: &Containers,
    image: &str,
    run: &RunDocument,
    folder: &Path,
) -> Result<usize, LaunchError> {
    let Some(source) = run.hashed_assets() else { return Ok(0) };
    let failed =
        |error: &dyn std::fmt::Display| LaunchError::Assets { folder: folder.to_path_buf(), reason: error.to_string() };
    let opened = fs::create_dir_all(folder).and_then(|()| Folder::open(folder));
    let opened = opened.map_err(|error| failed(&error))?;
    // On disk, where there is room for the assets themselves.
    let mut archive = tempfile::tempfile_in(folder).map_err(|error| failed(&error))?;
    let helper = HelperContainer::create(containers, image, Vec::new()).await?;
    let read = read(containers, &helper.id, &source, &mut archive).await;
    helper.remove().await?;
    match read? {
        None => return Ok(0),
        Some(written) => written.map_err(|error| failed(&error))?,
    }
    let target = Path::new(run.base_path.trim_matches('/')).join("_next/static");
    let new = archive.rewind().and_then(|()| unpack(&archive, &opened.make_inner(&target)?, LIMITS));
    new.map_err(|error| failed(&error))
}

/// `None` when the image has no assets.
async fn read(
    containers: &Containers,
    container: &str,
    path: &str,
    archive: &mut File,
) -> Result<Option<io::Result<()>>, LaunchError> {
    let mut chunks = match containers.copy_out(container, path).await {
        Err(ContainerError::NotFound { kind: "file", .. }) => return Ok(None),
        opened => opened?,
    };
    let mut size = 0;
    while let Some(chunk) = chunks.try_next().await? {
        size += chunk.len() as u64;
        let fits = size <= LIMITS.bytes;
        let written = if fits { archive.write_all(&chunk) } else { Err(too_large()) };
        if written.is_err() {
            return Ok(Some(written));
        }
    }
    Ok(Some(Ok(())))
}

fn too_large() -> io::Error {
    io::Error::other("the assets of the image are larger than 512 MiB")
}

/// Writes the files of `archive`, without the first part of their paths, below `target`; links and special files are left out.
fn unpack(archive: impl Read, target: &Folder, limits: ArchiveLimits) -> io::Result<usize> {
    let mut archive = tar::Archive::new(archive.take(limits.bytes));
    let mut new = 0;
    for (number, entry) in archive.entries()?.enumerate() {
        if number >= limits.entries {
            return Err(io::Error::other(format!("the image has more than {} assets", limits.entries)));
        }
        let mut entry = entry?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            continue;
        }
        let path = entry.path()?.into_owned();
        let Some((folder, name)) = inside(&path) else { continue };
        if folder.components().count() > limits.depth {
            return Err(io::Error::other(format!("the image has assets more than {} folders deep", limits.depth)));
        }
        let folder = target.make_inner(&folder)?;
        if folder.file_size(&name)? == Some(entry.size()) {
            continue;
        }
        // Written atomically: the proxy may serve it at any time.
        let left = entry.size();
        folder.replace_file(&name, MODE, &mut ExactReader { of: &mut entry, left })?;
        new += 1;
    }
    Ok(new)
}

/// Content whose early end is an error: the archive was cut.
struct ExactReader<R> {
    of: R,
    left: u64,
}

impl<R: Read> Read for ExactReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.of.read(buffer)?;
        self.left = self.left.saturating_sub(count as u64);
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(count)
    }
}

/// Folder and name behind the first part of the path, when every part is a plain name.
fn inside(path: &Path) -> Option<(PathBuf, OsString)> {
    let mut parts = path.components().filter(|part| !matches!(part, Component::CurDir));
    parts.next()?;
    let rest: PathBuf = parts.clone().collect();
    let plain = parts.all(|part| matches!(part, Component::Normal(_)));
    let name = rest.file_name().filter(|_| plain)?.to_owned();
    Some((rest.parent().unwrap_or(Path::new("")).to_path_buf(), name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::docker::{ArchiveContent, ArchiveEntry, pack};

    fn file(path: &str, text: &str) -> ArchiveEntry {
        let content = ArchiveContent::File(text.into());
        ArchiveEntry { path: format!("static/{path}"), mode: 0o600, user: 0, group: 0, content }
    }

    fn unpacked(archive: &[u8], target: &Path) -> io::Result<usize> {
        fs::create_dir_all(target)?;
        unpack(archive, &Folder::open(target)?, LIMITS)
    }

    #[test]
    fn files_come_beside_those_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("_next/static");
        let old = pack(&[file("chunks/a.js", "a"), file("shared.css", "s")]).unwrap();
        let new = pack(&[file("chunks/b.js", "b"), file("shared.css", "s")]).unwrap();
        assert_eq!(unpacked(&old, &target).unwrap(), 2);
        assert_eq!(unpacked(&new, &target).unwrap(), 1, "what is there already is not written again");
        for (path, text) in [("chunks/a.js", "a"), ("chunks/b.js", "b"), ("shared.css", "s")] {
            assert_eq!(fs::read_to_string(target.join(path)).unwrap(), text);
        }
        let mode = fs::metadata(target.join("shared.css")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644, "a proxy of another user can read it");
    }

    #[test]
    fn nothing_leaves_the_folder() {
        for bad in ["static/../../x", "static", "static/./..", "/", ""] {
            assert_eq!(inside(Path::new(bad)), None, "{bad}");
        }
        for (path, folder, name) in
            [("static/chunks/a.js", "chunks", "a.js"), ("./static/a.js", "", "a.js"), ("/etc/passwd", "etc", "passwd")]
        {
            assert_eq!(inside(Path::new(path)), Some((folder.into(), name.into())));
        }
    }

    /// An entry whose path nothing has looked at.
    fn raw(kind: tar::EntryType, path: &str, link: &str, content: &[u8], mode: u32) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut archive = header.as_bytes().to_vec();
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
        archive
    }

    #[test]
    fn a_strangers_archive_writes_plain_files_below_the_folder_only() {
        use tar::EntryType::{Block, Char, Fifo, Link, Regular, Symlink};
        let place = tempfile::tempdir().unwrap();
        let outside = place.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("theirs"), "theirs").unwrap();
        let far = outside.to_str().unwrap();
        let archive = [
            raw(Symlink, "static/way", far, b"", 0o777),
            raw(Link, "static/hard", &format!("{far}/theirs"), b"", 0o644),
            raw(Char, "static/char", "", b"", 0o666),
            raw(Block, "static/block", "", b"", 0o666),
            raw(Fifo, "static/fifo", "", b"", 0o666),
            raw(Regular, "static/../../escaped", "", b"x", 0o644),
            raw(Regular, "/static/../../../escaped", "", b"x", 0o644),
            raw(Regular, "static/set", "", b"x", 0o6777),
            vec![0; 1024],
        ]
        .concat();
        let target = place.path().join("assets/_next/static");
        assert_eq!(unpacked(&archive, &target).unwrap(), 1);
        let names: Vec<_> = fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["set"]);
        assert_eq!(fs::metadata(target.join("set")).unwrap().permissions().mode() & 0o7777, 0o644);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2, "nothing escaped");

        // Links that an earlier, older version of this program or another one left there.
        symlink(&outside, target.join("chunks")).unwrap();
        symlink(outside.join("theirs"), target.join("app.js")).unwrap();
        assert_eq!(unpacked(&pack(&[file("app.js", "mine")]).unwrap(), &target).unwrap(), 1);
        assert!(unpacked(&pack(&[file("chunks/theirs", "mine")]).unwrap(), &target).is_err());
        assert_eq!(fs::read_to_string(outside.join("theirs")).unwrap(), "theirs");
        assert_eq!(fs::read_to_string(target.join("app.js")).unwrap(), "mine");
    }

    #[test]
    fn an_archive_without_an_end_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let limits = ArchiveLimits { bytes: 16 * 1024, entries: 5, depth: 3 };
        let many: Vec<ArchiveEntry> = (0..6).map(|number| file(&format!("{number}.js"), "x")).collect();
        let refused = |entries: &[ArchiveEntry]| unpack(&pack(entries).unwrap()[..], &folder, limits).unwrap_err();
        assert_eq!(refused(&many).to_string(), "the image has more than 5 assets");
        assert_eq!(refused(&[file("a/b/c/d/e.js", "")]).to_string(), "the image has assets more than 3 folders deep");
        assert!(unpack(&pack(&[file("a.js", &"x".repeat(20_000))]).unwrap()[..], &folder, limits).is_err());
        let claimed = [raw(tar::EntryType::Regular, "static/b.js", "", b"", 0o644)].concat();
        let mut header = tar::Header::from_byte_slice(&claimed[..512]).clone();
        header.set_size(1 << 40);
        header.set_cksum();
        assert!(unpack(&header.as_bytes()[..], &folder, limits).is_err(), "it is shorter than it says");
        assert!(!place.path().join("b.js").exists() && !place.path().join("a.js").exists());
    }
}
