//! What can be wrong with the directory that the program was pointed at.

use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, ExitCode, Location, printable_path};

/// The source directory cannot be read as a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("directory `{}` does not exist", printable_path(path))]
    Missing { path: PathBuf },
    #[error("`{}` is not a directory", printable_path(path))]
    NotADirectory { path: PathBuf },
    #[error("cannot read directory `{}`: {reason}", printable_path(path))]
    Unreadable { path: PathBuf, reason: String },
    #[error("`{}` is too large to be a repository: {reason}", printable_path(path))]
    TooLarge { path: PathBuf, reason: String },
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

    fn path(&self) -> &Path {
        match self {
            Self::Missing { path }
            | Self::NotADirectory { path }
            | Self::Unreadable { path, .. }
            | Self::TooLarge { path, .. } => path,
        }
    }
}

/// The operating system's words without the error number: "permission denied".
pub fn io_reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

impl Diagnostic for SourceError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "source/missing",
            Self::NotADirectory { .. } => "source/not-a-directory",
            Self::Unreadable { .. } => "source/unreadable",
            Self::TooLarge { .. } => "source/too-large",
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::Missing { .. } => "pass the directory of the Next.js app, or start the program inside it".to_owned(),
            Self::NotADirectory { path } => match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => {
                    format!("pass the directory instead: `{}`", printable_path(parent))
                }
                _ => "pass the directory that holds it".to_owned(),
            },
            Self::Unreadable { path, .. } => {
                format!("give the user that runs the build read and search permission on `{}`", printable_path(path))
            }
            Self::TooLarge { .. } => "run nextdeploy on a clean checkout, or in the folder of the app".to_owned(),
        }]
    }

    fn exit_code(&self) -> ExitCode {
        ExitCode::Project
    }

    fn location(&self) -> Option<Location> {
        Some(Location::file(self.path()))
    }
}
