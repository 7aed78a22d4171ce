//! Restarts that conflict with others: a stop meanwhile, a second supervisor, the end of the program.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use super::harness::{Desk, Managed, wait_for};
use crate::docker::Engine;
use crate::program::nextdeploy;

/// Only exits on SIGKILL.
const STUBBORN: &str = "setInterval(Boolean, 1000); process.on('SIGTERM', () => {})";
const WAITS: &str = "setInterval(Boolean, 1000); process.on('SIGTERM', () => process.exit(0))";
const SICK: [&str; 6] =
    ["--health-cmd", "node -e 'process.exit(1)'", "--health-interval", "1s", "--health-retries", "1"];

#[test]
fn a_stop_overrides_a_restart_in_progress() {
    let engine = Engine::with_base(22);
    let app = "nd-sup-stop";
    for (name, stop) in [
        ("nd-sup-stop-a", &["stop", "--time", "2", "nd-sup-stop-a"][..]),
        // Shorter than the container's grace period, so that the exit is caused by the restart.
        ("nd-sup-stop-b", &["stop", "--time", "30", "nd-sup-stop-b"]),
    ] {
        let options = [&SICK[..], &["--stop-timeout", "6"]].concat();
        let container = Managed::run(&engine, name, app, &options, STUBBORN);
        let desk = Desk::new(&engine);
        let supervisor = desk.supervise(&[app]);
        supervisor.wait_for_words(": restart 1 of 5");
        sleep(Duration::from_secs(1));
        let started = container.started_at();
        let stopped = nextdeploy(&engine, desk.folder.path(), stop);
        assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
        // Longer than the grace period and the delay of a next restart.
        sleep(Duration::from_secs(10));
        assert_eq!(container.status(), "exited", "{}", supervisor.told());
        assert_eq!(container.started_at(), started);
        let told = format!("`{name}` was stopped during a restart and is not started again");
        assert_eq!(supervisor.told().matches(&told).count(), 1, "{}", supervisor.told());
        assert_eq!(supervisor.told().matches(": restart ").count(), 1, "{}", supervisor.told());
        // A manual start resumes supervision.
        engine.docker(&["start", name]);
        supervisor.wait_for_words(": restart 2 of 5");
        drop(supervisor);
    }
}

#[test]
fn two_supervisors_do_not_stop_each_others_restarts() {
    let engine = Engine::with_base(22);
    let app = "nd-sup-two";
    let names = ["nd-sup-two-a", "nd-sup-two-b", "nd-sup-two-c", "nd-sup-two-d"];
    let killed = names.map(|name| Managed::run(&engine, name, app, &[], WAITS));
    let desks = [Desk::new(&engine), Desk::new(&engine)];
    let supervisors = desks.each_ref().map(|desk| desk.supervise(&[app]));
    let since = engine.docker(&["info", "--format", "{{.SystemTime}}"]);
    engine.docker(&[&["kill"][..], &names].concat());
    sleep(Duration::from_secs(6));
    let until = engine.docker(&["info", "--format", "{{.SystemTime}}"]);
    let label = format!("label=nextdeploy.app={app}");
    let window = ["--since", &since, "--until", &until, "--filter", &label, "--filter", "event=die"];
    let ends = engine.docker(&[&["events"][..], &window, &["--format", "{{.Actor.Attributes.name}}"]].concat());
    let mut ended: Vec<&str> = ends.lines().collect();
    ended.sort_unstable();
    assert_eq!(ended, names, "each ends once, by the kill\n{}", supervisors[0].told());
    for container in &killed {
        assert_eq!(container.status(), "running");
    }

    let sick = Managed::run(&engine, "nd-sup-two-sick", app, &[&SICK[..], &["--stop-timeout", "3"]].concat(), STUBBORN);
    let before = sick.started_at();
    for supervisor in &supervisors {
        supervisor.wait_for_words("`nd-sup-two-sick` is unhealthy: restart 1 of 5");
    }
    wait_for("the restart", || (sick.status() == "running" && sick.started_at() != before).then_some(()));
}

#[test]
fn a_restart_in_progress_completes_after_termination() {
    let engine = Engine::with_base(22);
    let app = "nd-sup-half";
    let container =
        Managed::run(&engine, "nd-sup-half-a", app, &[&SICK[..], &["--stop-timeout", "6"]].concat(), STUBBORN);
    let desk = Desk::new(&engine);
    let supervisor = desk.supervise(&[app]);
    supervisor.wait_for_words(": restart 1 of 5");
    sleep(Duration::from_secs(1));
    let before = container.started_at();
    let (code, told) = supervisor.end(Signal::TERM);
    assert_eq!(code, Some(143), "{told}");
    wait_for("the restart", || (container.status() == "running" && container.started_at() != before).then_some(()));
}

#[test]
fn a_state_folder_allows_one_supervisor_also_without_logs() {
    let engine = Engine::with_base(22);
    let desk = Desk::new(&engine);
    let supervisor = desk.supervise(&["nd-sup-nothing"]);
    let (code, told) = desk.refused(&["nd-sup-nothing"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("error: another `nextdeploy supervise` is using the state folder `"), "{told}");
    assert!(!told.contains("watching "), "{told}");
    supervisor.end(Signal::TERM);
    desk.supervise(&["nd-sup-nothing"]);
}
