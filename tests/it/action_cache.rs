//! `scripts/action/cache`: when the action keeps caches between runs, and under which keys.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A checkout of one app, in `shop/`.
fn checkout() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("shop")).unwrap();
    write(folder.path(), "shop/package-lock.json", "{}");
    write(folder.path(), "shop/page.tsx", "export default () => null");
    commit(folder.path());
    folder
}

fn write(folder: &Path, path: &str, text: &str) {
    fs::write(folder.join(path), text).unwrap();
}

fn commit(folder: &Path) {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
    for arguments in [&["init", "--quiet"][..], &["add", "--all"], &["commit", "--quiet", "--message", "x"]] {
        let status = Command::new("git").args(identity).args(arguments).current_dir(folder).status().unwrap();
        assert!(status.success());
    }
}

/// Exit code, log and outputs of the step.
fn step(folder: &Path, variables: &[(&str, &str)]) -> (Option<i32>, String, BTreeMap<String, String>) {
    let scratch = tempfile::tempdir().unwrap();
    let output_file = scratch.path().join("output");
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/action/cache"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("GITHUB_OUTPUT", &output_file)
        .env("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567")
        .envs([
            ("RUNNER_OS", "Linux"),
            ("RUNNER_ARCH", "X64"),
            ("RUNNER_TEMP", "/runner/temp"),
            ("INPUT_CACHE", "true"),
        ])
        .env("INPUT_WORKING_DIRECTORY", "shop")
        .envs(variables.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let written = fs::read_to_string(output_file).unwrap_or_default();
    let outputs = written.lines().map(|line| line.split_once('=').unwrap());
    let outputs = outputs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), outputs)
}

#[track_caller]
fn keys(folder: &Path, variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    let (code, log, outputs) = step(folder, variables);
    assert_eq!((code, log.as_str()), (Some(0), ""));
    assert_eq!(outputs["folder"], "/runner/temp/nextdeploy-cache");
    assert!(outputs["key"].starts_with(&outputs["lockfile-key"]), "{outputs:#?}");
    assert!(outputs["lockfile-key"].starts_with(&outputs["app-key"]), "{outputs:#?}");
    assert!(outputs["app-key"].starts_with("nextdeploy-Linux-X64-"), "{outputs:#?}");
    outputs
}

#[test]
fn caches_are_kept_on_ephemeral_machines_or_on_request() {
    let folder = checkout();
    let none = |variables: &[(&str, &str)]| {
        let (code, _, outputs) = step(folder.path(), variables);
        assert_eq!((code, outputs.len()), (Some(0), 0), "{variables:?}");
    };
    let auto = ("INPUT_CACHE", "auto");
    keys(folder.path(), &[auto, ("RUNNER_ENVIRONMENT", "github-hosted")]);
    none(&[auto, ("RUNNER_ENVIRONMENT", "self-hosted")]);
    none(&[auto]);
    none(&[("INPUT_CACHE", "false"), ("RUNNER_ENVIRONMENT", "github-hosted")]);
    none(&[("INPUT_CACHE_DIR", "/kept")]);
    none(&[("NEXTDEPLOY_CACHE_DIR", "/kept")]);
    none(&[("INPUT_DRY_RUN", "true")]);
    none(&[("INPUT_NO_CACHE", "1")]);
    none(&[("INPUT_DOCKERFILE", "own")]);
}

#[test]
fn keys_follow_sources_lockfile_and_app() {
    let folder = checkout();
    let first = keys(folder.path(), &[]);
    assert_eq!(keys(folder.path(), &[("INPUT_DRY_RUN", "false"), ("INPUT_DOCKERFILE", "generated")]), first);

    write(folder.path(), "shop/page.tsx", "export default () => 'changed'");
    commit(folder.path());
    let second = keys(folder.path(), &[]);
    assert_ne!(second["key"], first["key"]);
    assert_eq!(second["lockfile-key"], first["lockfile-key"]);

    // At the root of the workspace, next to the app.
    write(folder.path(), "pnpm-lock.yaml", "lockfileVersion: '9.0'");
    commit(folder.path());
    let third = keys(folder.path(), &[]);
    assert_ne!(third["lockfile-key"], first["lockfile-key"]);
    assert_eq!(third["app-key"], first["app-key"]);

    assert_ne!(keys(folder.path(), &[("INPUT_APP", "admin")])["app-key"], first["app-key"]);
}

#[test]
fn a_checkout_without_git_has_keys_of_its_own_lockfile_and_commit() {
    let folder = checkout();
    fs::remove_dir_all(folder.path().join(".git")).unwrap();
    let first = keys(folder.path(), &[]);
    assert!(first["key"].ends_with("-0123456789abcdef0123456789abcdef01234567"), "{first:#?}");
    write(folder.path(), "shop/package-lock.json", "{\"lockfileVersion\":3}");
    assert_ne!(keys(folder.path(), &[])["lockfile-key"], first["lockfile-key"]);
    fs::remove_dir_all(folder.path().join("shop")).unwrap();
    keys(folder.path(), &[]);
}

#[test]
fn a_folder_that_looks_like_a_repository_runs_nothing() {
    let folder = checkout();
    let shop = folder.path().join("shop");
    let ran = folder.path().join("ran");
    for name in ["objects", "refs/heads"] {
        fs::create_dir_all(shop.join(name)).unwrap();
    }
    write(&shop, "HEAD", "ref: refs/heads/main\n");
    write(&shop, "refs/heads/main", "0123456789abcdef0123456789abcdef01234567\n");
    // git runs this command to fetch a missing object.
    let config = format!(
        "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tpartialClone = origin\n\
         [remote \"origin\"]\n\tpromisor = true\n\turl = {}\n\tuploadpack = touch {};\n",
        shop.display(),
        ran.display()
    );
    write(&shop, "config", &config);
    keys(folder.path(), &[]);
    assert!(!ran.exists(), "the command of the folder's configuration ran");
}

#[test]
fn a_lockfile_that_is_a_link_to_a_device_is_not_read() {
    let folder = checkout();
    fs::remove_dir_all(folder.path().join(".git")).unwrap();
    let first = keys(folder.path(), &[]);
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("shop/yarn.lock")).unwrap();
    assert_eq!(keys(folder.path(), &[]), first);
}

#[test]
fn an_invalid_value_is_an_escaped_error() {
    let (code, log, outputs) = step(checkout().path(), &[("INPUT_CACHE", "x\n::error::forged %0A")]);
    assert_eq!((code, outputs.len()), (Some(2), 0));
    assert_eq!(
        log,
        "::error title=nextdeploy::the input cache is \"x???error??forged??0A\": give auto, true or false\n"
    );
}
