//! The forms in which a secret value appears in output: value in, texts to look for out. Pure.
//!
//! Never gives a text of fewer than [`SHORTEST`] characters, which would blank out ordinary words.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::view::is_invisible;

/// Characters of the shortest text that is looked for.
pub(super) const SHORTEST: usize = 8;
/// Longer texts are looked for in pieces, which bounds what has to be compared where a line was cut.
const LONGEST: usize = 256;
/// Bytes of the longest value whose encoded forms are known; certificates and key stores are larger, and known line by line.
const LONGEST_ENCODED: usize = 4 * 1024;
/// BuildKit refuses larger secrets (`MaxSecretSize`, 500 KiB); of a larger file no more is known.
const LONGEST_VALUE: usize = 1024 * 1024;
/// Line lengths of `base64` (coreutils) and of PEM (RFC 7468).
const WRAPS: [usize; 2] = [76, 64];
/// A word inside of a value that is looked for on its own: a token in `.npmrc`, in JSON, in `.netrc`.
const SHORTEST_WORD: usize = 16;
/// Values of weak credentials that are words of ours and of every log.
const COMMON: [&str; 12] = [
    "anonymous",
    "container",
    "development",
    "localhost",
    "nextdeploy",
    "password",
    "postgres",
    "postgresql",
    "production",
    "registry",
    "undefined",
    "username",
];

/// Whether `value` can be looked for without blanking out ordinary words.
pub(super) fn is_distinctive(value: &str) -> bool {
    let line = |line: &str| {
        let line = line.trim();
        line.chars().count() >= SHORTEST && !COMMON.contains(&line.to_ascii_lowercase().as_str())
    };
    value.lines().any(line)
}

/// Every text by which `value` can be recognised.
pub(super) fn forms(value: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let value = &value[..value.len().min(LONGEST_VALUE)];
    let text = String::from_utf8_lossy(value);
    if !is_distinctive(&text) {
        return found;
    }
    let encoded = value.len() <= LONGEST_ENCODED;
    for part in parts(&text) {
        add(&mut found, &part);
        if encoded {
            for form in escaped(&part) {
                add(&mut found, &form);
            }
        }
    }
    let whole = value.trim_ascii();
    if encoded {
        for form in base64_forms(whole) {
            add(&mut found, &form);
        }
        let hex = whole.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        add(&mut found, &hex.to_ascii_uppercase());
        add(&mut found, &hex);
    }
    found
}

fn add(found: &mut BTreeSet<String>, text: &str) {
    if !is_distinctive(text) {
        return;
    }
    let text: Vec<char> = text.chars().filter(|c| !is_invisible(*c)).collect();
    let pieces = text.len().div_ceil(LONGEST).max(1);
    let size = text.len().div_ceil(pieces).max(1);
    found.extend(text.chunks(size).map(String::from_iter).filter(|piece| piece.chars().count() >= SHORTEST));
}

/// The lines of a value, the tokens in them, and the passwords of URLs.
fn parts(text: &str) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    for line in text.split(['\n', '\r']).map(str::trim) {
        parts.insert(line.to_owned());
        // `\n` of JSON: the private key of a service account is one string.
        for word in line.split("\\n").flat_map(|part| part.split(|c: char| c.is_whitespace() || ",;".contains(c))) {
            let word = word.split_once('=').filter(|(_, value)| value.len() > 2).map_or(word, |(_, value)| value);
            let word = word.trim_matches(['"', '\'', '{', '}', '[', ']']);
            if word.len() >= SHORTEST_WORD && is_token(word) {
                parts.insert(word.to_owned());
            }
        }
        if let Some(password) = url_password(line) {
            parts.insert(percent_decoded(password));
            parts.insert(password.to_owned());
        }
    }
    parts
}

/// Letters and digits, and none of the characters of addresses and paths.
fn is_token(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit())
        && word.contains(|c: char| c.is_ascii_alphabetic())
        && !word.contains("://")
        && !word.starts_with(['/', '.', '@'])
}

/// The password in `scheme://user:password@host`.
pub(super) fn url_password(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let (user_info, _) = rest.rsplit_once('@')?;
    user_info.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

pub(super) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        let escaped = escape.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// One line as formats write it that give some characters a meaning.
fn escaped(line: &str) -> Vec<String> {
    // Only letters and digits stand for themselves everywhere.
    if line.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Vec::new();
    }
    let json = serde_json::to_string(line).unwrap_or_default();
    let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default().to_owned();
    let mut forms = vec![
        json.replace('/', "\\/"),
        // A document in a string of another one.
        json.replace('\\', "\\\\").replace('"', "\\\""),
        line.replace('\'', "'\\''"),
        line.replace('\'', "'\"'\"'"),
        line.chars().flat_map(backslashed).collect(),
        html(line, "&#39;"),
        html(line, "&#x27;"),
        html(line, "'"),
    ];
    // Python escapes what is not ASCII, Go what means something in HTML.
    for special in ["", "<>&", "<>&'"] {
        for upper in [false, true] {
            let ascii = unicode_escaped(&json, special, upper);
            forms.push(ascii.replace('/', "\\/"));
            forms.push(ascii);
        }
    }
    // Everything, RFC 3986, `encodeURIComponent`, `encodeURI`, user information as WHATWG's URL writes it, forms.
    for kept in ["", "-._~", "-._~!'()*", "-._~!'()*;/?:@&=+$,#", "-._~!'()*&$+,", "-._*"] {
        for upper in [false, true] {
            let percent = percent_encoded(line, kept, upper);
            forms.push(percent.replace("%20", "+"));
            forms.push(percent);
        }
    }
    forms.push(json);
    forms
}

