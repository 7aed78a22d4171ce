//! Files into and out of containers, as tar archives; also of containers that never ran.
//!
//! Never writes to a disk of this machine.

use std::io::{self, Read};

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt, try_unfold};
use http_body_util::Full;
use hyper::Method;
use tokio::time::timeout;

use super::connection::{DaemonError, Uri};
use super::containers::{Containers, PATIENCE};
use super::error::ContainerError;
use super::refusal::Operation;

const COPY_OUT: &str = "copy out of a container";

/// A file or folder in an archive. `path` is relative; `mode` as in `chmod`; owners are numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveEntry {
    pub path: String,
    pub mode: u32,
    pub user: u32,
    pub group: u32,
    pub content: ArchiveContent,
}

#[derive(Clone, PartialEq, Eq)]
pub enum ArchiveContent {
    Folder,
    File(Vec<u8>),
}

impl std::fmt::Debug for ArchiveContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder => f.write_str("Folder"),
            Self::File(bytes) => write!(f, "File({} bytes)", bytes.len()),
        }
    }
}

/// Entries → tar, in their order, with the time 0.
///
/// # Errors
/// When a path is absolute, contains `..` or is too long.
pub fn pack(entries: &[ArchiveEntry]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        let content: &[u8] = match &entry.content {
            ArchiveContent::Folder => &[],
            ArchiveContent::File(bytes) => bytes,
        };
        let kind = match entry.content {
            ArchiveContent::Folder => tar::EntryType::Directory,
            ArchiveContent::File(_) => tar::EntryType::Regular,
        };
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(entry.mode);
        header.set_uid(entry.user.into());
        header.set_gid(entry.group.into());
        header.set_mtime(0);
        archive.append_data(&mut header, &entry.path, content)?;
    }
    archive.into_inner()
}

/// Metadata of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    pub is_folder: bool,
    /// As in `chmod`, with the sticky bit.
    pub mode: u32,
    /// Number of the owner, as the daemon's processes see it.
    pub owner: u64,
}

impl Containers {
    /// Unpacks `archive` (tar) in `folder`, which must exist; owners and modes are kept.
    pub async fn copy_in(&self, container: &str, folder: &str, archive: Vec<u8>) -> Result<(), ContainerError> {
        const COPY_IN: &str = "copy into a container";
        Operation::container(COPY_IN, container).checked()?;
        let operation = Operation::new(COPY_IN, "folder", folder);
        let mut uri = Uri::new(&format!("/containers/{container}/archive"));
        uri.add("path", folder);
        let request = self.request(&operation, Method::PUT, uri).body("application/x-tar", Full::from(archive));
        request.run().await.map_err(|error| operation.failed(error).about(container))
    }

