//! The cost of reporting in a job: a build whose steps all come from the cache, with the output of GitHub Actions (groups,
//! annotations, outputs, job summary) compared with the same build with `--ci none`.
//!
//! `cargo bench --bench report`; needs a Docker daemon, git and the base image of the example. `NEXTDEPLOY_BINARY` is the path of an
//! existing binary. Times are wall clock of the whole process, medians of this run, alternating between both.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program, not the product"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
const IMAGE: &str = "nd-bench-report";

fn succeed(command: &mut Command) -> Duration {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    let elapsed = start.elapsed();
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    elapsed
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

fn build(app: &Path) -> Command {
    let program = std::env::var_os("NEXTDEPLOY_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_nextdeploy").into());
    let mut command = Command::new(program);
    command.arg("build").arg(app).args(["--tag", &format!("{IMAGE}:1")]);
    for name in ["GITHUB_ACTIONS", "GITLAB_CI", "CI", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_EVENT_PATH"] {
        command.env_remove(name);
    }
    command
}

fn silent(app: &Path) -> Duration {
    succeed(build(app).args(["--ci", "none"]))
}

fn reporting(app: &Path, files: &Path) -> Duration {
    let (summary, outputs) = (files.join("summary.md"), files.join("outputs"));
    for file in [&summary, &outputs] {
        fs::write(file, "").unwrap();
    }
    let elapsed = succeed(
        build(app)
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_REPOSITORY", "acme/shop")
            .env("GITHUB_STEP_SUMMARY", &summary)
            .env("GITHUB_OUTPUT", &outputs),
    );
    assert!(fs::metadata(&summary).unwrap().len() > 1000, "there is no summary");
    assert!(fs::read_to_string(&outputs).unwrap().contains("image-id"), "there are no outputs");
    elapsed
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("app");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello-next"), &app);
    silent(&app);
    reporting(&app, folder.path());
    let (mut off, mut on) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        off.push(silent(&app));
        on.push(reporting(&app, folder.path()));
    }
    let (off, on) = (median_ms(off), median_ms(on));
    println!("| measure | reporting on | off | ratio | difference |\n|---|---|---|---|---|");
    println!("| build from the cache | {on:.0} ms | {off:.0} ms | {:.2} | {:.0} ms |", on / off, on - off);
    succeed(Command::new("docker").args(["image", "rm", "--force"]).arg(format!("{IMAGE}:1")));
}
