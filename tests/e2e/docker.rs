//! The state of the daemon, read with the docker command line instead of the program's own code.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http;

/// A daemon that answers the Docker API.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    /// `DOCKER_HOST`; `None` is the default socket.
    pub host: Option<String>,
}

impl Engine {
    /// The daemon at the default socket, with the base image `node:MAJOR-slim`. Fails instead of skipping when they are missing.
    pub fn with_base(node: u32) -> Self {
        let engine = Self::default();
        engine.require_base(node);
        engine
    }

    /// The daemon at the socket `name` started by `scripts/services`.
    pub fn service(name: &str) -> Self {
        Self { host: Some(format!("unix://{}/{name}.sock", services_folder())) }
    }

    pub fn require_base(&self, node: u32) {
        let image = format!("node:{node}-slim");
        for arguments in [["version", "--format", "{{.Server.Version}}"].as_slice(), &["image", "inspect", &image]] {
            if let Err(error) = self.try_docker(arguments) {
                panic!("{error}hint: run scripts/services start");
            }
        }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new("docker");
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
        command
    }

    /// Runs `docker ARGUMENTS` and returns its output, or its error message.
    pub fn try_docker(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command().args(arguments).output().map_err(|error| format!("docker: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(format!("docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)))
        }
    }

    pub fn docker(&self, arguments: &[&str]) -> String {
        self.try_docker(arguments).unwrap_or_else(|error| panic!("{error}"))
    }

    fn logs(&self, container: &str) -> String {
        let output = self.command().args(["logs", container]).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

/// Held while an image is built or removed in Podman: a build fails if an image in its cache is removed meanwhile.
pub static PODMAN_TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Where `scripts/services` keeps sockets and pid files.
pub fn services_folder() -> String {
    std::env::var("NEXTDEPLOY_SERVICES_RUN").unwrap_or_else(|_| "/run/nextdeploy-services".to_owned())
}

/// An image that is removed, with its tag, on drop.
pub struct Image {
    pub engine: Engine,
    pub tag: String,
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = self.engine.try_docker(&["image", "rm", "--force", &self.tag]);
    }
}

impl Image {
    pub fn inspect(&self) -> Value {
        let text = self.engine.docker(&["image", "inspect", &self.tag]);
        serde_json::from_str::<Vec<Value>>(&text).unwrap().remove(0)
    }

    /// Digests of the uncompressed layers, base first.
    pub fn layers(&self) -> Vec<String> {
        let layers = self.inspect()["RootFS"]["Layers"].clone();
        serde_json::from_value(layers).unwrap()
    }

    /// The `texts` that occur anywhere in the layers, the configuration or the history.
    pub fn containing<'t>(&self, texts: &[&'t str]) -> Vec<&'t str> {
        let mut save = self.engine.command().args(["save", &self.tag]).stdout(Stdio::piped()).spawn().unwrap();
        let mut grep = Command::new("grep");
        grep.args(["--text", "--only-matching", "--fixed-strings"]).env("LC_ALL", "C");
        for text in texts {
            grep.args(["-e", text]);
        }
        let found = grep.stdin(save.stdout.take().unwrap()).output().unwrap();
        assert!(save.wait().unwrap().success(), "docker save {}", self.tag);
        let found = String::from_utf8(found.stdout).unwrap();
        let history =
            self.engine.docker(&["history", "--no-trunc", "--format", "{{.CreatedBy}} {{.Comment}}", &self.tag]);
        let inspect = self.inspect().to_string();
        let occurs =
            |text: &str| found.lines().any(|line| line == text) || history.contains(text) || inspect.contains(text);
        texts.iter().copied().filter(|text| occurs(text)).collect()
    }
}

/// A running container that is removed on drop.
pub struct Container {
    engine: Engine,
    name: String,
    pub address: SocketAddr,
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.engine.try_docker(&["rm", "--force", "--volumes", &self.name]);
    }
}

impl Container {
    /// Starts `image` with its port `port` on a free port of the loopback interface.
    pub fn start(image: &Image, name: &str, port: u16, options: &[&str]) -> Self {
        let publish = format!("127.0.0.1::{port}");
        let mut arguments = vec!["run", "--detach", "--name", name, "--publish", &publish];
        // The image's own health check, run more often than in production.
        arguments.extend(["--health-interval", "1s"]);
        arguments.extend(options);
        arguments.push(&image.tag);
        // From here on the container is removed in any case.
        let mut container =
            Self { engine: image.engine.clone(), name: name.to_owned(), address: ([127, 0, 0, 1], 0).into() };
        let _ = container.engine.try_docker(&["rm", "--force", name]);
        container.engine.docker(&arguments);
        let published = container.engine.try_docker(&["port", name, &format!("{port}/tcp")]).unwrap_or_default();
        container.address = published
            .lines()
            .find_map(|line| line.parse().ok())
            .unwrap_or_else(|| panic!("{name} ended right after its start\n{}", container.logs()));
        container
    }

    pub fn logs(&self) -> String {
        self.engine.logs(&self.name)
    }

    fn state(&self, format: &str) -> String {
        self.engine.docker(&["inspect", "--format", format, &self.name])
    }

    pub fn wait_until_healthy(&self) {
        let started = Instant::now();
        loop {
            let state = self.state("{{.State.Status}} {{.State.Health.Status}}");
            if state == "running healthy" {
                return;
            }
            let probes = || self.state("{{json .State.Health.Log}}");
            assert!(
                state == "running starting" && started.elapsed() < Duration::from_mins(1),
                "{} is {state} after {:?}\n{}\n{}",
                self.name,
                started.elapsed(),
                self.logs(),
                probes()
            );
            sleep(Duration::from_millis(200));
        }
    }

    /// The response to `GET path`, which must have status 200.
    pub fn get(&self, path: &str) -> http::Answer {
        let answer = http::get(self.address, path).unwrap_or_else(|error| panic!("{error}\n{}", self.logs()));
        assert_eq!(answer.status, 200, "GET {path}: {}\n{}", answer.text(), self.logs());
        answer
    }

    /// Sends SIGTERM; returns the time until exit, and the exit code.
    pub fn stop(&self) -> (Duration, String) {
        let started = Instant::now();
        self.engine.docker(&["stop", "--time", "10", &self.name]);
        (started.elapsed(), self.state("{{.State.ExitCode}}"))
    }
}
