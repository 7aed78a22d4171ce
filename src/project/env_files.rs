//! `.env*` files of the app and of the folder of its lockfile, read as Next.js reads them.
//!
//! The grammar is that of the `dotenv` package, references between variables that of `dotenv-expand`. Lines that are not an
//! assignment are skipped, as `dotenv` does; nothing is looked up in the environment.

use std::collections::HashMap;

use super::error::ProjectError;
use super::facts::DotenvFile;
use super::text;
use crate::diagnostic::{Location, Warning};
use crate::rel_path::RelPath;
use crate::repo::{EntryKind, SourceText, SourceTree};

/// Files in path order, with the variables of those that Next.js loads for a production build.
pub(super) fn detect(
    tree: &SourceTree,
    app_dir: &RelPath,
    root: &RelPath,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<DotenvFile>, ProjectError> {
    let tracked = tree.git.as_ref().map(|git| &git.tracked_env_files);
    let mut files = Vec::new();
    for entry in tree.entries() {
        if !matches!(entry.kind, EntryKind::File { .. } | EntryKind::Symlink { .. }) {
            continue;
        }
        if !entry.path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".env")) {
            continue;
        }
        let Some(path) = entry.path.to_str().and_then(|path| RelPath::new(path).ok()) else { continue };
        let folder = path.parent().unwrap_or_default();
        let named = path.name() == ".env" || path.name().starts_with(".env.");
        if !named || (folder != *app_dir && folder != *root) {
            continue;
        }
        // Next.js ignores missing files, such as a link to a local file of the root.
        let link = matches!(entry.kind, EntryKind::Symlink { .. });
        if link && matches!(tree.text(&path), Some(SourceText::Unreadable { .. })) {
            let message = format!("`{path}` links to a file that cannot be read, and is ignored");
            let warning =
                Warning::new("project/env-file-dangling", message).with_hint("remove the link, or commit its target");
            warnings.push(warning.at(Location::file(path.as_str())));
            continue;
        }
        let tracked = tracked.is_some_and(|tracked| tracked.contains(path.as_str()));
        files.push(DotenvFile { tracked, variables: Vec::new(), path });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    // Next.js loads them in this order, and the second one may refer to the first (`@next/env` 12 to 16).
    let mut earlier = Vec::new();
    for name in [".env.production", ".env"] {
        let path = app_dir.child(name);
        let Some(file) = files.iter_mut().find(|file| file.path == path) else { continue };
        let Some(content) = text::read(tree, &path)? else { continue };
        file.variables = parse_after(content, &earlier)
            .map_err(|error| ProjectError::BeyondLimit { file: path, reason: error.to_string() })?;
        if file.tracked {
            earlier.clone_from(&file.variables);
        }
    }
    Ok(files)
}

/// More than a process can be started with (`ARG_MAX` of Linux).
const MOST_VARIABLES: usize = 5_000;
/// Bytes of all expanded values, in addition to the size of the file.
const EXPANSION: usize = 4 * 1024 * 1024;
/// Cost of a reference in bytes, in addition to its value.
const REFERENCE_COST: usize = 64;

/// Limits that no legitimate file exceeds. Completes "`file` is too large: …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DotenvError {
    #[error("it sets more than {} variables", MOST_VARIABLES)]
    Variables,
    #[error("its values exceed {} MiB when their references are replaced", EXPANSION >> 20)]
    Expansion,
}

/// Variables with references to others of the same file resolved; a name that is set twice has its last value.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, DotenvError> {
    parse_after(text, &[])
}

/// As [`parse`], with variables that are set already: they keep their values, and references resolve to them.
pub fn parse_after(text: &str, earlier: &[(String, String)]) -> Result<Vec<(String, String)>, DotenvError> {
    let earlier = earlier.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut all = Assignments { earlier, ..Assignments::default() };
    let mut rest = text;
    while !rest.is_empty() {
        let (assignment, after) = assignment(rest);
        rest = after;
        if let Some(assignment) = assignment {
            all.set(assignment);
        }
        if all.in_order.len() > MOST_VARIABLES {
            return Err(DotenvError::Variables);
        }
    }
    let mut left = text.len() + EXPANSION;
    let expanded = all.in_order.iter().map(|one| {
        let mut value = String::new();
        match all.earlier.get(one.name) {
            Some(earlier) => value.push_str(earlier),
            None => expand(&one.value, &all, 0, &mut value, &mut left)?,
        }
        Ok((one.name.to_owned(), value))
    });
    expanded.collect()
}

