//! GitHub Actions, and Forgejo and Gitea, which have taken over its variables.

use super::event::{self, Event};
use super::{CiContext, CiEvent, GitRef, PullRequest, PullRequestSource, Variables};

pub(super) fn read(variables: Variables<'_>, event_file: Option<&str>) -> CiContext {
    let mut warnings = Vec::new();
    let event = Event::read(variables, event_file, &mut warnings).unwrap_or_default();
    let event_name = variables.text("GITHUB_EVENT_NAME").unwrap_or_default();
    let reference = variables.text("GITHUB_REF").and_then(GitRef::parse);
    let named =
        |kind| (variables.text("GITHUB_REF_TYPE") == Some(kind)).then(|| variables.get("GITHUB_REF_NAME")).flatten();
    let repository = variables.get("GITHUB_REPOSITORY");
    let pull_request = pull_request(variables, event_name, &event, reference);
    let branch = reference.map_or_else(|| named("branch"), GitRef::branch);
    let tag = reference.map_or_else(|| named("tag"), GitRef::tag);
    let known = event.repository.as_ref();
    CiContext {
        event: kind(event_name),
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
        owner: variables.get("GITHUB_REPOSITORY_OWNER"),
        actor: variables.get("GITHUB_ACTOR"),
        description: known.and_then(|known| known.description.clone()),
        license: known.and_then(|known| known.license.as_ref()?.spdx_id.clone()).filter(|id| id != "NOASSERTION"),
        warnings,
        ..CiContext::default()
    }
}

fn kind(event_name: &str) -> CiEvent {
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

fn pull_request(
    variables: Variables<'_>,
    event_name: &str,
    event: &Event,
    reference: Option<GitRef<'_>>,
) -> Option<PullRequest> {
    if kind(event_name) != CiEvent::PullRequest && reference.and_then(GitRef::pull_request).is_none() {
        return None;
    }
    let told = event.pull_request.as_ref();
    let number = told.and_then(|told| told.number).or_else(|| reference?.pull_request())?;
    let head = told.and_then(|told| told.head.as_ref());
    let base = told.and_then(|told| told.base.as_ref());
    // `pull_request_target` checks out the base branch unless the workflow says otherwise, and git knows that better.
    let head_commit = head.and_then(|head| head.sha.clone()).filter(|_| event_name != "pull_request_target");
    Some(PullRequest {
        number,
        head_commit,
        head_branch: head.and_then(|head| head.branch.clone()).or_else(|| variables.get("GITHUB_HEAD_REF")),
        base_branch: base.and_then(|base| base.branch.clone()).or_else(|| variables.get("GITHUB_BASE_REF")),
        from: head.map_or(PullRequestSource::Unknown, |head| source(variables, event, head)),
    })
}

/// The fork test that GitHub's documentation gives: the head's repository against the one that the workflow runs in.
fn source(variables: Variables<'_>, event: &Event, head: &event::Side) -> PullRequestSource {
    let here = variables.text("GITHUB_REPOSITORY").or_else(|| event.repository.as_ref()?.full_name.as_deref());
    let Some(here) = here else { return PullRequestSource::Unknown };
    match head.repo.as_ref().map(|repo| repo.full_name.as_deref()) {
        Some(None) => PullRequestSource::Unknown,
        Some(Some(name)) if name.eq_ignore_ascii_case(here) => PullRequestSource::SameRepository,
        // None: a fork that is deleted; the repository itself is there.
        None | Some(Some(_)) => PullRequestSource::Fork,
    }
}
