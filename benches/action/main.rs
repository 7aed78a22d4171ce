//! The overhead of the action: the program from the tool cache, the cache lookup, and everything in `nextdeploy build` except the time
//! the daemon builds (start, detection, plan, context, log, outputs, job summary).
//!
//! `cargo bench --bench action`; needs a Docker daemon, git, bash and the base image of the example. `NEXTDEPLOY_BINARY` is the path of an
//! existing binary. Times are wall clock, medians of this run; steps of the build come from the daemon's cache.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program, not the product"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const ROUNDS: usize = 15;
const IMAGE: &str = "nd-bench-action:1";

/// Runs `command` as a step of a job; returns the seconds it took.
fn step(command: &mut Command, job: &Path) -> f64 {
    for name in ["output", "summary"] {
        fs::write(job.join(name), "").unwrap();
    }
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_REPOSITORY", "acme/shop")
        .env("GITHUB_OUTPUT", job.join("output"))
        .env("GITHUB_STEP_SUMMARY", job.join("summary"))
        .env("RUNNER_TEMP", job)
        .env("RUNNER_TOOL_CACHE", job.join("tools"))
        .env_remove("GITHUB_PATH")
        .env_remove("GITHUB_EVENT_PATH")
        .stdin(Stdio::null());
    let start = Instant::now();
    let output = command.output().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    seconds
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if ["node_modules", ".next"].iter().any(|left_out| name == *left_out) {
            continue;
        }
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// A repository with the example, and the program in the tool cache as left by an earlier job.
fn prepare(root: &Path, program: &Path, folder: &Path) {
    copy(&root.join("examples/hello-next"), &folder.join("app"));
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    for arguments in [&["init", "--quiet"][..], &["add", "--all"], &["commit", "--quiet", "--message", "x"]] {
        let mut git = Command::new("git");
        step(git.args(identity).args(arguments).current_dir(folder.join("app")), folder);
    }
    let kept = folder.join("tools/nextdeploy").join(env!("CARGO_PKG_VERSION"));
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    fs::create_dir_all(kept.join(architecture)).unwrap();
    fs::copy(program, kept.join(architecture).join("nextdeploy")).unwrap();
    fs::write(kept.join(architecture).join("COMMIT"), "").unwrap();
    fs::write(kept.join(format!("{architecture}.complete")), "").unwrap();
}

fn build_outside_the_daemon(program: &Path, folder: &Path) -> f64 {
    let result = folder.join("result.json");
    let mut build = Command::new(program);
    build.args(["build", "--tag", IMAGE, "--metadata-file"]).arg(&result).current_dir(folder.join("app"));
    let whole = step(&mut build, folder);
    let result: serde_json::Value = serde_json::from_slice(&fs::read(&result).unwrap()).unwrap();
    assert!(fs::metadata(folder.join("summary")).unwrap().len() > 1000, "there is no summary");
    whole - result["nextdeploy.result"]["seconds"].as_f64().unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = std::env::var_os("NEXTDEPLOY_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_nextdeploy").into());
    let program = PathBuf::from(program);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepare(root, &program, folder);
    build_outside_the_daemon(&program, folder);
    let (mut installs, mut keys, mut builds, mut sums) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut script = Command::new(root.join("scripts/action/install"));
        script.env_remove("NEXTDEPLOY_BINARY").envs([("ACTION_REPOSITORY", "acme/nextdeploy"), ("ACTION_REF", "v0")]);
        let installed = step(&mut script, folder);
        let found = fs::read_to_string(folder.join("output")).unwrap();
        assert!(found.contains("/tools/nextdeploy/"), "not from the tool cache: {found}");
        let mut script = Command::new(root.join("scripts/action/cache"));
        let searched = step(script.env("INPUT_CACHE", "true").current_dir(folder.join("app")), folder);
        let built = build_outside_the_daemon(&program, folder);
        sums.push(installed + searched + built);
        installs.push(installed);
        keys.push(searched);
        builds.push(built);
    }
    println!("| measure | time |\n|---|---|");
    let rows = [
        ("program from the tool cache", installs),
        ("keys of the caches", keys),
        ("`nextdeploy build` outside the daemon's build", builds),
        ("together", sums),
    ];
    for (name, values) in rows {
        println!("| {name} | {:.0} ms |", median(values) * 1000.0);
    }
    step(Command::new("docker").args(["image", "rm", "--force", IMAGE]), folder);
}
