//! Any text as app name, variable, label, branch or command: the Dockerfile keeps its instructions, or planning says no.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nextdeploy::repo::ci::CiContext;
use nextdeploy::image::dockerfile::{BuilderBackend, render};
use nextdeploy::config::metadata::EnvScope;
use nextdeploy::origin::{Sourced, Origin};
use nextdeploy::image::plan::{Inputs, plan_image};
use nextdeploy::project::{DetectOptions, detect};
use nextdeploy::config::settings::{EnvSetting, EnvValue, PublishSettings, Settings};
use nextdeploy::repo::SourceTree;

const LOCKFILE: &str = r#"{"lockfileVersion":3,"packages":{"node_modules/next":{"version":"16.4.6"}}}"#;
const MANIFEST: &str = r#"{"name":"a","scripts":{"build":"next build"},"dependencies":{"next":"16.4.6"}}"#;

/// The keyword of every instruction; a line that ends with a backslash goes on in the next one, as Docker reads it.
fn instructions(dockerfile: &str) -> Vec<String> {
    let joined = dockerfile.replace("\\\n", "");
    let lines = joined.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
}

fn dockerfile(text: &str) -> Option<String> {
    let tree =
        SourceTree::from_texts([("package.json", MANIFEST), ("package-lock.json", LOCKFILE), ("app/page.tsx", "")]);
    let facts = detect(&tree, &DetectOptions::default()).ok()?;
    let given = |value: &str| Sourced::new(value.to_owned(), Origin::Flag("--x".to_owned()));
    let mut settings = Settings { build_command: Some(given(text)), ..Settings::default() };
    settings.labels.insert("label".to_owned(), given(text));
    let value = EnvSetting { value: EnvValue::Plain(text.to_owned()), scope: EnvScope::Auto };
    settings.env.insert("VALUE".to_owned(), Sourced::new(value, Origin::Flag("--env".to_owned())));
    let ci = CiContext { branch: Some(text.to_owned()), tag: Some(text.to_owned()), ..CiContext::default() };
    let plan = plan_image(Inputs {
        settings: &settings,
        publish: &PublishSettings::default(),
        ci: &ci,
        facts: &facts,
        tree: &tree,
    })
    .ok()?;
    render(&plan, BuilderBackend::BuildKit).ok()
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let (Some(hostile), Some(harmless)) = (dockerfile(&text), dockerfile("x")) {
        // A value that an ENV line cannot carry goes another way, and an empty tag gives no label: only these may be missing.
        let kept = |dockerfile: &str| {
            let mut words = instructions(dockerfile);
            words.retain(|word| word != "ENV" && word != "LABEL");
            words
        };
        assert_eq!(kept(&hostile), kept(&harmless));
        let optional = |dockerfile: &str| {
            instructions(dockerfile).iter().filter(|word| ["ENV", "LABEL"].contains(&word.as_str())).count()
        };
        assert!(optional(&hostile) <= optional(&harmless));
    }
});
