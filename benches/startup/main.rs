//! Start-up and detection: `--help`, and `detect` in a pnpm workspace of 20,000 files compared with `git status` in the same tree.
//!
//! `cargo bench --bench startup`; needs git. Times are wall clock of the whole process, medians of this run.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program, not the product"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 21;
const PACKAGES: usize = 50;
const FILES_PER_PACKAGE: usize = 400;

fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let elapsed = start.elapsed();
    assert!(status.success(), "{command:?} failed");
    elapsed
}

fn median_ms(mut run: impl FnMut() -> Duration) -> f64 {
    run();
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| run()).collect();
    times.sort();
    times[ROUNDS / 2].as_secs_f64() * 1000.0
}

fn git(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(directory)
        .args(["-c", "user.name=bench", "-c", "user.email=bench@example.invalid"])
        .args(arguments);
    command
}

fn write_workspace(root: &Path) {
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("package.json", r#"{"name":"mono","private":true,"packageManager":"pnpm@10.12.4"}"#);
    write("pnpm-workspace.yaml", "packages:\n  - apps/*\n  - packages/*\n");
    write(
        "apps/web/package.json",
        r#"{"name":"web","scripts":{"build":"next build"},"dependencies":{"next":"16.4.6","p0":"workspace:*"}}"#,
    );
    write("apps/web/app/page.tsx", "export default function Page() { return null }\n");
    write("apps/web/next.config.ts", "export default { reactStrictMode: true }\n");
    // A lockfile of a size that real workspaces have.
    let mut lockfile = String::from(
        "lockfileVersion: '9.0'\n\nimporters:\n\n  apps/web:\n    dependencies:\n      next:\n        specifier: 16.4.6\n        version: 16.4.6\n\npackages:\n\n",
    );
    for number in 0..20_000 {
        let _ = write!(
            lockfile,
            "  some-dependency-{number}@1.2.{number}:\n    resolution: {{integrity: sha512-{number:0>86}==}}\n    engines: {{node: '>=18'}}\n\n"
        );
    }
    lockfile.push_str("  next@16.4.6:\n    resolution: {integrity: sha512-x}\n");
    write("pnpm-lock.yaml", &lockfile);
    for package in 0..PACKAGES {
        write(&format!("packages/p{package}/package.json"), &format!(r#"{{"name":"p{package}","version":"1.0.0"}}"#));
        for file in 0..FILES_PER_PACKAGE {
            write(&format!("packages/p{package}/src/d{}/f{file}.ts", file % 20), "export const value = 1\n");
        }
    }
    time(git(root, &["init", "--quiet"]).arg("."));
    time(&mut git(root, &["add", "--all"]));
    time(&mut git(root, &["commit", "--quiet", "--message", "workspace"]));
}

fn main() {
    let program = env!("CARGO_BIN_EXE_nextdeploy");
    let folder = tempfile::tempdir().unwrap();
    write_workspace(folder.path());
    let help = median_ms(|| time(Command::new(program).arg("--help")));
    let git_help = median_ms(|| time(Command::new("git").arg("--help")));
    let detect =
        median_ms(|| time(Command::new(program).args(["detect", "--json", "--app", "web"]).arg(folder.path())));
    let status = median_ms(|| time(&mut git(folder.path(), &["status", "--porcelain"])));
    println!("| measure | nextdeploy | git | ratio |\n|---|---|---|---|");
    println!("| `--help` | {help:.1} ms | {git_help:.1} ms | {:.2} |", help / git_help);
    println!(
        "| `detect` beside `git status`, {} files | {detect:.1} ms | {status:.1} ms | {:.2} |",
        PACKAGES * FILES_PER_PACKAGE,
        detect / status
    );
}
