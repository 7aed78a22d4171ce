//! Any bytes as each kind of lockfile: an answer or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nextdeploy::project::{DetectOptions, detect};
use nextdeploy::repo::SourceTree;
use nextdeploy_fuzz::choose;

const MANIFEST: &str = r#"{"name":"a","dependencies":{"next":"^16"},"workspaces":["packages/*"]}"#;
const LOCKFILES: &[&str] = &["package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock"];

fuzz_target!(|data: &[u8]| {
    let Some((file, rest)) = choose(LOCKFILES, data) else { return };
    let text = String::from_utf8_lossy(rest);
    let tree = SourceTree::from_texts([("package.json", MANIFEST), (file, text.as_ref())]);
    let _ = detect(&tree, &DetectOptions::default());
});
