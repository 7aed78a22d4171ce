//! Supervising Podman, which reports no stops, runs no health checks without systemd, and has log times in whole seconds.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use super::harness::{Desk, Managed, messages, wait_for};
use crate::docker::Engine;
use crate::program::nextdeploy;

const WAITS: &str = "setInterval(Boolean, 1000); process.on('SIGTERM', () => process.exit(0))";

fn podman() -> Engine {
    let engine = Engine::service("podman");
    engine.require_base(22);
    engine
}

#[test]
fn killed_podman_containers_restart_and_stopped_ones_do_not() {
    let (engine, app) = (podman(), "nd-sup-pod");
    let run = |name: &str| Managed::run(&engine, name, app, &["--stop-timeout", "10"], WAITS);
    let (killed, stopped) = (run("nd-sup-pod-a"), run("nd-sup-pod-b"));
    let crashes = "setTimeout(() => process.exit(1), 1500)";
    let crashing = Managed::run(&engine, "nd-sup-pod-c", app, &["--restart", "on-failure:2"], crashes);
    let desk = Desk::new(&engine);
    let supervisor = desk.supervise(&[app]);
    let before = killed.started_at();
    engine.docker(&["kill", &killed.name]);
    engine.docker(&["stop", &stopped.name]);
    supervisor.wait_for_words("`nd-sup-pod-a` exited with code 137: restart 1 of 5");
    wait_for("the restart", || (killed.status() == "running" && killed.started_at() != before).then_some(()));
    sleep(Duration::from_secs(6));
    for ended in [&stopped, &crashing] {
        assert_eq!(ended.status(), "exited", "{}\n{}", ended.name, supervisor.told());
    }
    let run = nextdeploy(&engine, Path::new("/"), &["stop", &killed.name]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    sleep(Duration::from_secs(4));
    assert_eq!(killed.status(), "exited", "{}", supervisor.told());

    engine.docker(&["start", &stopped.name]);
    let up = format!("nextdeploy_container_up{{app=\"{app}\",container=\"{}\"}}", stopped.name);
    wait_for("the metric", || (supervisor.metric(&up) == Some(1.0)).then_some(()));
    engine.docker(&["kill", &stopped.name]);
    supervisor.wait_for_words("`nd-sup-pod-b` exited with code 137: restart 1 of 5");
    let (code, told) = supervisor.end(Signal::TERM);
    assert_eq!((code, told.matches(": restart ").count()), (Some(143), 2), "{told}");
}

#[test]
fn health_checks_run_where_podman_does_not_run_them() {
    let (engine, app) = (podman(), "nd-sup-pod-sick");
    let options = ["--stop-timeout", "10", "--tmpfs", "/sick", "--health-cmd", "test ! -e /sick/now"];
    let often = ["--health-interval", "1s", "--health-timeout", "5s", "--health-retries", "2"];
    let container = Managed::run(&engine, "nd-sup-pod-sick-a", app, &[&options[..], &often].concat(), WAITS);
    let desk = Desk::new(&engine);
    let supervisor = desk.supervise(&[app]);
    let sample = |status| {
        format!("nextdeploy_container_health{{app=\"{app}\",container=\"{}\",status=\"{status}\"}}", container.name)
    };
    let healthy = || wait_for("health", || (supervisor.metric(&sample("healthy")) == Some(1.0)).then_some(()));
    healthy();
    let before = container.started_at();
    engine.docker(&["exec", &container.name, "touch", "/sick/now"]);
    supervisor.wait_for_words("`nd-sup-pod-sick-a` is unhealthy: restart 1 of 5");
    wait_for("the restart", || (container.started_at() != before).then_some(()));
    healthy();
    sleep(Duration::from_secs(5));
    assert_eq!(supervisor.told().matches(": restart ").count(), 1, "{}", supervisor.told());
}

#[test]
fn every_line_of_podman_is_forwarded_once() {
    let (engine, app) = (podman(), "nd-sup-pod-logs");
    let script =
        "let n = 0; setInterval(() => console.log(`line ${n++}`), 50); process.on('SIGTERM', () => process.exit(0))";
    let desk = Desk::new(&engine);
    let file = desk.path("lines");
    let arguments = [app, "--log-file", file.to_str().unwrap()];
    let supervisor = desk.supervise(&arguments);
    let container = Managed::run(&engine, "nd-sup-pod-logs-a", app, &["--stop-timeout", "10"], script);
    let count = || messages(&file, &container.name).len();
    wait_for("lines", || (count() > 40).then_some(()));
    let (code, told) = supervisor.end(Signal::TERM);
    assert_eq!(code, Some(143), "{told}");
    let before = count();
    sleep(Duration::from_secs(2));
    let _again = desk.supervise(&arguments);
    wait_for("more lines", || (count() > before + 80).then_some(()));
    let lines = messages(&file, &container.name);
    let expected: Vec<String> = (0..lines.len()).map(|n| format!("line {n}")).collect();
    assert_eq!(lines, expected);
}
