//! Facts about the repository from the git program. Nothing is written, not even git's index, and nothing that the repository
//! configures is run (see `private.rs`).

mod private;
mod status;
#[cfg(test)]
mod tests;
mod work_tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;

use serde::Serialize;

use crate::diagnostic::Warning;

use private::{CheckoutOpener, PrivateGit, TrustedCheckout};
pub use private::{GitDetail, GitOptions};
use status::{GitIndex, WorkTreeStatus};
use work_tree::GitError;
pub use work_tree::git_top_level;

/// The facts, or why they are missing or incomplete although there is a repository.
#[derive(Debug, Default)]
pub(super) struct GitReading {
    pub facts: Option<GitFacts>,
    pub warning: Option<Warning>,
}

/// Reads the facts of the work tree that contains `root`; runs nothing if there is none.
pub(super) fn read(root: &Path, options: &GitOptions<'_>) -> GitReading {
    let Some(top) = git_top_level(root) else { return GitReading::default() };
    match CheckoutOpener::new(options).and_then(|opener| read_facts(&opener.open(&top, root)?, &opener)) {
        Ok((facts, status)) => {
            GitReading { facts: Some(facts), warning: status.err().map(|error| error.into_status_warning(root)) }
        }
        Err(error) => GitReading { facts: None, warning: Some(error.into_warning(root)) },
    }
}

/// The facts, and whether the state of the work tree could be read; otherwise it counts as changed.
fn read_facts(
    checkout: &TrustedCheckout,
    opener: &CheckoutOpener<'_>,
) -> Result<(GitFacts, Result<(), GitError>), GitError> {
    let git = &checkout.git;
    let mut facts = GitFacts {
        remote: git.remote.as_deref().and_then(without_user_information),
        shallow: checkout.work_tree.is_shallow(),
        ..GitFacts::default()
    };
    let full = opener.options.detail == GitDetail::Full;
    let (index, head, status) = thread::scope(|scope| {
        let status = scope.spawn(|| if full { WorkTreeStatus::read(checkout) } else { Ok(WorkTreeStatus::default()) });
        let index = GitIndex::read(git);
        let head = if full { facts.read_head(git) } else { Ok(()) };
        (index, head, status.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    head?;
    let index = index?;
    facts.tracked_env_files = index.env_files;
    if full && !facts.shallow {
        facts.lockfile_times = lockfile_times(git, &index.lockfiles);
    }
    let status = status.and_then(|status| status.with_submodules(checkout, &index.gitlinks, opener));
    facts.dirty = status.as_ref().map_or(true, |status| status.dirty);
    let status = status.map(|status| facts.branch = status.branch);
    Ok((facts, status))
}

/// Lockfiles whose history is looked up; more than one in a folder is rare.
const MOST_LOCKFILES: usize = 16;

/// When each lockfile was last changed, seconds since the epoch; only those that share a folder. What git cannot say is left out.
fn lockfile_times(git: &PrivateGit, lockfiles: &[String]) -> BTreeMap<String, i64> {
    let mut by_folder: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for path in lockfiles {
        by_folder.entry(path.rsplit_once('/').map_or("", |(folder, _)| folder)).or_default().push(path);
    }
    let shared = by_folder.into_values().filter(|paths| paths.len() > 1).flatten();
    let time = |path: &String| {
        let pathspec = format!(":(literal){path}");
        let arguments = ["log", "-1", "--no-show-signature", "--format=%ct", "HEAD", "--", &pathspec];
        String::from_utf8(git.run(&arguments, &[]).ok()?).ok()?.trim().parse().ok()
    };
    shared.take(MOST_LOCKFILES).filter_map(|path| Some((path.clone(), time(path)?))).collect()
}

/// The default branch of `origin`, else the branch that is checked out.
pub fn default_branch(root: &Path, options: &GitOptions<'_>) -> Option<String> {
    let checkout = CheckoutOpener::new(options).ok()?.open(&git_top_level(root)?, root).ok()?;
    let branch = |reference: &str, prefix: &str| {
        let name = checkout.git.run(&["symbolic-ref", reference], &[]).ok()?;
        String::from_utf8(name).ok()?.trim().strip_prefix(prefix).map(str::to_owned)
    };
    branch("refs/remotes/origin/HEAD", "refs/remotes/origin/").or_else(|| branch("HEAD", "refs/heads/"))
}

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
    /// Tracked files differ from `commit`, or there are untracked, not ignored files. `.nextdeploy/` and reports do not count.
    pub dirty: bool,
    /// URL of `origin`, without user information.
    pub remote: Option<String>,
    /// The clone is shallow.
    pub shallow: bool,
    /// Paths of the environment files ([`crate::repo::is_environment_file`]) and of their templates that git tracks, relative to
    /// the source root.
    pub tracked_env_files: BTreeSet<String>,
    /// When lockfiles that share a folder were last changed, in seconds since the epoch; empty in a shallow clone.
    #[serde(skip)]
    pub lockfile_times: BTreeMap<String, i64>,
}

impl GitFacts {
    /// Reads commit, time and tag of `HEAD`; before the first commit they stay unknown.
    fn read_head(&mut self, git: &PrivateGit) -> Result<(), GitError> {
        let arguments = [
            "log",
            "-1",
            "--no-show-signature",
            "--decorate=full",
            "--decorate-refs=refs/tags",
            "--format=%H%x00%ct%x00%D",
        ];
        match git.run(&arguments, &[]) {
            Ok(output) => self.set_head(&output),
            // Before the first commit git fails, which is not an error.
            Err(GitError::Failed { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn set_head(&mut self, log: &[u8]) {
        let log = String::from_utf8_lossy(log);
        let mut fields = log.trim_end().split('\0');
        self.commit = fields.next().filter(|commit| !commit.is_empty()).map(str::to_owned);
        self.commit_time = fields.next().and_then(|time| time.parse().ok());
        let mut tags =
            fields.next().unwrap_or_default().split(", ").filter_map(|tag| tag.strip_prefix("tag: refs/tags/"));
        self.tag = tags.next().filter(|_| tags.next().is_none()).map(str::to_owned);
    }
}

/// `https://user:token@host/x` → `https://host/x`, `git@host:x` → `host:x`; parameters are dropped, they may carry tokens.
/// `None` if it may contain a secret.
fn without_user_information(remote: &str) -> Option<String> {
    let remote = remote.split(['?', '#']).next().filter(|remote| !remote.is_empty())?;
    let Some((scheme, rest)) = remote.split_once("://") else {
        let (authority, path) = remote.split_once('/').unwrap_or((remote, ""));
        let path = &remote[remote.len() - path.len()..];
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        return Some(if authority.len() == remote.len() { host.to_owned() } else { format!("{host}/{path}") });
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    // `https://user:pa/ss@host`: the password was taken for a port.
    let plausible = host.ends_with(']') || port.chars().all(|c| c.is_ascii_digit());
    plausible.then(|| format!("{scheme}://{host}/{path}"))
}
