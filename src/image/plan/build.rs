//! The commands that build the app: workspace dependencies in their order, then the app, as the project itself would build.

use std::collections::BTreeMap;

use super::environment::PlannedEnvironment;
use super::identity;
use super::image::{BuildPlan, CacheMount, CacheSharing, Inputs, PlannedCommand, WORKSPACE};
use super::lifecycle::plan_prepare;
use crate::diagnostic::Warning;
use crate::project::{BuildTask, OutputMode, PackageManagerKind as Kind, StaticValue};
use crate::rel_path::RelPath;

pub(super) fn plan_build(
    inputs: Inputs<'_>,
    environment: &PlannedEnvironment,
    warnings: &mut Vec<Warning>,
) -> BuildPlan {
    let outputs = plan_outputs(inputs);
    BuildPlan {
        environment: build_environment(&environment.build),
        prepare: plan_prepare(inputs, environment, warnings),
        commands: plan_commands(inputs, warnings),
        cache: outputs.first().and_then(|dist_dir| plan_cache(inputs, dist_dir, warnings)),
        outputs,
        heap_limit: inputs.settings.memory.as_ref().map(|memory| memory.value / 4 * 3 / 1024 / 1024),
        secrets: environment.secrets.keys().cloned().collect(),
    }
}

/// The program's variables win: the image depends on them.
fn build_environment(project: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut variables = project.clone();
    let mut options = "--require /nextdeploy/pin-build-id.cjs".to_owned();
    if let Some(theirs) = project.get("NODE_OPTIONS").filter(|options| !options.is_empty()) {
        options = format!("{options} {theirs}");
    }
    for (name, value) in [
        ("NEXT_PRIVATE_STANDALONE", "1"),
        ("NEXT_PRIVATE_OUTPUT_TRACE_ROOT", WORKSPACE),
        ("NODE_OPTIONS", options.as_str()),
        ("TURBO_ENV_MODE", "loose"),
        ("TURBO_TELEMETRY_DISABLED", "1"),
        ("NX_DAEMON", "false"),
        ("NEXT_TELEMETRY_DISABLED", "1"),
        ("CI", "1"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables.remove("NODE_ENV");
    variables
}

fn plan_commands(inputs: Inputs<'_>, warnings: &mut Vec<Warning>) -> Vec<PlannedCommand> {
    let facts = inputs.facts;
    if let Some(command) = &inputs.settings.build_command {
        let mut commands = plan_dependencies(inputs);
        commands.push(PlannedCommand {
            dir: facts.app_dir.clone(),
            argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), command.value.clone()],
            reason: format!("build command ({})", command.origin),
        });
        return commands;
    }
    if let Some(command) = plan_task_runner(inputs, warnings) {
        return vec![command];
    }
    let mut commands = plan_dependencies(inputs);
    commands.push(match &facts.build.script {
        Some(script) => PlannedCommand {
            dir: facts.app_dir.clone(),
            argv: run_script(facts.package_manager.value.kind, &script.value.name),
            reason: format!("build script ({})", script.origin),
        },
        None => PlannedCommand {
            dir: facts.app_dir.clone(),
            argv: ["next", "build"].map(str::to_owned).to_vec(),
            reason: "there is no build script".to_owned(),
        },
    });
    commands
}

fn run_script(kind: Kind, script: &str) -> Vec<String> {
    [kind.command(), "run", script].map(str::to_owned).to_vec()
}

/// `build` of every package that the app needs.
fn plan_dependencies(inputs: Inputs<'_>) -> Vec<PlannedCommand> {
    let Some(workspace) = &inputs.facts.workspace else {
        return Vec::new();
    };
    let kind = inputs.facts.package_manager.value.kind;
    let packages = workspace.build_order.iter().filter_map(|name| workspace.packages.iter().find(|p| p.name == *name));
    packages
        .filter(|package| package.scripts.contains_key("build"))
        .map(|package| PlannedCommand {
            dir: package.dir.clone(),
            argv: run_script(kind, "build"),
            reason: format!("the app needs `{}`", package.name),
        })
        .collect()
}

/// turbo and Nx build the packages that the app needs themselves.
fn plan_task_runner(inputs: Inputs<'_>, warnings: &mut Vec<Warning>) -> Option<PlannedCommand> {
    let facts = inputs.facts;
    let workspace = facts.workspace.as_ref()?;
    let (argv, reason) = match workspace.build_task.as_ref()? {
        BuildTask::Turbo { installed_in_root: false, .. } => {
            warnings.push(
                Warning::new(
                    "plan/turbo-not-installed",
                    "there is a `turbo.json`, but the root package does not depend on `turbo`; packages are built one by one",
                )
                .with_hint("add `turbo` to `devDependencies` of the root package.json"),
            );
            return None;
        }
        BuildTask::Turbo { package, .. } => {
            let (tool, script) = (workspace.tool.as_ref()?, facts.build.script.as_ref()?);
            let argv = ["turbo", "run", &script.value.name, &format!("--filter={package}")].map(str::to_owned);
            (argv.to_vec(), format!("turbo ({})", tool.origin))
        }
        BuildTask::Nx { project, target, defined_in } => {
            let argv = ["nx", "run", &format!("{project}:{target}")].map(str::to_owned);
            (argv.to_vec(), format!("`{target}` target in {defined_in}"))
        }
    };
    Some(PlannedCommand { dir: facts.install_dir(), argv, reason })
}

/// The folders that Next.js writes to, its own before that of an export, without those that hold sources.
fn plan_outputs(inputs: Inputs<'_>) -> Vec<RelPath> {
    let facts = inputs.facts;
    let named = facts.config.dist_dir.value().map(String::as_str).filter(|folder| *folder != ".next");
    // An export goes to the `distDir`, and everything else to `.next` (Next.js 13.3 and later).
    let folders = match facts.config.output.value() {
        Some(OutputMode::Export) => vec![".next", named.unwrap_or("out")],
        _ => vec![named.unwrap_or(".next")],
    };
    let has_source = |folder: &RelPath| {
        let mut sources = facts.install.manifests.iter().chain([&facts.app_dir, &facts.next_dir]);
        sources.any(|source| folder.contains(source))
    };
    let folders = folders.into_iter().filter_map(|folder| facts.next_dir.join(folder).ok());
    folders.filter(|folder| !has_source(folder)).collect()
}

/// `.next/cache`, never shared between projects because it contains keys.
fn plan_cache(inputs: Inputs<'_>, dist_dir: &RelPath, warnings: &mut Vec<Warning>) -> Option<CacheMount> {
    // An export would remove the folder, which a mount prevents.
    let may_be_export = matches!(inputs.facts.config.output, StaticValue::Unknown { .. });
    if may_be_export && dist_dir.name() != ".next" {
        return None;
    }
    let target = format!("{WORKSPACE}/{dist_dir}/cache");
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-@+".contains(c);
    if !target.chars().all(plain) {
        warnings.push(
            Warning::new(
                "plan/no-build-cache",
                format!("`{dist_dir}` cannot be written as a cache mount; each build starts without `.next/cache`"),
            )
            .with_hint("use letters, digits, `.`, `_`, `-`, `@` and `+` in folder names"),
        );
        return None;
    }
    let id = format!("nextdeploy-next-{}", identity::project_id(inputs));
    Some(CacheMount { id, target, sharing: CacheSharing::Locked })
}
