//! The repository on disk as a value: [`SourceTree`].
//!
//! In: a directory. Out: every path below it (what is never part of a build is pruned), the text of the files that
//! detection reads, and the git facts. Reads only; nothing here ever writes to the repository.

mod above;
pub mod ci;
mod error;
mod exclusions;
mod git;
pub mod ignore;
mod lfs;
mod locate;
mod texts;
mod tree;
mod version_files;
mod walk;

pub use above::FolderAbove;
pub use error::{SourceError, io_reason};
pub use exclusions::{
    ANNOTATIONS_REPORT, DOTENV_REPORT, ENVIRONMENT_FILE_PATTERNS, Excluded, Exclusions, REPORT_FILES,
    STANDARD_EXCLUSIONS, SUMMARY_REPORT, is_environment_file, is_environment_template,
};
pub use git::{GitDetail, GitFacts, GitOptions, default_branch, git_top_level};
pub use ignore::{IgnoreError, IgnoreRules};
pub use locate::{SourceRoot, is_workspace_pattern, locate};
pub use texts::{SourceText, is_ci_definition};
pub use tree::SourceTree;
pub use walk::{EntryKind, SourceEntry};

#[cfg(test)]
mod tests;
