//! What is reported where: service, repository, commit and pull request of this run, taken from the CI's variables alone; the requested
//! reports; the outcome of the build.

use std::fmt::Write as _;

use super::error::{ForgeAction, ForgeError};
use crate::config::settings::ForgeSettings;
use crate::diagnostic::shown;
use crate::host::Environment;
use crate::repo::ci::{CiContext, CiSystem};

/// A hosting service with a supported API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgeService {
    GitHub,
    GitLab,
}

/// A repository on a hosting service, and the run in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgeTarget {
    pub service: ForgeService,
    /// URL of the API without a trailing slash: `https://api.github.com`, `https://ghe.example/api/v3`.
    pub api: String,
    /// `owner/name` on GitHub, the project id on GitLab.
    pub repository: String,
    /// Hexadecimal.
    pub commit: Option<String>,
    pub pull_request: Option<u64>,
    /// Page of this run.
    pub run_url: Option<String>,
    /// The pull request comes from a fork: whatever `permissions:` says, the token is read-only.
    pub from_fork: bool,
}

impl ForgeTarget {
    /// The target of this run; `action` is what it is needed for.
    pub fn find(environment: &Environment, ci: &CiContext, action: ForgeAction) -> Result<Self, ForgeError> {
        let service = match ci.system {
            CiSystem::GitHub => ForgeService::GitHub,
            CiSystem::GitLab => ForgeService::GitLab,
            _ => return Err(ForgeError::NoService { action }),
        };
        let var = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let is_github = service == ForgeService::GitHub;
        let (variable, default) = if is_github {
            ("GITHUB_API_URL", "https://api.github.com")
        } else {
            ("CI_API_V4_URL", "https://gitlab.com/api/v4")
        };
        let api = var(variable).unwrap_or(default).trim_end_matches('/').to_owned();
        if host_of(&api).is_none() {
            return Err(ForgeError::InvalidApiUrl { variable, url: shown(&api) });
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
            repository: repository.ok_or(ForgeError::MissingCiValue { what: "repository" })?.to_owned(),
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
            ForgeService::GitHub => CiSystem::GitHub,
            ForgeService::GitLab => CiSystem::GitLab,
        }
    }
}

/// A URL that the APIs accept and that cannot break out of Markdown.
fn is_web_address(url: &str) -> bool {
    host_of(url).is_some() && url.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>`()\\".contains(&b))
}

fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let host = rest.split('/').next()?;
    let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b));
    (plain && !host.is_empty() && url.bytes().all(|b| b.is_ascii_graphic())).then_some(host)
}

/// Keeps everything but a repository name out of the path of a request.
fn is_repository(service: ForgeService, name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word != "."
            && word != ".."
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    match service {
        ForgeService::GitHub => name.split_once('/').is_some_and(|(owner, name)| word(owner) && word(name)),
        ForgeService::GitLab => !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// The reports that the settings request; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestedReports {
    pub comment: bool,
    pub commit_status: bool,
    /// Name of the environment of a deployment.
    pub deployment: Option<String>,
    /// Public URL of the deployment.
    pub environment_url: Option<String>,
}

impl From<&ForgeSettings> for RequestedReports {
    fn from(settings: &ForgeSettings) -> Self {
        Self {
            comment: settings.comment,
            commit_status: settings.commit_status,
            deployment: settings.deployment.as_ref().map(|name| name.value.clone()),
            environment_url: settings.environment_url.as_ref().map(|url| url.value.clone()),
        }
    }
}

impl RequestedReports {
    /// The first requested report.
    pub fn first(&self) -> Option<ForgeAction> {
        [
            (self.comment, ForgeAction::Comment),
            (self.commit_status, ForgeAction::CommitStatus),
            (self.deployment.is_some(), ForgeAction::Deployment),
        ]
        .into_iter()
        .find_map(|(requested, action)| requested.then_some(action))
    }
}

/// How a build ended, for the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportedOutcome<'a> {
    /// `description` is one short line, `comment` the Markdown of the comment.
    Succeeded {
        description: &'a str,
        comment: &'a str,
    },
    Failed {
        description: &'a str,
        comment: &'a str,
    },
    Stopped,
}

/// The hidden first line of our comments, by which they are found again. It names the app: each app of a repository has its own comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommentMarker(String);

impl CommentMarker {
    /// `app` is escaped so that it cannot end the HTML comment.
    pub fn new(app: &str) -> Self {
        let name = app.bytes().fold(String::new(), |mut name, byte| {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'@' | b'/' => name.push(char::from(byte)),
                // Two hyphens would end the HTML comment.
                _ => {
                    let _ = write!(name, "%{byte:02x}");
                }
            }
            name
        });
        Self(format!("<!-- nextdeploy comment of {name} -->"))
    }

    /// Whether `body` starts with this marker.
    pub fn begins(&self, body: &str) -> bool {
        body.lines().next().is_some_and(|line| line.trim() == self.0)
    }

    /// `body` below the marker, truncated at a line so that both have at most `limit` characters.
    pub fn prepend_to(&self, body: &str, limit: usize) -> String {
        const TRUNCATED: &str = "\n\n_Truncated: too long for a comment._\n";
        let head = format!("{}\n", self.0);
        let room = limit - head.chars().count();
        if body.chars().count() <= room {
            return head + body;
        }
        let kept: String = body.chars().take(room - TRUNCATED.len()).collect();
        let end = kept.rfind('\n').unwrap_or(kept.len());
        format!("{head}{}{TRUNCATED}", &kept[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_name_cannot_end_the_hidden_line() {
        for app in ["shop", "a --> <b>x</b>", "a\n<!-- nextdeploy comment of shop -->", "@acme/shop", "sh-op", ""] {
            let marker = CommentMarker::new(app);
            let body = marker.prepend_to("text", 1000);
            assert_eq!(body.lines().count(), 2, "{body}");
            let inner = body.lines().next().unwrap().trim_start_matches("<!--").trim_end_matches("-->");
            assert!(!inner.contains("--") && !inner.contains('>'), "{body}");
            assert!(marker.begins(&body) && marker.begins(&body.replace('\n', "\r\n")));
            assert!(!CommentMarker::new("other").begins(&body));
        }
    }

    #[test]
    fn a_long_body_is_truncated_at_a_line() {
        let body = "line of text\n".repeat(100);
        let cut = CommentMarker::new("shop").prepend_to(&body, 500);
        assert!(cut.chars().count() <= 500 && cut.contains("line of text\n\n_Truncated"), "{cut}");
        assert_eq!(CommentMarker::new("shop").prepend_to("short", 500), "<!-- nextdeploy comment of shop -->\nshort");
    }
}
