//! `next.config.*` without running it: text in, [`NextConfig`] out.
//!
//! Parsed by a real JavaScript and TypeScript parser and evaluated as far as the file itself tells. What it does not tell
//! is reported as unknown, with the reason and the line. Never runs code of the project.

mod call;
mod evaluate;
mod member;
mod nesting;
mod paths;
mod read;
mod run;
mod value;

use crate::diagnostic::{Location, Warning};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

use super::error::ProjectError;
use super::facts::{NextConfig, NextVersion};
use super::text;

/// The names that Next.js looks for, the first that exists wins; `.cjs` is none of them but is met in projects.
pub(super) const NAMES: &[&str] =
    &["next.config.js", "next.config.mjs", "next.config.ts", "next.config.mts", "next.config.cjs"];

/// Larger configurations are no configurations.
const MAX_SIZE: usize = 256 * 1024;

/// The configuration and what else of it detection needs.
#[derive(Debug, Clone)]
pub(super) struct Read {
    pub config: NextConfig,
    pub page_extensions: Option<Vec<String>>,
    /// `experimental.appDir`, which Next.js 13.0 to 13.3 ask for.
    pub app_dir: Option<bool>,
    pub warning: Option<Warning>,
}

/// Reads the configuration that Next.js of this version would use.
pub(super) fn detect(
    tree: &SourceTree,
    dir: &RelPath,
    next: &NextVersion,
    warnings: &mut Vec<Warning>,
) -> Result<Read, ProjectError> {
    let Some(path) = choose(tree, dir, next, warnings) else { return Ok(absent()) };
    let Some(content) = text::read(tree, &path)? else { return Ok(absent()) };
    let exists = |module: &str| {
        let Ok(base) = dir.join(module) else { return true };
        let name = base.name().to_owned();
        let folder = base.parent().unwrap_or_default();
        tree.has_file(&base)
            || tree.has_directory(&base)
            || [".js", ".mjs", ".cjs", ".ts", ".mts", ".json"]
                .iter()
                .any(|ext| tree.has_file(&folder.child(&format!("{name}{ext}"))))
    };
    parse(&path, content, next, &exists)
}

/// Reads the text of a configuration; `module_exists` answers for relative imports.
pub(super) fn parse(
    path: &RelPath,
    content: &str,
    next: &NextVersion,
    module_exists: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Read, ProjectError> {
    if content.len() > MAX_SIZE {
        return Err(ProjectError::TooLarge { file: path.clone(), size: content.len() as u64 });
    }
    read::on_own_stack(path, content, next, module_exists)
}

fn choose(tree: &SourceTree, dir: &RelPath, next: &NextVersion, warnings: &mut Vec<Warning>) -> Option<RelPath> {
    let present: Vec<RelPath> = NAMES.iter().map(|name| dir.child(name)).filter(|path| tree.has_file(path)).collect();
    let reads = |path: &&RelPath| match path.name() {
        "next.config.js" | "next.config.mjs" => true,
        "next.config.ts" => next.major >= 15,
        "next.config.mts" => next.major >= 16 || (next.major == 15 && next.minor >= 5),
        _ => false,
    };
    let chosen = present.iter().find(reads).cloned();
    for other in present.iter().filter(|path| Some(*path) != chosen.as_ref()) {
        let message = match &chosen {
            Some(chosen) => format!("`{other}` is not used: Next.js {next} reads `{chosen}`"),
            None => format!("`{other}` is not used: Next.js {next} does not read it"),
        };
        let hint =
            if chosen.is_some() { "delete the file that is not meant" } else { "rename it to `next.config.mjs`" };
        let warning = Warning::new("project/next-config-not-used", message).with_hint(hint);
        warnings.push(warning.at(Location::file(other.as_str())));
    }
    chosen
}

fn absent() -> Read {
    let config = NextConfig::default();
    Read { config, page_extensions: None, app_dir: None, warning: None }
}

#[cfg(test)]
mod tests;
