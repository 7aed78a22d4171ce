//! A daemon that dies while `supervise` is running, and comes back.

use rustix::process::Signal;

use super::harness::{Desk, Managed, messages, wait_for};
use crate::second_daemon::{SecondDaemon, signal_second_daemon, start_second_daemon};

const TICKS: &str = "let n = 0; setInterval(() => console.log('tick ' + n++), 20)";

#[test]
fn a_daemon_that_comes_back_is_reconnected() {
    let daemon = SecondDaemon::start("3g");
    let app = "nd-sup-daemon";
    let container = Managed::run(&daemon.engine, "nd-sup-daemon-a", app, &[], TICKS);
    let desk = Desk::new(&daemon.engine);
    let file = desk.path("app.log");
    let supervisor = desk.supervise(&[app, "--log-file", file.to_str().unwrap()]);
    wait_for("lines", || (messages(&file, &container.name).len() > 50).then_some(()));
    // Killed, and restarted like `systemctl restart docker` does.
    for (restarts, signal) in [(1, "-KILL"), (2, "-TERM")] {
        signal_second_daemon(signal);
        wait_for("the notice", || {
            (supervisor.told().matches("disconnected from the daemon, reconnecting").count() == restarts).then_some(())
        });
        assert_eq!(supervisor.get("/healthz").status, 503);
        assert_eq!(supervisor.metric("nextdeploy_daemon_up"), Some(0.0));
        start_second_daemon();
        let back = "reconnected to the daemon after ";
        wait_for("the notice", || (supervisor.told().matches(back).count() == restarts).then_some(()));
        assert_eq!(supervisor.get("/healthz").status, 200);
        wait_for("the container", || (container.status() == "running").then_some(()));
        let before = messages(&file, &container.name).len();
        wait_for("lines of a new run", || (messages(&file, &container.name).len() > before + 50).then_some(()));
    }

    let started = container.started_at();
    daemon.engine.docker(&["kill", &container.name]);
    wait_for("the restart", || (container.started_at() != started && container.status() == "running").then_some(()));
    let (code, told) = supervisor.end(Signal::TERM);
    assert_eq!(code, Some(143), "{told}");
    assert_eq!(told.matches("disconnected from the daemon, reconnecting").count(), 2, "{told}");
    // Each run of the container counts from 0 on; within a run nothing is lost or comes twice.
    let all = messages(&file, &container.name);
    let numbers: Vec<u32> = all.iter().map(|message| message.strip_prefix("tick ").unwrap().parse().unwrap()).collect();
    for pair in numbers.windows(2) {
        assert!(pair[1] == pair[0] + 1 || pair[1] == 0, "after {} comes {}", pair[0], pair[1]);
    }
}
