//! How the app starts in production: its scripts in, what really runs in the image out.
//!
//! Package managers, runners and what only sets variables are taken away; what remains is Next.js' own server or a custom one.

mod imports;
mod node;
mod options;

use std::collections::BTreeMap;

use super::error::ProjectError;
use super::facts::{NamedScript, NextVersion, ServerImport, StartScript};
use super::package_json::PackageJson;
use super::scripts::{self, EnvSource, FollowedScript, KEYWORDS, ScriptCommand, Stopped};
use crate::diagnostic::{Location, Warning};
use crate::origin::{Origin, Sourced};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;
use node::NodeCommand;

/// What the start script does.
#[derive(Debug)]
pub(super) struct StartDetection {
    pub script: StartScript,
    pub port: Option<Sourced<u16>>,
    /// Variables that the script sets, where their values are known.
    pub environment: BTreeMap<String, Sourced<String>>,
    /// Tracked environment files that the script names, besides those that Next.js loads.
    pub env_files: Vec<RelPath>,
    /// Packages that the server, the configuration and what they import need.
    pub imports: Vec<ServerImport>,
    pub warnings: Vec<Warning>,
}

/// What [`start`] depends on.
#[derive(Clone, Copy)]
pub(super) struct StartInputs<'a> {
    pub tree: &'a SourceTree,
    pub manifest: &'a PackageJson,
    pub next: &'a NextVersion,
    /// The project of Next.js.
    pub next_dir: &'a RelPath,
    /// `next.config.*`
    pub config: Option<&'a RelPath>,
}

/// How the project starts in production.
pub(super) fn start(inputs: StartInputs<'_>) -> Result<StartDetection, ProjectError> {
    let StartInputs { tree, manifest, .. } = inputs;
    let mut detection = StartDetection {
        script: StartScript::Next,
        port: None,
        environment: BTreeMap::new(),
        env_files: Vec::new(),
        imports: Vec::new(),
        warnings: Vec::new(),
    };
    if let Some(script) = scripts::named(manifest, "start").or_else(|| npm_default(tree, manifest)) {
        let followed = scripts::resolve(manifest, &script.value, &["build"]);
        let mut reader = StartReader { inputs, script: &script, found: &mut detection };
        reader.read(followed)?;
    }
    let entries = match &detection.script {
        StartScript::Next => Vec::new(),
        StartScript::Custom(script) => {
            let commands = scripts::commands(&script.value.command);
            let inner = commands.iter().flat_map(|command| scripts::parallel(manifest, command)).collect();
            [commands, inner].concat()
        }
    };
    detection.imports = imports::of_server(tree, manifest, (inputs.next, inputs.config), &entries);
    Ok(detection)
}

/// `npm start` without a start script runs `server.js`.
fn npm_default(tree: &SourceTree, manifest: &PackageJson) -> Option<Sourced<NamedScript>> {
    let script = NamedScript { name: "start".to_owned(), command: "node server.js".to_owned() };
    let origin = Origin::Derived("`server.js` without a start script, as `npm start` runs it".to_owned());
    tree.has_file(&manifest.dir.child("server.js")).then(|| Sourced::new(script, origin))
}

/// Always set in the image.
const FIXED: &[&str] = &["NODE_ENV", "PORT", "HOSTNAME"];

/// Who serves.
enum Server {
    /// Next.js, or a static server for an export; the options of Node.js before it.
    Next(NodeCommand),
    Custom,
}

struct StartReader<'a> {
    inputs: StartInputs<'a>,
    script: &'a Sourced<NamedScript>,
    found: &'a mut StartDetection,
}

