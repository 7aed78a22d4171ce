//! Why the context could not be sent to its end.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, ExitCode, Location, printable_path};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextStreamError {
    #[error("`{}` changed while it was being sent: {what}", printable_path(path))]
    Changed { path: PathBuf, what: String },
    #[error("`{}` vanished while the build context was being sent", printable_path(path))]
    Vanished { path: PathBuf },
    #[error("`{}` cannot be read: {reason}", printable_path(path))]
    Unreadable { path: PathBuf, reason: String },
}

impl ContextStreamError {
    fn path(&self) -> &Path {
        match self {
            Self::Changed { path, .. } | Self::Vanished { path } | Self::Unreadable { path, .. } => path,
        }
    }
}

impl Diagnostic for ContextStreamError {
    fn code(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "context/changed-while-read",
            Self::Vanished { .. } => "context/vanished",
            Self::Unreadable { .. } => "context/unreadable",
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::Changed { .. } | Self::Vanished { .. } => {
                "stop what writes there and build again, or name the path in `.dockerignore` if the build does not need it".to_owned()
            }
            Self::Unreadable { .. } => {
                "make it readable for this user, or name it in `.dockerignore` if the build does not need it".to_owned()
            }
        }]
    }

    fn exit_code(&self) -> ExitCode {
        ExitCode::Project
    }

    fn location(&self) -> Option<Location> {
        Some(Location::file(self.path()))
    }
}
