//! The text of a script as simple commands: quotes, operators, substitutions, `NAME=value`, `cd`, `export` and `source` are
//! understood; nothing is run or expanded.
//!
//! `shlex` is not used because it knows no operators, and loses how a word was spelled.

/// One simple command of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::project) struct ScriptCommand {
    /// `NAME=value` before the command, also those of `export` and `cross-env`.
    pub variables: Vec<Assignment>,
    /// The command itself, without runners such as `npx` or `dotenv --`.
    pub words: Vec<String>,
    /// `words` as they are written, with quotes.
    pub spelled: Vec<String>,
    /// Runs beside the one before it or feeds it (`&`, `|`) rather than after it.
    pub concurrent: bool,
    /// What stands before it in the script: an operator, `{`.
    pub before: String,
    /// What closes a group that ends with it.
    pub after: String,
    /// Another command follows in case it fails (`||`).
    pub optional: bool,
    /// Where it runs, seen from the package; `None` if only a shell knows it.
    pub folder: Option<String>,
    /// Where its environment comes from besides `variables`.
    pub sources: Vec<EnvSource>,
}

/// `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::project) struct Assignment {
    pub name: String,
    pub value: String,
    /// The word as it is written.
    pub spelled: String,
}

/// What sets variables of a command besides the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::project) enum EnvSource {
    /// A file, as the script names it.
    File(String),
    /// A program that fetches them: `doppler`, `infisical`, `op`.
    Service(String),
}

impl Assignment {
    pub fn parse(word: &str, spelled: &str) -> Option<Self> {
        let (name, value) = word.split_once('=')?;
        let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let valid = valid && !name.starts_with(|c: char| c.is_ascii_digit());
        valid.then(|| Self { name: name.to_owned(), value: value.to_owned(), spelled: spelled.to_owned() })
    }

    /// The value when nothing in it is left to the shell; a default (`${NAME:-value}`) of the variable itself counts.
    pub fn literal(&self) -> Option<&str> {
        if !expands(&self.spelled) {
            return Some(&self.value);
        }
        let (name, default) = default_of(&self.value)?;
        (name == self.name && !default.contains(['$', '`'])).then_some(default)
    }
}

/// Name and default of `${NAME:-default}`.
pub(in crate::project) fn default_of(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix("${")?.strip_suffix('}')?;
    inner.split_once(":-").or_else(|| inner.split_once('-'))
}

impl ScriptCommand {
    /// The command as it is written, without variables.
    pub fn text(&self) -> String {
        self.spelled.join(" ")
    }

    pub fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    /// The program, without its folder.
    pub fn program(&self) -> &str {
        self.word(0).rsplit('/').next().unwrap_or_default()
    }

    /// The command as it is written, with the variables that only the shell knows.
    pub fn spelled(&self) -> String {
        let variables = self.variables.iter().filter(|variable| variable.literal().is_none());
        let words = variables.map(|variable| &variable.spelled).chain(&self.spelled);
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Removes the first `count` words.
    pub fn skip(&mut self, count: usize) {
        self.words.drain(..count.min(self.words.len()));
        self.spelled.drain(..count.min(self.spelled.len()));
    }

    /// Replaces the words by those of a command in one word: `cross-env-shell "next start"`.
    pub fn unpack(&mut self, text: &str) {
        (self.words, self.spelled) = words(text);
    }
}

/// True when the shell would replace something in a word that is spelled like this.
pub(in crate::project) fn expands(spelled: &str) -> bool {
    let mut single = false;
    let mut chars = spelled.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => single = !single,
            '\\' if !single => drop(chars.next()),
            '$' | '`' if !single => return true,
            _ => {}
        }
    }
    false
}

/// Words that only structure a script.
pub(in crate::project) const KEYWORDS: &[&str] = &[
    "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "function", "{", "}",
    "!", "[", "[[", "(", ")",
];

/// The commands of a script in order.
pub(in crate::project) fn commands(script: &str) -> Vec<ScriptCommand> {
    let mut all = Vec::new();
    let mut current = ScriptCommand::default();
    let mut scope = Scope { folder: Some(String::new()), ..Scope::default() };
    for token in tokens(script) {
        match token {
            ShellToken::Word { text, spelled } => {
                current.words.push(text);
                current.spelled.push(spelled);
            }
            ShellToken::Operator(operator) => {
                current.optional = operator == "||";
                let next = ScriptCommand {
                    concurrent: matches!(operator, "&" | "|"),
                    before: operator.to_owned(),
                    ..ScriptCommand::default()
                };
                all.extend(scope.finish(std::mem::replace(&mut current, next)));
            }
        }
    }
    all.extend(scope.finish(current));
    if let Some(first) = all.first_mut() {
        first.before.clear();
    }
    all
}

