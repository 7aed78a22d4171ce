//! Which files hold environment variables, by their name: `.env` and all that people call its relatives.
//!
//! Git facts say which of them are tracked; the others stay on this machine. A template of such a file is not one.

/// Last words of names that are templates: they are made to be committed, and hold no values.
const TEMPLATES: [&str; 9] =
    ["example", "examples", "sample", "template", "tpl", "tmpl", "dist", "default", "defaults"];

/// Words that say which environment `env.…` and `….env.…` are of, or which copy. Anything else there is an extension, as in
/// `env.ts` and `next-env.d.ts`, and the file is source code.
const STAGES: [&str; 36] = [
    "local",
    "prod",
    "production",
    "dev",
    "devel",
    "develop",
    "development",
    "stage",
    "staging",
    "test",
    "testing",
    "preview",
    "qa",
    "uat",
    "live",
    "ci",
    "docker",
    "compose",
    "build",
    "runtime",
    "shared",
    "common",
    "private",
    "secret",
    "secrets",
    "keys",
    "vault",
    "me",
    "list",
    "txt",
    "bak",
    "backup",
    "old",
    "orig",
    "save",
    "enc",
];

/// Patterns of `.dockerignore` for what [`is_environment_file`] recognises, templates and declarations brought back.
pub const ENVIRONMENT_FILE_PATTERNS: [&str; 15] = [
    "**/.env*",
    "**/*.env",
    "**/*.envrc",
    "**/*.env.local",
    "**/env.local",
    "**/.*.vars",
    "**/.*.vars.*",
    "!**/.env*.example",
    "!**/.env*.sample",
    "!**/.env*.template",
    "!**/.env*.dist",
    "!**/.env*.defaults",
    "!**/.env-example",
    "!**/.env_example",
    "!**/.env.d.ts",
];

/// True for the last component of a path that names an environment file in any spelling: `.env`, `.env.local`, `.env-prod`,
/// `.env_backup`, `.envrc` (direnv), `prod.env`, `env.local`, `.dev.vars` (Wrangler), in any case.
pub fn is_environment_file(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> =
        name.split(['.', '-', '_', '~', '+', '@', ' ', '(', ')']).filter(|w| !w.is_empty()).collect();
    let is_template = |word: Option<&&str>| word.is_some_and(|word| TEMPLATES.contains(word));
    if is_template(words.last()) || is_template(words.first()) || name.ends_with(".d.ts") {
        return false;
    }
    let is_vars = name.starts_with('.') && words.iter().skip(1).any(|word| *word == "vars");
    let of_stages = |rest: &[&str]| rest.iter().all(|word| STAGES.contains(word) || is_number(word));
    match words.iter().position(|word| matches!(*word, "env" | "envrc")) {
        _ if name.starts_with(".env") || is_vars => true,
        // `env` alone may be a program or a folder.
        Some(0) => words.len() > 1 && of_stages(&words[1..]),
        Some(at) => name.contains(".env") && of_stages(&words[at + 1..]),
        None => false,
    }
}

/// Copies are counted and dated.
fn is_number(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_files_in_any_spelling() {
        for name in [
            ".env",
            ".env.local",
            ".env.production",
            ".env.production.local",
            ".env.vault",
            ".env.keys",
            ".env-prod",
            ".env_backup",
            ".env~",
            ".env 2",
            ".envrc",
            ".envrc.local",
            ".env2",
            ".ENV",
            ".Env.Local",
            ".env.js",
            ".env.example.local",
            "prod.env",
            "docker.env.bak",
            "app.env.2026-01-31",
            "env.local",
            "env.production",
            "env-prod",
            "ENV.txt",
            ".dev.vars",
            ".dev.vars.production",
        ] {
            assert!(is_environment_file(name), "{name}");
        }
    }

    #[test]
    fn templates_and_source_code_are_none() {
        for name in [
            ".env.example",
            ".env-example",
            ".env.local.example",
            ".env.sample",
            ".env.template",
            ".env.dist",
            ".env.defaults",
            ".envrc.example",
            "example.env",
            "env.example",
            ".env.d.ts",
            "next-env.d.ts",
            "env.d.ts",
            "env.ts",
            "env.mjs",
            "env.js",
            "env.test.ts",
            "client.env.ts",
            "env",
            "env.json",
            "environment",
            "environment.prod.ts",
            "load-env.sh",
            "dotenv",
            "vars.css",
            "theme.vars.scss",
            "package.json",
            "",
        ] {
            assert!(!is_environment_file(name), "{name}");
        }
    }
}
