//! Linters for the CI definitions of this project, and for those written by `init`.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::runner::{copy_app, project, tool};
use crate::docker::Engine;
use crate::fixture::Repository;
use crate::program::nextdeploy;

const PINNED: &str = "acme/nextdeploy@0123456789abcdef0123456789abcdef01234567";

/// Runs a linter, which must succeed.
fn lint(command: &mut Command) {
    let output = command.env("HOME", std::env::temp_dir()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{said}");
}

fn lint_folder(folder: &Path) {
    let workflows = folder.join(".github/workflows");
    let files: Vec<_> = fs::read_dir(&workflows).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    lint(Command::new(tool("actionlint")).args(&files));
    lint(Command::new(tool("zizmor")).args(["--quiet", "--offline", "--persona", "pedantic"]).arg(folder));
}

#[test]
fn lint_the_action_and_the_workflows_of_this_project() {
    lint_folder(project());
    lint(Command::new(tool("action-validator")).arg(project().join("action.yml")));
}

#[test]
fn lint_the_output_of_init() {
    for registry in
        [None, Some("ecr"), Some("123456789012.dkr.ecr.eu-central-1.amazonaws.com"), Some("registry.example.com")]
    {
        let repository = Repository::filled(copy_app);
        let mut arguments = vec!["init", "--ci", "github", "--uses", PINNED];
        arguments.extend(registry.map(|_| "--registry"));
        arguments.extend(registry);
        let run = nextdeploy(&Engine::default(), repository.path(), &arguments);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        lint_folder(repository.path());
    }
}

#[test]
fn lint_reports_errors() {
    let folder = tempfile::Builder::new().prefix("nd-lint-").tempdir().unwrap();
    let workflow = folder.path().join("bad.yml");
    fs::write(
        &workflow,
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ github.evnt.head }}\n",
    )
    .unwrap();
    let status = |name: &str| Command::new(tool(name)).arg(&workflow).output().unwrap().status;
    assert!(!status("actionlint").success());
    assert!(!status("zizmor").success());
}
