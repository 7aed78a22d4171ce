//! What the image is based on and serves, how it starts, and its runtime environment.

use std::collections::BTreeMap;

use super::error::PlanError;
use super::image::{BaseFlavour, BasePlan, ImageMode, Inputs, Libc, OutputPlan, RuntimePlan};
use super::server;
use crate::config::settings::{EnvFilePolicy, EnvValue};
use crate::diagnostic::Warning;
use crate::format::command_line;
use crate::image_ref::ImageRef;
use crate::origin::{Origin, Sourced};
use crate::project::{DISTROLESS_LINES, NodeRequirement, OutputMode, StartScript, StaticValue};

/// Node.js in distroless images, which have no shell to look it up.
const DISTROLESS_NODE: &str = "/nodejs/bin/node";

/// The images to build on and to run on.
pub(super) fn plan_base(inputs: Inputs<'_>, warnings: &mut Vec<Warning>) -> Result<BasePlan, PlanError> {
    let node = &inputs.facts.node.value;
    let default = || Sourced::new("slim".to_owned(), Origin::Default("small, and runs all native modules".to_owned()));
    let base = inputs.settings.base.clone().unwrap_or_else(default);
    let official = |suffix: &str| {
        let reference = ImageRef {
            domain: None,
            path: "node".to_owned(),
            tag: Some(format!("{}-{suffix}", node.version())),
            digest: None,
        };
        Sourced::new(reference, base.origin.clone())
    };
    let plan = |flavour, build: Sourced<ImageRef>, runtime, libc, node_path: &str| BasePlan {
        flavour,
        build,
        runtime,
        libc,
        node_path: node_path.to_owned(),
    };
    Ok(match base.value.as_str() {
        "slim" => plan(BaseFlavour::Slim, official("slim"), official("slim"), Libc::Glibc, "node"),
        "alpine" => plan(BaseFlavour::Alpine, official("alpine"), official("alpine"), Libc::Musl, "node"),
        "distroless" => {
            let runtime = Sourced::new(distroless(&inputs.facts.node, warnings)?, base.origin.clone());
            plan(BaseFlavour::Distroless, official("slim"), runtime, Libc::Glibc, DISTROLESS_NODE)
        }
        text => {
            let reference = ImageRef::parse(text).map_err(|invalid| PlanError::InvalidBase {
                image: text.to_owned(),
                origin: base.origin.to_string(),
                reason: invalid.to_string(),
            })?;
            let custom = Sourced::new(reference, base.origin.clone());
            if custom.value.path.contains("distroless") {
                plan(BaseFlavour::Distroless, official("slim"), custom, Libc::Glibc, DISTROLESS_NODE)
            } else {
                let libc = libc_of(&custom.value, warnings);
                plan(BaseFlavour::Custom, custom.clone(), custom, libc, "node")
            }
        }
    })
}

/// The image of the release line; there are none of single releases.
fn distroless(node: &Sourced<NodeRequirement>, warnings: &mut Vec<Warning>) -> Result<ImageRef, PlanError> {
    let major = node.value.major;
    if !DISTROLESS_LINES.contains(&major) {
        return Err(PlanError::NoDistroless { node: major, origin: node.origin.to_string() });
    }
    if let Some(exact) = &node.value.exact {
        let message = format!(
            "the image runs the newest Node.js {major}, not {exact} ({}): distroless images exist for release lines only",
            node.origin
        );
        warnings
            .push(Warning::new("plan/node-not-exact", message).with_hint("use `--base slim` for the exact version"));
    }
    Ok(ImageRef {
        domain: Some("gcr.io".to_owned()),
        path: format!("distroless/nodejs{major}-debian13"),
        tag: None,
        digest: None,
    })
}

/// The C library of a custom image, judged by its name.
fn libc_of(image: &ImageRef, warnings: &mut Vec<Warning>) -> Libc {
    let (path, tag) = (image.path.as_str(), image.tag.as_deref().unwrap_or_default());
    if path.contains("alpine") || tag.contains("alpine") || tag.contains("musl") {
        return Libc::Musl;
    }
    if path != "node" && path != "library/node" {
        warnings.push(
            Warning::new(
                "plan/assumed-libc",
                format!("`{image}` is assumed to have glibc, Node.js, npm and a shell; its name does not say"),
            )
            .with_hint("use an image whose name contains `alpine` if it is built on musl"),
        );
    }
    Libc::Glibc
}

/// The last version of sharp that every Next.js before 15 accepts.
const SHARP: &str = "0.33.5";
/// Lowest Node.js release line it supports.
const SHARP_NODE_FLOOR: u32 = 18;
pub(super) const DEFAULT_PORT: u16 = 3000;

