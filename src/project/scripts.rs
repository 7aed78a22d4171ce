//! Scripts of the app: what they run, and how the project starts: manifest in, [`StartScript`] and port out.
//!
//! Calls of other scripts are followed, and what people write in scripts (quotes, `&&`, variable prefixes, runners) is understood;
//! nothing is run or expanded. `shlex` is not used because it does not know operators.

use super::error::ProjectError;
use super::facts::{NamedScript, StartScript};
use super::package_json::PackageJson;
use crate::diagnostic::Warning;
use crate::origin::{Origin, Sourced};
use crate::repo::SourceTree;

/// How deep calls of other scripts are followed.
const MAX_DEPTH: u32 = 8;
/// Calls that are followed in total.
const MAX_CALLS: usize = 256;
/// Bytes of scripts that are read in total.
const MAX_TEXT: usize = 256 * 1024;

/// What the start script does.
#[derive(Debug)]
pub(super) struct StartDetection {
    pub script: StartScript,
    pub port: Option<Sourced<u16>>,
    pub warnings: Vec<Warning>,
}

/// How the project starts in production.
pub(super) fn start(tree: &SourceTree, manifest: &PackageJson) -> Result<StartDetection, ProjectError> {
    let Some(script) = named(manifest, "start").or_else(|| npm_default(tree, manifest)) else {
        return Ok(StartDetection { script: StartScript::Next, port: None, warnings: Vec::new() });
    };
    let commands = follow(manifest, &script.value.command);
    let port = port(tree, manifest, &script, &commands)?;
    let Some((server, before)) = commands.split_last() else {
        return Ok(StartDetection { script: StartScript::Next, port, warnings: Vec::new() });
    };
    if !runs_next(server) || commands.iter().any(|command| command.concurrent) {
        return Ok(StartDetection { script: StartScript::Custom(script), port, warnings: Vec::new() });
    }
    let prestart = manifest.scripts.get("prestart").map(|text| follow(manifest, text)).unwrap_or_default();
    let skipped: Vec<String> =
        prestart.iter().chain(before).filter(|c| !is_harmless(c)).map(ScriptCommand::text).collect();
    let mut warnings = Vec::new();
    let place = || manifest.place(tree, &["scripts", "start"]);
    if !skipped.is_empty() {
        let message = format!("the start script also runs `{}`, which the image does not", skipped.join("`, `"));
        let hint = "run it as a step of the deployment, before the new container starts";
        warnings.push(Warning::new("project/start-does-more", message).with_hint(hint).at(place()));
    }
    if server.program() == "next" && server.word(1) == "dev" {
        let message = "the start script runs the development server; the image runs the production server instead";
        warnings.push(Warning::new("project/start-is-dev", message).with_hint("use `next start`").at(place()));
    }
    let known = ["NODE_ENV", "PORT", "HOSTNAME", "HOST"];
    let variables: Vec<&str> =
        server.variables.iter().map(|(name, _)| name.as_str()).filter(|name| !known.contains(name)).collect();
    if !variables.is_empty() {
        let message = format!("the start script sets `{}`, which the image does not", variables.join("`, `"));
        let hint = "set it in the environment of the container";
        warnings.push(Warning::new("project/start-environment", message).with_hint(hint).at(place()));
    }
    Ok(StartDetection { script: StartScript::Next, port, warnings })
}

/// The script of this name, unless it is empty.
pub(super) fn named(manifest: &PackageJson, name: &str) -> Option<Sourced<NamedScript>> {
    let command = manifest.scripts.get(name).filter(|command| !command.trim().is_empty())?;
    let origin = Origin::field(manifest.path.as_str(), &format!("scripts.{name}"));
    Some(Sourced::new(NamedScript { name: name.to_owned(), command: command.clone() }, origin))
}

/// `npm start` without a start script runs `server.js`.
fn npm_default(tree: &SourceTree, manifest: &PackageJson) -> Option<Sourced<NamedScript>> {
    let script = NamedScript { name: "start".to_owned(), command: "node server.js".to_owned() };
    let origin = Origin::Derived("`server.js` without a start script, as `npm start` runs it".to_owned());
    tree.has_file(&manifest.dir.child("server.js")).then(|| Sourced::new(script, origin))
}

