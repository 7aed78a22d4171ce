//! Failures around a build: signals, no daemon, a daemon that dies, a full disk. Each ends soon, with one clear
//! error and the documented exit code, and leaves nothing behind.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::docker::Engine;
use crate::fixture::{Case, Repository};
use crate::program::{nextdeploy, start_nextdeploy, start_nextdeploy_with};
use crate::second_daemon::{SecondDaemon, kill_second_daemon};

/// From a signal to the end of the program and of the build step in the daemon.
const CANCEL_LIMIT: Duration = Duration::from_secs(2);

/// A project whose build never ends, in a process identified by `mark`.
fn endless_project(mark: &str) -> Repository {
    let repository = Repository::compose(&Case::named("npm-next16-app"));
    let manifest = repository.path().join("package.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let endless = text.replace("\"next build\"", &format!("\"node -e 'setInterval(Boolean, 1000)' {mark}\""));
    assert_ne!(text, endless);
    fs::write(&manifest, endless).unwrap();
    repository.commit("A build that waits");
    repository
}

/// Whether a process with `mark` in its command line is running on this machine, including containers.
fn runs(mark: &str) -> bool {
    let own = std::process::id().to_string();
    fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(|entry| {
        let is_process =
            entry.file_name().to_string_lossy().parse::<u32>().is_ok() && entry.file_name() != own.as_str();
        is_process
            && fs::read(entry.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
    })
}

fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < limit, "{what}: not within {limit:?}");
        sleep(Duration::from_millis(50));
    }
}

fn check_signal(signal: Signal, exit_code: i32, mark: &str) {
    let engine = Engine::with_base(22);
    let repository = endless_project(mark);
    // Without the mark: only the build step must match it.
    let tag = format!("nd-e2e-signal-{exit_code}:test");
    let outputs = tempfile::NamedTempFile::new().unwrap();
    let job = [("GITHUB_ACTIONS", "true"), ("GITHUB_OUTPUT", outputs.path().to_str().unwrap())];
    let mut running = start_nextdeploy_with(&engine, repository.path(), &["build", "--tag", &tag], &job);
    assert!(!runs(mark), "the mark is not only that of the build step");
    wait_until("the build step", Duration::from_mins(5), || runs(mark) || running.has_ended());
    let signalled = Instant::now();
    running.signal(signal);
    let run = running.finish();
    assert!(signalled.elapsed() < CANCEL_LIMIT, "ended after {:?}\n{}", signalled.elapsed(), run.stderr);
    assert_eq!(run.code, Some(exit_code), "{}", run.stderr);
    assert_eq!(run.stdout, "");
    let outputs = fs::read_to_string(outputs.path()).unwrap();
    let value = |name: &str| {
        let mut lines = outputs.lines().skip_while(|line| !line.starts_with(&format!("{name}<<")));
        lines.nth(1).unwrap_or_else(|| panic!("no {name}: {outputs}"))
    };
    assert_eq!((value("pushed"), value("image-id"), value("node-version")), ("false", "", "22"));
    wait_until("the end of the build step in the daemon", CANCEL_LIMIT, || !runs(mark));
    assert!(engine.try_docker(&["image", "inspect", &tag]).is_err());
}

#[test]
fn interrupt_stops_the_build() {
    check_signal(Signal::INT, 130, "interrupted-e4b1");
}

#[test]
fn termination_stops_the_build() {
    check_signal(Signal::TERM, 143, "terminated-7d20");
}

#[test]
fn a_missing_daemon_at_the_address_is_reported() {
    let repository = Repository::compose(&Case::named("npm-next16-app"));
    let engine = Engine { host: Some("unix:///nonexistent/docker.sock".to_owned()) };
    let run = nextdeploy(&engine, repository.path(), &["build", "--tag", "nd-e2e-nowhere:test"]);
    assert_eq!(run.code, Some(4), "{}", run.stderr);
    for part in ["daemon/unreachable", "/nonexistent/docker.sock", "DOCKER_HOST", "hint:"] {
        assert!(run.stderr.contains(part), "no `{part}` in\n{}", run.stderr);
    }
}

#[test]
fn a_dry_run_needs_no_daemon() {
    let repository = Repository::compose(&Case::named("npm-next16-app"));
    let before = repository.fingerprint();
    let engine = Engine { host: Some("unix:///nonexistent/docker.sock".to_owned()) };
    let run = nextdeploy(&engine, repository.path(), &["build", "--dry-run", "--tag", "nd-e2e-dry:test"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let told = format!("{}{}", run.stdout, run.stderr);
    for part in ["FROM node:22-slim", "npm ci", "nd-e2e-dry:test", "app/page.tsx"] {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
    assert_eq!(repository.fingerprint(), before);
}

#[test]
fn a_daemon_that_dies_is_reported() {
    let daemon = SecondDaemon::start("3g");
    let mark = "orphaned-51ca";
    let repository = endless_project(mark);
    let mut running = start_nextdeploy(&daemon.engine, repository.path(), &["build", "--tag", "nd-e2e-dying:test"]);
    wait_until("the build step", Duration::from_mins(5), || runs(mark) || running.has_ended());
    kill_second_daemon();
    let killed = Instant::now();
    let run = running.finish();
    assert!(killed.elapsed() < Duration::from_secs(10), "noticed after {:?}", killed.elapsed());
    assert_eq!(run.code, Some(4), "{}", run.stderr);
    for part in ["daemon/connection-lost", "extra-docker.sock", "hint:"] {
        assert!(run.stderr.contains(part), "no `{part}` in\n{}", run.stderr);
    }
}

#[test]
fn a_full_disk_is_reported() {
    // Enough for the base image, not for the packages of an application.
    let daemon = SecondDaemon::start("700m");
    let repository = Repository::compose(&Case::named("npm-next16-app"));
    let run = nextdeploy(&daemon.engine, repository.path(), &["build", "--tag", "nd-e2e-full:test"]);
    assert_eq!(run.code, Some(4), "{}", run.stderr);
    for part in ["builder/disk-full", "hint:"] {
        assert!(run.stderr.contains(part), "no `{part}` in\n{}", run.stderr);
    }
}
