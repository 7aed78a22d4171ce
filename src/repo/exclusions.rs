//! Files that are recognised by name: output of tools, reports, environment files.
//!
//! Exclusions only list files created by tools (installed packages, build output, caches, litter); folders that a user may have created
//! are left to `.dockerignore`. Environment files stay visible: detection warns about them, and the build context leaves out those
//! that git does not track.

use std::ffi::OsStr;
use std::path::Path;

/// Paths that the walk skips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusions {
    /// Everything in [`STANDARD_EXCLUSIONS`].
    Standard,
    /// Only [`REPORT_FILES`]: the user's own Dockerfile may copy anything else that `.dockerignore` does not exclude.
    Reports,
}

/// Reports of earlier runs in a checkout: useless to a build, and different after every run.
pub const REPORT_FILES: [&str; 3] = [DOTENV_REPORT, ANNOTATIONS_REPORT, SUMMARY_REPORT];
pub const DOTENV_REPORT: &str = "nextdeploy.env";
pub const ANNOTATIONS_REPORT: &str = "nextdeploy-annotations.json";
pub const SUMMARY_REPORT: &str = "nextdeploy-summary.md";

/// How a name is matched, at any depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excluded {
    /// The last component.
    Name(&'static str),
    /// The last two components.
    Inside(&'static str, &'static str),
    /// The end of the last component, which is longer.
    Suffix(&'static str),
}

/// Built-in exclusions, each with its reason.
pub const STANDARD_EXCLUSIONS: &[(Excluded, &str)] = &[
    (Excluded::Name(".git"), "history; git facts are passed as labels"),
    (Excluded::Name(".hg"), "history"),
    (Excluded::Name(".svn"), "history"),
    (Excluded::Name("node_modules"), "installed inside the build, for the image's own platform"),
    (Excluded::Name(".pnpm-store"), "package store of the local machine"),
    (Excluded::Inside(".yarn", "unplugged"), "unpacked for the local platform"),
    (Excluded::Inside(".yarn", "install-state.gz"), "state of the local install"),
    (Excluded::Inside(".yarn", "build-state.yml"), "state of the local install"),
    (Excluded::Name(".next"), "build output; made inside the build"),
    (Excluded::Name(".turbo"), "task cache and logs"),
    (Excluded::Inside(".nx", "cache"), "task cache"),
    (Excluded::Inside(".nx", "workspace-data"), "task cache"),
    (Excluded::Name(".swc"), "compiler cache"),
    (Excluded::Name(".vercel"), "local link to a hosted project, with pulled environment files"),
    (Excluded::Name(".eslintcache"), "linter cache"),
    (Excluded::Suffix(".tsbuildinfo"), "compiler cache"),
    (Excluded::Name("npm-debug.log"), "log of a failed install"),
    (Excluded::Name("yarn-debug.log"), "log of a failed install"),
    (Excluded::Name("yarn-error.log"), "log of a failed install"),
    (Excluded::Name(".pnpm-debug.log"), "log of a failed install"),
    (Excluded::Name(".idea"), "editor settings"),
    (Excluded::Name(".vscode"), "editor settings"),
    (Excluded::Suffix(".swp"), "editor litter"),
    (Excluded::Suffix(".swo"), "editor litter"),
    (Excluded::Suffix("~"), "editor litter"),
    (Excluded::Name(DOTENV_REPORT), "report of an earlier run"),
    (Excluded::Name(ANNOTATIONS_REPORT), "report of an earlier run"),
    (Excluded::Name(SUMMARY_REPORT), "report of an earlier run"),
    (Excluded::Name(".DS_Store"), "operating system litter"),
    (Excluded::Name("Thumbs.db"), "operating system litter"),
    (Excluded::Name("desktop.ini"), "operating system litter"),
];

impl Exclusions {
    /// True when the path `name` inside `parent` (relative to the root) is excluded, with everything below it.
    pub fn prunes(self, parent: &Path, name: &OsStr) -> bool {
        match self {
            Self::Standard => STANDARD_EXCLUSIONS.iter().any(|(excluded, _)| excluded.matches(parent, name)),
            Self::Reports => REPORT_FILES.iter().any(|report| name == *report),
        }
    }
}

impl Excluded {
    fn matches(self, parent: &Path, name: &OsStr) -> bool {
        match self {
            Self::Name(expected) => name == expected,
            Self::Inside(folder, expected) => name == expected && parent.file_name().is_some_and(|last| last == folder),
            Self::Suffix(end) => {
                let name = name.as_encoded_bytes();
                name.len() > end.len() && name.ends_with(end.as_bytes())
            }
        }
    }
}

/// Last words of the names of templates, which are meant to be committed and contain no values.
const TEMPLATES: [&str; 9] =
    ["example", "examples", "sample", "template", "tpl", "tmpl", "dist", "default", "defaults"];

/// Words that name the environment or the copy in `env.…` and `….env.…`. Anything else is a file extension, as in `env.ts` and
/// `next-env.d.ts`, and the file is source code.
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

/// Patterns of `.dockerignore` that match the same files as [`is_environment_file`].
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

/// True for a template of an environment file: `.env.example`, `.env.local.sample`, `env.template`.
pub fn is_environment_template(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> = name.split(['.', '-', '_']).filter(|word| !word.is_empty()).collect();
    let is_template = |word: Option<&&str>| word.is_some_and(|word| TEMPLATES.contains(word));
    words.contains(&"env") && (is_template(words.last()) || is_template(words.first()))
}

/// Copies may have a counter or a date in their name.
fn is_number(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prunes(path: &str) -> bool {
        let path = Path::new(path);
        Exclusions::Standard.prunes(path.parent().unwrap(), path.file_name().unwrap())
    }

    #[test]
    fn tool_output_is_pruned_at_any_depth() {
        for path in [".git", "apps/web/node_modules", "apps/web/.next", ".nx/cache", "a/.b.ts.swp", "x/.DS_Store"] {
            assert!(prunes(path), "{path}");
        }
    }

    #[test]
    fn folders_of_users_are_not_pruned() {
        for path in ["out", "dist", "cache", ".github", ".env", ".gitignore", "next", ".swp", "~", ".yarn/cache", ".nx"]
        {
            assert!(!prunes(path), "{path}");
        }
        assert!(!Exclusions::Reports.prunes(Path::new(""), OsStr::new("node_modules")));
    }

    #[test]
    fn reports_are_always_pruned() {
        for report in REPORT_FILES {
            assert!(prunes(report) && Exclusions::Reports.prunes(Path::new("shop"), OsStr::new(report)), "{report}");
        }
    }

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
    fn templates_and_source_code_are_not_environment_files() {
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
        for name in [".env.example", ".env-sample", ".env.local.example", "example.env", "env.template", ".env.dist"] {
            assert!(is_environment_template(name), "{name}");
        }
        for name in [".env", "env.ts", "default.ts", ".env.example.local", "example.json"] {
            assert!(!is_environment_template(name), "{name}");
        }
    }
}
