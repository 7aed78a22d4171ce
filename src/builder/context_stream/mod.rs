//! The build context as a tar stream, read from disk while it is being sent.
//!
//! In: the list of entries. Out: chunks of one tar archive, and the progress of reading. The archive depends on the entries alone: fixed
//! times, no owners, their order. It is in GNU format: names and link targets are bytes of any length, sizes have no limit. When a file has
//! changed since it was listed, the stream ends with an error and without the end-of-archive mark, so that a part is never taken for the
//! whole. Never holds more than a few chunks, never follows a link.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread;

use bytes::Bytes;
use futures_util::Stream;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use tar::{EntryType, Header};
use tokio::sync::mpsc;

use crate::diagnostic::{Location, diagnostics, printable_path};
use crate::image::dockerfile::{BuildContext, ContextContent, ContextEntry};
use crate::repo::io_reason;

/// Bytes of one chunk.
const CHUNK: usize = 256 * 1024;
/// Chunks that may wait for the receiver.
const WAITING: usize = 4;

/// Chunks of the archive; an error is the last item. Dropping it stops the reading.
pub struct ContextStream(mpsc::Receiver<Result<Bytes, ContextStreamError>>);

/// The progress of reading, shared by all clones.
#[derive(Debug, Clone)]
pub struct ContextProgress {
    read: Arc<AtomicU64>,
    total: u64,
}

impl ContextProgress {
    /// Bytes of content read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes of content of the whole context.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// Starts to read the context, as fast as the receiver reads and until it is dropped.
pub fn stream(context: BuildContext) -> (ContextStream, ContextProgress) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let progress = ContextProgress { read: Arc::default(), total: context.size() };
    let read = progress.read.clone();
    // Ends with the last entry, with an error, or when the receiver is gone.
    thread::spawn(move || ArchiveWriter::new(sender, read).write(context));
    (ContextStream(receiver), progress)
}

diagnostics! {
    /// Why the context could not be sent to its end.
    #[exit(Project)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum ContextStreamError {
        #[error("`{}` changed while it was being sent: {what}", printable_path(path))]
        #[code("context/changed-while-read")]
        #[hint("{STOP_WRITING}")]
        #[location(Some(Location::file(path)))]
        Changed { path: PathBuf, what: String },

        #[error("`{}` vanished while the build context was being sent", printable_path(path))]
        #[code("context/vanished")]
        #[hint("{STOP_WRITING}")]
        #[location(Some(Location::file(path)))]
        Vanished { path: PathBuf },

        #[error("cannot read `{}`: {reason}", printable_path(path))]
        #[code("context/unreadable")]
        #[hint("make it readable for this user, or name it in `.dockerignore` if the build does not need it")]
        #[location(Some(Location::file(path)))]
        Unreadable { path: PathBuf, reason: String },
    }
}

const STOP_WRITING: &str =
    "stop what writes there and build again, or name the path in `.dockerignore` if the build does not need it";

impl Stream for ContextStream {
    type Item = Result<Bytes, ContextStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

const BLOCK: usize = 512;
/// Longest name or link target that fits into a header.
const NAME: usize = 100;
/// 2000-01-01, the time of all entries: some tools refuse the year 1970.
const TIME: u64 = 946_684_800;

struct ArchiveWriter {
    sender: mpsc::Sender<Result<Bytes, ContextStreamError>>,
    read: Arc<AtomicU64>,
    /// The chunk in the making; its first `filled` bytes count.
    chunk: Vec<u8>,
    filled: usize,
}

/// Why writing ended early.
enum WriteEnd {
    ReceiverGone,
    Failed(ContextStreamError),
}

impl From<ContextStreamError> for WriteEnd {
    fn from(error: ContextStreamError) -> Self {
        Self::Failed(error)
    }
}

impl ArchiveWriter {
    fn new(sender: mpsc::Sender<Result<Bytes, ContextStreamError>>, read: Arc<AtomicU64>) -> Self {
        Self { sender, read, chunk: vec![0; CHUNK], filled: 0 }
    }

    /// Sends all entries and the end of the archive, or the entries up to a failure and the failure.
    fn write(mut self, context: BuildContext) {
        let mut entries = context.entries.into_iter();
        let result = entries.try_for_each(|entry| self.entry(entry)).and_then(|()| {
            self.bytes(&[0; 2 * BLOCK])?;
            self.flush()
        });
        if let Err(WriteEnd::Failed(error)) = result {
            // A receiver that is gone needs no error.
            let _ = self.sender.blocking_send(Err(error));
        }
    }

    fn entry(&mut self, entry: ContextEntry) -> Result<(), WriteEnd> {
        let ContextEntry { path, content, mode } = entry;
        let path = path.as_os_str().as_bytes();
        let head = |name, kind, size| EntryHeader { name, kind, mode, size, target: b"" };
        match content {
            ContextContent::Directory => self.header(&head(&[path, b"/"].concat(), EntryType::Directory, 0)),
            ContextContent::Symlink { target } => {
                let target = target.as_os_str().as_bytes();
                self.header(&EntryHeader { target, ..head(path, EntryType::Symlink, 0) })
            }
            ContextContent::Generated(bytes) => {
                let size = bytes.len() as u64;
                self.header(&head(path, EntryType::Regular, size))?;
                self.bytes(&bytes)?;
                self.read.fetch_add(size, Ordering::Relaxed);
                self.pad(size)
            }
            ContextContent::File { disk, size } => {
                let (file, metadata) = open(&disk, size)?;
                self.header(&head(path, EntryType::Regular, size))?;
                self.file(file, &metadata, &disk, size)?;
                self.pad(size)
            }
        }
    }

