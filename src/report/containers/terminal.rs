//! What a container printed, for a terminal: its colours, and everything else that a terminal acts on shown and not obeyed.

use crate::diagnostic::is_acted_on;

const ESCAPE: u8 = 0x1b;
/// Parameters of a colour: six of three digits, with their separators, are more than anything needs.
const LONGEST_COLOUR: usize = 32;
const RESET: &[u8] = b"\x1b[0m";

/// Takes bytes as they come, wherever they are cut.
#[derive(Debug, Default)]
pub struct TerminalFilter {
    /// The beginning of what is not whole yet.
    held: Vec<u8>,
    /// A colour is on.
    coloured: bool,
}

impl TerminalFilter {
    /// Adds what `bytes` show to `out`; the beginning of something may be held until the next ones come.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let taken = self.show(&held, out);
        self.held.extend_from_slice(&held[taken..]);
    }

    /// Adds what is held, and turns colours off.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        for byte in std::mem::take(&mut self.held) {
            match byte {
                0..=0x7f => show_char(char::from(byte), out),
                _ => show_byte(byte, out),
            }
        }
        if std::mem::take(&mut self.coloured) {
            out.extend_from_slice(RESET);
        }
    }

    /// Shows whole characters and colours; the answer is how many bytes those had.
    fn show(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let rest = &bytes[at..];
            match byte {
                ESCAPE => match colour(rest) {
                    Colour::Whole(length) => {
                        out.extend_from_slice(&rest[..length]);
                        self.coloured = !matches!(&rest[..length], b"\x1b[m" | RESET);
                        at += length;
                    }
                    Colour::Begun => return at,
                    Colour::Other => {
                        show_char(char::from(ESCAPE), out);
                        at += 1;
                    }
                },
                b'\r' if rest.len() == 1 => return at,
                b'\r' if rest[1] == b'\n' => {
                    out.extend_from_slice(b"\r\n");
                    at += 2;
                }
                0..=0x7f => {
                    show_char(char::from(byte), out);
                    at += 1;
                }
                _ => {
                    let character = &rest[..rest.len().min(4)];
                    let (valid, error) = match std::str::from_utf8(character) {
                        Ok(text) => (text, None),
                        Err(error) => {
                            (std::str::from_utf8(&character[..error.valid_up_to()]).unwrap_or(""), Some(error))
                        }
                    };
                    if let Some(first) = valid.chars().next() {
                        show_char(first, out);
                        at += first.len_utf8();
                    } else if let Some(length) = error.and_then(|error| error.error_len()) {
                        rest[..length].iter().for_each(|byte| show_byte(*byte, out));
                        at += length;
                    } else {
                        return at;
                    }
                }
            }
        }
        at
    }
}

enum Colour {
    /// With its length.
    Whole(usize),
    Begun,
    Other,
}

/// Select Graphic Rendition (ECMA-48, 8.3.117): `ESC [ PARAMETERS m`.
fn colour(bytes: &[u8]) -> Colour {
    match bytes {
        [_] => return Colour::Begun,
        [_, b'[', ..] => {}
        _ => return Colour::Other,
    }
    let parameters = &bytes[2..];
    let end = parameters.iter().position(|b| !matches!(b, b'0'..=b'9' | b';' | b':'));
    match end {
        Some(end) if end <= LONGEST_COLOUR && parameters[end] == b'm' => Colour::Whole(2 + end + 1),
        None if parameters.len() <= LONGEST_COLOUR => Colour::Begun,
        _ => Colour::Other,
    }
}

fn show_char(character: char, out: &mut Vec<u8>) {
    if is_acted_on(character) && !matches!(character, '\t' | '\n') {
        out.extend(character.escape_default().to_string().bytes());
    } else {
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

fn show_byte(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same however the bytes are cut.
    fn shown(bytes: &[u8]) -> String {
        let whole = in_pieces(bytes, bytes.len().max(1));
        for size in 1..bytes.len() {
            assert_eq!(in_pieces(bytes, size), whole, "in pieces of {size}");
        }
        String::from_utf8(whole).unwrap()
    }

    fn in_pieces(bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut filter, mut out) = (TerminalFilter::default(), Vec::new());
        bytes.chunks(size).for_each(|piece| filter.push(piece, &mut out));
        filter.finish(&mut out);
        out
    }

    #[test]
    fn colours_pass_and_end() {
        for (bytes, expected) in [
            (&b"\x1b[32mready\x1b[0m in \x1b[1m2 s\x1b[m"[..], "\x1b[32mready\x1b[0m in \x1b[1m2 s\x1b[m"),
            (b"\x1b[38;2;255;0;0mred", "\x1b[38;2;255;0;0mred\x1b[0m"),
            (b"\x1b[4:3mwavy\x1b[0m\n", "\x1b[4:3mwavy\x1b[0m\n"),
        ] {
            assert_eq!(shown(bytes), expected);
        }
    }

    #[test]
    fn nothing_else_is_obeyed() {
        for (bytes, expected) in [
            (&b"\x1b[2J\x1b[H"[..], "\\u{1b}[2J\\u{1b}[H"),
            (b"\x1b]0;title\x07\x1b]52;c;aGk=\x1b\\", "\\u{1b}]0;title\\u{7}\\u{1b}]52;c;aGk=\\u{1b}\\"),
            (b"\x1b[?1049h\x1b[>4;1m", "\\u{1b}[?1049h\\u{1b}[>4;1m"),
            (b"\x1b[31", "\\u{1b}[31"),
            (b"\x1b", "\\u{1b}"),
            (b"a\rb\r\nc\r", "a\\rb\r\nc\\r"),
            (b"\x08\x00\x7f\t.", "\\u{8}\\u{0}\\u{7f}\t."),
            ("\u{9b}2J \u{202e}x \u{e4}\u{1f600}".as_bytes(), "\\u{9b}2J \\u{202e}x \u{e4}\u{1f600}"),
            (b"\xff\xc3 \xe2\x82", "\\xff\\xc3 \\xe2\\x82"),
            (b"", ""),
        ] {
            assert_eq!(shown(bytes), expected);
        }
        let long = format!("\x1b[{}m", "1;".repeat(100));
        assert_eq!(shown(long.as_bytes()), long.replace('\x1b', "\\u{1b}"));
    }
}
