//! Where the run belongs: service, address of its API, repository, commit, pull request. From what the CI says, nothing is asked.

use super::error::{Action, ForgeError};
use crate::diagnostic::shown;
use crate::host::Environment;
use crate::repo::ci::{CiContext, CiSystem};

/// A service whose API is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    GitHub,
    GitLab,
}

/// One repository at one service, and the run in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub service: Service,
    /// Address of the API without a final slash: `https://api.github.com`, `https://ghe.example/api/v3`.
    pub api: String,
    /// `owner/name` at GitHub, the number of the project at GitLab.
    pub repository: String,
    /// Hexadecimal.
    pub commit: Option<String>,
    pub pull_request: Option<u64>,
    /// Page of this run.
    pub run_url: Option<String>,
    /// Strangers may have written what is built: whatever `permissions:` says, the token can only read.
    pub from_fork: bool,
}

impl Place {
    /// The place of this run; `action` is what it is needed for.
    pub fn find(environment: &Environment, ci: &CiContext, action: Action) -> Result<Self, ForgeError> {
        let service = match ci.system {
            CiSystem::GitHub => Service::GitHub,
            CiSystem::GitLab => Service::GitLab,
            _ => return Err(ForgeError::NoService { action }),
        };
        let var = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let is_github = service == Service::GitHub;
        let (variable, default) = if is_github {
            ("GITHUB_API_URL", "https://api.github.com")
        } else {
            ("CI_API_V4_URL", "https://gitlab.com/api/v4")
        };
        let api = var(variable).unwrap_or(default).trim_end_matches('/').to_owned();
        if host_of(&api).is_none() {
            return Err(ForgeError::OddAddress { variable, address: shown(&api) });
        }
        let repository = if is_github { ci.repository.as_deref() } else { var("CI_PROJECT_ID") };
        let repository = repository.filter(|name| is_repository(service, name));
        let run_url = if is_github {
            ci.repository_url.as_deref().zip(var("GITHUB_RUN_ID")).map(|(url, run)| format!("{url}/actions/runs/{run}"))
        } else {
            var("CI_JOB_URL").map(str::to_owned)
        };
        let is_hex = |commit: &&String| commit.len() >= 7 && commit.bytes().all(|b| b.is_ascii_hexdigit());
        Ok(Self {
            service,
            api,
            repository: repository.ok_or(ForgeError::NotTold { what: "repository" })?.to_owned(),
            commit: ci.commit.as_ref().filter(is_hex).cloned(),
            pull_request: ci.pull_request.as_ref().map(|request| request.number),
            run_url: run_url.filter(|url| is_web_address(url)),
            from_fork: ci.is_fork_pull_request(),
        })
    }

    /// Host of the API, with port.
    pub fn host(&self) -> &str {
        host_of(&self.api).unwrap_or_default()
    }

    pub(super) fn system(&self) -> CiSystem {
        match self.service {
            Service::GitHub => CiSystem::GitHub,
            Service::GitLab => CiSystem::GitLab,
        }
    }
}

/// An address that APIs take and that no Markdown can be broken with.
fn is_web_address(url: &str) -> bool {
    host_of(url).is_some() && url.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>`()\\".contains(&b))
}

fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let host = rest.split('/').next()?;
    let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b));
    (plain && !host.is_empty() && url.bytes().all(|b| b.is_ascii_graphic())).then_some(host)
}

/// Nothing but the name can reach the path of a request.
fn is_repository(service: Service, name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word != "."
            && word != ".."
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    match service {
        Service::GitHub => name.split_once('/').is_some_and(|(owner, name)| word(owner) && word(name)),
        Service::GitLab => !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()),
    }
}