/// The commands of a script, with calls of other scripts replaced by what those run.
pub(super) fn follow(manifest: &PackageJson, script: &str) -> Vec<ScriptCommand> {
    let mut all = Vec::new();
    let mut budget = CallBudget { depth: MAX_DEPTH, calls: MAX_CALLS, text: MAX_TEXT };
    if !follow_into(manifest, script, &mut budget, &mut all) {
        // The script was not followed to its end, so the last command is unknown.
        all.push(ScriptCommand { words: vec![script.to_owned()], ..ScriptCommand::default() });
    }
    all
}

/// What may still be followed: a person does not write scripts that call each other hundreds of times.
struct CallBudget {
    depth: u32,
    calls: usize,
    text: usize,
}

/// False when the budget is exhausted.
fn follow_into(manifest: &PackageJson, script: &str, budget: &mut CallBudget, all: &mut Vec<ScriptCommand>) -> bool {
    let Some(text) = budget.text.checked_sub(script.len()) else { return false };
    budget.text = text;
    let mut folder = Some(String::new());
    for mut command in commands(script) {
        command.folder.clone_from(&folder);
        if command.word(0).trim_start_matches('(') == "cd" {
            folder = folder.and_then(|folder| changed_folder(&folder, command.word(1)));
        }
        let followed = budget.depth > 0;
        let Some(called) = followed.then(|| called_scripts(manifest, &command)).flatten() else {
            all.push(command);
            continue;
        };
        for (script, extra) in called {
            if budget.calls == 0 {
                return false;
            }
            budget.calls -= 1;
            budget.depth -= 1;
            let start = all.len();
            // Package managers append the arguments, so `with-env` may be no more than `dotenv -e .env --`.
            let quoted = extra.iter().map(|word| format!(" '{}'", word.replace('\'', "'\\''")));
            if !follow_into(manifest, &format!("{script}{}", quoted.collect::<String>()), budget, all) {
                return false;
            }
            budget.depth += 1;
            let Some(inner) = all.get_mut(start..).filter(|inner| !inner.is_empty()) else { continue };
            inner[0].concurrent |= command.concurrent;
            for command_inside in inner.iter_mut() {
                command_inside.optional |= command.optional;
            }
            let last = &mut inner[inner.len() - 1];
            last.variables.splice(0..0, command.variables.iter().cloned());
        }
    }
    true
}

/// The folder after `cd`; `None` if only a shell knows it.
fn changed_folder(folder: &str, to: &str) -> Option<String> {
    let known = !to.is_empty() && !to.starts_with(['/', '-', '~']) && !to.contains(['$', '`', '%']);
    known.then(|| format!("{folder}/{}", to.trim_end_matches(')')).trim_start_matches('/').to_owned())
}

/// Texts of the scripts that a command calls, each with the arguments that it appends.
fn called_scripts<'m>(manifest: &'m PackageJson, command: &ScriptCommand) -> Option<Vec<(&'m str, Vec<String>)>> {
    let one = |name: &str, arguments: &[String]| {
        let script = manifest.scripts.get(name)?.as_str();
        let arguments = arguments.iter().filter(|word| *word != "--").cloned().collect();
        Some(vec![(script, arguments)])
    };
    match (command.program(), command.word(1)) {
        ("npm" | "pnpm" | "yarn" | "bun", "run" | "run-script") => one(command.word(2), command.words.get(3..)?),
        ("npm" | "pnpm", "start") | ("yarn" | "pnpm", _) => one(command.word(1), command.words.get(2..)?),
        ("run-s" | "npm-run-all", first) if first != "-p" && first != "--parallel" => {
            let names = command.words[1..].iter().filter(|word| !word.starts_with('-')).take(MAX_CALLS + 1);
            let scripts = names.flat_map(|pattern| matching(manifest, pattern)).map(|script| (script, Vec::new()));
            // One more than the limit, so that exceeding it is noticed.
            Some(scripts.take(MAX_CALLS + 1).collect()).filter(|scripts: &Vec<_>| !scripts.is_empty())
        }
        _ => None,
    }
}

/// `build:*` is every script whose name has one more part.
fn matching<'m>(manifest: &'m PackageJson, pattern: &str) -> Vec<&'m str> {
    let Some(prefix) = pattern.strip_suffix('*') else {
        return manifest.scripts.get(pattern).map(String::as_str).into_iter().collect();
    };
    let fits = |name: &str| name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && !rest.contains(':'));
    let all = manifest.scripts.iter().filter(|(name, _)| fits(name)).map(|(_, script)| script.as_str());
    all.take(MAX_CALLS + 1).collect()
}

