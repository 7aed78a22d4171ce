//! CircleCI (CircleCI, "Project values and variables").

use super::{CiContext, CiEvent, PullRequest, PullRequestSource, Variables, repository_of};

pub(super) fn read(variables: Variables<'_>) -> CiContext {
    let pull_request = pull_request(variables);
    let from_fork = pull_request.as_ref().is_some_and(|request| request.from == PullRequestSource::Fork);
    let repository = variables
        .get("CIRCLE_PROJECT_USERNAME")
        .zip(variables.get("CIRCLE_PROJECT_REPONAME"))
        .map(|(owner, name)| format!("{owner}/{name}"));
    CiContext {
        // Runs are for pushes; one of the repository's own branches stays that when a pull request is open for it.
        event: if from_fork { CiEvent::PullRequest } else { CiEvent::Push },
        commit: variables.get("CIRCLE_SHA1"),
        branch: variables.get("CIRCLE_BRANCH"),
        tag: variables.get("CIRCLE_TAG"),
        pull_request,
        repository_url: variables.text("CIRCLE_REPOSITORY_URL").map(super::web_url),
        repository: repository
            .or_else(|| variables.text("CIRCLE_REPOSITORY_URL").and_then(repository_of).map(str::to_owned)),
        actor: variables.get("CIRCLE_USERNAME"),
        ..CiContext::default()
    }
}

fn pull_request(variables: Variables<'_>) -> Option<PullRequest> {
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