impl StartReader<'_> {
    fn read(&mut self, followed: FollowedScript) -> Result<(), ProjectError> {
        match followed.stopped {
            Some(Stopped::TooMany) => {
                self.found.script = StartScript::Custom(self.script.clone());
                return Ok(());
            }
            Some(stopped) => {
                self.warn_stopped(&stopped);
                return Ok(());
            }
            None => {}
        }
        let commands: Vec<ScriptCommand> = followed.commands;
        let Some((last, before)) = commands.split_last() else { return Ok(()) };
        let StartInputs { tree, manifest, .. } = self.inputs;
        let inner: Vec<ScriptCommand> = commands.iter().flat_map(|c| scripts::parallel(manifest, c)).collect();
        let candidates = commands.iter().chain(&inner).rev();
        let of_next: Vec<(&ScriptCommand, NodeCommand)> = candidates
            .filter_map(|command| match self.server(command) {
                Server::Next(node) => Some((command, node)),
                Server::Custom => None,
            })
            .collect();
        // What runs beside a development server belongs to development.
        let dev = of_next.iter().find(|(command, node)| is_dev(command, node.file));
        let serving = of_next.first().map_or(last, |(command, _)| command);
        self.found.port = options::port(tree, manifest, self.script, serving)?;
        let concurrent = inner.len() > 1 || commands.iter().any(|command| command.concurrent);
        let is_last = std::ptr::eq(serving, inner.last().unwrap_or(last));
        match (of_next.first(), dev) {
            (Some((server, node)), _) if is_last && !concurrent => self.read_next(server, before, node),
            (_, Some((server, node))) if concurrent => self.read_next(server, &[], node),
            _ => self.read_custom(&commands),
        }
        Ok(())
    }

    fn warn(&mut self, code: &'static str, message: String, hint: &str) {
        let place = self.place();
        self.found.warnings.push(Warning::new(code, message).with_hint(hint).at(place));
    }

    fn place(&self) -> Location {
        self.inputs.manifest.place(self.inputs.tree, &["scripts", &self.script.value.name])
    }

    fn warn_stopped(&mut self, stopped: &Stopped) {
        let (code, problem) = match stopped {
            Stopped::Cycle(names) => {
                ("project/script-cycle", format!("scripts that call each other: `{}`", names.join("` → `")))
            }
            Stopped::Missing(name) => {
                ("project/script-missing", format!("a script that does not exist: the start script calls `{name}`"))
            }
            Stopped::TooMany => return,
        };
        let message = format!("the image runs the server of Next.js, because `start` ends in {problem}");
        self.warn(code, message, "fix the script, or set a command with `--start-command`");
    }

    /// True for Next.js' own server, or a static server for an export.
    fn server(&self, command: &ScriptCommand) -> Server {
        let is_start = |word: &str| matches!(word, "start" | "dev");
        match (command.program(), command.word(1)) {
            ("next", word) if is_start(word) || word.is_empty() || word.starts_with('-') => {
                Server::Next(NodeCommand::default())
            }
            ("serve" | "http-server" | "sirv", _) => Server::Next(NodeCommand::default()),
            ("node" | "bun", _) => {
                let options = node::parse(command).without_dotenv();
                let file = command.word(options.file);
                let bin = file.ends_with("node_modules/.bin/next") || file.ends_with("node_modules/next/dist/bin/next");
                let path = format!("{}/{file}", command.folder.as_deref().unwrap_or("?"));
                let standalone = path.contains("standalone/") && file.ends_with("server.js");
                let is_next = (bin && is_start(command.word(options.file + 1)))
                    || standalone
                    || (path == "/server.js" && !self.has_server());
                if is_next { Server::Next(options) } else { Server::Custom }
            }
            _ => Server::Custom,
        }
    }

    /// False when `server.js` can only be that of the standalone output, copied to where it runs.
    fn has_server(&self) -> bool {
        let StartInputs { tree, manifest, .. } = self.inputs;
        let folders = [manifest.dir.clone(), manifest.dir.child("src")];
        let names = ["js", "mjs", "cjs", "ts", "mts", "cts"].map(|extension| format!("server.{extension}"));
        let mut scripts = manifest.scripts.iter().filter(|(name, _)| **name != self.script.value.name);
        folders.iter().any(|dir| names.iter().any(|name| tree.has_file(&dir.child(name))))
            || tree.has_directory(&manifest.dir.child("server"))
            || scripts.any(|(_, text)| text.contains("server") || text.contains("tsc"))
    }

    fn read_next(&mut self, server: &ScriptCommand, before: &[ScriptCommand], options: &NodeCommand) {
        let of_variable =
            server.variables.iter().rev().find_map(node::of_variable).unwrap_or_default().without_dotenv();
        let preloads: Vec<&str> = options.preloads.iter().chain(&of_variable.preloads).map(String::as_str).collect();
        self.read_variables(server);
        self.read_sources(server.sources.iter().chain(&options.sources).chain(&of_variable.sources), server);
        let limits: Vec<&str> = options.limits.iter().chain(&of_variable.limits).map(String::as_str).collect();
        if !preloads.is_empty() {
            // The traced output lacks the preloaded module, so `next start` takes the place of standalone's `server.js`.
            let all = preloads.iter().chain(&limits).copied().collect::<Vec<_>>().join(" ");
            self.custom(format!("NODE_OPTIONS='{}' next start", all.replace('\'', "")));
        } else if !limits.is_empty() {
            self.set("NODE_OPTIONS", limits.join(" "));
        }
        let debug = options.debug.iter().chain(&of_variable.debug).cloned();
        let is_next = runs_cli(server, options.file);
        let start = subcommand(server, options.file);
        let start = start + usize::from(!server.word(start).starts_with('-'));
        let flags =
            if is_next { options::of_next(server, start, self.inputs.next) } else { options::NextOptions::default() };
        if let Some(time) = flags.keep_alive {
            self.set("KEEP_ALIVE_TIMEOUT", time);
        }
        let dropped: Vec<String> = debug.chain(flags.dropped).collect();
        if !dropped.is_empty() {
            let message = format!("the start script passes `{}`, which the image does not", dropped.join("`, `"));
            let hint = "set what it stands for in the environment of the container, or use `--start-command`";
            self.warn("project/start-option", message, hint);
        }
        self.warn_skipped(before);
        if is_dev(server, options.file) {
            let message = "the start script runs the development server; the image runs the production server instead";
            self.warn("project/start-is-dev", message.to_owned(), "use `next start`");
        }
    }

    /// Steps of `prestart` and before the server that are no part of the image.
    fn warn_skipped(&mut self, before: &[ScriptCommand]) {
        let prestart = scripts::named(self.inputs.manifest, "prestart");
        let prestart =
            prestart.map(|script| scripts::resolve(self.inputs.manifest, &script.value, &["build"]).commands);
        let prestart = prestart.unwrap_or_default();
        let skipped = prestart.iter().chain(before).filter(|command| !is_harmless(command));
        let skipped: Vec<String> = skipped.map(ScriptCommand::text).collect();
        if !skipped.is_empty() {
            let message = format!("the start script also runs `{}`, which the image does not", skipped.join("`, `"));
            let hint = "run it as a step of the deployment, before the new container starts";
            self.warn("project/start-does-more", message, hint);
        }
    }

    /// A server of the project's own, without what only starts it.
    fn read_custom(&mut self, commands: &[ScriptCommand]) {
        let chained =
            |command: &ScriptCommand| matches!(command.before.as_str(), "" | "&&" | ";") && command.after.is_empty();
        let structured = commands.iter().flat_map(|c| &c.words).any(|word| KEYWORDS.contains(&word.as_str()));
        let plain = !structured && commands.iter().all(chained);
        let mut kept: Vec<String> = Vec::new();
        for (at, command) in commands.iter().enumerate() {
            self.read_variables(command);
            let mut command = command.clone();
            let mut sources = command.sources.clone();
            if command.program() == "node" {
                let options = node::parse(&command);
                sources.extend(options.sources);
                remove_env_file_flags(&mut command, options.file);
            }
            self.read_sources(sources.iter(), &command);
            if plain && (is_built(&command) || only_sets_up(&command)) {
                continue;
            }
            let is_last = at + 1 == commands.len();
            let text = spelled(&command);
            let replaces = plain && is_last && !kept.is_empty() && !text.contains('=');
            let before = if kept.is_empty() { String::new() } else { format!("{} ", command.before) };
            kept.push(format!("{before}{}{text}{}", if replaces { "exec " } else { "" }, command.after));
        }
        if kept.is_empty() {
            return;
        }
        self.custom(kept.join(" ").replace(" ; ", "; "));
        self.warn_skipped(&[]);
    }

    fn custom(&mut self, command: String) {
        let script = self.script.clone().map(|script| NamedScript { command, ..script });
        self.found.script = StartScript::Custom(script);
    }

    fn set(&mut self, name: &str, value: String) {
        self.found.environment.insert(name.to_owned(), Sourced::new(value, self.script.origin.clone()));
    }

    /// Literal values become variables of the image.
    fn read_variables(&mut self, command: &ScriptCommand) {
        let mut unknown = Vec::new();
        let is_next = matches!(self.server(command), Server::Next(_));
        for variable in &command.variables {
            let name = variable.name.as_str();
            if FIXED.contains(&name) || (is_next && matches!(name, "HOST" | "NODE_OPTIONS")) {
                continue;
            }
            match variable.literal() {
                Some(_) if name == "NODE_OPTIONS" && loads_code(&variable.value) => {}
                Some(value) => self.set(name, value.to_owned()),
                None => unknown.push(name.to_owned()),
            }
        }
        unknown.retain(|name| !command.variables.iter().any(|v| v.name == *name && v.value == format!("${name}")));
        if is_next && !unknown.is_empty() {
            let message = format!("the start script sets `{}`, which the image does not", unknown.join("`, `"));
            let hint = "set it in the environment of the container";
            self.warn("project/start-environment", message, hint);
        }
    }

    fn read_sources<'s>(&mut self, sources: impl Iterator<Item = &'s EnvSource>, command: &ScriptCommand) {
        for source in sources {
            match source {
                EnvSource::File(file) => self.read_env_file(file, command.folder.as_deref().unwrap_or_default()),
                EnvSource::Service(name) => {
                    let message =
                        format!("the start script gets variables from `{name}`, which the image does not run");
                    let hint = "set them in the environment of the container";
                    self.warn("project/start-environment", message, hint);
                }
            }
        }
    }

    /// A tracked file gives its values to the image; what another one holds is known only where the container starts.
    fn read_env_file(&mut self, file: &str, dir: &str) {
        let StartInputs { tree, manifest, next_dir, .. } = self.inputs;
        let Ok(path) = manifest.dir.join(dir).and_then(|dir| dir.join(file)) else {
            return self.warn_env_file(file, "is outside the repository");
        };
        let of_next = [".env", ".env.production"].iter().any(|name| path == next_dir.child(name));
        let is_tracked = tree.git.as_ref().is_some_and(|git| git.tracked_env_files.contains(path.as_str()));
        match tree.has_file(&path) {
            // Untracked ones get a warning of their own.
            true if of_next => {}
            true if is_tracked && tree.text(&path).is_some() => {
                if !self.found.env_files.contains(&path) {
                    self.found.env_files.push(path);
                }
            }
            true if is_tracked => {
                self.warn_env_file(path.as_str(), "is not among the files whose values the image gets");
            }
            true => self.warn_env_file(path.as_str(), "is not tracked by git, so the image does not have its values"),
            false => {
                self.warn_env_file(path.as_str(), "is not in the repository, so the image does not have its values");
            }
        }
    }

    fn warn_env_file(&mut self, file: &str, problem: &str) {
        let message = format!("`{file}`, which the start script reads, {problem}");
        let hint = "pass the variables when the container starts, or those that are no secrets with `--env NAME=VALUE`";
        let known = self.found.warnings.iter().any(|warning| warning.message == message);
        if !known {
            self.warn("project/start-env-file", message, hint);
        }
    }
}

