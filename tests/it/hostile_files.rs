//! Hostile files that exhaust memory or time: the program stays within its limits and names the file.
//!
//! Each repository is read by a child process with memory and CPU limits, which are this generous only because of the debug
//! build.

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::Repository;

const PROJECT: i32 = 3;
const MIB: u64 = 1024 * 1024;

/// Writable memory in KiB, CPU time in seconds, wall clock time in seconds.
const LIMITED: &str = "ulimit -d 524288 && ulimit -t 40 && exec timeout 90 \"$0\" \"$@\"";

/// Exit code and messages of the program in `folder`.
fn run_in(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new("sh")
        .args(["-c", LIMITED, env!("CARGO_BIN_EXE_nextdeploy")])
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The program rejects `repository` with this error, whose message contains `words`.
#[track_caller]
fn refuses(repository: &Repository, code: &str, words: &str) {
    let (exit, messages) = run_in(repository.root(), &["build", "--dry-run"]);
    assert_eq!(exit, Some(PROJECT), "{messages}");
    assert!(messages.contains(&format!("[{code}]")) && messages.contains(words), "{words} [{code}]: {messages}");
    assert!(messages.len() < 10_000, "{} bytes of messages", messages.len());
}

/// The program handles `repository` as if the file did not exist.
#[track_caller]
fn accepts(repository: &Repository) {
    let (exit, messages) = run_in(repository.root(), &["build", "--dry-run"]);
    assert_eq!(exit, Some(0), "{messages}");
}

fn app_with(file: &str, content: impl AsRef<[u8]>) -> Repository {
    let repository = Repository::next_app();
    repository.write(file, content);
    repository
}

/// `text` for each number below `count`.
fn lines(count: usize, text: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |all, n| all + &text(n))
}

fn manifest_with(fields: &str) -> String {
    format!(r#"{{"name":"shop","scripts":{{"build":"next build"}},"dependencies":{{"next":"16.4.6"}},{fields}}}"#)
}

fn sparse(path: &Path, size: u64) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(path).unwrap().set_len(size).unwrap();
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn environment_files_that_expand() {
    let tracked = |text: String| {
        let repository = app_with(".env", text);
        for arguments in [&["init", "-q"][..], &["add", ".env"]] {
            assert!(Command::new("git").args(arguments).current_dir(repository.root()).status().unwrap().success());
        }
        repository
    };
    let refused = |text: String| refuses(&tracked(text), "project/file-too-large", "`.env` is too large");
    refused(lines(100_000, |n| format!("NAME_{n}={n}\n")));
    refused(format!("A={}\n", "x".repeat(60_000)) + &lines(1_000, |n| format!("B{n}=$A\n")));
    // Next.js goes on without a file whose references do not end, and so does the image.
    accepts(&tracked(lines(8, |n| format!("V{n}={}\n", format!("$V{}", n + 1).repeat(60))) + "V8=xxxxxxxxxx\n"));
    accepts(&tracked("A=$B\nB=x$A\n".to_owned()));
    accepts(&tracked(lines(100_000, |n| format!("A{}='\\'\n", n % 9))));
    // Values that look like references after unescaping are not expanded again.
    accepts(&tracked(format!("A={}\n", "\\$A".repeat(300))));
}

#[test]
fn configuration_of_package_managers() {
    let references = lines(60_000, |n| format!("//r{n}/:_authToken=${{T{n}}}\n"));
    refuses(&app_with(".npmrc", references), "project/file-too-large", "`.npmrc` is too large");
    let globs = lines(20_000, |n| format!("\"p{n}/*a*a*a*b\","));
    let globs = app_with("package.json", manifest_with(&format!("\"workspaces\":[{globs}\"x\"]")));
    refuses(&globs, "project/file-too-large", "`package.json` is too large");
    for pattern in ["*a".repeat(2_000), "{a,b}".repeat(2_000), "{".repeat(500) + "a,b" + &"}".repeat(500)] {
        let globs = app_with("package.json", manifest_with(&format!("\"workspaces\":[\"{pattern}\"]")));
        refuses(&globs, "project/file-too-large", "too many wildcards");
    }
    let text = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1_000_000), "*a,".repeat(300_000));
    for (file, lockfile) in [("pnpm-workspace.yaml", "pnpm-lock.yaml"), (".yarnrc.yml", "yarn.lock")] {
        let repository = app_with(file, &text);
        repository.remove("package-lock.json").write(
            lockfile,
            if lockfile == "yarn.lock" {
                "__metadata:\n  version: 8\n\n\"next@npm:16.4.6\":\n  version: 16.4.6\n"
            } else {
                "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      next:\n        version: 16.4.6\n"
            },
        );
        refuses(&repository, "project/malformed-file", &format!("`{file}` cannot be read as YAML"));
    }
}

