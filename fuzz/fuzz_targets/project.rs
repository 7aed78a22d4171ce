//! Any bytes as one of the files that detection reads, or as one value in `package.json`: facts and a plan or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nextdeploy::repo::ci::CiContext;
use nextdeploy::image::dockerfile::{BuilderBackend, render};
use nextdeploy::image::plan::{Inputs, plan_image};
use nextdeploy::project::{DetectOptions, detect};
use nextdeploy::config::settings::{PublishSettings, Settings};
use nextdeploy::repo::{GitFacts, SourceTree};
use nextdeploy_fuzz::{LOCKFILE, MANIFEST, choose};
use serde_json::{Value, json};

#[derive(Clone, Copy)]
enum Input {
    /// The whole text of a file.
    File(&'static str),
    /// A text at this place of `package.json`, as a JSON pointer.
    Field(&'static str),
}

const INPUTS: &[Input] = &[
    Input::File("package.json"),
    Input::File(".nvmrc"),
    Input::File(".node-version"),
    Input::File(".tool-versions"),
    Input::File(".npmrc"),
    Input::File(".yarnrc"),
    Input::File(".yarnrc.yml"),
    Input::File("bunfig.toml"),
    Input::File(".env"),
    Input::File(".env.production"),
    Input::File(".env.example"),
    Input::File("env.ts"),
    Input::File(".dockerignore"),
    Input::File(".gitmodules"),
    Input::File(".gitattributes"),
    Input::File("pnpm-workspace.yaml"),
    Input::File("lerna.json"),
    Input::File("turbo.json"),
    Input::File("turbo.jsonc"),
    Input::File("nx.json"),
    Input::File("project.json"),
    Input::File("packages/a/package.json"),
    Input::Field("/scripts/build"),
    Input::Field("/scripts/prebuild"),
    Input::Field("/scripts/start"),
    Input::Field("/scripts/postinstall"),
    Input::Field("/engines/node"),
    Input::Field("/engines/npm"),
    Input::Field("/volta/node"),
    Input::Field("/packageManager"),
    Input::Field("/devEngines/packageManager/version"),
    Input::Field("/devEngines/runtime/version"),
    Input::Field("/dependencies/next"),
    Input::Field("/dependencies/sharp"),
    Input::Field("/workspaces/0"),
    Input::Field("/name"),
    Input::Field("/version"),
    Input::Field("/homepage"),
    Input::File("mise.toml"),
    Input::File(".prototools"),
    Input::Field("/dependencies/@types~1node"),
];

/// The manifest with `text` at `pointer`.
fn manifest_with(pointer: &str, text: &str) -> String {
    let mut manifest = json!({
        "name": "a", "version": "1.0.0", "homepage": "", "packageManager": "npm@11.0.0", "workspaces": ["packages/*"],
        "scripts": { "build": "next build", "prebuild": "", "start": "next start", "postinstall": "" },
        "engines": { "node": "22", "npm": "11" }, "volta": { "node": "22.0.0" },
        "devEngines": { "packageManager": { "name": "npm", "version": "11" }, "runtime": { "name": "node", "version": "22" } },
        "dependencies": { "next": "16.4.6", "sharp": "1.0.0", "@types/node": "22" },
    });
    *manifest.pointer_mut(pointer).expect("the place is there") = Value::String(text.to_owned());
    // Every part of the manifest that outranks this one would hide it.
    let object = manifest.as_object_mut().expect("an object");
    match pointer.split('/').nth(1) {
        Some("engines") => ["volta", "devEngines", "packageManager"].map(|key| object.remove(key)),
        Some("volta") => ["engines", "devEngines", ""].map(|key| object.remove(key)),
        Some("devEngines") => ["engines", "volta", "packageManager"].map(|key| object.remove(key)),
        _ => ["", "", ""].map(|key| object.remove(key)),
    };
    manifest.to_string()
}

fuzz_target!(|data: &[u8]| {
    let Some((input, rest)) = choose(INPUTS, data) else { return };
    let text = String::from_utf8_lossy(rest);
    let (file, text) = match input {
        Input::File(name) => (name, text.into_owned()),
        Input::Field(pointer) => ("package.json", manifest_with(pointer, &text)),
    };
    let mut files = vec![("package-lock.json", LOCKFILE), ("app/page.tsx", ""), (file, text.as_str())];
    if file != "package.json" {
        files.push(("package.json", MANIFEST));
    }
    let mut tree = SourceTree::from_texts(files);
    // Only tracked environment files are read.
    let tracked_env_files = [".env", ".env.production"].map(str::to_owned).into();
    tree.git = Some(GitFacts { tracked_env_files, ..GitFacts::default() });
    let Ok(facts) = detect(&tree, &DetectOptions::default()) else { return };
    let (settings, publish, ci) = (Settings::default(), PublishSettings::default(), CiContext::default());
    let planned = plan_image(Inputs { settings: &settings, publish: &publish, ci: &ci, facts: &facts, tree: &tree });
    if let Ok(plan) = planned {
        let _ = render(&plan, BuilderBackend::BuildKit);
        let _ = render(&plan, BuilderBackend::Classic);
    }
});
