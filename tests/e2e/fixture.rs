//! The cases of `cases.json`, composed into a temporary git repository.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// In an env file that git ignores: must not appear anywhere in the image.
pub const UNTRACKED_CANARY: &str = "untrackedcanary55c0a1d97be34f28";
/// In `.env-prod`, which git ignores: the build may have it, as a variable.
pub const BUILD_WORD: &str = "lighthouse";
/// In the tracked `.env`, under a name that looks like a secret: must not appear anywhere in the image.
pub const TRACKED_SECRET: &str = "trackedcanary7f3a91c05e2b48d6";
/// In the tracked `.env`, harmless.
pub const GREETING: &str = "good morning";

const COMMIT_DATE: &str = "2026-01-02T03:04:05+00:00";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// Folder of the repository → templates copied there, before the case's own files.
    pub layers: BTreeMap<String, Vec<String>>,
    pub lockfile: String,
    pub package_manager: String,
    pub next: String,
    pub node: u32,
    pub router: Router,
    pub output: Output,
    /// Folder of the application in a monorepo.
    pub app: Option<String>,
    /// Folder that the build script gives to `next build`.
    pub next_dir: Option<String>,
    #[serde(default)]
    pub base_path: String,
    /// One of the files that git ignores, given to the build alone.
    pub build_env_file: Option<String>,
    /// Path → text that the response contains.
    #[serde(default)]
    pub also_answers: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Router {
    App,
    Pages,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    Default,
    Standalone,
    Export,
    CustomServer,
}

fn e2e_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e")
}

pub fn all_cases() -> Vec<Case> {
    let text = fs::read_to_string(e2e_folder().join("cases.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

impl Case {
    pub fn named(name: &str) -> Self {
        all_cases().into_iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name} in cases.json"))
    }

    /// Folder of the application inside the repository and inside the image's `/app`.
    pub fn app_folder(&self) -> &str {
        self.next_dir.as_deref().or(self.app.as_deref()).unwrap_or(".")
    }
}

/// A git repository with one commit, and env files that git ignores.
pub struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    pub fn compose(case: &Case) -> Self {
        let repository = Self::filled(|folder| {
            let fixtures = e2e_folder().join("fixtures");
            for (target, layers) in &case.layers {
                for layer in layers {
                    copy_tree(&fixtures.join("templates").join(layer), &folder.join(target));
                }
            }
            copy_tree(&fixtures.join("cases").join(&case.name), folder);
        });
        repository.add_untracked_env(case.app_folder());
        repository
    }

    /// A repository with a single commit of the files written by `fill`.
    pub fn filled(fill: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::Builder::new().prefix("nd-e2e-").tempdir().unwrap();
        fill(folder.path());
        let repository = Self { folder };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.commit("Fixture");
        repository
    }

    /// Ignored env files, as developers have them, with values that must not reach the image.
    fn add_untracked_env(&self, app_folder: &str) {
        let text = format!(
            "LOCAL_TOKEN={UNTRACKED_CANARY}\nNEXT_PUBLIC_SITE={UNTRACKED_CANARY}\nGREETING={UNTRACKED_CANARY}\n"
        );
        for name in [".env.local", ".env.production.local", ".envrc"] {
            fs::write(self.path().join(app_folder).join(name), &text).unwrap();
        }
        let of_build = format!("BUILD_WORD={BUILD_WORD}\nBUILD_API_TOKEN={UNTRACKED_CANARY}\n");
        fs::write(self.path().join(app_folder).join(".env-prod"), of_build).unwrap();
        fs::write(self.path().join(".git/info/exclude"), ".envrc\n.env-prod\n").unwrap();
        assert_eq!(
            self.git(&["status", "--porcelain"]),
            "",
            "the env files with the canary must be untracked and ignored"
        );
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .arg("-C")
            .arg(self.path())
            .args(["-c", "user.name=Fixture", "-c", "user.email=fixture@example.invalid", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .env("GIT_AUTHOR_DATE", COMMIT_DATE)
            .env("GIT_COMMITTER_DATE", COMMIT_DATE)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Every entry below the repository, including `.git`: kind, mode, modification time, and hash of the content.
    pub fn fingerprint(&self) -> BTreeMap<PathBuf, String> {
        let mut entries = BTreeMap::new();
        fingerprint_into(self.path(), self.path(), &mut entries);
        entries
    }
}

fn fingerprint_into(root: &Path, folder: &Path, entries: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_symlink() {
            format!("link to {}", fs::read_link(&path).unwrap().display())
        } else if metadata.is_dir() {
            fingerprint_into(root, &path, entries);
            "folder".to_owned()
        } else {
            format!("{:x}", Sha256::digest(fs::read(&path).unwrap()))
        };
        let what = format!(
            "{content} mode {:o} changed {}.{}",
            metadata.permissions().mode(),
            metadata.mtime(),
            metadata.mtime_nsec()
        );
        entries.insert(path.strip_prefix(root).unwrap().to_owned(), what);
    }
}

pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
