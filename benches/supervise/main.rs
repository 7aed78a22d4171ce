//! `nextdeploy supervise` as a log forwarder, compared with `docker logs -f` into a file, and its idle cost.
//!
//! `cargo bench --bench supervise [-- ROUNDS]`; needs Docker and `node:22-slim`. `NEXTDEPLOY_BINARY` is the path of an existing binary.
//! Both read the same existing log of one container from the beginning, until the last line is in the file. The idle
//! measurement has 50 containers with health checks, and metrics of all of them.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a measuring program, not the product"
)]

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const LINES: u32 = 400_000;
const LINE: usize = 100;
const CONTAINERS: usize = 50;
const IDLE: Duration = Duration::from_mins(1);

fn main() {
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let program = std::env::var("NEXTDEPLOY_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_nextdeploy").to_owned());
    forwarding(&program, rounds);
    idle(&program);
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A container that is removed on drop.
struct Container(String);

impl Container {
    fn run(name: &str, app: &str, options: &[&str], script: &str) -> Self {
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", name]).output();
        let app = format!("nextdeploy.app={app}");
        let labels = ["--label", "nextdeploy.managed=true", "--label", &app];
        let begin = ["run", "--detach", "--name", name, "--network", "none"];
        docker(&[&begin, &labels[..], options, &["node:22-slim", "node", "-e", script]].concat());
        Self(name.to_owned())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &self.0]).output();
    }
}

/// The program, killed on drop.
struct Running(Child);

impl Running {
    fn supervise(program: &str, folder: &Path, arguments: &[&str]) -> Self {
        // Keep all output.
        fs::create_dir_all(folder.join("state")).unwrap();
        fs::write(folder.join("state/positions.json"), r#"{"since":"1970-01-01T00:00:00Z","containers":{}}"#).unwrap();
        let mut command = Command::new(program);
        command.arg("supervise").args(arguments).arg("--state-dir").arg(folder.join("state"));
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// The line `name` of the process's status, in KiB.
    fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        value.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // utime and stime, in ticks of 10 ms.
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Waits until `file` has `wanted` lines; returns its size in bytes.
fn wait_for_lines(file: &Path, wanted: u32) -> u64 {
    let (mut lines, mut read, mut block) = (0, 0, vec![0; 1 << 20]);
    let started = Instant::now();
    loop {
        if let Ok(mut source) = File::open(file) {
            source.seek(SeekFrom::Start(read)).unwrap();
            loop {
                let length = source.read(&mut block).unwrap();
                if length == 0 {
                    break;
                }
                read += length as u64;
                lines += u32::try_from(block[..length].split(|byte| *byte == b'\n').count() - 1).unwrap();
            }
        }
        if lines >= wanted {
            return read;
        }
        assert!(started.elapsed() < Duration::from_mins(2), "{lines} of {wanted} lines");
        sleep(Duration::from_millis(5));
    }
}

fn forwarding(program: &str, rounds: usize) {
    let text = "x".repeat(LINE - 10);
    let script = format!(
        "let n = 0; const go = () => {{ while (n < {LINES}) if (!process.stdout.write(String(n++).padStart(9) + ' {text}\\n')) \
         return process.stdout.once('drain', go); setInterval(Boolean, 1e6) }}; go()"
    );
    let options = ["--log-opt", "max-size=1g"];
    let container = Container::run("nd-bench-logs", "nd-bench-logs", &options, &script);
    let count = || docker(&["logs", "--tail", "1", &container.0]).trim_start().starts_with(&(LINES - 1).to_string());
    while !count() {
        sleep(Duration::from_millis(500));
    }
    let (mut ours, mut theirs, mut peak, mut size) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..rounds {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("docker.log");
        let start = Instant::now();
        let mut command = Command::new("docker");
        command.args(["logs", "--follow", &container.0]).stdout(File::create(&file).unwrap());
        let reader = Running(command.spawn().unwrap());
        wait_for_lines(&file, LINES);
        theirs.push(start.elapsed().as_secs_f64());
        drop(reader);

        let file = folder.path().join("ours.log");
        let arguments =
            ["nd-bench-logs", "--listen", "none", "--log-file", file.to_str().unwrap(), "--log-file-size", "2g"];
        let start = Instant::now();
        let forwarder = Running::supervise(program, folder.path(), &arguments);
        size = wait_for_lines(&file, LINES);
        ours.push(start.elapsed().as_secs_f64());
        peak = peak.max(forwarder.memory("VmHWM"));
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let rate = |seconds: f64| f64::from(LINES) / seconds;
    println!("{LINES} lines of {LINE} bytes, medians of {rounds} rounds");
    println!(
        "nextdeploy supervise: {ours:.2} s, {:.0} lines/s, {:.1} MB/s of JSON",
        rate(ours),
        size as f64 / ours / 1e6
    );
    println!("docker logs -f:       {theirs:.2} s, {:.0} lines/s", rate(theirs));
    println!("ratio of the times: {:.2}; peak memory {:.1} MiB", ours / theirs, peak as f64 / 1024.0);
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn idle(program: &str) {
    let health = ["--health-cmd", "true", "--health-interval", "30s"];
    let names: Vec<String> = (0..CONTAINERS).map(|number| format!("nd-bench-idle-{number}")).collect();
    let _containers: Vec<Container> =
        names.iter().map(|name| Container::run(name, "nd-bench-idle", &health, "setInterval(Boolean, 1e6)")).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("idle.log");
    let arguments = ["nd-bench-idle", "--listen", "127.0.0.1:9599", "--log-file", file.to_str().unwrap()];
    // The first inspections are not idle.
    sleep(Duration::from_secs(20));
    let daemon = docker_daemon();
    let alone = watch(&[daemon], || {})[0];
    let supervisor = Running::supervise(program, folder.path(), &arguments);
    sleep(Duration::from_secs(20));
    let both = [supervisor.0.id(), daemon];
    let unscraped = watch(&both, || {});
    let scraped = watch(&both, scrape);
    println!(
        "{CONTAINERS} containers, percent of one processor; {:.1} MiB",
        supervisor.memory("VmRSS") as f64 / 1024.0
    );
    println!("idle: {:.2}, the daemon beside it {:.2}, and {alone:.2} without", unscraped[0], unscraped[1]);
    println!("scraped every 15 s: {:.2}, the daemon beside it {:.2}", scraped[0], scraped[1]);
}

/// CPU usage of the processes during the next minute, while `often` runs every 15 s.
fn watch(processes: &[u32], often: impl Fn()) -> Vec<f64> {
    often();
    let (before, started): (Vec<Duration>, _) =
        (processes.iter().map(|id| processor_time(*id)).collect(), Instant::now());
    while started.elapsed() < IDLE {
        sleep(Duration::from_secs(15));
        often();
    }
    let used = processes.iter().zip(before).map(|(id, before)| processor_time(*id).saturating_sub(before));
    used.map(|used| percent(used, started.elapsed())).collect()
}

fn scrape() {
    let mut stream = TcpStream::connect("127.0.0.1:9599").unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("nextdeploy_container_up"), "{answer}");
}

fn percent(used: Duration, of: Duration) -> f64 {
    used.as_secs_f64() / of.as_secs_f64() * 100.0
}

/// The process of the daemon at the default socket.
fn docker_daemon() -> u32 {
    let is_daemon = |id: &u32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.split('\0').next().is_some_and(|program| program.ends_with("dockerd")) && !line.contains("extra-docker")
    };
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    processes.into_iter().find(is_daemon).expect("dockerd runs on this machine")
}
