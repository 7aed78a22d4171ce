//! The action, the GitLab component and what `init` writes, in the runners of those systems.

mod github;
mod gitlab;
mod lint;
pub mod runner;
