//! Any bytes as each kind of lockfile: an answer or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nextdeploy::project::{DetectOptions, detect};
use nextdeploy::source::SourceTree;

const MANIFEST: &str = r#"{"name":"a","dependencies":{"next":"^16"},"workspaces":["packages/*"]}"#;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let files = ["package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock"];
    let tree = [("package.json", MANIFEST), (files[usize::from(*kind) % files.len()], text.as_ref())];
    let _ = detect(&SourceTree::from_texts(tree), &DetectOptions::default());
});
