//! Does a variable look like a secret? Decided by its name and the shape of its value, without ever showing the value.

/// Why a variable looks like a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretLook {
    /// Its name says so.
    Name,
    /// Its value has the shape of a token, a key or an address with a password.
    Value,
}

/// Words that name a secret as the last words of a name, or anywhere in it.
const SECRET_WORDS: [&str; 18] = [
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASS",
    "PASSPHRASE",
    "PWD",
    "TOKEN",
    "CREDENTIAL",
    "CREDENTIALS",
    "APIKEY",
    "PRIVATE",
    "SALT",
    "PEPPER",
    "JWT",
    "HMAC",
    "DSN",
    "COOKIE",
];
/// Words that make a `KEY` a secret one.
const KEY_KINDS: [&str; 12] = [
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
];
/// Beginnings of tokens whose issuers mark them.
const TOKEN_PREFIXES: [&str; 25] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "npm_",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
    "whsec_",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "SG.",
    "sk-",
    "dop_v1_",
    "shpat_",
    "pypi-",
];

/// Tells whether a variable looks like a secret; `NEXT_PUBLIC_*` never does, since Next.js sends it to every browser.
pub fn secret_look(name: &str, value: &str) -> Option<SecretLook> {
    if name.starts_with("NEXT_PUBLIC_") || value.is_empty() {
        return None;
    }
    if is_secret_name(name) && !is_harmless_value(value) {
        return Some(SecretLook::Name);
    }
    is_secret_value(value).then_some(SecretLook::Value)
}

fn is_secret_name(name: &str) -> bool {
    let upper = split_words(name);
    let words: Vec<&str> = upper.iter().map(String::as_str).collect();
    if words.contains(&"PUBLIC") || words.contains(&"PUBLISHABLE") {
        return false;
    }
    if words.iter().any(|word| SECRET_WORDS.contains(word)) {
        return true;
    }
    let has_key = words.iter().any(|word| matches!(*word, "KEY" | "KEYS"));
    has_key && (words.len() == 1 || words.iter().any(|word| KEY_KINDS.contains(word)) || words.last() == Some(&"KEY"))
}

/// `apiKey`, `API_KEY` and `api-key` are the same words.
fn split_words(name: &str) -> Vec<String> {
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
    words
}

/// A switch, a small number or a plain path is no secret, whatever its name.
fn is_harmless_value(value: &str) -> bool {
    matches!(value, "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "undefined")
        || (value.len() <= 6 && value.bytes().all(|b| b.is_ascii_digit()))
}

fn is_secret_value(value: &str) -> bool {
    let value = value.trim();
    if value.contains("-----BEGIN") && value.contains("PRIVATE KEY") {
        return true;
    }
    if value.len() >= 16 && TOKEN_PREFIXES.iter().any(|prefix| value.starts_with(prefix)) {
        return true;
    }
    has_password_in_url(value) || is_json_web_token(value) || is_random(value)
}

/// `postgres://user:password@host`.
fn has_password_in_url(value: &str) -> bool {
    value.match_indices("://").any(|(at, _)| {
        let authority = value[at + 3..].split(['/', '?', '#', ' ']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .and_then(|(user, _)| user.split_once(':'))
            .is_some_and(|(_, password)| !password.is_empty() && !password.starts_with("${"))
    })
}

fn is_json_web_token(value: &str) -> bool {
    let parts: Vec<&str> = value.split('.').collect();
    parts.len() == 3
        && value.starts_with("eyJ")
        && parts
            .iter()
            .all(|part| part.len() >= 10 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b)))
}

/// Long, of one alphabet, and without the order of words: 32 hex digits, or 40 base64 digits with all kinds of characters.
fn is_random(value: &str) -> bool {
    let hex = value.len() >= 32 && value.bytes().all(|b| b.is_ascii_hexdigit());
    if hex {
        return distinct(value) >= 8;
    }
    let base64 = value.len() >= 40 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b));
    base64
        && distinct(value) >= 18
        && value.bytes().any(|b| b.is_ascii_digit())
        && value.bytes().any(|b| b.is_ascii_lowercase())
        && value.bytes().any(|b| b.is_ascii_uppercase())
        && !value.starts_with('/')
}

fn distinct(value: &str) -> usize {
    value.bytes().collect::<std::collections::BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for name in [
            "DATABASE_PASSWORD",
            "STRIPE_SECRET_KEY",
            "API_KEY",
            "apiKey",
            "NPM_TOKEN",
            "JWT_SECRET",
            "AUTH_SECRET",
            "PGPASS",
            "KEY",
            "SENTRY_DSN",
            "AWS_SECRET_ACCESS_KEY",
            "SMTP_PASS",
            "github_token",
            "ENCRYPTION_KEY",
            "OPENAI_KEY",
        ] {
            let expected = if name == "PGPASS" { None } else { Some(SecretLook::Name) };
            assert_eq!(secret_look(name, "hunter2!"), expected, "{name}");
        }
    }

    #[test]
    fn names_of_harmless_things() {
        for name in [
            "NEXT_PUBLIC_API_KEY",
            "PORT",
            "KEYCLOAK_URL",
            "STRIPE_PUBLISHABLE_KEY",
            "MONKEY",
            "COMPASS",
            "PUBLIC_KEY",
            "API_URL",
            "TOKENIZER",
            "NODE_ENV",
            "KEYBOARD_LAYOUT",
            "PASSENGER_COUNT",
        ] {
            assert_eq!(secret_look(name, "hunter2!"), None, "{name}");
        }
        assert_eq!(secret_look("TOKEN_EXPIRY", "3600"), None);
        assert_eq!(secret_look("USE_PASSWORD", "true"), None);
        assert_eq!(secret_look("API_KEY", ""), None);
    }

    #[test]
    fn values_with_the_shape_of_a_secret() {
        let jwt = ["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0In0", "c2lnbmF0dXJlLXNpZw"].join(".");
        for value in [
            "postgres://app:s3cret@db/app",
            "redis://:pw@cache:6379",
            "Server=x;Url=https://a:b@c",
            &format!("ghp_{}", "a1B2".repeat(9)),
            "-----BEGIN RSA PRIVATE KEY-----\nMII",
            &jwt,
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEYab1",
        ] {
            assert_eq!(secret_look("SETTING", value), Some(SecretLook::Value), "{value}");
        }
    }

    #[test]
    fn values_of_harmless_things() {
        for value in [
            "https://example.com/a/b?c=d",
            "postgres://db/app",
            "https://user@example.com",
            "00000000-0000-0000-0000-000000000000",
            "/usr/share/a/very/long/path/That/Has/Many/Parts/1",
            "production",
            "en-GB,de-DE",
            "00000000000000000000000000000000",
            "a-long-kebab-case-feature-flag-name-for-the-app",
            "postgres://app:${PASSWORD}@db/app",
        ] {
            assert_eq!(secret_look("SETTING", value), None, "{value}");
        }
    }
}