/// Assignments in file order, and by name.
#[derive(Default)]
struct Assignments<'t> {
    earlier: HashMap<&'t str, &'t str>,
    in_order: Vec<Assignment<'t>>,
    by_name: HashMap<&'t str, usize>,
}

impl<'t> Assignments<'t> {
    fn set(&mut self, assignment: Assignment<'t>) {
        if let Some(at) = self.by_name.get(assignment.name) {
            self.in_order[*at] = assignment;
        } else {
            self.by_name.insert(assignment.name, self.in_order.len());
            self.in_order.push(assignment);
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(|at| self.in_order[*at].value.as_str())
    }
}

struct Assignment<'t> {
    name: &'t str,
    value: String,
}

/// The assignment at the beginning of `text`, if it is one, and what follows it.
fn assignment(text: &str) -> (Option<Assignment<'_>>, &str) {
    let end = text.find('\n').unwrap_or(text.len());
    let next_line = text.get(end + 1..).unwrap_or_default();
    let nothing = (None, next_line);
    let line = text[..end].trim_start();
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with(char::is_whitespace) => rest.trim_start(),
        _ => line,
    };
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let name_end = line.find(|c| !word(c)).unwrap_or(line.len());
    let (name, after) = line.split_at(name_end);
    let spaced = after.trim_start();
    let value = if let Some(value) = spaced.strip_prefix('=') {
        value
    } else if let Some(value) = after.strip_prefix(": ") {
        value
    } else {
        return nothing;
    };
    if name.is_empty() {
        return nothing;
    }
    let start = text.len() - next_line.len() - usize::from(end < text.len()) - value.len();
    let (value, consumed) = value_of(&text[start..]);
    let rest = text[start + consumed..].split_once('\n').map_or("", |(_, rest)| rest);
    (Some(Assignment { name, value }), rest)
}

/// The value at the beginning of `text` and how many bytes it takes; quoted values may span lines.
fn value_of(text: &str) -> (String, usize) {
    let blank = text.len() - text.trim_start_matches([' ', '\t']).len();
    let body = &text[blank..];
    if let Some(quote @ ('"' | '\'' | '`')) = body.chars().next()
        && let Some(end) = closing_quote(body, quote)
    {
        let inner = &body[1..end];
        let value = if quote == '"' { inner.replace("\\n", "\n").replace("\\r", "\r") } else { inner.to_owned() };
        return (value, blank + end + 1);
    }
    let line = body.lines().next().unwrap_or_default();
    let value = line.split('#').next().unwrap_or_default().trim();
    // An unclosed quote is part of the value; a pair at both ends is removed.
    let unquoted = ['"', '\'', '`'].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    (unquoted.unwrap_or(value).to_owned(), blank + line.len())
}

fn closing_quote(body: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    body.char_indices().skip(1).find_map(|(at, c)| {
        let found = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        found.then_some(at)
    })
}

/// `$NAME`, `${NAME}`, `${NAME:-default}`; `\$` is a dollar sign; unknown names are empty. The value is added to `out`.
fn expand(
    value: &str,
    all: &Assignments<'_>,
    depth: usize,
    out: &mut String,
    left: &mut usize,
) -> Result<(), DotenvError> {
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        spend(left, before.len())?;
        if let Some(before) = before.strip_suffix('\\') {
            out.push_str(before);
            out.push('$');
            rest = &from[1..];
            continue;
        }
        out.push_str(before);
        let (reference, default, after) = reference(&from[1..]);
        rest = after;
        spend(left, REFERENCE_COST)?;
        if reference.is_empty() {
            out.push('$');
            continue;
        }
        let start = out.len();
        if let Some(value) = all.earlier.get(reference) {
            spend(left, value.len())?;
            out.push_str(value);
        } else if let Some(value) = all.get(reference).filter(|_| depth < 8) {
            // Deeper than any legitimate chain: a cycle.
            expand(value, all, depth + 1, out, left)?;
        }
        if out.len() == start {
            spend(left, default.len())?;
            out.push_str(default);
        }
    }
    spend(left, rest.len())?;
    out.push_str(rest);
    Ok(())
}