/// True when the command starts Next.js' own server, or a static server for an export.
fn runs_next(command: &ScriptCommand) -> bool {
    match (command.program(), command.word(1)) {
        ("next", "start" | "dev") | ("serve" | "http-server", _) => true,
        ("node" | "bun", _) => {
            let Some(at) = command.words.iter().skip(1).position(|word| !word.starts_with('-')).map(|at| at + 1) else {
                return false;
            };
            // A preloaded module (`-r ./tracing.js`) makes it a custom start.
            if at > 1 {
                return false;
            }
            let file = command.word(at);
            let next = file.ends_with("node_modules/.bin/next") || file.ends_with("node_modules/next/dist/bin/next");
            (next && matches!(command.word(at + 1), "start" | "dev"))
                || (file.contains("standalone/") && file.ends_with("server.js"))
        }
        _ => false,
    }
}

/// Commands before the server that the image build has run already, or that have no effect.
fn is_harmless(command: &ScriptCommand) -> bool {
    let next = command.program() == "next" && matches!(command.word(1), "build" | "telemetry");
    next || matches!(command.program(), "echo" | "cp" | "rm" | "mkdir" | "cd" | "set" | "true" | "rimraf" | "")
}

fn port(
    tree: &SourceTree,
    manifest: &PackageJson,
    script: &Sourced<NamedScript>,
    commands: &[ScriptCommand],
) -> Result<Option<Sourced<u16>>, ProjectError> {
    let Some(text) = commands.last().and_then(port_text) else { return Ok(None) };
    // `${PORT:-8080}` states a default; `$PORT` leaves it to the environment.
    let text = match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        Some(reference) => reference.split_once(":-").or_else(|| reference.split_once('-')).map_or("", |(_, d)| d),
        None if text.starts_with(['$', '%']) => "",
        None => text,
    };
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Some(Sourced::new(port, script.origin.clone()))),
        _ => Err(ProjectError::InvalidPort {
            port: text.to_owned(),
            origin: script.origin.to_string(),
            location: manifest.place(tree, &["scripts", &script.value.name]),
        }),
    }
}

/// A flag beats the variable, as it does in Next.js.
fn port_text(command: &ScriptCommand) -> Option<&str> {
    let mut words = command.words.iter().map(String::as_str).skip(1);
    while let Some(word) = words.next() {
        if matches!(word, "-p" | "--port") {
            return words.next();
        }
        if let Some(value) = word.strip_prefix("--port=").or_else(|| word.strip_prefix("-p=")) {
            return Some(value);
        }
    }
    command.variables.iter().rev().find(|(name, _)| name == "PORT").map(|(_, value)| value.as_str())
}

/// One simple command of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ScriptCommand {
    /// `NAME=value` before the command, also those given through `cross-env`.
    pub variables: Vec<(String, String)>,
    /// The command itself, without runners such as `npx` or `dotenv --`.
    pub words: Vec<String>,
    /// Runs beside the one before it or feeds it (`&`, `|`) rather than after it.
    pub concurrent: bool,
    /// Another command follows in case it fails (`||`).
    pub optional: bool,
    /// Where it runs, seen from the package; `None` if only a shell knows it.
    pub folder: Option<String>,
}

impl ScriptCommand {
    pub fn text(&self) -> String {
        self.words.join(" ")
    }

    pub fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    /// The program, without its folder.
    pub fn program(&self) -> &str {
        self.word(0).rsplit('/').next().unwrap_or_default()
    }
}

/// The commands of a script in order.
pub(super) fn commands(script: &str) -> Vec<ScriptCommand> {
    let mut commands = Vec::new();
    let mut words = Vec::new();
    let mut concurrent = false;
    for token in tokens(script) {
        match token {
            ShellToken::Word(word) => words.push(word),
            ShellToken::End { concurrent: next, fallback } => {
                let ended = command(std::mem::take(&mut words), concurrent);
                commands.push(ScriptCommand { optional: fallback, ..ended });
                concurrent = next;
            }
        }
    }
    commands.push(command(words, concurrent));
    commands.retain(|command| !command.words.is_empty() || !command.variables.is_empty());
    commands
}

enum ShellToken {
    Word(String),
    End {
        concurrent: bool,
        /// `||`
        fallback: bool,
    },
}

