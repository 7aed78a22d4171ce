//! Bitbucket Pipelines (Atlassian, "Variables and secrets").

use super::{CiContext, CiEvent, PullRequest, PullRequestSource, Variables};

pub(super) fn read(variables: Variables<'_>) -> CiContext {
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
        owner: variables.get("BITBUCKET_WORKSPACE"),
        ..CiContext::default()
    }
}
