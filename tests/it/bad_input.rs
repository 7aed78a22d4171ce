//! Missing, broken and hostile input: one clear error each, with a code, an action and the documented exit code.

use std::os::unix::fs::symlink;

use crate::program::Repository;

const USAGE: i32 = 2;
const PROJECT: i32 = 3;
const BUILD: i32 = 4;

#[test]
fn a_folder_without_package_json() {
    Repository::empty().run(&["detect"]).fails(PROJECT, "project/no-package-json").says("package.json");
}

#[test]
fn a_folder_that_does_not_exist() {
    let run = Repository::empty().run(&["detect", "nowhere"]);
    assert_eq!(run.code, Some(PROJECT), "{run:#?}");
    run.says("nowhere").says("hint:");
}

#[test]
fn broken_manifests_name_file_line_and_column() {
    for (content, place) in [("", "package.json:1:"), ("{\n  \"name\": ", "package.json:2:"), ("[1]", "package.json")] {
        let repository = Repository::next_app();
        repository.write("package.json", content);
        let run = repository.run(&["detect"]);
        assert_eq!(run.code, Some(PROJECT), "{content:?}: {run:#?}");
        run.says(place).says("hint:");
    }
}

#[test]
fn files_that_are_not_utf_8() {
    for file in ["package.json", "package-lock.json", "next.config.js", "metadata.json", ".dockerignore"] {
        let repository = Repository::next_app();
        repository.write(file, b"{\"name\": \"\xff\xfe\"}");
        let run = repository.run(&["dockerfile"]);
        assert_eq!(run.code, Some(PROJECT), "{file}: {run:#?}");
        run.says(file).says("hint:");
    }
}

#[test]
fn hostile_nesting_is_an_error() {
    let deep = 200_000;
    for (file, content) in [
        ("package.json", "[".repeat(deep)),
        ("package-lock.json", "{\"a\":".repeat(deep)),
        ("next.config.js", format!("module.exports = {}", "(".repeat(deep))),
        ("next.config.ts", format!("export default {}{}", "[".repeat(deep), "]".repeat(deep))),
        ("metadata.json", "[".repeat(deep)),
        ("nextdeploy.yml", "[".repeat(deep)),
    ] {
        let repository = Repository::next_app();
        repository.write(file, content);
        let run = repository.run(&["dockerfile"]);
        assert_eq!(run.code, Some(PROJECT), "{file}: {run:#?}");
        run.says(file).says("hint:");
    }
}

#[test]
fn a_lockfile_that_links_to_a_directory() {
    let repository = Repository::next_app();
    repository.remove("package-lock.json");
    symlink("app", repository.path("package-lock.json")).unwrap();
    repository.run(&["plan"]).fails(PROJECT, "project/unreadable-file").says("package-lock.json");
}

#[test]
fn a_truncated_lockfile() {
    let repository = Repository::next_app();
    repository.write("package-lock.json", "{\"lockfileVersion\": 3, \"packages\": {");
    let run = repository.run(&["detect"]);
    assert_eq!(run.code, Some(PROJECT), "{run:#?}");
    run.says("package-lock.json:1:").says("hint:");
}

