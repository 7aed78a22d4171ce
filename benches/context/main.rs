//! Time to send a build context, and memory that it takes, against the docker CLI with the same context.
//!
//! `cargo bench --bench context [-- ROUNDS]`; needs a daemon and a docker CLI with BuildKit built in or buildx (`DOCKER_CLI`, default
//! `docker`). Two trees, each a Next.js app with its own Dockerfile: 1 GiB in 64 files, and 70,000 small files. Each round sends each tree once with
//! each sender, under a name that BuildKit has not seen (it would ask for the differences only). The Dockerfile copies the whole context in a stage
//! that is cached after the first round, so that reading, sending and receiving are what is measured.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a measuring program, not the product"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const DOCKERFILE: &str = "FROM scratch AS all\nCOPY . /\nFROM scratch\nCOPY --from=all /Dockerfile /\n";
const PACKAGE: &str =
    r#"{"name":"nd-bench-context","scripts":{"build":"next build"},"dependencies":{"next":"15.5.7"}}"#;
const LOCKFILE: &str = r#"{"name":"nd-bench-context","lockfileVersion":3,"packages":{"":{"dependencies":{"next":"15.5.7"}},"node_modules/next":{"version":"15.5.7"}}}"#;
const TAG: &str = "nd-bench-context:latest";

/// Who sends.
const SENDERS: &[&str] = &["nextdeploy", "docker, BuildKit", "docker, classic builder"];

struct Tree {
    title: &'static str,
    files: u64,
    file_size: usize,
    files_per_folder: u64,
    /// The classic builder takes minutes to store 70,000 files, whoever sends them.
    senders: &'static [&'static str],
}

const TREES: &[Tree] = &[
    Tree { title: "1 GiB in 64 files", files: 64, file_size: 16 << 20, files_per_folder: 8, senders: SENDERS },
    Tree {
        title: "70,000 files",
        files: 70_000,
        file_size: 1500,
        files_per_folder: 100,
        senders: SENDERS.split_at(2).0,
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|argument| argument != "--bench").collect();
    compare(arguments.get(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(5));
}

fn run(command: &mut Command) -> String {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert!(output.status.success(), "{shown} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn docker() -> Command {
    Command::new(std::env::var("DOCKER_CLI").unwrap_or_else(|_| "docker".into()))
}

/// Sends `directory`; seconds, and our own peak memory in KiB.
fn send_with(sender: usize, directory: &Path) -> (f64, u64) {
    let started = Instant::now();
    let mut memory = 0;
    if sender == 0 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nextdeploy"));
        command.args(["build", "--quiet", "--dockerfile", "own", "--tag", TAG]).arg(directory);
        memory = run_measured(&mut command);
    } else {
        let buildkit = if sender == 1 { "1" } else { "0" };
        run(docker().env("DOCKER_BUILDKIT", buildkit).args(["build", "-q", "-t", TAG]).arg(directory));
    }
    (started.elapsed().as_secs_f64(), memory)
}

/// Most memory that the process had, in KiB, as seen every few milliseconds: the kernel forgets it with the process.
fn run_measured(command: &mut Command) -> u64 {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{command:?} failed");
            return peak;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Bytes that no compression makes smaller and that no other block repeats.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn make_tree(directory: &Path, tree: &Tree) {
    for file in 0..tree.files {
        let folder = directory.join(format!("folder-{}", file / tree.files_per_folder));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("file-{file}.bin")), noise(file + 1, tree.file_size)).unwrap();
    }
    for (name, content) in [("Dockerfile", DOCKERFILE), ("package.json", PACKAGE), ("package-lock.json", LOCKFILE)] {
        fs::write(directory.join(name), content).unwrap();
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(rounds: usize) {
    let temporary = tempfile::Builder::new().prefix("nd-bench-").tempdir().unwrap();
    println!(
        "{}",
        run(docker().args(["version", "--format", "docker {{.Client.Version}}, engine {{.Server.Version}}"]))
    );
    for tree in TREES {
        let mut directory: PathBuf = temporary.path().join("tree");
        make_tree(&directory, tree);
        let mut times = vec![Vec::new(); tree.senders.len()];
        let mut memory = 0;
        // The round before the first one fills the caches.
        for round in 0..=rounds {
            for (sender, times) in times.iter_mut().enumerate() {
                let next = temporary.path().join(format!("tree-{round}-{sender}"));
                fs::rename(&directory, &next).unwrap();
                directory = next;
                let (seconds, peak) = send_with(sender, &directory);
                if round > 0 {
                    times.push(seconds);
                    memory = memory.max(peak);
                }
            }
        }
        let ours = median(&times[0]);
        println!("{}, median of {rounds} rounds:", tree.title);
        for (sender, times) in tree.senders.iter().zip(&times) {
            let median = median(times);
            println!("  {sender:<24} {median:>7.2} s   ours / theirs {:.2}   {times:.2?}", ours / median);
        }
        println!("  peak memory of nextdeploy: {:.1} MiB\n", memory as f64 / 1024.0);
        fs::remove_dir_all(&directory).unwrap();
    }
    run(docker().args(["image", "rm", "-f", TAG]));
}
