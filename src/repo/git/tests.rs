//! Real repositories, legitimate and hostile, with every installed version of git.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::host::{Environment, run_command};

/// A folder with a repository `r`, a folder `home`, and a program `evil` that leaves a file for each of its names that runs.
struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    fn new() -> Self {
        let sandbox = Self { folder: TempDir::new().unwrap() };
        for name in ["r", "home", "ran"] {
            fs::create_dir(sandbox.path(name)).unwrap();
        }
        let evil = format!("#!/bin/sh\ntouch {}/$1\nexec cat\n", sandbox.path("ran").display());
        fs::write(sandbox.path("evil"), evil).unwrap();
        fs::set_permissions(sandbox.path("evil"), fs::Permissions::from_mode(0o755)).unwrap();
        sandbox
    }

    /// With one commit that holds `files`.
    fn with_commit(files: &[(&str, &str)]) -> Self {
        let sandbox = Self::new();
        sandbox.git("r", &["init", "-q"]);
        sandbox.write(files);
        sandbox.commit("r");
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn root(&self) -> PathBuf {
        self.path("r").canonicalize().unwrap()
    }

    fn write(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = self.path("r").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn git(&self, directory: &str, arguments: &[&str]) {
        let options = [
            "-c",
            "user.name=T",
            "-c",
            "user.email=t@example.com",
            "-c",
            "init.defaultBranch=main",
            "-c",
            "protocol.file.allow=always",
            // As the owner that a test may have given to the folder.
            "-c",
            "safe.directory=*",
        ];
        let output = run_command("git", &[&options, arguments].concat(), &self.path(directory)).unwrap();
        assert!(output.success, "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(&self, directory: &str) {
        self.git(directory, &["add", "-A"]);
        self.git(directory, &["commit", "-qm", "one"]);
    }

    /// A command line that proves that it was run.
    fn evil(&self, name: &str) -> String {
        format!("{} {name}", self.path("evil").display())
    }

    fn ran(&self) -> Vec<String> {
        fs::read_dir(self.path("ran")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn environment(&self) -> Environment {
        let process = Environment::of_process();
        let home = self.path("home");
        Environment::from_pairs([("PATH", process.get("PATH").unwrap()), ("HOME", home.to_str().unwrap())])
    }

    fn read_at(&self, root: &Path) -> GitReading {
        let environment = self.environment();
        read(root, &GitOptions { detail: GitDetail::Full, environment: &environment, workspace: None })
    }

    fn read(&self) -> GitReading {
        self.read_at(&self.root())
    }

    fn facts(&self) -> GitFacts {
        let reading = self.read();
        assert_eq!(reading.warning, None);
        reading.facts.unwrap()
    }

    fn dirty(&self) -> bool {
        self.facts().dirty
    }

    /// Makes git look at the content of `path` again.
    fn touch(&self, path: &str) {
        let file = fs::File::options().append(true).open(self.path("r").join(path)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
    }
}

/// The sections with which a configuration makes git run a program.
fn hostile_config(sandbox: &Sandbox) -> String {
    let included = sandbox.path("included");
    fs::write(&included, format!("[filter \"i\"]\nclean = {}\nrequired\n", sandbox.evil("included"))).unwrap();
    let hooks = sandbox.path("hooks");
    fs::create_dir_all(&hooks).unwrap();
    for hook in ["post-index-change", "fsmonitor-watchman", "post-checkout", "reference-transaction"] {
        fs::write(hooks.join(hook), format!("#!/bin/sh\n{}\n", sandbox.evil(hook))).unwrap();
        fs::set_permissions(hooks.join(hook), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut text = String::new();
    for (section, key) in [
        ("filter \"x\"", "clean"),
        ("filter \"x\"", "smudge"),
        ("filter \"p\"", "process"),
        ("diff \"x\"", "textconv"),
        ("diff \"x\"", "command"),
        ("diff", "external"),
        ("core", "fsmonitor"),
        ("core", "pager"),
        ("core", "sshCommand"),
        ("core", "alternateRefsCommand"),
        ("core", "gitProxy"),
        ("credential", "helper"),
        ("gpg", "program"),
        ("log", "showSignature"),
        ("uploadpack", "packObjectsHook"),
        ("pager", "status"),
        ("alias", "status"),
    ] {
        let name = format!("{}-{key}", section.replace([' ', '"'], ""));
        writeln!(text, "[{section}]\n\t{key} = {}", sandbox.evil(&name)).unwrap();
    }
    writeln!(text, "[core]\n\thooksPath = {}", hooks.display()).unwrap();
    writeln!(text, "[include]\n\tpath = {}", included.display()).unwrap();
    writeln!(text, "[remote \"origin\"]\n\turl = ext::{}\n\tpromisor = true", sandbox.evil("remote")).unwrap();
    text + "[extensions]\n\tpartialClone = origin\n\tworktreeConfig = true\n[core]\n\trepositoryFormatVersion = 1\n"
}

const ATTRIBUTES: &str = "*.json filter=x diff=x\n*.txt filter=i\n*.md filter=p\n";

#[test]
fn programs_in_the_configuration_of_a_repository_are_not_run() {
    let files = [("a.json", "{}\n"), ("a.txt", "x\n"), ("a.md", "x\n"), (".gitattributes", ATTRIBUTES)];
    let sandbox = Sandbox::with_commit(&files);
    let config = sandbox.root().join(".git/config");
    let hostile = fs::read_to_string(&config).unwrap() + &hostile_config(&sandbox);
    fs::write(&config, &hostile).unwrap();
    fs::write(sandbox.root().join(".git/config.worktree"), hostile_config(&sandbox)).unwrap();
    for file in ["a.json", "a.txt", "a.md"] {
        sandbox.touch(file);
    }
    let reading = sandbox.read();
    assert_eq!(sandbox.ran(), Vec::<String>::new());
    let facts = reading.facts.unwrap();
    assert_eq!((facts.branch.as_deref(), facts.dirty), (Some("main"), false), "{:?}", reading.warning);

    // A missing object is not fetched.
    let object = facts.commit.unwrap();
    let objects = sandbox.root().join(".git/objects");
    fs::remove_dir_all(objects.join(&object[..2])).unwrap();
    sandbox.read();
    assert_eq!(sandbox.ran(), Vec::<String>::new());

    // The sandbox would notice.
    sandbox.git("r", &["hash-object", "-w", "--path", "a.json", "a.json"]);
    assert_eq!(sandbox.ran(), ["filterx-clean"]);
}

#[test]
fn folders_that_look_like_git_directories_are_ordinary_folders() {
    let sandbox = Sandbox::with_commit(&[("a.json", "{}\n"), (".gitattributes", ATTRIBUTES)]);
    let planted = sandbox.root().join("app");
    fs::create_dir_all(planted.join("refs/heads")).unwrap();
    for folder in ["objects", "info"] {
        fs::create_dir_all(planted.join(folder)).unwrap();
    }
    fs::copy(sandbox.root().join(".git/HEAD"), planted.join("HEAD")).unwrap();
    fs::copy(sandbox.root().join(".git/index"), planted.join("index")).unwrap();
    let config = format!("[core]\n\trepositoryformatversion = 0\n\tworktree = .\n{}", hostile_config(&sandbox));
    fs::write(planted.join("config"), config).unwrap();
    fs::write(planted.join("a.json"), "{}\n").unwrap();
    fs::write(planted.join(".gitattributes"), ATTRIBUTES).unwrap();
    let facts = sandbox.read_at(&planted).facts.unwrap();
    assert_eq!((facts.branch.as_deref(), facts.dirty), (Some("main"), true));
    assert_eq!(sandbox.ran(), Vec::<String>::new());
    // And without a repository around it there are no facts.
    fs::remove_dir_all(sandbox.root().join(".git")).unwrap();
    assert_eq!(sandbox.read_at(&planted).facts, None);
    assert_eq!(sandbox.ran(), Vec::<String>::new());
}

#[test]
fn submodules_are_compared_without_their_configuration() {
    let sandbox = Sandbox::with_commit(&[("a.json", "{}\n")]);
    fs::create_dir(sandbox.path("library")).unwrap();
    sandbox.git("library", &["init", "-q"]);
    fs::write(sandbox.path("library/b.json"), "{}\n").unwrap();
    fs::write(sandbox.path("library/.gitattributes"), ATTRIBUTES).unwrap();
    sandbox.commit("library");
    sandbox.git("r", &["submodule", "--quiet", "add", "../library", "packages/library"]);
    sandbox.commit("r");
    assert!(!sandbox.dirty());

    let config = sandbox.root().join(".git/modules/packages/library/config");
    fs::write(&config, fs::read_to_string(&config).unwrap() + &hostile_config(&sandbox)).unwrap();
    sandbox.touch("packages/library/b.json");
    assert!(!sandbox.dirty());
    sandbox.write(&[("packages/library/b.json", "{ }\n")]);
    assert!(sandbox.dirty(), "changed inside");
    sandbox.write(&[("packages/library/b.json", "{}\n"), ("packages/library/new", "")]);
    assert!(sandbox.dirty(), "untracked inside");
    fs::remove_file(sandbox.root().join("packages/library/new")).unwrap();
    assert!(!sandbox.dirty());
    assert_eq!(sandbox.ran(), Vec::<String>::new());

    sandbox.write(&[("packages/library/new", "")]);
    let ignore = |value: &str| sandbox.git("r", &["config", "submodule.packages/library.ignore", value]);
    for (value, dirty) in [("untracked", false), ("dirty", false), ("all", false), ("none", true)] {
        ignore(value);
        assert_eq!(sandbox.dirty(), dirty, "submodule.*.ignore={value}");
    }
    fs::remove_file(sandbox.root().join("packages/library/new")).unwrap();
    // A repository that was added without `.gitmodules` is looked into as well.
    sandbox.git("r", &["rm", "-q", "--cached", ".gitmodules"]);
    fs::remove_file(sandbox.root().join(".gitmodules")).unwrap();
    sandbox.git("r", &["commit", "-qm", "embedded"]);
    assert!(!sandbox.dirty());
    sandbox.write(&[("packages/library/b.json", "{ }\n")]);
    assert!(sandbox.dirty(), "changed inside, without .gitmodules");
    sandbox.write(&[("packages/library/b.json", "{}\n")]);

    fs::remove_file(sandbox.root().join(".git/modules/packages/library/config")).unwrap();
    sandbox.git("library", &["commit", "-q", "--allow-empty", "-m", "two"]);
    let head = fs::read_to_string(sandbox.path("library/.git/refs/heads/main")).unwrap();
    fs::write(sandbox.root().join(".git/modules/packages/library/HEAD"), head).unwrap();
    assert!(sandbox.dirty(), "another commit");
}

#[test]
fn large_files_are_compared_with_their_pointers() {
    let pointer = "version https://git-lfs.github.com/spec/v1\n\
        oid sha256:9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0\nsize 3\n";
    let sandbox = Sandbox::with_commit(&[("big.bin", pointer), ("b.txt", "x\n")]);
    sandbox.write(&[(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")]);
    sandbox.commit("r");
    assert!(!sandbox.dirty(), "not fetched");
    sandbox.write(&[("big.bin", "aaa")]);
    assert!(!sandbox.dirty(), "fetched");
    sandbox.write(&[("big.bin", "aab")]);
    assert!(sandbox.dirty(), "same size, other content");
    sandbox.write(&[("big.bin", "aaa"), ("b.txt", "y\n")]);
    assert!(sandbox.dirty(), "beside another change");
}

#[test]
fn repositories_of_other_users_are_read_only_when_declared_safe() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give files away.
        return;
    }
    let sandbox = Sandbox::with_commit(&[("a.json", "{}\n"), (".gitattributes", ATTRIBUTES)]);
    let config = sandbox.root().join(".git/config");
    fs::write(&config, fs::read_to_string(&config).unwrap() + &hostile_config(&sandbox)).unwrap();
    sandbox.touch("a.json");
    let give = |path: PathBuf, user: u32| std::os::unix::fs::chown(path, Some(user), None).unwrap();
    let check = |environment: Environment, workspace: Option<PathBuf>, known: bool| {
        let options = GitOptions { detail: GitDetail::Full, environment: &environment, workspace };
        let reading = read(&sandbox.root(), &options);
        assert_eq!(reading.facts.is_some(), known, "{reading:?}");
        assert_eq!(sandbox.ran(), Vec::<String>::new());
        if !known {
            let warning = reading.warning.unwrap();
            assert_eq!(warning.code, "source/git-foreign-owner");
            let hint = warning.hint.unwrap_or_default();
            let command = format!("git config --global --add safe.directory {}", sandbox.root().display());
            assert!(hint.contains(&command), "{hint}");
        }
    };
    let safe = |value: &str| {
        let text = format!("[safe]\n\tdirectory = \"{value}\"\n");
        fs::write(sandbox.path("home/.gitconfig"), text).unwrap();
        sandbox.environment()
    };
    let root = sandbox.root().to_str().unwrap().to_owned();
    for foreign in ["", ".git"] {
        give(sandbox.root().join(foreign), 12_345);
        check(sandbox.environment(), None, false);
        check(sandbox.environment(), Some(sandbox.path("home")), false);
        check(sandbox.environment(), Some(sandbox.root()), true);
        check(sandbox.environment(), Some(sandbox.path("")), true);
        check(sandbox.environment().with([("SUDO_UID", "12345")]), None, true);
        check(safe(&root), None, true);
        check(safe("*"), None, true);
        check(safe(&format!("{}/*", sandbox.path("").canonicalize().unwrap().display())), None, true);
        check(safe("/elsewhere"), None, false);
        check(safe(&format!("{root}\"\n\tdirectory = \"")), None, false);
        fs::remove_file(sandbox.path("home/.gitconfig")).unwrap();
        give(sandbox.root().join(foreign), 0);
    }
    check(sandbox.environment(), None, true);
}

#[test]
fn the_formats_of_git_are_read() {
    for format in [["--object-format=sha256"].as_slice(), &["--ref-format=reftable"], &["--separate-git-dir=../data"]] {
        let sandbox = Sandbox::new();
        let output = run_command("git", &[&["init", "-q", "-b", "main"], format].concat(), &sandbox.path("r")).unwrap();
        if !output.success {
            // Older than the format; `--ref-format` came with git 2.45.
            continue;
        }
        sandbox.write(&[("a", "1")]);
        sandbox.commit("r");
        sandbox.git("r", &["tag", "v1"]);
        sandbox.git("r", &["pack-refs", "--all"]);
        let facts = sandbox.facts();
        let expected = (Some("main"), Some("v1"), false);
        assert_eq!((facts.branch.as_deref(), facts.tag.as_deref(), facts.dirty), expected, "{format:?}");
        let length = if format[0].contains("sha256") { 64 } else { 40 };
        assert_eq!(facts.commit.map(|commit| commit.len()), Some(length), "{format:?}");
        sandbox.write(&[("a", "2")]);
        assert!(sandbox.dirty(), "{format:?}");
    }
}

#[test]
fn linked_work_trees_and_shallow_clones() {
    let sandbox = Sandbox::with_commit(&[("a", "1"), (".env", "A=1")]);
    sandbox.git("r", &["worktree", "add", "-q", "-b", "side", "../side"]);
    let side = sandbox.path("side").canonicalize().unwrap();
    let facts = sandbox.read_at(&side).facts.unwrap();
    assert_eq!((facts.branch.as_deref(), facts.dirty, facts.shallow), (Some("side"), false, false));
    assert_eq!(facts.commit, sandbox.facts().commit);
    assert_eq!(Vec::from_iter(facts.tracked_env_files), [".env"]);

    sandbox.git("r", &["commit", "-q", "--allow-empty", "-m", "two"]);
    let url = format!("file://{}", sandbox.root().display());
    sandbox.git("home", &["clone", "-q", "--depth=1", &url, "shallow"]);
    let facts = sandbox.read_at(&sandbox.path("home/shallow").canonicalize().unwrap()).facts.unwrap();
    assert!(facts.shallow && !facts.dirty);
}

#[test]
fn sparse_checkouts_and_line_endings_are_not_changes() {
    let sandbox = Sandbox::with_commit(&[("a/x", "1"), ("b/x", "1"), ("c.txt", "1\n"), ("d.txt", "1\n")]);
    sandbox.git("r", &["sparse-checkout", "set", "--cone", "--sparse-index", "a"]);
    assert!(!sandbox.root().join("b").exists() && !sandbox.dirty());
    sandbox.git("r", &["config", "core.autocrlf", "true"]);
    fs::remove_file(sandbox.root().join("c.txt")).unwrap();
    sandbox.git("r", &["checkout", "-q", "c.txt"]);
    assert_eq!(fs::read_to_string(sandbox.root().join("c.txt")).unwrap(), "1\r\n");
    sandbox.touch("c.txt");
    assert!(!sandbox.dirty(), "by the repository's own configuration");
    sandbox.git("r", &["config", "--unset", "core.autocrlf"]);
    assert!(sandbox.dirty());
    fs::write(sandbox.path("home/.gitconfig"), "[core]\n\tautocrlf = input\n").unwrap();
    assert!(!sandbox.dirty(), "by the user's configuration");
}

#[test]
fn the_global_ignore_file_of_the_user_is_respected() {
    let sandbox = Sandbox::with_commit(&[("a", "1")]);
    sandbox.write(&[("notes.mine", "")]);
    assert!(sandbox.dirty());
    fs::create_dir_all(sandbox.path("home/.config/git")).unwrap();
    fs::write(sandbox.path("home/.config/git/ignore"), "*.mine\n").unwrap();
    assert!(!sandbox.dirty(), "the default place");
    fs::write(sandbox.path("home/mine"), "").unwrap();
    fs::write(sandbox.path("home/.gitconfig"), "[core]\n\texcludesFile = ~/mine\n").unwrap();
    assert!(sandbox.dirty(), "another place");
    fs::write(sandbox.path("home/mine"), "*.mine\n").unwrap();
    assert!(!sandbox.dirty());
    fs::remove_file(sandbox.path("home/.gitconfig")).unwrap();
    fs::remove_dir_all(sandbox.path("home/.config")).unwrap();
    fs::write(sandbox.root().join(".git/info/attributes"), "* eol=crlf\n").unwrap();
    sandbox.write(&[("b", "1\n")]);
    sandbox.commit("r");
    fs::remove_file(sandbox.root().join("b")).unwrap();
    sandbox.git("r", &["checkout", "-q", "b"]);
    sandbox.touch("b");
    fs::write(sandbox.root().join(".git/info/exclude"), "*.mine\n").unwrap();
    assert!(!sandbox.dirty(), "info/exclude");
}

#[test]
fn the_folder_of_a_hook_does_not_redirect_git() {
    let sandbox = Sandbox::with_commit(&[("a", "1")]);
    let elsewhere = sandbox.path("home").display().to_string();
    let environment = sandbox.environment().with([
        ("GIT_DIR", elsewhere.as_str()),
        ("GIT_INDEX_FILE", "/dev/null"),
        ("GIT_WORK_TREE", "/"),
    ]);
    let options = GitOptions { detail: GitDetail::Full, environment: &environment, workspace: None };
    let facts = read(&sandbox.root(), &options).facts.unwrap();
    assert_eq!((facts.branch.as_deref(), facts.dirty), (Some("main"), false));
}

#[test]
fn broken_git_data_is_a_warning() {
    let check = |spoil: &dyn Fn(&Path), words: &str| {
        let sandbox = Sandbox::with_commit(&[("a", "1")]);
        spoil(&sandbox.root().join(".git"));
        let warning = sandbox.read().warning.unwrap();
        assert!(warning.message.contains(words), "{words}: {}", warning.message);
        assert!(warning.hint.is_some());
    };
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let pipe = |path: PathBuf| {
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    check(&|git| pipe(git.join("config")), "config`: not a regular file");
    check(&|git| pipe(git.join("index")), "index`: not a regular file");
    check(
        &|git| {
            fs::remove_file(git.join("HEAD")).unwrap();
            symlink("/dev/zero", git.join("HEAD")).unwrap();
        },
        "HEAD`: not a regular file",
    );
    check(&|git| fs::write(git.join("config"), "[core\n").unwrap(), "bad config");
    check(&|git| fs::write(git.join("index"), "x").unwrap(), "index");
    check(
        &|git| {
            let config = "[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\ttomorrow = 1\n";
            fs::write(git.join("config"), config).unwrap();
        },
        "the unsupported extension `tomorrow`",
    );
}

#[test]
fn the_default_branch_is_that_of_the_remote() {
    let sandbox = Sandbox::with_commit(&[("a", "1")]);
    let branch = || {
        let environment = sandbox.environment();
        let options = GitOptions { detail: GitDetail::Tracking, environment: &environment, workspace: None };
        default_branch(&sandbox.root(), &options)
    };
    assert_eq!(branch().as_deref(), Some("main"));
    sandbox.git("r", &["update-ref", "refs/remotes/origin/release/1", "HEAD"]);
    sandbox.git("r", &["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/release/1"]);
    assert_eq!(branch().as_deref(), Some("release/1"));
}

#[test]
fn remotes_lose_user_and_parameters() {
    let check = |remote: &str, expected: Option<&str>| {
        assert_eq!(without_user_information(remote).as_deref(), expected, "{remote}");
    };
    check("https://github.com/o/r.git", Some("https://github.com/o/r.git"));
    check("https://u:ghp_x@github.com/o/r", Some("https://github.com/o/r"));
    check("https://u:a@b@gitlab.example:8443/o/r", Some("https://gitlab.example:8443/o/r"));
    check("https://gitlab.example/o/r?private_token=x", Some("https://gitlab.example/o/r"));
    check("ssh://git@github.com/o/r", Some("ssh://github.com/o/r"));
    check("git@github.com:o/r.git", Some("github.com:o/r.git"));
    check("git@github.com:r", Some("github.com:r"));
    check("/srv/r@2.git", Some("/srv/r@2.git"));
    check("https://u:pa/ss@host/r", None);
    check("https://u@[::1]/r", Some("https://[::1]/r"));
    check("", None);
}

#[test]
fn the_head_has_a_tag_when_exactly_one_points_at_it() {
    let check = |decoration: &str, expected: Option<&str>| {
        let mut facts = GitFacts::default();
        facts.set_head(format!("abc\0{}\0{decoration}\n", 1_700_000_000).as_bytes());
        assert_eq!((facts.commit.as_deref(), facts.commit_time), (Some("abc"), Some(1_700_000_000)));
        assert_eq!(facts.tag.as_deref(), expected, "{decoration}");
    };
    check("", None);
    check("tag: refs/tags/v1.0, with comma", Some("v1.0"));
    check("tag: refs/tags/a, tag: refs/tags/b", None);
}
