//! The frozen install of each package manager: exact command, exact inputs, exact version.

use std::collections::BTreeMap;

use super::image::{CacheMount, CacheSharing, ImageMode, Inputs, InstallPlan, ManagerSetup, PlannedSecret, SecretUse};
use super::install_scripts;
use super::lifecycle::plan_lifecycle;
use super::server::{self, NeededPackage};
use crate::diagnostic::Warning;
use crate::project::{LockfileUse, PackageManager, PackageManagerKind as Kind};
use crate::rel_path::RelPath;

/// Folder of the package stores during the build.
const STORE: &str = "/var/cache/nextdeploy";

pub(super) fn plan_install(
    inputs: Inputs<'_>,
    server: (ImageMode, &[NeededPackage]),
    secrets: &BTreeMap<String, PlannedSecret>,
    warnings: &mut Vec<Warning>,
) -> InstallPlan {
    let facts = inputs.facts;
    let manager = &facts.package_manager.value;
    let dir = facts.install_dir();
    let npmrc = dir.child(".npmrc");
    warn_missing_variables(inputs, secrets, warnings);
    let manifests = facts.install.manifests.iter().filter(|path| !facts.install.copied_manifests.contains(path));
    warnings.extend(install_scripts::unreviewed(inputs));
    InstallPlan {
        package_manager: facts.package_manager.clone(),
        setup: plan_setup(manager),
        dir,
        npmrc: facts.install.config_files.contains(&npmrc).then_some(npmrc),
        environment: environment(inputs),
        command: command(manager, facts.lockfile.install),
        production_command: plan_production(inputs, server, warnings),
        cache: store(manager),
        manifests: manifests.cloned().collect(),
        copied_manifests: facts.install.copied_manifests.clone(),
        files: input_files(inputs),
        folders: facts.install.yarn_cache.iter().cloned().collect(),
        secrets: secrets
            .values()
            .filter(|secret| match secret.use_as {
                SecretUse::Npmrc | SecretUse::CaBundle | SecretUse::SshKey | SecretUse::File => true,
                SecretUse::Variable => {
                    let mut variables = facts.install.variables.iter().chain(&facts.install.optional_variables);
                    variables.any(|variable| variable.value == secret.id)
                }
                SecretUse::ReproducibleKey => false,
            })
            .map(|secret| secret.id.clone())
            .collect(),
    }
}

/// Major version; the npm bundled with Node.js counts as current.
fn major(manager: &PackageManager) -> u32 {
    let version = manager.version.as_ref().map_or("", |version| version.value.as_str());
    version.split('.').next().and_then(|text| text.parse().ok()).unwrap_or(u32::MAX)
}

fn plan_setup(manager: &PackageManager) -> ManagerSetup {
    if let (Kind::YarnBerry, Some(path)) = (manager.kind, &manager.yarn_path) {
        return ManagerSetup::File(path.clone());
    }
    let package = match manager.kind {
        Kind::Npm => "npm",
        Kind::YarnClassic => "yarn",
        Kind::YarnBerry => "@yarnpkg/cli-dist",
        Kind::Pnpm => "pnpm",
        Kind::Bun => "bun",
    };
    match &manager.version {
        Some(version) => ManagerSetup::Package(format!("{package}@{}", version.value)),
        None => ManagerSetup::Bundled,
    }
}

fn command(manager: &PackageManager, lockfile: LockfileUse) -> Vec<String> {
    if lockfile == LockfileUse::Unlocked {
        return words(unlocked_command(manager.kind), manager);
    }
    let major = major(manager);
    let text = match manager.kind {
        // `--include` is unknown before npm 7, which installs everything unless `--only` is given.
        Kind::Npm if major < 7 => "npm ci --no-audit --no-fund",
        Kind::Npm => "npm ci --include=dev --no-audit --no-fund",
        Kind::YarnClassic => "yarn install --frozen-lockfile --non-interactive --production=false",
        Kind::YarnBerry => "yarn install --immutable",
        Kind::Pnpm => "pnpm install --frozen-lockfile --prod=false",
        Kind::Bun => "bun install --frozen-lockfile",
    };
    words(text, manager)
}

