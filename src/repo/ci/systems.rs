//! What each CI system says about a run, by its own variables: [`CiContext::detect`].

use serde::Deserialize;

use super::{
    CiContext, CiEvent, CiSystem, CiVariables, GitRef, PullRequest, PullRequestSource, repository_of, web_url,
};
use crate::diagnostic::{Location, Warning, printable};
use crate::host::Environment;

impl CiContext {
    /// Reads the variables of the CI system, and the text of the file that `GITHUB_EVENT_PATH` names. `now` is in seconds since
    /// the epoch.
    pub fn detect(environment: &Environment, event_file: Option<&str>, now: i64) -> Self {
        Self::detect_as(CiSystem::detect(environment), environment, event_file, now)
    }

    /// As [`Self::detect`], for a known system.
    pub fn detect_as(system: CiSystem, environment: &Environment, event_file: Option<&str>, now: i64) -> Self {
        let variables = CiVariables(environment);
        let mut context = match system {
            CiSystem::GitHub | CiSystem::Forgejo | CiSystem::Gitea => read_github(variables, event_file),
            CiSystem::GitLab => read_gitlab(variables),
            CiSystem::Azure => read_azure(variables),
            CiSystem::CircleCi => read_circleci(variables),
            CiSystem::Buildkite => read_buildkite(variables),
            CiSystem::Bitbucket => read_bitbucket(variables),
            CiSystem::Jenkins => read_jenkins(variables),
            CiSystem::Other | CiSystem::None => Self::default(),
        };
        context.system = system;
        context.time = now;
        if let Some(head) = context.pull_request.as_ref().and_then(|request| request.head_commit.clone()) {
            context.trial_merge = context.commit.replace(head.clone()).filter(|merge| *merge != head);
        }
        context
    }
}

/// GitHub Actions, and Forgejo and Gitea, which use the same variables.
fn read_github(variables: CiVariables<'_>, event_file: Option<&str>) -> CiContext {
    let mut warnings = Vec::new();
    let event = GitHubEvent::read(variables, event_file, &mut warnings).unwrap_or_default();
    let event_name = variables.text("GITHUB_EVENT_NAME").unwrap_or_default();
    let reference = variables.text("GITHUB_REF").and_then(GitRef::parse);
    let named =
        |kind| (variables.text("GITHUB_REF_TYPE") == Some(kind)).then(|| variables.get("GITHUB_REF_NAME")).flatten();
    let repository = variables.get("GITHUB_REPOSITORY");
    let pull_request = github_pull_request(variables, event_name, &event, reference);
    let branch = reference.map_or_else(|| named("branch"), GitRef::branch);
    let tag = reference.map_or_else(|| named("tag"), GitRef::tag);
    let known = event.repository.as_ref();
    CiContext {
        event: github_kind(event_name),
        commit: variables.get("GITHUB_SHA"),
        base_branch: event.base_ref.as_deref().and_then(GitRef::parse).and_then(GitRef::branch),
        default_branch: known.and_then(|known| known.default_branch.clone()).or_else(|| {
            // These events have no branch of their own: they run for the default branch.
            matches!(event_name, "schedule" | "issues" | "issue_comment" | "discussion")
                .then(|| branch.clone())
                .flatten()
        }),
        branch: pull_request.as_ref().and_then(|request| request.head_branch.clone()).or(branch),
        tag: if pull_request.is_some() { None } else { tag },
        pull_request,
        repository_url: variables
            .text("GITHUB_SERVER_URL")
            .zip(repository.as_deref())
            .map(|(server, repository)| format!("{}/{repository}", server.trim_end_matches('/'))),
        repository,
        actor: variables.get("GITHUB_ACTOR"),
        description: known.and_then(|known| known.description.clone()),
        license: known.and_then(|known| known.license.as_ref()?.spdx_id.clone()).filter(|id| id != "NOASSERTION"),
        warnings,
        ..CiContext::default()
    }
}

