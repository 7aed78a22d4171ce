//! What `--cache-dir` saves on an ephemeral machine: a build after a one-line edit on an emptied builder, with package store
//! and `.next/cache` restored from a folder (and saved again), compared with the same build without.
//!
//! `NEXTDEPLOY_BENCH_HOST=unix:///… cargo bench --bench caches [-- APP_DIR FILE_TO_EDIT]`. The daemon there loses its whole build
//! cache, so it has to be named; it needs the base image. `NEXTDEPLOY_BINARY` is the path of an existing binary. Times are wall
//! clock of the whole process, medians of this run, alternating between both.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program, not the product"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

const ROUNDS: usize = 3;
const IMAGE: &str = "nd-bench-caches:1";

struct Bench {
    host: String,
    program: PathBuf,
    app: PathBuf,
    edited: PathBuf,
    edits: usize,
}

/// Seconds of one build.
struct Times {
    whole: f64,
    install: f64,
    build: f64,
    /// The lines of the log about the caches.
    caches: Vec<String>,
}

fn succeed(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if ["node_modules", ".next", ".git"].iter().any(|left_out| name == *left_out) {
            continue;
        }
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

impl Bench {
    fn docker(&self, arguments: &[&str]) {
        succeed(Command::new("docker").args(["--host", &self.host]).args(arguments));
    }

    /// One build of changed sources with an emptied builder.
    fn build(&mut self, caches: Option<&Path>) -> Times {
        self.docker(&["builder", "prune", "--all", "--force"]);
        self.edits += 1;
        let text = fs::read_to_string(&self.edited).unwrap();
        fs::write(&self.edited, format!("{text}\n// edit {}\n", self.edits)).unwrap();
        let mut command = Command::new(&self.program);
        command.arg("build").arg(&self.app).args(["--json", "--ci", "none", "--tag", IMAGE]);
        if let Some(folder) = caches {
            command.arg("--cache-dir").arg(folder);
        }
        let start = Instant::now();
        let output = succeed(command.env("DOCKER_HOST", &self.host));
        let whole = start.elapsed().as_secs_f64();
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let step = |name: &str| {
            let steps = result["steps"].as_array().unwrap().iter();
            steps.filter(|step| step["name"].as_str().unwrap().ends_with(name)).find_map(|step| {
                assert_eq!(step["result"], "done", "{name} came from a cache of layers");
                step["seconds"].as_f64()
            })
        };
        let log = String::from_utf8(output.stderr).unwrap();
        Times {
            whole,
            install: step("install dependencies").unwrap(),
            build: step("build the app").unwrap(),
            caches: log.lines().filter(|line| line.contains("caches: ")).map(|line| line.trim().to_owned()).collect(),
        }
    }
}

fn median(times: &[Times], of: impl Fn(&Times) -> f64) -> f64 {
    let mut values: Vec<f64> = times.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let host =
        std::env::var("NEXTDEPLOY_BENCH_HOST").expect("NEXTDEPLOY_BENCH_HOST names a daemon whose build cache may go");
    let program = std::env::var_os("NEXTDEPLOY_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_nextdeploy").into());
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let example = || format!("{}/examples/hello-next", env!("CARGO_MANIFEST_DIR"));
    let source = words.next().unwrap_or_else(example);
    let edited = words.next().unwrap_or_else(|| "app/page.tsx".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let (app, kept) = (folder.path().join("app"), folder.path().join("kept"));
    copy(Path::new(&source), &app);
    let mut bench = Bench { host, program: program.into(), edited: app.join(edited), app, edits: 0 };

    bench.build(Some(&kept));
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(bench.build(None));
        with.push(bench.build(Some(&kept)));
    }
    println!("| measure | restored | not | ratio |\n|---|---|---|---|");
    let row = |name: &str, of: fn(&Times) -> f64| {
        let (with, without) = (median(&with, of), median(&without, of));
        println!("| {name} | {with:.1} s | {without:.1} s | {:.2} |", with / without);
    };
    row("whole run", |times| times.whole);
    row("install step", |times| times.install);
    row("build step", |times| times.build);
    for line in with.last().map(|times| times.caches.as_slice()).unwrap_or_default() {
        println!("{line}");
    }
    bench.docker(&["image", "rm", "--force", IMAGE]);
    bench.docker(&["builder", "prune", "--all", "--force"]);
}
