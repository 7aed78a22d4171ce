//! Time until an app answers: `nextdeploy run` compared with `docker run` of the same image and a poll.
//!
//! `cargo bench --bench run`; needs a Docker daemon, git and the base image of the example. `NEXTDEPLOY_BINARY` is the path of an
//! existing binary. Times are wall clock from the command to its exit, or to the first response, medians of this run, alternating. The app
//! description in an image is cached between runs, so the first run of an image has a separate row.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program, not the product"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 9;
const IMAGE: &str = "nd-bench-run:1";
const NAME: &str = "nd-bench-run";
const NETWORK: &str = "nd-bench-run";
const PORT: u16 = 28471;

fn program() -> Command {
    Command::new(std::env::var_os("NEXTDEPLOY_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_nextdeploy").into()))
}

fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("DOCKER_CLI").unwrap_or_else(|| "docker".into()));
    command.args(arguments);
    command
}

fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
}

fn answers() -> bool {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", PORT))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut start = vec![0; 12];
        stream.read_exact(&mut start)?;
        Ok(start)
    };
    ask().is_ok_and(|start| start.ends_with(b" 200"))
}

fn remove() {
    succeed(&mut docker(&["rm", "--force", "--volumes", NAME]));
}

fn by_docker() -> Duration {
    let publish = format!("127.0.0.1:{PORT}:3000");
    let start = Instant::now();
    succeed(&mut docker(&[
        "run",
        "--detach",
        "--name",
        NAME,
        "--network",
        NETWORK,
        "--publish",
        &publish,
        "--memory",
        "512m",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        IMAGE,
    ]));
    while !answers() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let elapsed = start.elapsed();
    remove();
    elapsed
}

/// `cache` contains what is known about images.
fn by_nextdeploy(cache: &Path) -> Duration {
    let start = Instant::now();
    let publish = PORT.to_string();
    let arguments = ["run", IMAGE, "--name", NAME, "--network", NETWORK, "--publish", &publish];
    succeed(program().args(arguments).env("XDG_CACHE_HOME", cache));
    let elapsed = start.elapsed();
    assert!(answers(), "it was told to be healthy, and does not answer");
    remove();
    elapsed
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn main() {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello-next");
    succeed(program().arg("build").arg(app).args(["--tag", IMAGE, "--name", NAME]));
    succeed(&mut docker(&["network", "create", NETWORK]));
    let cache = tempfile::tempdir().unwrap();
    by_docker();
    by_nextdeploy(cache.path());
    let (mut theirs, mut ours, mut first) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(by_docker());
        ours.push(by_nextdeploy(cache.path()));
        first.push(by_nextdeploy(tempfile::tempdir().unwrap().path()));
    }
    let (theirs, ours, first) = (median_ms(theirs), median_ms(ours), median_ms(first));
    println!("| measure | nextdeploy run | docker run and a poll | ratio | difference |\n|---|---|---|---|---|");
    for (what, ours) in [("until the app answers", ours), ("the same, first run of the image", first)] {
        println!("| {what} | {ours:.0} ms | {theirs:.0} ms | {:.2} | {:.0} ms |", ours / theirs, ours - theirs);
    }
    succeed(&mut docker(&["network", "rm", NETWORK]));
    succeed(&mut docker(&["volume", "rm", "--force", &format!("{NAME}-cache")]));
    succeed(&mut docker(&["image", "rm", "--force", IMAGE]));
}
