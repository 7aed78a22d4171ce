//! The tar archive, written in chunks into a channel.
//!
//! GNU format: names and link targets are bytes of any length, sizes have no limit.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tar::{EntryType, Header};
use tokio::sync::mpsc::Sender;

use super::CHUNK;
use super::error::ContextStreamError;
use super::open::{changed, open, sizes, unreadable};
use crate::image::dockerfile::{BuildContext, ContextContent, ContextEntry};

const BLOCK: usize = 512;
/// Longest name or link target that fits into a header.
const NAME: usize = 100;
/// 2000-01-01, the time of everything: some tools refuse the year 1970.
const TIME: u64 = 946_684_800;

pub(super) struct Writer {
    sender: Sender<Result<Bytes, ContextStreamError>>,
    read: Arc<AtomicU64>,
    /// The chunk in the making; its first `filled` bytes count.
    chunk: Vec<u8>,
    filled: usize,
}

/// Why writing ended early.
enum Stop {
    ReceiverGone,
    Failed(ContextStreamError),
}

impl From<ContextStreamError> for Stop {
    fn from(error: ContextStreamError) -> Self {
        Self::Failed(error)
    }
}

impl Writer {
    pub fn new(sender: Sender<Result<Bytes, ContextStreamError>>, read: Arc<AtomicU64>) -> Self {
        Self { sender, read, chunk: vec![0; CHUNK], filled: 0 }
    }

    /// Sends all entries and the end of the archive, or the entries up to a failure and the failure.
    pub fn write(mut self, context: BuildContext) {
        let mut entries = context.entries.into_iter();
        let result = entries.try_for_each(|entry| self.entry(entry)).and_then(|()| {
            self.bytes(&[0; 2 * BLOCK])?;
            self.flush()
        });
        if let Err(Stop::Failed(error)) = result {
            // Gone or not, there is nobody else to tell.
            let _ = self.sender.blocking_send(Err(error));
        }
    }

    fn entry(&mut self, entry: ContextEntry) -> Result<(), Stop> {
        let ContextEntry { path, content, mode } = entry;
        let path = path.as_os_str().as_bytes();
        let head = |name, kind, size| Head { name, kind, mode, size, target: b"" };
        match content {
            ContextContent::Directory => self.header(&head(&[path, b"/"].concat(), EntryType::Directory, 0)),
            ContextContent::Symlink { target } => {
                let target = target.as_os_str().as_bytes();
                self.header(&Head { target, ..head(path, EntryType::Symlink, 0) })
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
    fn file(&mut self, mut file: File, opened: &Metadata, disk: &Path, size: u64) -> Result<(), Stop> {
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

    fn header(&mut self, head: &Head) -> Result<(), Stop> {
        if head.target.len() > NAME {
            self.long(EntryType::GNULongLink, head.target)?;
        }
        if head.name.len() > NAME {
            self.long(EntryType::GNULongName, head.name)?;
        }
        self.bytes(head.block().as_bytes())
    }

    /// A name or target that does not fit, as an entry of its own before the one that it belongs to.
    fn long(&mut self, kind: EntryType, text: &[u8]) -> Result<(), Stop> {
        let size = text.len() as u64 + 1;
        self.header(&Head { name: b"././@LongLink", kind, mode: 0o644, size, target: b"" })?;
        self.bytes(text)?;
        self.bytes(&[0])?;
        self.pad(size)
    }

    fn pad(&mut self, size: u64) -> Result<(), Stop> {
        let padding = usize::try_from(padding(size)).expect("less than one block");
        self.bytes(&[0; BLOCK][..padding])
    }

    fn bytes(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
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

    fn flush(&mut self) -> Result<(), Stop> {
        let mut chunk = std::mem::replace(&mut self.chunk, vec![0; CHUNK]);
        chunk.truncate(self.filled);
        self.filled = 0;
        self.sender.blocking_send(Ok(chunk.into())).map_err(|_| Stop::ReceiverGone)
    }
}

/// What a header says.
struct Head<'a> {
    name: &'a [u8],
    kind: EntryType,
    mode: u32,
    size: u64,
    /// Of a link.
    target: &'a [u8],
}

impl Head<'_> {
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

/// Bytes of the whole archive.
pub(super) fn archive_size(context: &BuildContext) -> u64 {
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
