//! `supervise` with clients that only block, and a daemon whose container exits.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::fake_server::{Stream, on_socket, ping, whole};

/// More than the file descriptors available to the program.
const CLIENTS: usize = 1100;
const DESCRIPTORS: u64 = 1024;
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct State {
    ended: AtomicBool,
    starts: AtomicUsize,
}

impl State {
    fn answer(&self, method: &str, path: &str, stream: &mut dyn Stream) {
        let ended = self.ended.load(Ordering::SeqCst);
        let state = if ended { "exited" } else { "running" };
        match (method, path) {
            (_, "/_ping") => ping(stream),
            (_, "/events") => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                let _ = stream.read(&mut [0]);
            }
            (_, "/containers/json") => {
                let labels = r#"{"nextdeploy.managed":"true","nextdeploy.app":"shop"}"#;
                let status = if ended { "Exited (1)" } else { "Up" };
                let one = format!(
                    r#"[{{"Id":"ab12","Names":["/shop-1"],"Image":"shop","ImageID":"sha256:1","Created":1,"Ports":[],"Labels":{labels},"State":"{state}","Status":"{status}"}}]"#
                );
                whole(stream, "200 OK", &one);
            }
            (_, "/containers/ab12/json") => {
                let inspection = format!(
                    r#"{{"Id":"ab12","Name":"/shop-1","Created":"2026-01-02T03:04:05Z","Image":"sha256:1","RestartCount":0,
                    "State":{{"Status":"{state}","Running":{},"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":1,"ExitCode":1,"Error":"","StartedAt":"2026-01-02T03:04:05Z","FinishedAt":"0001-01-01T00:00:00Z"}},
                    "Config":{{"Image":"shop","Tty":false,"Labels":{{"nextdeploy.managed":"true","nextdeploy.app":"shop"}}}},
                    "HostConfig":{{"RestartPolicy":{{"Name":"unless-stopped","MaximumRetryCount":0}}}},"NetworkSettings":{{"Networks":{{}}}}}}"#,
                    !ended
                );
                whole(stream, "200 OK", &inspection);
            }
            ("POST", "/containers/ab12/start") => {
                self.starts.fetch_add(1, Ordering::SeqCst);
                self.ended.store(false, Ordering::SeqCst);
                whole(stream, "204 No Content", "");
            }
            _ => whole(stream, "404 Not Found", r#"{"message":"unknown"}"#),
        }
    }
}

/// A running `supervise`, killed on drop.
struct Supervise {
    child: Child,
    address: SocketAddr,
    _state: tempfile::TempDir,
}

impl Supervise {
    fn start(docker_host: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let program = format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\"");
        let mut child = Command::new("/bin/sh")
            .args(["-c", &program, env!("CARGO_BIN_EXE_nextdeploy"), "supervise"])
            .args(["--interval", "1s", "--listen", "127.0.0.1:0", "--state-dir", state.path().to_str().unwrap()])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("DOCKER_HOST", docker_host)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.ok()?;
            let at = line.find("127.0.0.1:")?;
            line[at..].split(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').next()?.parse().ok()
        });
        // Further output must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { address: address.expect("the address is told"), child, _state: state }
    }

    /// Status and body of a response; `None` if the connection was closed without one.
    fn get(&self, head: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(head.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    fn metrics(&self, host: &str) -> Option<(u16, String)> {
        self.get(&format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    }
}

impl Drop for Supervise {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn daemon() -> (Arc<State>, (tempfile::TempDir, String)) {
    let state = Arc::<State>::default();
    let served = Arc::clone(&state);
    (state, on_socket(move |method, path, stream| served.answer(method, path, stream)))
}

#[test]
fn idle_clients_block_neither_restarts_nor_scrapes() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let (state, (_folder, host)) = daemon();
    let supervise = Supervise::start(&host);
    wait_for("it sees the container", || {
        supervise.metrics("localhost").is_some_and(|(_, text)| text.contains("nextdeploy_container_up"))
    });
    let idle: Vec<_> = (0..CLIENTS).filter_map(|_| TcpStream::connect(supervise.address).ok()).collect();
    assert_eq!(idle.len(), CLIENTS);
    state.ended.store(true, Ordering::SeqCst);
    wait_for("the container is started", || state.starts.load(Ordering::SeqCst) == 1);
    // Clients that only hold a connection are disconnected.
    wait_for("a scrape is answered", || supervise.metrics("localhost").is_some_and(|(status, _)| status == 200));
    drop(idle);
}

#[test]
fn loopback_serves_only_local_host_names() {
    let (_state, (_folder, host)) = daemon();
    let supervise = Supervise::start(&host);
    let port = supervise.address.port();
    for name in ["localhost", "127.0.0.1", "127.8.7.6", "[::1]"] {
        let (status, _) = supervise.metrics(&format!("{name}:{port}")).unwrap();
        assert_eq!(status, 200, "{name}");
    }
    for name in ["evil.example", "evil.example:9464", "localhost.evil.example", "10.0.0.1", ""] {
        let (status, body) = supervise.metrics(name).unwrap();
        assert_eq!((status, body.contains("nextdeploy_")), (421, false), "{name}");
    }
    let absolute = "GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(supervise.get(absolute).unwrap().0, 421);
    let long = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    assert!(supervise.get(&long).is_none_or(|(status, _)| status == 431));
    let many = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(100));
    assert!(supervise.get(&many).is_none_or(|(status, _)| status == 431));
}
