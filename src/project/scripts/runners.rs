//! Programs that start another one: package managers, `npx`, `cross-env`, `dotenv`, `env`, `sh -c` and their like.
//!
//! In: a command. Out: the same command without them, its variables and their sources noted, or the script that it calls.

use super::shell::{Assignment, EnvSource, KEYWORDS, ScriptCommand};

/// What a command runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Itself; runners have been removed.
    Command,
    /// The script of this name, with its arguments from the given word on.
    Script { name: String, arguments: usize },
    /// Each script that one of the names or patterns stands for.
    Scripts(Vec<String>),
    /// A script in a word: `sh -c "…"`.
    Text(String),
}

/// Removes runners until the program itself or a script is left.
pub(super) fn resolve(command: &mut ScriptCommand, has_script: &dyn Fn(&str) -> bool, package: &str) -> Call {
    loop {
        take_assignments(command);
        if let Some(wrapper) = wrapper(&command.words) {
            // Ends, because the text gets shorter.
            wrapper.unwrap(command);
            continue;
        }
        if let Some(text) = shell_text(command) {
            return Call::Text(text.to_owned());
        }
        match manager_call(command, has_script, package) {
            ManagerCall::Program(at) if at > 0 => command.skip(at),
            ManagerCall::Program(_) => return Call::Command,
            ManagerCall::Script(call) => return call,
        }
    }
}

/// The script of `sh -c "…"`, `bash -lc "…"`; what follows it is for `$0`, `$1`, ….
fn shell_text(command: &ScriptCommand) -> Option<&str> {
    let is_shell = matches!(command.program(), "sh" | "bash" | "dash" | "ash" | "zsh");
    let is_flags = |word: &str| word.strip_prefix('-').is_some_and(|f| f.bytes().all(|b| b.is_ascii_alphabetic()));
    let at = command.words.iter().skip(1).take_while(|word| is_flags(word)).count();
    let text = command.word(at + 1);
    let has_command = is_shell && command.words[1..].iter().take(at).any(|flags| flags.contains('c'));
    (has_command && !text.is_empty() && (command.words.len() == at + 2 || !text.contains('$'))).then_some(text)
}

/// What a runner of several commands starts at the same time, each as the text of a script; nothing for other programs.
pub(super) fn parallel(command: &ScriptCommand) -> Vec<String> {
    let script = |name: &str| format!("{} {name}", if name.contains('*') { "run-s" } else { "npm run" });
    let words = |valued: &[&str]| {
        let mut found = Vec::new();
        let mut at = 1;
        while at < command.words.len() {
            let start = flags(&command.words, at, valued);
            found.extend(command.words.get(start).cloned());
            at = start + 1;
        }
        found
    };
    match command.program() {
        "run-p" | "npm-run-all" | "npm-run-all2" if !is_sequence(command) => {
            words(&["--max-parallel"]).iter().map(|name| script(name)).collect()
        }
        "concurrently" => {
            let text = |word: String| match word.split_once(':') {
                Some(("npm" | "pnpm" | "yarn" | "bun" | "node", name)) => script(name),
                _ => word,
            };
            words(CONCURRENTLY).into_iter().map(text).collect()
        }
        _ => Vec::new(),
    }
}

/// Options of `concurrently` with a value.
const CONCURRENTLY: &[&str] = &[
    "-n",
    "--names",
    "--name-separator",
    "-c",
    "--prefix-colors",
    "-p",
    "--prefix",
    "-l",
    "--prefix-length",
    "-t",
    "--timestamp-format",
    "-m",
    "--max-processes",
    "-s",
    "--success",
    "--hide",
    "--restart-tries",
    "--restart-after",
    "--kill-signal",
    "--ks",
    "--default-input-target",
    "--cwd",
];

/// True when `run-s` or `npm-run-all` runs one script after the other.
fn is_sequence(command: &ScriptCommand) -> bool {
    match command.program() {
        "run-s" => true,
        "npm-run-all" | "npm-run-all2" => {
            !command.words.iter().any(|word| matches!(word.as_str(), "-p" | "--parallel"))
        }
        _ => false,
    }
}

fn take_assignments(command: &mut ScriptCommand) {
    let leading = command.words.iter().zip(&command.spelled);
    let found: Vec<Assignment> = leading.map_while(|(word, spelled)| Assignment::parse(word, spelled)).collect();
    command.skip(found.len());
    command.variables.extend(found);
}

/// Leading words that only prepare the command behind them.
#[derive(Debug, Default)]
struct Wrapper {
    words: usize,
    sources: Vec<EnvSource>,
    variables: Vec<Assignment>,
    /// The command stands in one word.
    packed: bool,
    /// The program may have a version: `serve@14`.
    versioned: bool,
}

impl Wrapper {
    fn of(words: usize) -> Self {
        Self { words, ..Self::default() }
    }

