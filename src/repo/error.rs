//! Errors of the source directory.

use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Location, diagnostics, printable_path};

diagnostics! {
    /// Why the source directory cannot be read as a repository.
    #[exit(Project)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum SourceError {
        #[error("directory `{}` does not exist", printable_path(path))]
        #[code("source/missing")]
        #[hint("pass the directory of the Next.js app, or start the program inside it")]
        #[location(Some(Location::file(path)))]
        Missing { path: PathBuf },

        #[error("`{}` is not a directory", printable_path(path))]
        #[code("source/not-a-directory")]
        #[hints(vec![parent_hint(path)])]
        #[location(Some(Location::file(path)))]
        NotADirectory { path: PathBuf },

        #[error("cannot read directory `{}`: {reason}", printable_path(path))]
        #[code("source/unreadable")]
        #[hint("grant the user that runs the build read and search permission on `{}`", printable_path(path))]
        #[location(Some(Location::file(path)))]
        Unreadable { path: PathBuf, reason: String },

        #[error("`{}` is too large to be a repository: {reason}", printable_path(path))]
        #[code("source/too-large")]
        #[hint("run nextdeploy on a clean checkout, or in the folder of the app")]
        #[location(Some(Location::file(path)))]
        TooLarge { path: PathBuf, reason: String },
    }
}

impl SourceError {
    pub(super) fn from_io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            io::ErrorKind::NotADirectory => Self::NotADirectory { path },
            _ => Self::Unreadable { path, reason: io_reason(error) },
        }
    }
}

fn parent_hint(path: &Path) -> String {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            format!("pass the directory instead: `{}`", printable_path(parent))
        }
        _ => "pass the directory that contains it".to_owned(),
    }
}

/// The operating system's message without the error number: "permission denied".
pub fn io_reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
