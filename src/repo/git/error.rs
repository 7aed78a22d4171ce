//! Why the git facts of a repository are missing. Each is a warning: an image can be built without them.

use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Warning, printable_path};
use crate::repo::error::io_reason;

/// git could not be asked, or its data must not be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GitError {
    #[error("`git` is not installed")]
    NotInstalled,
    #[error("no folder for temporary files can be made: {reason}")]
    NoPrivateFolder { reason: String },
    #[error("{message}")]
    Failed { message: String },
    #[error("`git` did not finish within {seconds} s")]
    TimedOut { seconds: u64 },
    #[error("`git` printed far too much")]
    TooMuchOutput,
    #[error("there are too many submodules, or they are nested too deeply")]
    TooManySubmodules,
    #[error("not a git repository: `{}`", printable_path(path))]
    NotARepository { path: PathBuf },
    #[error("`{}`: {reason}", printable_path(path))]
    Invalid { path: PathBuf, reason: String },
    #[error("`{}`: {reason}", printable_path(path))]
    Unreadable { path: PathBuf, reason: String },
    #[error("the repository uses the extension `{name}`, which this version does not know")]
    UnknownExtension { name: String },
    #[error("`{}` belongs to another user, who could have prepared it", printable_path(path))]
    ForeignOwner { top: PathBuf, path: PathBuf },
}

/// What an image lacks without the facts.
const CONSEQUENCE: &str = "until then the image has no commit label and every environment file counts as untracked";

impl GitError {
    pub fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::Unreadable { path: path.to_path_buf(), reason: io_reason(error) }
    }

    /// The warning when the commit is known, but not whether the work tree below `root` differs from it.
    pub fn into_status_warning(self, root: &Path) -> Warning {
        Warning::new("source/git-status", format!("it is unknown whether the work tree has changes: {self}")).with_hint(
            format!("make `git -C {} status` work; until then the work tree counts as changed", printable_path(root)),
        )
    }

    /// The warning about the checkout that holds `root`.
    pub fn into_warning(self, root: &Path) -> Warning {
        let message = format!("the state of the git repository is unknown: {self}");
        match self {
            Self::ForeignOwner { top, .. } => Warning::new("source/git-foreign-owner", message).with_hint(format!(
                "if you trust it, run `git config --global --add safe.directory {}`; {CONSEQUENCE}",
                printable_path(&top)
            )),
            Self::NotInstalled => {
                Warning::new("source/git-unavailable", message).with_hint(format!("install `git`; {CONSEQUENCE}"))
            }
            _ => Warning::new("source/git-unavailable", message)
                .with_hint(format!("make `git -C {} status` work; {CONSEQUENCE}", printable_path(root))),
        }
    }
}
