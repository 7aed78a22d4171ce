//! What kind of project the repository holds: `SourceTree` in, [`ProjectFacts`] out.
//!
//! Pure: never reads the disk, never runs anything of the project. Every fact carries its [`Origin`](crate::origin::Origin).

mod facts;
mod turbo;

pub use facts::*;
pub use turbo::turbo_tasks;
