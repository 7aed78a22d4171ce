//! Which containers are restarted, which are left alone, and when it gives up.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use super::harness::{Desk, Managed, wait_for};
use crate::docker::Engine;

const WAITS: &str = "setInterval(Boolean, 1000); process.on('SIGTERM', () => process.exit(0))";
/// Unhealthy as soon as the file exists; the folder is empty again after a restart.
const SICK: &str = "process.exit(require('fs').existsSync('/sick/now') ? 1 : 0)";

fn health(script: &str) -> Vec<String> {
    let command = format!("node -e \"{script}\"");
    ["--health-cmd", &command, "--health-interval", "1s", "--health-retries", "1"].map(str::to_owned).to_vec()
}

fn borrowed(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn killed_containers_restart_and_stopped_ones_do_not() {
    let engine = Engine::with_base(22);
    let app = "nd-sup-kill";
    let stopped_before = Managed::run(&engine, "nd-sup-kill-before", app, &[], WAITS);
    engine.docker(&["stop", "--time", "1", &stopped_before.name]);
    let killed = Managed::run(&engine, "nd-sup-kill-a", app, &[], WAITS);
    let stopped = Managed::run(&engine, "nd-sup-kill-b", app, &[], WAITS);
    let without_policy = Managed::run(&engine, "nd-sup-kill-c", app, &["--restart", "no"], WAITS);
    let of_another = Managed::run(&engine, "nd-sup-kill-d", "nd-sup-other", &[], WAITS);
    let foreign =
        Managed::run_unlabelled(&engine, "nd-sup-kill-e", &["--label", &format!("nextdeploy.app={app}")], WAITS);
    let desk = Desk::new(&engine);
    let supervisor = desk.supervise(&[app]);
    let before = killed.started_at();
    for container in [&killed, &without_policy, &of_another, &foreign] {
        engine.docker(&["kill", &container.name]);
    }
    engine.docker(&["stop", "--time", "5", &stopped.name]);
    supervisor.wait_for_words("`nd-sup-kill-a` exited with code 137: restart 1 of 5");
    wait_for("the restart", || (killed.status() == "running" && killed.started_at() != before).then_some(()));
    // Longer than several inspections and the first delay.
    sleep(Duration::from_secs(6));
    for container in [&stopped_before, &stopped, &without_policy, &of_another, &foreign] {
        assert_eq!(container.status(), "exited", "{}\n{}", container.name, supervisor.told());
    }
    let restarts =
        |by| format!("nextdeploy_container_restarts_total{{app=\"{app}\",container=\"nd-sup-kill-a\",by=\"{by}\"}}");
    assert_eq!(supervisor.metric(&restarts("supervise")), Some(1.0));
    assert_eq!(supervisor.metric(&restarts("daemon")), Some(0.0));
    let up = |name: &str| supervisor.metric(&format!("nextdeploy_container_up{{app=\"{app}\",container=\"{name}\"}}"));
    assert_eq!((up("nd-sup-kill-a"), up("nd-sup-kill-b"), up("nd-sup-kill-d")), (Some(1.0), Some(0.0), None));

    let late = Managed::run(&engine, "nd-sup-kill-f", app, &[], WAITS);
    supervisor.wait_for_words("watching `nd-sup-kill-f`");
    drop(late);
    supervisor.wait_for_words("`nd-sup-kill-f` is gone");
    wait_for("the metric to go", || up("nd-sup-kill-f").is_none().then_some(()));
    let (code, told) = supervisor.end(Signal::TERM);
    assert_eq!(code, Some(143), "{told}");
    assert_eq!(told.matches(": restart ").count(), 1, "{told}");
    assert_eq!(killed.status(), "running");
}

#[test]
fn an_unhealthy_container_is_restarted() {
    let engine = Engine::with_base(22);
    let app = "nd-sup-sick";
    let health = health(SICK);
    let options = [&["--tmpfs", "/sick"], &borrowed(&health)[..]].concat();
    let container = Managed::run(&engine, "nd-sup-sick-a", app, &options, WAITS);
    let desk = Desk::new(&engine);
    let supervisor = desk.supervise(&[app]);
    wait_for("health", || (container.inspect("{{.State.Health.Status}}") == "healthy").then_some(()));
    let before = container.started_at();
    engine.docker(&["exec", &container.name, "touch", "/sick/now"]);
    supervisor.wait_for_words("`nd-sup-sick-a` is unhealthy: restart 1 of 5");
    wait_for("the restart", || (container.started_at() != before).then_some(()));
    wait_for("health", || (container.inspect("{{.State.Health.Status}}") == "healthy").then_some(()));
    let sample = |status| {
        format!("nextdeploy_container_health{{app=\"{app}\",container=\"nd-sup-sick-a\",status=\"{status}\"}}")
    };
    wait_for("the metric", || (supervisor.metric(&sample("healthy")) == Some(1.0)).then_some(()));
    assert_eq!(supervisor.metric(&sample("unhealthy")), Some(0.0));
    let (code, _) = supervisor.end(Signal::INT);
    assert_eq!(code, Some(130));
}

#[test]
fn after_the_budget_a_container_is_left_alone_until_it_is_started() {
    let engine = Engine::with_base(22);
    let app = "nd-sup-budget";
    let health = health("process.exit(1)");
    let container = Managed::run(&engine, "nd-sup-budget-a", app, &borrowed(&health), WAITS);
    let desk = Desk::new(&engine);
    let supervisor = desk.supervise(&[app, "--restart-budget", "2"]);
    supervisor.wait_for_words("`nd-sup-budget-a` is unhealthy after 2 restarts within 10 min: it is left alone");
    let given_up = format!("nextdeploy_container_given_up{{app=\"{app}\",container=\"nd-sup-budget-a\"}}");
    wait_for("the metric", || (supervisor.metric(&given_up) == Some(1.0)).then_some(()));
    let last = container.started_at();
    sleep(Duration::from_secs(8));
    assert_eq!(container.started_at(), last);
    assert_eq!(supervisor.told().matches("is left alone").count(), 1, "{}", supervisor.told());

    engine.docker(&["restart", "--time", "1", &container.name]);
    supervisor.wait_for_words("`nd-sup-budget-a` has recovered");
    wait_for("the budget to be spent again", || {
        (supervisor.told().matches("is left alone").count() == 2).then_some(())
    });
    assert_eq!(supervisor.told().matches(": restart ").count(), 4, "{}", supervisor.told());
}

#[test]
fn repeated_out_of_memory_kills_are_reported_and_left_to_the_daemon() {
    let engine = Engine::with_base(22);
    let app = "nd-sup-memory";
    let desk = Desk::new(&engine);
    let supervisor = desk.supervise(&[app]);
    let eats = "setTimeout(() => { for (const all = [];;) all.push(Buffer.alloc(1e6, 1)) }, 1000)";
    let container = Managed::run(&engine, "nd-sup-memory-a", app, &["--memory", "32m"], eats);
    supervisor.wait_for_words("warning: `nd-sup-memory-a` ran out of memory (limit 32 MiB); the daemon restarts it");
    supervisor.wait_for_words("`nd-sup-memory-a` ran out of memory (limit 32 MiB) 4 times; the daemon restarts it");
    wait_for("more ends", || (container.inspect("{{.RestartCount}}").parse::<u32>().unwrap() > 5).then_some(()));
    let (_, told) = supervisor.end(Signal::TERM);
    assert_eq!(told.matches("ran out of memory").count(), 2, "{told}");
    assert!(!told.contains(": restart "), "{told}");
}
