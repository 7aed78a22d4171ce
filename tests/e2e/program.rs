//! The program under test, isolated from the developer's environment.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::docker::Engine;

const PROGRAM: &str = env!("CARGO_BIN_EXE_nextdeploy");
/// Seconds after which a run counts as hung.
const LIMIT: &str = "900";
/// The variables that the program gets from the environment of the tests: how to find the daemon and the temporary folder.
const PASSED_ON: &[&str] = &["PATH", "TMPDIR", "DOCKER_HOST"];

pub struct Run {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

/// Runs `nextdeploy ARGUMENTS` in `folder`, against `engine`.
pub fn nextdeploy(engine: &Engine, folder: &Path, arguments: &[&str]) -> Run {
    nextdeploy_with(engine, folder, arguments, &[])
}

/// The same with these environment variables.
pub fn nextdeploy_with(engine: &Engine, folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.args(["--signal=TERM", LIMIT, PROGRAM]).args(arguments).current_dir(folder);
    scrub(&mut command, engine, home.path());
    Run::of(command.envs(environment.iter().copied()).output().unwrap())
}

/// The same with the variables of a CI job.
pub fn nextdeploy_in_job(engine: &Engine, folder: &Path, arguments: &[&str], job: &[(&str, &str)]) -> Run {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.args(["--signal=TERM", LIMIT, PROGRAM]).args(arguments).current_dir(folder);
    scrub(&mut command, engine, home.path());
    Run::of(command.envs(job.iter().copied()).output().unwrap())
}

/// A running program.
pub struct Running {
    child: Child,
    /// `HOME` and `TMPDIR` of the program.
    folder: TempDir,
}

/// Starts `nextdeploy ARGUMENTS` without waiting for it to exit.
pub fn start_nextdeploy(engine: &Engine, folder: &Path, arguments: &[&str]) -> Running {
    start_nextdeploy_with(engine, folder, arguments, &[])
}

/// The same with these environment variables.
pub fn start_nextdeploy_with(
    engine: &Engine,
    folder: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Running {
    let own = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(folder);
    scrub(&mut command, engine, own.path());
    let child = command
        .envs(environment.iter().copied())
        .env("TMPDIR", own.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Running { child, folder: own }
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it exits, and checks that no temporary file is left.
    pub fn finish(self) -> Run {
        let run = Run::of(self.child.wait_with_output().unwrap());
        let entries = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let left: Vec<_> = entries.filter(|path| !path.ends_with(".cache")).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        run
    }
}

impl Run {
    fn of(output: Output) -> Self {
        Self {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
        }
    }
}

fn scrub(command: &mut Command, engine: &Engine, home: &Path) {
    command.env_clear().env("HOME", home);
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    if let Some(host) = &engine.host {
        command.env("DOCKER_HOST", host);
    }
}
