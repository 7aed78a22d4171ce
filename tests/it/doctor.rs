//! `nextdeploy doctor`: its findings and exit codes.

use serde_json::{Value, json};

use crate::forge::github_api::GitHubApi;
use crate::forge::server::{Reply, Server};
use crate::program::{Repository, Run};

const NO_DAEMON: (&str, &str) = ("DOCKER_HOST", "unix:///nonexistent/docker.sock");

/// A daemon that answers queries but does not build.
fn daemon() -> Server {
    Server::start(|request| match request.path.split('?').next().unwrap() {
        "/_ping" => Reply::html(200, "OK").with("api-version", &"1.41"),
        path if path.ends_with("/version") => {
            Reply::json(200, &json!({ "Version": "20.10.24", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64" }))
        }
        path if path.ends_with("/info") => {
            Reply::json(200, &json!({ "DockerRootDir": "/var/lib/docker", "MemTotal": 1_500_000_000_u64, "NCPU": 2 }))
        }
        _ => Reply::json(404, &json!({ "message": "page not found" })),
    })
}

fn findings(run: &Run) -> Vec<Value> {
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["exitCode"], run.code.unwrap(), "{run:#?}");
    document["findings"].as_array().unwrap().clone()
}

#[track_caller]
fn find<'a>(findings: &'a [Value], code: &str) -> &'a Value {
    findings.iter().find(|finding| finding["code"] == code).unwrap_or_else(|| panic!("no {code} in {findings:#?}"))
}

#[test]
fn a_healthy_machine_and_app_are_ready_to_build() {
    let daemon = daemon();
    let host = daemon.address.replace("http://", "tcp://");
    let run = Repository::next_app().run_with(&["doctor"], &[("DOCKER_HOST", &host)]);
    run.succeeds();
    for text in [
        "Next.js 16.4.6",
        "npm with `package-lock.json`",
        "Docker Engine 20.10.24",
        "BuildKit, linux/amd64",
        "[doctor/little-memory]",
        "[doctor/no-checkout]",
        "no `.dockerignore`",
        "ready to build, 2 warnings",
    ] {
        assert!(run.stdout.contains(text), "{text}: {run:#?}");
    }
    assert_eq!(run.stderr, "");
    assert!(daemon.received().iter().all(|request| request.method == "GET"), "read-only requests");
}

#[test]
fn all_problems_are_found_and_the_first_one_decides() {
    let repository = Repository::next_app();
    let run = repository.run_with(&["doctor", "--json"], &[NO_DAEMON]);
    assert_eq!(run.code, Some(4), "{run:#?}");
    let problem = &find(&findings(&run), "daemon/unreachable").clone();
    assert_eq!((&problem["level"], &problem["area"]), (&json!("problem"), &json!("machine")));
    assert!(problem["action"].as_str().is_some_and(|action| !action.is_empty()));

    repository.write("package.json", "{").remove("package-lock.json");
    let run = repository.run_with(&["doctor", "--json"], &[NO_DAEMON]);
    assert_eq!(run.code, Some(3), "{run:#?}");
    let found = findings(&run);
    let problem = find(&found, "project/malformed-file");
    assert!(problem["location"].as_str().unwrap().starts_with("package.json:1"), "{problem}");
    find(&found, "daemon/unreachable");
}

#[test]
fn an_invalid_setting_is_a_finding() {
    let run = Repository::next_app().run_with(&["doctor", "--json", "--port", "http"], &[NO_DAEMON]);
    assert_eq!(run.code, Some(2), "{run:#?}");
    find(&findings(&run), "settings/port");
}

#[test]
fn a_foreign_platform_is_reported_as_emulated() {
    let daemon = daemon();
    let host = daemon.address.replace("http://", "tcp://");
    let run = Repository::next_app()
        .run_with(&["doctor", "--json", "--platform", "linux/arm64/v8"], &[("DOCKER_HOST", &host)]);
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert!(find(&findings(&run), "doctor/emulated-platform")["message"].as_str().unwrap().contains("linux/amd64"));
    let run =
        Repository::next_app().run_with(&["doctor", "--json"], &[("DOCKER_HOST", &host), ("DOCKER_BUILDKIT", "0")]);
    find(&findings(&run), "doctor/no-buildkit");
}

#[test]
fn credentials_are_reported_by_source_never_by_value() {
    let run = Repository::next_app().run_with(
        &[
            "doctor",
            "--json",
            "--tag",
            "ghcr.io/acme/shop:1",
            "--tag",
            "registry.example/shop:1",
            "--registry",
            "ghcr.io",
        ],
        &[NO_DAEMON, ("NEXTDEPLOY_USERNAME", "me"), ("NEXTDEPLOY_PASSWORD", "canary-7319")],
    );
    let found = findings(&run);
    let told = find(&found, "doctor/credentials")["message"].as_str().unwrap();
    assert!(told.contains("ghcr.io") && told.contains("NEXTDEPLOY_PASSWORD"), "{told}");
    let missing = find(&found, "doctor/no-credentials");
    assert!(missing["message"].as_str().unwrap().contains("registry.example"), "{missing}");
    assert!(missing["action"].as_str().unwrap().contains("docker login registry.example"), "{missing}");
    assert!(!format!("{run:?}").contains("canary-7319"));
}

#[test]
fn the_token_is_only_checked_when_a_report_is_requested() {
    let api = GitHubApi::start();
    let variables = api.variables();
    let mut variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.extend([NO_DAEMON, ("GITHUB_TOKEN", "ghs_wrong")]);
    let repository = Repository::next_app();
    repository.run_with(&["doctor"], &variables);
    assert_eq!(api.server.received().len(), 0);

    let run = repository.run_with(&["doctor", "--json", "--comment", "--deployment", "preview"], &variables);
    let found = findings(&run);
    assert!(find(&found, "forge/unauthorized")["message"].as_str().unwrap().contains("cannot check the token"));
    let lines = find(&found, "doctor/permissions")["message"].as_str().unwrap();
    assert!(lines.contains("`pull-requests: write`, `deployments: write`"), "{lines}");

    variables.push(("GITHUB_TOKEN", crate::forge::TOKEN));
    let run = repository.run_with(&["doctor", "--json", "--comment"], &variables);
    assert!(find(&findings(&run), "doctor/token")["message"].as_str().unwrap().contains("is accepted"));
    assert_eq!(api.server.writes(), [""; 0]);
    // The runner removes the command that masks a value from the log.
    let shown: Vec<&str> = run.stderr.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
    assert!(!shown.join("\n").contains(crate::forge::TOKEN) && !run.stdout.contains(crate::forge::TOKEN));
}
