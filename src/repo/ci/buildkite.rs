//! Buildkite (Buildkite, "Environment variables").

use super::{CiContext, CiEvent, PullRequest, PullRequestSource, Variables, repository_of};

pub(super) fn read(variables: Variables<'_>) -> CiContext {
    let pull_request = pull_request(variables);
    let url = variables.text("BUILDKITE_REPO");
    CiContext {
        event: match variables.text("BUILDKITE_SOURCE").unwrap_or_default() {
            _ if pull_request.is_some() => CiEvent::PullRequest,
            "webhook" => CiEvent::Push,
            "schedule" => CiEvent::Schedule,
            "ui" | "api" => CiEvent::Manual,
            _ => CiEvent::Other,
        },
        // A build that somebody started by hand may say `HEAD`; git knows which commit that is.
        commit: variables.get("BUILDKITE_COMMIT").filter(|commit| commit != "HEAD"),
        branch: variables.get("BUILDKITE_BRANCH").filter(|_| variables.text("BUILDKITE_TAG").is_none()),
        tag: variables.get("BUILDKITE_TAG"),
        pull_request,
        repository_url: url.map(super::web_url),
        repository: url.and_then(repository_of).map(str::to_owned),
        actor: variables.get("BUILDKITE_BUILD_CREATOR"),
        default_branch: variables.get("BUILDKITE_PIPELINE_DEFAULT_BRANCH"),
        ..CiContext::default()
    }
}

fn pull_request(variables: Variables<'_>) -> Option<PullRequest> {
    // `false` where there is none.
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
