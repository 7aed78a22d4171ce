//! Texts from outside as Markdown that shows them and does nothing else.
//!
//! GitHub Flavored Markdown (spec 0.29): a character reference is always text (§6.2), so every character that could mean
//! something becomes one; the line ends and control characters are spelled out. The result stands on one line, also in a table.

use std::fmt::Write as _;

use crate::secret::redact;

/// Plain words between our own. Neither a link nor a mention comes out of it.
pub(crate) fn text(outside: &str) -> String {
    unlinked(escape(outside, Place::Beginning))
}

fn unlinked(mut safe: String) -> String {
    // References like these are looked for in what is shown, not in what is written.
    for mark in ["&#64;", "&#35;"] {
        safe = safe.replace(mark, &format!("{mark}&#8203;"));
    }
    safe
}

/// As code; empty for nothing.
pub(crate) fn code(outside: &str) -> String {
    if outside.is_empty() { String::new() } else { format!("<code>{}</code>", escape(outside, Place::Middle)) }
}

/// A message of ours, in which literals stand in backticks.
pub(crate) fn prose(message: &str) -> String {
    let mut parts: Vec<&str> = message.split('`').collect();
    if parts.len().is_multiple_of(2) {
        // A backtick without its partner is one of a literal's own.
        let rest = parts.len() - 2;
        let joined = parts[rest..].join("`");
        parts.truncate(rest);
        parts.push(&joined);
        return parts.iter().enumerate().map(part).collect();
    }
    parts.iter().enumerate().map(part).collect()
}

fn part((at, part): (usize, &&str)) -> String {
    match at {
        0 => text(part),
        at if at.is_multiple_of(2) => unlinked(escape(part, Place::Middle)),
        _ => code(part),
    }
}

/// A block of lines, shown as they are. Ends with a newline.
pub(crate) fn block(language: &str, outside: &str) -> String {
    let body: Vec<String> = outside.trim_end().lines().map(visible).collect();
    let fence = "`".repeat(longest_run(outside, '`').max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", body.join("\n"))
}

/// Cuts a text in its middle, where it says so.
pub(crate) fn cut(outside: &str, limit: usize) -> String {
    let outside = &*redact(outside);
    if outside.len() <= limit {
        return outside.to_owned();
    }
    let end = (0..=limit).rev().find(|at| outside.is_char_boundary(*at)).unwrap_or(0);
    let end = outside[..end].rfind('\n').map_or(end, |at| at + 1);
    format!("{}… {} more bytes\n", &outside[..end], outside.len() - end)
}

fn longest_run(text: &str, wanted: char) -> usize {
    text.split(|c| c != wanted).map(str::len).max().unwrap_or(0)
}

/// Where a text will stand: some characters have a meaning only where a line begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Beginning,
    Middle,
}

fn escape(outside: &str, place: Place) -> String {
    let mut safe = String::with_capacity(outside.len() + 16);
    let (mut begun, mut lettered) = (place == Place::Middle, place == Place::Middle);
    let shown = visible(outside);
    let mut characters = shown.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        let harmless = match c {
            '-' => begun,
            '.' => lettered && !ends_with_www(&safe),
            ' ' => begun || !safe.is_empty(),
            // Emphasis needs an edge of a word.
            '_' => before.is_ascii_alphanumeric() && characters.peek().is_some_and(char::is_ascii_alphanumeric),
            c => c.is_alphanumeric() || "/,…–→×·".contains(c),
        };
        begun |= c.is_alphanumeric();
        lettered |= c.is_alphabetic();
        before = c;
        if harmless {
            safe.push(c);
        } else {
            let _ = write!(safe, "&#{};", u32::from(c));
        }
    }
    safe
}

/// `www.` alone makes a link.
fn ends_with_www(text: &str) -> bool {
    text.len() >= 3 && text.as_bytes()[text.len() - 3..].eq_ignore_ascii_case(b"www")
}

/// Without secrets; spells out what would not be seen: control characters, line ends, and characters that reorder or hide text.
fn visible(text: &str) -> String {
    let text = redact(text);
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\t' {
            shown.push_str("  ");
        } else if c.is_control() || is_invisible(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Format characters (bidirectional marks, joiners, tags) and separators of lines.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn outside_text_is_shown_and_does_nothing() {
        for (outside, safe) in [
            ("main", "main"),
            ("a|b", "a&#124;b"),
            ("`x`", "&#96;x&#96;"),
            ("</details>", "&#60;/details&#62;"),
            ("# a\n# b", "&#35;&#8203; a&#92;n&#35;&#8203; b"),
            ("@acme", "&#64;&#8203;acme"),
            ("www.example.org", "www&#46;example.org"),
            ("a\u{202e}b", "a&#92;u&#123;202e&#125;b"),
            ("&lt;", "&#38;lt&#59;"),
        ] {
            assert_eq!(text(outside), safe, "{outside:?}");
        }
        assert_eq!(code("a|`<"), "<code>a&#124;&#96;&#60;</code>");
        assert_eq!(code(""), "");
    }

    #[test]
    fn literals_of_a_message_are_code() {
        assert_eq!(prose("`a.js` is *not* there"), "<code>a.js</code> is &#42;not&#42; there");
        assert_eq!(prose("one ` tick"), "one &#96; tick");
        assert_eq!(prose("`a` and ` b"), "<code>a</code> and &#96; b");
    }

    #[test]
    fn a_block_cannot_be_closed_from_inside() {
        assert_eq!(block("sh", "a\n````\n</details>\u{202e}\n"), "`````sh\na\n````\n</details>\\u{202e}\n`````\n");
    }

    #[test]
    fn a_cut_text_says_so() {
        assert_eq!(cut("abc\ndef\n", 5), "abc\n… 4 more bytes\n");
        assert_eq!(cut("ééé", 3), "é… 4 more bytes\n");
    }

    proptest! {
        #[test]
        fn no_character_with_a_meaning_is_left(outside in "(\\PC|[\\n\\r|`<>*_#@&:])*") {
            for safe in [text(&outside), prose(&outside), code(&outside)] {
                let bare = safe.replace("<code>", "").replace("</code>", "");
                prop_assert!(!bare.contains(['\n', '\r', '|', '`', '<', '>', '*', '@', '[', ']', '\\', '!', '~', '$', ':']), "{bare}");
                prop_assert!(!bare.to_ascii_lowercase().contains("www."), "{bare}");
            }
        }

        #[test]
        fn blocks_hold_whatever_is_in_them(outside in "(\\PC|[\\n`~])*") {
            let shown = block("", &outside);
            let fence: String = shown.chars().take_while(|c| *c == '`').collect();
            let inner: Vec<&str> = shown.lines().collect();
            let inside = &inner[1..inner.len() - 1];
            prop_assert!(inside.iter().all(|line| !line.trim_start().starts_with(&fence)), "{shown}");
        }
    }
}
