//! Scripts of the project that an install would have run.
//!
//! The install sees manifests without scripts, so that editing a script never re-installs; those that matter run once the
//! sources are there.

use super::{Inputs, PlannedCommand};
use crate::project::{LifecycleScript, PackageManagerKind as Kind};
use crate::rel_path::RelPath;

/// Order within one package.
const ORDER: [&str; 4] = ["preinstall", "install", "postinstall", "prepare"];

pub(super) fn plan_lifecycle(inputs: Inputs<'_>) -> Vec<PlannedCommand> {
    let scripts = &inputs.facts.install.lifecycle_scripts;
    let kind = inputs.facts.package_manager.value.kind;
    let mut commands = Vec::new();
    for dir in package_order(inputs) {
        let of_package: Vec<&LifecycleScript> = scripts.iter().filter(|script| script.dir == dir).collect();
        // Every package manager but Yarn 2+ runs `preinstall` and `postinstall` around a script called `install`.
        let wrapped = kind != Kind::YarnBerry && of_package.iter().any(|script| script.name == "install");
        for name in ORDER {
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

/// The root first (patches), then what the app needs, then the app.
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

/// True for scripts whose every command sets up git hooks, or checks which package manager runs.
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

/// `@prisma/client` generates when it is installed, up to version 6 and where dependencies may run scripts.
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

/// Folder of the innermost package that holds `file`.
fn package_of(inputs: Inputs<'_>, file: &RelPath) -> Option<RelPath> {
    let folders = inputs.facts.install.manifests.iter().filter_map(RelPath::parent);
    folders.filter(|folder| folder.contains(file)).max_by_key(|folder| folder.as_str().len())
}

#[cfg(test)]
mod tests {
    use super::is_guard;

    #[test]
    fn guards_and_git_hooks_are_no_work() {
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