fn tokens(script: &str) -> Vec<ShellToken> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '&' | '|' | ';' | '\n') => {
                tokens.extend(word.take().map(ShellToken::Word));
                let doubled = chars.next_if_eq(&c).is_some();
                let concurrent = matches!(c, '&' | '|') && !doubled;
                tokens.push(ShellToken::End { concurrent, fallback: c == '|' && doubled });
            }
            (None, c) if c.is_whitespace() => tokens.extend(word.take().map(ShellToken::Word)),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    tokens.extend(word.map(ShellToken::Word));
    tokens
}

fn command(mut words: Vec<String>, concurrent: bool) -> ScriptCommand {
    let mut variables = Vec::new();
    let mut rest = words.as_slice();
    loop {
        while let Some((variable, behind)) = rest.split_first().and_then(|(word, rest)| Some((assignment(word)?, rest)))
        {
            variables.push(variable);
            rest = behind;
        }
        let skip = runner_words(rest);
        if skip == 0 {
            break;
        }
        rest = &rest[skip..];
    }
    let skipped = words.len() - rest.len();
    ScriptCommand { variables, words: words.split_off(skipped), concurrent, ..ScriptCommand::default() }
}

fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (valid && !name.starts_with(|c: char| c.is_ascii_digit())).then(|| (name.to_owned(), value.to_owned()))
}

/// How many leading words only prepare the environment of the command that follows.
fn runner_words(words: &[String]) -> usize {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let separator = || words.iter().position(|word| word == "--").map(|at| at + 1);
    match (word(0), word(1)) {
        ("cross-env" | "cross-env-shell" | "env" | "exec" | "npx" | "bunx" | "time" | "if-env", _)
        | ("bun", "--bun") => 1 + words[1..].iter().take_while(|word| word.starts_with('-')).count(),
        ("pnpm" | "npm" | "yarn", "exec" | "dlx" | "x") => 2 + usize::from(word(2) == "--"),
        ("dotenv", _) => separator().unwrap_or_else(|| flags_with_values(words)),
        ("dotenvx" | "infisical" | "doppler" | "op", "run") => separator().unwrap_or(0),
        ("env-cmd", _) => separator().unwrap_or_else(|| flags_with_values(words)),
        _ => 0,
    }
}

/// `dotenv -e .env.production next start`: every flag takes one value.
fn flags_with_values(words: &[String]) -> usize {
    let mut at = 1;
    while words.get(at).is_some_and(|word| word.starts_with('-')) {
        at += if words[at].contains('=') { 1 } else { 2 };
    }
    at.min(words.len())
}

#[cfg(test)]
mod tests {
    use crate::rel_path::RelPath;

    use super::*;

    fn manifest(scripts: &[(&str, &str)]) -> PackageJson {
        let scripts = scripts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        PackageJson { path: RelPath::new("package.json").unwrap(), scripts, ..PackageJson::default() }
    }

    /// `next` or `custom`, the port, and the codes of the warnings.
    fn started(scripts: &[(&str, &str)]) -> String {
        let tree = SourceTree::from_texts([("package.json", "{}")]);
        match start(&tree, &manifest(scripts)) {
            Err(error) => error.to_string(),
            Ok(start) => {
                let kind = if start.script == StartScript::Next { "next" } else { "custom" };
                let port = start.port.map(|port| format!(" {}", port.value)).unwrap_or_default();
                let codes: String = start.warnings.iter().flat_map(|warning| [" ", warning.code]).collect();
                format!("{kind}{port}{codes}")
            }
        }
    }

    #[track_caller]
    fn check(script: &str, expected: &str) {
        assert_eq!(started(&[("start", script)]), expected, "{script}");
    }

    #[test]
    fn next_itself() {
        for script in [
            "next start",
            "NODE_ENV=production next start",
            "cross-env NODE_ENV=production next start",
            "dotenv -e .env -- next start",
            "node .next/standalone/server.js",
            "node ./build/standalone/apps/web/server.js",
            "node_modules/.bin/next start",
            "node node_modules/next/dist/bin/next start",
            "npx serve@latest out",
            "next build && next start",
        ] {
            let script = script.replace("serve@latest", "serve");
            check(&script, "next");
        }
        assert_eq!(started(&[]), "next");
    }

