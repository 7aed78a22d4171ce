//! Packages that a server needs when it starts: its commands and `next.config` in, the names that they and the files of the
//! repository behind them import out.
//!
//! Imports are found by their spelling. Those that only development, a test or the build reaches are left out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::facts::{NextVersion, ServerImport};
use super::super::package_json::PackageJson;
use super::super::scripts::ScriptCommand;
use super::node;
use crate::rel_path::RelPath;
use crate::repo::{SourceText, SourceTree};
use specifiers::specifiers;

mod specifiers;

/// Files that are followed.
const MOST_FILES: usize = 500;
/// Bytes that are read.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What the server of these commands and `next.config` import; without commands, `next.config` alone.
pub(super) fn of_server(
    tree: &SourceTree,
    manifest: &PackageJson,
    (next, config): (&NextVersion, Option<&RelPath>),
    commands: &[ScriptCommand],
) -> Vec<ServerImport> {
    let mut trace =
        Trace { tree, app: &manifest.dir, queue: VecDeque::new(), seen: BTreeSet::new(), found: BTreeMap::new() };
    if let Some(config) = config {
        // Next.js 15.0 to 16.3 compile it with the options of `tsconfig.json`, which TypeScript reads.
        let typescript = config.name().ends_with("ts") && next.major >= 15 && (next.major, next.minor) < (16, 4);
        if typescript {
            trace.found.insert("typescript".to_owned(), config.clone());
        }
        trace.add(config.clone());
    }
    let compiled = manifest.scripts.get("build").is_some_and(|script| script.contains("tsc"));
    for command in commands {
        let Some(Ok(dir)) = command.folder.as_deref().map(|folder| manifest.dir.join(folder)) else { continue };
        let runtime = matches!(command.program(), "node" | "bun" | "tsx").then(|| node::parse(command));
        let preloads = command.variables.iter().filter_map(node::of_variable).chain(runtime);
        for module in preloads.flat_map(|options| options.modules) {
            trace.import(&module, &manifest.path, &dir);
        }
        for word in command.words.iter().skip(1).filter(|word| !word.starts_with('-')) {
            match trace.resolve(&dir, word) {
                Some(file) => trace.add(file),
                None if compiled => trace.sources_of(word).into_iter().for_each(|file| trace.add(file)),
                None => {}
            }
        }
    }
    trace.run();
    trace.found.into_iter().map(|(package, file)| ServerImport { package, file }).collect()
}

struct Trace<'a> {
    tree: &'a SourceTree,
    app: &'a RelPath,
    queue: VecDeque<RelPath>,
    seen: BTreeSet<RelPath>,
    /// The file that imports each package first.
    found: BTreeMap<String, RelPath>,
}

impl Trace<'_> {
    fn add(&mut self, file: RelPath) {
        if self.seen.len() < MOST_FILES && self.seen.insert(file.clone()) {
            self.queue.push_back(file);
        }
    }

    fn run(&mut self) {
        let mut bytes = MOST_BYTES;
        while let Some(file) = self.queue.pop_front() {
            let Some(SourceText::Text(text)) = self.tree.text(&file) else { continue };
            let Some(left) = bytes.checked_sub(text.len()) else { return };
            bytes = left;
            let dir = file.parent().unwrap_or_default();
            for specifier in specifiers(text) {
                self.import(specifier, &file, &dir);
            }
        }
    }

    fn import(&mut self, specifier: &str, file: &RelPath, dir: &RelPath) {
        if specifier.starts_with('.') {
            if let Some(imported) = self.resolve(dir, specifier) {
                self.add(imported);
            }
        } else if let Some(inside) = specifier.strip_prefix("@/").or_else(|| specifier.strip_prefix("~/")) {
            // What create-next-app sets up in `tsconfig.json`.
            let folders = [self.app.child("src"), self.app.clone()];
            let imported = folders.iter().find_map(|folder| self.resolve(folder, inside));
            if let Some(imported) = imported {
                self.add(imported);
            }
        } else if let Some(package) = package_of(specifier) {
            self.found.entry(package.to_owned()).or_insert_with(|| file.clone());
        }
    }

    /// The file that Node.js, or a compiler, takes for a relative import.
    fn resolve(&self, dir: &RelPath, specifier: &str) -> Option<RelPath> {
        let path = dir.join(specifier).ok()?;
        if self.tree.has_file(&path) {
            return is_code(path.name()).then_some(path);
        }
        // TypeScript imports `./x.js` and means `./x.ts`.
        let stem = [".js", ".mjs", ".cjs", ".jsx"].iter().find_map(|end| path.as_str().strip_suffix(end));
        let stems = [Some(path.as_str().to_owned()), stem.map(str::to_owned), Some(format!("{path}/index"))];
        let files = stems.iter().flatten().flat_map(|stem| CODE.iter().map(move |end| format!("{stem}.{end}")));
        files.filter_map(|file| RelPath::new(&file).ok()).find(|file| self.tree.has_file(file))
    }

    /// The sources of a file that `tsc` writes: `dist/server.js` is `server.ts` or `src/server.ts`.
    fn sources_of(&self, file: &str) -> Vec<RelPath> {
        let Some((_, inside)) = file.trim_start_matches("./").split_once('/') else { return Vec::new() };
        let folders = [self.app.clone(), self.app.child("src"), self.app.child("server")];
        folders.iter().find_map(|folder| self.resolve(folder, inside)).into_iter().collect()
    }
}