fn backslashed(c: char) -> Vec<char> {
    if c.is_alphanumeric() || "-_./:@%+,".contains(c) { vec![c] } else { vec!['\\', c] }
}

fn html(line: &str, apostrophe: &str) -> String {
    let line = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    line.replace('"', "&quot;").replace('\'', apostrophe)
}

fn unicode_escaped(json: &str, special: &str, upper: bool) -> String {
    let mut escaped = String::new();
    for c in json.chars() {
        if c.is_ascii() && !special.contains(c) {
            escaped.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = if upper { write!(escaped, "\\u{unit:04X}") } else { write!(escaped, "\\u{unit:04x}") };
        }
    }
    escaped
}

fn percent_encoded(line: &str, kept: &str, upper: bool) -> String {
    let mut encoded = String::new();
    for byte in line.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
            continue;
        }
        let _ = if upper { write!(encoded, "%{byte:02X}") } else { write!(encoded, "%{byte:02x}") };
    }
    encoded
}

/// Base64 in both alphabets, wherever the value begins in the text that is encoded: `user:token` is three texts by the length of `user`.
fn base64_forms(value: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend_from_slice(value);
        let text = STANDARD_NO_PAD.encode(&padded);
        // Characters that stand for bits of the neighbours, too, are left out.
        let end = padded.len() * 8 / 6;
        forms.push(text[before + usize::from(before > 0)..end].to_owned());
        if before == 0 {
            let padding = "=".repeat((4 - text.len() % 4) % 4);
            forms.push(text.clone() + &padding);
            for wrap in WRAPS.iter().filter(|wrap| text.len() > **wrap) {
                forms.extend(text.as_bytes().chunks(*wrap).map(|line| String::from_utf8_lossy(line).into_owned()));
            }
            forms.push(text);
        }
    }
    let url_safe: Vec<String> = forms.iter().map(|form| form.replace('+', "-").replace('/', "_")).collect();
    forms.extend(url_safe);
    // The same in a URL or a form.
    let encoded: Vec<String> = forms.iter().map(|form| percent_encoded(form, "-._~", true)).collect();
    forms.extend(encoded);
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: &[&str]) {
        let forms = forms(value.as_bytes());
        for form in expected {
            assert!(forms.contains(*form), "`{form}` is missing in {forms:#?}");
        }
    }

    #[test]
    fn a_token_is_known_in_every_encoding() {
        check(
            "pa/ss+w\"ord é",
            &[
                "pa/ss+w\"ord é",
                "pa/ss+w\\\"ord é",
                "pa\\/ss+w\\\"ord \\u00e9",
                "pa\\/ss+w\\\"ord \\u00E9",
                "pa%2Fss%2Bw%22ord%20%C3%A9",
                "pa%2fss%2bw%22ord+%c3%a9",
                "pa/ss+w&quot;ord é",
                "70612f73732b77226f726420c3a9",
                "cGEvc3MrdyJvcmQgw6k=",
            ],
        );
        check("\"quoted\" token", &["\\\"quoted\\\" token"]);
        check("it's a secret", &["it'\\''s a secret"]);
    }

    #[test]
    fn base64_is_known_at_every_alignment() {
        let token = "tok3n?>~with~bytes";
        let known = forms(token.as_bytes());
        for user in ["", "u", "me", "bob", "alice"] {
            let pair = format!("{user}:{token}\n");
            for text in [
                base64::engine::general_purpose::STANDARD.encode(&pair),
                base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&pair),
            ] {
                let longest = known.iter().filter(|form| text.contains(form.as_str())).map(String::len).max();
                assert!(longest.is_some_and(|length| length >= 23), "{user}: {longest:?} of {text}");
            }
        }
    }

    #[test]
    fn lines_tokens_and_passwords_inside_of_a_value_are_known() {
        check("first-line-1234\r\nshort\nsecond-line\n", &["first-line-1234", "second-line"]);
        check("//registry.example/:_authToken=npm_0123456789abcdef", &["npm_0123456789abcdef"]);
        check("{\"private_key\": \"-----BEGIN KEY-----\\nMIIEabc0123456789\\n\"}", &["MIIEabc0123456789"]);
        check("postgres://me:p%40ssw0rd@db/shop", &["p%40ssw0rd", "p@ssw0rd"]);
    }

    #[test]
    fn short_values_and_words_of_every_log_are_not_looked_for() {
        for value in ["", "app", "1234567", "production", "Password", "a\nb\n"] {
            assert_eq!(forms(value.as_bytes()), BTreeSet::new(), "{value}");
        }
    }

    #[test]
    fn long_values_are_looked_for_in_pieces() {
        let line: String = (0..600).map(|n| char::from(b"abcdefghijklmnopqrstuvwxyz"[n * 7 % 26])).collect();
        let forms = forms(line.as_bytes());
        assert!(forms.iter().all(|form| form.len() <= LONGEST), "{forms:?}");
        assert!(forms.contains(&line[..200]) && forms.contains(&line[400..]), "{forms:?}");
    }
}