/// True when the command line tool of Next.js runs, by itself or as the word `file` of `node`.
fn runs_cli(command: &ScriptCommand, file: usize) -> bool {
    command.program() == "next" || command.word(file).ends_with("next")
}

/// Where the subcommand of Next.js stands.
fn subcommand(command: &ScriptCommand, file: usize) -> usize {
    if command.program() == "next" { 1 } else { file + 1 }
}

/// True for the development server, which `next` without a subcommand starts, too.
fn is_dev(command: &ScriptCommand, file: usize) -> bool {
    let word = command.word(subcommand(command, file));
    runs_cli(command, file) && (matches!(word, "dev" | "") || word.starts_with('-'))
}

/// The command with what only the shell or Node.js itself can honour.
fn spelled(command: &ScriptCommand) -> String {
    let loading = command.variables.iter().filter(|v| v.name == "NODE_OPTIONS" && v.literal().is_some());
    let loading = loading.filter(|variable| loads_code(&variable.value));
    let mut text: String = loading.flat_map(|variable| [variable.spelled.as_str(), " "]).collect();
    text.push_str(&command.spelled());
    text
}

fn loads_code(options: &str) -> bool {
    let found = node::parse_variable(options);
    !found.preloads.is_empty() || !found.debug.is_empty()
}

