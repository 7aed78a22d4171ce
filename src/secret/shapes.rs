//! Credentials that are recognised by where they stand: passwords in URLs, and what follows `Bearer` and `Basic`.

use std::ops::Range;

/// A shorter word after `Basic` is one of a sentence.
const SHORTEST_CREDENTIAL: usize = 16;
/// A longer name of a user that has digits is a token (`https://TOKEN@host`).
const LONGEST_USER: usize = 32;

/// The places of such credentials in `text`.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, mark) in text.match_indices("://") {
        found.extend(user_information(text, at + mark.len()));
    }
    for scheme in ["earer ", "asic "] {
        for (at, mark) in text.match_indices(scheme).filter(|(at, _)| *at > 0) {
            let first = text.as_bytes()[at - 1];
            if matches!((first, mark), (b'B' | b'b', _)) {
                found.extend(credential(text, at + mark.len()));
            }
        }
    }
    found
}

/// What follows the name of an authentication scheme (RFC 9110, `token68`).
fn credential(text: &str, start: usize) -> Option<Range<usize>> {
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    let length = text.as_bytes()[start..].iter().take_while(|byte| token(byte)).count();
    let word = &text[start..start + length];
    let is_word = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'.');
    (length >= SHORTEST_CREDENTIAL && !is_word).then_some(start..start + length)
}

/// The password of the URL whose authority begins at `start`, or its user where that is a token.
fn user_information(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = &text[start..];
    let url = rest.find(|c: char| c.is_whitespace() || "\"'`<>\\".contains(c)).map_or(rest, |end| &rest[..end]);
    let authority = url.find(['/', '?', '#']).map_or(url, |end| &url[..end]);
    // A password may hold `/`, `?` or `#` as it is, where what follows the colon is no port.
    let beyond = || {
        let (_, port) = authority.split_once(':').filter(|_| !authority.starts_with('['))?;
        if port.bytes().all(|byte| byte.is_ascii_digit()) { None } else { url.rfind('@') }
    };
    let end = authority.rfind('@').or_else(beyond)?;
    let user_info = &url[..end];
    if let Some((user, password)) = user_info.split_once(':') {
        return (!password.is_empty()).then_some(start + user.len() + 1..start + end);
    }
    let is_token = user_info.len() > LONGEST_USER && user_info.contains(|c: char| c.is_ascii_digit());
    is_token.then_some(start..start + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_by_their_place() {
        for (text, credentials) in [
            ("tcp://me:pass@host:1 and x", &["pass"][..]),
            ("postgres://u:pa/ss@db", &["pa/ss"]),
            ("`https://x:a@b@host/`", &["a@b"]),
            (
                "https://ghp_0123456789abcdefghijklmnopqrstuvwxyz@github.com/a",
                &["ghp_0123456789abcdefghijklmnopqrstuvwxyz"],
            ),
            ("\"Authorization\":\"Basic bWU6czNjcmV0LXRva2Vu\"", &["bWU6czNjcmV0LXRva2Vu"]),
            ("authorization: bearer eyJhbGciOiJub25lIn0.e30.", &["eyJhbGciOiJub25lIn0.e30."]),
        ] {
            let found: Vec<&str> = find(text).into_iter().map(|range| &text[range]).collect();
            assert_eq!(found, credentials, "{text}");
        }
    }

    #[test]
    fn ordinary_texts_hold_none() {
        for text in [
            "git@github.com:a/b",
            "ssh://git@host/a",
            "http://localhost:3000/@vite/client",
            "https://registry.example/@scope/name",
            "docker://ghcr.io/a/b:1@sha256:0d",
            "http://[::1]:80/a@b",
            "no basic authentication-credentials",
            "Bearer realm=\"x\"",
            "://",
        ] {
            assert_eq!(find(text), Vec::<Range<usize>>::new(), "{text}");
        }
    }
}