fn unlocked_command(kind: Kind) -> &'static str {
    match kind {
        Kind::Npm => "npm install --include=dev --no-audit --no-fund",
        Kind::YarnClassic => "yarn install --non-interactive --production=false",
        Kind::YarnBerry => "yarn install --no-immutable",
        Kind::Pnpm => "pnpm install --no-frozen-lockfile --prod=false",
        Kind::Bun => "bun install",
    }
}

/// A second install without development dependencies. Not possible when scripts change the first one (patches, generated
/// clients), because the tools that do so are development dependencies themselves.
fn plan_production(
    inputs: Inputs<'_>,
    (mode, needs): (ImageMode, &[NeededPackage]),
    warnings: &mut Vec<Warning>,
) -> Option<Vec<String>> {
    if mode != ImageMode::Server {
        return None;
    }
    if !needs.is_empty() {
        let message = format!("the image keeps all development dependencies, as it needs {}", server::list(needs));
        let names: Vec<String> = needs.iter().map(|need| format!("`{}`", need.package)).collect();
        let hint = format!("move {} to `dependencies` for a smaller image", names.join(", "));
        warnings.push(Warning::new("plan/development-dependencies-kept", message).with_hint(hint));
        return None;
    }
    let manager = &inputs.facts.package_manager.value;
    let changed = inputs.facts.install.prisma.is_some() || !plan_lifecycle(inputs, &mut Vec::new()).is_empty();
    let command = if changed { None } else { production_command(manager, inputs.facts.lockfile.install) };
    if command.is_none() {
        let reason =
            if changed { "its scripts may change what was installed" } else { "this Yarn cannot leave them out" };
        warnings.push(
            Warning::new(
                "plan/development-dependencies-kept",
                format!("the image keeps development dependencies: {reason}"),
            )
            .with_hint("start the app with `next start`, which does not need them, unless it needs a custom server"),
        );
    }
    command
}

fn production_command(manager: &PackageManager, lockfile: LockfileUse) -> Option<Vec<String>> {
    let (major, unlocked) = (major(manager), lockfile == LockfileUse::Unlocked);
    let text = match manager.kind {
        Kind::Npm if unlocked => "npm install --omit=dev --no-audit --no-fund",
        Kind::YarnClassic if unlocked => "yarn install --non-interactive --production=true",
        Kind::Pnpm if unlocked => "pnpm install --no-frozen-lockfile --prod",
        Kind::Bun if unlocked => "bun install --production --no-save",
        Kind::Npm if major < 7 => "npm ci --only=production --no-audit --no-fund",
        Kind::Npm => "npm ci --omit=dev --no-audit --no-fund",
        Kind::YarnClassic => "yarn install --frozen-lockfile --non-interactive --production=true",
        Kind::YarnBerry if major >= 4 => "yarn workspaces focus --all --production",
        // Before Yarn 4 this needs a plugin that few projects have.
        Kind::YarnBerry => return None,
        Kind::Pnpm => "pnpm install --frozen-lockfile --prod",
        Kind::Bun => "bun install --frozen-lockfile --production",
    };
    Some(words(text, manager))
}

fn words(text: &str, manager: &PackageManager) -> Vec<String> {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    if manager.kind == Kind::Pnpm {
        words.push(format!("--store-dir={STORE}/pnpm"));
    }
    words
}

