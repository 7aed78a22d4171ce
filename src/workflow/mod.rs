//! The definitions that a CI system needs to build the image: choices in, texts of files out. Pure.
//!
//! Never merges into a definition that is there: whoever wrote it knows better.

mod error;
mod github;
mod gitlab;
mod ignore_file;
mod program;
mod registry;
mod template;

use std::fmt::Write as _;

pub use error::WorkflowError;
pub use ignore_file::{DOCKERIGNORE, GITIGNORE, IgnoreFile};
pub use program::{Program, Release};
pub use registry::TargetRegistry;

use crate::rel_path::RelPath;

/// The CI systems that definitions can be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiTarget {
    GitHub,
    GitLab,
}

/// Everything that a definition says.
#[derive(Debug, Clone)]
pub struct Choices {
    pub target: CiTarget,
    pub registry: TargetRegistry,
    /// Folder of the app, when it is not the top of the repository.
    pub directory: RelPath,
    /// Branch whose image is pushed.
    pub branch: String,
    pub program: Program,
}

/// A file to write, relative to the top of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub path: String,
    pub content: String,
    /// What has to be set up in the CI system before it works, one action each.
    pub to_do: Vec<String>,
}

impl Choices {
    pub fn definition(&self) -> Definition {
        match self.target {
            CiTarget::GitHub => github::definition(self),
            CiTarget::GitLab => gitlab::definition(self),
        }
    }

    /// `image`, or `image-web` for the app in `apps/web`. At GitLab, `image` alone is a keyword.
    fn job_name(&self) -> String {
        let mut name = "image".to_owned();
        let last = self.directory.as_str().rsplit('/').next().unwrap_or_default();
        let plain: String = last.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        if !plain.is_empty() {
            let _ = write!(name, "-{}", plain.to_ascii_lowercase());
        }
        name
    }
}

impl CiTarget {
    /// By the word that `--ci` has for it.
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "github" => Some(Self::GitHub),
            "gitlab" => Some(Self::GitLab),
            _ => None,
        }
    }

    /// The system that hosts the repository, as far as the address of its remote tells.
    pub fn of_remote(remote: &str) -> Option<Self> {
        let host = remote.rsplit("://").next()?.split(['/', ':']).next()?.to_ascii_lowercase();
        let has = |word: &str| host.split(['.', '-']).any(|part| part == word);
        match (has("github"), has("gitlab")) {
            (true, false) => Some(Self::GitHub),
            (false, true) => Some(Self::GitLab),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
