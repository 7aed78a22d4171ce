//! A running supervisor, and containers for it.

use std::cell::RefCell;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::docker::Engine;
use crate::http;

const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until `condition` returns a value.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(50));
    }
}

/// A folder for the state and the output of supervisors.
pub struct Desk {
    pub folder: TempDir,
    engine: Engine,
}

/// A running supervisor.
pub struct Supervisor {
    child: RefCell<Child>,
    stderr: PathBuf,
    pub stdout: PathBuf,
    /// The address of the metrics.
    pub address: SocketAddr,
}

impl Desk {
    pub fn new(engine: &Engine) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), engine: engine.clone() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts `nextdeploy supervise ARGUMENTS` on a free port, and waits until it is watching.
    pub fn supervise(&self, arguments: &[&str]) -> Supervisor {
        let mut supervisor = self.start(arguments);
        supervisor.wait_for_words("watching ");
        let told = supervisor.told();
        let address = told.lines().find_map(|line| line.strip_prefix("metrics at http://")?.strip_suffix("/metrics"));
        supervisor.address = address.unwrap_or_else(|| panic!("no address in\n{told}")).parse().unwrap();
        supervisor
    }

    /// The same if it cannot start: the exit code and standard error.
    pub fn refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let supervisor = self.start(arguments);
        let status = wait_for("the end of the program", || supervisor.child.borrow_mut().try_wait().unwrap());
        (status.code(), supervisor.told())
    }

    fn start(&self, arguments: &[&str]) -> Supervisor {
        let number = fs::read_dir(self.folder.path()).unwrap().count();
        let (stdout, stderr) = (self.path(&format!("stdout-{number}")), self.path(&format!("stderr-{number}")));
        let mut command = Command::new(env!("CARGO_BIN_EXE_nextdeploy"));
        command.env_clear().env("HOME", self.folder.path()).env("SUPERVISE_TOKEN", super::clients::TOKEN);
        command.env("PATH", std::env::var_os("PATH").unwrap());
        if let Some(host) = self.engine.host.clone().or_else(|| std::env::var("DOCKER_HOST").ok()) {
            command.env("DOCKER_HOST", host);
        }
        command.args(["supervise", "--listen", "127.0.0.1:0", "--interval", "2s"]).args(arguments);
        command.arg("--state-dir").arg(self.path("state"));
        command.stdin(Stdio::null()).stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let child = command.spawn().unwrap();
        Supervisor { child: RefCell::new(child), stderr, stdout, address: ([127, 0, 0, 1], 0).into() }
    }
}

impl Supervisor {
    pub fn id(&self) -> u32 {
        self.child.borrow().id()
    }

    /// Everything on standard error so far.
    pub fn told(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    pub fn wait_for_words(&self, words: &str) {
        let started = Instant::now();
        while !self.told().contains(words) {
            let ended = self.child.borrow_mut().try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?}\n{}", self.told());
            assert!(started.elapsed() < PATIENCE, "no `{words}` in\n{}", self.told());
            sleep(Duration::from_millis(50));
        }
    }

    pub fn get(&self, path: &str) -> http::Answer {
        http::get(self.address, path).unwrap_or_else(|error| panic!("{error}\n{}", self.told()))
    }

    /// The value of one sample, such as `nextdeploy_container_up{app="a",container="b"}`.
    pub fn metric(&self, sample: &str) -> Option<f64> {
        let text = self.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ').map(str::to_owned));
        line.map(|value| value.parse().unwrap())
    }

    /// Its peak memory, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends `signal`; returns the exit code and standard error.
    pub fn end(self, signal: Signal) -> (Option<i32>, String) {
        rustix::process::kill_process(Pid::from_child(&self.child.borrow()), signal).unwrap();
        let started = Instant::now();
        let status = wait_for("the end of the program", || self.child.borrow_mut().try_wait().unwrap());
        assert!(started.elapsed() < Duration::from_secs(15), "ended after {:?}", started.elapsed());
        (status.code(), self.told())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let mut child = self.child.borrow_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A managed container, removed on drop.
pub struct Managed {
    pub engine: Engine,
    pub name: String,
}

impl Managed {
    /// Runs `script` with Node.js; `app` is its label.
    pub fn run(engine: &Engine, name: &str, app: &str, options: &[&str], script: &str) -> Self {
        let label = format!("nextdeploy.app={app}");
        let options = [&["--label", "nextdeploy.managed=true", "--label", &label], options].concat();
        Self::run_unlabelled(engine, name, &options, script)
    }

    pub fn run_unlabelled(engine: &Engine, name: &str, options: &[&str], script: &str) -> Self {
        let container = Self { engine: engine.clone(), name: name.to_owned() };
        let _ = engine.try_docker(&["rm", "--force", "--volumes", name]);
        let begin = ["run", "--detach", "--name", name, "--restart", "unless-stopped"];
        engine.docker(&[&begin, options, &["node:22-slim", "node", "-e", script]].concat());
        container
    }

    pub fn inspect(&self, format: &str) -> String {
        self.engine.docker(&["inspect", "--format", format, &self.name])
    }

    pub fn status(&self) -> String {
        self.inspect("{{.State.Status}}")
    }

    pub fn started_at(&self) -> String {
        self.inspect("{{.State.StartedAt}}")
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        let _ = self.engine.try_docker(&["rm", "--force", "--volumes", &self.name]);
    }
}

/// The field `message` of the lines of `container` in a file of JSON lines.
pub fn messages(file: &Path, container: &str) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    messages_in(text.lines(), container)
}

pub fn messages_in<'a>(lines: impl IntoIterator<Item = &'a str>, container: &str) -> Vec<String> {
    let records = lines.into_iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let ours = records.filter(|record| record["container"] == container);
    ours.map(|record| record["message"].as_str().unwrap().to_owned()).collect()
}