    #[test]
    fn anything_else_is_custom() {
        for script in [
            "node server.js",
            "cross-env NODE_ENV=production ts-node --project tsconfig.server.json server.ts",
            "pm2-runtime start ecosystem.config.js",
            "node -r dd-trace/init node_modules/next/dist/bin/next start",
            "next start & node worker.js",
            "concurrently \"next start\" \"node worker.js\"",
            "sh ./start.sh",
        ] {
            check(script, "custom");
        }
    }

    #[test]
    fn other_scripts_are_followed() {
        let scripts = [("start", "npm run serve -- -p 4000"), ("serve", "next start")];
        assert_eq!(started(&scripts), "next 4000");
        assert_eq!(started(&[("start", "yarn prod"), ("prod", "node server.js")]), "custom");
        assert_eq!(started(&[("start", "run-s prod:*"), ("prod:a", "echo a"), ("prod:b", "next start")]), "next");
        assert_eq!(started(&[("start", "pnpm start")]), "custom");
        let many = "run-s a a a a a a a a a a";
        let bomb = [("start", "run-s a a a a a a a a a a"), ("a", "run-s b b b b b b b b b b"), ("b", many), ("c", "")];
        assert_eq!(started(&bomb), "custom");
        let with_env = |start| started(&[("start", start), ("with-env", "dotenv -e ../../.env --")]);
        assert_eq!(with_env("pnpm with-env next start -p 4000"), "next 4000");
        assert_eq!(with_env("pnpm with-env node server.js"), "custom");
        assert_eq!(
            started(&[("start", "next start"), ("prestart", "prisma migrate deploy")]),
            "next project/start-does-more"
        );
    }

    #[test]
    fn ports() {
        check("next start -p 4000", "next 4000");
        check("next start --port=4000", "next 4000");
        check("PORT=4000 next start", "next 4000");
        check("PORT=4000 next start --port 5000", "next 5000");
        check("next start -p ${PORT:-8080}", "next 8080");
        check("next start -p $PORT", "next");
        check("PORT=4000 node server.js", "custom 4000");
        check(
            "next start -p 70000",
            "invalid port `70000` (from `package.json#scripts.start`): it must be a number from 1 to 65535",
        );
        check(
            "next start -p 0",
            "invalid port `0` (from `package.json#scripts.start`): it must be a number from 1 to 65535",
        );
    }

    #[test]
    fn skipped_parts_of_the_start_script_are_reported() {
        check("prisma migrate deploy && next start", "next project/start-does-more");
        check("next dev", "next project/start-is-dev");
        check("NODE_OPTIONS=--inspect next start", "next project/start-environment");
    }

    #[test]
    fn a_server_file_without_start_script_is_custom() {
        let tree = SourceTree::from_texts([("package.json", "{}"), ("server.js", "")]);
        assert!(matches!(start(&tree, &manifest(&[])).unwrap().script, StartScript::Custom(_)));
    }

    #[track_caller]
    fn check_commands(script: &str, expected: &[&str]) {
        let texts: Vec<String> = commands(script)
            .iter()
            .map(|command| {
                let variables: String =
                    command.variables.iter().flat_map(|(name, value)| [name, "=", value, " "]).collect();
                format!("{}{variables}{}", if command.concurrent { "& " } else { "" }, command.text())
            })
            .collect();
        assert_eq!(texts, expected, "{script}");
    }

    #[test]
    fn scripts_become_commands() {
        check_commands("next start", &["next start"]);
        check_commands("NODE_ENV=production PORT=4000 next start", &["NODE_ENV=production PORT=4000 next start"]);
        check_commands("cross-env NODE_ENV=production node server.js", &["NODE_ENV=production node server.js"]);
        check_commands("dotenv -e .env.production -- next start", &["next start"]);
        check_commands("dotenv -e .env next start", &["next start"]);
        check_commands("npx next start -p 4000", &["next start -p 4000"]);
        check_commands("pnpm exec next start", &["next start"]);
        check_commands("a && b; c || d", &["a", "b", "c", "d"]);
        check_commands("a & b | c", &["a", "& b", "& c"]);
        check_commands(
            "NODE_OPTIONS='--max-old-space-size=4096 -r x' next start",
            &["NODE_OPTIONS=--max-old-space-size=4096 -r x next start"],
        );
        check_commands("echo \"a && b\"", &["echo a && b"]);
        check_commands("", &[]);
        check_commands("'unclosed", &["unclosed"]);
    }
}
