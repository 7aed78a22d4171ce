//! Scripts that an install would have run, without what cannot work in an image: the build has neither git nor the `.git` folder.
//!
//! The install sees manifests without scripts, so that editing a script never re-installs; those that matter run once the
//! sources are there.

use super::environment::PlannedEnvironment;
use super::image::{Inputs, PlannedCommand};
use super::install_scripts;
use crate::diagnostic::{Location, Warning};
use crate::origin::Sourced;
use crate::project::{LifecycleScript, PackageManagerKind as Kind, PrismaClient, PrismaGenerate};
use crate::rel_path::RelPath;

pub(super) fn plan_lifecycle(inputs: Inputs<'_>, warnings: &mut Vec<Warning>) -> Vec<PlannedCommand> {
    let scripts = &inputs.facts.install.lifecycle_scripts;
    let kind = inputs.facts.package_manager.value.kind;
    let mut commands = Vec::new();
    for dir in package_order(inputs) {
        let of_package: Vec<&LifecycleScript> = scripts.iter().filter(|script| script.dir == dir).collect();
        // Every package manager but Yarn 2+ runs `preinstall` and `postinstall` around a script called `install`.
        let wrapped = kind != Kind::YarnBerry && of_package.iter().any(|script| script.name == "install");
        for name in install_scripts::own(inputs).iter().copied() {
            let Some(script) = of_package.iter().find(|script| script.name == name) else { continue };
            if wrapped && matches!(name, "preinstall" | "postinstall") {
                continue;
            }
            let (run, git) = workable(&script.command);
            warnings.extend(git.map(|git| left_out(script, git)));
            let argv = match run {
                Workable::Nothing => continue,
                Workable::Script => [kind.command(), "run", name].map(str::to_owned),
                Workable::Rest(rest) => ["/bin/sh", "-c", &rest].map(str::to_owned),
            };
            let reason = format!("`{name}` of `{dir}`");
            commands.push(PlannedCommand { dir: dir.clone(), argv: argv.to_vec(), reason });
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

/// What of a script is run.
#[derive(Debug, PartialEq, Eq)]
enum Workable {
    Nothing,
    Script,
    /// The commands that are left, for a shell.
    Rest(String),
}

/// One command of a script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Work,
    /// Useless in an image, such as a check of the package manager, but without harm.
    Guard,
    /// Sets up git hooks, and ends with an error without git.
    Hooks,
    /// Decides whether what follows runs.
    Condition,
    /// Reads or changes the work tree of git.
    Git,
}

/// What of a script can work in an image, and the call of git that cannot.
fn workable(command: &str) -> (Workable, Option<&str>) {
    let parts: Vec<(Part, &str)> = command
        .split(['&', '|', ';'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| (kind_of(part), part))
        .collect();
    let is = |kind: Part| parts.iter().any(|(found, _)| *found == kind);
    let git = parts.iter().find(|(kind, _)| *kind == Part::Git).map(|(_, part)| *part);
    // A script with an alternative expects that git may fail.
    let expected = command.contains("||");
    if !is(Part::Work) {
        return (Workable::Nothing, git.filter(|_| !expected));
    }
    let pipes = command.replace("&&", ";").contains(['&', '|', '(', '`', '"', '\'', '\n']);
    let works = git.is_none() && !is(Part::Hooks);
    if works || expected || pipes || is(Part::Condition) {
        return (Workable::Script, None);
    }
    let left: Vec<&str> = parts.iter().filter(|(kind, _)| *kind == Part::Work).map(|(_, part)| *part).collect();
    (Workable::Rest(left.join(" && ")), git)
}

fn kind_of(part: &str) -> Part {
    let words: Vec<&str> = part
        .split_whitespace()
        .filter(|word| !matches!(*word, "npx" | "bunx" | "--yes" | "-y" | "pnpm" | "yarn" | "bun" | "exec" | "dlx"))
        .collect();
    let [first, ..] = words.as_slice() else { return Part::Work };
    match first.split('@').next().unwrap_or_default() {
        "only-allow" | "husky" | "simple-git-hooks" | "pinst" | "true" | "exit" | ":" | "echo" => Part::Guard,
        "lefthook" | "pre-commit" => Part::Hooks,
        "git" if words.contains(&"config") => Part::Hooks,
        "git" => Part::Git,
        "is-ci" | "if-env" | "test" | "[" => Part::Condition,
        "node" if words.get(1).is_some_and(|file| file.contains(".husky/")) => Part::Guard,
        _ => Part::Work,
    }
}

fn left_out(script: &LifecycleScript, git: &str) -> Warning {
    let LifecycleScript { dir, name, .. } = script;
    let message = format!(
        "`{name}` of `{dir}` calls `{git}`, which is left out: the build has neither git nor the `.git` folder"
    );
    let hint = if git.contains("submodule") {
        "check out the submodules before the build, in GitHub Actions with `submodules: recursive` of actions/checkout"
    } else {
        "run it before the build, and commit or pass on what it makes"
    };
    let place = Location::file(dir.child("package.json").as_str());
    Warning::new("plan/script-needs-git", message).with_hint(hint).at(place)
}

const PRISMA_GENERATE: [&str; 2] = ["prisma", "generate"];

/// `prisma generate`, unless something else runs it: `@prisma/client` does so on install up to version 6, where the package manager
/// runs its scripts.
fn plan_prisma(inputs: Inputs<'_>) -> Vec<PlannedCommand> {
    let Some(prisma) = &inputs.facts.install.prisma else { return Vec::new() };
    let major: u32 = prisma.version.as_deref().and_then(|version| version.split('.').next()?.parse().ok()).unwrap_or(0);
    let generated_by_install = major < 7 && install_scripts::run_for(inputs, "@prisma/client");
    let steps = match &prisma.client {
        PrismaClient::Missing(steps) if !generated_by_install => steps.as_slice(),
        _ => &[],
    };
    let step = |step: &PrismaGenerate| {
        let schema = step.schema.iter().flat_map(|schema| ["--schema", schema]);
        PlannedCommand {
            dir: step.dir.clone(),
            argv: PRISMA_GENERATE.into_iter().chain(schema).map(str::to_owned).collect(),
            reason: "generates the Prisma client".to_owned(),
        }
    };
    steps.iter().map(step).collect()
}

/// What runs before the build of the app. Prisma stops when a variable that its configuration requires is not set, also where it only generates the client and so does not
/// use it. The step that is planned here gets a placeholder; scripts of the project may do more than generate.
pub(super) fn plan_prepare(
    inputs: Inputs<'_>,
    environment: &PlannedEnvironment,
    warnings: &mut Vec<Warning>,
) -> Vec<PlannedCommand> {
    let mut commands = plan_lifecycle(inputs, warnings);
    let facts = inputs.facts;
    let in_files = |name: &str| facts.env_files.iter().filter(|file| file.tracked).any(|file| file.sets(name));
    let is_given =
        |name: &str| environment.build.contains_key(name) || environment.secrets.contains_key(name) || in_files(name);
    let missing: Vec<&Sourced<String>> =
        facts.install.prisma_variables.iter().filter(|variable| !is_given(&variable.value)).collect();
    let Some(first) = missing.first() else { return commands };
    for own in commands.iter_mut().filter(|command| command.argv.starts_with(&PRISMA_GENERATE.map(str::to_owned))) {
        let placeholders = missing.iter().map(|variable| format!("{}=placeholder", variable.value));
        let words = std::iter::once("env".to_owned()).chain(placeholders);
        own.argv = words.chain(std::mem::take(&mut own.argv)).collect();
    }
    if facts.install.prisma.as_ref().is_some_and(|prisma| prisma.client == PrismaClient::Scripts) {
        let names: Vec<String> = missing.iter().map(|variable| format!("`{}`", variable.value)).collect();
        let message =
            format!("`prisma generate` needs {} ({}), which the build does not get", names.join(", "), first.origin);
        let hint = format!("pass any value with `--build-env {}=…`, or the real one with `--secret`", first.value);
        warnings.push(Warning::new("plan/missing-prisma-variable", message).with_hint(hint));
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(command: &str, expected: &str) {
        let (run, git) = workable(command);
        let run = match run {
            Workable::Nothing => "nothing".to_owned(),
            Workable::Script => "script".to_owned(),
            Workable::Rest(rest) => rest,
        };
        assert_eq!(
            format!("{run}{}", git.map(|git| format!(" without {git}")).unwrap_or_default()),
            expected,
            "{command}"
        );
    }

    #[test]
    fn guards_and_git_hooks_are_skipped() {
        for command in [
            "npx only-allow pnpm",
            "husky",
            "husky install",
            "pnpm exec husky",
            "is-ci || husky install",
            "npx -y only-allow@1 npm && husky",
            "node .husky/install.mjs",
            "git config core.hooksPath .githooks || true",
            "git submodule update --init || true",
            "[ -d .git ] && git submodule update --init || true",
            "lefthook install",
        ] {
            check(command, "nothing");
        }
        for command in
            ["patch-package", "husky install && prisma generate", "node scripts/setup.js", "turbo run build", "yarn"]
        {
            check(command, "script");
        }
    }

    #[test]
    fn calls_of_git_are_left_out() {
        check("git submodule update --init", "nothing without git submodule update --init");
        check("git submodule update --init && prisma generate", "prisma generate without git submodule update --init");
        check("lefthook install && prisma generate", "prisma generate");
        check("git config core.hooksPath .githooks; node a.js", "node a.js");
        // Whether the rest runs depends on what cannot be known here.
        check("git lfs pull || node fetch.js", "script");
        check("[ -d .git ] && git lfs pull; node a.js", "script");
    }
}
