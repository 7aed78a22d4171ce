//! One line of `.dockerignore`. Globs are matched in linear memory and without backtracking, so that no pattern can make it slow.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IgnorePattern {
    /// Written with `!`: brings back what earlier patterns exclude.
    pub is_negated: bool,
    matcher: Matcher,
}

/// Most patterns need no glob matching at all.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Matcher {
    Exact(String),
    /// `prefix**`
    Prefix(String),
    /// `**suffix`; `**/name` also matches `name` itself.
    Suffix(String),
    Glob(Glob),
}

impl IgnorePattern {
    /// `line` is trimmed and not empty. The error completes the sentence "pattern … ".
    pub fn parse(line: &str) -> Result<Self, &'static str> {
        let (mark, rest) = match line.strip_prefix('!') {
            Some(rest) => ("!", rest.trim()),
            None => ("", line),
        };
        let mut pattern = if rest.is_empty() { String::new() } else { clean(rest) };
        if pattern.len() > 1 && pattern.starts_with('/') {
            pattern.remove(0);
        }
        // Docker cleans the line a second time, including the mark, so `!../../x` loses it.
        let line = clean(&format!("{mark}{pattern}"));
        let (is_negated, pattern) = match line.strip_prefix('!') {
            Some("") => return Err("excludes nothing: `!` needs a path"),
            Some(rest) => (true, rest),
            None => (false, line.as_str()),
        };
        check(pattern)?;
        Ok(Self { is_negated, matcher: Matcher::new(pattern) })
    }

    /// Adds the cost to `steps`, of about a nanosecond each.
    pub fn matches(&self, path: &str, steps: &mut u64) -> bool {
        *steps += 1;
        match &self.matcher {
            Matcher::Exact(exact) => path == exact,
            Matcher::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Matcher::Suffix(suffix) => path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path),
            Matcher::Glob(glob) => glob.matches(path, steps),
        }
    }

    /// False only when no path inside `directory` can match. Wildcards may reach anywhere.
    pub fn may_match_below(&self, directory: &str) -> bool {
        match &self.matcher {
            Matcher::Exact(exact) => exact.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/')),
            Matcher::Prefix(prefix) => prefix.starts_with(directory) || directory.starts_with(prefix.as_str()),
            Matcher::Suffix(_) | Matcher::Glob(_) => true,
        }
    }
}

impl Matcher {
    fn new(pattern: &str) -> Self {
        let is_plain = |text: &str| !text.contains(['*', '?', '[', ']', '\\']);
        if is_plain(pattern) {
            return Self::Exact(pattern.to_owned());
        }
        if let Some(suffix) = pattern.strip_prefix("**").filter(|suffix| is_plain(suffix)) {
            return Self::Suffix(suffix.to_owned());
        }
        if let Some(prefix) = pattern.strip_suffix("**").filter(|prefix| is_plain(prefix)) {
            return Self::Prefix(prefix.to_owned());
        }
        Self::Glob(Glob::new(pattern))
    }
}

