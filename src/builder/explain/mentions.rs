//! Locations in source files that a log names: lines → [`Mention`]s, as the tool wrote them.
//!
//! Formats as `next build` 13 to 16, `tsc` and `eslint` write them. Does not check whether such a file exists.

use regex_lite::Regex;

use crate::diagnostic::printable;

/// A file, and mostly a line of it, that a tool found an error in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mention {
    /// As the tool wrote it: relative to the folder that it ran in, or absolute inside the build.
    pub path: String,
    pub line: Option<usize>,
    pub column: Option<usize>,
    /// The tool's message, on one line.
    pub message: String,
    /// Name of the package, where turbo or another runner of tasks put it before the line.
    pub package: Option<String>,
    /// Index of its line in the log.
    pub at: usize,
}

/// More locations are not shown.
const MOST: usize = 50;
const LONGEST_MESSAGE: usize = 300;
/// Lines after the name of a file in which its excerpt begins.
const AHEAD: usize = 4;

struct Patterns {
    /// `web:build: ` and `@acme/web:build: ` of turbo.
    prefix: Regex,
    /// `./app/page.tsx:2:9`, or without the numbers.
    alone: Regex,
    /// `app/page.tsx(2,9): error TS2322: …`
    compiler: Regex,
    /// `,-[/app/app/page.tsx:2:1]`, where SWC draws an excerpt.
    excerpt: Regex,
    /// ` 2 |   const a = ;`
    numbered: Regex,
    /// `   :             ^`
    marked: Regex,
    /// `12:5  Error: …  rule` and `12:5  error  …  rule` below the name of a file.
    lint: Regex,
    /// The beginnings of errors.
    error: Regex,
    /// Where the errors begin that fail the build; before are warnings.
    begin: Regex,
}

const PATH: &str = r"((?:\.{1,2}/|/)?[^\s:'\x22`][^:'\x22`]*\.(?:[cm]?[jt]sx?|json|css|scss|sass|less|mdx?))";

impl Patterns {
    fn new() -> Self {
        let new = |pattern: &str| Regex::new(pattern).expect("a constant pattern, which every test uses");
        Self {
            prefix: new(r"^(@?[\w.-]+(?:/[\w.-]+)?):[a-z][\w:.-]*: ?"),
            alone: new(&format!(r"^\s*{PATH}(?::(\d+)(?::(\d+))?)?\s*$")),
            compiler: new(&format!(r"^\s*{PATH}\((\d+),(\d+)\): error (.+)$")),
            excerpt: new(r"^\s*(?:,-|╭─+)\[\s*(.+?):(\d+):(\d+)\s*\]"),
            numbered: new(r"^\s*(\d+) [|│] ?"),
            marked: new(r"^\s*[:·] (\s*)[\^─┬╰]"),
            lint: new(r"^\s*(\d+):(\d+)\s+[Ee]rror:?\s+(.+?)\s*$"),
            error: new(
                r"^(?:Module not found|Module parse failed|Type error|Syntax ?Error|Error:|Error\s*$|\w*Error: |Parsing |`next/font` error|You're importing|\s*[x×⨯] )",
            ),
            begin: new(r"^\s*(?:Failed to compile\.?|.*Turbopack build failed with .*)\s*$"),
        }
    }
}

