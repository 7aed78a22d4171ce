//! The hashed assets of an image beside those of earlier ones, in a folder that a proxy serves: pages of the previous version, still
//! open in browsers, find their files. Their names change with their content, so nothing is ever overwritten. Removes nothing.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use futures_util::TryStreamExt as _;

use super::error::LaunchError;
use super::peek::Helper;
use super::run_document::RunDocument;
use crate::container::{ContainerError, Containers};

/// More than the assets of the largest apps.
const LARGEST: usize = 512 * 1024 * 1024;
/// Files, folders and all else in their archive.
const MOST_ENTRIES: usize = 100_000;

/// Copies them to `folder`, laid out as they are addressed (`BASE_PATH/_next/static/…`); the answer is how many were new.
pub async fn copy_assets(
    containers: &Containers,
    image: &str,
    run: &RunDocument,
    folder: &Path,
) -> Result<usize, LaunchError> {
    let Some(source) = run.hashed_assets() else { return Ok(0) };
    let failed =
        |error: &dyn std::fmt::Display| LaunchError::Assets { folder: folder.to_path_buf(), reason: error.to_string() };
    let helper = Helper::create(containers, image, Vec::new()).await?;
    let archive = read(containers, &helper.id, &source).await;
    helper.remove().await?;
    let Some(archive) = archive? else { return Ok(0) };
    if archive.len() > LARGEST {
        return Err(failed(&"they are larger than 512 MiB"));
    }
    let target = folder.join(run.base_path.trim_matches('/')).join("_next/static");
    unpack(&archive, &target).map_err(|error| failed(&error))
}

/// `None` when the image has none.
async fn read(containers: &Containers, container: &str, path: &str) -> Result<Option<Vec<u8>>, LaunchError> {
    let mut chunks = match containers.copy_out(container, path).await {
        Err(ContainerError::NotFound { kind: "file", .. }) => return Ok(None),
        opened => opened?,
    };
    let mut archive = Vec::new();
    while let Some(chunk) = chunks.try_next().await? {
        archive.extend_from_slice(&chunk);
        if archive.len() > LARGEST {
            break;
        }
    }
    Ok(Some(archive))
}

/// Writes the files of `archive`, without the first part of their paths, below `target`; links and special files are left out.
fn unpack(archive: &[u8], target: &Path) -> io::Result<usize> {
    let mut archive = tar::Archive::new(archive);
    let mut new = 0;
    fs::create_dir_all(target)?;
    for (number, entry) in archive.entries()?.enumerate() {
        if number == MOST_ENTRIES {
            return Err(io::Error::other(format!("they are more than {MOST_ENTRIES} files")));
        }
        let mut entry = entry?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            continue;
        }
        let Some(relative) = inside(&entry.path()?) else { continue };
        let path = target.join(relative);
        let size = entry.size();
        if fs::metadata(&path).is_ok_and(|there| there.is_file() && there.len() == size) {
            continue;
        }
        let parent = path.parent().unwrap_or(target);
        fs::create_dir_all(parent)?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        // Whole or not at all: the proxy may ask for it at any time.
        let mut file = tempfile::Builder::new().prefix(".nextdeploy-").tempfile_in(parent)?;
        io::Write::write_all(&mut file, &content)?;
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(readable)?;
        file.persist(&path).map_err(|error| error.error)?;
        new += 1;
    }
    Ok(new)
}

/// The path behind its first part, when every part is a plain name.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut parts = path.components().filter(|part| !matches!(part, Component::CurDir));
    parts.next()?;
    let rest: PathBuf = parts.clone().collect();
    let plain = parts.all(|part| matches!(part, Component::Normal(_)));
    (plain && !rest.as_os_str().is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{ArchiveContent, ArchiveEntry, pack};

    #[test]
    fn files_come_beside_those_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("_next/static");
        let file = |path: &str, text: &str| ArchiveEntry {
            path: format!("static/{path}"),
            mode: 0o600,
            user: 0,
            group: 0,
            content: ArchiveContent::File(text.into()),
        };
        let old = pack(&[file("chunks/a.js", "a"), file("shared.css", "s")]).unwrap();
        let new = pack(&[file("chunks/b.js", "b"), file("shared.css", "s")]).unwrap();
        assert_eq!(unpack(&old, &target).unwrap(), 2);
        assert_eq!(unpack(&new, &target).unwrap(), 1, "what is there already is not written again");
        for (path, text) in [("chunks/a.js", "a"), ("chunks/b.js", "b"), ("shared.css", "s")] {
            assert_eq!(fs::read_to_string(target.join(path)).unwrap(), text);
        }
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(target.join("shared.css")).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o644, "a proxy of another user can read it");
    }

    #[test]
    fn nothing_leaves_the_folder() {
        for bad in ["static/../../x", "static", "static/./..", "/", ""] {
            assert_eq!(inside(Path::new(bad)), None, "{bad}");
        }
        for (path, expected) in
            [("static/chunks/a.js", "chunks/a.js"), ("./static/a.js", "a.js"), ("/etc/passwd", "etc/passwd")]
        {
            assert_eq!(inside(Path::new(path)), Some(expected.into()));
        }
    }
}
