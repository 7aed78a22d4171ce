//! Credentials never go to a registry or a build that only a file of the repository selected.

use std::fs;

use serde_json::json;

use crate::forge::server::{Received, Reply, Server};
use crate::program::{Repository, Run};

/// A registry that requires a user name and a password.
fn registry() -> Server {
    Server::start(|_| {
        Reply::json(401, &json!({ "errors": [{ "code": "UNAUTHORIZED" }] }))
            .with("www-authenticate", &"Basic realm=\"r\"")
    })
}

/// A daemon that answers queries but does not build.
fn daemon() -> Server {
    Server::start(|request| match request.path.split('?').next().unwrap() {
        "/_ping" => Reply::html(200, "OK").with("api-version", &"1.41"),
        path if path.ends_with("/version") => {
            Reply::json(200, &json!({ "Version": "20.10.24", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64" }))
        }
        path if path.ends_with("/info") => Reply::json(200, &json!({ "MemTotal": 8_000_000_000_u64, "NCPU": 2 })),
        _ => Reply::json(404, &json!({ "message": "page not found" })),
    })
}

const LOGIN: [(&str, &str); 3] =
    [("NEXTDEPLOY_PUSH", "true"), ("NEXTDEPLOY_USERNAME", "me"), ("NEXTDEPLOY_PASSWORD", "canary-password")];

/// Runs against a daemon; returns the run and all requests that the daemon received.
fn run(repository: &Repository, arguments: &[&str], variables: &[(&str, &str)]) -> (Run, Vec<Received>) {
    let daemon = daemon();
    let host = daemon.address.replace("http://", "tcp://");
    let run = repository.run_with(arguments, &[variables, &[("DOCKER_HOST", host.as_str())]].concat());
    (run, daemon.received())
}

fn authorizations(requests: &[Received]) -> Vec<String> {
    let of = |request: &Received| {
        ["authorization", "x-registry-auth"].into_iter().find_map(|name| request.header(name).map(str::to_owned))
    };
    requests.iter().filter_map(of).collect()
}

#[test]
fn a_registry_named_only_by_a_file_gets_no_password() {
    let registry = registry();
    let host = registry.address.trim_start_matches("http://").to_owned();
    for (file, text) in [
        ("nextdeploy.yml", format!("docker:\n  image: {host}/shop\n")),
        ("nextdeploy.yml", format!("docker:\n  tags: [\"{host}/shop:1\", \"{host}/shop:2\"]\n")),
        ("ci/other.yml", format!("docker:\n  image: {host}/shop:1\n")),
    ] {
        let repository = Repository::next_app();
        repository.write(file, text);
        let metadata: &[&str] = if file == "nextdeploy.yml" { &[] } else { &["--metadata", file] };
        for verb in ["doctor", "build"] {
            let (run, asked) = run(&repository, &[&[verb], metadata].concat(), &LOGIN);
            assert_eq!(run.code, Some(5), "{run:#?}");
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(said.contains("auth/registry-of-file") && said.contains(&format!("--registry {host}")), "{said}");
            assert!(!said.contains("canary"), "{said}");
            assert_eq!(authorizations(&asked), [""; 0]);
            assert_eq!(authorizations(&registry.received()), [""; 0]);
        }
    }
}

#[test]
fn a_registry_named_outside_files_gets_the_password() {
    for arguments in [&["--registry", "HOST"][..], &["--tag", "HOST/shop:1"], &["--image", "HOST/shop"]] {
        let registry = registry();
        let host = registry.address.trim_start_matches("http://").to_owned();
        let repository = Repository::next_app();
        repository.write("nextdeploy.yml", format!("docker:\n  tags: [\"{host}/shop:1\", type=sha]\n"));
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace("HOST", &host)).collect();
        let arguments: Vec<&str> = ["doctor"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let (run, _) = run(&repository, &arguments, &LOGIN);
        assert!(!run.stdout.contains("auth/registry-of-file"), "{run:#?}");
        // `me:canary-password`
        assert!(
            authorizations(&registry.received()).contains(&"Basic bWU6Y2FuYXJ5LXBhc3N3b3Jk".to_owned()),
            "{arguments:?}: {:#?}",
            registry.received()
        );
    }
}

#[test]
fn files_cannot_reference_credentials_of_the_run() {
    let job = [
        ("GITHUB_TOKEN", "canary-of-the-job"),
        ("NODE_AUTH_TOKEN", "canary-of-the-job"),
        ("NEXTDEPLOY_PASSWORD", "canary-password"),
        ("REGISTRY_LOGIN", "me:canary-password"),
        ("AWS_SECRET_ACCESS_KEY", "canary-of-aws"),
        ("CI_JOB_TOKEN", "canary-of-gitlab"),
        ("ACTIONS_RUNTIME_TOKEN", "canary-of-actions"),
        ("SENTRY_AUTH_TOKEN", "canary-of-sentry"),
    ];
    let asked = |name: &str| {
        [
            ("nextdeploy.yml", format!("environment:\n  - name: {name}\n    secret: true\n")),
            ("nextdeploy.yml", format!("environment:\n  - {name}\n")),
            ("nextdeploy.yml", format!("docker:\n  build:\n    args:\n      - {name}\n")),
            ("metadata.json", format!("{{\"env\": [{{\"name\": \"{name}\", \"scope\": \"image\"}}]}}")),
        ]
    };
    for (name, _) in &job[..7] {
        for (file, text) in asked(name) {
            let repository = Repository::next_app();
            repository.write(file, text);
            let run = repository.run_with(&["plan", "--json"], &job);
            run.fails(3, "settings/credential-of-run").says(&format!("`--secret {name}`"));
            assert!(!run.stderr.contains("canary"), "{run:#?}");
        }
    }
    // Other variables belong to the project, and the user may pass any by name.
    let repository = Repository::next_app();
    repository.write("nextdeploy.yml", &asked("SENTRY_AUTH_TOKEN")[0].1);
    let planned = repository.run_with(&["plan", "--json"], &job);
    assert!(planned.succeeds().stdout.contains("SENTRY_AUTH_TOKEN"), "{planned:#?}");
    repository.write("nextdeploy.yml", &asked("NODE_AUTH_TOKEN")[0].1);
    let planned = repository.run_with(&["plan", "--json", "--secret", "NODE_AUTH_TOKEN"], &job);
    assert!(planned.succeeds().stdout.contains("NODE_AUTH_TOKEN"), "{planned:#?}");
}

#[test]
fn files_reference_secrets_by_variable_only() {
    let repository = Repository::next_app();
    repository.write("outside", "canary");
    for name in ["id=x,src=/etc/passwd", "id=x,src=../outside", "id=x,env=HOME", "X=1"] {
        repository.write("nextdeploy.yml", format!("environment:\n  - name: \"{name}\"\n    secret: true\n"));
        repository.run(&["plan"]).fails(3, "settings/secret");
    }
}

#[test]
fn files_of_a_fork_cannot_read_the_environment() {
    let repository = Repository::next_app();
    let event = repository.path("event.json");
    let request = json!({
        "pull_request": { "number": 7, "head": { "ref": "x", "sha": "a", "repo": { "full_name": "stranger/shop" } },
            "base": { "ref": "main", "repo": { "full_name": "acme/shop" } } },
        "repository": { "full_name": "acme/shop" }
    });
    fs::write(&event, request.to_string()).unwrap();
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_EVENT_NAME", "pull_request_target"),
        ("GITHUB_EVENT_PATH", event.to_str().unwrap()),
        ("GITHUB_REPOSITORY", "acme/shop"),
        ("GITHUB_REF", "refs/heads/main"),
        ("SENTRY_AUTH_TOKEN", "canary"),
        ("APP_ENV", "canary"),
    ];
    repository.write("nextdeploy.yml", "environment:\n  - name: SENTRY_AUTH_TOKEN\n    secret: true\n  - APP_ENV\n");
    let run = repository.run_with(&["plan"], &variables);
    run.succeeds().says("settings/withheld-from-fork").says("`--secret SENTRY_AUTH_TOKEN`");
    assert!(!run.stdout.contains("APP_ENV") && !run.stdout.contains("canary"), "{run:#?}");
    let named = repository.run_with(&["plan", "--env", "APP_ENV", "--secret", "SENTRY_AUTH_TOKEN"], &variables);
    assert!(named.succeeds().stdout.contains("APP_ENV"), "{named:#?}");
}

#[test]
fn a_file_cannot_select_the_host_network() {
    let repository = Repository::next_app();
    for network in ["host", "container:db"] {
        repository.write("nextdeploy.yml", format!("docker:\n  network: {network}\n"));
        repository.run(&["plan"]).fails(3, "settings/network-of-file").says(&format!("`--network {network}`"));
        repository.run_with(&["plan"], &[("NEXTDEPLOY_NETWORK", network)]).succeeds();
    }
    repository.write("nextdeploy.yml", "docker:\n  network: none\n");
    repository.run(&["plan"]).succeeds();
}
