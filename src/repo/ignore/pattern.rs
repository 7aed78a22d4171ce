//! One line of `.dockerignore`.

use super::glob::{self, Glob};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
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

impl Pattern {
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
        // Docker cleans the line a second time, with the mark on it; so `!../../x` loses the mark.
        let line = clean(&format!("{mark}{pattern}"));
        let (is_negated, pattern) = match line.strip_prefix('!') {
            Some("") => return Err("excludes nothing: `!` needs a path"),
            Some(rest) => (true, rest),
            None => (false, line.as_str()),
        };
        glob::check(pattern)?;
        Ok(Self { is_negated, matcher: Matcher::new(pattern) })
    }

    /// Adds to `steps` what it costs, in about a nanosecond each.
    pub fn matches(&self, path: &str, steps: &mut u64) -> bool {
        *steps += 1;
        match &self.matcher {
            Matcher::Exact(wanted) => path == wanted,
            Matcher::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Matcher::Suffix(suffix) => path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path),
            Matcher::Glob(glob) => glob.matches(path, steps),
        }
    }

    /// False only when no path inside `directory` can match. Wildcards may reach anywhere.
    pub fn may_match_below(&self, directory: &str) -> bool {
        match &self.matcher {
            Matcher::Exact(wanted) => wanted.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/')),
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

#[cfg(test)]
mod tests {
    use super::clean;

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
