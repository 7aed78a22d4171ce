//! The program under test, run with nothing of the developer's environment.

use std::path::Path;
use std::process::{Command, Output};

use crate::docker::Engine;

const PROGRAM: &str = env!("CARGO_BIN_EXE_nextdeploy");
/// Seconds after which a run counts as hung.
const LIMIT: &str = "900";
/// What the program may see of the environment of the tests: how to find the daemon and the temporary folder.
const PASSED_ON: &[&str] = &["PATH", "TMPDIR", "DOCKER_HOST"];

pub struct Run {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

/// Runs `nextdeploy ARGUMENTS` in `folder`, against `engine`.
pub fn nextdeploy(engine: &Engine, folder: &Path, arguments: &[&str]) -> Run {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.args(["--signal=TERM", LIMIT, PROGRAM]).args(arguments).current_dir(folder);
    scrub(&mut command, engine, home.path());
    Run::of(command.output().unwrap())
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
