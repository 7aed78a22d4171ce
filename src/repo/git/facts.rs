//! [`GitFacts`]: what is known about a checkout.

use std::collections::BTreeSet;

use serde::Serialize;

use super::GitError;
use super::private::PrivateGit;

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
    /// The history was cut off when it was cloned.
    pub shallow: bool,
    /// Paths of the environment files ([`crate::repo::is_environment_file`]) and of their templates that git tracks, relative to
    /// the source root.
    pub tracked_env_files: BTreeSet<String>,
}

impl GitFacts {
    /// Reads commit, time and tag of `HEAD`; before the first commit they stay unknown.
    pub(super) fn read_head(&mut self, git: &PrivateGit) -> Result<(), GitError> {
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
            // Before the first commit git fails, which is a state and not a problem.
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
/// `None` for what cannot be told apart from a secret.
pub(super) fn without_user_information(remote: &str) -> Option<String> {
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
    fn the_head_has_a_tag_when_exactly_one_points_at_it() {
        let check = |decoration: &str, expected: Option<&str>| {
            let mut facts = GitFacts::default();
            facts.set_head(format!("abc\0{}\0{decoration}\n", 1_700_000_000).as_bytes());
            assert_eq!((facts.commit.as_deref(), facts.commit_time), (Some("abc"), Some(1_700_000_000)));
            assert_eq!(facts.tag.as_deref(), expected, "{decoration}");
        };
        check("", None);
        check("tag: refs/tags/v1.0, with comma", Some("v1.0"));
        check("tag: refs/tags/a, tag: refs/tags/b", None);
    }
}
