//! Whether a variable looks like a secret, judged by its name and the shape of its value. Never shows the value.
//!
//! Both mistakes have a cost: an unrecognised password ends up in the image, a misclassified setting is missing from it.

mod value;

use value::{holds_a_secret, is_harmless, is_plain_word, is_public, is_random, is_reference, is_secret_shape};

/// Why a variable looks like a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretLook {
    /// By its name.
    Name,
    /// Its value has the shape of a token, a key or an address with a password.
    Value,
}

/// Words that name a secret wherever no [`DESCRIPTIONS`] follow.
const SECRET_WORDS: [&str; 13] = [
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWORDS",
    "PASSWD",
    "PASSPHRASE",
    "PASSCODE",
    "TOKEN",
    "CREDENTIAL",
    "CREDENTIALS",
    "CREDS",
    "APIKEY",
    "MNEMONIC",
];
/// Words as above that are written without a separator: `PGPASSWORD`, `CLIENTSECRET`.
const SECRET_ENDINGS: [&str; 13] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "APIKEY",
    "SECRETKEY",
    "ACCESSKEY",
    "PRIVATEKEY",
    "ACCOUNTKEY",
    "AUTHKEY",
    "SIGNINGKEY",
    "ENCRYPTIONKEY",
];
/// Words that name a secret only as the last word of a name: `SMTP_PASS`, not `PASS_THROUGH`.
const LAST_WORDS: [&str; 3] = ["TOKENS", "SALT", "PEPPER"];
/// The same for the ends of words: `DBPASS`.
const LAST_ENDINGS: [&str; 2] = ["PASS", "PWD"];
/// Words that name a secret as the last ones, when the value is not an ordinary word either.
const WEAK_WORDS: [&str; 10] =
    ["KEY", "KEYS", "AUTH", "JWT", "HMAC", "COOKIE", "COOKIES", "PIN", "PRIVATE", "SIGNATURE"];
const PASSWORD_WORDS: [&str; 5] = ["PASSWORD", "PASSWD", "PASS", "PWD", "PASSCODE"];
/// Exceptions: not secrets despite their ending.
const OTHER_WORDS: [&str; 7] = ["BYPASS", "COMPASS", "TRESPASS", "SURPASS", "ENCOMPASS", "OVERPASS", "UNDERPASS"];
/// Words that make a `KEY` a secret one.
const KEY_KINDS: [&str; 14] = [
    "API",
    "ACCESS",
    "SECRET",
    "PRIVATE",
    "ENCRYPTION",
    "SIGNING",
    "AUTH",
    "SERVICE",
    "MASTER",
    "ROLE",
    "SESSION",
    "LICENSE",
    "ACCOUNT",
    "SHARED",
];
/// Words that may follow the word for a secret without changing the meaning of the name.
const QUALIFIERS: [&str; 22] = [
    "PROD",
    "PRODUCTION",
    "DEV",
    "DEVELOPMENT",
    "STAGING",
    "TEST",
    "LOCAL",
    "LIVE",
    "OLD",
    "NEW",
    "PREVIOUS",
    "CURRENT",
    "NEXT",
    "PRIMARY",
    "SECONDARY",
    "BACKUP",
    "BASE64",
    "B64",
    "HEX",
    "PEM",
    "VALUE",
    "HASH",
];
/// Words after the word for a secret that make the name one of its properties: `TOKEN_TTL`, `API_KEY_HEADER`.
const DESCRIPTIONS: [&str; 93] = [
    "ADDRESS",
    "AGE",
    "ALG",
    "ALGO",
    "ALGORITHM",
    "ALLOWED",
    "ARN",
    "AUDIENCE",
    "BUDGET",
    "CACHE",
    "CHARSET",
    "CLAIM",
    "COLUMN",
    "CONTRACT",
    "COST",
    "COUNT",
    "DAYS",
    "DECIMALS",
    "DIR",
    "DISABLED",
    "DOMAIN",
    "DURATION",
    "EMAIL",
    "ENABLED",
    "ENDPOINT",
    "EXPIRATION",
    "EXPIRE",
    "EXPIRES",
    "EXPIRY",
    "FIELD",
    "FILE",
    "FILENAME",
    "FOLDER",
    "FORMAT",
    "HEADER",
    "HOST",
    "HOURS",
    "HTTPONLY",
    "ID",
    "IDS",
    "INTERVAL",
    "ISS",
    "ISSUER",
    "LABEL",
    "LEEWAY",
    "LENGTH",
    "LIFETIME",
    "LIMIT",
    "LOCATION",
    "MANAGER",
    "MAX",
    "METHOD",
    "MIN",
    "MINUTES",
    "MODE",
    "NAME",
    "NAMES",
    "PARAM",
    "PATH",
    "PATTERN",
    "PLACEHOLDER",
    "POLICY",
    "PORT",
    "PREFIX",
    "PRICE",
    "PROVIDER",
    "REALM",
    "REGEX",
    "REGION",
    "REQUIRED",
    "RESET",
    "ROTATION",
    "ROUNDS",
    "SAMESITE",
    "SCOPE",
    "SCOPES",
    "SECONDS",
    "SECURE",
    "SERVER",
    "SIZE",
    "STORAGE",
    "STORE",
    "STRATEGY",
    "STRENGTH",
    "SUFFIX",
    "SYMBOL",
    "TIMEOUT",
    "TTL",
    "TYPE",
    "URI",
    "URL",
    "URLS",
    "VERSION",
];
/// Names of public values.
const PUBLIC_WORDS: [&str; 3] = ["PUBLIC", "PUBLISHABLE", "ANON"];
/// Last words of names of identifiers, digests and versions, which look random and are not secret.
const IDENTIFIER_WORDS: [&str; 22] = [
    "ID",
    "IDS",
    "UUID",
    "GUID",
    "SHA",
    "SHA1",
    "SHA256",
    "COMMIT",
    "RELEASE",
    "REVISION",
    "REV",
    "REF",
    "VERSION",
    "DIGEST",
    "CHECKSUM",
    "INTEGRITY",
    "FINGERPRINT",
    "TAG",
    "ETAG",
    "BUSTER",
    "ADDRESS",
    "CONTRACT",
];
/// Words that name a public value anywhere in a name: `COMMIT_HASH`.
const VERSION_WORDS: [&str; 4] = ["COMMIT", "SHA", "REVISION", "RELEASE"];
/// Kinds of keys that browsers get.
const PUBLIC_KEYS: [[&str; 2]; 3] = [["SITE", "KEY"], ["SEARCH", "KEY"], ["MAPS", "KEY"]];
/// Depth to which values inside values (JSON, base64, pairs) are inspected.
const DEEPEST: u8 = 3;