/// The file is not in the image, and Node.js does not start without it.
fn remove_env_file_flags(command: &mut ScriptCommand, end: usize) {
    let mut at = 1;
    for _ in 1..end {
        let is_flag = |word: &str| matches!(word, "--env-file" | "--env-file-if-exists");
        let count = match command.word(at) {
            word if is_flag(word) => 2,
            word if word.split_once('=').is_some_and(|(flag, _)| is_flag(flag)) => 1,
            _ => 0,
        };
        let until = (at + count).min(command.words.len());
        command.words.drain(at.min(until)..until);
        command.spelled.drain(at.min(until)..until);
        at += usize::from(count == 0);
    }
}

/// What the build of the image has run already.
fn is_built(command: &ScriptCommand) -> bool {
    let words: Vec<&str> = command.words.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    matches!(
        (command.program(), words.as_slice()),
        ("next", [_, "build" | "telemetry", ..])
            | ("npm" | "pnpm" | "yarn" | "bun", [_, "build"] | [_, "run" | "run-script", "build"])
    )
}

/// Variables that are in the image already, and options of the shell.
fn only_sets_up(command: &ScriptCommand) -> bool {
    match command.program() {
        "" => command.variables.iter().all(|variable| variable.literal().is_some()),
        "export" => !command.spelled.iter().any(|word| scripts::expands(word)),
        "source" | "." | "set" => true,
        _ => false,
    }
}

/// Commands before the server that the image build has run already, or that have no effect.
fn is_harmless(command: &ScriptCommand) -> bool {
    let known = ["echo", "cp", "rm", "mkdir", "cd", "set", "true", "rimraf", "export", "source", ".", ""];
    is_built(command) || known.contains(&command.program())
}

#[cfg(test)]
mod tests;
