//! The CI system and what it says about this run: environment and event file in, [`CiContext`] out.
//!
//! Pure, without network access: what the CI does not provide is `None`, and may be filled from git later.

mod systems;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::Serialize;

use crate::diagnostic::Warning;
use crate::host::Environment;

/// Supported CI systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum CiSystem {
    /// A developer's machine.
    #[default]
    None,
    #[serde(rename = "github")]
    GitHub,
    #[serde(rename = "gitlab")]
    GitLab,
    Azure,
    #[serde(rename = "circleci")]
    CircleCi,
    Buildkite,
    Bitbucket,
    Jenkins,
    Forgejo,
    Gitea,
    /// `CI` is set, but the system is unknown.
    Other,
}

/// What started the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum CiEvent {
    /// Of a branch or a tag.
    Push,
    PullRequest,
    /// A merge queue or merge train.
    MergeGroup,
    Schedule,
    Manual,
    Release,
    #[default]
    Other,
}

/// The pull or merge request that a run is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PullRequest {
    pub number: u64,
    /// The proposed commit, not the one created by a trial merge.
    pub head_commit: Option<String>,
    pub head_branch: Option<String>,
    pub base_branch: Option<String>,
    pub from: PullRequestSource,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum PullRequestSource {
    SameRepository,
    Fork,
    /// The CI does not provide it, or its event file cannot be read.
    #[default]
    Unknown,
}

/// What the CI system says about this run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CiContext {
    pub system: CiSystem,
    pub event: CiEvent,
    /// For a pull request its head, not the merge commit that some systems check out.
    pub commit: Option<String>,
    /// Merge of a pull request with its target, which some systems check out; stands for `commit`.
    pub trial_merge: Option<String>,
    /// For a pull request its source branch.
    pub branch: Option<String>,
    pub tag: Option<String>,
    /// Branch that a pushed tag was created from, if the CI provides it.
    pub base_branch: Option<String>,
    pub pull_request: Option<PullRequest>,
    /// `https://github.com/owner/name`.
    pub repository_url: Option<String>,
    /// `owner/name`; in GitLab `group/subgroup/name`.
    pub repository: Option<String>,
    /// Who started the run.
    pub actor: Option<String>,
    pub default_branch: Option<String>,
    /// Description of the repository on the hosting service, on one line.
    pub description: Option<String>,
    /// SPDX expression.
    pub license: Option<String>,
    /// Repository for images that the CI offers: `registry.gitlab.com/group/name`.
    pub registry_image: Option<String>,
    /// Start of this run in seconds since the epoch.
    pub time: i64,
    #[serde(skip)]
    pub warnings: Vec<Warning>,
}

impl CiSystem {
    pub fn detect(environment: &Environment) -> Self {
        let is_true = |name: &str| environment.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let is_set = |name: &str| environment.get(name).is_some_and(|value| !value.is_empty());
        match () {
            () if is_true("FORGEJO_ACTIONS") => Self::Forgejo,
            () if is_true("GITEA_ACTIONS") => Self::Gitea,
            () if is_true("GITHUB_ACTIONS") => Self::GitHub,
            () if is_true("GITLAB_CI") => Self::GitLab,
            () if is_true("TF_BUILD") => Self::Azure,
            () if is_true("CIRCLECI") => Self::CircleCi,
            () if is_true("BUILDKITE") => Self::Buildkite,
            () if is_set("BITBUCKET_BUILD_NUMBER") => Self::Bitbucket,
            () if is_set("JENKINS_URL") => Self::Jenkins,
            () if environment.is_truthy("CI") => Self::Other,
            () => Self::None,
        }
    }
}

/// The absolute path of the checkout, from a variable of the CI system.
pub fn workspace(system: CiSystem, environment: &Environment) -> Option<PathBuf> {
    let name = match system {
        CiSystem::GitHub | CiSystem::Forgejo | CiSystem::Gitea => "GITHUB_WORKSPACE",
        CiSystem::GitLab => "CI_PROJECT_DIR",
        CiSystem::Azure => "BUILD_SOURCESDIRECTORY",
        CiSystem::CircleCi => "CIRCLE_WORKING_DIRECTORY",
        CiSystem::Buildkite => "BUILDKITE_BUILD_CHECKOUT_PATH",
        CiSystem::Bitbucket => "BITBUCKET_CLONE_DIR",
        CiSystem::Jenkins => "WORKSPACE",
        CiSystem::Other | CiSystem::None => return None,
    };
    let folder = environment.get(name)?;
    // CircleCI writes `~/project`.
    let folder = match folder.strip_prefix("~/") {
        Some(below) => PathBuf::from(environment.get("HOME")?).join(below),
        None => PathBuf::from(folder),
    };
    // The file system root would make every checkout of the machine trusted.
    (folder.is_absolute() && folder.parent().is_some()).then_some(folder)
}