pub(super) fn plan_output(
    inputs: Inputs<'_>,
    base: &BasePlan,
    warnings: &mut Vec<Warning>,
) -> Result<OutputPlan, PlanError> {
    let start = plan_start(inputs)?;
    let (mode, reason) = plan_mode(inputs, start.as_ref())?;
    let start_command = if mode == ImageMode::Server { start.or_else(|| Some(next_start())) } else { None };
    if let Some(command) = &start_command {
        check_shell(command, base)?;
    }
    let runs_bun = start_command.as_ref().is_some_and(|command| server::runs_bun(inputs, &command.value));
    if runs_bun {
        let message = "the image contains Bun (about 90 MB), which the start command runs";
        let hint = "start the server with `node` if it uses no API of Bun";
        warnings.push(Warning::new("plan/bun-in-image", message).with_hint(hint));
    }
    let keep = inputs.settings.env_files.as_ref().is_some_and(|policy| policy.value == EnvFilePolicy::Keep);
    Ok(OutputPlan {
        mode,
        reason,
        start_command,
        sharp: plan_sharp(inputs, mode, warnings),
        keep_env_files: keep,
        added_program: runs_bun.then_some("bun"),
    })
}

fn plan_mode(inputs: Inputs<'_>, start: Option<&Sourced<Vec<String>>>) -> Result<(ImageMode, String), PlanError> {
    let config = &inputs.facts.config;
    if config.output.value() == Some(&OutputMode::Export) {
        // A start script such as `serve out` is replaced by the launcher; an explicit start command is a conflict.
        if let Some(requested) = inputs.settings.start_command.as_ref().filter(|_| start.is_some()) {
            return Err(PlanError::StartCommandWithExport {
                command: command_line(&requested.value),
                origin: requested.origin.to_string(),
            });
        }
        return Ok((ImageMode::Export, "`output: 'export'` in next.config".to_owned()));
    }
    if let Some(start) = start {
        return Ok((
            ImageMode::Server,
            format!("the app is started with `{}` ({})", command_line(&start.value), start.origin),
        ));
    }
    let next = &inputs.facts.next.value;
    if next.major < 12 {
        return Ok((ImageMode::Server, format!("Next.js {next} has no standalone output")));
    }
    Ok(match &config.output {
        StaticValue::Unknown { reason, line } => (
            ImageMode::Unknown,
            format!("`output` on line {line} of next.config is known only after the build: {reason}"),
        ),
        StaticValue::Value(value) if value.value == OutputMode::Standalone => {
            (ImageMode::Standalone, "`output: 'standalone'` in next.config".to_owned())
        }
        _ => (ImageMode::Standalone, "next.config does not set `output`".to_owned()),
    })
}

fn next_start() -> Sourced<Vec<String>> {
    Sourced::new(vec!["next".to_owned(), "start".to_owned()], Origin::Default("`next start`".to_owned()))
}

/// The command that starts the app, unless that is Next.js' own server.
fn plan_start(inputs: Inputs<'_>) -> Result<Option<Sourced<Vec<String>>>, PlanError> {
    let from_project = || match &inputs.facts.start {
        StartScript::Next => None,
        StartScript::Custom(script) => Some(Sourced::new(split_command(&script.value.command), script.origin.clone())),
    };
    let Some(requested) = &inputs.settings.start_command else {
        return Ok(from_project());
    };
    let words: Vec<&str> = requested.value.iter().map(String::as_str).collect();
    let app_has = |file: &str| inputs.facts.app_dir.join(file).is_ok_and(|path| inputs.tree.has_file(&path));
    Ok(match words.as_slice() {
        [] | [""] => return Err(PlanError::EmptyStartCommand { origin: requested.origin.to_string() }),
        // Package managers do not forward signals, so their script is run directly.
        ["npm" | "yarn" | "pnpm" | "bun", "start"] | ["npm" | "yarn" | "pnpm" | "bun", "run", "start"] => {
            from_project()
        }
        ["next", "start", ..] => None,
        // Standalone's own server.
        ["node", file] if file.ends_with("server.js") && !app_has(file) => None,
        _ => Some(requested.clone()),
    })
}

/// The words of a script, or the whole script for `sh -c` if it needs a shell. (`shlex` would split at quotes but not notice operators.)
fn split_command(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.trim().chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('"'), '$' | '`' | '\\') => return shell(command),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '&' | '|' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '\\' | '*' | '?' | '~' | '#' | '\n') => {
                return shell(command);
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() || words.is_empty() { shell(command) } else { words }
}

fn shell(command: &str) -> Vec<String> {
    vec!["/bin/sh".to_owned(), "-c".to_owned(), command.to_owned()]
}

