//! GitHub: what is written, and the messages when it cannot be.

use std::time::{Duration, Instant};

use nextdeploy::diagnostic::{Diagnostic as _, Warning};
use nextdeploy::host::Environment;
use nextdeploy::repo::ci::CiContext;
use nextdeploy::report::forge::{ForgeAction, ForgeClient, ForgeError, ForgeTarget, ReportedOutcome, RequestedReports};
use nextdeploy::secret::Secret;

use super::github_api::{Fault, GitHubApi, refuse};
use super::server::Reply;
use super::{COMMIT, SUCCESS, comment_only, http};

const EVENT: &str = r#"{"pull_request":{"number":7,"head":{"sha":"0123456789abcdef0123456789abcdef01234567","ref":"feature","repo":{"full_name":"acme/shop"}},"base":{"ref":"main"}}}"#;
const FORK_EVENT: &str = r#"{"pull_request":{"number":7,"head":{"sha":"0123456789abcdef0123456789abcdef01234567","ref":"feature","repo":{"full_name":"stranger/shop"}},"base":{"ref":"main"}}}"#;
const MARKER: &str = "<!-- nextdeploy comment of shop -->";

async fn run(api: &GitHubApi, wanted: RequestedReports, outcome: ReportedOutcome<'_>) -> Vec<Warning> {
    run_event(api, EVENT, wanted, outcome).await
}

async fn run_event(
    api: &GitHubApi,
    event: &str,
    wanted: RequestedReports,
    outcome: ReportedOutcome<'_>,
) -> Vec<Warning> {
    let variables = api.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    super::run(&variables, event, wanted, outcome).await
}

fn everything() -> RequestedReports {
    RequestedReports {
        comment: true,
        commit_status: true,
        deployment: Some("preview".to_owned()),
        environment_url: Some("https://pr-7.example".to_owned()),
    }
}

#[track_caller]
fn check(warnings: &[Warning], code: &str, parts: &[&str]) {
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    let text = format!("{} | {}", warnings[0].message, warnings[0].hint.as_deref().unwrap());
    assert_eq!(warnings[0].code, code, "{text}");
    for part in parts {
        assert!(text.contains(part), "expected `{part}`: {text}");
    }
    assert!(!text.contains(super::TOKEN), "{text}");
}

