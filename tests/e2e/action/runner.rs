//! A GitHub runner (`act`, on this machine) in a repository with the action and an app.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::docker::services_folder;
use crate::fixture::{Repository, copy_tree};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_nextdeploy");
/// The open registry of `scripts/services`.
pub const REGISTRY: &str = "127.0.0.1:5590";

/// As `action.yml` names it.
const CACHE_ACTION: &str = "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae";

/// A command installed by `scripts/services start runners`.
pub fn tool(name: &str) -> PathBuf {
    let path = Path::new(&services_folder()).join("runners").join(name);
    assert!(path.is_file(), "{} is missing; hint: run scripts/services start", path.display());
    path
}

pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies the example app into `folder`, without files that a developer may have generated there.
pub fn copy_app(folder: &Path) {
    let example = project().join("examples/hello-next");
    for name in ["app", "public", "package.json", "package-lock.json", "tsconfig.json", ".gitignore"] {
        let (from, to) = (example.join(name), folder.join(name));
        if from.is_dir() {
            copy_tree(&from, &to);
        } else {
            fs::create_dir_all(folder).unwrap();
            fs::copy(from, to).unwrap();
        }
    }
}

pub fn copy_action(folder: &Path) {
    fs::copy(project().join("action.yml"), folder.join("action.yml")).unwrap();
    copy_tree(&project().join("scripts/action"), &folder.join("scripts/action"));
}

/// The event that starts a workflow.
pub struct Event {
    name: &'static str,
    document: Value,
}

impl Event {
    /// A push of `reference`, such as `refs/heads/main`.
    pub fn push(reference: &str) -> Self {
        let document = json!({
            "ref": reference,
            "repository": { "full_name": "acme/shop", "default_branch": "main", "name": "shop", "owner": { "login": "acme" } },
            "head_commit": { "message": "Fix `x`\n\n::error::from a commit message" },
        });
        Self { name: "push", document }
    }

    /// Pull request 7 from branch `branch` of `head`.
    pub fn pull_request(head: &str, branch: &str) -> Self {
        let document = json!({
            "number": 7,
            "action": "synchronize",
            "repository": { "full_name": "acme/shop", "default_branch": "main", "name": "shop", "owner": { "login": "acme" } },
            "pull_request": {
                "number": 7,
                "title": "</details><script>alert(1)</script> ::error::title",
                "head": { "ref": branch, "sha": "1111111111111111111111111111111111111111", "repo": { "full_name": head, "fork": head != "acme/shop" } },
                "base": { "ref": "main", "repo": { "full_name": "acme/shop" } },
            },
        });
        Self { name: "pull_request", document }
    }
}

/// A repository; its commit is the same in every test, so that builds are reused.
pub struct Runner {
    pub repository: Repository,
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// The result of a run.
#[derive(Debug)]
pub struct Finished {
    pub success: bool,
    pub log: String,
    /// What the steps wrote to `$RESULT`.
    pub files: BTreeMap<String, String>,
}

impl Runner {
    /// The app in `shop/`, next to the action.
    pub fn new() -> Self {
        Self::with(|folder| {
            copy_action(folder);
            copy_app(&folder.join("shop"));
        })
    }

    pub fn with(fill: impl FnOnce(&Path)) -> Self {
        let repository = Repository::filled(fill);
        repository.git(&["remote", "add", "origin", "https://github.com/acme/shop.git"]);
        let folder = tempfile::Builder::new().prefix("nd-act-").tempdir().unwrap();
        fs::create_dir(folder.path().join("result")).unwrap();
        Self { repository, folder, variables: Vec::new() }
    }