    fn unwrap(self, command: &mut ScriptCommand) {
        command.skip(self.words);
        command.sources.extend(self.sources);
        command.variables.extend(self.variables);
        if self.packed && command.words.len() == 1 && command.word(0).contains(char::is_whitespace) {
            let text = command.word(0).to_owned();
            command.unpack(&text);
        }
        if self.versioned
            && let Some(program) = command.words.first_mut()
        {
            without_version(program);
            command.spelled[0].clone_from(program);
        }
    }
}

/// `serve@14` is `serve`, `@acme/tool@1` is `tool`.
fn without_version(program: &mut String) {
    if let Some(at) = program.rfind('@').filter(|at| *at > 0) {
        program.truncate(at);
    }
    if let Some((_, name)) = program.strip_prefix('@').and_then(|scoped| scoped.split_once('/')) {
        *program = name.to_owned();
    }
}

fn wrapper(words: &[String]) -> Option<Wrapper> {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let program = word(0).rsplit('/').next().unwrap_or_default();
    let wrapper = match (program, word(1)) {
        ("cross-env" | "cross-env-shell", _) => Wrapper { packed: true, ..Wrapper::of(1) },
        ("env", _) => Wrapper::of(flags(words, 1, &["-u", "--unset", "-C", "--chdir"])),
        ("exec" | "time" | "if-env" | "nohup" | "command" | "dumb-init" | "tini", _) => {
            Wrapper::of(flags(words, 1, &[]))
        }
        ("corepack", "npm" | "pnpm" | "yarn" | "yarnpkg") => Wrapper::of(1),
        ("npx" | "bunx" | "pnpx", _) => package_runner(words, 1),
        ("npm" | "bun" | "pnpm", "exec" | "x" | "dlx") | ("yarn", "dlx" | "exec") => package_runner(words, 2),
        ("dotenv" | "env-cmd", _) => dotenv(words, 1),
        ("dotenvx", "run") => dotenv(words, 2),
        ("infisical" | "doppler" | "op", "run") => {
            let at = words.iter().position(|word| word == "--")?;
            Wrapper { sources: vec![EnvSource::Service(program.to_owned())], ..Wrapper::of(at + 1) }
        }
        _ => return None,
    };
    Some(wrapper).filter(|wrapper| wrapper.words < words.len())
}

/// The first word from `at` on that is neither a flag nor the value of one of `valued`; `--` ends them.
fn flags(words: &[String], mut at: usize, valued: &[&str]) -> usize {
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        at += 1 + usize::from(valued.contains(&word.as_str()));
        if word == "--" {
            break;
        }
    }
    at
}

fn package_runner(words: &[String], from: usize) -> Wrapper {
    let valued = ["-p", "--package", "-w", "--workspace", "--allow-build", "-c", "--call"];
    let mut at = flags(words, from, &valued);
    let call = words.iter().take(at).position(|word| matches!(word.as_str(), "-c" | "--call"));
    if let Some(call) = call.filter(|call| *call + 1 < words.len() && words[*call].len() > 1) {
        at = call + 1;
    }
    Wrapper { packed: call.is_some(), versioned: true, ..Wrapper::of(at) }
}

/// dotenv-cli, env-cmd, and dotenvx: files and variables, then the command.
fn dotenv(words: &[String], from: usize) -> Wrapper {
    let mut wrapper = Wrapper::default();
    let mut files = Vec::new();
    let mut at = from;
    let is_env_cmd = words[0].ends_with("env-cmd");
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        at += 1;
        if word == "--" {
            break;
        }
        let (flag, mut value) = word.split_once('=').map_or((word.as_str(), None), |(f, v)| (f, Some(v.to_owned())));
        let alone = matches!(flag, "-o" | "--override" | "--overload" | "--no-expand" | "--quiet" | "--verbose");
        let alone = alone || matches!(flag, "--silent" | "--no-override" | "--fallback" | "--use-shell" | "-x");
        if alone || matches!(flag, "--expand-envs" | "--strict" | "-q" | "--debug") {
            continue;
        }
        if value.is_none() {
            value = words.get(at).filter(|value| !value.starts_with('-')).cloned();
            at += usize::from(value.is_some());
        }
        let value = value.unwrap_or_default();
        match flag {
            "-c" if value.is_empty() => {}
            "-c" => files.push(format!(".env.{value}")),
            "-v" | "--env" => wrapper.variables.extend(Assignment::parse(&value, &value)),
            "-e" | "--environments" if is_env_cmd => files.push(".env-cmdrc".to_owned()),
            "-e" | "-f" | "--file" | "--env-file" | "-r" | "--rc-file" => files.push(value),
            _ => {}
        }
    }
    // env-cmd before version 9.
    if let Some(file) = words.get(at).filter(|word| is_env_cmd && files.is_empty() && word.contains(".env")) {
        files.push(file.clone());
        at += 1;
    }
    if files.is_empty() {
        files.push(".env".to_owned());
    }
    wrapper.sources = files.into_iter().map(EnvSource::File).collect();
    Wrapper { words: at, ..wrapper }
}

