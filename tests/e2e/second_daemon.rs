//! A second Docker Engine, from `scripts/services`, which a test may fill, kill or turn into a Swarm.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::docker::{Engine, services_folder};

/// A second daemon, which the test may break; used by one test at a time.
pub struct SecondDaemon {
    pub engine: Engine,
    _alone: MutexGuard<'static, ()>,
}

static SECOND_DAEMON: Mutex<()> = Mutex::new(());

fn services(arguments: &[&str], size: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services");
    let run = || Command::new(&script).args(arguments).env("NEXTDEPLOY_EXTRA_DAEMON_SIZE", size).output().unwrap();
    let mut output = run();
    // A daemon that starts right after another one was killed may need a second attempt.
    if !output.status.success() {
        let _ = Command::new(&script).args(["stop", "extra-daemon"]).output();
        output = run();
    }
    assert!(output.status.success(), "scripts/services {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl SecondDaemon {
    /// With a disk of `size`, in the format of `tmpfs`, and the base image.
    pub fn start(size: &str) -> Self {
        let alone = SECOND_DAEMON.lock().unwrap_or_else(PoisonError::into_inner);
        let first = Engine::with_base(22);
        services(&["stop", "extra-daemon"], size);
        services(&["start", "extra-daemon"], size);
        let second = Self { engine: Engine::service("extra-docker"), _alone: alone };
        let mut save = first.command().args(["save", "node:22-slim"]).stdout(Stdio::piped()).spawn().unwrap();
        let load = second.engine.command().arg("load").stdin(save.stdout.take().unwrap()).output().unwrap();
        assert!(load.status.success() && save.wait().unwrap().success(), "{}", String::from_utf8_lossy(&load.stderr));
        second
    }
}

pub fn kill_second_daemon() {
    signal_second_daemon("-KILL");
}

pub fn signal_second_daemon(signal: &str) {
    let pid = fs::read_to_string(format!("{}/extra-daemon.pid", services_folder())).unwrap();
    let status = Command::new("kill").args([signal, pid.trim()]).status().unwrap();
    assert!(status.success());
}

/// Restarts it with its data; right after a kill, containerd may need a second attempt.
pub fn start_second_daemon() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services");
    let started =
        (0..3).any(|_| Command::new(&script).args(["start", "extra-daemon"]).output().unwrap().status.success());
    assert!(started, "the second daemon does not start again");
}

impl Drop for SecondDaemon {
    fn drop(&mut self) {
        services(&["stop", "extra-daemon"], "1g");
    }
}
