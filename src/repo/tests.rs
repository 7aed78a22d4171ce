//! Trees on a real disk: what the walk, the texts, the git facts and `locate` make of them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::host::{Environment, run_command};
use crate::rel_path::RelPath;

/// A directory with these files; a path that ends with `/` is an empty folder.
fn disk(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (path, text) in files {
        let path_on_disk = dir.path().join(path);
        if path.ends_with('/') {
            fs::create_dir_all(path_on_disk).unwrap();
        } else {
            fs::create_dir_all(path_on_disk.parent().unwrap()).unwrap();
            fs::write(path_on_disk, text).unwrap();
        }
    }
    dir
}

fn read(dir: &TempDir) -> SourceTree {
    read_path(dir.path()).unwrap()
}

fn read_path(path: &Path) -> Result<SourceTree, SourceError> {
    let environment = Environment::of_process();
    let git = GitOptions { detail: GitDetail::Full, environment: &environment, workspace: None };
    SourceTree::read(path, Exclusions::Standard, Some(&git))
}

fn paths(tree: &SourceTree) -> Vec<&Path> {
    tree.entries().iter().map(|entry| entry.path.as_path()).collect()
}

fn rel(path: &str) -> RelPath {
    RelPath::new(path).unwrap()
}

fn text<'a>(tree: &'a SourceTree, path: &str) -> &'a SourceText {
    tree.text(&rel(path)).unwrap()
}

