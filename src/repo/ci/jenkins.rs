//! Jenkins with its git and branch plugins; a job may hide any of these variables.

use super::{CiContext, CiEvent, PullRequest, PullRequestSource, Variables, repository_of};

pub(super) fn read(variables: Variables<'_>) -> CiContext {
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
        repository_url: url.map(super::web_url),
        repository: url.and_then(repository_of).map(str::to_owned),
        ..CiContext::default()
    }
}