enum ManagerCall {
    /// The program after this number of words; 0 for the command itself.
    Program(usize),
    Script(Call),
}

/// Commands of package managers that are neither scripts nor programs of `node_modules/.bin`.
const MANAGER_COMMANDS: &[&str] =
    &["install", "i", "ci", "add", "remove", "build", "rebuild", "deploy", "config", "cache", "audit", "publish"];
/// Flags of package managers that take a value.
const VALUED_FLAGS: &[&str] = &[
    "-C",
    "--dir",
    "--cwd",
    "--prefix",
    "-w",
    "--workspace",
    "-F",
    "--filter",
    "--loglevel",
    "--env-file",
    "--preload",
    "-r",
    "--config",
    "--reporter",
];

/// `npm|pnpm|yarn|bun (run)? [flags] NAME`, `node --run NAME`, `run-s NAME…`.
fn manager_call(command: &mut ScriptCommand, has_script: &dyn Fn(&str) -> bool, package: &str) -> ManagerCall {
    let script = |name: &str, arguments| ManagerCall::Script(Call::Script { name: name.to_owned(), arguments });
    match (command.program(), command.word(1)) {
        ("node", "--run") => return script(command.word(2), 3),
        ("node", flag) if flag.starts_with("--run=") => return script(&flag["--run=".len()..], 2),
        _ if is_sequence(command) => {
            let names = command.words[1..].iter().filter(|word| !word.starts_with('-'));
            return ManagerCall::Script(Call::Scripts(names.cloned().collect()));
        }
        ("npm" | "pnpm" | "yarn" | "yarnpkg" | "bun", _) => {}
        _ => return ManagerCall::Program(0),
    }
    let (manager, mut at) = (command.program().to_owned(), manager_flags(command, 1));
    if elsewhere(command, at, package) {
        return ManagerCall::Program(0);
    }
    if manager.starts_with("yarn") && command.word(at) == "workspace" {
        if command.word(at + 1) != package {
            return ManagerCall::Program(0);
        }
        at += 2;
    }
    let run = matches!(command.word(at), "run" | "run-script" | "rum" | "urn");
    if run {
        at = manager_flags(command, at + 1);
        if elsewhere(command, at, package) {
            return ManagerCall::Program(0);
        }
    }
    let name = command.word(at).to_owned();
    let is_file = manager == "bun" && (name.contains('/') || name.contains('.'));
    let short = matches!(name.as_str(), "start" | "stop" | "restart" | "test");
    if name.is_empty() || KEYWORDS.contains(&name.as_str()) {
        return ManagerCall::Program(0);
    }
    if has_script(&name) || (manager == "npm" && (run || short)) {
        return script(&name, at + 1);
    }
    if is_file {
        // `bun --flags run ./server.ts`
        let program = command.words[0].clone();
        command.skip(at - 1);
        command.words[0].clone_from(&program);
        command.spelled[0] = program;
        return ManagerCall::Program(0);
    }
    if !run && matches!(name.as_str(), "exec" | "x" | "dlx") {
        return ManagerCall::Program(flags(&command.words, at + 1, &["-p", "--package"]));
    }
    let of_manager = manager == "npm" || (!run && MANAGER_COMMANDS.contains(&name.as_str()));
    ManagerCall::Program(if of_manager { 0 } else { at })
}

/// The first word that is not a flag; `--env-file` of Bun is noted.
fn manager_flags(command: &mut ScriptCommand, from: usize) -> usize {
    let at = flags(&command.words, from, VALUED_FLAGS);
    for at in from..at {
        let value = match command.word(at) {
            "--env-file" => command.word(at + 1),
            word => word.strip_prefix("--env-file=").unwrap_or_default(),
        };
        if !value.is_empty() {
            let source = EnvSource::File(value.to_owned());
            command.sources.push(source);
        }
    }
    at
}

