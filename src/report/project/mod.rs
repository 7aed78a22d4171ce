//! The facts about a project and the image plan as text, each with its origin.

use std::fmt::{Display, Write as _};

use crate::diagnostic::printable;
use crate::format::command_line;
use crate::image::plan::{CacheMount, ImageMode, ImagePlan, Libc, ManagerSetup, PlannedCommand, SystemPackage};
use crate::origin::{Origin, Sourced};
use crate::project::{
    InstallNeeds, LockfileUse, NextConfig, OutputMode, PackageManager, ProjectFacts, StartScript, StaticValue,
    Workspace, WorkspaceTool, YarnLinker,
};

/// Most values listed for one fact.
const MAX_LINES: usize = 12;

/// One line of the table: name, value, origin. An empty name continues the line before.
pub(super) struct FactRow {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) origin: String,
}

/// The facts about a project in columns: name, value, origin. Warnings are rendered separately.
pub fn render_facts(facts: &ProjectFacts) -> String {
    let sections = fact_sections(facts);
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

/// The facts in reading order, by section.
pub(super) fn fact_sections(facts: &ProjectFacts) -> [(&'static str, Vec<FactRow>); 6] {
    [
        ("Project", project_facts(facts)),
        ("Scripts", scripts(facts)),
        ("Configuration", configuration(&facts.config)),
        ("Workspace", facts.workspace.as_ref().map(workspace).unwrap_or_default()),
        ("Install", install(&facts.install)),
        ("Environment files", environment(facts)),
    ]
}

fn fact(name: &'static str, value: impl Display, origin: &str) -> FactRow {
    FactRow { name, value: printable(&value.to_string()), origin: printable(origin) }
}

fn sourced<T: Display>(name: &'static str, sourced: &Sourced<T>) -> FactRow {
    fact(name, &sourced.value, &sourced.origin.to_string())
}

/// Several values under one name; only the first of very many, since the JSON output has them all.
fn fact_list(name: &'static str, values: impl IntoIterator<Item = String>) -> Vec<FactRow> {
    let named = |(at, value): (usize, String)| fact(if at == 0 { name } else { "" }, value, "");
    let mut rows: Vec<FactRow> = values.into_iter().enumerate().map(named).collect();
    let more = rows.len().saturating_sub(MAX_LINES);
    if more > 1 {
        rows.truncate(MAX_LINES);
        rows.push(fact("", format!("… and {more} more"), ""));
    }
    rows
}

fn project_facts(facts: &ProjectFacts) -> Vec<FactRow> {
    let mut rows = vec![sourced("name", &facts.name), fact("folder", &facts.app_dir, "")];
    rows.extend(facts.version.as_ref().map(|version| sourced("version", version)));
    rows.push(sourced("Next.js", &facts.next));
    rows.push(node(facts));
    let manager = &facts.package_manager;
    let origin = manager_origin(manager);
    rows.push(match manager.value.version {
        Some(_) => fact("package manager", &manager.value, &origin.to_string()),
        None => fact("package manager", format!("{}, bundled with Node.js", manager.value), &origin.to_string()),
    });
    rows.push(match (facts.lockfile.format.as_str(), facts.lockfile.install) {
        ("none", _) => fact("lockfile", "none", ""),
        (format, LockfileUse::Frozen) => fact("lockfile", format!("{}, version {format}", facts.lockfile.path), ""),
        (format, LockfileUse::Unlocked) => {
            fact("lockfile", format!("{}, version {format}, not frozen", facts.lockfile.path), "")
        }
    });
    rows.extend(manager.value.yarn_linker.map(|linker| fact("linker", linker_name(linker), "")));
    let routers = [("app", &facts.routers.app), ("pages", &facts.routers.pages)];
    let routers = routers.into_iter().filter_map(|(name, dir)| Some(format!("{name} in {}", dir.as_ref()?)));
    rows.extend(fact_list("routers", routers));
    rows.extend(facts.middleware.as_ref().map(|path| fact("middleware", path, "")));
    rows.extend(facts.own_dockerfile.as_ref().map(|path| fact("Dockerfile", path, "")));
    rows
}

fn node(facts: &ProjectFacts) -> FactRow {
    let node = &facts.node.value;
    let version = node.version();
    // `engines.node` with `>=18` resolves to 22: the range is part of the reason.
    let origin = match &facts.node.origin {
        Origin::Default(_) => facts.node.origin.to_string(),
        origin if version == node.requested => origin.to_string(),
        origin => format!("{origin}: `{}`", node.requested),
    };
    fact("Node.js", version, &origin)
}

fn linker_name(linker: YarnLinker) -> &'static str {
    match linker {
        YarnLinker::NodeModules => "node-modules",
        YarnLinker::Pnp => "pnp",
        YarnLinker::Pnpm => "pnpm",
    }
}

fn scripts(facts: &ProjectFacts) -> Vec<FactRow> {
    let mut rows = Vec::new();
    match &facts.build.script {
        Some(script) => rows.push(fact("build", &script.value.command, &script.origin.to_string())),
        None => rows.push(fact("build", "next build", "default: no build script")),
    }
    rows.extend(facts.build.bundler_flag.as_ref().map(|flag| fact("bundler", flag, "")));
    match &facts.start {
        StartScript::Next => rows.push(fact("start", "the server of Next.js", "")),
        StartScript::Custom(script) => {
            rows.push(fact("start", &script.value.command, &format!("{}, a custom server", script.origin)));
        }
    }
    rows.extend(facts.port.as_ref().map(|port| sourced("port", port)));
    rows
}

fn configuration(config: &NextConfig) -> Vec<FactRow> {
    let Some(file) = &config.file else { return Vec::new() };
    let mut rows = vec![fact("file", file, "")];
    let mut add = |row: Option<FactRow>| rows.extend(row);
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
    unknown_once(&rows)
}

/// The value of an option that is known only when the file is run.
const UNKNOWN: &str = "unknown";

/// Options that are unknown for one reason, in one line.
fn unknown_once(rows: &[FactRow]) -> Vec<FactRow> {
    let alike =
        |row: &FactRow, other: &FactRow| [&row.value, &other.value] == [UNKNOWN; 2] && row.origin == other.origin;
    let mut merged: Vec<FactRow> = Vec::new();
    for row in rows {
        let names: Vec<&str> = rows.iter().filter(|other| alike(row, other)).map(|other| other.name).collect();
        match names.as_slice() {
            // All but the row of the file.
            [_, _, ..] if names[0] == row.name && names.len() + 1 == rows.len() => {
                merged.push(fact("options", UNKNOWN, &row.origin));
            }
            [_, _, ..] if names[0] == row.name => merged.push(fact(UNKNOWN, names.join(", "), &row.origin)),
            [_, _, ..] => {}
            _ => merged.push(fact(row.name, &row.value, &row.origin)),
        }
    }
    merged
}

fn output_name(mode: OutputMode) -> &'static str {
    match mode {
        OutputMode::Default => "default",
        OutputMode::Standalone => "standalone",
        OutputMode::Export => "export",
    }
}

