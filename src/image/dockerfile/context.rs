//! The build context as a list: what is sent to the builder, from where.

use std::path::PathBuf;

/// Entries sorted by path (bytewise), each path once, parents before children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildContext {
    pub entries: Vec<ContextEntry>,
}

/// One path of the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextEntry {
    /// Path inside the context, relative.
    pub path: PathBuf,
    pub content: ContextContent,
    /// Permission bits.
    pub mode: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextContent {
    /// Bytes made by this program.
    Generated(Vec<u8>),
    /// A file on disk, at its absolute path, with the size (bytes) seen when the repository was read.
    File {
        disk: PathBuf,
        size: u64,
    },
    Directory,
    /// A symbolic link with its target as written.
    Symlink {
        target: PathBuf,
    },
}

impl ContextEntry {
    /// Bytes of content that this entry sends.
    pub fn size(&self) -> u64 {
        match &self.content {
            ContextContent::Generated(bytes) => bytes.len() as u64,
            ContextContent::File { size, .. } => *size,
            ContextContent::Directory | ContextContent::Symlink { .. } => 0,
        }
    }
}

impl BuildContext {
    /// Bytes of content of all entries.
    pub fn size(&self) -> u64 {
        self.entries.iter().map(ContextEntry::size).sum()
    }
}
