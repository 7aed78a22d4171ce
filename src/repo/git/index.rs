//! What git's index says about the paths below a directory.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::GitError;
use super::private::PrivateGit;
use crate::repo::environment_file::is_environment_file;

/// Mode of an entry that is the commit of another repository.
const GITLINK: &str = "160000";

/// Paths relative to the working directory of git.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// Environment files.
    pub env_files: BTreeSet<String>,
    /// Submodules, and repositories that were added without becoming one.
    pub gitlinks: Vec<PathBuf>,
}

impl Index {
    pub fn read(git: &PrivateGit) -> Result<Self, GitError> {
        Ok(Self::parse(&git.run(&["ls-files", "--stage", "-z"], &[])?))
    }

    /// Records of `git ls-files --stage -z`: `mode oid stage TAB path NUL`.
    fn parse(output: &[u8]) -> Self {
        let mut index = Self::default();
        for record in output.split(|byte| *byte == 0) {
            // A name that is not UTF-8 is no environment file of any tool: it counts as untracked.
            let Some((head, path)) = std::str::from_utf8(record).ok().and_then(|record| record.split_once('\t')) else {
                continue;
            };
            if head.starts_with(GITLINK) {
                index.gitlinks.push(PathBuf::from(path));
            } else if path.rsplit('/').next().is_some_and(is_env_name) {
                index.env_files.insert(path.to_owned());
            }
        }
        index
    }
}

/// Templates such as `.env.example` hold no secrets, but whether git tracks them is reported as well.
fn is_env_name(name: &str) -> bool {
    name.starts_with(".env") || is_environment_file(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_files_and_gitlinks_are_found() {
        let index = Index::parse(
            b"100644 aa 0\t.env\x00100644 bb 0\tapps/web/.env.example\x00160000 cc 0\tlib\x00100644 dd 0\tsrc/env.ts\x00100644 ee 0\t.env\xff\0",
        );
        assert_eq!(Vec::from_iter(&index.env_files), [".env", "apps/web/.env.example"]);
        assert_eq!(index.gitlinks, [PathBuf::from("lib")]);
    }
}