impl CiContext {
    /// True when the code may come from strangers: CI systems give such runs no secrets.
    pub fn is_fork_pull_request(&self) -> bool {
        self.pull_request.as_ref().is_some_and(|request| request.from == PullRequestSource::Fork)
    }

    /// Why this run may have no credentials for a registry, as the end of a sentence.
    pub fn without_secrets(&self) -> Option<&'static str> {
        let request = self.pull_request.as_ref()?;
        match request.from {
            PullRequestSource::Fork => Some("the pull request comes from a fork, which gets no secrets"),
            PullRequestSource::Unknown => Some("it is not known whether the pull request comes from a fork"),
            PullRequestSource::SameRepository => (self.system == CiSystem::GitHub
                && self.actor.as_deref() == Some("dependabot[bot]"))
            .then_some("the pull request is Dependabot's, which gets no secrets and a token that only reads"),
        }
    }
}

/// Variables of the environment; an empty one counts as unset.
#[derive(Clone, Copy)]
struct CiVariables<'a>(&'a Environment);

impl<'a> CiVariables<'a> {
    fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name).filter(|value| !value.is_empty())
    }

    fn get(self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    fn number(self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

/// A full git reference: `refs/heads/main`, `refs/tags/v1`, `refs/pull/7/merge`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GitRef<'a> {
    Branch(&'a str),
    Tag(&'a str),
    PullRequest(u64),
}

impl<'a> GitRef<'a> {
    fn parse(reference: &'a str) -> Option<Self> {
        if let Some(branch) = reference.strip_prefix("refs/heads/") {
            return Some(Self::Branch(branch));
        }
        if let Some(tag) = reference.strip_prefix("refs/tags/") {
            return Some(Self::Tag(tag));
        }
        reference.strip_prefix("refs/pull/")?.split('/').next()?.parse().ok().map(Self::PullRequest)
    }

    fn branch(self) -> Option<String> {
        if let Self::Branch(name) = self { Some(name.to_owned()) } else { None }
    }

    fn tag(self) -> Option<String> {
        if let Self::Tag(name) = self { Some(name.to_owned()) } else { None }
    }

    fn pull_request(self) -> Option<u64> {
        if let Self::PullRequest(number) = self { Some(number) } else { None }
    }
}

/// `owner/name` of a clone URL in any of git's spellings.
pub fn repository_of(url: &str) -> Option<&str> {
    let url = url.trim_end_matches('/');
    let address = url.strip_suffix(".git").unwrap_or(url);
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => address.split_once(':')?.1,
    };
    let path = path.trim_start_matches('/');
    path.contains('/').then_some(path)
}

/// The web address of a clone URL: `git@host:owner/name.git` as `https://host/owner/name`, without user and password. `None` for
/// what no browser can open, such as a path.
pub fn web_url(remote: &str) -> Option<String> {
    let address = remote.trim_end_matches('/');
    let address = address.strip_suffix(".git").unwrap_or(address);
    let (scheme, host, path) = match address.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => {
            let (host, path) = user_cut(rest).split_once('/')?;
            (scheme, host, path)
        }
        Some(("ssh" | "git+ssh" | "ssh+git", rest)) => {
            let (host, path) = user_cut(rest).split_once('/')?;
            // The port is that of ssh.
            ("https", host.split(':').next()?, path)
        }
        Some(_) => return None,
        None => {
            // An alias of the ssh configuration has no dot, and neither has a drive.
            let (host, path) = user_cut(address).split_once(':')?;
            ("https", Some(host).filter(|host| host.contains('.'))?, path.trim_start_matches('/'))
        }
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let plain =
        |text: &str| !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '\\'));
    (!host.is_empty() && host.chars().all(is_host) && !path.is_empty() && plain(path))
        .then(|| format!("{scheme}://{host}/{path}"))
}

/// The host of a web address.
pub fn host_of(url: &str) -> Option<&str> {
    user_cut(url.split_once("://")?.1).split(['/', ':']).next()
}

/// `user:password@host/path` as `host/path`.
fn user_cut(address: &str) -> &str {
    let end = address.find('/').unwrap_or(address.len());
    address[..end].rfind('@').map_or(address, |at| &address[at + 1..])
}
