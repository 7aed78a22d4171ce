//! `package.json` without what no install reads, so that an edit of a script or a description never re-installs.

use std::fmt::{self, Write};

use serde_json::{Map, Value};

/// Fields that some package manager reads when it installs, or compares with its lockfile.
pub(super) const FIELDS: [&str; 35] = [
    "name",
    "version",
    "private",
    "packageManager",
    "engines",
    "devEngines",
    "os",
    "cpu",
    "libc",
    "bin",
    "directories",
    "workspaces",
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "dependenciesMeta",
    "bundledDependencies",
    "bundleDependencies",
    "acceptDependencies",
    "overrides",
    "resolutions",
    "patchedDependencies",
    "trustedDependencies",
    "catalog",
    "catalogs",
    "pnpm",
    "installConfig",
    "preferUnplugged",
    "publishConfig",
    "flat",
    "volta",
    "config",
    "prisma",
];

/// The reduced manifest; the text itself when it is no JSON object, which the package manager will say better.
pub fn reduce_manifest(text: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
        return text.to_owned();
    };
    let kept: Map<String, Value> = fields.into_iter().filter(|(name, _)| FIELDS.contains(&name.as_str())).collect();
    let reduced = Value::Object(kept);
    let mut pretty = Bounded { text: String::new(), limit: INDENTED * text.len() };
    // Deep nesting multiplies a text by its indentation.
    let text = if write!(pretty, "{reduced:#}").is_ok() { pretty.text } else { reduced.to_string() };
    text + "\n"
}

/// How many times longer than the manifest the indented form may be.
const INDENTED: usize = 8;

/// A text that takes no more than `limit` bytes.
struct Bounded {
    text: String,
    limit: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.text.len() + text.len() > self.limit {
            return Err(fmt::Error);
        }
        self.text.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"{
        "name": "web", "description": "old", "scripts": { "build": "next build", "postinstall": "x" },
        "dependencies": { "next": "16.4.5" }, "pnpm": { "overrides": { "a": "1" } }
    }"#;

    #[test]
    fn an_edit_of_a_script_changes_nothing() {
        let edited = MANIFEST.replace("next build", "next build --webpack").replace("old", "new");
        assert_eq!(reduce_manifest(MANIFEST), reduce_manifest(&edited));
        assert!(!reduce_manifest(MANIFEST).contains("postinstall"));
    }

    #[test]
    fn an_edit_of_a_dependency_changes_it() {
        assert_ne!(reduce_manifest(MANIFEST), reduce_manifest(&MANIFEST.replace("16.4.5", "16.4.6")));
        assert_ne!(reduce_manifest(MANIFEST), reduce_manifest(&MANIFEST.replace("\"1\"", "\"2\"")));
    }

    #[test]
    fn indentation_does_not_multiply_it() {
        let deep = format!("{{\"config\":{}{}1{}}}", "[".repeat(100), "1,".repeat(10_000), "]".repeat(100));
        assert_eq!(reduce_manifest(&deep), format!("{deep}\n"));
        assert_eq!(reduce_manifest(r#"{"config":[1]}"#), "{\n  \"config\": [\n    1\n  ]\n}\n");
    }

    #[test]
    fn what_is_no_object_stays() {
        assert_eq!(reduce_manifest("[1"), "[1");
    }
}
