//! A native module without a prebuilt binary, and packages of the distribution: compiled in the build, and only the requested
//! package in the image.

use std::fs;
use std::path::Path;

use crate::docker::{Container, Engine, Image};
use crate::fixture::{Case, Repository};
use crate::program::nextdeploy;

/// Compiled by node-gyp on every install.
const MODULE: &str = r#""unix-dgram": "2.0.7""#;
/// Small, with libraries of its own, and in no base image.
const PACKAGE: &str = "jq";

#[test]
fn native_modules_are_compiled_and_packages_are_installed() {
    let case = Case::named("npm-next14-custom-server");
    let engine = Engine::with_base(case.node);
    let repository = Repository::compose(&case);
    add_module(&engine, &case, repository.path());
    repository.commit("A native module");

    let image = Image { engine: engine.clone(), tag: "nd-e2e-native:test".to_owned() };
    let arguments = ["build", "--tag", &image.tag, "--package", PACKAGE];
    let run = nextdeploy(&engine, repository.path(), &arguments);
    assert_eq!(run.code, Some(0), "nextdeploy build: {:?}\n{}", run.code, run.stderr);

    let container = Container::start(&image, "nd-e2e-native", 3000, &[]);
    container.wait_until_healthy();
    assert_eq!(container.get("/custom").text(), "unix-dgram is a function");

    let shell = |script: &str| engine.docker(&["run", "--rm", "--entrypoint", "/bin/sh", &image.tag, "-c", script]);
    assert!(shell("jq --version").starts_with("jq-"));
    let left = shell("for tool in g++ make python3; do command -v $tool; done; ls /var/lib/apt/lists /var/log");
    assert!(left.lines().all(|line| line.is_empty() || line.ends_with(':')), "left in the image:\n{left}");
    assert_eq!(shell("stat -c %Y /usr/bin /var/lib/dpkg/status | sort -u"), "946684800", "times are not fixed");
}

/// Changes the app, and its lockfile with the npm of the base image.
fn add_module(engine: &Engine, case: &Case, folder: &Path) {
    let edit = |name: &str, from: &str, to: &str| {
        let path = folder.join(name);
        let before = fs::read_to_string(&path).unwrap();
        let after = before.replace(from, to);
        assert_ne!(before, after);
        fs::write(path, after).unwrap();
    };
    edit("package.json", r#""dependencies": {"#, &format!("\"dependencies\": {{\n    {MODULE},"));
    edit(
        "server.js",
        "'answered by the custom server'",
        "'unix-dgram is a ' + typeof require('unix-dgram').createSocket",
    );
    let (mount, base) = (format!("{}:/work", folder.display()), format!("node:{}-slim", case.node));
    let user = format!("{}:{}", rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let options =
        ["run", "--rm", "--user", &user, "--volume", &mount, "--workdir", "/work", "--env", "HOME=/tmp", &base];
    let command = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"];
    engine.docker(&[options.as_slice(), &command].concat());
}
