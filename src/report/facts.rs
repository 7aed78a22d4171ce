//! The facts about a project as text for people, each with its origin.

use std::fmt::{Display, Write as _};

use crate::diagnostic::printable;
use crate::origin::{Origin, Sourced};
use crate::project::{
    InstallNeeds, NextConfig, OutputMode, ProjectFacts, StartScript, StaticValue, Workspace, WorkspaceTool, YarnLinker,
};

/// Longest list of one fact.
const MAX_LINES: usize = 12;

/// One line of the table: name, value, origin. A name that is empty goes on with the line before.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) origin: String,
}

/// The facts in reading order, in columns: name, value, origin. Warnings are rendered apart.
pub fn render_facts(facts: &ProjectFacts) -> String {
    let sections = sections(facts);
    let widest = sections.iter().flat_map(|(_, rows)| rows).filter(|row| !row.origin.is_empty());
    let width = widest.map(|row| row.value.chars().count()).filter(|width| *width <= 40).max().unwrap_or(0);
    let mut text = String::new();
    for (title, rows) in sections.iter().filter(|(_, rows)| !rows.is_empty()) {
        let _ = writeln!(text, "{}{title}", if text.is_empty() { "" } else { "\n" });
        for row in rows {
            let line = format!("  {:<18}{:<width$}  {}", row.name, row.value, row.origin);
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}

/// The rows in reading order, by section.
pub(super) fn sections(facts: &ProjectFacts) -> [(&'static str, Vec<Row>); 6] {
    [
        ("Project", project(facts)),
        ("Scripts", scripts(facts)),
        ("Configuration", configuration(&facts.config)),
        ("Workspace", facts.workspace.as_ref().map(workspace).unwrap_or_default()),
        ("Install", install(&facts.install)),
        ("Environment files", environment(facts)),
    ]
}

fn row(name: &'static str, value: impl Display, origin: &str) -> Row {
    Row { name, value: printable(&value.to_string()), origin: printable(origin) }
}

fn detected<T: Display>(name: &'static str, detected: &Sourced<T>) -> Row {
    row(name, &detected.value, &detected.origin.to_string())
}

/// Several values under one name; of very many only the first, as JSON has them all.
fn list(name: &'static str, values: impl IntoIterator<Item = String>) -> Vec<Row> {
    let named = |(at, value): (usize, String)| row(if at == 0 { name } else { "" }, value, "");
    let mut rows: Vec<Row> = values.into_iter().enumerate().map(named).collect();
    let more = rows.len().saturating_sub(MAX_LINES);
    if more > 1 {
        rows.truncate(MAX_LINES);
        rows.push(row("", format!("… and {more} more"), ""));
    }
    rows
}

fn project(facts: &ProjectFacts) -> Vec<Row> {
    let mut rows = vec![detected("name", &facts.name), row("folder", &facts.app_dir, "")];
    rows.extend(facts.version.as_ref().map(|version| detected("version", version)));
    rows.push(detected("Next.js", &facts.next));
    rows.push(node(facts));
    let manager = &facts.package_manager;
    let version = manager.value.version.as_ref();
    let origin = version.map_or(&manager.origin, |version| &version.origin);
    rows.push(match version {
        Some(_) => row("package manager", &manager.value, &origin.to_string()),
        None => row("package manager", format!("{}, as Node.js has it", manager.value), &origin.to_string()),
    });
    rows.push(row("lockfile", format!("{}, version {}", facts.lockfile.path, facts.lockfile.format), ""));
    rows.extend(manager.value.yarn_linker.map(|linker| row("linker", linker_name(linker), "")));
    let routers = [("app", &facts.routers.app), ("pages", &facts.routers.pages)];
    let routers = routers.into_iter().filter_map(|(name, dir)| Some(format!("{name} in {}", dir.as_ref()?)));
    rows.extend(list("routers", routers));
    rows.extend(facts.middleware.as_ref().map(|path| row("middleware", path, "")));
    rows.extend(facts.own_dockerfile.as_ref().map(|path| row("own Dockerfile", path, "")));
    rows
}

fn node(facts: &ProjectFacts) -> Row {
    let node = &facts.node.value;
    let version = node.exact.clone().unwrap_or_else(|| node.major.to_string());
    // `engines.node` with `>=18` gives 22: the range belongs to the reason.
    let origin = match &facts.node.origin {
        Origin::Default(_) => facts.node.origin.to_string(),
        origin if version == node.requested => origin.to_string(),
        origin => format!("{origin}: `{}`", node.requested),
    };
    row("Node.js", version, &origin)
}

fn linker_name(linker: YarnLinker) -> &'static str {
    match linker {
        YarnLinker::NodeModules => "node-modules",
        YarnLinker::Pnp => "pnp",
        YarnLinker::Pnpm => "pnpm",
    }
}

fn scripts(facts: &ProjectFacts) -> Vec<Row> {
    let mut rows = Vec::new();
    match &facts.build.script {
        Some(script) => rows.push(row("build", &script.value.command, &script.origin.to_string())),
        None => rows.push(row("build", "next build", "default: there is no build script")),
    }
    rows.extend(facts.build.bundler_flag.as_ref().map(|flag| row("bundler", flag, "")));
    match &facts.start {
        StartScript::Next => rows.push(row("start", "the server of Next.js", "")),
        StartScript::Custom(script) => {
            rows.push(row("start", &script.value.command, &format!("{}, a server of its own", script.origin)));
        }
    }
    rows.extend(facts.port.as_ref().map(|port| detected("port", port)));
    rows
}

fn configuration(config: &NextConfig) -> Vec<Row> {
    let Some(file) = &config.file else { return Vec::new() };
    let mut rows = vec![row("file", file, "")];
    let mut add = |row: Option<Row>| rows.extend(row);
    add(known("output", &config.output, |mode| output_name(*mode).to_owned()));
    add(known("basePath", &config.base_path, Clone::clone));
    add(known("assetPrefix", &config.asset_prefix, Clone::clone));
    add(known("distDir", &config.dist_dir, Clone::clone));
    add(known("trailingSlash", &config.trailing_slash, ToString::to_string));
    add(known("generateBuildId", &config.generate_build_id, |_| "a function".to_owned()));
    add(known("deploymentId", &config.deployment_id, Clone::clone));
    add(known("tracing root", &config.output_file_tracing_root, Clone::clone));
    add(known("locales", &config.locales, |locales| locales.join(", ")));
    add(known("unoptimized images", &config.images_unoptimized, ToString::to_string));
    add(known("image loader", &config.images_loader, Clone::clone));
    add(known("env", &config.env_keys, |keys| keys.join(", ")));
    rows
}

fn output_name(mode: OutputMode) -> &'static str {
    match mode {
        OutputMode::Default => "default",
        OutputMode::Standalone => "standalone",
        OutputMode::Export => "export",
    }
}

/// Nothing for an option that is not set: the default of Next.js holds.
fn known<T>(name: &'static str, value: &StaticValue<T>, show: impl Fn(&T) -> String) -> Option<Row> {
    match value {
        StaticValue::Absent => None,
        StaticValue::Value(detected) => Some(row(name, show(&detected.value), &detected.origin.to_string())),
        StaticValue::Unknown { reason, line } => Some(row(name, "unknown", &format!("line {line}: {reason}"))),
    }
}

fn workspace(workspace: &Workspace) -> Vec<Row> {
    let mut rows = vec![row("declared in", &workspace.declared_in, "")];
    if let Some(tool) = &workspace.tool {
        let name = match tool.value {
            WorkspaceTool::Turbo => "turbo",
            WorkspaceTool::Nx => "nx",
            WorkspaceTool::Lerna => "lerna",
        };
        rows.push(row("tool", name, &tool.origin.to_string()));
    }
    rows.push(row("packages", workspace.packages.len(), ""));
    rows.extend(list("apps", workspace.apps.iter().map(|app| format!("{} in {}", app.name, app.dir))));
    if !workspace.build_order.is_empty() {
        rows.push(row("built before", workspace.build_order.join(", "), ""));
    }
    rows
}

fn install(needs: &InstallNeeds) -> Vec<Row> {
    let mut rows = list("manifests", needs.manifests.iter().map(ToString::to_string));
    rows.extend(list("configuration", needs.config_files.iter().map(ToString::to_string)));
    rows.extend(list("files", needs.files.iter().map(ToString::to_string)));
    rows.extend(needs.yarn_cache.as_ref().map(|path| row("package cache", path, "")));
    if let Some(prisma) = &needs.prisma {
        rows.push(row("Prisma", prisma.version.as_deref().unwrap_or("version unknown"), ""));
        rows.extend(list("Prisma schemas", prisma.schemas.iter().map(ToString::to_string)));
    }
    rows.extend(needs.sharp.as_ref().map(|sharp| detected("sharp", sharp)));
    let scripts = needs.lifecycle_scripts.iter();
    rows.extend(list(
        "scripts",
        scripts.map(|script| format!("{} in {}: {}", script.name, script.dir, script.command)),
    ));
    if needs.needs_git {
        rows.push(row("git", "needed", "a dependency is fetched by git"));
    }
    rows.extend(needs.variables.iter().map(|variable| row("variable", &variable.value, &variable.origin.to_string())));
    rows
}

fn environment(facts: &ProjectFacts) -> Vec<Row> {
    let state = |tracked| if tracked { "tracked by git" } else { "not tracked by git" };
    facts.env_files.iter().map(|file| row("file", &file.path, state(file.tracked))).collect()
}

#[cfg(test)]
mod tests;
