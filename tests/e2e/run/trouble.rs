//! Failing launches: each exits with its exit code, explains why, and leaves nothing behind.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::harness::{App, expect, secret_folders};
use crate::program::{Run, start_nextdeploy, start_nextdeploy_with};

/// Runs a foreign image with `document`; it must fail with `code` and leave nothing.
fn check(name: &str, document: &str, arguments: &[&str], code: i32) -> Run {
    check_app(&App::foreign(name), document, arguments, code)
}

pub fn check_app(app: &App, document: &str, arguments: &[&str], code: i32) -> Run {
    let document = app.write("c.yml", document);
    let mut all = vec!["--spec", document.as_str(), &app.image];
    all.extend(arguments);
    let run = app.run(&all);
    expect(&run, code);
    assert_eq!(app.left_behind(), [""; 0], "{}", run.stderr);
    assert_eq!(run.stdout, "");
    run
}

pub const IDLE: &str = "command: [node, -e, 'console.log(`idle ${1}`); setInterval(() => {}, 1000)']\nports: []\n";

#[test]
fn a_container_that_never_becomes_healthy_is_removed_and_explained() {
    let health =
        "health: {command: [node, -e, 'console.log(`probe says no`); process.exit(1)'], interval: 1s, retries: 2}\n";
    let run = check("unhealthy", &format!("{IDLE}{health}"), &[], 7);
    for part in ["probe says no", "  | idle 1", "launch/not-healthy"] {
        assert!(run.stderr.contains(part), "{part} is missing\n{}", run.stderr);
    }
    let health = "health: {command: [node, -e, 'process.exit(1)'], interval: 1h}\n";
    let run = check("late", &format!("{IDLE}{health}"), &["--wait-timeout", "2s"], 7);
    assert!(run.stderr.contains("not healthy within 2 s"), "{}", run.stderr);
}

#[test]
fn a_container_that_exits_at_once_is_removed_and_its_log_shown() {
    let run =
        check("ends", "command: [node, -e, 'console.error(`no database`); process.exit(3)']\nports: []\n", &[], 7);
    assert!(run.stderr.contains("  ! no database") && run.stderr.contains("exited with code 3"), "{}", run.stderr);
    let run = check("nocommand", "entrypoint: /no/such/program\nports: []\n", &[], 7);
    assert!(run.stderr.contains("/no/such/program"), "{}", run.stderr);
}

#[test]
fn an_out_of_memory_kill_is_reported_with_the_limit() {
    let hungry = "const all = []; setInterval(() => all.push(Buffer.alloc(8e6, 1)), 5)";
    let run = check("hungry", &format!("command: [node, -e, '{hungry}']\nports: []\nmemory: 64m\n"), &[], 7);
    assert!(run.stderr.contains("limit of 64 MiB") && run.stderr.contains("--memory 128m"), "{}", run.stderr);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let run =
        check("port", "command: [node, -e, 'setInterval(() => {}, 1000)']\n", &["--publish", &format!("{port}:80")], 7);
    assert!(run.stderr.contains(&port.to_string()) && run.stderr.contains("container/port-in-use"), "{}", run.stderr);
}

#[test]
fn a_hook_that_fails_undoes_the_launch() {
    let run = check(
        "hook",
        &format!("{IDLE}hooks: {{postStart: [[node, -e, 'console.log(`half done`); process.exit(5)']]}}\n"),
        &[],
        7,
    );
    assert!(run.stderr.contains("| half done") && run.stderr.contains("exit code 5"), "{}", run.stderr);
}

#[test]
fn invalid_options_are_rejected_before_anything_is_created() {
    let run = check("field", "prots: [80]\n", &[], 2);
    assert!(run.stderr.contains("c.yml:1:8") && run.stderr.contains("`ports`"), "{}", run.stderr);
    let run = check("secret", "secrets: [NOT_SET_ANYWHERE]\n", &[], 2);
    assert!(run.stderr.contains("c.yml:1:11") && run.stderr.contains("NOT_SET_ANYWHERE"), "{}", run.stderr);
    let run = check("envfile", "envFiles: missing.env\n", &[], 2);
    assert!(run.stderr.contains("missing.env"), "{}", run.stderr);
    let run = check(
        "driver",
        &format!("{IDLE}namedVolumes: [{{name: nd-run-driver-v, target: /x, driver: no-such-driver}}]\n"),
        &[],
        2,
    );
    assert!(run.stderr.contains("no-such-driver"), "{}", run.stderr);
    for (name, field, code, part) in [
        ("source", "volumes: /no/such/folder:/x\n", "container/bind-source", "`/no/such/folder`"),
        ("log", "logging: {driver: no-such-log}\n", "container/log-driver", "`no-such-log`"),
        ("logoption", "logging: {driver: local, options: {colour: red}}\n", "container/log-driver", "`colour`"),
        ("cpus", "cpus: 1000\n", "container/cpus", "--cpus"),
        ("network", "networkName: host\n", "launch/network", "publishes no ports"),
        ("label", "labels: {nextdeploy.app: x}\n", "settings/own-label", "c.yml:3:26"),
    ] {
        let run = check(name, &format!("{IDLE}{field}"), &[], 2);
        assert!(run.stderr.contains(code) && run.stderr.contains(part), "{}", run.stderr);
        assert!(!run.stderr.contains("journalctl"), "{}", run.stderr);
    }

    let app = App::foreign("missing");
    let run = app.run(&["localhost:1/nothing/here:1"]);
    assert!(
        run.code.is_some_and(|code| code != 0) && run.stderr.contains("localhost:1"),
        "{:?} {}",
        run.code,
        run.stderr
    );
    expect(&app.run(&["no-such-file.yml"]), 2);
    expect(&app.run(&["--replace", "--proxy", "http://user:password@127.0.0.1:1", &app.image]), 2);
}

