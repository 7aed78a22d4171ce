//! Any bytes as `next.config.ts` and `next.config.js`: an answer or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nextdeploy::project::{DetectOptions, detect};
use nextdeploy::source::SourceTree;

const LOCKFILE: &str = r#"{"lockfileVersion":3,"packages":{"node_modules/next":{"version":"16.4.6"}}}"#;
const MANIFEST: &str = r#"{"name":"a","dependencies":{"next":"16.4.6"}}"#;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for file in ["next.config.js", "next.config.ts"] {
        let tree = [("package.json", MANIFEST), ("package-lock.json", LOCKFILE), (file, text.as_ref())];
        let _ = detect(&SourceTree::from_texts(tree), &DetectOptions::default());
    }
});