/// `None` for an option that is not set: the default of Next.js applies.
fn known<T>(name: &'static str, value: &StaticValue<T>, show: impl Fn(&T) -> String) -> Option<FactRow> {
    match value {
        StaticValue::Absent => None,
        StaticValue::Value(detected) => Some(fact(name, show(&detected.value), &detected.origin.to_string())),
        StaticValue::Unknown { reason, line } => Some(fact(name, UNKNOWN, &format!("line {line}: {reason}"))),
    }
}

fn workspace(workspace: &Workspace) -> Vec<FactRow> {
    let mut rows = vec![fact("declared in", &workspace.declared_in, "")];
    if let Some(tool) = &workspace.tool {
        let name = match tool.value {
            WorkspaceTool::Turbo => "turbo",
            WorkspaceTool::Nx => "nx",
            WorkspaceTool::Lerna => "lerna",
        };
        rows.push(fact("tool", name, &tool.origin.to_string()));
    }
    rows.push(fact("packages", workspace.packages.len(), ""));
    rows.extend(fact_list("apps", workspace.apps.iter().map(|app| format!("{} in {}", app.name, app.dir))));
    if !workspace.build_order.is_empty() {
        rows.push(fact("built before", workspace.build_order.join(", "), ""));
    }
    rows
}

fn install(needs: &InstallNeeds) -> Vec<FactRow> {
    let mut rows = fact_list("manifests", needs.manifests.iter().map(ToString::to_string));
    rows.extend(fact_list("configuration", needs.config_files.iter().map(ToString::to_string)));
    rows.extend(fact_list("files", needs.files.iter().map(ToString::to_string)));
    rows.extend(needs.yarn_cache.as_ref().map(|path| fact("package cache", path, "")));
    if let Some(prisma) = &needs.prisma {
        rows.push(fact("Prisma", prisma.version.as_deref().unwrap_or("version unknown"), ""));
        rows.extend(fact_list("Prisma schemas", prisma.schemas.iter().map(ToString::to_string)));
    }
    rows.extend(needs.sharp.as_ref().map(|sharp| sourced("sharp", sharp)));
    let scripts = needs.lifecycle_scripts.iter();
    rows.extend(fact_list(
        "scripts",
        scripts.map(|script| format!("{} in {}: {}", script.name, script.dir, script.command)),
    ));
    if needs.needs_git {
        rows.push(fact("git", "needed", "a dependency is fetched with git"));
    }
    rows.extend(fact_list("over SSH", needs.ssh_dependencies.iter().cloned()));
    let modules = needs.native_modules.iter().map(|module| format!("{} {}", module.name, module.version));
    rows.extend(fact_list("compiled", modules.map(|module| module.trim_end().to_owned())));
    let variables = needs.variables.iter().chain(&needs.optional_variables).chain(&needs.prisma_variables);
    rows.extend(variables.map(|variable| fact("variable", &variable.value, &variable.origin.to_string())));
    rows
}

