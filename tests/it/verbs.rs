//! The output of each command, and where it goes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::program::Repository;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Every path below `folder` with its content.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(content(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn detect_prints_each_fact_with_its_source() {
    let repository = Repository::next_app();
    repository.write(".nvmrc", "22\n");
    let run = repository.run(&["detect"]);
    run.succeeds();
    assert!(run.stdout.contains("16.4.6") && run.stdout.contains("package-lock.json"), "{run:#?}");
    assert!(run.stdout.contains(".nvmrc"), "{run:#?}");
    let facts = json(&repository.run(&["detect", "--json"]).succeeds().stdout);
    assert_eq!(facts["next"]["value"]["text"], "16.4.6");
    assert_eq!(facts["node"]["origin"]["source"], ".nvmrc");
}

#[test]
fn a_flag_wins_over_a_variable_over_an_input_over_files() {
    let repository = Repository::next_app();
    repository.write("metadata.json", r#"{"app_name": "shop", "port": 4000}"#);
    repository.write("nextdeploy.yml", "app:\n  port: 4001\n");
    let port = |arguments: &[&str], variables: &[(&str, &str)]| {
        let arguments = [&["plan", "--json"], arguments].concat();
        let plan = json(&repository.run_with(&arguments, variables).succeeds().stdout);
        (plan["runtime"]["port"]["value"].clone(), plan["runtime"]["port"]["origin"]["source"].clone())
    };
    let all = [("NEXTDEPLOY_PORT", "4003"), ("INPUT_PORT", "4002")];
    assert_eq!(port(&["--port", "4004"], &all), (4004.into(), "--port".into()));
    assert_eq!(port(&[], &all), (4003.into(), "NEXTDEPLOY_PORT".into()));
    assert_eq!(port(&[], &all[1..]), (4002.into(), "INPUT_PORT".into()));
    assert_eq!(port(&[], &[]), (4001.into(), "nextdeploy.yml#app.port".into()));
    repository.remove("nextdeploy.yml");
    assert_eq!(port(&[], &[]), (4000.into(), "metadata.json#port".into()));
    repository.remove("metadata.json");
    assert_eq!(port(&[], &[]).0, 3000);
}

#[test]
fn untracked_environment_files_are_never_sent_with_either_dockerfile() {
    const SECRET: [&str; 6] = [".env-prod", ".env.local", ".env.production", ".envrc", "config/prod.env", ".dev.vars"];
    let repository = Repository::next_app();
    for name in SECRET {
        repository.write(name, "TOKEN=canary\n");
    }
    repository.write(".env.example", "TOKEN=\n").write("src/env.ts", "").write("Dockerfile", "FROM scratch\n");
    for dockerfile in ["generated", "own", "Dockerfile"] {
        let run = repository.run(&["build", "--dry-run", "--json", "--tag", "shop:1", "--dockerfile", dockerfile]);
        let document = json(&run.succeeds().stdout);
        let context = document["context"].as_array().unwrap();
        let sent = |name: &str| context.iter().any(|line| line["path"].as_str().unwrap().ends_with(name));
        assert!(!SECRET.iter().any(|name| sent(name)), "{dockerfile}: {context:#?}");
        assert!(sent(".env.example") && sent("src/env.ts"), "{dockerfile}: {context:#?}");
        if dockerfile != "generated" {
            run.says("dockerfile/untracked-env-file").says("`--secret-file env=.dev.vars`");
        }
    }
}

#[test]
fn a_dry_run_needs_no_daemon_and_prints_the_whole_plan() {
    let repository = Repository::next_app();
    repository.write(".env.local", "TOKEN=canary\n").write("README.md", "hello");
    let daemon = [("DOCKER_HOST", "unix:///nonexistent.sock")];
    let run = repository.run_with(&["build", "--dry-run", "--json", "--tag", "shop:1"], &daemon);
    let document = json(&run.succeeds().stdout);
    assert_eq!(document["tags"], serde_json::json!(["shop:1"]));
    assert!(document["dockerfile"].as_str().unwrap().contains("FROM node:"), "{document:#}");
    let paths: Vec<&str> =
        document["context"].as_array().unwrap().iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"app/app/page.tsx") && paths.contains(&"deps/package-lock.json"), "{paths:?}");
    assert!(!paths.iter().any(|path| path.contains(".env")), "{paths:?}");
    assert!(!run.stdout.contains("canary"), "{run:#?}");
    let told: Vec<&str> =
        document["calls"].as_array().unwrap().iter().map(|call| call["target"].as_str().unwrap()).collect();
    assert!(told.iter().any(|target| target.contains("nonexistent.sock")), "{told:?}");
    let text = repository.run_with(&["build", "--dry-run"], &daemon);
    for title in ["Facts", "Plan", "Dockerfile", "Build context", "Tags", "Calls"] {
        assert!(text.stdout.contains(&format!("== {title}")), "{title}: {text:#?}");
    }
}

