//! The component and the job written by `init`, run by `gitlab-ci-local`; a second job reads the dotenv report.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::runner::{PROGRAM, REGISTRY, copy_app, project, tool};
use crate::docker::{Engine, Image};
use crate::fixture::Repository;
use crate::program::nextdeploy;

const LATER: &str = r#"
later:
  stage: deploy
  needs: [build-image]
  script:
    - printf '%s\n' "$NEXTDEPLOY_OUTPUT_IMAGE" "$NEXTDEPLOY_OUTPUT_PUSHED" >"$RESULT/later"
"#;

/// A repository with the app, and the program where it is in the job's image.
fn repository(fill: impl FnOnce(&Path)) -> Repository {
    let repository = Repository::filled(|folder| {
        copy_app(folder);
        // The runner keeps its logs in the checkout.
        fs::write(folder.join(".dockerignore"), ".gitlab-ci-local\n").unwrap();
        fs::write(folder.join(".gitignore"), ".gitlab-ci-local\nnextdeploy*\n").unwrap();
        fill(folder);
    });
    repository.git(&["remote", "add", "origin", "git@gitlab.com:acme/shop.git"]);
    repository
}

/// Runs the pipeline; returns what the later job printed.
fn pipeline(repository: &Repository, name: &str) -> String {
    let folder = tempfile::Builder::new().prefix("nd-gitlab-").tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(PROGRAM, bin.join("nextdeploy")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let variables = [
        ("GITLAB_CI", "true".to_owned()),
        // The runner assumes a container, where this folder has another name.
        ("CI_PROJECT_DIR", repository.path().display().to_string()),
        ("CI_REGISTRY", REGISTRY.to_owned()),
        ("CI_REGISTRY_IMAGE", format!("{REGISTRY}/{name}")),
        ("RESULT", folder.path().display().to_string()),
        // The daemon of this machine, not one started by a service.
        ("DOCKER_HOST", "unix:///var/run/docker.sock".to_owned()),
        ("DOCKER_TLS_VERIFY", String::new()),
    ];
    let mut command = Command::new("timeout");
    command.arg("600").arg(tool("gitlab-ci-local")).arg("--force-shell-executor").current_dir(repository.path());
    for (name, value) in variables {
        command.args(["--variable", &format!("{name}={value}")]);
    }
    let output =
        command.env_clear().env("PATH", path).env("HOME", folder.path()).env("TMPDIR", folder.path()).output().unwrap();
    let log = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{log}");
    assert!(log.contains("section_start:") || log.contains("nextdeploy build"), "{log}");
    fs::read_to_string(folder.path().join("later")).unwrap_or_else(|error| panic!("{error}:\n{log}"))
}

#[track_caller]
fn assert_pushed(seen: &str, name: &str) {
    let (image, pushed) = seen.trim().split_once('\n').unwrap_or_else(|| panic!("{seen}"));
    assert!(image.starts_with(&format!("{REGISTRY}/{name}:")) && image.contains("@sha256:"), "{seen}");
    assert_eq!(pushed, "true");
    let image = Image { engine: Engine::default(), tag: image.to_owned() };
    image.engine.docker(&["pull", &image.tag]);
    let id = image.inspect()["Id"].as_str().unwrap().to_owned();
    drop(Image { engine: Engine::default(), tag: id });
}

#[test]
fn gitlab_runs_the_component() {
    let repository = repository(|folder| {
        fs::create_dir(folder.join("templates")).unwrap();
        fs::copy(project().join("templates/image.yml"), folder.join("templates/image.yml")).unwrap();
        let pipeline =
            "include:\n  - local: templates/image.yml\n    inputs:\n      program: nextdeploy\n      runner: socket\n";
        fs::write(folder.join(".gitlab-ci.yml"), pipeline.to_owned() + LATER).unwrap();
    });
    assert_pushed(&pipeline(&repository, "nd-gitlab/component"), "nd-gitlab/component");
}

#[test]
fn gitlab_runs_the_job_from_init() {
    let repository = repository(|_| {});
    let run = nextdeploy(&Engine::default(), repository.path(), &["init", "--uses", "nextdeploy:shell"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let path = repository.path().join(".gitlab-ci.yml");
    let written = fs::read_to_string(&path).unwrap();
    // As the comment in the job describes, for a runner that shares its daemon's socket.
    let services = "  services:\n    - docker:28-dind\n";
    assert!(written.contains(services), "{written}");
    fs::write(&path, written.replace(services, "") + LATER).unwrap();
    repository.commit("Build the image");
    assert_pushed(&pipeline(&repository, "nd-gitlab/init"), "nd-gitlab/init");
}
