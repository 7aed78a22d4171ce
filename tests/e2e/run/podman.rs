//! `run` and `rollback` with Podman's Docker API.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::harness::{App, expect, secret_folders};
use super::trouble::{IDLE, check_app};
use crate::docker::Engine;
use crate::http;
use crate::program::Run;

#[test]
fn podman_runs_replaces_and_rolls_back_an_app() {
    let app = App::of_fixture_at(Engine::service("podman"), "podman");
    let secret = [("API_KEY", "sk-podman-canary")];
    let first = app.run_with(&["--publish", "0", "--secret", "API_KEY", &app.image], &secret);
    expect(&first, 0);
    let (first, address) = (first.stdout.trim().to_owned(), app.address());
    let answer = |path: &str| http::get(address, path).unwrap();
    assert!(answer("/").text().contains("Hello from a container"));
    let keys = || -> Value { serde_json::from_slice(&answer("/api/secret").body).unwrap() };
    assert_eq!((&keys()["variable"], &keys()["file"]), (&"sk-podman-canary".into(), &"sk-podman-canary".into()));
    let seen = app.inspect(&first);
    assert!(!seen.to_string().contains("canary"), "Podman shows a secret");
    assert_eq!(
        (&seen["HostConfig"]["ReadonlyRootfs"], &seen["HostConfig"]["Memory"]),
        (&true.into(), &(512_u64 << 20).into())
    );
    let denied = app.engine.try_docker(&["exec", &first, "touch", "/app/x"]).unwrap_err();
    assert!(denied.contains("Read-only"), "{denied}");
    assert_eq!(answer("/_next/image?url=%2Faurora.png&w=640&q=75").status, 200);

    let again = app.run(&["--publish", "0", &app.image]);
    expect(&again, 2);
    let next = app.run_with(&["--replace", "--secret", "API_KEY", &app.image], &secret);
    expect(&next, 0);
    let next = next.stdout.trim().to_owned();
    assert_eq!((app.running(), app.containers().len(), app.address()), (vec![next.clone()], 2, address));
    assert_eq!(answer("/").status, 200);

    let failed = app.run_with(&["--replace", "--secret", "API_KEY", "--env", "PORT=80x", &app.image], &secret);
    expect(&failed, 7);
    assert!(
        failed.stderr.contains("exited with code 2") && failed.stderr.contains("PORT must be"),
        "{}",
        failed.stderr
    );
    assert_eq!((app.running(), app.containers().len()), (vec![next.clone()], 2));
    assert_eq!(secret_folders().iter().filter(|folder| folder.starts_with(&app.name)).count(), 2);
    assert_eq!(answer("/").status, 200);

    let back = app.nextdeploy(&["rollback", &app.name]);
    expect(&back, 0);
    assert!(back.stderr.contains(&format!("{first} is healthy after")), "{}", back.stderr);
    assert_eq!((app.running(), keys()["variable"].clone()), (vec![first.clone()], "sk-podman-canary".into()));

    expect(&app.nextdeploy(&["rm", "--force", &first, &next]), 0);
    assert!(secret_folders().iter().all(|folder| !folder.starts_with(&app.name)), "{:?}", secret_folders());
}

#[test]
fn podman_runs_health_checks_on_request() {
    let app = App::foreign_at(Engine::service("podman"), "podman-health");
    let check = "health: {command: [node, -e, 'console.log(`all is well`)'], interval: 1s}\n";
    let document = app.write("c.yml", &format!("{IDLE}{check}"));
    let run = app.run(&["--spec", &document, &app.image]);
    expect(&run, 0);
    assert!(run.stderr.contains("is healthy after") && !run.stderr.contains("no health check"), "{}", run.stderr);
    std::thread::sleep(Duration::from_secs(4));
    let health = app.nextdeploy(&["health", run.stdout.trim()]);
    expect(&health, 0);
    assert!(health.stdout.contains(": healthy\n") && health.stdout.contains("all is well"), "{}", health.stdout);
    let probes = || app.inspect(run.stdout.trim())["State"]["Health"]["Log"].as_array().unwrap().len();
    let before = probes();
    std::thread::sleep(Duration::from_secs(4));
    expect(&app.nextdeploy(&["health", "--wait", "5", run.stdout.trim()]), 0);
    expect(&app.nextdeploy(&["health", run.stdout.trim()]), 0);
    assert_eq!(probes(), before + 1, "an old answer is not told for a new one, and a new one is not asked for twice");
}

#[test]
fn a_launch_that_fails_leaves_nothing_in_podman() {
    let check = |name: &str, document: &str, arguments: &[&str]| -> Run {
        let app = App::foreign_at(Engine::service("podman"), &format!("podman-{name}"));
        check_app(&app, document, arguments, 7)
    };
    let health =
        "health: {command: [node, -e, 'console.log(`probe says no`); process.exit(1)'], interval: 1s, retries: 2}\n";
    let run = check("unhealthy", &format!("{IDLE}{health}"), &["--wait-timeout", "1m"]);
    for part in ["probe says no", "  | idle 1", "is unhealthy", "launch/not-healthy"] {
        assert!(run.stderr.contains(part), "{part} is missing\n{}", run.stderr);
    }
    let run = check("ends", "command: [node, -e, 'console.error(`no database`); process.exit(3)']\nports: []\n", &[]);
    assert!(run.stderr.contains("  ! no database") && run.stderr.contains("exited with code 3"), "{}", run.stderr);
    let run = check("nocommand", "entrypoint: /no/such/program\nports: []\n", &[]);
    assert!(run.stderr.contains("cannot start `nd-run-podman-nocommand"), "{}", run.stderr);
    assert!(run.stderr.contains("/no/such/program"), "{}", run.stderr);

    let hungry = "const all = []; setInterval(() => all.push(Buffer.alloc(8e6, 1)), 5)";
    let run = check("hungry", &format!("command: [node, -e, '{hungry}']\nports: []\nmemory: 64m\n"), &[]);
    assert!(run.stderr.contains("--memory"), "{}", run.stderr);

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let publish = format!("{}:80", taken.local_addr().unwrap().port());
    let run = check("port", "command: [node, -e, 'setInterval(() => {}, 1000)']\n", &["--publish", &publish]);
    assert!(run.stderr.contains("container/port-in-use"), "{}", run.stderr);

    let started = Instant::now();
    let hook = "hooks: {postStart: [[node, -e, 'console.log(`half done`); process.exit(5)']]}\n";
    let run = check("hook", &format!("{IDLE}{hook}"), &[]);
    assert!(run.stderr.contains("| half done") && run.stderr.contains("exit code 5"), "{}", run.stderr);
    assert!(started.elapsed() < Duration::from_secs(10), "it is not killed at once: {:?}", started.elapsed());
}