#[tokio::test]
async fn a_run_writes_comment_status_and_deployment() {
    for api in [GitHubApi::start(), GitHubApi::enterprise()] {
        assert_eq!(run(&api, everything(), SUCCESS).await, []);
        assert_eq!(api.bodies(), [format!("{MARKER}\n**built** shop\n")]);
        let state = api.state.lock().unwrap();
        let states: Vec<&str> = state.statuses.iter().map(|status| status["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["pending", "success"]);
        assert_eq!(state.statuses[1]["context"], "nextdeploy / shop");
        assert_eq!(state.statuses[1]["target_url"], "https://github.example/acme/shop/actions/runs/77");
        assert_eq!(state.deployments[0]["sha"], COMMIT);
        let states: Vec<&str> =
            state.deployment_statuses.iter().map(|status| status["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["in_progress", "success"]);
        assert_eq!(state.deployment_statuses[1]["environment_url"], "https://pr-7.example");
        assert_eq!(state.deployment_statuses[0].get("environment_url"), None);
        drop(state);
        assert!(
            api.server.received().iter().all(|request| request.header("x-github-api-version") == Some("2022-11-28"))
        );
    }
}

#[tokio::test]
async fn failed_and_interrupted_runs_are_reported() {
    let api = GitHubApi::start();
    let failed = ReportedOutcome::Failed { description: "step failed", comment: "**failed**\n" };
    assert_eq!(run(&api, everything(), failed).await, []);
    assert_eq!(run(&api, everything(), ReportedOutcome::Stopped).await, []);
    let state = api.state.lock().unwrap();
    assert_eq!(state.comments.len(), 1);
    let states: Vec<&str> = state.statuses.iter().map(|status| status["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["pending", "failure", "pending", "error"]);
    let states: Vec<&str> = state.deployment_statuses.iter().map(|status| status["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["in_progress", "failure", "in_progress", "error"]);
    assert_eq!(state.deployments.len(), 1, "the second run of a commit uses the deployment of the first");
}

#[tokio::test]
async fn no_requests_are_sent_unless_enabled() {
    let api = GitHubApi::start();
    assert_eq!(run(&api, RequestedReports::default(), SUCCESS).await, []);
    assert_eq!(api.server.received().len(), 0);
}

#[tokio::test]
async fn the_comment_is_found_on_a_later_page_and_updated_in_place() {
    let api = GitHubApi::start();
    for number in 0..250 {
        api.comment(&format!("comment {number}"), "User", "NONE");
    }
    run(&api, comment_only(), ReportedOutcome::Failed { description: "", comment: "old\n" }).await;
    run(&api, comment_only(), SUCCESS).await;
    assert_eq!(api.bodies().len(), 251);
    assert_eq!(api.bodies()[250], format!("{MARKER}\n**built** shop\n"));
    let writes = api.server.writes();
    assert_eq!(writes, ["POST /repos/acme/shop/issues/7/comments", "PATCH /repos/acme/shop/issues/comments/1250"]);
    // A third run with the same result changes nothing.
    assert_eq!(run(&api, comment_only(), SUCCESS).await, []);
    assert_eq!(api.server.writes().len(), 2);
}

#[tokio::test]
async fn comments_by_other_users_are_never_reused() {
    let api = GitHubApi::start();
    api.comment(&format!("{MARKER}\nforged"), "User", "CONTRIBUTOR")
        .comment("<!-- nextdeploy comment of other -->\nanother app", "Bot", "NONE")
        .comment(&format!("> quoted\n{MARKER}"), "Bot", "NONE");
    assert_eq!(run(&api, comment_only(), SUCCESS).await, []);
    assert_eq!(api.bodies().len(), 4);
    assert!(api.bodies()[0].contains("forged") && api.bodies()[3].contains("**built**"));
}

#[tokio::test]
async fn a_comment_that_cannot_be_edited_is_left_unchanged() {
    let api = GitHubApi::start();
    api.comment(&format!("{MARKER}\nby a person"), "User", "OWNER")
        .fail("PATCH", Fault::Instead(refuse(403, "Resource not accessible by integration")));
    assert_eq!(run(&api, comment_only(), SUCCESS).await, []);
    assert_eq!(api.bodies().len(), 2);
}

#[tokio::test]
async fn a_body_over_the_limit_is_truncated() {
    let api = GitHubApi::start();
    let long = "a line of the comment\n".repeat(10_000);
    assert_eq!(run(&api, comment_only(), ReportedOutcome::Succeeded { description: "", comment: &long }).await, []);
    assert_eq!(api.bodies().len(), 1);
    assert!(api.bodies()[0].ends_with("_Truncated: too long for a comment._\n"));
}

#[tokio::test]
async fn a_read_only_token_gets_a_hint_with_the_missing_permission() {
    let api = GitHubApi::start();
    api.state.lock().unwrap().may_write.clear();
    let warnings = run(&api, everything(), SUCCESS).await;
    let hints: Vec<&str> = warnings.iter().map(|warning| warning.hint.as_deref().unwrap()).collect();
    assert_eq!(warnings.len(), 3, "{warnings:#?}");
    for line in ["`pull-requests: write`", "`statuses: write`", "`deployments: write`"] {
        assert!(hints.iter().any(|hint| hint.contains(line) && hint.contains("`permissions:`")), "{line}: {hints:?}");
    }
    assert!(warnings.iter().all(|warning| warning.code == "forge/not-allowed"));
    // Each is requested once: a missing permission is permanent.
    assert_eq!(api.server.writes().len(), 3);
}

#[tokio::test]
async fn a_fork_gets_no_hint_about_permissions() {
    let api = GitHubApi::start();
    api.state.lock().unwrap().may_write.clear();
    let warnings = run_event(&api, FORK_EVENT, comment_only(), SUCCESS).await;
    check(&warnings, "forge/not-allowed", &["nothing to do", "from a fork"]);
}

#[tokio::test]
async fn an_invisible_repository_is_reported_as_a_missing_permission() {
    let api = GitHubApi::start();
    api.state.lock().unwrap().may_read = false;
    check(&run(&api, comment_only(), SUCCESS).await, "forge/not-found", &["Not Found", "`pull-requests: write`"]);
}

#[tokio::test]
async fn temporary_bad_gateways_are_retried() {
    let api = GitHubApi::start();
    for _ in 0..2 {
        api.fail("GET", Fault::Instead(Reply::html(502, "<html>Bad gateway</html>")));
    }
    assert_eq!(run(&api, comment_only(), SUCCESS).await, []);
    assert_eq!(api.bodies().len(), 1);
}

#[tokio::test]
async fn persistent_bad_gateways_are_reported() {
    let api = GitHubApi::start();
    for _ in 0..9 {
        api.fail("GET", Fault::Instead(Reply::html(502, "<html>Bad gateway</html>")));
    }
    check(&run(&api, comment_only(), SUCCESS).await, "forge/unavailable", &["502", "the image is not affected"]);
    assert_eq!(api.server.received().len(), 4, "one attempt and three more");
}

#[tokio::test]
async fn a_comment_that_was_made_before_the_gateway_failed_is_not_made_twice() {
    let api = GitHubApi::start();
    api.fail("POST", Fault::After(Reply::html(502, "")));
    assert_eq!(run(&api, comment_only(), SUCCESS).await, []);
    assert_eq!(api.bodies().len(), 1);
    // A deployment that was certainly not created is created by the second attempt.
    let api = GitHubApi::start();
    api.fail("POST", Fault::Instead(Reply::HangUp));
    assert_eq!(run(&api, comment_only(), SUCCESS).await, []);
    assert_eq!(api.bodies().len(), 1);
}

#[tokio::test]
async fn a_deployment_that_was_made_before_the_gateway_failed_is_found() {
    let api = GitHubApi::start();
    api.fail("POST /repos/acme/shop/deployments", Fault::After(Reply::html(504, "")));
    let wanted = RequestedReports { deployment: Some("preview".to_owned()), ..RequestedReports::default() };
    assert_eq!(run(&api, wanted, SUCCESS).await, []);
    let state = api.state.lock().unwrap();
    assert_eq!((state.deployments.len(), state.deployment_statuses.len()), (1, 2));
}

#[tokio::test]
async fn short_rate_limits_are_waited_out() {
    let api = GitHubApi::start();
    let secondary = || {
        refuse(403, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")
            .with("retry-after", &2)
    };
    api.fail("POST", Fault::Instead(secondary()));
    let start = Instant::now();
    assert_eq!(run(&api, comment_only(), SUCCESS).await, []);
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(api.bodies().len(), 1, "a refused request is sent again, also one that makes something");
}

#[tokio::test]
async fn long_rate_limits_fail_at_once() {
    for (status, headers, wait) in [
        (429, vec![("retry-after", "3600".to_owned())], "3600 s"),
        (403, vec![("retry-after", "90".to_owned())], "90 s"),
        (403, vec![], "60 s"),
        // No clock goes so far.
        (429, vec![("retry-after", u64::MAX.to_string())], "resets in"),
        (
            403,
            vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", i64::MAX.to_string())],
            "resets in",
        ),
        (
            403,
            vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", "4000000000".to_owned())],
            "resets in",
        ),
    ] {
        let api = GitHubApi::start();
        let reply = headers
            .iter()
            .fold(refuse(status, "API rate limit exceeded"), |reply, (name, value)| reply.with(name, value));
        api.fail("GET", Fault::Instead(reply));
        let start = Instant::now();
        check(&run(&api, comment_only(), SUCCESS).await, "forge/rate-limited", &[wait]);
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        assert_eq!(api.server.received().len(), 1);
    }
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let api = GitHubApi::start();
    for _ in 0..9 {
        api.fail("GET", Fault::Instead(Reply::Silence));
    }
    let start = Instant::now();
    check(&run(&api, comment_only(), SUCCESS).await, "forge/no-answer", &["20 s"]);
    assert!(start.elapsed() < Duration::from_secs(22), "{:?}", start.elapsed());
}

#[tokio::test]
async fn other_errors_include_the_message_of_the_service() {
    let cases = [
        (401, "Bad credentials", "forge/unauthorized", "Bad credentials"),
        (422, "Validation Failed", "forge/refused", "422 (Validation Failed)"),
        (410, "Issues are disabled", "forge/refused", "Issues are disabled"),
        (403, "a\n::error::forged", "forge/not-allowed", "a\\n::error::forged"),
    ];
    for (status, message, code, text) in cases {
        let api = GitHubApi::start();
        api.fail("POST", Fault::Instead(refuse(status, message)));
        check(&run(&api, comment_only(), SUCCESS).await, code, &[text]);
        assert_eq!(api.server.writes().len(), 1);
    }
    let api = GitHubApi::start();
    api.fail("GET", Fault::Instead(Reply::html(200, "<html>log in</html>")));
    check(&run(&api, comment_only(), SUCCESS).await, "forge/malformed-answer", &["cannot read the response"]);
}

#[tokio::test]
async fn a_refused_connection_is_reported() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_API_URL", address.as_str()),
        ("GITHUB_REPOSITORY", "acme/shop"),
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_REF", "refs/pull/7/merge"),
    ];
    let warnings = super::run(&variables, "{}", comment_only(), SUCCESS).await;
    check(&warnings, "forge/unreachable", &["127.0.0.1", "refused"]);
}

#[tokio::test]
async fn hostile_ci_variables_cannot_change_the_url() {
    let find = |variables: &[(&str, &str)]| {
        let environment = Environment::from_pairs(variables.iter().copied());
        let ci = CiContext::detect(&environment, None, 0);
        ForgeTarget::find(&environment, &ci, ForgeAction::Comment)
    };
    for repository in ["acme/shop/../../user", "acme/..", "acme/shop?x=1", "acme", "acme/sh op", "../shop"] {
        let place = find(&[("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", repository)]);
        assert_eq!(place.unwrap_err(), ForgeError::MissingCiValue { what: "repository" }, "{repository}");
    }
    for address in ["file:///etc/passwd", "https://", "https://user@evil.example", "http://a b/", "nonsense"] {
        let place =
            find(&[("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", "acme/shop"), ("GITHUB_API_URL", address)]);
        assert_eq!(place.unwrap_err().code(), "forge/odd-address", "{address}");
    }
    let error = find(&[("BUILDKITE", "true")]).unwrap_err();
    assert_eq!(error.code(), "forge/no-service");
    let place =
        find(&[("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", "acme/shop"), ("GITHUB_SHA", "$(x)")]).unwrap();
    assert_eq!((place.api.as_str(), place.commit, place.run_url), ("https://api.github.com", None, None));
    for token in ["", " ", "two words", "line\nbreak", "ü"] {
        let place = find(&[("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", "acme/shop")]).unwrap();
        let made = ForgeClient::new(place, http(), &Secret::new(token.to_owned()), "shop", comment_only());
        assert_eq!(made.err().map(|error| error.code()), Some("forge/odd-token"), "{token:?}");
    }
}