/// True when flags select another package than the one called `package`.
fn elsewhere(command: &ScriptCommand, end: usize, package: &str) -> bool {
    (1..end).any(|at| {
        let (flag, value) = command.word(at).split_once('=').unwrap_or((command.word(at), command.word(at + 1)));
        match flag {
            "-C" | "--dir" | "--cwd" | "--prefix" => !matches!(value, "." | "./"),
            "-w" | "--workspace" | "-F" | "--filter" => value != package,
            "--recursive" | "--workspaces" | "-ws" => true,
            "-r" => command.program() == "pnpm",
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::shell;
    use super::*;

    /// The command without runners, then the files and services that set variables; or the script that is called.
    #[track_caller]
    fn check(script: &str, expected: &str) {
        let mut command = shell::commands(script).remove(0);
        let call = resolve(&mut command, &|name| name.starts_with("prod"), "shop");
        let text = match call {
            Call::Command => {
                let variables = command.variables.iter().flat_map(|v| [v.name.as_str(), "=", &v.value, " "]);
                let variables: String = variables.collect();
                let sources = command.sources.iter().map(|source| match source {
                    EnvSource::File(name) | EnvSource::Service(name) => format!(" <{name}"),
                });
                format!("{variables}{}{}", command.spelled.join(" "), sources.collect::<String>())
            }
            Call::Script { name, arguments } => {
                format!("script {name} {}", command.words[arguments..].join(" ")).trim().to_owned()
            }
            Call::Scripts(names) => format!("scripts {}", names.join(" ")),
            Call::Text(text) => format!("text {text}"),
        };
        assert_eq!(text, expected, "{script}");
    }

    #[test]
    fn scripts_behind_package_managers() {
        for script in [
            "npm run prod",
            "npm run --silent prod",
            "npm --no-update-notifier run-script prod",
            "pnpm prod",
            "pnpm run prod",
            "pnpm --silent prod",
            "pnpm --filter shop prod",
            "yarn prod",
            "yarn run prod",
            "yarn -s prod",
            "yarn workspace shop prod",
            "bun run prod",
            "bun --bun run prod",
            "bun run --bun prod",
            "node --run prod",
            "corepack pnpm prod",
            "npx cross-env npm run prod",
        ] {
            check(script, "script prod");
        }
        check("npm run prod -- -p 80", "script prod -- -p 80");
        check("npm start", "script start");
        check("npm run missing", "script missing");
        check("run-s prod:a prod:b", "scripts prod:a prod:b");
        for script in ["pnpm --filter api start", "npm -w api run prod", "yarn --cwd api prod", "pnpm install"] {
            check(script, script);
        }
        for script in ["sh -c 'a && b'", "/bin/bash -lc 'a && b'", "sh -e -c 'a && b' --", "exec bash -ec \"a && b\""] {
            check(script, "text a && b");
        }
        check("sh -c 'a $1' b", "sh -c 'a $1' b");
        check("sh start.sh", "sh start.sh");
    }

    #[test]
    fn commands_at_the_same_time() {
        let of = |script: &str| parallel(&shell::commands(script)[0]).join(", ");
        assert_eq!(
            of("concurrently -k -n web,jobs -c blue \"next start -p 80\" npm:jobs"),
            "next start -p 80, npm run jobs"
        );
        assert_eq!(of("concurrently --names=a 'pnpm:watch:*' \"yarn b\""), "run-s watch:*, yarn b");
        assert_eq!(of("run-p -l web jobs:*"), "npm run web, run-s jobs:*");
        assert_eq!(of("npm-run-all --parallel web jobs"), "npm run web, npm run jobs");
        assert_eq!(of("npm-run-all clean -p web jobs"), "npm run clean, npm run web, npm run jobs");
        for script in ["npm-run-all web jobs", "run-s web", "next start", "run-p"] {
            assert_eq!(of(script), "", "{script}");
        }
    }

    #[test]
    fn programs_behind_runners() {
        for script in [
            "next start",
            "npx next start",
            "npx --yes next@15 start",
            "npx -p next next start",
            "npx -c 'next start'",
            "bunx --bun next start",
            "bun --bun next start",
            "bun --bun run next start",
            "bun next start",
            "pnpm next start",
            "pnpm exec next start",
            "pnpm dlx next start",
            "yarn next start",
            "yarn run next start",
            "npm exec -- next start",
            "npm x next start",
            "env -u A next start",
            "exec next start",
            "cross-env-shell \"next start\"",
            "dumb-init -- next start",
        ] {
            check(script, "next start");
        }
        check("bun --bun run server.ts", "bun server.ts");
        check("npx @acme/tool@1 x", "tool x");
        check("npx cross-env A=1 env B=2 npx next", "A=1 B=2 next");
    }

    #[test]
    fn sources_of_variables() {
        check("dotenv -e .env.prod -- next start", "next start <.env.prod");
        check("dotenv -e .env next start", "next start <.env");
        check("dotenv -- next start", "next start <.env");
        check("dotenv -c production -v A=1 -- next start", "A=1 next start <.env.production");
        check("env-cmd -f .env.prod next start", "next start <.env.prod");
        check("env-cmd ./.env.prod next start", "next start <./.env.prod");
        check("env-cmd --no-override next start", "next start <.env");
        check("dotenvx run --env-file=.env.prod -- next start", "next start <.env.prod");
        check("doppler run -p x -- next start", "next start <doppler");
        check("bun --env-file=.env.prod server.ts", "bun server.ts <.env.prod");
    }
}
