//! GitLab CI (GitLab, "Predefined CI/CD variables reference").

use super::{CiContext, CiEvent, PullRequest, PullRequestSource, Variables};

pub(super) fn read(variables: Variables<'_>) -> CiContext {
    let pull_request = merge_request(variables);
    CiContext {
        event: kind(variables),
        commit: variables.get("CI_COMMIT_SHA"),
        branch: variables.get("CI_COMMIT_BRANCH").or_else(|| variables.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")),
        tag: variables.get("CI_COMMIT_TAG"),
        pull_request,
        repository_url: variables.get("CI_PROJECT_URL"),
        repository: variables.get("CI_PROJECT_PATH"),
        owner: variables.get("CI_PROJECT_NAMESPACE"),
        actor: variables.get("GITLAB_USER_LOGIN"),
        default_branch: variables.get("CI_DEFAULT_BRANCH"),
        description: variables.get("CI_PROJECT_DESCRIPTION"),
        registry_image: variables.get("CI_REGISTRY_IMAGE"),
        ..CiContext::default()
    }
}

fn kind(variables: Variables<'_>) -> CiEvent {
    if variables.text("CI_MERGE_REQUEST_EVENT_TYPE") == Some("merge_train") {
        return CiEvent::MergeGroup;
    }
    match variables.text("CI_PIPELINE_SOURCE").unwrap_or_default() {
        "push" => CiEvent::Push,
        "merge_request_event" | "external_pull_request_event" => CiEvent::PullRequest,
        "schedule" => CiEvent::Schedule,
        "web" | "chat" | "trigger" | "api" => CiEvent::Manual,
        // Child pipelines say `parent_pipeline` also for a merge request.
        _ if variables.text("CI_MERGE_REQUEST_IID").is_some() => CiEvent::PullRequest,
        _ => CiEvent::Other,
    }
}

fn merge_request(variables: Variables<'_>) -> Option<PullRequest> {
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