fn spend(left: &mut usize, cost: usize) -> Result<(), DotenvError> {
    *left = left.checked_sub(cost).ok_or(DotenvError::Expansion)?;
    Ok(())
}

/// Name, default and rest of the text after a dollar sign.
fn reference(text: &str) -> (&str, &str, &str) {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(inner) = text.strip_prefix('{') {
        let Some((inner, after)) = inner.split_once('}') else { return ("", "", text) };
        let (name, default) = inner.split_once(":-").or_else(|| inner.split_once('-')).unwrap_or((inner, ""));
        return (name, default, after);
    }
    let end = text.find(|c| !word(c)).unwrap_or(text.len());
    (&text[..end], "", &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = parse(text).unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn plain_and_quoted_values() {
        check("A=1\nB = two # comment\n\n# C=3\nexport D=4", &[("A", "1"), ("B", "two"), ("D", "4")]);
        check("A='x # y' # z\nB=\"a\\nb\"\nC=`q'\"`", &[("A", "x # y"), ("B", "a\nb"), ("C", "q'\"")]);
        check("A=\"one\ntwo\"\nB=3", &[("A", "one\ntwo"), ("B", "3")]);
        check("A=\nB=''\nC: yaml\r\n", &[("A", ""), ("B", ""), ("C", "yaml")]);
        check("A=\"unclosed\nB=2", &[("A", "\"unclosed"), ("B", "2")]);
        check("exported=1\nA.B-c=2", &[("exported", "1"), ("A.B-c", "2")]);
        check("A=\"say \\\"hi\\\"\"", &[("A", "say \\\"hi\\\"")]);
        check("A=é # ü\nB=2", &[("A", "é"), ("B", "2")]);
    }

    #[test]
    fn other_lines_are_skipped() {
        check("hello\n=5\nA\nB=1\n  \u{0}\n", &[("B", "1")]);
        check("", &[]);
        check("A=1\nA=2", &[("A", "2")]);
    }

    #[test]
    fn references() {
        check("HOST=h\nURL=https://$HOST/${PATH_}x", &[("HOST", "h"), ("URL", "https://h/x")]);
        check("A=${B:-none}\nC=\\$5\nD=$", &[("A", "none"), ("C", "$5"), ("D", "$")]);
        check("A=$B\nB=$A", &[("A", ""), ("B", "")]);
    }

    #[test]
    fn earlier_files_win() {
        let earlier = [("SITE".to_owned(), "prod".to_owned()), ("ESCAPED".to_owned(), "$SITE".to_owned())];
        let found = parse_after("SITE=dev\nAPI=https://$SITE.example/$ESCAPED", &earlier).unwrap();
        let values: Vec<&str> = found.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["prod", "https://prod.example/$SITE"]);
    }

    fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
        (0..count).map(line).collect()
    }

    #[test]
    fn files_that_grow_without_bound_are_refused() {
        let fails = |text: &str, error: DotenvError| assert_eq!(parse(text), Err(error), "{}", &text[..40]);
        let bomb = lines(8, |n| format!("V{n}={}\n", format!("$V{}", n + 1).repeat(60)));
        fails(&format!("{bomb}V8=xxxxxxxxxx"), DotenvError::Expansion);
        let copies = lines(100, |n| format!("B{n}=$A\n"));
        fails(&format!("A={}\n{copies}", "x".repeat(60_000)), DotenvError::Expansion);
        let names = lines(5_001, |n| format!("N{n}=\n"));
        fails(&names, DotenvError::Variables);
        check(&format!("A={}", "\\$A".repeat(3)), &[("A", "$A$A$A")]);
        // As long as it fits, every reference counts.
        let chain = lines(4_900, |n| format!("V{n}=$V{}\n", n + 1));
        let found = parse(&format!("{chain}V4900=end")).unwrap();
        assert_eq!((found.len(), found[4_893].1.as_str()), (4_901, "end"));
    }
}
