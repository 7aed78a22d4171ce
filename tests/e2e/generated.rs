//! Applications as `create-next-app` makes them today, of several versions, with nothing added.

use std::path::Path;

use crate::docker::{Container, Engine, Image};
use crate::fixture::Repository;
use crate::program::nextdeploy;

/// Local fonts, Pages Router, JavaScript.
#[test]
fn create_next_app_14_pages() {
    let options = ["--js", "--no-app", "--no-tailwind", "--no-eslint", "--no-src-dir"];
    check_generated("14.2.35", 20, &options);
}

#[test]
fn create_next_app_15_app() {
    let options = ["--ts", "--app", "--no-tailwind", "--no-eslint", "--no-src-dir", "--empty"];
    check_generated("15.5.28", 22, &options);
}

/// Tailwind CSS and a `src` folder.
#[test]
fn create_next_app_16_app() {
    let options = ["--ts", "--app", "--tailwind", "--no-eslint", "--no-linter", "--src-dir", "--empty"];
    check_generated("16.4.3", 22, &options);
}

fn check_generated(version: &str, node: u32, options: &[&str]) {
    let engine = Engine::with_base(node);
    let repository = Repository::filled(|folder| generate(&engine, folder, version, node, options));
    let app = repository.path().join("app");
    let name = format!("nd-e2e-created-{}", version.split('.').next().unwrap());
    let image = Image { engine: engine.clone(), tag: format!("{name}:test") };
    let node_version = node.to_string();
    let run = nextdeploy(&engine, &app, &["build", "--tag", &image.tag, "--node-version", &node_version]);
    assert_eq!(run.code, Some(0), "nextdeploy build: {:?}\n{}", run.code, run.stderr);
    let container = Container::start(&image, &name, 3000, &[]);
    container.wait_until_healthy();
    let home = container.get("/");
    assert!(home.header("content-type").starts_with("text/html"), "{:?}", home.headers);
    assert!(home.text().contains("/_next/static/"), "{}", home.text());
}

/// Runs the generator and writes the lockfile, in the base image, so that no Node.js is needed here.
fn generate(engine: &Engine, folder: &Path, version: &str, node: u32, options: &[&str]) {
    let run = |folder: &Path, command: &[&str]| {
        let mount = format!("{}:/work", folder.display());
        let base = format!("node:{node}-slim");
        let user = format!("{}:{}", rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let mut arguments = vec![
            "run",
            "--rm",
            "--user",
            &user,
            "--volume",
            &mount,
            "--workdir",
            "/work",
            "--env",
            "HOME=/tmp",
            "--env",
            "CI=1",
            &base,
        ];
        arguments.extend(command);
        engine.docker(&arguments);
    };
    let package = format!("create-next-app@{version}");
    let mut command = vec!["npx", "--yes", &package, "app", "--use-npm", "--import-alias", "@/*"];
    command.extend(options);
    run(folder, &command);
    run(&folder.join("app"), &["npm", "install", "--package-lock-only", "--no-audit", "--no-fund"]);
}