#[test]
fn concurrent_launches_let_only_one_succeed() {
    let app = App::foreign("twice");
    let document = app.write("c.yml", "command: [node, -e, 'setInterval(() => {}, 1000)']\nports: []\n");
    let arguments = ["run", "--network", &app.name, "--spec", &document, &app.image];
    let both = [(); 2].map(|()| start_nextdeploy(&app.engine, app.path(), &arguments));
    let runs = both.map(crate::program::Running::finish);
    let mut codes = runs.each_ref().map(|run| run.code);
    codes.sort_unstable();
    let said = runs.iter().map(|run| run.stderr.as_str()).collect::<String>();
    assert_eq!(codes, [Some(0), Some(2)], "{said}");
    assert!(said.contains("--replace"), "{said}");
    assert_eq!(app.running().len(), 1);
}

#[test]
fn an_interrupted_launch_is_undone() {
    for signal in [Signal::INT, Signal::TERM] {
        let app = App::foreign("interrupted");
        let document =
            app.write("c.yml", &format!("{IDLE}health: {{command: [node, -e, 'process.exit(1)'], interval: 1h}}\n"));
        let arguments = ["run", "--network", &app.name, "--spec", &document, &app.image];
        let running = start_nextdeploy(&app.engine, app.path(), &arguments);
        let started = Instant::now();
        while app.running().is_empty() {
            assert!(started.elapsed() < Duration::from_secs(30), "it does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        running.signal(signal);
        let run = running.finish();
        expect(&run, if signal == Signal::INT { 130 } else { 143 });
        assert_eq!(app.left_behind(), [""; 0], "{}", run.stderr);
    }
}

#[test]
fn leftovers_of_a_killed_run_are_removed_by_the_next() {
    let app = App::foreign("killed");
    let good = app.write("good.yml", IDLE);
    expect(&app.run(&["--spec", &good, &app.image]), 0);
    let health = "health: {command: [node, -e, 'process.exit(1)'], interval: 1h}\nsecrets: API_KEY\n";
    let never = app.write("never.yml", &format!("{IDLE}{health}"));
    let arguments = ["run", "--network", &app.name, "--replace", "--spec", &never, &app.image];
    let running = start_nextdeploy_with(&app.engine, app.path(), &arguments, &[("API_KEY", "sk-canary")]);
    let started = Instant::now();
    while app.running().len() < 2 {
        assert!(started.elapsed() < Duration::from_mins(1), "it does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    running.signal(Signal::KILL);
    running.finish();
    // Killed at other times: while reading an image, and while writing secrets.
    let (folder, word) = (format!("/dev/shm/nextdeploy-{}", "0".repeat(32)), "f".repeat(32));
    let secrets = format!("{folder}/{}-{word}", app.name);
    std::fs::create_dir_all(&secrets).unwrap();
    let process = |pid: u32, start: &str| {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap().to_string_lossy().into_owned();
        let number = namespace.trim_matches(|c: char| !c.is_ascii_digit());
        format!("nextdeploy.helper={}.{number}.{pid}.{start}", boot.trim())
    };
    let own = std::fs::read_to_string("/proc/self/stat").unwrap();
    let start = own.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap();
    let helper = |name: &str, label: &str, more: &[&str]| {
        let mut words = vec!["create", "--name", name, "--label", label];
        words.extend(more);
        words.extend([app.image.as_str(), "x"]);
        app.engine.docker(&words);
    };
    let (dead, live) = (process(2_147_483_647, "1"), process(std::process::id(), start));
    helper("nextdeploy-helper-nd-dead", &dead, &[]);
    helper("nextdeploy-helper-nd-secrets", &dead, &["--label", &format!("nextdeploy.secrets={secrets}")]);
    helper("nextdeploy-helper-nd-live", &live, &[]);

    let run = app.run(&["--replace", "--spec", &good, &app.image]);
    let left = app.engine.docker(&["ps", "--all", "--format", "{{.Names}}", "--filter", "label=nextdeploy.helper"]);
    app.engine.docker(&["rm", "nextdeploy-helper-nd-live"]);
    expect(&run, 0);
    let left: Vec<&str> = left.lines().filter(|name| name.contains("-nd-") || name.contains(&app.name)).collect();
    assert_eq!(left, ["nextdeploy-helper-nd-live"], "the process that made it runs");
    assert_eq!((app.running(), app.containers().len()), (vec![run.stdout.trim().to_owned()], 2), "{}", run.stderr);
    assert!(secret_folders().iter().all(|folder| !folder.starts_with(&app.name)), "{:?}", secret_folders());
    assert!(!std::path::Path::new(&folder).exists());
}