#[test]
fn settings_with_very_many_fields() {
    let refused = |file: &str, content: &str, code: &str| {
        refuses(&app_with(file, content), code, &format!("`{file}` is "));
    };
    accepts(&app_with("metadata.json", format!("{{{}\"b\":1}}", lines(100_000, |n| format!("\"f{n}\":{n},")))));
    let variables = lines(100_000, |n| format!("\"F{n}\":\"{n}\","));
    refused("metadata.json", &format!("{{\"env_vars\":{{{variables}\"x\":\"\"}}}}"), "metadata/too-large");
    let secrets = lines(20_000, |n| format!("  - {{name: F{n}, secret: true}}\n"));
    refused("nextdeploy.yml", &format!("environment:\n{secrets}"), "metadata/too-large");
    let tags = lines(20_000, |n| format!("  - a:{n}\n"));
    refused("nextdeploy.yml", &format!("docker:\n tags:\n{tags}"), "metadata/too-large");
    let aliases = (1..12).fold("a0: &a0 [x,x]\n".to_owned(), |mut all, n| {
        writeln!(all, "a{n}: &a{n} [{}]", format!("*a{},", n - 1).repeat(9)).unwrap();
        all
    });
    refused("nextdeploy.yml", &aliases, "metadata/syntax");
}

#[test]
fn ignore_files_with_very_many_patterns() {
    let many = app_with(".dockerignore", lines(400_000, |n| format!("a{n}\n")));
    refuses(&many, "source/ignore-file", "`.dockerignore` cannot be used: it has more than 10000 patterns");
}

#[test]
fn lockfiles_and_manifests_that_are_too_large_together() {
    let repository = Repository::next_app();
    for folder in 0..30 {
        sparse(&repository.path(&format!("s{folder}/package-lock.json")), 48 * MIB);
    }
    accepts(&repository);
    sparse(&repository.path("package-lock.json"), 64 * MIB);
    refuses(&repository, "project/file-too-large", "`package-lock.json` is too large: it is larger than 48 MiB");

    let repository = app_with("package.json", manifest_with("\"workspaces\":[\"p/*\"]"));
    let dependencies = lines(90_000, |n| format!("\"a{n:x}\":\"\","));
    let large = format!("{{\"dependencies\":{{{dependencies}\"a\":\"\"}}}}");
    for folder in 0..30 {
        repository.write(&format!("p/{folder}/package.json"), &large);
    }
    refuses(&repository, "project/file-too-large", "of the repository exceed 16 MiB in total");

    let empty = "[],".repeat(6_000_000);
    let bun = format!("{{\"lockfileVersion\":1,\"x\":[{empty}],\"packages\":{{\"next\":[\"next@16.4.6\",],}},}}");
    let repository = app_with("bun.lock", bun);
    accepts(repository.remove("package-lock.json"));
}

#[test]
fn only_regular_files_are_read() {
    let makes: [fn(&Path); 3] = [|path| symlink("/dev/zero", path).unwrap(), pipe, |path| sparse(path, 200 * MIB)];
    for name in ["package.json", "pnpm-workspace.yaml", "lerna.json"] {
        for make in makes {
            let app = Repository::next_app();
            let repository = Repository::empty();
            make(&repository.path(name));
            for file in ["package.json", "package-lock.json", "app/page.tsx"] {
                repository.write(&format!("web/{file}"), std::fs::read(app.path(file)).unwrap());
            }
            let (exit, messages) = run_in(&repository.path("web"), &["build", "--dry-run"]);
            assert_eq!(exit, Some(0), "{name}: {messages}");
        }
    }
    let repository = Repository::next_app();
    repository.remove("package.json");
    symlink("/dev/zero", repository.path("package.json")).unwrap();
    refuses(&repository, "project/unreadable-file", "`package.json` cannot be read: it links to `/dev/zero`");
    let repository = app_with("nextdeploy.yml", "docker:\n  build:\n    dockerfile: Own\n");
    symlink("/dev/zero", repository.path("Own")).unwrap();
    let (exit, messages) = run_in(repository.root(), &["build", "--dry-run"]);
    assert!(exit.is_some_and(|code| code != 0) && messages.contains("Own"), "{messages}");
}

#[test]
fn trees_that_are_too_deep_are_rejected() {
    let repository = Repository::next_app();
    let deep: String = "d/".repeat(200);
    std::fs::create_dir_all(repository.path(&deep)).unwrap();
    refuses(&repository, "source/too-large", "nested more than 128 folders deep");
}
