//! `nextdeploy build` with a comment, a commit status and a deployment: what becomes of them, and of the exit code.

use crate::forge::github_api::GitHubApi;
use crate::program::{Repository, Run};

const EVENT: &str = r#"{"pull_request":{"number":7,"head":{"sha":"0123456789abcdef0123456789abcdef01234567","ref":"feature","repo":{"full_name":"acme/shop"}},"base":{"ref":"main"}}}"#;

/// A build that no daemon takes.
fn build(api: &GitHubApi, token: &str, arguments: &[&str]) -> Run {
    let repository = Repository::next_app();
    repository.write("event.json", EVENT);
    let event = repository.path("event.json");
    let variables = api.variables();
    let mut variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.extend([("DOCKER_HOST", "unix:///nonexistent/docker.sock"), ("GITHUB_TOKEN", token)]);
    variables.push(("GITHUB_EVENT_PATH", event.to_str().unwrap()));
    let arguments: Vec<&str> = ["build"].iter().chain(arguments).copied().collect();
    let run = repository.run_with(&arguments, &variables);
    assert_eq!(run.code, Some(4), "the build's own result decides: {run:#?}");
    run
}

#[test]
fn a_failed_build_is_told_and_stays_a_failed_build() {
    let api = GitHubApi::start();
    build(&api, crate::forge::TOKEN, &["--comment", "--commit-status", "--deployment=preview"]);
    let bodies = api.bodies();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    for text in ["<code>shop</code> is not built", "daemon/unreachable", "What to do", "/acme/shop/actions/runs/77"] {
        assert!(bodies[0].contains(text), "{text}: {}", bodies[0]);
    }
    let state = api.state.lock().unwrap();
    let states = |list: &[serde_json::Value]| -> Vec<String> {
        list.iter().map(|entry| entry["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states(&state.statuses), ["pending", "failure"]);
    assert!(state.statuses[1]["description"].as_str().unwrap().contains("[daemon/unreachable]"));
    assert_eq!(states(&state.deployment_statuses), ["in_progress", "failure"]);
}

#[test]
fn what_cannot_be_told_is_a_warning() {
    let api = GitHubApi::start();
    api.state.lock().unwrap().may_write.clear();
    let run = build(&api, crate::forge::TOKEN, &["--comment"]);
    assert!(run.stderr.contains("`pull-requests: write`") || run.stdout.contains("`pull-requests: write`"), "{run:#?}");
    let run = build(&api, "", &["--comment"]);
    let told = format!("{}{}", run.stderr, run.stdout);
    assert!(told.contains("forge/no-token") && told.contains("github-token"), "{run:#?}");
    assert!(!told.contains(crate::forge::TOKEN) || told.contains("::add-mask::"), "{run:#?}");
}

#[test]
fn nobody_is_told_who_did_not_ask() {
    let api = GitHubApi::start();
    build(&api, crate::forge::TOKEN, &[]);
    assert_eq!(api.server.received().len(), 0);
}
