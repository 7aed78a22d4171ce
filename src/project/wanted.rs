//! Variables that the project says it needs: names in templates of environment files (`.env.example`), and in schemas that check the
//! environment (t3-env, zod, valibot, envalid, …).
//!
//! A template names what the app may need anywhere; a schema says what it refuses to start without. Values are never read.

use std::collections::BTreeMap;

use super::dotenv;
use super::facts::{VariableNeed, WantedVariable};
use super::text;
use crate::rel_path::RelPath;
use crate::repo::{SourceTree, is_environment_template};

const MOST_SCHEMAS: usize = 20;
const MOST_VARIABLES: usize = 500;

/// Variables by name; a schema counts more than a template. Those are in `folders`, schemas below the app and its `packages`.
pub(super) fn detect(
    tree: &SourceTree,
    app_dir: &RelPath,
    folders: &[&RelPath],
    packages: &[RelPath],
) -> Vec<WantedVariable> {
    let mut wanted: BTreeMap<String, WantedVariable> = BTreeMap::new();
    let mut add = |name: String, named_by: &RelPath, need: VariableNeed| {
        let known = wanted.get(&name).is_some_and(|known| known.need >= need);
        if !known && wanted.len() < MOST_VARIABLES && is_of_app(&name) {
            wanted.insert(name.clone(), WantedVariable { name, named_by: named_by.clone(), need });
        }
    };
    for path in templates(tree, folders) {
        // A template that cannot be read names nothing; no build reads it either.
        let Ok(Some(text)) = text::read(tree, &path) else { continue };
        for name in dotenv::names(text) {
            add(name, &path, VariableNeed::Named);
        }
    }
    let config = super::next_config::NAMES
        .iter()
        .map(|name| app_dir.child(name))
        .find_map(|path| text::read(tree, &path).ok()?);
    let of_app = |path: &RelPath| {
        app_dir.contains(path) || packages.iter().any(|package| !package.is_root() && package.contains(path))
    };
    let schemas = tree.environment_schemas().filter(of_app);
    let schemas = schemas.filter(|path| !path.as_str().split('/').any(is_aside));
    for path in schemas.take(MOST_SCHEMAS) {
        let Ok(Some(text)) = text::read(tree, &path) else { continue };
        let by_config = config.is_some_and(|config| imports(config, &path));
        let need = if by_config { VariableNeed::CheckedByConfig } else { VariableNeed::Required };
        let listed = if by_config { listed(text) } else { Vec::new() };
        for name in required(text).into_iter().chain(listed) {
            add(name, &path, need);
        }
    }
    wanted.into_values().collect()
}

/// True when the text of `next.config` loads the file at `path`: `import "./src/env.mjs"`, `jiti("./env")`.
fn imports(config: &str, path: &RelPath) -> bool {
    let stem = path.name().rsplit_once('.').map_or(path.name(), |(stem, _)| stem);
    config.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        line.match_indices(stem).any(|(at, _)| {
            let rest = &line[at + stem.len()..];
            let ending =
                rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_lowercase()));
            line[..at].ends_with('/') && ending.starts_with(['"', '\'', '`'])
        })
    })
}

/// Templates in the folders of the app and of its lockfile.
fn templates(tree: &SourceTree, folders: &[&RelPath]) -> Vec<RelPath> {
    let mut found = Vec::new();
    for folder in folders {
        let children = tree.entries_at(folder).iter().filter_map(|entry| RelPath::new(entry.path.to_str()?).ok());
        found.extend(
            children
                .filter(|path| {
                    path.parent().as_ref() == Some(*folder)
                        && is_environment_template(path.name())
                        && !found.contains(path)
                })
                .collect::<Vec<_>>(),
        );
    }
    found
}

fn is_aside(folder: &str) -> bool {
    matches!(
        folder,
        "test" | "tests" | "__tests__" | "e2e" | "examples" | "fixtures" | "scripts" | "cypress" | "playwright"
    )
}

/// False for what the image, the CI system or the host sets.
fn is_of_app(name: &str) -> bool {
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let by_others =
        matches!(name, "NODE_ENV" | "PORT" | "HOSTNAME" | "HOST" | "CI" | "ANALYZE" | "TZ" | "PATH" | "HOME");
    let of_host = ["VERCEL", "NEXT_TELEMETRY", "NEXT_RUNTIME", "SKIP_ENV_"].iter().any(|start| name.starts_with(start));
    is_name && !by_others && !of_host
}

/// Words of the libraries that check an environment.
const LIBRARIES: [&str; 9] = ["createEnv", "zod", "valibot", "envalid", "envsafe", "arktype", "joi", "yup", "znv"];
/// Parts of an expression that make a variable optional.
const OPTIONAL: [&str; 6] = ["optional", "default", "nullish", "catch(", "undefined", "preprocess"];

