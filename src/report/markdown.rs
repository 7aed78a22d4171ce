//! Markdown: texts from outside without any meaning of their own, and the building blocks of a page.
//!
//! GitHub Flavored Markdown (spec 0.29): a character reference is always text (§6.2), so every character that could have a meaning
//! becomes one; line ends and control characters are escaped. The result is on one line, also in a table.

use std::fmt::Write as _;

use crate::secret::redact;

/// Plain text. Contains neither links nor mentions.
pub(super) fn text(outside: &str) -> String {
    unlinked(escape(outside, TextPosition::Beginning))
}

fn unlinked(mut safe: String) -> String {
    // Mentions and issue references are searched in the rendered text, so the escape alone does not prevent them.
    for mark in ["&#64;", "&#35;"] {
        safe = safe.replace(mark, &format!("{mark}&#8203;"));
    }
    safe
}

/// Code; empty for an empty text.
pub(super) fn code(outside: &str) -> String {
    if outside.is_empty() { String::new() } else { format!("<code>{}</code>", escape(outside, TextPosition::Middle)) }
}

/// One of our messages, with literals in backticks.
pub(super) fn prose(message: &str) -> String {
    let mut parts: Vec<&str> = message.split('`').collect();
    if parts.len().is_multiple_of(2) {
        // An unpaired backtick belongs to a literal.
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
        at if at.is_multiple_of(2) => unlinked(escape(part, TextPosition::Middle)),
        _ => code(part),
    }
}

/// A code block, shown verbatim. Ends with a newline.
pub(super) fn block(language: &str, outside: &str) -> String {
    let body: Vec<String> = outside.trim_end().lines().map(visible).collect();
    let fence = "`".repeat(longest_run(outside, '`').max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", body.join("\n"))
}

/// Truncates a text at a line, and says so.
pub(super) fn cut(outside: &str, limit: usize) -> String {
    let outside = &*redact(outside);
    if outside.len() <= limit {
        return outside.to_owned();
    }
    let end = (0..=limit).rev().find(|at| outside.is_char_boundary(*at)).unwrap_or(0);
    let end = outside[..end].rfind('\n').map_or(end, |at| at + 1);
    format!("{}… {} more bytes\n", &outside[..end], outside.len() - end)
}

/// A table; the cells are Markdown.
pub(super) fn table(heads: &[&str], align: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let marks: Vec<String> = align.iter().map(|mark| (*mark).to_owned()).collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{}{body}", line(&heads), line(&marks))
}

/// A folded part. `title` is HTML without Markdown.
pub(super) fn folded(title: &str, body: &str) -> String {
    format!("<details><summary>{title}</summary>\n\n{}\n\n</details>\n", body.trim_end())
}

/// A bar for a part of a whole, in eighths of at most `width` characters; at least one of them.
pub(super) fn share(part: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small number"
    )]
    let eighths = ((part.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize).max(1);
    format!("<code>{}{}</code>", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// A bar of `width` characters, filled from `from` to `to` of `whole`; at least one mark.
pub(super) fn bar(from: f64, to: f64, whole: f64, width: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "widths are small")]
    let scale = |value: f64| if whole > 0.0 { (value / whole * width as f64).clamp(0.0, width as f64) } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between zero and the width")]
    let (start, end) = (scale(from).floor() as usize, scale(to).round() as usize);
    let start = start.min(width - 1);
    let end = end.clamp(start + 1, width);
    format!("<code>{}{}{}</code>", "·".repeat(start), "█".repeat(end - start), "·".repeat(width - end))
}

fn longest_run(text: &str, character: char) -> usize {
    text.split(|c| c != character).map(str::len).max().unwrap_or(0)
}

/// Where a text will be: some characters only have a meaning at the beginning of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TextPosition {
    Beginning,
    Middle,
}

fn escape(outside: &str, place: TextPosition) -> String {
    let mut safe = String::with_capacity(outside.len() + 16);
    let (mut begun, mut lettered) = (place == TextPosition::Middle, place == TextPosition::Middle);
    let shown = visible(outside);
    let mut characters = shown.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        let harmless = match c {
            '-' => begun,
            '.' => lettered && !ends_with_www(&safe),
            ' ' => begun || !safe.is_empty(),
            // Emphasis only begins or ends at the edge of a word.
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

/// `www.` alone creates a link.
fn ends_with_www(text: &str) -> bool {
    text.len() >= 3 && text.as_bytes()[text.len() - 3..].eq_ignore_ascii_case(b"www")
}

/// Redacts secrets, and escapes what would not be visible: control characters, line ends, and characters that reorder or hide text.
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
    fn outside_text_is_escaped() {
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
    fn a_truncated_text_says_so() {
        assert_eq!(cut("abc\ndef\n", 5), "abc\n… 4 more bytes\n");
        assert_eq!(cut("ééé", 3), "é… 4 more bytes\n");
    }

    proptest! {
        #[test]
        fn no_character_with_a_meaning_remains(outside in "(\\PC|[\\n\\r|`<>*_#@&:])*") {
            for safe in [text(&outside), prose(&outside), code(&outside)] {
                let bare = safe.replace("<code>", "").replace("</code>", "");
                prop_assert!(!bare.contains(['\n', '\r', '|', '`', '<', '>', '*', '@', '[', ']', '\\', '!', '~', '$', ':']), "{bare}");
                prop_assert!(!bare.to_ascii_lowercase().contains("www."), "{bare}");
            }
        }

        #[test]
        fn no_text_ends_its_block(outside in "(\\PC|[\\n`~])*") {
            let shown = block("", &outside);
            let fence: String = shown.chars().take_while(|c| *c == '`').collect();
            let inner: Vec<&str> = shown.lines().collect();
            let inside = &inner[1..inner.len() - 1];
            prop_assert!(inside.iter().all(|line| !line.trim_start().starts_with(&fence)), "{shown}");
        }
    }
}
