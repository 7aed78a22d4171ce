//! Facts that git knows about the repository.

use std::collections::BTreeSet;

use serde::Serialize;

/// State of the checkout. Absent altogether when the directory is not inside a git work tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GitFacts {
    /// Full commit id; `None` before the first commit.
    pub commit: Option<String>,
    /// Committer time of `commit`, seconds since the epoch.
    pub commit_time: Option<i64>,
    /// `None` on a detached head.
    pub branch: Option<String>,
    /// Tag that points at `commit`, when there is exactly one.
    pub tag: Option<String>,
    /// Tracked files differ from `commit`, or there are untracked, not ignored files.
    pub dirty: bool,
    /// URL of `origin`, without user information.
    pub remote: Option<String>,
    /// Paths of the environment files (`.env*`) that git tracks, relative to the source root.
    pub tracked_env_files: BTreeSet<String>,
}