/// Why a variable looks like a secret, if it does. `NEXT_PUBLIC_*` never does, since Next.js sends it to every browser.
pub fn secret_look(name: &str, value: &str) -> Option<SecretLook> {
    // Folders of a shell.
    let is_folder = matches!(name, "PWD" | "OLDPWD") && value.starts_with('/');
    if name.starts_with("NEXT_PUBLIC_") || is_folder {
        return None;
    }
    look(name, value, DEEPEST)
}

fn look(name: &str, value: &str, depth: u8) -> Option<SecretLook> {
    let value = value.trim();
    if value.is_empty() || is_reference(value) || is_public(value) {
        return None;
    }
    let name = Name::new(name);
    let kind = name.kind();
    // Public keys, commit ids and account identifiers look as random as secrets.
    let may_be_random = kind == NameKind::Public || name.is_identifier();
    if is_secret_shape(value)
        || (!may_be_random && is_random(value))
        || (depth > 0 && holds_a_secret(value, |name, value| look(name, value, depth - 1).is_some()))
    {
        return Some(if kind == NameKind::Secret { SecretLook::Name } else { SecretLook::Value });
    }
    let by_name = match kind {
        NameKind::Secret => !is_harmless(value, name.is_password()),
        NameKind::Weak => !is_harmless(value, false) && !is_plain_word(value),
        NameKind::Public | NameKind::Other => false,
    };
    by_name.then_some(SecretLook::Name)
}

/// The words of a name: those of `apiKey`, `API_KEY` and `api-key` are the same.
struct Name(Vec<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameKind {
    Secret,
    /// Of a secret, unless the value is an ordinary word.
    Weak,
    Public,
    Other,
}

impl Name {
    fn new(name: &str) -> Self {
        let mut words = vec![String::new()];
        let mut previous_lower = false;
        for c in name.chars() {
            if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && previous_lower) {
                words.push(String::new());
            }
            if c.is_ascii_alphanumeric() {
                words.last_mut().expect("there is always a word").push(c.to_ascii_uppercase());
            }
            previous_lower = c.is_ascii_lowercase();
        }
        words.retain(|word| !word.is_empty());
        Self(words)
    }

    fn kind(&self) -> NameKind {
        let words: Vec<&str> = self.0.iter().map(String::as_str).collect();
        // The last word for a secret is the subject of the name: `COOKIE_SECRET`, `PASSWORD_RESET_TOKEN`.
        let secret = (0..words.len()).rev().find(|at| is_secret_at(&words, *at));
        if let Some(at) = secret {
            let follows = &words[at + 1..];
            return if follows.iter().any(|word| DESCRIPTIONS.contains(word)) {
                NameKind::Other
            } else {
                NameKind::Secret
            };
        }
        let is_public_key = PUBLIC_KEYS.iter().any(|key| words.ends_with(key)) || words.last() == Some(&"SITEKEY");
        if is_public_key || words.iter().any(|word| PUBLIC_WORDS.contains(word)) {
            return NameKind::Public;
        }
        let is_weak = (0..words.len()).any(|at| WEAK_WORDS.contains(&words[at]) && is_last(&words, at));
        if is_weak { NameKind::Weak } else { NameKind::Other }
    }

    fn is_password(&self) -> bool {
        self.0.last().is_some_and(|word| PASSWORD_WORDS.iter().any(|end| word.ends_with(end)))
    }

    fn is_identifier(&self) -> bool {
        self.0.last().is_some_and(|word| IDENTIFIER_WORDS.contains(&word.as_str()))
            || self.0.iter().any(|word| VERSION_WORDS.contains(&word.as_str()))
    }
}

/// True when only qualifiers and numbers follow.
fn is_last(words: &[&str], at: usize) -> bool {
    words[at + 1..].iter().all(|word| QUALIFIERS.contains(word) || word.bytes().all(|b| b.is_ascii_digit()))
}

fn is_secret_at(words: &[&str], at: usize) -> bool {
    let word = words[at];
    // `PASSWORD1`, `TOKEN2`.
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
    if SECRET_WORDS.contains(&word) {
        return true;
    }
    if matches!(word, "KEY" | "KEYS") {
        let before = &words[..at];
        let is_public = before.iter().any(|word| PUBLIC_WORDS.contains(word));
        return !is_public && before.iter().any(|word| KEY_KINDS.contains(word));
    }
    if SECRET_ENDINGS.iter().any(|end| word.ends_with(end)) {
        return true;
    }
    let is_ending = LAST_ENDINGS.iter().any(|end| word.ends_with(end)) && !OTHER_WORDS.contains(&word);
    (is_ending || LAST_WORDS.contains(&word) || words == ["REDISCLI", "AUTH"]) && is_last(words, at)
}

#[cfg(test)]
mod tests;
