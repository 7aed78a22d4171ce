//! Any bytes as the files that configure a run: settings or an error, never a panic. `metadata.json` and `nextdeploy.yml`, container
//! documents, `run.json` of an image, a Docker configuration, the event of a CI system.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use nextdeploy::repo::ci::{CiContext, CiSystem};
use nextdeploy::config::cli::CliSettings;
use nextdeploy::docker::{ImageFacts, RunDocument};
use nextdeploy::host::Environment;
use nextdeploy::deploy::{ContainerConfig, LaunchInputs, MachineFacts, plan_launch, read_document};
use nextdeploy::config::metadata::{ConfigFiles, Overrides, Record, check};
use nextdeploy::net::Network;
use nextdeploy::origin::{Sourced, Origin};
use nextdeploy::project::{DetectOptions, detect};
use nextdeploy::image_ref::RegistryHost;
use nextdeploy::registry::{Access, Keychain};
use nextdeploy::rel_path::RelPath;
use nextdeploy::config::settings::{PublishSettings, resolve};
use nextdeploy::repo::SourceTree;
use nextdeploy_fuzz::{LOCKFILE, MANIFEST, choose, runtime};

#[derive(Clone, Copy)]
enum Input {
    Settings(&'static str),
    Record(&'static str),
    Container(&'static str),
    RunDocument,
    DockerConfig,
    Event(CiSystem),
}

const INPUTS: &[Input] = &[
    Input::Settings("metadata.json"),
    Input::Settings("nextdeploy.yml"),
    Input::Settings("nextdeploy.yaml"),
    Input::Record(".nextdeploy/metadata.json"),
    Input::Record(".nextdeploy/build.lock"),
    Input::Container("app.json"),
    Input::Container("app.yml"),
    Input::RunDocument,
    Input::DockerConfig,
    Input::Event(CiSystem::GitHub),
    Input::Event(CiSystem::Forgejo),
];

fn read_settings(name: &str, data: &[u8]) {
    let tree = SourceTree::from_texts([("package.json", "{}")]);
    if let Ok(files) = ConfigFiles::read(&tree, &RelPath::root(), Some((Path::new(name), data))) {
        let _ = resolve(&CliSettings::default(), &Environment::default(), &files);
    }
}

fn read_record(name: &str, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let tree =
        SourceTree::from_texts([("package.json", MANIFEST), ("package-lock.json", LOCKFILE), (name, text.as_ref())]);
    if let Ok(files) = ConfigFiles::read(&tree, &RelPath::root(), None) {
        let _ = resolve(&CliSettings::default(), &Environment::default(), &files);
    }
    if let Ok(facts) = detect(&tree, &DetectOptions::default()) {
        let _ = check(&tree, &Record::of(&tree, &facts, &Overrides::default()));
    }
}

fn image() -> ImageFacts {
    ImageFacts {
        id: format!("sha256:{}", "0".repeat(64)),
        tags: vec!["shop:latest".to_owned()],
        digests: Vec::new(),
        labels: BTreeMap::new(),
        env: BTreeMap::new(),
        ports: vec![3000],
        entrypoint: vec!["node".to_owned()],
        command: Vec::new(),
        user: None,
        working_dir: None,
        has_health_check: true,
        platform: "linux/amd64".to_owned(),
    }
}

fn plan(run: Option<&RunDocument>, config: &ContainerConfig) {
    let reference = Sourced::new("shop:latest".to_owned(), Origin::Flag("IMAGE".to_owned()));
    let inputs = LaunchInputs { reference: &reference, image: &image(), run, config, env_files: &[], machine: MachineFacts::default() };
    if let Ok(plan) = plan_launch(inputs) {
        let _ = plan.container(BTreeMap::new());
    }
}

/// The keys of `credHelpers` and `auths` come from the input, so the registry that is asked for is one that every seed names. Nothing
/// runs: there is no `PATH` with helpers.
fn read_docker_config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if text.contains('\0') {
        return;
    }
    let environment = Environment::from_pairs([("DOCKER_AUTH_CONFIG", text.as_ref())]);
    let network = Arc::new(Network::new(&environment, None));
    let host = RegistryHost::new("registry.example.com");
    if let Ok(keychain) = Keychain::new(&PublishSettings::default(), &[], &environment, network) {
        let _ = runtime().block_on(keychain.resolve(&host, Access::Pull));
    }
}

fn read_event(system: CiSystem, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let environment = Environment::from_pairs([
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REF", "refs/pull/7/merge"),
        ("GITHUB_EVENT_NAME", "pull_request"),
    ]);
    let _ = CiContext::detect_as(system, &environment, Some(&text), 0);
}

fuzz_target!(|data: &[u8]| {
    let Some((input, rest)) = choose(INPUTS, data) else { return };
    match input {
        Input::Settings(name) => read_settings(name, rest),
        Input::Record(name) => read_record(name, rest),
        Input::Container(name) => {
            let text = String::from_utf8_lossy(rest);
            if let Ok(config) = read_document(name, &text, Path::new("/nonexistent"), &Environment::default()) {
                plan(None, &config);
            }
        }
        Input::RunDocument => {
            if let Ok(run) = RunDocument::parse(rest) {
                plan(Some(&run), &ContainerConfig::default());
            }
        }
        Input::DockerConfig => read_docker_config(rest),
        Input::Event(system) => read_event(system, rest),
    }
});