/// The shortest path with the same meaning, as Go's `path.Clean`: without `.`, `..` after a name, and needless slashes.
fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if is_rooted {
        format!("/{joined}")
    } else if joined.is_empty() {
        ".".to_owned()
    } else {
        joined
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(Vec<GlobToken>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum GlobToken {
    Char(char),
    /// `?`: one character, not `/`.
    One,
    /// `*`: any characters but `/`.
    Many,
    /// `**` or `**/` before more: optionally anything up to and with a `/`; always followed by `Within`.
    Folders,
    /// The inside of `Folders`.
    Within,
    /// `**` at the end.
    All,
    /// `[a-z]`, `[^a-z]`. A negated class matches `/` as well, as in Docker.
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

type PatternChars<'a> = Peekable<Chars<'a>>;

/// Refuses what Go's `filepath.Match` calls a syntax error. The error completes the sentence "pattern … ".
fn check(pattern: &str) -> Result<(), &'static str> {
    let mut input = pattern.chars().peekable();
    while let Some(c) = input.next() {
        match c {
            '\\' => drop(input.next().ok_or("ends with `\\`, which escapes nothing")?),
            '[' => drop(class(&mut input).ok_or("has a `[` without a complete `[…]` (`\\[` is a plain bracket)")?),
            _ => {}
        }
    }
    Ok(())
}

/// The rest of a class, after its `[`.
fn class(input: &mut PatternChars) -> Option<GlobToken> {
    let is_negated = input.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || input.next_if_eq(&']').is_none() {
        let low = class_char(input)?;
        let high = if input.next_if_eq(&'-').is_some() { class_char(input)? } else { low };
        if low > high {
            return None;
        }
        ranges.push((low, high));
    }
    Some(GlobToken::Class { is_negated, ranges })
}

fn class_char(input: &mut PatternChars) -> Option<char> {
    match input.next()? {
        '-' | ']' => None,
        '\\' => input.next(),
        c => Some(c),
    }
}

impl Glob {
    /// `pattern` has passed [`check`].
    pub fn new(pattern: &str) -> Self {
        let mut tokens = Vec::new();
        let mut input = pattern.chars().peekable();
        while let Some(c) = input.next() {
            let token = match c {
                '*' if input.next_if_eq(&'*').is_some() => {
                    input.next_if_eq(&'/');
                    if input.peek().is_none() {
                        GlobToken::All
                    } else {
                        tokens.push(GlobToken::Folders);
                        GlobToken::Within
                    }
                }
                '*' => GlobToken::Many,
                '?' => GlobToken::One,
                '[' => class(&mut input).unwrap_or(GlobToken::Char('[')),
                '\\' => GlobToken::Char(input.next().unwrap_or('\\')),
                c => GlobToken::Char(c),
            };
            // Repeated wildcards are equivalent to one, which keeps transitions without input short.
            match token {
                GlobToken::Many if tokens.last() == Some(&GlobToken::Many) => {}
                GlobToken::Within if tokens.ends_with(&[GlobToken::Within, GlobToken::Folders]) => drop(tokens.pop()),
                token => tokens.push(token),
            }
        }
        Self(tokens)
    }

    /// Follows all paths through the tokens at once, and counts the steps.
    pub fn matches(&self, text: &str, steps: &mut u64) -> bool {
        *steps += self.0.len() as u64;
        let mut states = GlobStates::new(self.0.len() + 1);
        let mut next = GlobStates::new(self.0.len() + 1);
        self.enter(0, &mut states);
        for c in text.chars() {
            for &state in &states.active {
                self.step(state, c, &mut next);
                *steps += match self.0.get(state) {
                    Some(GlobToken::Class { ranges, .. }) => ranges.len() as u64,
                    _ => 4,
                };
            }
            std::mem::swap(&mut states, &mut next);
            next.clear();
            if states.active.is_empty() {
                return false;
            }
        }
        states.is_active[self.0.len()]
    }

    /// Adds `state` and every state reachable from it without input.
    fn enter(&self, state: usize, states: &mut GlobStates) {
        if !states.add(state) {
            return;
        }
        match self.0.get(state) {
            Some(GlobToken::Many | GlobToken::All) => self.enter(state + 1, states),
            Some(GlobToken::Folders) => {
                self.enter(state + 1, states);
                self.enter(state + 2, states);
            }
            _ => {}
        }
    }

    fn step(&self, state: usize, c: char, next: &mut GlobStates) {
        let Some(token) = self.0.get(state) else { return };
        match token {
            GlobToken::Char(exact) if c == *exact => self.enter(state + 1, next),
            GlobToken::One if c != '/' => self.enter(state + 1, next),
            GlobToken::Class { is_negated, ranges }
                if *is_negated != ranges.iter().any(|(low, high)| (low..=high).contains(&&c)) =>
            {
                self.enter(state + 1, next);
            }
            GlobToken::Many if c != '/' => self.enter(state, next),
            GlobToken::All if c != '\n' => self.enter(state, next),
            GlobToken::Within if c != '\n' => {
                self.enter(state, next);
                if c == '/' {
                    self.enter(state + 1, next);
                }
            }
            _ => {}
        }
    }
}

/// A set of positions in the tokens.
struct GlobStates {
    active: Vec<usize>,
    is_active: Vec<bool>,
}

impl GlobStates {
    fn new(length: usize) -> Self {
        Self { active: Vec::new(), is_active: vec![false; length] }
    }

    /// False if it was already in the set.
    fn add(&mut self, state: usize) -> bool {
        let is_new = !self.is_active[state];
        if is_new {
            self.is_active[state] = true;
            self.active.push(state);
        }
        is_new
    }

    fn clear(&mut self) {
        for state in self.active.drain(..) {
            self.is_active[state] = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_follows_go() {
        for (path, expected) in [
            ("./x", "x"),
            ("a/../docs", "docs"),
            ("a//b/", "a/b"),
            ("..", ".."),
            ("../../x", "../../x"),
            ("/../a", "/a"),
            ("/", "/"),
            ("a/..", "."),
            ("", "."),
            ("!../../x", "x"),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }
}
