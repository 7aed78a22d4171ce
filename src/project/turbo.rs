//! Tasks that `turbo.json` defines.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::text::strict;
use crate::rel_path::RelPath;
use crate::repo::{SourceText, SourceTree};

#[derive(Deserialize)]
struct TurboConfig {
    tasks: Option<Map<String, Value>>,
    pipeline: Option<Map<String, Value>>,
}

/// Names of the tasks in the root's `turbo.json` (`tasks`, or `pipeline` before turbo 2), as written: `build`, `web#build`.
/// Empty without the file; what turbo cannot read either is left to turbo's own message.
pub fn turbo_tasks(tree: &SourceTree) -> Vec<String> {
    let texts = ["turbo.json", "turbo.jsonc"].into_iter().filter_map(|name| tree.text(&RelPath::root().child(name)));
    let mut configs = texts.filter_map(|text| match text {
        SourceText::Text(text) => serde_json::from_str::<TurboConfig>(&strict(text)).ok(),
        _ => None,
    });
    let tasks = configs.next().and_then(|config| config.tasks.or(config.pipeline)).unwrap_or_default();
    tasks.into_iter().map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_generations_of_turbo_are_read() {
        let tasks = |text: &str| turbo_tasks(&SourceTree::from_texts([("turbo.json", text)]));
        assert_eq!(tasks("{ // comment\n \"tasks\": { \"build\": {}, } }"), ["build"]);
        assert_eq!(tasks(r#"{ "pipeline": { "web#build": {} } }"#), ["web#build"]);
        assert!(tasks("{").is_empty());
    }
}