fn git(dir: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"];
    let output = run_command("git", &[&identity, arguments].concat(), dir).unwrap();
    assert!(output.success, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn entries_are_sorted_and_exclusions_are_pruned() {
    let dir = disk(&[
        ("b/z.js", ""),
        ("b.js", ""),
        ("b/.next/x", ""),
        ("a/node_modules/x/package.json", "{}"),
        ("a/x", ""),
        (".git/HEAD", ""),
        ("empty/", ""),
        (".env.local", "A=1"),
    ]);
    let tree = read(&dir);
    let expected = [".env.local", "a", "a/x", "b", "b/z.js", "b.js", "empty"];
    assert_eq!(paths(&tree), expected.map(Path::new));
    for path in expected {
        assert!(tree.entry(&rel(path)).is_some(), "{path}");
    }
    assert_eq!(tree.text(&rel(".env.local")), None, "local environment files are seen, not read");

    let all = tree.read_again(Exclusions::Reports).unwrap();
    assert!(paths(&all).contains(&Path::new("a/node_modules/x/package.json")));
    assert_eq!(all.text(&rel("a/node_modules/x/package.json")), None);
}

#[test]
fn kinds_modes_and_strange_names_are_kept() {
    let dir = disk(&[("run.sh", "#!"), ("line\nbreak", "x")]);
    fs::set_permissions(dir.path().join("run.sh"), fs::Permissions::from_mode(0o751)).unwrap();
    let not_utf8 = OsStr::from_bytes(b"caf\xe9.js");
    fs::write(dir.path().join(not_utf8), "abc").unwrap();
    symlink(".", dir.path().join("loop")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s.sock")).unwrap();
    let tree = read(&dir);
    let expected: Vec<(PathBuf, EntryKind)> = vec![
        (not_utf8.into(), EntryKind::File { size: 3 }),
        ("line\nbreak".into(), EntryKind::File { size: 1 }),
        ("loop".into(), EntryKind::Symlink { target: ".".into() }),
        ("run.sh".into(), EntryKind::File { size: 2 }),
        ("s.sock".into(), EntryKind::Special { what: "socket" }),
    ];
    let found: Vec<_> = tree.entries().iter().map(|entry| (entry.path.clone(), entry.kind.clone())).collect();
    assert_eq!(found, expected);
    assert_eq!(tree.entry(&rel("run.sh")).unwrap().mode, 0o751);
}

#[test]
fn texts_say_what_is_wrong_with_them() {
    let dir = disk(&[
        ("package.json", "\u{feff}{}"),
        (".dockerignore", "*.md"),
        ("apps/web/.nextdeploy/metadata.json", "{}"),
    ]);
    fs::write(dir.path().join("turbo.json"), b"{\"a\": \"\xff\"}").unwrap();
    fs::write(dir.path().join("lerna.json"), vec![b' '; 4 * 1024 * 1024 + 1]).unwrap();
    fs::write(dir.path().join("yarn.lock"), vec![b' '; 5 * 1024 * 1024]).unwrap();
    fs::write(dir.path().join("bun.lockb"), b"#!/usr/bin/env bun\n\xff").unwrap();
    fs::create_dir(dir.path().join("nx.json")).unwrap();
    let tree = read(&dir);
    assert_eq!(*text(&tree, "package.json"), SourceText::Text("{}".into()));
    assert_eq!(*text(&tree, ".dockerignore"), SourceText::Text("*.md".into()));
    assert_eq!(*text(&tree, "apps/web/.nextdeploy/metadata.json"), SourceText::Text("{}".into()));
    assert_eq!(*text(&tree, "turbo.json"), SourceText::NotUtf8 { valid_up_to: 7 });
    assert_eq!(*text(&tree, "lerna.json"), SourceText::TooLarge { reason: "it is larger than 4 MiB".into() });
    assert!(matches!(text(&tree, "yarn.lock"), SourceText::Text(text) if text.len() == 5 * 1024 * 1024));
    assert_eq!(*text(&tree, "bun.lockb"), SourceText::Binary(b"#!/usr/bin/env bun\n\xff".to_vec()));
    assert_eq!(tree.text(&rel("nx.json")), None);
}

#[test]
fn linked_texts_are_read_inside_the_repository_only() {
    let outside = disk(&[("secret.json", "{}")]);
    let dir = disk(&[("config/npmrc", "a=b"), ("folder/x", "")]);
    symlink("config/npmrc", dir.path().join(".npmrc")).unwrap();
    symlink(outside.path().join("secret.json"), dir.path().join("package.json")).unwrap();
    symlink("nowhere", dir.path().join("turbo.json")).unwrap();
    symlink("nx.json", dir.path().join("nx.json")).unwrap();
    symlink("folder", dir.path().join("lerna.json")).unwrap();
    let tree = read(&dir);
    assert_eq!(*text(&tree, ".npmrc"), SourceText::Text("a=b".into()));
    let reason = |path| match text(&tree, path) {
        SourceText::Unreadable { reason } => reason.clone(),
        other => panic!("{path}: {other:?}"),
    };
    assert!(reason("package.json").ends_with("secret.json`, outside the repository"), "{}", reason("package.json"));
    assert_eq!(reason("turbo.json"), "it links to `nowhere`: no such file or directory");
    assert!(reason("nx.json").contains("too many levels of symbolic links"), "{}", reason("nx.json"));
    assert_eq!(tree.text(&rel("lerna.json")), None);
}

#[test]
fn links_to_folders_are_followed_inside_the_repository_only() {
    let outside = disk(&[("app/page.js", "")]);
    let dir = disk(&[("modules/site/app/page.js", ""), ("modules/site/next.config.js", "")]);
    symlink("modules/site/app", dir.path().join("app")).unwrap();
    symlink("modules/site", dir.path().join("web")).unwrap();
    symlink("../web/../modules", dir.path().join("modules/again")).unwrap();
    symlink(outside.path(), dir.path().join("out")).unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    let tree = read(&dir);
    let resolved = |path| tree.resolve(&rel(path)).map(|path| path.to_string());
    assert_eq!(resolved("app").as_deref(), Some("modules/site/app"));
    assert_eq!(resolved("web/next.config.js").as_deref(), Some("modules/site/next.config.js"));
    assert_eq!(resolved("modules/again/site").as_deref(), Some("modules/site"));
    assert_eq!([resolved("out"), resolved("out/app"), resolved("loop"), resolved("none")], [const { None }; 4]);
    assert!(tree.has_directory(&rel("app")) && tree.has_directory(&rel("web/app")));
    assert!(tree.has_file(&rel("web/app/page.js")) && !tree.has_file(&rel("web/app")));
    assert!(!tree.has_directory(&rel("out/app")) && !tree.has_directory(&rel("loop")));
}

#[test]
fn missing_and_other_paths_are_clear_errors() {
    let dir = disk(&[("file", "")]);
    let check = |path: &str, code: &str, message: &str| {
        for error in [locate(&dir.path().join(path)).unwrap_err(), read_path(&dir.path().join(path)).unwrap_err()] {
            assert_eq!((error.code(), error.exit_code()), (code, ExitCode::Project));
            assert!(error.to_string().contains(message), "{error}");
            assert_eq!(error.hints().len(), 1);
        }
    };
    check("missing", "source/missing", "missing` does not exist");
    check("file", "source/not-a-directory", "file` is not a directory");
    check("file/below", "source/not-a-directory", "file/below` is not a directory");
}

#[test]
fn the_workspace_root_above_is_found_by_what_it_declares() {
    let check = |files: &[(&str, &str)], start: &str, expected_start: &str| {
        let dir = disk(files);
        fs::create_dir_all(dir.path().join(start)).unwrap();
        let located = locate(&dir.path().join(start)).unwrap();
        assert_eq!(located.start, rel(expected_start), "{files:?}");
        assert_eq!(located.start.under(&located.root), dir.path().join(start).canonicalize().unwrap());
    };
    let npm = ("package.json", r#"{"workspaces": ["./apps/*/", "!apps/old"]}"#);
    let yarn = ("package.json", r#"{"workspaces": {"packages": ["apps/**"]}}"#);
    let pnpm = ("pnpm-workspace.yaml", "packages:\n  - 'apps/*'\n");
    let lerna = ("lerna.json", "{}");
    check(&[npm], "apps/web", "apps/web");
    check(&[npm], "apps/old", "");
    check(&[npm], "apps/web/nested", "");
    check(&[yarn], "apps/team/web", "apps/team/web");
    check(&[pnpm], "apps/web", "apps/web");
    check(&[lerna], "packages/web", "packages/web");
    check(&[("package.json", "{broken")], "apps/web", "");
    // A lockfile alone makes a root inside git only, and only for a directory that has none.
    let (head, lock) = ((".git/HEAD", ""), ("package-lock.json", "{}"));
    check(&[lock], "web", "");
    check(&[head, lock], "web", "web");
    check(&[head, lock, ("web/yarn.lock", "")], "web", "");
    check(&[lock, ("web/.git/HEAD", "")], "web", "");
    check(&[npm, ("apps/web/.git", "gitdir: elsewhere")], "apps/web", "");
    check(&[head, lock, ("web/package.json", r#"{"workspaces": ["a"]}"#)], "web", "");
}

#[test]
fn files_of_other_users_above_are_ignored() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give files away.
        return;
    }
    let give = |path: &Path, user: u32| std::os::unix::fs::chown(path, Some(user), None).unwrap();
    for (file, text) in [
        ("package.json", r#"{"workspaces": ["*"]}"#),
        ("pnpm-workspace.yaml", "packages: ['*']"),
        ("lerna.json", "{\"packages\": [\"*\"]}"),
    ] {
        let dir = disk(&[(file, text), ("web/x", "")]);
        let start = || locate(&dir.path().join("web")).unwrap().start.to_string();
        assert_eq!(start(), "web");
        give(&dir.path().join(file), 12_345);
        assert_eq!(start(), ".", "{file} of a stranger");
        give(&dir.path().join("web"), 12_345);
        assert_eq!(start(), "web", "{file} of the project's owner");
    }
    let dir = disk(&[(".git/HEAD", ""), ("yarn.lock", ""), ("web/x", "")]);
    give(&dir.path().join("yarn.lock"), 12_345);
    assert_eq!(locate(&dir.path().join("web")).unwrap().start, RelPath::root());
}

#[test]
fn git_facts_of_a_real_repository() {
    let dir =
        disk(&[(".env", "A=1"), ("apps/web/.env.production", ""), ("apps/web/x.ts", ""), (".gitignore", "*.local")]);
    git(dir.path(), &["init", "-q"]);
    let unborn = read(&dir).git.unwrap();
    assert_eq!((unborn.commit, unborn.branch.as_deref(), unborn.dirty), (None, Some("main"), true));

    git(dir.path(), &["add", "-A"]);
    git(dir.path(), &["commit", "-qm", "one"]);
    git(dir.path(), &["tag", "v1.0"]);
    git(dir.path(), &["remote", "add", "origin", "https://u:secret@git.example/o/r.git"]);
    fs::write(dir.path().join(".env.local"), "B=2").unwrap();
    for report in REPORT_FILES {
        fs::write(dir.path().join(report), "").unwrap();
    }
    let index = fs::read(dir.path().join(".git/index")).unwrap();
    let facts = read(&dir).git.unwrap();
    assert_eq!(facts.commit.as_ref().map(String::len), Some(40));
    assert!(facts.commit_time.unwrap() > 1_600_000_000);
    assert_eq!((facts.branch.as_deref(), facts.tag.as_deref(), facts.dirty), (Some("main"), Some("v1.0"), false));
    assert_eq!(facts.remote.as_deref(), Some("https://git.example/o/r.git"));
    assert_eq!(Vec::from_iter(&facts.tracked_env_files), [".env", "apps/web/.env.production"]);
    assert_eq!(fs::read(dir.path().join(".git/index")).unwrap(), index, "reading must not write");

    // Below the top level everything is relative to the requested root, and changes elsewhere do not count.
    fs::write(dir.path().join("elsewhere"), "").unwrap();
    let below = read_path(&dir.path().join("apps/web")).unwrap().git.unwrap();
    assert_eq!(Vec::from_iter(&below.tracked_env_files), [".env.production"]);
    assert!(!below.dirty);
    assert!(read(&dir).git.unwrap().dirty);

    git(dir.path(), &["checkout", "-q", "--detach"]);
    assert_eq!(read(&dir).git.unwrap().branch, None);
}

#[test]
fn no_repository_and_a_broken_one() {
    let dir = disk(&[("x", "")]);
    let tree = read(&dir);
    assert_eq!((tree.git, tree.warnings), (None, vec![]));

    fs::write(dir.path().join(".git"), "gitdir: /nowhere\n").unwrap();
    let tree = read(&dir);
    assert_eq!(tree.git, None);
    assert_eq!(tree.warnings[0].code, "source/git-unavailable");
    assert!(tree.warnings[0].message.contains("not a git repository"), "{:?}", tree.warnings);
}

#[test]
fn texts_have_a_limit_together() {
    let dir = disk(&[]);
    for folder in ["a", "b", "c", "d", "e"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join("package.json"), vec![b' '; 4 * 1024 * 1024]).unwrap();
        fs::write(dir.path().join(folder).join("yarn.lock"), "").unwrap();
    }
    let tree = read(&dir);
    for folder in ["a", "b", "c", "d"] {
        assert!(matches!(text(&tree, &format!("{folder}/package.json")), SourceText::Text(_)));
    }
    let reason = "the manifests and configuration files of the repository exceed 16 MiB in total".to_owned();
    assert_eq!(*text(&tree, "e/package.json"), SourceText::TooLarge { reason });
    assert_eq!(*text(&tree, "e/yarn.lock"), SourceText::Text(String::new()), "lockfiles have a limit of their own");
    assert!(matches!(text(&tree, "a/package.json"), SourceText::Text(_)), "a text is read once");
}

#[test]
fn oversized_trees_are_refused() {
    let dir = disk(&[(&"d/".repeat(128), "")]);
    assert_eq!(paths(&read(&dir)).len(), 128);
    fs::create_dir(dir.path().join("d/".repeat(129))).unwrap();
    let error = SourceTree::read(dir.path(), Exclusions::Standard, None).unwrap_err();
    assert_eq!(error.code(), "source/too-large");
    assert!(error.to_string().ends_with("`d/d/d/d/d/d/d/d…` is nested more than 128 folders deep"), "{error}");
}

#[test]
fn only_regular_files_declare_workspaces() {
    let dir = disk(&[("app/package.json", "{}"), ("elsewhere/pnpm-workspace.yaml", "packages: [app]")]);
    let below = disk(&[("root/app/package.json", "{}"), ("package.json", r#"{"workspaces": ["app"]}"#)]);
    symlink("/dev/zero", dir.path().join("package.json")).unwrap();
    fs::File::create(dir.path().join("lerna.json")).unwrap().set_len(1 << 40).unwrap();
    symlink("../package.json", below.path().join("root/package.json")).unwrap();
    for start in [dir.path().join("app"), below.path().join("root/app")] {
        assert!(locate(&start).unwrap().start.is_root(), "{}", start.display());
    }
}