    /// The content of an open file, which must stay as it was at the opening.
    fn file(&mut self, mut file: File, opened: &Metadata, disk: &Path, size: u64) -> Result<(), WriteEnd> {
        let mut left = size;
        while left > 0 {
            if self.filled == CHUNK {
                self.flush()?;
            }
            let room = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK - self.filled);
            let count = match file.read(&mut self.chunk[self.filled..self.filled + room]) {
                Ok(0) => return Err(changed(disk, sizes(size, size - left)).into()),
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(disk, &error).into()),
            };
            self.filled += count;
            left -= count as u64;
            self.read.fetch_add(count as u64, Ordering::Relaxed);
        }
        let now = file.metadata().map_err(|error| unreadable(disk, &error))?;
        if now.len() != size {
            return Err(changed(disk, sizes(size, now.len())).into());
        }
        if now.modified().ok() != opened.modified().ok() {
            return Err(changed(disk, "it was written to".to_owned()).into());
        }
        Ok(())
    }

    fn header(&mut self, head: &EntryHeader) -> Result<(), WriteEnd> {
        if head.target.len() > NAME {
            self.long(EntryType::GNULongLink, head.target)?;
        }
        if head.name.len() > NAME {
            self.long(EntryType::GNULongName, head.name)?;
        }
        self.bytes(head.block().as_bytes())
    }

    /// A name or target that does not fit, as an entry of its own before the one that it belongs to.
    fn long(&mut self, kind: EntryType, text: &[u8]) -> Result<(), WriteEnd> {
        let size = text.len() as u64 + 1;
        self.header(&EntryHeader { name: b"././@LongLink", kind, mode: 0o644, size, target: b"" })?;
        self.bytes(text)?;
        self.bytes(&[0])?;
        self.pad(size)
    }

    fn pad(&mut self, size: u64) -> Result<(), WriteEnd> {
        let padding = usize::try_from(padding(size)).expect("less than one block");
        self.bytes(&[0; BLOCK][..padding])
    }

    fn bytes(&mut self, mut bytes: &[u8]) -> Result<(), WriteEnd> {
        while !bytes.is_empty() {
            if self.filled == CHUNK {
                self.flush()?;
            }
            let count = bytes.len().min(CHUNK - self.filled);
            self.chunk[self.filled..self.filled + count].copy_from_slice(&bytes[..count]);
            self.filled += count;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), WriteEnd> {
        let mut chunk = std::mem::replace(&mut self.chunk, vec![0; CHUNK]);
        chunk.truncate(self.filled);
        self.filled = 0;
        self.sender.blocking_send(Ok(chunk.into())).map_err(|_| WriteEnd::ReceiverGone)
    }
}

/// The values of a header.
struct EntryHeader<'a> {
    name: &'a [u8],
    kind: EntryType,
    mode: u32,
    size: u64,
    /// Of a link.
    target: &'a [u8],
}

impl EntryHeader<'_> {
    fn block(&self) -> Header {
        let mut header = Header::new_gnu();
        let fields = header.as_gnu_mut().expect("a new GNU header is one");
        let count = self.name.len().min(NAME);
        fields.name[..count].copy_from_slice(&self.name[..count]);
        let count = self.target.len().min(NAME);
        fields.linkname[..count].copy_from_slice(&self.target[..count]);
        header.set_entry_type(self.kind);
        header.set_mode(self.mode & 0o7777);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(TIME);
        header.set_size(self.size);
        header.set_cksum();
        header
    }
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}

/// Bytes of the archive that [`stream`] makes of `context`.
pub fn archive_size(context: &BuildContext) -> u64 {
    let padded = |size: u64| size + padding(size);
    let long = |length: usize| if length > NAME { BLOCK as u64 + padded(length as u64 + 1) } else { 0 };
    let entry = |entry: &ContextEntry| {
        let name = entry.path.as_os_str().len();
        let (name, target) = match &entry.content {
            ContextContent::Directory => (name + 1, 0),
            ContextContent::Symlink { target } => (name, target.as_os_str().len()),
            _ => (name, 0),
        };
        BLOCK as u64 + long(name) + long(target) + padded(entry.size())
    };
    context.entries.iter().map(entry).sum::<u64>() + 2 * BLOCK as u64
}

/// Opens a file that is listed: the regular file of `size` bytes, and nothing that has replaced it.
fn open(disk: &Path, size: u64) -> Result<(File, Metadata), ContextStreamError> {
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

/// No component of the path may be a link: the file was listed without one, so a link has replaced something since.
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
        Errno::LOOP => changed(disk, "it or a parent folder is a link now".to_owned()),
        // A socket.
        Errno::NXIO => changed(disk, "it is no longer a file".to_owned()),
        errno => unreadable(disk, &errno.into()),
    }
}

fn changed(disk: &Path, what: String) -> ContextStreamError {
    ContextStreamError::Changed { path: disk.to_path_buf(), what }
}

fn unreadable(disk: &Path, error: &io::Error) -> ContextStreamError {
    ContextStreamError::Unreadable { path: disk.to_path_buf(), reason: io_reason(error) }
}

fn sizes(before: u64, now: u64) -> String {
    format!("it had {before} bytes and has {now} now")
}

#[cfg(test)]
mod tests;