#[test]
fn no_lockfile_and_not_a_next_project() {
    let repository = Repository::next_app();
    repository.remove("package-lock.json");
    repository.run(&["detect"]).fails(PROJECT, "project/no-lockfile").says("npm install");
    let repository = Repository::next_app();
    repository.write("package.json", r#"{"name":"api","dependencies":{"express":"4"}}"#);
    repository.run(&["detect"]).fails(PROJECT, "project/not-next").says("package.json");
}

#[test]
fn invalid_flags_are_usage_errors_that_name_the_flag() {
    for (flag, value) in [
        ("--port", "0"),
        ("--port", "70000"),
        ("--port", "http"),
        ("--package-manager", "cargo"),
        ("--memory", "lots"),
        ("--build-timeout", "soon"),
        ("--env", "=x"),
        ("--env", "1A=x"),
        ("--secret", "id="),
        ("--node-version", "banana"),
        ("--env-files", "perhaps"),
        ("--reproducible-key", "hunter2"),
    ] {
        let run = Repository::next_app().run(&["build", "--dry-run", flag, value]);
        assert_eq!(run.code, Some(USAGE), "{flag} {value}: {run:#?}");
        run.says(flag).says("hint:");
        assert!(!run.stderr.contains("hunter2"), "a key is never shown: {run:#?}");
    }
}

#[test]
fn invalid_variables_are_usage_errors_that_name_the_variable() {
    let run = Repository::next_app().run_with(&["build", "--dry-run"], &[("NEXTDEPLOY_PORT", "70000")]);
    assert_eq!(run.code, Some(USAGE), "{run:#?}");
    run.says("NEXTDEPLOY_PORT");
    let run = Repository::next_app().run_with(&["build", "--dry-run"], &[("INPUT_PACKAGE-MANAGER", "cargo")]);
    assert_eq!(run.code, Some(USAGE), "{run:#?}");
    run.says("INPUT_PACKAGE-MANAGER");
}

#[test]
fn an_impossible_node_version_is_rejected() {
    for version in ["99", "0.10"] {
        let run = Repository::next_app().run(&["plan", "--node-version", version]);
        assert!(matches!(run.code, Some(USAGE | PROJECT)), "{version}: {run:#?}");
        run.says(version).says("hint:");
    }
    let repository = Repository::next_app();
    repository.write(".nvmrc", "99\n");
    let run = repository.run(&["plan"]);
    assert_eq!(run.code, Some(PROJECT), "{run:#?}");
    run.says(".nvmrc").says("hint:");
}

#[test]
fn metadata_that_points_outside_the_repository() {
    let repository = Repository::next_app();
    repository.write("metadata.json", r#"{"app_name": "shop", "root_dir": "../elsewhere"}"#);
    let run = repository.run(&["plan"]);
    assert_eq!(run.code, Some(PROJECT), "{run:#?}");
    run.says("root_dir").says("metadata.json").says("hint:");
}

#[test]
fn metadata_with_a_wrong_type_names_the_field() {
    for (content, field) in [
        (r#"{"port": 0}"#, "port"),
        (r#"{"port": 70000}"#, "port"),
        (r#"{"port": "http"}"#, "port"),
        (r#"{"package_manager": "cargo"}"#, "package_manager"),
        (r#"{"app_name": {"a": 1}}"#, "app_name"),
    ] {
        let repository = Repository::next_app();
        repository.write("metadata.json", content);
        let run = repository.run(&["plan"]);
        assert_eq!(run.code, Some(PROJECT), "{content}: {run:#?}");
        run.says(field).says("metadata.json").says("hint:");
    }
}

#[test]
fn an_app_name_that_is_invalid_as_an_image_name_is_normalised_with_a_warning() {
    let run = Repository::next_app().run(&["plan", "--name", "My Shop & Café!"]);
    run.succeeds().says("warning:").says("my-shop");
}

#[test]
fn links_that_leave_the_repository_are_sent_as_links() {
    let repository = Repository::next_app();
    symlink("/etc/passwd", repository.path("public")).unwrap();
    symlink("../../elsewhere/bin/python", repository.path("python")).unwrap();
    let run = repository.run(&["build", "--dry-run"]);
    run.succeeds().says("plan/link-leaves-repository").says("`public` links to `/etc/passwd`").says("hint:");
    assert!(!run.stderr.contains("python"), "{run:#?}");
    assert!(run.stdout.contains("app/public  (link)") && run.stdout.contains("app/python  (link)"), "{run:#?}");
}

#[test]
fn broken_parts_of_a_checkout_are_one_warning() {
    let repository = Repository::next_app();
    repository.write(".gitmodules", "path = ui\n").write(".gitattributes", "[[ filter=lfs\n\u{0} x\n");
    repository.write(".env.example", b"\xff\xfe").write("env.ts", "zod createEnv({{{ KEY: z.string(");
    let run = repository.run(&["plan"]);
    run.succeeds().says("project/gitmodules").says(".gitmodules:1");
    assert!(run.stdout.contains("KEY (required by env.ts)"), "{run:#?}");
}

#[test]
fn link_loops_and_odd_names_are_accepted() {
    let repository = Repository::next_app();
    symlink("loop-b", repository.path("loop-a")).unwrap();
    symlink("loop-a", repository.path("loop-b")).unwrap();
    repository.write("public/new\nline.txt", "x").write("public/::error::x", "y");
    let run = repository.run(&["build", "--dry-run"]);
    run.succeeds();
    assert!(run.stdout.contains("new\\nline.txt"), "{run:#?}");
    assert!(!run.stdout.lines().any(|line| line.starts_with("line.txt")), "{run:#?}");
}

#[test]
fn special_files_are_refused_by_name() {
    let repository = Repository::next_app();
    let _socket = std::os::unix::net::UnixListener::bind(repository.path("app/agent.sock")).unwrap();
    let run = repository.run(&["build", "--dry-run"]);
    assert_eq!(run.code, Some(PROJECT), "{run:#?}");
    run.says("app/agent.sock").says("hint:");
}

#[test]
fn wrong_daemon_addresses_are_build_errors_that_name_the_host() {
    for host in ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1", "ssh://build@example.invalid", "gopher://x"] {
        let run = Repository::next_app().run_with(&["build"], &[("DOCKER_HOST", host)]);
        assert_eq!(run.code, Some(BUILD), "{host}: {run:#?}");
        let told = host.split("://").nth(1).unwrap();
        run.says(told).says("hint:");
    }
}

#[test]
fn an_unknown_verb_or_flag_is_a_usage_error() {
    for arguments in [&["explode"][..], &["build", "--frobnicate"], &[]] {
        let run = Repository::empty().run(arguments);
        assert_eq!(run.code, Some(USAGE), "{arguments:?}: {run:#?}");
        assert!(run.stdout.is_empty(), "{run:#?}");
    }
}
