//! What a custom server needs at run time: the programs of its command and the packages that it imports, against what the image
//! has.

use super::error::PlanError;
use super::image::{BaseFlavour, BasePlan, ImageMode, Inputs, OutputPlan};
use crate::format::command_line;
use crate::project::{PackageManagerKind, started_programs};

/// A development dependency that the server needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NeededPackage {
    pub(super) package: String,
    /// What needs it, as words of a message.
    pub(super) reason: String,
}

/// Programs of packages with another name. Otherwise program and package are called the same.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("babel-node", &["@babel/node"]),
    ("dotenv", &["dotenv-cli"]),
    ("dotenvx", &["@dotenvx/dotenvx"]),
    ("esr", &["esbuild-runner"]),
    ("keystone", &["@keystone-6/core"]),
    ("nest", &["@nestjs/cli"]),
    ("next-remote-watch", &["next-remote-watch"]),
    ("npm-run-all", &["npm-run-all", "npm-run-all2"]),
    ("pm2-dev", &["pm2"]),
    ("pm2-docker", &["pm2"]),
    ("pm2-runtime", &["pm2"]),
    ("run-p", &["npm-run-all", "npm-run-all2"]),
    ("run-s", &["npm-run-all", "npm-run-all2"]),
    ("sucrase-node", &["sucrase"]),
    ("swc-node", &["@swc-node/register"]),
    ("ts-node-dev", &["ts-node-dev"]),
    ("ts-node-esm", &["ts-node"]),
    ("ts-node-script", &["ts-node"]),
    ("ts-node-transpile-only", &["ts-node"]),
    ("tsc", &["typescript"]),
    ("tsnd", &["ts-node-dev"]),
];

/// Programs of the shell and of every base image with one.
const SYSTEM: &[&str] = &[
    "", ".", ":", "awk", "cat", "cd", "chmod", "chown", "command", "cp", "cut", "date", "echo", "env", "exec", "exit",
    "export", "false", "find", "grep", "head", "hostname", "id", "kill", "ln", "ls", "mkdir", "mktemp", "mv", "nice",
    "node", "nohup", "printf", "pwd", "read", "rm", "sed", "set", "sh", "sleep", "sort", "source", "tail", "tee",
    "test", "timeout", "touch", "tr", "trap", "true", "ulimit", "umask", "uname", "unset", "wait", "wc", "which",
    "xargs",
];

/// The development dependencies that the server of a custom command needs; an error for a program that nothing provides.
pub(super) fn plan_needs(
    inputs: Inputs<'_>,
    output: &OutputPlan,
    base: &BasePlan,
) -> Result<Vec<NeededPackage>, PlanError> {
    let Some(command) = output.start_command.as_ref().filter(|_| output.mode == ImageMode::Server) else {
        return Ok(Vec::new());
    };
    let declared = &inputs.facts.declared;
    let mut needs: Vec<NeededPackage> = Vec::new();
    let mut need = |package: &str, reason: String| {
        if !needs.iter().any(|need| need.package == package) {
            needs.push(NeededPackage { package: package.to_owned(), reason });
        }
    };
    if declared.development.contains("next") {
        need("next", "the server itself".to_owned());
    }
    for program in started_programs(&command.value) {
        match provider(inputs, base, &program) {
            Provider::Image => {}
            Provider::Development(package) => need(package, "run by the start command".to_owned()),
            // Only their content says what those have.
            Provider::Unknown if base.flavour == BaseFlavour::Custom || !inputs.settings.packages.is_empty() => {}
            Provider::Unknown => {
                return Err(PlanError::ProgramNotInImage {
                    command: command
                        .value
                        .last()
                        .filter(|_| command.value.len() == 3 && command.value[1] == "-c")
                        .cloned()
                        .unwrap_or_else(|| command_line(&command.value)),
                    origin: command.origin.to_string(),
                    package: packages_of(&program)[0].to_owned(),
                    program,
                });
            }
        }
    }
    for import in inputs.facts.server_imports.iter().filter(|import| declared.development.contains(&import.package)) {
        need(&import.package, format!("imported by `{}`", import.file));
    }
    Ok(needs)
}

/// True when the command runs Bun, which only the package manager provides.
pub(super) fn runs_bun(inputs: Inputs<'_>, command: &[String]) -> bool {
    let declared = &inputs.facts.declared;
    inputs.facts.package_manager.value.kind == PackageManagerKind::Bun
        && !declared.production.contains("bun")
        && !declared.development.contains("bun")
        && started_programs(command).iter().any(|program| program == "bun")
}

/// Where a program of the start command comes from.
enum Provider<'p> {
    /// The base image, a dependency of the app, or the repository.
    Image,
    Development(&'p str),
    Unknown,
}

fn packages_of(program: &str) -> Vec<&str> {
    let known = PROGRAMS.iter().find(|(name, _)| *name == program);
    known.map_or_else(|| vec![program], |(_, packages)| packages.to_vec())
}

fn provider<'p>(inputs: Inputs<'_>, base: &BasePlan, program: &'p str) -> Provider<'p> {
    let declared = &inputs.facts.declared;
    let has_shell = base.flavour != BaseFlavour::Distroless;
    let program = match program.rsplit_once("node_modules/.bin/") {
        Some((_, program)) => program,
        // A file of the project, or a variable.
        None if program.contains(['/', '$', '`']) => return Provider::Image,
        None => program,
    };
    let packages = packages_of(program);
    if packages.iter().any(|package| declared.production.contains(*package)) || program == "next" {
        return Provider::Image;
    }
    if let Some(package) = packages.into_iter().find(|package| declared.development.contains(*package)) {
        return Provider::Development(package);
    }
    let in_image = match program {
        "node" => true,
        "npm" | "npx" | "yarn" => has_shell,
        "bash" => base.flavour == BaseFlavour::Slim,
        "bun" => inputs.facts.package_manager.value.kind == PackageManagerKind::Bun,
        _ => has_shell && SYSTEM.contains(&program),
    };
    if in_image { Provider::Image } else { Provider::Unknown }
}

/// `a` (why), `b` (why) and so on.
pub(super) fn list(needs: &[NeededPackage]) -> String {
    const NAMED: usize = 5;
    let names = needs.iter().take(NAMED).map(|need| format!("`{}` ({})", need.package, need.reason));
    let rest = (needs.len() > NAMED).then(|| format!("{} more", needs.len() - NAMED));
    names.chain(rest).collect::<Vec<_>>().join(", ")
}
