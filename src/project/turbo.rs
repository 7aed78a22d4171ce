//! Tasks that `turbo.json` defines.

use serde_json::Value;

use crate::rel_path::RelPath;
use crate::source::{SourceText, SourceTree};

/// Names of the tasks in the root's `turbo.json` (`tasks`, or `pipeline` before turbo 2), as written: `build`, `web#build`.
/// Empty without the file; what turbo cannot read either is left to turbo's own message.
pub fn turbo_tasks(tree: &SourceTree) -> Vec<String> {
    let texts = ["turbo.json", "turbo.jsonc"].into_iter().filter_map(|name| tree.text(&RelPath::root().child(name)));
    let mut configs = texts.filter_map(|text| match text {
        SourceText::Text(text) => {
            jsonc_parser::parse_to_serde_value::<Value>(text, &jsonc_parser::ParseOptions::default()).ok()
        }
        _ => None,
    });
    let Some(config) = configs.next() else { return Vec::new() };
    let tasks = config.get("tasks").or_else(|| config.get("pipeline")).and_then(Value::as_object);
    tasks.map_or_else(Vec::new, |tasks| tasks.keys().cloned().collect())
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
