//! The repository on disk as a value: [`SourceTree`].
//!
//! In: a directory. Out: every path below it (what is never part of a build is pruned), the text of the files that
//! detection reads, and the git facts. Reads only; nothing here ever writes to the repository.

pub mod ci;
mod environment_file;
mod error;
mod exclusions;
mod git;
pub mod ignore;
mod locate;
mod read_list;
mod texts;
mod tree;
mod walk;

pub use environment_file::{ENVIRONMENT_FILE_PATTERNS, is_environment_file};
pub use error::{SourceError, io_reason};
pub use exclusions::{
    ANNOTATIONS_REPORT, DOTENV_REPORT, Excluded, Exclusions, REPORT_FILES, STANDARD_EXCLUSIONS, SUMMARY_REPORT,
};
pub use git::{GitDetail, GitFacts, GitOptions, default_branch, git_top_level};
pub use ignore::{IgnoreError, IgnoreRules, Verdict};
pub use locate::{Located, is_workspace_pattern, locate};
pub use read_list::is_read;
pub use tree::{EntryKind, SourceEntry, SourceText, SourceTree};

#[cfg(test)]
mod tests;
