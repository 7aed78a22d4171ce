//! Repeated builds: the same layers for the same commit, and no second install for an edit that does not need one.

use std::fs;

use serde_json::Value;

use crate::docker::{Engine, Image};
use crate::fixture::{Case, Repository};
use crate::program::nextdeploy;

const KEY: &str = "reproduciblekey0d4c6f71b2a95e38";

fn build(engine: &Engine, repository: &Repository, tag: &str, more: &[&str]) -> (Image, Value) {
    let image = Image { engine: engine.clone(), tag: format!("nd-e2e-{tag}:test") };
    let mut arguments = vec!["build", "--json", "--tag", &image.tag];
    arguments.extend(more);
    let run = nextdeploy(engine, repository.path(), &arguments);
    assert_eq!(run.code, Some(0), "nextdeploy build: {:?}\n{}", run.code, run.stderr);
    (image, serde_json::from_str(&run.stdout).unwrap())
}

/// The outcome of the step whose instruction contains `part`.
fn step_result(result: &Value, part: &str) -> String {
    let steps = result["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"].as_str().unwrap().contains(part));
    step.unwrap_or_else(|| panic!("no step with `{part}`: {steps:#?}"))["result"].as_str().unwrap().to_owned()
}

fn replace_in(repository: &Repository, path: &str, from: &str, to: &str) {
    let path = repository.path().join(path);
    let before = fs::read_to_string(&path).unwrap();
    let after = before.replace(from, to);
    assert_ne!(before, after);
    fs::write(&path, after).unwrap();
}

#[test]
fn editing_sources_or_scripts_does_not_reinstall() {
    let case = Case::named("npm-next16-app");
    let engine = Engine::with_base(case.node);
    let repository = Repository::compose(&case);
    let (first, _) = build(&engine, &repository, "edit-before", &[]);

    replace_in(&repository, "app/page.tsx", "fixture home", "another home");
    replace_in(&repository, "package.json", "\"next dev\"", "\"next dev --port 4000\"");
    fs::write(repository.path().join("README.md"), "# Changed\n").unwrap();
    repository.commit("Edit");
    let (second, result) = build(&engine, &repository, "edit-after", &[]);
    assert_eq!(step_result(&result, "install dependencies"), "cached", "{result:#}");
    assert_eq!(step_result(&result, "build the app"), "done", "{result:#}");
    let kept = first.layers().iter().zip(second.layers()).take_while(|(before, after)| *before == after).count();
    let node_modules = result["layers"]
        .as_array()
        .unwrap()
        .iter()
        .position(|layer| layer["createdBy"].as_str().unwrap().contains("node_modules"));
    assert!(kept > node_modules.unwrap(), "only {kept} layers are the same: {result:#}");

    // Not part of the build: every step is cached.
    fs::remove_file(repository.path().join(".env.local")).unwrap();
    let (third, result) = build(&engine, &repository, "edit-none", &[]);
    assert_eq!(step_result(&result, "build the app"), "cached", "{result:#}");
    assert_eq!(second.layers(), third.layers());
}

#[test]
fn one_commit_in_two_folders_gives_the_same_layers() {
    let case = Case::named("npm-next16-app");
    let engine = Engine::with_base(case.node);
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("key");
    fs::write(&key, KEY).unwrap();
    let key = format!("file:{}", key.display());
    let [first, second] = ["first", "second"].map(|tag| {
        let repository = Repository::compose(&case);
        build(&engine, &repository, &format!("repeat-{tag}"), &["--no-cache", "--reproducible-key", &key]).0
    });
    assert_eq!(first.layers(), second.layers());
    assert_eq!(
        first.containing(&[KEY, "built for the north pole"]),
        ["built for the north pole"],
        "the key is in the image"
    );
}
