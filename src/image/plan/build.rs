//! The commands that build the app: scripts that an install would have run, workspace dependencies in their order, then the app, as
//! the project itself would build.
//!
//! The install sees manifests without scripts, so that editing a script never re-installs; those that matter run once the
//! sources are there.

use std::collections::BTreeMap;

use super::environment::PlannedEnvironment;
use super::identity;
use super::image::{BuildPlan, CacheMount, CacheSharing, Inputs, PlannedCommand, WORKSPACE};
use crate::diagnostic::Warning;
use crate::project::{BuildTask, LifecycleScript, PackageManagerKind as Kind};
use crate::rel_path::RelPath;

pub(super) fn plan_build(
    inputs: Inputs<'_>,
    environment: &PlannedEnvironment,
    warnings: &mut Vec<Warning>,
) -> BuildPlan {
    BuildPlan {
        environment: build_environment(&environment.build),
        prepare: plan_lifecycle(inputs),
        commands: plan_commands(inputs, warnings),
        cache: plan_cache(inputs, warnings),
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
        BuildTask::Nx { project } => {
            let argv = ["nx", "run", &format!("{project}:build")].map(str::to_owned);
            (argv.to_vec(), "`build` target in project.json".to_owned())
        }
    };
    Some(PlannedCommand { dir: facts.install_dir(), argv, reason })
}

/// `.next/cache`, never shared between projects because it contains keys.
fn plan_cache(inputs: Inputs<'_>, warnings: &mut Vec<Warning>) -> Option<CacheMount> {
    let facts = inputs.facts;
    let dist_dir = facts.config.dist_dir.value().map_or(".next", String::as_str);
    let dist_dir = facts.app_dir.join(dist_dir).ok()?;
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

/// Order of the scripts of one package.
const LIFECYCLE_ORDER: [&str; 4] = ["preinstall", "install", "postinstall", "prepare"];

pub(super) fn plan_lifecycle(inputs: Inputs<'_>) -> Vec<PlannedCommand> {
    let scripts = &inputs.facts.install.lifecycle_scripts;
    let kind = inputs.facts.package_manager.value.kind;
    let mut commands = Vec::new();
    for dir in package_order(inputs) {
        let of_package: Vec<&LifecycleScript> = scripts.iter().filter(|script| script.dir == dir).collect();
        // Every package manager but Yarn 2+ runs `preinstall` and `postinstall` around a script called `install`.
        let wrapped = kind != Kind::YarnBerry && of_package.iter().any(|script| script.name == "install");
        for name in LIFECYCLE_ORDER {
            let Some(script) = of_package.iter().find(|script| script.name == name) else { continue };
            let covered = wrapped && matches!(name, "preinstall" | "postinstall");
            if !covered && !is_guard(&script.command) {
                commands.push(PlannedCommand {
                    dir: dir.clone(),
                    argv: [kind.command(), "run", name].map(str::to_owned).to_vec(),
                    reason: format!("`{name}` of `{dir}`"),
                });
            }
        }
    }
    commands.extend(plan_prisma(inputs));
    commands
}

/// The root first (patches), then the packages that the app needs, then the app.
fn package_order(inputs: Inputs<'_>) -> Vec<RelPath> {
    let mut order = vec![inputs.facts.install_dir()];
    if let Some(workspace) = &inputs.facts.workspace {
        for name in &workspace.build_order {
            order.extend(
                workspace.packages.iter().filter(|package| package.name == *name).map(|package| package.dir.clone()),
            );
        }
    }
    order.push(inputs.facts.app_dir.clone());
    let mut seen = std::collections::BTreeSet::new();
    order.retain(|dir| seen.insert(dir.clone()));
    order
}

/// True for scripts that only set up git hooks or check which package manager runs.
fn is_guard(command: &str) -> bool {
    command.split(['&', '|', ';']).map(str::trim).filter(|part| !part.is_empty()).all(|part| {
        let words: Vec<&str> =
            part.split_whitespace().filter(|word| !matches!(*word, "npx" | "--yes" | "-y")).collect();
        match words.as_slice() {
            [first, ..] => {
                let name = first.split('@').next().unwrap_or_default();
                matches!(
                    name,
                    "only-allow"
                        | "husky"
                        | "lefthook"
                        | "simple-git-hooks"
                        | "is-ci"
                        | "pinst"
                        | "true"
                        | "exit"
                        | ":"
                        | "echo"
                ) || (*first == "git" && words.contains(&"config"))
                    || (*first == "node" && words.get(1).is_some_and(|file| file.contains(".husky/")))
            }
            [] => true,
        }
    })
}

/// `prisma generate`, unless something else runs it: `@prisma/client` does so on install up to version 6, where the package manager
/// runs scripts of dependencies.
fn plan_prisma(inputs: Inputs<'_>) -> Option<PlannedCommand> {
    let facts = inputs.facts;
    let prisma = facts.install.prisma.as_ref()?;
    let kind = facts.package_manager.value.kind;
    let major: u32 = prisma.version.as_deref().and_then(|version| version.split('.').next()?.parse().ok()).unwrap_or(0);
    let generated_by_install = major < 7 && matches!(kind, Kind::Npm | Kind::YarnClassic | Kind::YarnBerry);
    let mentioned = |command: &str| command.contains("prisma generate") || command.contains("prisma:generate");
    let build_generates = facts.build.script.as_ref().is_some_and(|script| mentioned(&script.value.command));
    let lifecycle_generates = facts.install.lifecycle_scripts.iter().any(|script| mentioned(&script.command));
    if generated_by_install || build_generates || lifecycle_generates || prisma.schemas.is_empty() {
        return None;
    }
    let owner =
        prisma.schemas.first().and_then(|schema| package_of(inputs, schema)).unwrap_or_else(|| facts.app_dir.clone());
    Some(PlannedCommand {
        dir: owner,
        argv: ["prisma", "generate"].map(str::to_owned).to_vec(),
        reason: "no script of the project generates the Prisma client".to_owned(),
    })
}

/// Folder of the innermost package that contains `file`.
fn package_of(inputs: Inputs<'_>, file: &RelPath) -> Option<RelPath> {
    let folders = inputs.facts.install.manifests.iter().filter_map(RelPath::parent);
    folders.filter(|folder| folder.contains(file)).max_by_key(|folder| folder.as_str().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_and_git_hooks_are_skipped() {
        for command in [
            "npx only-allow pnpm",
            "husky",
            "husky install",
            "is-ci || husky install",
            "npx -y only-allow@1 npm && husky",
            "node .husky/install.mjs",
            "git config core.hooksPath .githooks || true",
            "lefthook install",
        ] {
            assert!(is_guard(command), "{command}");
        }
        for command in ["patch-package", "husky install && prisma generate", "node scripts/setup.js", "turbo run build"]
        {
            assert!(!is_guard(command), "{command}");
        }
    }
}