fn github_kind(event_name: &str) -> CiEvent {
    match event_name {
        "push" => CiEvent::Push,
        "pull_request" | "pull_request_target" | "pull_request_review" | "pull_request_review_comment" => {
            CiEvent::PullRequest
        }
        "merge_group" => CiEvent::MergeGroup,
        "schedule" => CiEvent::Schedule,
        "workflow_dispatch" | "repository_dispatch" => CiEvent::Manual,
        "release" => CiEvent::Release,
        _ => CiEvent::Other,
    }
}

fn github_pull_request(
    variables: CiVariables<'_>,
    event_name: &str,
    event: &GitHubEvent,
    reference: Option<GitRef<'_>>,
) -> Option<PullRequest> {
    if github_kind(event_name) != CiEvent::PullRequest && reference.and_then(GitRef::pull_request).is_none() {
        return None;
    }
    let request = event.pull_request.as_ref();
    let number = request.and_then(|request| request.number).or_else(|| reference?.pull_request())?;
    let head = request.and_then(|request| request.head.as_ref());
    let base = request.and_then(|request| request.base.as_ref());
    // `pull_request_target` checks out the base branch by default; git knows the actual commit.
    let head_commit = head.and_then(|head| head.sha.clone()).filter(|_| event_name != "pull_request_target");
    Some(PullRequest {
        number,
        head_commit,
        head_branch: head.and_then(|head| head.branch.clone()).or_else(|| variables.get("GITHUB_HEAD_REF")),
        base_branch: base.and_then(|base| base.branch.clone()).or_else(|| variables.get("GITHUB_BASE_REF")),
        from: head.map_or(PullRequestSource::Unknown, |head| github_source(variables, event, head)),
    })
}

