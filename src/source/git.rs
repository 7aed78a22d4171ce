//! Facts that git knows about the repository, asked from git itself; nothing is written, not even git's index.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::thread;

use serde::Serialize;

use super::error::io_reason;
use super::exclusions::REPORT_FILES;
use super::locate::git_top_level;
use crate::diagnostic::{Warning, printable, printable_path};
use crate::host;

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
    /// Paths of the environment files (`.env*`) that git tracks, relative to the source root.
    pub tracked_env_files: BTreeSet<String>,
}

/// The facts, or why there are none although there is a repository.
#[derive(Debug, Default)]
pub(super) struct GitReading {
    pub facts: Option<GitFacts>,
    pub warning: Option<Warning>,
}

/// How much is asked of git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitDetail {
    /// Everything; git compares every file of the work tree with its index.
    Full,
    /// Only which environment files are tracked, and the remote: the commit is unknown, and nothing is said to be dirty.
    Tracking,
}

/// Settings of every call. In CI the checkout often belongs to another user than the build, which git refuses by default; the
/// program named in `core.fsmonitor` must not run then, and the user's index stays as it is.
const SETTINGS: &[&str] =
    &["-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "--no-optional-locks"];

/// Leaves `.nextdeploy/` out.
const RECORDS: &str = ":(exclude,glob)**/.nextdeploy/**";

/// Asks git about the work tree that holds `root`; nothing is asked when there is none.
pub(super) fn read(root: &Path, detail: GitDetail) -> GitReading {
    if git_top_level(root).is_none() {
        return GitReading::default();
    }
    // What this program writes about the checkout does not make it dirty.
    let reports = REPORT_FILES.map(|name| format!(":(exclude,glob)**/{name}"));
    let mut status = vec!["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--", ".", RECORDS];
    status.extend(reports.iter().map(String::as_str));
    let (state, (env_files, remote)) = thread::scope(|scope| {
        let others = scope.spawn(|| {
            (
                git(root, &["ls-files", "-z", "--", ":(glob)**/.env*"]),
                git(root, &["config", "--get", "remote.origin.url"]),
            )
        });
        let log = [
            "log",
            "-1",
            "--no-show-signature",
            "--decorate=full",
            "--decorate-refs=refs/tags",
            "--format=%H%x00%ct%x00%D",
        ];
        let state = match detail {
            // The log fails before the first commit, which is a state and no problem.
            GitDetail::Full => git(root, &status).map(|status| (status, git(root, &log).unwrap_or_default())),
            GitDetail::Tracking => git(root, &["rev-parse", "--git-dir"]).map(|_| (Vec::new(), Vec::new())),
        };
        (state, others.join().unwrap_or_else(|_| (Ok(Vec::new()), Ok(Vec::new()))))
    });
    match state {
        Ok((status, log)) => {
            let facts = facts(&status, &log, &env_files.unwrap_or_default(), &remote.unwrap_or_default());
            GitReading { facts: Some(facts), warning: None }
        }
        Err(reason) => GitReading { facts: None, warning: Some(unavailable(root, &reason)) },
    }
}

fn unavailable(root: &Path, reason: &str) -> Warning {
    Warning::new("source/git-unavailable", format!("the state of the git repository is unknown: {reason}")).with_hint(
        format!(
            "make `git -C {} status` work; until then the image has no commit label and every `.env*` file counts as untracked",
            printable_path(root)
        ),
    )
}

/// Standard output of a git command that succeeded, else the first line of what it complained about.
fn git(root: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let arguments: Vec<&str> = SETTINGS.iter().chain(arguments).copied().collect();
    match host::run_command("git", &arguments, root) {
        Ok(output) if output.success => Ok(output.stdout),
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            Err(printable(words.lines().next().unwrap_or("git failed without a message")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("`git` is not installed".to_owned()),
        Err(error) => Err(format!("`git` cannot be started: {}", io_reason(&error))),
    }
}

fn facts(status: &[u8], log: &[u8], env_files: &[u8], remote: &[u8]) -> GitFacts {
    let mut facts = GitFacts::default();
    for record in records(status) {
        if let Some(header) = record.strip_prefix("# ") {
            if let Some(branch) = header.strip_prefix("branch.head ") {
                facts.branch = (branch != "(detached)").then(|| branch.to_owned());
            }
        } else {
            facts.dirty = true;
        }
    }
    let log = String::from_utf8_lossy(log);
    let mut fields = log.trim_end().split('\0');
    facts.commit = fields.next().filter(|commit| !commit.is_empty()).map(str::to_owned);
    facts.commit_time = fields.next().and_then(|time| time.parse().ok());
    let mut tags = fields.next().unwrap_or_default().split(", ").filter_map(|tag| tag.strip_prefix("tag: refs/tags/"));
    facts.tag = tags.next().filter(|_| tags.next().is_none()).map(str::to_owned);
    facts.remote = without_user_information(String::from_utf8_lossy(remote).trim());
    // A name that is not UTF-8 is no environment file of any tool: it counts as untracked.
    facts.tracked_env_files = env_files
        .split(|byte| *byte == 0)
        .filter_map(|path| std::str::from_utf8(path).ok())
        .map(str::to_owned)
        .collect();
    facts.tracked_env_files.remove("");
    facts
}

/// The records of NUL-separated output.
fn records(output: &[u8]) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    output.split(|byte| *byte == 0).filter(|record| !record.is_empty()).map(String::from_utf8_lossy)
}

/// `https://user:token@host/x` → `https://host/x`, `git@host:x` → `host:x`; parameters are dropped, they may carry tokens.
/// `None` for what cannot be told apart from a secret.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_lose_user_and_parameters() {
        let check = |remote: &str, expected: Option<&str>| {
            assert_eq!(without_user_information(remote).as_deref(), expected, "{remote}");
        };
        check("https://github.com/o/r.git", Some("https://github.com/o/r.git"));
        check("https://u:ghp_x@github.com/o/r", Some("https://github.com/o/r"));
        check("https://u:a@b@gitlab.example:8443/o/r", Some("https://gitlab.example:8443/o/r"));
        check("https://gitlab.example/o/r?private_token=x", Some("https://gitlab.example/o/r"));
        check("ssh://git@github.com/o/r", Some("ssh://github.com/o/r"));
        check("git@github.com:o/r.git", Some("github.com:o/r.git"));
        check("git@github.com:r", Some("github.com:r"));
        check("/srv/r@2.git", Some("/srv/r@2.git"));
        check("https://u:pa/ss@host/r", None);
        check("https://u@[::1]/r", Some("https://[::1]/r"));
        check("", None);
    }

    #[test]
    fn output_of_git_becomes_facts() {
        let facts = facts(
            b"# branch.oid abc\0# branch.head main\x001 .M N... 100644 100644 100644 a b file name\0",
            b"abc\x001700000000\0tag: refs/tags/v1.0, with comma\n",
            b".env\0apps/web/.env.production\0",
            b"git@host:x\n",
        );
        assert_eq!(facts.branch.as_deref(), Some("main"));
        assert_eq!((facts.commit.as_deref(), facts.commit_time), (Some("abc"), Some(1_700_000_000)));
        assert_eq!(facts.tag.as_deref(), Some("v1.0"));
        assert!(facts.dirty);
        assert_eq!(
            facts.tracked_env_files.iter().map(String::as_str).collect::<Vec<_>>(),
            [".env", "apps/web/.env.production"]
        );
    }

    #[test]
    fn two_tags_are_no_tag() {
        let facts = facts(b"# branch.head (detached)\0", b"abc\x001\0tag: refs/tags/a, tag: refs/tags/b\n", b"", b"");
        assert_eq!((facts.tag, facts.branch, facts.dirty, facts.remote), (None, None, false, None));
    }
}
