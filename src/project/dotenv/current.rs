//! `dotenv` 16 and `dotenv-expand` 10, in `@next/env` since 14.0.

use std::collections::HashMap;

use super::scope::{Assignment, DotenvError, Scope};

/// Replacements in one value, and those of one name by a text with further references. The package's recursion ends in an exception after
/// some thousand; nothing but a circle comes near.
const MOST_REPLACEMENTS: usize = 2_000;
const MOST_NESTED: usize = 100;

/// Whitespace of JavaScript's regular expressions.
pub(super) fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

fn is_terminator(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

pub(super) fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// The assignments of a text in order. Values may begin on the next line where they are quoted.
pub(super) fn parse(text: &str) -> Vec<Assignment> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let closing = ['\'', '"', '`'].map(|quote| ClosingQuotes::find(&text, quote));
    let lines = Lines { text: &text, closing };
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let start = lines.skip_space(at);
        let end = match lines.assignment(start) {
            Some((assignment, end)) => {
                found.push(assignment);
                end
            }
            None => start,
        };
        // The next line.
        let Some(terminator) = text[end..].find(is_terminator) else { break };
        at = end + terminator + text[end + terminator..].chars().next().map_or(1, char::len_utf8);
    }
    found
}

struct Lines<'t> {
    text: &'t str,
    closing: [ClosingQuotes; 3],
}

impl Lines<'_> {
    fn skip_space(&self, at: usize) -> usize {
        self.text.len() - self.text[at..].trim_start_matches(is_space).len()
    }

    /// The assignment at `at`, and where its value ends.
    fn assignment(&self, at: usize) -> Option<(Assignment, usize)> {
        let exported = self.text[at..].strip_prefix("export").filter(|rest| rest.starts_with(is_space));
        exported.and_then(|_| self.named(self.skip_space(at + "export".len()))).or_else(|| self.named(at))
    }

    fn named(&self, at: usize) -> Option<(Assignment, usize)> {
        let rest = &self.text[at..];
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(length);
        let equals = self.skip_space(at + length);
        let start = if self.text[equals..].starts_with('=') {
            equals + 1
        } else {
            let space = after.strip_prefix(':')?.chars().next().filter(|c| is_space(*c))?;
            at + length + 1 + space.len_utf8()
        };
        if name.is_empty() {
            return None;
        }
        let (value, end) = self.value(start);
        Some((Assignment { name: name.to_owned(), value }, end))
    }

    fn value(&self, at: usize) -> (String, usize) {
        let open = self.skip_space(at);
        let quote = ['\'', '"', '`'].iter().position(|quote| self.text[open..].starts_with(*quote));
        let (raw, end) = if let Some(close) = quote.and_then(|quote| self.closing[quote].after(open)) {
            (&self.text[open..=close], close + 1)
        } else {
            let rest = &self.text[at..];
            let length = rest.find(['#', '\n']).unwrap_or(rest.len());
            (rest[..length].trim_matches(is_space), at + length)
        };
        let is_double = raw.starts_with('"');
        let unquoted = ['\'', '"', '`'].iter().find_map(|quote| raw.strip_prefix(*quote)?.strip_suffix(*quote));
        let value = unquoted.unwrap_or(raw);
        let value = if is_double { value.replace("\\n", "\n").replace("\\r", "\r") } else { value.to_owned() };
        (value, end)
    }
}

/// Where quotes of one kind may close. Found once, so that many open quotes do not search the same text again and again.
struct ClosingQuotes {
    /// Positions without a backslash before; whether only a comment follows on the line.
    plain: Vec<(usize, bool)>,
    /// Positions behind a backslash where only a comment follows.
    escaped: Vec<usize>,
}

impl ClosingQuotes {
    fn find(text: &str, quote: char) -> Self {
        let mut found = Self { plain: Vec::new(), escaped: Vec::new() };
        for (at, _) in text.match_indices(quote) {
            let rest = &text[at + 1..];
            let after = rest.trim_start_matches(is_space);
            let space = &rest[..rest.len() - after.len()];
            let ends = after.is_empty() || after.starts_with('#') || space.contains(is_terminator);
            if !text[..at].ends_with('\\') {
                found.plain.push((at, ends));
            } else if ends {
                found.escaped.push(at);
            }
        }
        found
    }

    /// The quote that closes the one at `open`: the next without a backslash; otherwise the last one before it.
    fn after(&self, open: usize) -> Option<usize> {
        let next = self.plain[self.plain.partition_point(|(at, _)| *at <= open)..].first();
        if let Some((at, true)) = next {
            return Some(*at);
        }
        let limit = next.map_or(usize::MAX, |(at, _)| *at);
        let last = self.escaped[..self.escaped.partition_point(|at| *at < limit)].last();
        last.copied().filter(|at| *at > open)
    }
}

/// Replaces the last `$` that is not escaped, until there is none. A default comes before a value of the same file.
pub(super) fn expand(mut value: String, scope: &mut Scope) -> Result<String, DotenvError> {
    let mut nested: HashMap<String, usize> = HashMap::new();
    for replacements in 0.. {
        let mut dollars = value.match_indices('$').map(|(at, _)| at);
        let Some(at) = dollars.rfind(|at| !value[..*at].ends_with('\\')) else { break };
        let Some(Reference { whole, name, default }) = Reference::parse(&value[at..]) else { break };
        let of_process = scope.of_process(name).filter(|value| !value.is_empty());
        let replacement = match of_process {
            Some(found) => found,
            None if !default.is_empty() => default,
            None => scope.of_file(name).unwrap_or_default(),
        };
        let is_default = of_process.is_none() && !default.is_empty();
        let replacement = replacement.to_owned();
        let count = nested.entry(name.to_owned()).or_default();
        *count += usize::from(replacement.contains('$'));
        if replacements == MOST_REPLACEMENTS || *count > MOST_NESTED {
            return Err(DotenvError::Circle);
        }
        if !is_default {
            scope.refers_to(name);
        }
        value = scope.replace(&value, whole, &replacement)?;
    }
    Ok(value.replace("\\$", "$"))
}

/// `$NAME`, `${NAME}`, `${NAME:-default}`; braces need not match.
struct Reference<'v> {
    whole: &'v str,
    name: &'v str,
    default: &'v str,
}

impl<'v> Reference<'v> {
    fn parse(text: &'v str) -> Option<Self> {
        let inner = text.strip_prefix("${").or_else(|| text.strip_prefix('$'))?;
        let length = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inner.len());
        let (name, after) = inner.split_at(length);
        if name.is_empty() {
            return None;
        }
        let (default, after) = match after.strip_prefix(":-") {
            Some(rest) => rest.split_at(rest.find(['}', '\\']).unwrap_or(rest.len())),
            None => ("", after),
        };
        let after = after.strip_prefix('}').unwrap_or(after);
        Some(Self { whole: &text[..text.len() - after.len()], name, default })
    }
}