/// Names that a schema requires: `DATABASE_URL: z.string().url()`.
fn required(text: &str) -> Vec<String> {
    if !LIBRARIES.iter().any(|library| text.contains(library)) {
        return Vec::new();
    }
    let is_comment = |line: &&str| ["//", "*", "/*"].iter().any(|start| line.trim_start().starts_with(start));
    let code: String = text.lines().filter(|line| !is_comment(line)).flat_map(|line| [line, "\n"]).collect();
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find(':') {
        let (before, after) = rest.split_at(at);
        let expression = expression(&after[1..]);
        let name = before.trim_end().trim_end_matches(['"', '\'']);
        let name = &name[name.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map_or(0, |at| at + 1)..];
        // `NAME: read("NAME")` is a value and not a schema.
        let is_value = ['"', '\''].iter().any(|quote| expression.contains(&format!("{quote}{name}{quote}")));
        if !is_value
            && is_variable(name)
            && is_schema(expression)
            && !OPTIONAL.iter().any(|word| expression.contains(word))
        {
            found.push(name.to_owned());
        }
        rest = &after[1..];
    }
    found
}

/// Names in a module without library that ends the process when one is not set: `names.filter((name) => !process.env[name])`.
fn listed(text: &str) -> Vec<String> {
    if !text.contains("process.env[") || !text.contains("process.exit") {
        return Vec::new();
    }
    let words = text.split(['"', '\'', '`']).filter(|word| word.contains('_') && is_variable(word));
    words.map(str::to_owned).collect()
}

fn is_variable(name: &str) -> bool {
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// A call of a library: `z.string()`, `str()`; not `process.env.NAME`.
fn is_schema(expression: &str) -> bool {
    let expression = expression.trim_start();
    let length = expression.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '$'))).unwrap_or(0);
    let (callee, rest) = expression.split_at(length);
    !callee.is_empty() && !matches!(callee, "process" | "import" | "env") && rest.trim_start().starts_with(['.', '('])
}

/// Bytes of the longest expression.
const LONGEST: usize = 2_000;

/// The text up to the comma or bracket that ends a property.
fn expression(text: &str) -> &str {
    let mut depth = 0_u32;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' | ',' | ';' if depth == 0 => return &text[..at],
            ')' | ']' | '}' => depth -= 1,
            _ if at > LONGEST => return &text[..at],
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_templates_and_schemas() {
        let schema = r#"
            import { createEnv } from "@t3-oss/env-nextjs";
            export const env = createEnv({
              server: {
                DATABASE_URL: z.string().url(),
                "STRIPE_KEY": z
                  .string()
                  .min(1),
                // OLD_KEY: z.string(),
                LOG_LEVEL: z.enum(["a", "b"]).default("a"),
                REDIS_URL: z.string().optional(),
                NODE_ENV: z.enum(["production"]),
              },
              client: { NEXT_PUBLIC_SITE: z.string() },
              runtimeEnv: { DATABASE_URL: process.env.DATABASE_URL, OTHER: process.env.OTHER, READ: read("READ") },
            });"#;
        let tree = SourceTree::from_texts([
            ("web/src/env.ts", schema),
            ("web/.env.example", "DATABASE_URL=x\n# A=1\nMAIL_FROM=\nPORT=3000\n"),
            (".env.sample", "ROOT=1\n"),
            ("web/src/lib/config.ts", schema),
            ("packages/env/src/index.ts", "createEnv({ server: { PACKAGE_KEY: z.string() } })"),
            ("packages/other/env.ts", "createEnv({ server: { OTHER_KEY: z.string() } })"),
            ("env.example", "\u{0}"),
        ]);
        let (root, app) = (RelPath::root(), RelPath::new("web").unwrap());
        let found = detect(&tree, &app, &[&app, &root], &[RelPath::new("packages/env").unwrap()]);
        let found: Vec<String> = found.iter().map(|v| format!("{} {} {:?}", v.name, v.named_by, v.need)).collect();
        let expected = [
            "DATABASE_URL web/src/env.ts Required",
            "MAIL_FROM web/.env.example Named",
            "NEXT_PUBLIC_SITE web/src/env.ts Required",
            "PACKAGE_KEY packages/env/src/index.ts Required",
            "ROOT .env.sample Named",
            "STRIPE_KEY web/src/env.ts Required",
        ];
        assert_eq!(found, expected);
        let check = "const all = [{ key: 'API_KEY' }]; if (!all.every(({ key }) => process.env[key])) process.exit(1)";
        let files = [("next.config.js", "require('./check-env-variables')()"), ("check-env-variables.js", check)];
        let found = detect(&SourceTree::from_texts(files), &root, &[&root], &[]);
        let found: Vec<String> = found.iter().map(|v| format!("{} {:?}", v.name, v.need)).collect();
        assert_eq!(found, ["API_KEY CheckedByConfig"]);
        assert_eq!(required("const A = { KEY: f() }"), [""; 0], "no library");
        assert_eq!(required("zod {{{{ KEY: z.string("), ["KEY"]);
    }
}
