//! What building again gives: the same layers for the same commit, and no second install for an edit that needs none.

use std::fs;

use crate::docker::{Engine, Image};
use crate::fixture::{Case, Repository};
use crate::program::{Run, nextdeploy};

const KEY: &str = "reproduciblekey0d4c6f71b2a95e38";

fn build(engine: &Engine, repository: &Repository, tag: &str, more: &[&str]) -> (Image, Run) {
    let image = Image { engine: engine.clone(), tag: format!("nd-e2e-{tag}:test") };
    let mut arguments = vec!["build", "--tag", &image.tag];
    arguments.extend(more);
    let run = nextdeploy(engine, repository.path(), &arguments);
    assert_eq!(run.code, Some(0), "nextdeploy build: {:?}\n{}", run.code, run.stderr);
    (image, run)
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
