//! Files and folders without read permission: an error if they would be sent, ignored otherwise.
//!
//! Permission bits do not apply to root, so root runs the test again as another user.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use futures_util::StreamExt;
use nextdeploy::builder::stream;
use nextdeploy::diagnostic::{Diagnostic, ExitCode};
use nextdeploy::image::dockerfile::{BuildContext, ContextError, own_context};
use nextdeploy::repo::{Exclusions, IgnoreRules, SourceTree};

/// True if the calling test was run, and passed, as an unprivileged user.
fn done_without_privileges(test: &str) -> bool {
    if !rustix::process::geteuid().is_root() {
        return false;
    }
    let status = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed as another user");
    true
}

fn context(root: &Path) -> Result<BuildContext, ContextError> {
    let tree = SourceTree::read(root, Exclusions::Standard, None).unwrap();
    let rules = IgnoreRules::of_tree(&tree, None).unwrap();
    own_context(&tree, rules.sent(&tree, &[]).unwrap()).map(|own| own.context)
}

fn forbid(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o0)).unwrap();
}

#[test]
fn folders() {
    if done_without_privileges("unreadable::folders") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("private");
    fs::create_dir(&folder).unwrap();
    forbid(&folder);
    let error = context(dir.path()).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("dockerfile/unreadable-directory", ExitCode::Project));
    assert_eq!(error.to_string(), "`private` cannot be listed: permission denied");

    fs::write(dir.path().join(".dockerignore"), "private\n").unwrap();
    assert_eq!(context(dir.path()).unwrap().entries.len(), 1);

    forbid(dir.path());
    let error = SourceTree::read(dir.path(), Exclusions::Standard, None).unwrap_err();
    assert_eq!(error.code(), "source/unreadable");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn files() {
    if done_without_privileges("unreadable::files") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("key"), "secret").unwrap();
    forbid(&dir.path().join("key"));
    let items: Vec<_> = stream(context(dir.path()).unwrap()).0.collect().await;
    let error = items.into_iter().last().unwrap().unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("context/unreadable", ExitCode::Project));
    let text = error.to_string();
    assert!(text.starts_with("cannot read `") && text.ends_with("/key`: permission denied"), "{text}");

    fs::write(dir.path().join(".dockerignore"), "key\n").unwrap();
    let items: Vec<_> = stream(context(dir.path()).unwrap()).0.collect().await;
    assert!(items.iter().all(Result::is_ok));
}