fn environment(facts: &ProjectFacts) -> Vec<FactRow> {
    let state = |tracked| if tracked { "tracked by git" } else { "not tracked by git" };
    facts.env_files.iter().map(|file| fact("file", &file.path, state(file.tracked))).collect()
}

/// The image plan in the order of the build, every choice with its reason. Warnings are rendered separately.
pub fn render_plan(plan: &ImagePlan) -> String {
    let mut text = String::new();
    image_section(&mut text, plan);
    install_section(&mut text, plan);
    build_section(&mut text, plan);
    runtime_section(&mut text, plan);
    text
}

fn plan_line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<16}{}", printable(value));
}

fn plan_list(text: &mut String, name: &str, values: impl IntoIterator<Item = String>) {
    for (at, value) in values.into_iter().enumerate() {
        plan_line(text, if at == 0 { name } else { "" }, &value);
    }
}

fn image_section(text: &mut String, plan: &ImagePlan) {
    text.push_str("Image\n");
    plan_line(text, "name", &plan.name.to_string());
    plan_list(text, "tags", plan.tags.iter().map(ToString::to_string));
    plan_line(text, "base", &plan.base.runtime.to_string());
    if plan.base.build.value != plan.base.runtime.value {
        plan_line(text, "build base", &plan.base.build.value.to_string());
    }
    plan_line(text, "Node.js", &plan.node.clone().map(|node| node.version()).to_string());
    plan_line(text, "Next.js", &plan.next_version.to_string());
    let mode = match plan.output.mode {
        ImageMode::Standalone => "standalone server",
        ImageMode::Export => "static files",
        ImageMode::Server => "the project's own server",
        ImageMode::Unknown => "decided by the build",
    };
    plan_line(text, "serves", &format!("{mode} ({})", plan.output.reason));
}

/// What determines the version, or else the kind.
fn manager_origin(manager: &Sourced<PackageManager>) -> &Origin {
    manager.value.version.as_ref().map_or(&manager.origin, |version| &version.origin)
}