    /// The tar archive of a file or folder; its entries begin with the last component of `path`.
    pub async fn copy_out(
        &self,
        container: &str,
        path: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, ContainerError>>, ContainerError> {
        Operation::container(COPY_OUT, container).checked()?;
        let operation = Operation::new(COPY_OUT, "file", path);
        let request = self.get(&operation, &format!("/containers/{container}/archive")).query("path", path);
        let answer = request.stream().await.map_err(|error| operation.failed(error).about(container))?;
        let chunks = try_unfold(answer, |mut answer| async {
            let chunk = timeout(PATIENCE, answer.chunk()).await.unwrap_or_else(|_| Err(answer.no_answer(PATIENCE)))?;
            Ok::<_, DaemonError>(chunk.map(|chunk| (chunk, answer)))
        });
        Ok(chunks.map_err(ContainerError::from).boxed())
    }

    /// What is at `path`, whose last component is not followed when it is a link; `None` when nothing is there.
    pub async fn file_state(&self, container: &str, path: &str) -> Result<Option<FileState>, ContainerError> {
        /// More than a first header takes, with those that only extend it.
        const ENOUGH: usize = 64 * 1024;
        let mut chunks = match self.copy_out(container, path).await {
            Err(ContainerError::NotFound { kind: "file", .. }) => return Ok(None),
            opened => opened?,
        };
        let mut archive = Vec::new();
        // The rest, which may be large, is not sent: the connection ends with its stream.
        while archive.len() < ENOUGH {
            let Some(chunk) = chunks.try_next().await? else { break };
            archive.extend_from_slice(&chunk);
        }
        first_state(&archive).map(Some).map_err(|error| ContainerError::Answer {
            doing: COPY_OUT,
            name: container.to_owned(),
            reason: format!("{path}: {error}"),
        })
    }

    /// Whether the daemon's users are not those of its machine: it is rootless, or remaps the users of its containers.
    pub async fn maps_users(&self) -> Result<bool, ContainerError> {
        let info = self.info("inspection of its security").await?;
        let maps = |option: &String| option.starts_with("name=rootless") || option.starts_with("name=userns");
        Ok(info.security_options.iter().flatten().any(maps))
    }

    /// The content of one file, of at most `limit` bytes; `None` when it does not exist.
    pub async fn read_file(
        &self,
        container: &str,
        path: &str,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, ContainerError> {
        /// Header, padding and the end of the archive.
        const AROUND: usize = 16 * 1024;
        let mut chunks = match self.copy_out(container, path).await {
            Err(ContainerError::NotFound { kind: "file", .. }) => return Ok(None),
            opened => opened?,
        };
        let refused = |reason: String| ContainerError::Answer {
            doing: COPY_OUT,
            name: container.to_owned(),
            reason: format!("{path}: {reason}"),
        };
        let mut archive = Vec::new();
        while let Some(chunk) = chunks.try_next().await? {
            archive.extend_from_slice(&chunk);
            if archive.len() > limit + AROUND {
                return Err(refused(format!("larger than {limit} bytes")));
            }
        }
        first_file(&archive).map_err(|error| refused(error.to_string()))
    }
}

fn first_state(archive: &[u8]) -> io::Result<FileState> {
    let mut archive = tar::Archive::new(archive);
    let entry = archive.entries()?.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let header = entry.header();
    let is_folder = header.entry_type() == tar::EntryType::Directory;
    // Above the permissions and their special bits, Docker writes those of the kind (`c_ISDIR`).
    Ok(FileState { is_folder, mode: header.mode()? & 0o7777, owner: header.uid()? })
}

fn first_file(archive: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut archive = tar::Archive::new(archive);
    let Some(entry) = archive.entries()?.next() else { return Ok(None) };
    let mut entry = entry?;
    if entry.header().entry_type() != tar::EntryType::Regular {
        return Err(io::Error::other("not a regular file"));
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content)?;
    if content.len() as u64 != entry.size() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_keep_modes_and_owners() {
        let folder =
            ArchiveEntry { path: "s/".into(), mode: 0o750, user: 0, group: 7, content: ArchiveContent::Folder };
        let content = ArchiveContent::File(b"secret".to_vec());
        let file = ArchiveEntry { path: "s/KEY".into(), mode: 0o440, user: 0, group: 7, content };
        assert!(!format!("{file:?}").contains("secret"), "contents must not be shown");
        let packed = pack(&[folder, file]).unwrap();
        let mut archive = tar::Archive::new(packed.as_slice());
        let seen: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let (mode, group) = (header.mode().unwrap(), header.gid().unwrap());
                format!("{} {mode:o} {group} {}", entry.path().unwrap().display(), entry.size())
            })
            .collect();
        assert_eq!(seen, ["s/ 750 7 0", "s/KEY 440 7 6"]);
    }

    #[test]
    fn paths_outside_of_the_archive_are_refused() {
        for bad in ["../x", "/etc/passwd"] {
            let content = ArchiveContent::File(Vec::new());
            let entry = ArchiveEntry { path: bad.into(), mode: 0o644, user: 0, group: 0, content };
            assert!(pack(&[entry]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_first_entry_has_the_metadata_of_a_folder() {
        let folder = |path: &str, mode, user| ArchiveEntry {
            path: path.into(),
            mode,
            user,
            group: 0,
            content: ArchiveContent::Folder,
        };
        let packed = pack(&[folder("shm", 0o41777, 0), folder("shm/a", 0o700, 5)]).unwrap();
        assert_eq!(first_state(&packed).unwrap(), FileState { is_folder: true, mode: 0o1777, owner: 0 });
        assert_eq!(first_state(&packed[..512]).unwrap().owner, 0, "the rest is not needed");
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_mode(0o777);
        link.set_uid(7);
        link.set_size(0);
        link.set_cksum();
        assert_eq!(first_state(link.as_bytes()).unwrap(), FileState { is_folder: false, mode: 0o777, owner: 7 });
        assert!(first_state(&packed[..100]).is_err() && first_state(&[]).is_err());
    }

    #[test]
    fn one_file_is_read_from_its_archive() {
        let file = |content| ArchiveEntry { path: "run.json".into(), mode: 0o644, user: 0, group: 0, content };
        let packed = pack(&[file(ArchiveContent::File(b"{}".to_vec()))]).unwrap();
        assert_eq!(first_file(&packed).unwrap().as_deref(), Some(&b"{}"[..]));
        let folder = pack(&[file(ArchiveContent::Folder)]).unwrap();
        assert_eq!(first_file(&folder).unwrap_err().to_string(), "not a regular file");
        assert_eq!(first_file(&packed[..513]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
