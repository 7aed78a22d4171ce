//! Options of Node.js before the file that it runs, and in `NODE_OPTIONS`.

use super::super::scripts::{Assignment, EnvSource, ScriptCommand, expands};

/// `node [options] file …`, options by what becomes of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NodeCommand {
    /// Where the file stands among the words.
    pub file: usize,
    /// Change nothing but limits and messages, so that they may hold for every process of the image.
    pub limits: Vec<String>,
    /// Load code first (`--require ./tracing.js`), or are unknown.
    pub preloads: Vec<String>,
    /// Modules that `preloads` name.
    pub modules: Vec<String>,
    /// Open a debugger.
    pub debug: Vec<String>,
    pub sources: Vec<EnvSource>,
}

/// Options without an effect on what is loaded.
const LIMITS: &[&str] = &[
    "--max-old-space-size",
    "--max_old_space_size",
    "--max-old-space-size-percentage",
    "--max-semi-space-size",
    "--max-http-header-size",
    "--dns-result-order",
    "--enable-source-maps",
    "--no-deprecation",
    "--no-warnings",
    "--trace-warnings",
    "--trace-deprecation",
    "--trace-uncaught",
    "--openssl-legacy-provider",
    "--unhandled-rejections",
    "--stack-trace-limit",
    "--use-openssl-ca",
    "--use-system-ca",
    "--tls-min-v1.2",
    "--no-network-family-autoselection",
];

/// Reads the options of a command whose program is `node` or `bun`.
pub(super) fn parse(command: &ScriptCommand) -> NodeCommand {
    let mut found = NodeCommand::default();
    let mut at = 1;
    while let Some(word) = command.words.get(at).filter(|word| word.starts_with('-')) {
        at += 1;
        let (flag, mut value) = word.split_once('=').map_or((word.as_str(), None), |(f, v)| (f, Some(v)));
        let loads =
            matches!(flag, "-r" | "--require" | "--import" | "--loader" | "--experimental-loader" | "--preload");
        let valued = loads
            || matches!(flag, "--env-file" | "--env-file-if-exists" | "--dns-result-order" | "--unhandled-rejections");
        let separate = valued && value.is_none();
        if separate {
            value = command.words.get(at).map(String::as_str);
            at += 1;
        }
        let option = if separate { format!("{flag}={}", value.unwrap_or_default()) } else { word.clone() };
        let value = value.unwrap_or_default();
        match flag {
            "--" => {}
            "--env-file" | "--env-file-if-exists" => found.sources.push(EnvSource::File(value.to_owned())),
            flag if flag.starts_with("--inspect") => found.debug.push(option),
            flag if LIMITS.contains(&flag) => found.limits.push(option),
            _ if loads => {
                found.modules.push(value.to_owned());
                // `-r=x` is not understood.
                found.preloads.push(option.replacen("-r=", "--require=", 1));
            }
            _ => found.preloads.push(option),
        }
    }
    found.file = at;
    found
}

/// Reads the value of `NODE_OPTIONS`.
pub(super) fn parse_variable(value: &str) -> NodeCommand {
    let words = std::iter::once("node").chain(value.split_whitespace()).map(str::to_owned).collect();
    parse(&ScriptCommand { words, ..ScriptCommand::default() })
}

/// Reads `NODE_OPTIONS` of a command, without what it takes over: `NODE_OPTIONS="$NODE_OPTIONS -r ./a"`.
pub(super) fn of_variable(variable: &Assignment) -> Option<NodeCommand> {
    let options = variable.value.split_whitespace().filter(|word| !word.contains("NODE_OPTIONS"));
    let options = options.collect::<Vec<_>>().join(" ");
    let known = !expands(&variable.spelled) || !options.contains(['$', '`']);
    (variable.name == "NODE_OPTIONS" && known).then(|| parse_variable(&options))
}

impl NodeCommand {
    /// Takes out what only loads `.env` files, whose variables are part of the image.
    pub fn without_dotenv(mut self) -> Self {
        let is_dotenv = |module: &String| module == "dotenv/config" || module == "dotenv-flow/config";
        if self.modules.iter().any(is_dotenv) {
            self.sources.push(EnvSource::File(".env".to_owned()));
        }
        self.modules.retain(|module| !is_dotenv(module));
        self.preloads.retain(|option| !option.split_once('=').is_some_and(|(_, value)| is_dotenv(&value.to_owned())));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::scripts::commands;
    use super::*;

    #[test]
    fn options_are_sorted_by_their_effect() {
        let script =
            "node --env-file=.env.prod --max-old-space-size=4096 -r ./t.js --import tsx --inspect=0.0.0.0 a.js b";
        let found = parse(&commands(script)[0]);
        assert_eq!(found.sources, [EnvSource::File(".env.prod".to_owned())]);
        assert_eq!(found.limits, ["--max-old-space-size=4096"]);
        assert_eq!(found.preloads, ["--require=./t.js", "--import=tsx"]);
        assert_eq!(found.modules, ["./t.js", "tsx"]);
        assert_eq!(found.debug, ["--inspect=0.0.0.0"]);
        assert_eq!(commands(script)[0].word(found.file), "a.js");
        let dotenv = parse(&commands("node -r dotenv/config a.js")[0]).without_dotenv();
        assert!(dotenv.preloads.is_empty() && dotenv.modules.is_empty());
        assert_eq!(parse_variable("--dns-result-order ipv4first").limits, ["--dns-result-order=ipv4first"]);
    }
}