/// Extensions of what Node.js, or a compiler, runs.
const CODE: &[&str] = &["js", "mjs", "cjs", "ts", "mts", "cts", "tsx", "jsx"];

fn is_code(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| CODE.contains(&extension))
}

/// `@scope/name/file` belongs to `@scope/name`; `node:fs`, `bun:sqlite`, `#internal` and addresses to no package.
fn package_of(specifier: &str) -> Option<&str> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "@/-_.~".contains(c);
    if specifier.is_empty() || !specifier.chars().all(valid) || specifier.starts_with(['/', '.']) {
        return None;
    }
    let parts = if specifier.starts_with('@') { 2 } else { 1 };
    let end = specifier.match_indices('/').nth(parts - 1).map_or(specifier.len(), |(at, _)| at);
    Some(&specifier[..end])
}

#[cfg(test)]
mod tests {
    use super::super::super::scripts::commands;
    use super::*;

    #[track_caller]
    fn check(script: &str, files: &[(&str, &str)], expected: &str) {
        let tree = SourceTree::from_texts(files.iter().copied().chain([("package.json", "{}")]));
        let build = ("build".to_owned(), "next build && tsc -p server".to_owned());
        let path = RelPath::new("package.json").unwrap();
        let manifest = PackageJson { scripts: [build].into(), path, ..PackageJson::default() };
        let next = NextVersion { major: 15, minor: 5, patch: 0, text: "15.5.0".to_owned() };
        let config = RelPath::new("next.config.ts").unwrap();
        let config = Some(&config).filter(|path| tree.has_file(path));
        let found = of_server(&tree, &manifest, (&next, config), &commands(script));
        let text: Vec<String> = found.iter().map(|found| format!("{} ({})", found.package, found.file)).collect();
        assert_eq!(text.join(", "), expected, "{script}");
    }

    #[test]
    fn relative_imports_are_followed() {
        let files = [
            ("server.ts", "import express from 'express'\nimport { db } from './lib/db.js'\nimport '@/env'"),
            ("lib/db.ts", "export * from '@scope/db/client'; import './index'; import fs from 'node:fs'"),
            ("lib/index.ts", "require('./db')"),
            ("src/env.ts", "import { z } from 'zod'"),
        ];
        check("tsx server.ts", &files, "@scope/db (lib/db.ts), express (server.ts), zod (src/env.ts)");
        check("node dist/server.js", &files, "@scope/db (lib/db.ts), express (server.ts), zod (src/env.ts)");
        check("node -r dotenv/config ./x.js", &files, "dotenv (package.json)");
        check("cd lib && node .", &files, "@scope/db (lib/db.ts)");
    }

    #[test]
    fn the_configuration_is_read_by_every_server() {
        let config = [("next.config.ts", "import mdx from '@next/mdx'\nexport default mdx()({})")];
        check("", &config, "@next/mdx (next.config.ts), typescript (next.config.ts)");
    }
}
