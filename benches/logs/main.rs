//! The cost of reading a container's output: a million existing lines, and lines that are followed while they are printed,
//! with `nextdeploy logs` and with the docker command line.
//!
//! `DOCKER_CLI=/usr/bin/docker cargo bench --bench logs`; needs a Docker daemon and `node:22-slim`. `NEXTDEPLOY_BINARY` is the path of an
//! existing binary. Times are wall clock of the whole process, medians of this run, alternating; memory is the peak of the process.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measuring program, not the product"
)]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const LINES: usize = 1_000_000;
const FOLLOWED: usize = 300_000;
const NAME: &str = "nd-bench-logs";

fn docker(arguments: &[&str]) -> bool {
    let client = std::env::var("DOCKER_CLI").unwrap_or_else(|_| "docker".into());
    Command::new(client).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

/// A container that prints numbered lines of about 90 bytes.
fn start(lines: usize) {
    docker(&["rm", "--force", NAME]);
    let script = format!(
        "const text = 'x'.repeat(80); let n = 0; function more() {{ while (n < {lines}) {{ n++; \
         if (!process.stdout.write(n + ' ' + text + '\\n')) return process.stdout.once('drain', more) }} }} more()"
    );
    let labels = ["--label", "nextdeploy.managed=true"];
    let run = [&["run", "--detach", "--name", NAME][..], &labels, &["node:22-slim", "node", "-e", &script]].concat();
    assert!(docker(&run));
}

struct Measure {
    time: Duration,
    /// KiB.
    peak: u64,
}

fn peak(process: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn measure(mut command: Command, lines: usize) -> Measure {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let begun = Instant::now();
    let out = fs::File::create(&path).unwrap();
    let mut process = command.stdin(Stdio::null()).stdout(out).stderr(Stdio::null()).spawn().unwrap();
    let mut most = 0;
    loop {
        most = most.max(peak(&process));
        if let Some(status) = process.try_wait().unwrap() {
            assert!(status.success());
            break;
        }
        sleep(Duration::from_millis(5));
    }
    let time = begun.elapsed();
    let seen = fs::read_to_string(&path).unwrap().lines().count();
    assert_eq!(seen, lines, "lines were lost");
    Measure { time, peak: most }
}

fn ours(arguments: &[&str]) -> Command {
    let program = std::env::var_os("NEXTDEPLOY_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_nextdeploy").into());
    let mut command = Command::new(program);
    command.args(["logs", "--ci", "none"]).args(arguments).arg(NAME);
    command
}

fn theirs(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var("DOCKER_CLI").unwrap_or_else(|_| "docker".into()));
    command.arg("logs").args(arguments).arg(NAME);
    command
}

fn median(mut measures: Vec<Measure>) -> Measure {
    measures.sort_by_key(|measure| measure.time);
    measures.swap_remove(measures.len() / 2)
}

fn row(what: &str, lines: usize, ours: &Measure, theirs: &Measure) {
    let rate = |measure: &Measure| lines as f64 / measure.time.as_secs_f64() / 1000.0;
    println!(
        "| {what} | {:.2} s ({:.0}k lines/s) | {:.2} s ({:.0}k lines/s) | {:.2} | {:.1} MiB | {:.1} MiB |",
        ours.time.as_secs_f64(),
        rate(ours),
        theirs.time.as_secs_f64(),
        rate(theirs),
        ours.time.as_secs_f64() / theirs.time.as_secs_f64(),
        ours.peak as f64 / 1024.0,
        theirs.peak as f64 / 1024.0,
    );
}

fn main() {
    println!("| Lines | nextdeploy | docker CLI | ratio | peak memory of nextdeploy | of docker |");
    println!("|---|---|---|---|---|---|");
    start(LINES);
    assert!(docker(&["wait", NAME]));
    let (mut our_reads, mut their_reads) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_reads.push(measure(ours(&[]), LINES));
        their_reads.push(measure(theirs(&[]), LINES));
    }
    row("a million that are there", LINES, &median(our_reads), &median(their_reads));
    let (mut our_follows, mut their_follows) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        start(FOLLOWED);
        our_follows.push(measure(ours(&["--follow"]), FOLLOWED));
        start(FOLLOWED);
        their_follows.push(measure(theirs(&["--follow"]), FOLLOWED));
    }
    row("300,000 while they are printed", FOLLOWED, &median(our_follows), &median(their_follows));
    docker(&["rm", "--force", NAME]);
}
