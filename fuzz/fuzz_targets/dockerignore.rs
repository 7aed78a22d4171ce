//! Any bytes as `.dockerignore` and as a path: a verdict or an error, never a panic.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use nextdeploy::source::ignore::IgnoreRules;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (rules, path) = text.split_once('\0').unwrap_or((&text, "app/page.tsx"));
    if let Ok(rules) = IgnoreRules::parse(rules) {
        let _ = rules.is_excluded(Path::new(path));
        let _ = rules.can_prune_directory(Path::new(path));
    }
});