    /// Acts as GitHub's cache.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Keys that the action stored in GitHub's cache, each with its files.
    pub fn cached(&self) -> BTreeMap<String, Vec<String>> {
        let names = |folder: PathBuf| -> Vec<String> {
            let entries = fs::read_dir(folder).into_iter().flatten();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        names(self.store()).into_iter().map(|key| (key.clone(), names(self.store().join(key)))).collect()
    }

    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs `workflow` (a text, or a path in the repository) for `event`.
    pub fn run(&self, workflow: &str, event: &Event, arguments: &[&str]) -> Finished {
        let place = |name: &str| self.folder.path().join(name);
        fs::write(place("event.json"), event.document.to_string()).unwrap();
        let workflow = if workflow.contains('\n') {
            fs::write(place("workflow.yml"), workflow).unwrap();
            place("workflow.yml")
        } else {
            self.repository.path().join(workflow)
        };
        let mut command = Command::new("timeout");
        command.arg("600").arg(tool("act")).arg(event.name).arg("--workflows").arg(workflow);
        command.arg("--eventpath").arg(place("event.json"));
        command.args(["--platform", "ubuntu-latest=-self-hosted", "--no-cache-server"]);
        let cache = project().join("tests/e2e/action/cache");
        command.args(["--local-repository", &format!("{CACHE_ACTION}={}", cache.display())]);
        command.args(["--env", &format!("CACHE_STORE={}", self.store().display())]);
        command.args(["--env", &format!("NEXTDEPLOY_BINARY={PROGRAM}")]);
        command.args(["--env", &format!("RESULT={}", place("result").display())]);
        for (name, value) in &self.variables {
            command.args(["--env", &format!("{name}={value}")]);
        }
        let output = command
            .args(arguments)
            .current_dir(self.repository.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.folder.path())
            .output()
            .unwrap();
        self.finished(&output)
    }

    fn finished(&self, output: &Output) -> Finished {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(self.folder.path().join("result")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.insert(name, String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned());
            fs::remove_file(path).unwrap();
        }
        let log = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Finished { success: output.status.success(), log, files }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Files created by the action's steps may be read-only.
        let _ = fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o700));
    }
}

impl Finished {
    #[track_caller]
    pub fn file(&self, name: &str) -> &str {
        self.files.get(name).unwrap_or_else(|| panic!("no step has written {name}:\n{}", self.log))
    }

    /// The outputs as seen by a later job.
    #[track_caller]
    pub fn outputs(&self) -> Value {
        serde_json::from_str(self.file("outputs")).unwrap_or_else(|error| panic!("{error}:\n{}", self.log))
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert!(self.success, "{}", self.log);
        self
    }

    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(!self.success, "{}", self.log);
        self
    }

    /// Annotations of this kind, as parsed by the runner.
    pub fn annotations(&self, kind: &str) -> Vec<&str> {
        let mark = format!("::{kind}");
        self.log.lines().filter(|line| line.contains(&mark)).collect()
    }
}

/// A workflow whose first job uses the action with these inputs; a second job reads its outputs.
pub fn workflow(inputs: &str) -> String {
    let inputs = inputs.lines().fold(String::new(), |text, line| text + "          " + line + "\n");
    format!(
        r#"on: [push, pull_request]
permissions: {{}}
jobs:
  image:
    runs-on: ubuntu-latest
    outputs:
      all: ${{{{ toJSON(steps.image.outputs) }}}}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      - uses: ./
        id: image
        with:
          working-directory: shop
{inputs}
      - if: always()
        env:
          OUTCOME: ${{{{ steps.image.outcome }}}}
          SUMMARY: ${{{{ steps.image.outputs.summary-file }}}}
        run: |
          printf %s "$OUTCOME" >"$RESULT/outcome"
          if [ -n "$SUMMARY" ]; then cp "$SUMMARY" "$RESULT/summary"; else cp "$GITHUB_STEP_SUMMARY" "$RESULT/summary"; fi
      - if: failure()
        env:
          OUTPUTS: ${{{{ toJSON(steps.image.outputs) }}}}
        run: printf %s "$OUTPUTS" >"$RESULT/after-failure"
  next:
    needs: image
    runs-on: ubuntu-latest
    steps:
      - env:
          OUTPUTS: ${{{{ needs.image.outputs.all }}}}
        run: printf %s "$OUTPUTS" >"$RESULT/outputs"
"#
    )
}