/// Variables that make the install exact, quiet, and independent of the base image.
fn environment(inputs: Inputs<'_>) -> BTreeMap<String, String> {
    let manager = &inputs.facts.package_manager.value;
    let mut variables: Vec<(&str, String)> = vec![
        ("CI", "1".into()),
        // Git hooks and browser downloads are useless in an image.
        ("HUSKY", "0".into()),
        ("LEFTHOOK", "0".into()),
        ("SKIP_INSTALL_SIMPLE_GIT_HOOKS", "1".into()),
        ("CYPRESS_INSTALL_BINARY", "0".into()),
        ("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1".into()),
        ("PUPPETEER_SKIP_DOWNLOAD", "1".into()),
        ("npm_config_update_notifier", "false".into()),
    ];
    match manager.kind {
        Kind::Npm => variables.push(("npm_config_cache", format!("{STORE}/npm"))),
        Kind::YarnClassic => variables.extend([
            ("YARN_CACHE_FOLDER", format!("{STORE}/yarn")),
            // Yarn 1 enforces `engines`, even when it runs a script.
            ("YARN_IGNORE_ENGINES", "true".into()),
            ("YARN_IGNORE_PATH", "1".into()),
        ]),
        Kind::YarnBerry => {
            variables.extend([
                ("YARN_GLOBAL_FOLDER", format!("{STORE}/yarn-berry")),
                // Plug'n'Play output cannot be traced; the lockfile is the same for both linkers.
                ("YARN_NODE_LINKER", "node-modules".into()),
                ("YARN_ENABLE_TELEMETRY", "0".into()),
                ("YARN_ENABLE_PROGRESS_BARS", "0".into()),
            ]);
            if inputs.facts.install.yarn_cache.is_none() {
                variables.push(("YARN_ENABLE_GLOBAL_CACHE", "true".into()));
            }
        }
        Kind::Pnpm => variables.extend([
            // The version is exact already; pnpm's own version switch needs signatures that mirrors lack.
            ("npm_config_manage_package_manager_versions", "false".into()),
            ("npm_config_verify_deps_before_run", "false".into()),
            ("pnpm_config_verify_deps_before_run", "false".into()),
        ]),
        Kind::Bun => variables.push(("BUN_INSTALL_CACHE_DIR", format!("{STORE}/bun"))),
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn store(manager: &PackageManager) -> CacheMount {
    let (name, sharing) = match manager.kind {
        Kind::Npm => ("npm", CacheSharing::Shared),
        // Concurrent Yarn processes corrupt a shared cache.
        Kind::YarnClassic => ("yarn", CacheSharing::Locked),
        Kind::YarnBerry => ("yarn-berry", CacheSharing::Locked),
        Kind::Pnpm => ("pnpm", CacheSharing::Shared),
        Kind::Bun => ("bun", CacheSharing::Shared),
    };
    CacheMount { id: format!("nextdeploy-{name}"), target: format!("{STORE}/{name}"), sharing }
}

/// Lockfile, configuration, patches, and the schemas that `@prisma/client` reads on install.
fn input_files(inputs: Inputs<'_>) -> Vec<RelPath> {
    let needs = &inputs.facts.install;
    let mut files = vec![inputs.facts.lockfile.path.clone()];
    files.extend(needs.config_files.iter().cloned());
    files.extend(needs.files.iter().cloned());
    files.extend(needs.prisma.iter().flat_map(|prisma| prisma.schemas.iter().cloned()));
    files.sort();
    files.dedup();
    let manifests: std::collections::BTreeSet<&RelPath> = needs.manifests.iter().collect();
    files.retain(|file| !manifests.contains(file));
    files
}

/// If a variable of `.npmrc` is not set, private packages fail with a message that does not name the cause.
fn warn_missing_variables(inputs: Inputs<'_>, secrets: &BTreeMap<String, PlannedSecret>, warnings: &mut Vec<Warning>) {
    for variable in &inputs.facts.install.variables {
        let name = &variable.value;
        let given = secrets.contains_key(name) || inputs.settings.env.contains_key(name);
        if !given {
            warnings.push(
                Warning::new(
                    "plan/missing-install-variable",
                    format!("the install reads `{name}` ({}), which is not set", variable.origin),
                )
                .with_hint(format!("pass it with `--secret {name}`")),
            );
        }
    }
}
