//! `nextdeploy init`: the files that it writes, and those that it leaves unchanged.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::Repository;

const PINNED: &str = "acme/nextdeploy@0123456789abcdef0123456789abcdef01234567";

fn git(repository: &Repository, arguments: &[&str]) {
    let status = Command::new("git").arg("-C").arg(repository.root()).args(arguments).status().unwrap();
    assert!(status.success(), "git {arguments:?}");
}

fn with_remote(remote: &str) -> Repository {
    let repository = Repository::next_app();
    git(&repository, &["init", "--quiet", "--initial-branch=trunk"]);
    git(&repository, &["remote", "add", "origin", remote]);
    repository
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_remote_selects_the_system_and_the_branch_comes_from_the_repository() {
    let repository = with_remote("git@github.com:acme/shop.git");
    let run = repository.run(&["init", "--uses", PINNED]);
    assert_eq!(run.succeeds().stdout.trim(), ".github/workflows/image.yml");
    let workflow = text(&repository.path(".github/workflows/image.yml"));
    assert!(workflow.contains(&format!("uses: {PINNED}")) && workflow.contains("branches: [\"trunk\"]"), "{workflow}");
    assert!(text(&repository.path(".gitignore")).contains(".nextdeploy/"));
    assert!(text(&repository.path(".dockerignore")).contains("**/node_modules"));

    let repository = with_remote("https://gitlab.com/acme/shop");
    let run = repository.run(&["init", "--uses", "registry.example.com/nextdeploy:1-shell"]);
    assert_eq!(run.succeeds().stdout.trim(), ".gitlab-ci.yml");
    with_remote("https://git.example.com/a/b").run(&["init"]).fails(2, "init/unknown-ci").says("--ci github");
    Repository::next_app().run(&["init"]).fails(2, "init/unknown-ci").says("no remote");
}

#[test]
fn existing_files_are_kept_and_writes_are_all_or_nothing() {
    let repository = Repository::next_app();
    repository.write(".github/workflows/image.yml", "mine").write(".gitignore", "dist");
    let init = ["init", "--ci", "github", "--uses", PINNED];
    repository.run(&init).fails(2, "init/exists").says("image.yml").says("--dry-run");
    assert_eq!(text(&repository.path(".github/workflows/image.yml")), "mine");
    assert_eq!(text(&repository.path(".gitignore")), "dist");
    assert!(!repository.path(".dockerignore").exists());
    let dry = repository.run(&["init", "--ci", "github", "--uses", PINNED, "--dry-run"]);
    let told = &dry.succeeds().stdout;
    assert!(told.contains("image.yml\n# Builds") && told.contains(".gitignore\ndist\n"), "{told}");
    assert_eq!(text(&repository.path(".gitignore")), "dist");
    repository.remove(".github/workflows/image.yml");
    repository.run(&init).succeeds();
    assert!(text(&repository.path(".gitignore")).starts_with("dist\n\n# "));
}

#[test]
fn an_app_in_a_workspace_gets_its_folder() {
    let repository = with_remote("https://github.com/acme/shop");
    let manifest = text(&repository.path("package.json"));
    repository
        .write("package.json", r#"{"name":"root","private":true,"workspaces":["apps/*"]}"#)
        .write("apps/web/package.json", manifest)
        .write("apps/web/app/page.tsx", "export default () => null\n")
        .write(
            "apps/admin/package.json",
            r#"{"name":"admin","scripts":{"build":"next build"},"dependencies":{"next":"16.4.6"}}"#,
        )
        .write("apps/admin/app/page.tsx", "export default () => null\n");
    repository.run(&["init", "--uses", PINNED]).fails(3, "project/several-apps");
    for arguments in [&["--app", "shop"][..], &["apps/admin"]] {
        let run = repository.run(&[&["init", "--uses", PINNED], arguments].concat());
        let path = run.succeeds().stdout.trim().to_owned();
        let folder = path.trim_start_matches(".github/workflows/image-").trim_end_matches(".yml");
        let workflow = text(&repository.path(&path));
        assert!(workflow.contains(&format!("working-directory: \"apps/{folder}\"")), "{workflow}");
        assert!(workflow.contains(&format!("group: image-{folder}-")), "{workflow}");
    }
}

#[test]
fn invalid_arguments_are_rejected() {
    let repository = Repository::next_app();
    repository.run(&["init", "--ci", "github"]).fails(2, "init/no-release").says("--uses OWNER/nextdeploy@COMMIT");
    repository.run(&["init", "--ci", "github", "--uses", "x"]).fails(2, "init/uses");
    repository.run(&["init", "--ci", "github", "--uses", PINNED, "--registry", "nowhere"]).fails(2, "init/registry");
    let run = repository.run(&["init", "--ci", "github", "--uses", "acme/nextdeploy@v1"]);
    run.succeeds().says("init/not-pinned");
    repository.run(&["init", "--ci", "jenkins"]).fails(2, "init/no-definition").says("docs/ci.md");
    let other = Repository::empty();
    other.run(&["init", "--ci", "github", "--uses", PINNED]).fails(3, "project/no-package-json");
}
