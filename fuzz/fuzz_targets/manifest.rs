//! Any bytes as `package.json` and as the small files beside it: an answer or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nextdeploy::project::{DetectOptions, detect};
use nextdeploy::source::SourceTree;

const LOCKFILE: &str = r#"{"lockfileVersion":3,"packages":{"node_modules/next":{"version":"16.4.6"}}}"#;
const MANIFEST: &str = r#"{"name":"a","dependencies":{"next":"16.4.6"}}"#;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let files = ["package.json", ".nvmrc", ".tool-versions", ".npmrc", ".env", "pnpm-workspace.yaml", "turbo.json", ".node-version"];
    let file = files[usize::from(*kind) % files.len()];
    let mut tree = vec![("package-lock.json", LOCKFILE), (file, text.as_ref())];
    if file != "package.json" {
        tree.push(("package.json", MANIFEST));
    }
    let _ = detect(&SourceTree::from_texts(tree), &DetectOptions::default());
});
