//! `nextdeploy build` with a comment, a commit status and a deployment: what is written, and with which exit code.

use crate::fake_daemon::FakeDaemon;
use crate::forge::github_api::GitHubApi;
use crate::program::{Repository, Run};

const EVENT: &str = r#"{"pull_request":{"number":7,"head":{"sha":"0123456789abcdef0123456789abcdef01234567","ref":"feature","repo":{"full_name":"acme/shop"}},"base":{"ref":"main"}}}"#;

/// A build without a daemon.
fn build(api: &GitHubApi, token: &str, arguments: &[&str]) -> Run {
    let run = build_at("unix:///nonexistent/docker.sock", EVENT, api, token, arguments);
    assert_eq!(run.code, Some(4), "the build's own result decides: {run:#?}");
    run
}

fn build_at(daemon: &str, event: &str, api: &GitHubApi, token: &str, arguments: &[&str]) -> Run {
    let repository = Repository::next_app();
    repository.write("event.json", event);
    let event = repository.path("event.json");
    let variables = api.variables();
    let mut variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.extend([("DOCKER_HOST", daemon), ("GITHUB_TOKEN", token)]);
    variables.push(("GITHUB_EVENT_PATH", event.to_str().unwrap()));
    let arguments: Vec<&str> = ["build"].iter().chain(arguments).copied().collect();
    repository.run_with(&arguments, &variables)
}

#[test]
fn a_failed_build_is_reported_and_keeps_its_exit_code() {
    let api = GitHubApi::start();
    build(&api, crate::forge::TOKEN, &["--comment", "--commit-status", "--deployment=preview"]);
    let bodies = api.bodies();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    for text in ["<code>shop</code> was not built", "daemon/unreachable", "What to do", "/acme/shop/actions/runs/77"] {
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
fn a_report_that_cannot_be_written_is_a_warning() {
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
fn nothing_is_reported_unless_requested() {
    let api = GitHubApi::start();
    build(&api, crate::forge::TOKEN, &[]);
    assert_eq!(api.server.received().len(), 0);
}

#[test]
fn a_required_report_that_cannot_be_written_fails_the_run() {
    let daemon = FakeDaemon::that_builds();
    let address = format!("unix://{}", daemon.socket.display());
    let api = GitHubApi::start();
    let token = crate::forge::TOKEN;
    let run = build_at(&address, EVENT, &api, token, &["--comment", "--commit-status", "--announce-required"]);
    run.succeeds();
    assert!(api.bodies()[0].contains("is built"), "{:?}", api.bodies());

    // An existing comment that is up to date needs no permission.
    let api = GitHubApi::start();
    api.state.lock().unwrap().may_write.clear();
    let wanted = ["--comment", "--deployment=preview"];
    build_at(&address, EVENT, &api, token, &wanted).succeeds().says("`pull-requests: write`");
    let required = [&wanted[..], &["--announce-required"]].concat();
    let image = build_at(&address, EVENT, &api, token, &wanted).stdout;
    for token in [token, ""] {
        let run = build_at(&address, EVENT, &api, token, &required);
        assert_eq!(run.code, Some(8), "{run:#?}");
        run.says("command/not-announced").says("title=forge/");
        assert_eq!(run.stdout, image, "the image is there all the same");
        assert_eq!(run.stderr.matches("::error ").count(), 1, "{run:#?}");
    }
    // Permissions of a fork cannot be changed.
    let fork = EVENT.replace("acme/shop", "mallory/shop");
    build_at(&address, &fork, &api, token, &["--comment", "--announce-required"]).succeeds().says("fork");
    build(&api, token, &required);
}
