//! Package scripts as commands: a shell line in, its commands with the variables they set out.
//!
//! Understands what people write in `scripts` (quotes, `&&`, variable prefixes, runners); never runs or expands anything.

/// One simple command of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// `NAME=value` before the command, also those given through `cross-env`.
    pub variables: Vec<(String, String)>,
    /// The command proper, without runners such as `npx` or `dotenv --`.
    pub words: Vec<String>,
    /// Runs beside the one before it or feeds it (`&`, `|`) rather than after it.
    pub concurrent: bool,
}

impl Command {
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
pub(super) fn commands(script: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut words = Vec::new();
    let mut concurrent = false;
    for token in tokens(script) {
        match token {
            Token::Word(word) => words.push(word),
            Token::End { concurrent: next } => {
                commands.push(command(std::mem::take(&mut words), concurrent));
                concurrent = next;
            }
        }
    }
    commands.push(command(words, concurrent));
    commands.retain(|command| !command.words.is_empty() || !command.variables.is_empty());
    commands
}

enum Token {
    Word(String),
    End { concurrent: bool },
}

fn tokens(script: &str) -> Vec<Token> {
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
                tokens.extend(word.take().map(Token::Word));
                let doubled = chars.next_if_eq(&c).is_some();
                tokens.push(Token::End { concurrent: matches!(c, '&' | '|') && !doubled });
            }
            (None, c) if c.is_whitespace() => tokens.extend(word.take().map(Token::Word)),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    tokens.extend(word.map(Token::Word));
    tokens
}

fn command(mut words: Vec<String>, concurrent: bool) -> Command {
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
    Command { variables, words: words.split_off(skipped), concurrent }
}

fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (valid && !name.starts_with(|c: char| c.is_ascii_digit())).then(|| (name.to_owned(), value.to_owned()))
}

/// How many leading words only prepare the environment of the command behind them.
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
    use super::*;

    #[track_caller]
    fn check(script: &str, expected: &[&str]) {
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
        check("next start", &["next start"]);
        check("NODE_ENV=production PORT=4000 next start", &["NODE_ENV=production PORT=4000 next start"]);
        check("cross-env NODE_ENV=production node server.js", &["NODE_ENV=production node server.js"]);
        check("dotenv -e .env.production -- next start", &["next start"]);
        check("dotenv -e .env next start", &["next start"]);
        check("npx next start -p 4000", &["next start -p 4000"]);
        check("pnpm exec next start", &["next start"]);
        check("a && b; c || d", &["a", "b", "c", "d"]);
        check("a & b | c", &["a", "& b", "& c"]);
        check(
            "NODE_OPTIONS='--max-old-space-size=4096 -r x' next start",
            &["NODE_OPTIONS=--max-old-space-size=4096 -r x next start"],
        );
        check("echo \"a && b\"", &["echo a && b"]);
        check("", &[]);
        check("'unclosed", &["unclosed"]);
    }
}
