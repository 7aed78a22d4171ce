//! `.env` files as Next.js reads them: text in, variables in file order out.
//!
//! The grammar is that of the `dotenv` package, references between variables that of `dotenv-expand`. Lines that are no
//! assignment are skipped, as `dotenv` does; nothing is looked up in the environment.

/// Longest value that references may grow to.
const MAX_VALUE: usize = 64 * 1024;
/// Most references that are followed in one file.
const MAX_REFERENCES: u32 = 10_000;

/// Variables with references to others of the same file resolved; a name that is set twice has its last value.
pub fn parse(text: &str) -> Vec<(String, String)> {
    let mut raw: Vec<Assignment> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (assignment, after) = assignment(rest);
        rest = after;
        if let Some(assignment) = assignment {
            match raw.iter_mut().find(|known| known.name == assignment.name) {
                Some(known) => *known = assignment,
                None => raw.push(assignment),
            }
        }
    }
    let mut left = MAX_REFERENCES;
    raw.iter().map(|one| (one.name.to_owned(), expand(&one.value, &raw, 0, &mut left))).collect()
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
    // A quote that is never closed belongs to the value, but one at each end goes.
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

/// `$NAME`, `${NAME}`, `${NAME:-default}`; `\$` is a dollar sign; unknown names are empty.
fn expand(value: &str, all: &[Assignment<'_>], depth: usize, left: &mut u32) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('\\') {
            out.push_str(before);
            out.push('$');
            rest = &from[1..];
            continue;
        }
        out.push_str(before);
        let (reference, default, after) = reference(&from[1..]);
        rest = after;
        if reference.is_empty() {
            out.push('$');
            continue;
        }
        *left = left.saturating_sub(1);
        // Deeper than any honest chain: a cycle.
        let known = all.iter().find(|one| one.name == reference).filter(|_| depth < 8 && *left > 0);
        let expanded = known.map(|one| expand(&one.value, all, depth + 1, left)).filter(|value| !value.is_empty());
        out.push_str(&expanded.unwrap_or_else(|| default.to_owned()));
        if out.len() > MAX_VALUE {
            return String::new();
        }
    }
    out.push_str(rest);
    out
}

/// Name, default and what follows, of the text behind a dollar sign.
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
    use super::parse;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = parse(text);
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
    fn lines_that_are_no_assignment_are_skipped() {
        check("hello\n=5\nA\nB=1\n  \u{0}\n", &[("B", "1")]);
        check("", &[]);
        check("A=1\nA=2", &[("A", "2")]);
    }

    #[test]
    fn references() {
        check("HOST=h\nURL=https://$HOST/${PATH_}x", &[("HOST", "h"), ("URL", "https://h/x")]);
        check("A=${B:-none}\nC=\\$5\nD=$", &[("A", "none"), ("C", "$5"), ("D", "$")]);
        check("A=$B\nB=$A", &[("A", ""), ("B", "")]);
        let lines: Vec<String> = (0..8).map(|n| format!("V{n}={}\n", format!("$V{}", n + 1).repeat(100))).collect();
        let bomb = lines.concat();
        assert!(parse(&format!("{bomb}V8=xxxxxxxxxx")).iter().all(|(_, value)| value.len() <= 70_000));
    }
}
