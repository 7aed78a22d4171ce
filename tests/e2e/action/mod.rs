//! The action, the GitLab component and the output of `init`, in the runners of those systems.

mod github;
mod gitlab;
mod lint;
pub mod runner;
