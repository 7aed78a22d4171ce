//! A text as its reader sees it: without terminal codes and characters that show nothing, each part with its place in the text.

use std::borrow::Cow;

/// Whether a terminal or a browser shows nothing for `c`. Line breaks and tabs are seen.
pub(super) fn is_invisible(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What a reader sees, and where each byte of it stands in the text.
pub(super) struct View<'a> {
    pub(super) seen: Cow<'a, str>,
    /// Empty where everything is seen.
    places: Vec<usize>,
}

impl<'a> View<'a> {
    /// The text itself.
    fn whole(text: &'a str) -> Self {
        Self { seen: Cow::Borrowed(text), places: Vec::new() }
    }

    /// The byte of the text that `at` stands for.
    pub(super) fn place(&self, at: usize) -> usize {
        self.places.get(at).copied().unwrap_or(at)
    }

    fn without(text: &'a str, titles: Titles) -> Self {
        let (mut seen, mut places) = (String::with_capacity(text.len()), Vec::with_capacity(text.len()));
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            if c == '\x1b' {
                at += code_length(&text[at..], titles);
            } else {
                if !is_invisible(c) {
                    seen.push(c);
                    places.extend(at..at + c.len_utf8());
                }
                at += c.len_utf8();
            }
        }
        Self { seen: Cow::Owned(seen), places }
    }
}

/// Whether the text of titles and links (OSC and its kind) is a part of the code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Titles {
    Seen,
    Unseen,
}

/// All ways in which a text can be read: as it is, without its codes, and with the titles that codes set.
pub(super) fn views(text: &str) -> Vec<View<'_>> {
    let mut views = vec![View::whole(text)];
    if text.chars().any(is_invisible) {
        views.push(View::without(text, Titles::Seen));
        if text.contains('\x1b') {
            views.push(View::without(text, Titles::Unseen));
        }
    }
    views
}

/// Bytes of the code that begins `text` (ECMA-48: CSI ends with `@` to `~`, OSC and its kind with BEL or ST).
fn code_length(text: &str, titles: Titles) -> usize {
    let bytes = text.as_bytes();
    let end = match bytes.get(1) {
        Some(b'[') => {
            let end = bytes.iter().skip(2).position(|byte| !(0x20..=0x3f).contains(byte));
            end.map(|at| at + 2 + usize::from((0x40..=0x7e).contains(&bytes[at + 2])))
        }
        Some(b']' | b'P' | b'X' | b'^' | b'_') if titles == Titles::Unseen => {
            let end = bytes.iter().position(|byte| matches!(byte, b'\x07' | b'\n')).map(|at| at + 1);
            let terminator = text[1..].find("\x1b\\").map(|at| at + 3);
            end.into_iter().chain(terminator).min()
        }
        // A second ESC begins a code of its own.
        Some(b'\x1b' | b'\n') | None => Some(1),
        Some(byte) if byte.is_ascii() => Some(2),
        Some(_) => Some(1),
    };
    end.unwrap_or(text.len()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_invisible_characters_are_not_seen() {
        for (text, seen) in [
            ("a\x1b[31mb\x1b[0;1mc", "abc"),
            ("a\x1b]0;title\x07b", "ab"),
            ("a\x1b]8;;http://x\x1b\\b", "ab"),
            ("a\0\u{200b}\r\u{9b}b\tc\n", "ab\tc\n"),
            ("a\x1b(Bb\x1b", "a"),
            ("a\x1b[31", "a"),
            ("a\x1b[é", "aé"),
        ] {
            let views = views(text);
            let view = views.last().unwrap();
            let expected = if text.contains("(B") { "aBb" } else { seen };
            assert_eq!(view.seen, expected, "{text:?}");
            for (at, byte) in view.seen.bytes().enumerate() {
                assert_eq!(text.as_bytes()[view.place(at)], byte, "{text:?}");
            }
        }
    }

    #[test]
    fn titles_are_one_way_to_read_a_text() {
        let views = views("a\x1b]0;title\x07b");
        assert!(views.iter().any(|view| view.seen == "a0;titleb"));
    }
}