#[test]
fn secret_values_appear_in_no_output() {
    let repository = Repository::next_app();
    repository.write("nextdeploy.yml", "environment:\n  - name: API_TOKEN\n    value: canary-yml\n    secret: true\n");
    let variables = [("NPM_TOKEN", "canary-npm"), ("NEXTDEPLOY_REPRODUCIBLE_KEY", "canary-key-of-sixteen-characters")];
    for verb in [
        &["plan"][..],
        &["plan", "--json"],
        &["dockerfile"],
        &["build", "--dry-run"],
        &["build", "--dry-run", "--json"],
    ] {
        let run = repository.run_with(&[verb, &["--secret", "NPM_TOKEN"]].concat(), &variables);
        run.succeeds();
        assert!(!run.stdout.contains("canary") && !run.stderr.contains("canary"), "{verb:?}: {run:#?}");
    }
}

#[test]
fn nothing_is_changed_but_what_metadata_writes() {
    let repository = Repository::next_app();
    let before = content(repository.root());
    for verb in [&["detect"][..], &["plan"], &["dockerfile"], &["build", "--dry-run"], &["metadata", "--check"]] {
        repository.run(verb);
    }
    assert_eq!(before, content(repository.root()));
    repository.run(&["metadata"]).succeeds();
    let mut after = content(repository.root());
    let written: Vec<PathBuf> = after.keys().filter(|path| !before.contains_key(*path)).cloned().collect();
    let names: Vec<_> =
        written.iter().map(|path| path.strip_prefix(repository.root()).unwrap().to_str().unwrap()).collect();
    assert_eq!(names, [".nextdeploy/build.lock", ".nextdeploy/metadata.json"]);
    for path in &written {
        after.remove(path);
    }
    assert_eq!(before, after);
}

#[test]
fn metadata_is_checked_against_the_repository() {
    let repository = Repository::next_app();
    repository.run(&["metadata", "--check"]).fails(3, "metadata/missing");
    repository.run(&["metadata"]).succeeds();
    repository.run(&["metadata", "--check"]).succeeds();
    repository.write(".nvmrc", "20\n");
    repository.run(&["metadata", "--check"]).fails(3, "metadata/stale").says("node_version");
    repository.run(&["metadata"]).succeeds();
    repository.run(&["metadata", "--check"]).succeeds();
    repository.write(".nextdeploy/metadata.json", "{");
    assert_eq!(repository.run(&["metadata", "--check"]).code, Some(3));
}

#[test]
fn written_files_match_the_schemas() {
    let repository = Repository::next_app();
    repository.run(&["metadata"]).succeeds();
    for name in [".nextdeploy/metadata.json", ".nextdeploy/build.lock"] {
        let schema = json(&repository.run(&["schema", name]).succeeds().stdout);
        let written = json(&fs::read_to_string(repository.path(name)).unwrap());
        jsonschema::validate(&schema, &written).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let names = repository.run(&["schema"]).succeeds().stdout.clone();
    for name in names.lines() {
        jsonschema::meta::validate(&json(&repository.run(&["schema", name]).succeeds().stdout)).unwrap();
    }
    assert!(names.lines().count() >= 5, "{names}");
    repository.run(&["schema", "nothing"]).fails(2, "command/unknown-schema").says("metadata.json");
}

#[test]
fn eject_never_overwrites_a_file() {
    let repository = Repository::next_app();
    repository.run(&["dockerfile", "--eject"]).succeeds();
    assert!(fs::read_to_string(repository.path("Dockerfile")).unwrap().contains("FROM node:"));
    let before = content(repository.root());
    repository.run(&["dockerfile", "--eject"]).fails(2, "command/exists").says("already exists");
    assert_eq!(before, content(repository.root()));
}

#[test]
fn help_and_version_go_to_standard_output() {
    for argument in ["--help", "--version", "-h"] {
        let run = Repository::empty().run(&[argument]);
        run.succeeds();
        assert!(run.stdout.contains("nextdeploy") && run.stderr.is_empty(), "{run:#?}");
    }
}

#[test]
fn it_works_as_a_cargo_subcommand() {
    let program = Path::new(env!("CARGO_BIN_EXE_cargo-nextdeploy"));
    let cargo = |arguments: &[&str], folder: &Path| {
        // Cargo looks up subcommands in `PATH`.
        let path = std::env::join_paths([program.parent().unwrap(), "/usr/bin".as_ref(), "/bin".as_ref()]).unwrap();
        let output =
            Command::new(env!("CARGO")).args(arguments).current_dir(folder).env("PATH", path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let repository = Repository::next_app();
    let detected = cargo(&["nextdeploy", "detect", "--json"], repository.root());
    assert_eq!(json(&detected)["name"]["value"], "shop");
    let help = cargo(&["nextdeploy", "--help"], repository.root());
    assert!(help.contains("Usage: cargo nextdeploy [OPTIONS] <COMMAND>"), "{help}");
}

#[test]
fn a_cache_folder_does_not_change_the_build() {
    let repository = Repository::next_app();
    let plain = repository.run(&["build", "--dry-run", "--json"]);
    let cached = repository.run(&["build", "--dry-run", "--json", "--cache-dir", "caches"]);
    plain.succeeds();
    assert_eq!(plain.stdout, cached.stdout);
    assert!(!repository.path("caches").exists());
}
