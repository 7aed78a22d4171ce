//! `dotenv` 10 and `dotenv-expand` 5 and 8, in `@next/env` before 14.0: one line per value, no comments behind values, no `export`.

use super::current::{is_name, is_space};
use super::scope::{Assignment, DotenvError, Scope};

/// Deeper than any legitimate chain of references.
const DEEPEST: usize = 200;

/// Whether `:-` in a reference begins a default (since 12.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defaults {
    Literal,
    Known,
}

pub(super) fn parse(text: &str) -> Vec<Assignment> {
    text.split(['\n', '\r']).filter_map(assignment).collect()
}

fn assignment(line: &str) -> Option<Assignment> {
    let line = line.trim_start_matches(is_space);
    let length = line.find(|c| !is_name(c)).filter(|length| *length > 0)?;
    let (name, after) = line.split_at(length);
    let value = after.trim_start_matches(is_space).strip_prefix('=')?.trim_start_matches(is_space);
    // Blanks behind a closing quote make it part of the value.
    let quoted = |quote: char| (value.starts_with(quote) && value.ends_with(quote)).then_some(value);
    let inner = |value: &str| value.get(1..value.len() - 1).unwrap_or(value).to_owned();
    let value = match (quoted('"'), quoted('\'')) {
        (Some(value), _) => inner(value).replace("\\n", "\n"),
        (None, Some(value)) => inner(value),
        (None, None) => value.trim_matches(is_space).to_owned(),
    };
    Some(Assignment { name: name.to_owned(), value })
}

/// Replaces each reference of `value` in order, and those in what it stands for.
pub(super) fn expand(value: &str, scope: &mut Scope, defaults: Defaults, depth: usize) -> Result<String, DotenvError> {
    if depth > DEEPEST {
        return Err(DotenvError::Circle);
    }
    let references = references(value, defaults);
    let mut result = value.to_owned();
    let mut skipped = false;
    for (at, reference) in references.iter().enumerate() {
        if std::mem::take(&mut skipped) {
            continue;
        }
        if reference.prefix == Some('\\') {
            result = scope.replace(&result, reference.whole, &reference.whole[1..])?;
            continue;
        }
        let (name, default) = match defaults {
            Defaults::Literal => (reference.inner, ""),
            Defaults::Known if reference.inner.is_empty() => return Err(DotenvError::LoneDollar),
            Defaults::Known => {
                let mut parts = reference.inner.split(":-");
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            }
        };
        let of_file = scope.of_file(name).filter(|value| !value.is_empty());
        let found = scope.of_process(name).or(of_file).unwrap_or(default).to_owned();
        let is_known = scope.of_process(name).is_some() || of_file.is_some();
        if is_known || default.is_empty() {
            scope.refers_to(name);
        }
        if defaults == Defaults::Known && reference.inner.contains(":-") && !found.is_empty() {
            // What follows a default is dropped; without anything the package drops the word `undefined`.
            let next = references.get(at + 1).map_or("undefined", |next| next.whole);
            result = scope.replace(&result, next, "")?;
            skipped = true;
        }
        let found = expand(&found, scope, defaults, depth + 1)?;
        let pattern = &reference.whole[reference.prefix.map_or(0, char::len_utf8)..];
        result = scope.replace(&result, pattern, &found)?;
    }
    Ok(result)
}

/// A reference with the character before it.
struct Reference<'v> {
    whole: &'v str,
    prefix: Option<char>,
    /// The name, with `:-` and the default.
    inner: &'v str,
}

fn references(value: &str, defaults: Defaults) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = value[from..].find('$').map(|at| from + at) {
        let previous =
            value[from..at].chars().next_back().filter(|c| !matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}'));
        // `$$NAME`: the first dollar is the character before.
        let (start, prefix, dollar) = match previous {
            Some(c) => (at - c.len_utf8(), Some(c), at),
            None if value[at + 1..].starts_with('$') => (at, Some('$'), at + 1),
            None => (at, None, at),
        };
        let reference = reference(&value[dollar + 1..], defaults);
        let end = value.len() - reference.after.len();
        found.push(Reference { whole: &value[start..end], prefix, inner: reference.inner });
        from = end;
    }
    found
}

struct Braced<'v> {
    inner: &'v str,
    after: &'v str,
}

/// The part behind the dollar sign: any number of braces, the name, in newer versions `:-` and a word.
fn reference(text: &str, defaults: Defaults) -> Braced<'_> {
    let word = |text: &str| text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    if defaults == Defaults::Literal {
        let inner = text.strip_prefix('{').unwrap_or(text);
        let (name, after) = inner.split_at(word(inner));
        return Braced { inner: name, after: after.strip_prefix('}').unwrap_or(after) };
    }
    let inner = text.trim_start_matches('{');
    let mut length = word(inner);
    if inner[length..].starts_with(":-") {
        length += 2;
        length += word(&inner[length..]);
    }
    let (inner, after) = inner.split_at(length);
    Braced { inner, after: after.trim_start_matches('}') }
}