/// What earlier commands of a script leave behind for later ones.
#[derive(Default)]
struct Scope {
    folder: Option<String>,
    exported: Vec<Assignment>,
    sources: Vec<EnvSource>,
}

impl Scope {
    fn finish(&mut self, mut command: ScriptCommand) -> Option<ScriptCommand> {
        let leading = command.words.iter().zip(&command.spelled);
        let assigned: Vec<Assignment> = leading.map_while(|(word, spelled)| Assignment::parse(word, spelled)).collect();
        command.skip(assigned.len());
        command.variables = self.exported.iter().cloned().chain(assigned).collect();
        command.sources.clone_from(&self.sources);
        command.folder.clone_from(&self.folder);
        let open = command.words.iter().take_while(|word| *word == "(" || *word == "{").count();
        match (command.word(open), command.word(open + 1)) {
            ("", _) if command.variables.len() == self.exported.len() => return None,
            ("cd", to) => self.folder = self.folder.take().and_then(|folder| changed_folder(&folder, to)),
            ("export", _) => {
                let words = command.words.iter().zip(&command.spelled).skip(1);
                self.exported.extend(words.filter_map(|(word, spelled)| Assignment::parse(word, spelled)));
            }
            ("source" | ".", file) if !file.is_empty() => self.sources.push(EnvSource::File(file.to_owned())),
            _ => {}
        }
        Some(command)
    }
}

/// The folder after `cd`; `None` if only a shell knows it.
pub(in crate::project) fn changed_folder(folder: &str, to: &str) -> Option<String> {
    let known = !to.is_empty() && !to.starts_with(['/', '-', '~']) && !to.contains(['$', '`', '%']);
    known.then(|| if folder.is_empty() { to.to_owned() } else { format!("{folder}/{to}") })
}

/// The words of a text, operators left out.
fn words(text: &str) -> (Vec<String>, Vec<String>) {
    let words = tokens(text).into_iter().filter_map(|token| match token {
        ShellToken::Word { text, spelled } => Some((text, spelled)),
        ShellToken::Operator(_) => None,
    });
    words.unzip()
}

enum ShellToken {
    Word { text: String, spelled: String },
    Operator(&'static str),
}

/// A word that is being read, and where it starts.
struct OpenWord {
    text: String,
    start: usize,
}

struct Scanner<'s> {
    script: &'s str,
    at: usize,
    word: Option<OpenWord>,
    tokens: Vec<ShellToken>,
}

