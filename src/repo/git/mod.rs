//! Facts that git knows about the repository, from the git program itself; nothing is written, not even git's index, and nothing
//! that the repository configures is run (see `private.rs`).

mod error;
mod facts;
mod index;
mod private;
mod status;
mod work_tree;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::thread;

use crate::diagnostic::Warning;
use crate::host::Environment;

use error::GitError;
pub use facts::GitFacts;
use index::Index;
use private::{PrivateGit, UserConfig};
use status::Status;
use work_tree::WorkTree;
pub use work_tree::git_top_level;

/// How git is used.
#[derive(Debug, Clone)]
pub struct GitOptions<'a> {
    pub detail: GitDetail,
    /// Where `git` and the user's own configuration are found.
    pub environment: &'a Environment,
    /// Folder that the CI system has made for this run. A checkout inside it may belong to another user, as is common in
    /// containers.
    pub workspace: Option<PathBuf>,
}

/// How much is asked of git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitDetail {
    /// Everything; git compares every file of the work tree with its index.
    Full,
    /// Only which environment files are tracked, and the remote: the commit is unknown, and nothing is said to be dirty.
    Tracking,
}

/// The facts, or why they are missing or incomplete although there is a repository.
#[derive(Debug, Default)]
pub(super) struct GitReading {
    pub facts: Option<GitFacts>,
    pub warning: Option<Warning>,
}

/// Reads the facts of the work tree that holds `root`; runs nothing when there is none.
pub(super) fn read(root: &Path, options: &GitOptions<'_>) -> GitReading {
    let Some(top) = git_top_level(root) else { return GitReading::default() };
    match Opener::new(options).and_then(|opener| read_facts(&opener.open(&top, root)?, &opener)) {
        Ok((facts, status)) => {
            GitReading { facts: Some(facts), warning: status.err().map(|error| error.into_status_warning(root)) }
        }
        Err(error) => GitReading { facts: None, warning: Some(error.into_warning(root)) },
    }
}

/// The facts, and whether the state of the work tree could be read; where not, it counts as changed.
fn read_facts(checkout: &Checkout, opener: &Opener<'_>) -> Result<(GitFacts, Result<(), GitError>), GitError> {
    let git = &checkout.git;
    let mut facts = GitFacts {
        remote: git.remote.as_deref().and_then(facts::without_user_information),
        shallow: checkout.work_tree.is_shallow(),
        ..GitFacts::default()
    };
    let full = opener.options.detail == GitDetail::Full;
    let (index, head, status) = thread::scope(|scope| {
        let status = scope.spawn(|| if full { Status::read(checkout) } else { Ok(Status::default()) });
        let index = Index::read(git);
        let head = if full { facts.read_head(git) } else { Ok(()) };
        (index, head, status.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    head?;
    let index = index?;
    facts.tracked_env_files = index.env_files;
    let status = status.and_then(|status| status.with_submodules(checkout, &index.gitlinks, opener));
    facts.dirty = status.as_ref().map_or(true, |status| status.dirty);
    let status = status.map(|status| facts.branch = status.branch);
    Ok((facts, status))
}

/// What `origin` calls its default branch, else the branch that is checked out.
pub fn default_branch(root: &Path, options: &GitOptions<'_>) -> Option<String> {
    let checkout = Opener::new(options).ok()?.open(&git_top_level(root)?, root).ok()?;
    let branch = |reference: &str, prefix: &str| {
        let name = checkout.git.run(&["symbolic-ref", reference], &[]).ok()?;
        String::from_utf8(name).ok()?.trim().strip_prefix(prefix).map(str::to_owned)
    };
    branch("refs/remotes/origin/HEAD", "refs/remotes/origin/").or_else(|| branch("HEAD", "refs/heads/"))
}

/// A work tree that may be believed, with a git of its own.
#[derive(Debug)]
struct Checkout {
    work_tree: WorkTree,
    git: PrivateGit,
    /// Working directory of `git`; facts are about what lies below it.
    root: PathBuf,
}

/// Opens work trees by the user's configuration.
#[derive(Debug)]
struct Opener<'a> {
    options: &'a GitOptions<'a>,
    user: UserConfig,
}

impl<'a> Opener<'a> {
    fn new(options: &'a GitOptions<'a>) -> Result<Self, GitError> {
        Ok(Self { options, user: UserConfig::read(options.environment)? })
    }

    /// The checkout at `top`, seen from `root`.
    fn open(&self, top: &Path, root: &Path) -> Result<Checkout, GitError> {
        let work_tree = WorkTree::open(top)?;
        let environment = self.options.environment;
        if let Some(path) = work_tree.foreign_part(environment)
            && !self.options.is_workspace(top)
            && !self.user.declares_safe(top, environment)
        {
            return Err(GitError::ForeignOwner { top: top.to_path_buf(), path: path.to_path_buf() });
        }
        let git = PrivateGit::open(&work_tree, root, environment, &self.user)?;
        Ok(Checkout { work_tree, git, root: root.to_path_buf() })
    }
}

impl GitOptions<'_> {
    fn is_workspace(&self, top: &Path) -> bool {
        let workspace = self.workspace.as_ref().and_then(|folder| folder.canonicalize().ok());
        workspace.is_some_and(|workspace| top.starts_with(workspace))
    }
}