/// GitHub's documented test for forks: compares the head's repository with the one that the workflow runs in.
fn github_source(variables: CiVariables<'_>, event: &GitHubEvent, head: &EventBranch) -> PullRequestSource {
    let here = variables.text("GITHUB_REPOSITORY").or_else(|| event.repository.as_ref()?.full_name.as_deref());
    let Some(here) = here else { return PullRequestSource::Unknown };
    match head.repo.as_ref().map(|repo| repo.full_name.as_deref()) {
        Some(None) => PullRequestSource::Unknown,
        Some(Some(name)) if name.eq_ignore_ascii_case(here) => PullRequestSource::SameRepository,
        // None: a deleted fork, since the repository itself exists.
        None | Some(Some(_)) => PullRequestSource::Fork,
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct GitHubEvent {
    pub repository: Option<EventRepository>,
    pub pull_request: Option<EventPullRequest>,
    /// For a push: the full reference of the branch that a tag was created from.
    pub base_ref: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EventRepository {
    pub full_name: Option<String>,
    pub default_branch: Option<String>,
    pub description: Option<String>,
    pub license: Option<EventLicense>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EventLicense {
    pub spdx_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EventPullRequest {
    pub number: Option<u64>,
    pub head: Option<EventBranch>,
    pub base: Option<EventBranch>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EventBranch {
    #[serde(rename = "ref")]
    pub branch: Option<String>,
    pub sha: Option<String>,
    /// `null` when the fork is deleted.
    pub repo: Option<EventRepository>,
}

impl GitHubEvent {
    /// `None` with a warning if the file cannot be used.
    pub fn read(variables: CiVariables<'_>, text: Option<&str>, warnings: &mut Vec<Warning>) -> Option<Self> {
        let path = variables.text("GITHUB_EVENT_PATH")?;
        let lost = "fork, default branch and head commit of a pull request are unknown";
        let Some(text) = text else {
            let message = format!("the event file `{}` cannot be read; {lost}", printable(path));
            let hint = "check that the folder of `GITHUB_EVENT_PATH` is there where this program runs";
            warnings.push(Warning::new("ci/event-file-missing", message).with_hint(hint));
            return None;
        };
        match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
            Ok(event) => Some(event),
            Err(error) => {
                let message = format!("the event file is malformed ({error}); {lost}");
                let warning = Warning::new("ci/event-file", message)
                    .with_hint("check the file that `GITHUB_EVENT_PATH` names")
                    .at(Location::column(path, error.line(), error.column()));
                warnings.push(warning);
                None
            }
        }
    }
}

/// GitLab CI (GitLab, "Predefined CI/CD variables reference").
fn read_gitlab(variables: CiVariables<'_>) -> CiContext {
    let pull_request = gitlab_merge_request(variables);
    CiContext {
        event: gitlab_kind(variables),
        commit: variables.get("CI_COMMIT_SHA"),
        branch: variables.get("CI_COMMIT_BRANCH").or_else(|| variables.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")),
        tag: variables.get("CI_COMMIT_TAG"),
        pull_request,
        repository_url: variables.get("CI_PROJECT_URL"),
        repository: variables.get("CI_PROJECT_PATH"),
        actor: variables.get("GITLAB_USER_LOGIN"),
        default_branch: variables.get("CI_DEFAULT_BRANCH"),
        description: variables.get("CI_PROJECT_DESCRIPTION"),
        registry_image: variables.get("CI_REGISTRY_IMAGE"),
        ..CiContext::default()
    }
}

fn gitlab_kind(variables: CiVariables<'_>) -> CiEvent {
    if variables.text("CI_MERGE_REQUEST_EVENT_TYPE") == Some("merge_train") {
        return CiEvent::MergeGroup;
    }
    match variables.text("CI_PIPELINE_SOURCE").unwrap_or_default() {
        "push" => CiEvent::Push,
        "merge_request_event" | "external_pull_request_event" => CiEvent::PullRequest,
        "schedule" => CiEvent::Schedule,
        "web" | "chat" | "trigger" | "api" => CiEvent::Manual,
        // Child pipelines have the source `parent_pipeline`, even for a merge request.
        _ if variables.text("CI_MERGE_REQUEST_IID").is_some() => CiEvent::PullRequest,
        _ => CiEvent::Other,
    }
}

fn gitlab_merge_request(variables: CiVariables<'_>) -> Option<PullRequest> {
    let number = variables.number("CI_MERGE_REQUEST_IID")?;
    let source = variables.text("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH");
    let target = variables.text("CI_MERGE_REQUEST_PROJECT_PATH");
    Some(PullRequest {
        number,
        // Only where the pipeline runs on a trial merge; otherwise `CI_COMMIT_SHA` is the head.
        head_commit: variables.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA").or_else(|| variables.get("CI_COMMIT_SHA")),
        head_branch: variables.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"),
        base_branch: variables.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
        from: match source.zip(target) {
            Some((source, target)) if source == target => PullRequestSource::SameRepository,
            Some(_) => PullRequestSource::Fork,
            None => PullRequestSource::Unknown,
        },
    })
}

/// Azure Pipelines (Microsoft, "Use predefined variables").
fn read_azure(variables: CiVariables<'_>) -> CiContext {
    let reference = variables.text("BUILD_SOURCEBRANCH").and_then(GitRef::parse);
    let pull_request = azure_pull_request(variables, reference);
    let head_branch = pull_request.as_ref().and_then(|request| request.head_branch.clone());
    let url = variables.text("BUILD_REPOSITORY_URI");
    CiContext {
        event: match variables.text("BUILD_REASON").unwrap_or_default() {
            "IndividualCI" | "BatchedCI" => CiEvent::Push,
            "PullRequest" => CiEvent::PullRequest,
            "Schedule" => CiEvent::Schedule,
            "Manual" => CiEvent::Manual,
            _ if pull_request.is_some() => CiEvent::PullRequest,
            _ => CiEvent::Other,
        },
        commit: variables.get("BUILD_SOURCEVERSION"),
        branch: head_branch.or_else(|| reference.and_then(GitRef::branch)),
        tag: reference.and_then(GitRef::tag),
        pull_request,
        repository_url: url.and_then(web_url),
        repository: variables
            .get("BUILD_REPOSITORY_NAME")
            .filter(|name| name.contains('/'))
            .or_else(|| url.and_then(repository_of).map(|path| path.replace("/_git/", "/"))),
        actor: variables.get("BUILD_REQUESTEDFOR"),
        ..CiContext::default()
    }
}

fn azure_pull_request(variables: CiVariables<'_>, reference: Option<GitRef<'_>>) -> Option<PullRequest> {
    // The number is the one shown on GitHub, the id the one of Azure Repos.
    let number = variables
        .number("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER")
        .or_else(|| variables.number("SYSTEM_PULLREQUEST_PULLREQUESTID"))
        .or_else(|| reference?.pull_request())?;
    let branch =
        |name: &str| variables.text(name).map(|full| full.strip_prefix("refs/heads/").unwrap_or(full).to_owned());
    Some(PullRequest {
        number,
        head_commit: variables.get("SYSTEM_PULLREQUEST_SOURCECOMMITID"),
        head_branch: branch("SYSTEM_PULLREQUEST_SOURCEBRANCH"),
        base_branch: branch("SYSTEM_PULLREQUEST_TARGETBRANCH"),
        from: match variables.text("SYSTEM_PULLREQUEST_ISFORK").map(str::to_ascii_lowercase).as_deref() {
            Some("true") => PullRequestSource::Fork,
            Some("false") => PullRequestSource::SameRepository,
            _ => PullRequestSource::Unknown,
        },
    })
}

/// Bitbucket Pipelines (Atlassian, "Variables and secrets").
fn read_bitbucket(variables: CiVariables<'_>) -> CiContext {
    let pull_request = variables.number("BITBUCKET_PR_ID").map(|number| PullRequest {
        number,
        head_commit: variables.get("BITBUCKET_COMMIT"),
        head_branch: variables.get("BITBUCKET_BRANCH"),
        base_branch: variables.get("BITBUCKET_PR_DESTINATION_BRANCH"),
        // Pipelines do not run for pull requests from forks.
        from: PullRequestSource::SameRepository,
    });
    let repository = variables.get("BITBUCKET_REPO_FULL_NAME");
    CiContext {
        event: if pull_request.is_some() { CiEvent::PullRequest } else { CiEvent::Push },
        commit: variables.get("BITBUCKET_COMMIT"),
        branch: variables.get("BITBUCKET_BRANCH"),
        tag: variables.get("BITBUCKET_TAG"),
        pull_request,
        repository_url: repository.as_ref().map(|repository| format!("https://bitbucket.org/{repository}")),
        repository,
        ..CiContext::default()
    }
}

/// Buildkite (Buildkite, "Environment variables").
fn read_buildkite(variables: CiVariables<'_>) -> CiContext {
    let pull_request = buildkite_pull_request(variables);
    let url = variables.text("BUILDKITE_REPO");
    CiContext {
        event: match variables.text("BUILDKITE_SOURCE").unwrap_or_default() {
            _ if pull_request.is_some() => CiEvent::PullRequest,
            "webhook" => CiEvent::Push,
            "schedule" => CiEvent::Schedule,
            "ui" | "api" => CiEvent::Manual,
            _ => CiEvent::Other,
        },
        // Manually started builds may have `HEAD`; git knows which commit that is.
        commit: variables.get("BUILDKITE_COMMIT").filter(|commit| commit != "HEAD"),
        branch: variables.get("BUILDKITE_BRANCH").filter(|_| variables.text("BUILDKITE_TAG").is_none()),
        tag: variables.get("BUILDKITE_TAG"),
        pull_request,
        repository_url: url.and_then(web_url),
        repository: url.and_then(repository_of).map(str::to_owned),
        actor: variables.get("BUILDKITE_BUILD_CREATOR"),
        default_branch: variables.get("BUILDKITE_PIPELINE_DEFAULT_BRANCH"),
        ..CiContext::default()
    }
}

fn buildkite_pull_request(variables: CiVariables<'_>) -> Option<PullRequest> {
    // `false` without a pull request.
    let number = variables.number("BUILDKITE_PULL_REQUEST")?;
    let here = variables.text("BUILDKITE_REPO").and_then(repository_of);
    let head = variables.text("BUILDKITE_PULL_REQUEST_REPO").and_then(repository_of);
    Some(PullRequest {
        number,
        head_commit: None,
        head_branch: variables.get("BUILDKITE_BRANCH"),
        base_branch: variables.get("BUILDKITE_PULL_REQUEST_BASE_BRANCH"),
        from: match here.zip(head) {
            Some((here, head)) if here.eq_ignore_ascii_case(head) => PullRequestSource::SameRepository,
            Some(_) => PullRequestSource::Fork,
            None => PullRequestSource::Unknown,
        },
    })
}

/// CircleCI (CircleCI, "Project values and variables").
fn read_circleci(variables: CiVariables<'_>) -> CiContext {
    let pull_request = circleci_pull_request(variables);
    let from_fork = pull_request.as_ref().is_some_and(|request| request.from == PullRequestSource::Fork);
    let repository = variables
        .get("CIRCLE_PROJECT_USERNAME")
        .zip(variables.get("CIRCLE_PROJECT_REPONAME"))
        .map(|(owner, name)| format!("{owner}/{name}"));
    CiContext {
        // Runs are for pushes, even when a pull request is open for the branch, unless it comes from a fork.
        event: if from_fork { CiEvent::PullRequest } else { CiEvent::Push },
        commit: variables.get("CIRCLE_SHA1"),
        branch: variables.get("CIRCLE_BRANCH"),
        tag: variables.get("CIRCLE_TAG"),
        pull_request,
        repository_url: variables.text("CIRCLE_REPOSITORY_URL").and_then(web_url),
        repository: repository
            .or_else(|| variables.text("CIRCLE_REPOSITORY_URL").and_then(repository_of).map(str::to_owned)),
        actor: variables.get("CIRCLE_USERNAME"),
        ..CiContext::default()
    }
}

fn circleci_pull_request(variables: CiVariables<'_>) -> Option<PullRequest> {
    let of_url = |url: &str| url.rsplit('/').next()?.parse().ok();
    let number =
        variables.number("CIRCLE_PR_NUMBER").or_else(|| variables.text("CIRCLE_PULL_REQUEST").and_then(of_url))?;
    // These two are set for pull requests from forks only.
    let fork = ["CIRCLE_PR_USERNAME", "CIRCLE_PR_REPONAME"].iter().any(|name| variables.text(name).is_some());
    Some(PullRequest {
        number,
        head_branch: variables.get("CIRCLE_BRANCH"),
        from: if fork { PullRequestSource::Fork } else { PullRequestSource::SameRepository },
        ..PullRequest::default()
    })
}

/// Jenkins with its git and branch plugins; a job may hide any of these variables.
fn read_jenkins(variables: CiVariables<'_>) -> CiContext {
    let pull_request = variables.number("CHANGE_ID").map(|number| PullRequest {
        number,
        head_commit: None,
        head_branch: variables.get("CHANGE_BRANCH"),
        base_branch: variables.get("CHANGE_TARGET"),
        // Set to the owner of the fork, and absent otherwise.
        from: if variables.text("CHANGE_FORK").is_some() {
            PullRequestSource::Fork
        } else {
            PullRequestSource::SameRepository
        },
    });
    let tag = variables.get("TAG_NAME");
    let of_remote = || variables.text("GIT_BRANCH").map(|name| name.strip_prefix("origin/").unwrap_or(name).to_owned());
    // In a job for a tag or a change `BRANCH_NAME` is the tag, or `PR-7`.
    let branch = match &pull_request {
        Some(request) => request.head_branch.clone(),
        None if tag.is_some() => None,
        None => variables.get("BRANCH_NAME").or_else(of_remote),
    };
    let url = variables.text("GIT_URL");
    CiContext {
        event: if pull_request.is_some() { CiEvent::PullRequest } else { CiEvent::Push },
        commit: variables.get("GIT_COMMIT"),
        default_branch: branch.clone().filter(|_| variables.text("BRANCH_IS_PRIMARY") == Some("true")),
        branch,
        tag,
        actor: variables.get("CHANGE_AUTHOR"),
        pull_request,
        repository_url: url.and_then(web_url),
        repository: url.and_then(repository_of).map(str::to_owned),
        ..CiContext::default()
    }
}
