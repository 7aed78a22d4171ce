//! Sizes, durations, counts, columns and untrusted log lines as people read them. Pure.

use std::fmt;
use std::time::Duration;

use crate::secret::redact;

/// What happens to colours in the output of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    Keep,
    Drop,
}

/// The items with `separator` between them.
pub fn joined<T: fmt::Display>(items: &[T], separator: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

/// A command as it would be typed into a shell.
pub fn command_line(words: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@,+%".contains(c);
    let quoted = words.iter().map(|word| {
        let needs_quotes = word.is_empty() || !word.chars().all(plain);
        if needs_quotes { format!("'{}'", word.replace('\'', "'\\''")) } else { word.clone() }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// One line of untrusted output, without secrets, that can neither move the cursor nor begin another line: of escape sequences only
/// colours are kept (and reset at the end), other control and direction characters are removed, and of a line that overwrites itself with
/// carriage returns the last state is kept.
pub fn clean_line(line: &str, colours: Colours) -> String {
    let line = &*redact(line);
    let line = line.trim_end_matches(['\r', '\n']);
    let line = line.rsplit('\r').next().unwrap_or(line);
    let mut clean = String::new();
    let mut coloured = false;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if c == '\x1b' {
            let length = escape_length(rest);
            let sequence = &rest[..length];
            if colours == Colours::Keep && is_colour(sequence) {
                clean.push_str(sequence);
                coloured = true;
            }
            rest = &rest[length..];
            continue;
        }
        match c {
            '\t' | '\n' => clean.push(' '),
            c if c.is_control() || is_direction(c) => {}
            c => clean.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    if coloured {
        clean.push_str("\x1b[0m");
    }
    clean
}

/// Characters that reorder text or break lines.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Bytes of the escape sequence at the start of `text` (ECMA-48: CSI ends with `@`…`~`, OSC and other strings with BEL or ST).
fn escape_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let end = match bytes.get(1) {
        Some(b'[') => bytes.iter().skip(2).position(|byte| (0x40..=0x7e).contains(byte)).map(|at| at + 3),
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let bell = text.find('\x07').map(|at| at + 1);
            let terminator = text[1..].find("\x1b\\").map(|at| at + 3);
            bell.into_iter().chain(terminator).min()
        }
        Some(byte) if byte.is_ascii() => Some(2),
        _ => Some(1),
    };
    end.filter(|end| text.is_char_boundary(*end)).unwrap_or(text.len())
}

fn is_colour(sequence: &str) -> bool {
    sequence
        .strip_prefix("\x1b[")
        .and_then(|rest| rest.strip_suffix('m'))
        .is_some_and(|body| body.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'))
}

/// `0.4 s`, `12.3 s`, `2 min 5 s`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 60 {
        format!("{} min {} s", seconds / 60, seconds % 60)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// Decimal units, as in Docker: `0 B`, `12.4 kB`, `182 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if value < 100.0 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// `3 routes`, `1 route`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Rows below a heading, in columns as wide as their widest cell; no line ends with spaces.
pub fn columns(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut text = String::new();
    let heading: Vec<String> = heading.iter().map(|word| (*word).to_owned()).collect();
    for row in std::iter::once(&heading).chain(rows) {
        let line: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_keep_their_words() {
        let words = ["A=1", "sh", "-c", "it's && b", ""].map(str::to_owned);
        assert_eq!(command_line(&words), "A=1 sh -c 'it'\\''s && b' ''");
    }

    #[test]
    fn untrusted_lines_keep_only_colours() {
        for (line, shown) in [
            ("a\x1b[31mred\x1b[0m", "a\x1b[31mred\x1b[0m\x1b[0m"),
            ("\x1b[2Jcleared\x1b[1A\x1b]0;title\x07!\x1b]8;;http://x\x1b\\link", "cleared!link"),
            ("10%\r50%\r100%\r\n", "100%"),
            ("a\x07\x08b\tc\u{202e}d", "ab cd"),
            ("cut off \x1b[31", "cut off "),
            ("cut off \x1b", "cut off "),
            ("\x1béa", "éa"),
        ] {
            assert_eq!(clean_line(line, Colours::Keep), shown, "{line:?}");
        }
        assert_eq!(clean_line("a\x1b[31mred", Colours::Drop), "ared");
    }

    #[test]
    fn sizes_and_durations_are_short() {
        assert_eq!([0, 999, 12_400, 999_960, 182_345_678].map(size), ["0 B", "999 B", "12.4 kB", "1.0 MB", "182 MB"]);
        assert_eq!(duration(Duration::from_millis(12_345)), "12.3 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 5 s");
    }
}