fn tokens(script: &str) -> Vec<ShellToken> {
    let mut scanner = Scanner { script, at: 0, word: None, tokens: Vec::new() };
    while let Some(c) = scanner.next() {
        scanner.read(c);
    }
    scanner.end_word(script.len());
    scanner.tokens
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.script[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn next_if(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        self.at += if found { expected.len_utf8() } else { 0 };
        found
    }

    /// The word that the character at `start` belongs to.
    fn text(&mut self, start: usize) -> &mut String {
        &mut self.word.get_or_insert_with(|| OpenWord { text: String::new(), start }).text
    }

    fn end_word(&mut self, end: usize) {
        if let Some(OpenWord { text, start }) = self.word.take() {
            self.tokens.push(ShellToken::Word { text, spelled: self.script[start..end].to_owned() });
        }
    }

    fn operator(&mut self, start: usize, operator: &'static str) {
        self.end_word(start);
        self.tokens.push(ShellToken::Operator(operator));
    }

    fn read(&mut self, c: char) {
        let start = self.at - c.len_utf8();
        let redirected = |word: &OpenWord| word.text.ends_with(['>', '<']);
        match c {
            '\'' => {
                let end = self.script[self.at..].find('\'').map_or(self.script.len(), |end| self.at + end);
                let inner = self.script[self.at..end].to_owned();
                self.text(start).push_str(&inner);
                self.at = (end + 1).min(self.script.len());
            }
            '"' => self.double_quoted(start),
            '\\' => {
                let next = self.next();
                self.text(start).extend(next);
            }
            '$' | '`' => self.substitution(start, c),
            '&' if self.peek() == Some('>') || self.word.as_ref().is_some_and(redirected) => self.text(start).push(c),
            '&' => {
                let operator = if self.next_if('&') { "&&" } else { "&" };
                self.operator(start, operator);
            }
            '|' => {
                let operator = if self.next_if('|') { "||" } else { "|" };
                self.operator(start, operator);
            }
            ';' | '\n' => self.operator(start, ";"),
            '(' | ')' => {
                self.end_word(start);
                self.text(start).push(c);
                self.end_word(self.at);
            }
            '#' if self.word.is_none() => {
                self.at = self.script[self.at..].find('\n').map_or(self.script.len(), |end| self.at + end);
            }
            c if c.is_whitespace() => self.end_word(start),
            c => self.text(start).push(c),
        }
    }

    fn double_quoted(&mut self, start: usize) {
        self.text(start);
        while let Some(c) = self.next() {
            match c {
                '"' => return,
                '\\' => {
                    let next = self.next();
                    self.text(start).extend(next);
                }
                '$' | '`' => self.substitution(start, c),
                c => self.text(start).push(c),
            }
        }
    }

    /// `$(…)`, `${…}` and `` `…` `` are kept as they are, whatever is in them.
    fn substitution(&mut self, start: usize, c: char) {
        let from = self.at - c.len_utf8();
        let (open, close) = match (c, self.peek()) {
            ('`', _) => ('`', '`'),
            (_, Some('(')) => ('(', ')'),
            (_, Some('{')) => ('{', '}'),
            _ => return self.text(start).push(c),
        };
        let mut depth = usize::from(open == '`');
        while let Some(c) = self.next() {
            if c == close {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            } else if c == open {
                depth += 1;
            }
        }
        let inner = self.script[from..self.at].to_owned();
        self.text(start).push_str(&inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commands as the shell would run them: operator, variables, words.
    #[track_caller]
    fn check(script: &str, expected: &[&str]) {
        let texts: Vec<String> = commands(script)
            .iter()
            .map(|command| {
                let variables = command.variables.iter().map(|v| format!("{}={} ", v.name, v.value));
                let folder = command.folder.as_deref().unwrap_or("?");
                let folder = if folder.is_empty() { String::new() } else { format!("[{folder}] ") };
                let before = if command.before.is_empty() { String::new() } else { format!("{} ", command.before) };
                format!("{before}{folder}{}{}", variables.collect::<String>(), command.words.join(" "))
            })
            .collect();
        assert_eq!(texts, expected, "{script}");
    }

    #[test]
    fn scripts_become_commands() {
        check("next start", &["next start"]);
        check("NODE_ENV=production PORT=4000 next start", &["NODE_ENV=production PORT=4000 next start"]);
        check("a && b; c || d", &["a", "&& b", "; c", "|| d"]);
        check("a & b | c", &["a", "& b", "| c"]);
        check("NODE_OPTIONS='--max-old-space-size=4096 -r x' a", &["NODE_OPTIONS=--max-old-space-size=4096 -r x a"]);
        check("echo \"a && b\"", &["echo a && b"]);
        check("", &[]);
        check("'unclosed", &["unclosed"]);
        check("a > log 2>&1 && b # c && d", &["a > log 2>&1", "&& b"]);
        check("a $(cat 'x y' && z) \"${B:-c d}\"", &["a $(cat 'x y' && z) ${B:-c d}"]);
        check("cd web && cd dist && node a.js", &["cd web", "&& [web] cd dist", "&& [web/dist] node a.js"]);
        check("export A=1 && node a.js", &["export A=1", "&& A=1 node a.js"]);
        check("cd $A && a; (cd b && c)", &["cd $A", "&& [?] a", "; [?] ( cd b", "&& [?] c )"]);
        check("(a; b) && c", &["( a", "; b )", "&& c"]);
    }

    #[test]
    fn words_keep_their_spelling() {
        let command = &commands("A=$B C=d E='$f' node 'my server.js' \"$PORT\"")[0];
        assert_eq!(command.spelled(), "A=$B node 'my server.js' \"$PORT\"");
        let literals: Vec<Option<&str>> = command.variables.iter().map(Assignment::literal).collect();
        assert_eq!(literals, [None, Some("d"), Some("$f")]);
        let literal = |script: &str| commands(script)[0].variables[0].literal().map(str::to_owned);
        assert_eq!(literal("URL=${URL:-https://x} a").as_deref(), Some("https://x"));
        assert_eq!(literal("URL=${OTHER:-https://x} a"), None);
        assert_eq!(literal("A=\\$x a").as_deref(), Some("$x"));
    }
}
