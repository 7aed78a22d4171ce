//! Hostile repositories: no command runs what git would run for them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::program::Repository;

/// Every command that reads a repository and needs no daemon.
const VERBS: &[&[&str]] = &[
    &["detect"],
    &["plan"],
    &["dockerfile"],
    &["build", "--dry-run"],
    &["metadata"],
    &["metadata", "--check"],
    &["doctor"],
    &["init", "--dry-run", "--ci", "github"],
];

fn git(directory: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"];
    let output = Command::new("git").args(identity).args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A script that creates the file `ran` next to itself.
fn evil(repository: &Repository, path: &str) -> String {
    let marker = repository.path("ran");
    repository.write(path, format!("#!/bin/sh\ntouch {}\ncat\n", marker.display()));
    fs::set_permissions(repository.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    repository.path(path).display().to_string()
}

fn app(repository: &Repository, folder: &str) {
    let next_app = Repository::next_app();
    for file in ["package.json", "package-lock.json", "app/page.tsx"] {
        repository.write(&format!("{folder}/{file}"), fs::read(next_app.path(file)).unwrap());
    }
    repository.write(&format!("{folder}/.gitattributes"), "*.json filter=x\n");
}

/// Makes the file newer than the index: git then compares its content, which runs a filter.
fn rewrite(repository: &Repository, path: &str) {
    repository.write(path, fs::read(repository.path(path)).unwrap());
}

#[test]
fn a_folder_that_git_takes_for_a_repository() {
    let repository = Repository::empty();
    let evil = evil(&repository, "evil");
    app(&repository, "shop");
    let shop = repository.path("shop");
    git(&shop, &["init", "-q"]);
    git(&shop, &["add", "-A"]);
    for name in ["HEAD", "index", "objects", "refs"] {
        fs::rename(shop.join(".git").join(name), shop.join(name)).unwrap();
    }
    fs::remove_dir_all(shop.join(".git")).unwrap();
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tworktree = .\n[filter \"x\"]\n\tclean = {evil}\n\trequired = true\n"
    );
    repository.write("shop/config", config);
    rewrite(&repository, "shop/package.json");
    git(repository.root(), &["init", "-q"]);
    for verb in VERBS {
        let run = repository.run(&[verb, ["shop"].as_slice()].concat());
        assert!(!repository.path("ran").exists(), "{verb:?} ran the filter: {run:#?}");
        assert_ne!(run.code, Some(1), "{verb:?}: {run:#?}");
    }
    // git itself would have run it.
    Command::new("git").arg("status").current_dir(&shop).output().unwrap();
    assert!(repository.path("ran").exists());
}

#[test]
fn a_program_in_the_repository_is_not_taken_for_git() {
    let repository = Repository::next_app();
    git(repository.root(), &["init", "-q"]);
    evil(&repository, "git");
    for path in [".:/usr/local/bin:/usr/bin:/bin", ":/usr/local/bin:/usr/bin:/bin"] {
        let run = repository.run_with(&["plan"], &[("PATH", path)]);
        assert_eq!(run.code, Some(0), "{run:#?}");
        assert!(!repository.path("ran").exists(), "PATH={path}");
    }
}

#[test]
fn a_repository_of_another_user() {
    if !rustix::process::geteuid().is_root() {
        // Only root can change the owner of a file.
        return;
    }
    let repository = Repository::next_app();
    let evil = evil(&repository, "evil");
    repository.write(".gitattributes", "*.json filter=x\n");
    git(repository.root(), &["init", "-q"]);
    git(repository.root(), &["add", "-A"]);
    git(repository.root(), &["config", "filter.x.clean", &evil]);
    rewrite(&repository, "package.json");
    std::os::unix::fs::chown(repository.path(".git"), Some(12_345), None).unwrap();
    for verb in VERBS {
        let run = repository.run(verb);
        // `doctor` reports to standard output.
        let printed = run.stderr + &run.stdout;
        assert!(printed.contains("source/git-foreign-owner") && printed.contains("safe.directory"), "{printed}");
        assert!(!printed.contains("doctor/no-checkout"), "{printed}");
        assert!(!repository.path("ran").exists(), "{verb:?}");
    }
    let root = repository.root().to_str().unwrap();
    let ci = [("GITHUB_ACTIONS", "true"), ("GITHUB_WORKSPACE", root)];
    let run = repository.run_with(&["plan"], &ci);
    assert!(!run.stderr.contains("foreign-owner"), "{run:#?}");
    assert!(!repository.path("ran").exists());
}
