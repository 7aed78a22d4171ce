//! Time to send a build context, and memory that it takes, against the docker CLI with the same context.
//!
//! `cargo bench --bench context [-- ROUNDS]`; needs a daemon and a docker CLI with BuildKit built in or buildx (`DOCKER_CLI`, default
//! `docker`). Two trees: 1 GiB in 64 files, and 70,000 small files. Each round sends each tree once with each sender, under a
//! name that BuildKit has not seen (it would ask for the differences only). The Dockerfile copies the whole context in a stage
//! that is cached after the first round, so that reading, sending and receiving are what is measured.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a measuring program, not the product"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use nextdeploy::builder::{BuildRequest, stream};
use nextdeploy::config::settings::{CacheUse, PullPolicy};
use nextdeploy::docker::build::{BuildRun, ContextBody};
use nextdeploy::docker::connection::{Engine, find_endpoint};
use nextdeploy::host::Environment;
use nextdeploy::image::dockerfile::{BuildContext, own_context};
use nextdeploy::repo::{Exclusions, IgnoreRules, SourceTree};
use tokio::sync::mpsc;

const DOCKERFILE: &str = "FROM scratch AS all\nCOPY . /\nFROM scratch\nCOPY --from=all /Dockerfile /\n";
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
    match arguments.get(1).map(String::as_str) {
        Some("send") => in_runtime(send(Path::new(&arguments[2]))),
        Some("read") => read(Path::new(&arguments[2])),
        other => compare(other.and_then(|rounds| rounds.parse().ok()).unwrap_or(5)),
    }
}

fn in_runtime(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work);
}

/// What the program does with a repository that has its own Dockerfile, from the walk to the image.
async fn send(directory: &Path) {
    let environment = Environment::of_process();
    let engine = Engine::connect(find_endpoint(&environment, None).unwrap(), &environment).await.unwrap();
    let context = context_of(directory);
    let request = BuildRequest {
        context: BuildContext::default(),
        dockerfile: "Dockerfile".into(),
        tags: vec![TAG.into()],
        platform: None,
        target: None,
        build_args: BTreeMap::new(),
        labels: BTreeMap::new(),
        secrets: Vec::new(),
        credentials: BTreeMap::new(),
        network: None,
        cache_from: Vec::new(),
        memory: None,
        cache: CacheUse::Use,
        pull: PullPolicy::Missing,
        timeout: None,
    };
    let (events, mut received) = mpsc::channel(64);
    let drain = tokio::spawn(async move { while received.recv().await.is_some() {} });
    let run = BuildRun { engine: &engine, request: &request, events };
    run.build(ContextBody::of(context), std::future::pending()).await.unwrap();
    drain.await.unwrap();
    println!("{}", peak_memory());
}

fn context_of(directory: &Path) -> BuildContext {
    let tree = SourceTree::read(directory, Exclusions::Reports, None).unwrap();
    let rules = IgnoreRules::of_tree(&tree, None).unwrap();
    own_context(&tree, rules.sent(&tree, &[]).unwrap()).unwrap().context
}

/// Only walks and makes the archive, without a daemon.
fn read(directory: &Path) {
    use futures_util::StreamExt;
    let started = Instant::now();
    let context = context_of(directory);
    let listed = started.elapsed();
    in_runtime(async {
        let mut chunks = stream(context).0;
        while let Some(chunk) = chunks.next().await {
            chunk.unwrap();
        }
    });
    println!("{} {} {}", listed.as_millis(), started.elapsed().as_millis(), peak_memory());
}

/// Most memory that this process ever had, in KiB.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn run(command: &mut Command) -> String {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert!(output.status.success(), "{shown} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn myself() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

fn docker() -> Command {
    Command::new(std::env::var("DOCKER_CLI").unwrap_or_else(|_| "docker".into()))
}

/// Sends `directory`; seconds, and our own peak memory in KiB.
fn send_with(sender: usize, directory: &Path) -> (f64, u64) {
    let started = Instant::now();
    let mut memory = 0;
    if sender == 0 {
        memory = run(myself().arg("send").arg(directory)).trim().parse().unwrap();
    } else {
        let buildkit = if sender == 1 { "1" } else { "0" };
        run(docker().env("DOCKER_BUILDKIT", buildkit).args(["build", "-q", "-t", TAG]).arg(directory));
    }
    (started.elapsed().as_secs_f64(), memory)
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
    fs::write(directory.join("Dockerfile"), DOCKERFILE).unwrap();
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
        println!("  peak memory of nextdeploy: {:.1} MiB", memory as f64 / 1024.0);
        let alone = run(myself().arg("read").arg(&directory));
        let alone: Vec<u64> = alone.split_whitespace().map(|number| number.parse().unwrap()).collect();
        println!(
            "  without a daemon: list {} ms, list and archive {} ms, peak memory {:.1} MiB\n",
            alone[0],
            alone[1],
            alone[2] as f64 / 1024.0
        );
        fs::remove_dir_all(&directory).unwrap();
    }
    run(docker().args(["image", "rm", "-f", TAG]));
}
