//! Azure Pipelines (Microsoft, "Use predefined variables").

use super::{CiContext, CiEvent, GitRef, PullRequest, PullRequestSource, Variables, repository_of};

pub(super) fn read(variables: Variables<'_>) -> CiContext {
    let reference = variables.text("BUILD_SOURCEBRANCH").and_then(GitRef::parse);
    let pull_request = pull_request(variables, reference);
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
        repository_url: url.map(super::web_url),
        repository: variables
            .get("BUILD_REPOSITORY_NAME")
            .filter(|name| name.contains('/'))
            .or_else(|| url.and_then(repository_of).map(|path| path.replace("/_git/", "/"))),
        actor: variables.get("BUILD_REQUESTEDFOR"),
        ..CiContext::default()
    }
}

fn pull_request(variables: Variables<'_>, reference: Option<GitRef<'_>>) -> Option<PullRequest> {
    // The number is the one that people see on GitHub; the id is the one of Azure Repos.
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
