//! Any bytes as `next.config` in each of its languages: an answer or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nextdeploy::project::{DetectOptions, detect};
use nextdeploy::repo::SourceTree;
use nextdeploy_fuzz::{LOCKFILE, MANIFEST, choose};

const FILES: &[&str] = &["next.config.js", "next.config.ts", "next.config.mjs", "next.config.cjs", "next.config.mts"];

fuzz_target!(|data: &[u8]| {
    let Some((file, rest)) = choose(FILES, data) else { return };
    let text = String::from_utf8_lossy(rest);
    let tree = [("package.json", MANIFEST), ("package-lock.json", LOCKFILE), (file, text.as_ref())];
    let _ = detect(&SourceTree::from_texts(tree), &DetectOptions::default());
});