fn install_section(text: &mut String, plan: &ImagePlan) {
    let install = &plan.install;
    text.push_str("\nInstall\n");
    let manager = &install.package_manager;
    plan_line(text, "package manager", &format!("{} ({})", manager.value, manager_origin(manager)));
    let setup = match &install.setup {
        ManagerSetup::Bundled => "bundled with Node.js".to_owned(),
        ManagerSetup::Package(package) => format!("{package} from the npm registry"),
        ManagerSetup::File(path) => format!("{path} in the repository"),
    };
    plan_line(text, "comes from", &setup);
    plan_list(text, "system packages", system_packages(plan));
    plan_line(text, "command", &command_line(&install.command));
    if let Some(command) = &install.production_command {
        plan_line(text, "for the image", &command_line(command));
    }
    let manifests = install.manifests.iter().chain(&install.copied_manifests);
    let inputs = manifests.chain(&install.files).chain(&install.folders);
    plan_list(text, "reads", inputs.map(ToString::to_string));
    plan_line(text, "cache", &cache_mount(&install.cache));
}

/// The packages of each reason, with the names of the distribution.
fn system_packages(plan: &ImagePlan) -> Vec<String> {
    let name = |package: &SystemPackage| match plan.base.libc {
        Libc::Glibc => package.debian.clone(),
        Libc::Musl => package.alpine.clone(),
    };
    let alike = |a: &SystemPackage, b: &SystemPackage| a.reason == b.reason && a.runtime == b.runtime;
    let groups = plan.system_packages.chunk_by(alike);
    let line = |group: &[SystemPackage]| {
        let names: Vec<String> = group.iter().map(name).collect();
        let stages = if group[0].runtime { "" } else { ", for the build" };
        format!("{}{stages} ({})", names.join(" "), group[0].reason)
    };
    groups.map(line).collect()
}

fn cache_mount(mount: &CacheMount) -> String {
    format!("{} at {}", mount.id, mount.target)
}

fn build_section(text: &mut String, plan: &ImagePlan) {
    let build = &plan.build;
    text.push_str("\nBuild\n");
    plan_list(text, "before", build.prepare.iter().map(planned_command));
    plan_list(text, "commands", build.commands.iter().map(planned_command));
    plan_list(text, "variables", build.environment.iter().map(|(name, value)| format!("{name}={value}")));
    plan_list(text, "secrets", plan.secrets.iter().map(|secret| secret.id.clone()));
    let missing = plan.missing_variables.iter();
    plan_list(
        text,
        "not given",
        missing.map(|missing| {
            let need = if missing.is_required { "required by" } else { "named in" };
            format!("{} ({need} {})", missing.name, missing.named_by)
        }),
    );
    if let Some(mount) = &build.cache {
        plan_line(text, "cache", &cache_mount(mount));
    }
}

fn planned_command(planned: &PlannedCommand) -> String {
    format!("{}: {} ({})", planned.dir, command_line(&planned.argv), planned.reason)
}

fn runtime_section(text: &mut String, plan: &ImagePlan) {
    let runtime = &plan.runtime;
    text.push_str("\nContainer\n");
    plan_line(text, "port", &runtime.port.to_string());
    plan_line(text, "user", runtime.user);
    let start = plan.output.start_command.as_ref();
    let start = start.map_or_else(|| "the launcher".to_owned(), |command| command_line(&command.value));
    plan_line(text, "starts", &start);
    let path = runtime.health_path.as_ref().or(runtime.base_path.as_ref());
    plan_line(text, "health check", &path.map_or_else(|| "/".to_owned(), ToString::to_string));
    if let Some(version) = plan.output.sharp {
        plan_line(text, "image optimiser", &format!("sharp {version}"));
    }
    let variables = runtime.environment.iter();
    plan_list(text, "variables", variables.map(|(name, value)| format!("{name}={} ({})", value.value, value.origin)));
    plan_list(text, "labels", plan.labels.iter().map(|(name, value)| format!("{name}={value}")));
}

#[cfg(test)]
mod tests;
