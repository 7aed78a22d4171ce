//! Daemons and registries with endless or very slow responses: one error that names the server, soon, in bounded memory.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::fake_server::{Stream, dripping, endless, on_loopback, on_socket, ping, whole};
use crate::program::{Repository, Run};

const BUILD: i32 = 4;
const PUSH: i32 = 6;
/// In KiB. A run without an error takes about 30 MiB.
const MEMORY: u64 = 256 * 1024;
/// The longest timeout, plus slack for a busy machine.
const TIME: Duration = Duration::from_secs(30);
const IMAGE: &str = r#"{"Id":"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","Os":"linux","Architecture":"amd64","RepoDigests":[]}"#;
const UNKNOWN: &str = "404 Not Found";

/// Runs the program and watches its memory until it exits.
#[track_caller]
fn run(repository: &Repository, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_nextdeploy"))
        .args(arguments)
        .current_dir(repository.root())
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", "/nonexistent")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let read = |mut stream: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        })
    };
    let stdout = read(Box::new(child.stdout.take().unwrap()));
    let stderr = read(Box::new(child.stderr.take().unwrap()));
    let mut memory = 0;
    let status = loop {
        memory = memory.max(peak(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > TIME || memory > MEMORY {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let run = Run { code: status.code(), stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() };
    assert!(memory < MEMORY, "{memory} KiB of memory: {run:#?}");
    assert!(start.elapsed() < TIME, "{:?}: {run:#?}", start.elapsed());
    run
}

/// The peak memory of a process so far, in KiB.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}

/// Runs `ps` against a daemon that responds with `answer` to everything but `/_ping`.
#[track_caller]
fn ps(code: &str, text: &str, answer: impl Fn(&mut dyn Stream) + Send + Sync + 'static) {
    let (_folder, host) =
        on_socket(move |_, path, stream| if path == "/_ping" { ping(stream) } else { answer(stream) });
    run(&Repository::empty(), &["ps"], &[("DOCKER_HOST", &host)]).fails(BUILD, code).says(&host).says(text);
}

#[test]
fn answers_of_a_daemon() {
    ps("daemon/answer-too-long", "16 MiB", |stream| endless(stream, "200 OK", "[{\"Id\":\""));
    ps("daemon/answer-too-long", "16 MiB", |stream| endless(stream, "500 Internal Server Error", "{\"message\":\""));
    // Neither a header nor a line may be endless.
    ps("daemon/connection-lost", "", |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ");
        while stream.write_all(&[b'x'; 0x1000]).is_ok() {}
    });
    ps("daemon/connection-lost", "", |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(&b"X: y\r\n".repeat(0x1000)).is_ok() {}
    });
}

#[test]
fn the_first_answer_of_a_daemon() {
    for (answer, code) in
        [(endless as fn(&mut dyn Stream, &str, &str), "daemon/answer-too-long"), (dripping, "daemon/no-answer")]
    {
        let (_folder, host) = on_socket(move |_, _, stream| answer(stream, "200 OK\r\nApi-Version: 1.41", ""));
        run(&Repository::empty(), &["ps"], &[("DOCKER_HOST", &host)]).fails(BUILD, code).says(&host);
    }
}

/// Builds with a daemon that responds to `path` with `answer`.
#[track_caller]
fn build(
    (path, buildkit): (&'static str, &str),
    (code, text): (&str, &str),
    answer: impl Fn(&mut dyn Stream) + Send + Sync + 'static,
) {
    let (_folder, host) = on_socket(move |_, asked, stream| match asked {
        "/_ping" => ping(stream),
        asked if asked == path => answer(stream),
        _ => whole(stream, UNKNOWN, r#"{"message":"unknown"}"#),
    });
    let variables = [("DOCKER_HOST", host.as_str()), ("DOCKER_BUILDKIT", buildkit)];
    run(&Repository::next_app(), &["build"], &variables).fails(BUILD, code).says(&host).says(text);
}

#[test]
fn answers_of_a_builder() {
    let (build_of, session) = (("/build", "0"), ("/session", "1"));
    build(session, ("daemon/answer-too-long", "1 MiB"), |stream| endless(stream, "500 Internal Server Error", ""));
    build(build_of, ("daemon/answer-too-long", "1 MiB"), |stream| endless(stream, "500 Internal Server Error", ""));
    build(build_of, ("daemon/no-answer", ""), |stream| dripping(stream, "500 Internal Server Error", ""));
    build(build_of, ("daemon/answer-too-long", "longer than 4 MiB"), |stream| {
        endless(stream, "200 OK", "{\"stream\":\"Step 1/2 : FROM node\\n\"}\n{\"stream\":\"");
    });
}

/// Pushes to the registry at `registry` through a daemon that the push must not reach.
#[track_caller]
fn push(registry: SocketAddr) {
    let (_folder, host) = on_socket(|_, path, stream| match path {
        "/_ping" => ping(stream),
        path if path.ends_with("/push") => whole(stream, "500 Internal Server Error", r#"{"message":"pushed"}"#),
        _ => whole(stream, "200 OK", IMAGE),
    });
    let image = format!("{registry}/shop:1");
    let variables = [("DOCKER_HOST", host.as_str())];
    let run = run(&Repository::empty(), &["push", &image], &variables);
    run.fails(PUSH, "registry/endless-answer").says(&registry.to_string());
}

/// A registry that knows its own address.
fn registry(answer: impl Fn(SocketAddr, &str, &mut dyn Stream) + Send + Sync + 'static) -> SocketAddr {
    let own = Arc::new(OnceLock::new());
    let known = Arc::clone(&own);
    let address = on_loopback(move |_, path, stream| answer(*known.wait(), path, stream));
    own.set(address).unwrap();
    address
}

#[test]
fn answers_of_a_registry() {
    push(registry(|_, _, stream| endless(stream, "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"", "")));
    for (status, start) in [("200 OK", "{\"token\":\""), ("403 Forbidden", "no")] {
        push(registry(move |own, path, stream| {
            if path == "/token" {
                return endless(stream, status, start);
            }
            let challenge = format!("401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://{own}/token\"");
            whole(stream, &challenge, "");
        }));
    }
    push(registry(|_, path, stream| {
        if path == "/v2/" {
            return whole(stream, "200 OK", "{}");
        }
        endless(stream, "200 OK", "{\"schemaVersion\":2");
    }));
}