/// Every location of an error in the log, in order, each once.
pub(super) fn mentions(log: &[String]) -> Vec<Mention> {
    let patterns = Patterns::new();
    let lines: Vec<(Option<&str>, &str)> = log.iter().map(|line| without_prefix(line, &patterns)).collect();
    let begin = lines.iter().rposition(|(_, line)| patterns.begin.is_match(line)).map_or(0, |at| at + 1);
    let mut found: Vec<Mention> = Vec::new();
    let mut file: Option<&str> = None;
    for (at, (package, line)) in lines.iter().enumerate().skip(begin) {
        let ahead = &lines[at + 1..(at + 1 + AHEAD).min(lines.len())];
        let mut places: Vec<Mention> = Vec::new();
        if let Some(place) = patterns.compiler.captures(line) {
            let message = place.get(4).map_or("", |message| message.as_str());
            places.push(mention(&place[1], place.get(2), place.get(3), message));
        } else if let Some(place) = patterns.excerpt.captures(line) {
            let (line, column) = marked(&lines[at + 1..], &patterns).unzip();
            let line = line.or_else(|| place[2].parse().ok());
            places.push(Mention { line, column, ..mention(&place[1], None, None, before(&lines[..at])) });
        } else if let (Some(file), Some(place)) = (file, patterns.lint.captures(line)) {
            places.push(mention(file, place.get(1), place.get(2), &place[3]));
        } else if let Some(place) = patterns.alone.captures(line) {
            file = place.get(1).map(|path| path.as_str());
            let next = ahead.iter().find(|(_, line)| !line.trim().is_empty());
            let error = next.filter(|(_, line)| patterns.error.is_match(line));
            // The excerpt below has the line.
            let drawn = ahead.iter().any(|(_, line)| patterns.excerpt.is_match(line));
            if let Some((_, error)) = error.filter(|_| !drawn) {
                places.push(mention(&place[1], place.get(2), place.get(3), error));
            }
        }
        for place in places {
            let place = Mention { package: package.map(str::to_owned), at, ..place };
            let same = |other: &Mention| other.path == place.path && (other.line == place.line || place.line.is_none());
            if !found.iter().any(same) && found.len() < MOST {
                found.push(place);
            }
        }
    }
    found
}

/// Locations in the stack of an error that source maps resolve: `at <unknown> (app/page.tsx:2:9)`.
pub(super) fn frames(log: &[String]) -> Vec<Mention> {
    let patterns = Patterns::new();
    let frame = Regex::new(&format!(r"^\s*at (?:.*\()?{PATH}:(\d+):(\d+)\)?\s*$")).expect("a constant pattern");
    let found = log.iter().enumerate().filter_map(|(at, line)| {
        let (package, line) = without_prefix(line, &patterns);
        let place = frame.captures(line)?;
        let place = mention(&place[1], place.get(2), place.get(3), "");
        Some(Mention { package: package.map(str::to_owned), at, ..place })
    });
    found.take(MOST).collect()
}

fn without_prefix<'a>(line: &'a str, patterns: &Patterns) -> (Option<&'a str>, &'a str) {
    match patterns.prefix.captures(line) {
        Some(prefix) => {
            let (whole, name) = (prefix.get(0), prefix.get(1));
            (name.map(|name| name.as_str()), &line[whole.map_or(0, |whole| whole.end())..])
        }
        None => (None, line),
    }
}

fn mention(path: &str, line: Option<regex_lite::Match>, column: Option<regex_lite::Match>, message: &str) -> Mention {
    let number = |found: Option<regex_lite::Match>| found.and_then(|digits| digits.as_str().parse().ok());
    let message = message.trim().trim_start_matches("Error:").trim_start();
    let message = printable(message).chars().take(LONGEST_MESSAGE).collect();
    Mention { path: path.to_owned(), line: number(line), column: number(column), message, ..Mention::default() }
}

/// Line and column of the mark in an excerpt; its head only has the first line of the excerpt.
fn marked(excerpt: &[(Option<&str>, &str)], patterns: &Patterns) -> Option<(usize, usize)> {
    let mut number = None;
    for (_, line) in excerpt.iter().take(20) {
        if let Some(numbered) = patterns.numbered.captures(line) {
            number = numbered[1].parse().ok();
        } else if let Some(mark) = patterns.marked.captures(line) {
            return Some((number?, mark[1].chars().count() + 1));
        } else {
            return None;
        }
    }
    None
}

/// SWC's message above its excerpt: `  x Expression expected`.
fn before<'a>(lines: &[(Option<&str>, &'a str)]) -> &'a str {
    let said = lines.iter().rev().take(3).map(|(_, line)| line.trim()).find(|line| !line.is_empty());
    let said = said.unwrap_or_default().trim_start_matches("Error:").trim_start();
    said.trim_start_matches(['x', '×', '⨯']).trim_start()
}