fn check_shell(command: &Sourced<Vec<String>>, base: &BasePlan) -> Result<(), PlanError> {
    let needs_shell =
        command.value.first().is_some_and(|word| matches!(word.as_str(), "sh" | "/bin/sh" | "bash" | "/bin/bash"));
    if base.flavour == BaseFlavour::Distroless && needs_shell {
        let text = command.value.last().cloned().unwrap_or_default();
        return Err(PlanError::ShellInDistroless { command: text, origin: command.origin.to_string() });
    }
    Ok(())
}

/// Before version 15, Next.js has no image optimiser that works in standalone mode.
fn plan_sharp(inputs: Inputs<'_>, mode: ImageMode, warnings: &mut Vec<Warning>) -> Option<&'static str> {
    let node_major = inputs.facts.node.value.major;
    let (next, config) = (&inputs.facts.next.value, &inputs.facts.config);
    let traced = matches!(mode, ImageMode::Standalone | ImageMode::Unknown);
    let unused = config.images_unoptimized.value() == Some(&true)
        || config.images_loader.value().is_some_and(|loader| loader != "default");
    if next.major >= 15 || !traced || unused || inputs.facts.install.sharp.is_some() {
        return None;
    }
    if node_major < SHARP_NODE_FLOOR {
        warnings.push(
            Warning::new(
                "plan/images-not-optimised",
                format!("on Node.js {node_major}, Next.js {next} serves images unoptimised: sharp {SHARP} needs Node.js {SHARP_NODE_FLOOR}"),
            )
            .with_hint(format!("use `--node-version {SHARP_NODE_FLOOR}` or later, or add `sharp` to the dependencies")),
        );
        return None;
    }
    Some(SHARP)
}

/// Environment, port, process and health check of the container.
pub(super) fn plan_runtime(
    inputs: Inputs<'_>,
    base: &BasePlan,
    output: &OutputPlan,
    mut environment: BTreeMap<String, Sourced<String>>,
) -> RuntimePlan {
    let port = plan_port(inputs);
    let own = |reason: &str| Origin::Default(reason.to_owned());
    let mut set = |name: &str, value: String, origin: Origin| {
        environment.insert(name.to_owned(), Sourced::new(value, origin));
    };
    set("NODE_ENV", "production".to_owned(), own("images are for production"));
    set("HOSTNAME", "0.0.0.0".to_owned(), own("reachable from outside the container"));
    set("PORT", port.value.to_string(), port.origin.clone());
    if !environment.contains_key("NEXT_TELEMETRY_DISABLED") {
        let disabled = Sourced::new("1".to_owned(), own("no telemetry from production servers"));
        environment.insert("NEXT_TELEMETRY_DISABLED".to_owned(), disabled);
    }
    if output.sharp.is_some() {
        let place = Sourced::new("/nextdeploy/sharp/node_modules/sharp".to_owned(), own("the added image optimiser"));
        environment.insert("NEXT_SHARP_PATH".to_owned(), place);
    }
    let launcher = vec![base.node_path.clone(), "/nextdeploy/launcher.cjs".to_owned()];
    RuntimePlan {
        environment,
        port,
        health_path: inputs.settings.health_path.clone(),
        base_path: match &inputs.facts.config.base_path {
            StaticValue::Value(path) => Some(path.clone()),
            StaticValue::Absent | StaticValue::Unknown { .. } => None,
        },
        user: "1001:0",
        health_check: [launcher.clone(), vec!["health".to_owned()]].concat(),
        entrypoint: launcher,
        command: vec!["start".to_owned()],
    }
}

fn plan_port(inputs: Inputs<'_>) -> Sourced<u16> {
    let from_variable = || {
        let setting = inputs.settings.env.get("PORT")?;
        match &setting.value.value {
            EnvValue::Plain(text) => {
                Some(Sourced::new(text.trim().parse().ok().filter(|p| *p != 0)?, setting.origin.clone()))
            }
            EnvValue::Secret(_) => None,
        }
    };
    inputs
        .settings
        .port
        .clone()
        .or_else(from_variable)
        .or_else(|| inputs.facts.port.clone())
        .unwrap_or_else(|| Sourced::new(DEFAULT_PORT, Origin::Default("as in Next.js".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_split_only_when_no_shell_is_needed() {
        let words = |command: &str| split_command(command).join("|");
        assert_eq!(words("NODE_ENV=production node server.js"), "NODE_ENV=production|node|server.js");
        assert_eq!(words("node  'my server.js' \"a b\" ''"), "node|my server.js|a b|");
        assert_eq!(words("prisma migrate deploy && next start"), "/bin/sh|-c|prisma migrate deploy && next start");
        assert_eq!(words("next start -p $PORT"), "/bin/sh|-c|next start -p $PORT");
        assert_eq!(words("node \"it"), "/bin/sh|-c|node \"it");
    }
}
