//! Shapes of values: secrets under any name, harmless values, and secrets hidden inside a value.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Prefixes of tokens that their issuers mark, each with the minimum length of a token.
const TOKEN_PREFIXES: [(&str, usize); 62] = [
    ("ghp_", 36),
    ("gho_", 36),
    ("ghu_", 36),
    ("ghs_", 36),
    ("ghr_", 36),
    ("github_pat_", 40),
    ("glpat-", 20),
    ("gldt-", 20),
    ("glrt-", 20),
    ("glcbt-", 20),
    ("glptt-", 20),
    ("npm_", 36),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("rk_live_", 16),
    ("rk_test_", 16),
    ("whsec_", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xoxa-", 16),
    ("xoxr-", 16),
    ("xoxs-", 16),
    ("xoxe-", 16),
    ("xoxe.", 16),
    ("xapp-", 16),
    ("AIza", 35),
    ("ya29.", 20),
    ("SG.", 40),
    ("sk-ant-", 16),
    ("sk-proj-", 16),
    ("sk-", 24),
    ("hf_", 30),
    ("gsk_", 40),
    ("dop_v1_", 40),
    ("doo_v1_", 40),
    ("shpat_", 30),
    ("shpss_", 30),
    ("shpca_", 30),
    ("shppa_", 30),
    ("dckr_pat_", 20),
    ("dckr_oat_", 20),
    ("pypi-", 40),
    ("rubygems_", 40),
    ("lin_api_", 30),
    ("ntn_", 30),
    ("hvs.", 20),
    ("tskey-", 20),
    ("sntrys_", 30),
    ("sntryu_", 30),
    ("PMAK-", 30),
    ("phx_", 30),
    ("nfp_", 30),
    ("CFPAT-", 30),
    ("ATATT", 40),
    ("sbp_", 30),
    ("sb_secret_", 20),
    ("pul-", 30),
    ("dp.st.", 30),
    ("dp.pt.", 30),
    ("EAACEdEose0cBA", 20),
    ("sq0csp-", 30),
    ("AGE-SECRET-KEY-", 40),
];
/// Addresses whose path is the credential.
const WEBHOOKS: [&str; 13] = [
    "hooks.slack.com/services/",
    "hooks.slack.com/workflows/",
    "hooks.slack.com/triggers/",
    "discord.com/api/webhooks/",
    "discordapp.com/api/webhooks/",
    ".webhook.office.com/webhookb2/",
    "outlook.office.com/webhook/",
    "api.telegram.org/bot",
    "hooks.zapier.com/hooks/catch/",
    "maker.ifttt.com/trigger/",
    "open.feishu.cn/open-apis/bot/v2/hook/",
    ".infura.io/v3/",
    ".alchemy.com/v2/",
];
/// Prefixes before a `:` that are not user names, in values such as `npm:react@18`.
const SCHEMES: [&str; 14] = [
    "acct",
    "docker",
    "file",
    "git",
    "github",
    "http",
    "https",
    "jsr",
    "mailto",
    "npm",
    "pkg",
    "sip",
    "workspace",
    "xmpp",
];
/// `${NAME}`, `{{ secrets.x }}`, `<your key>`, the ARN of a secret: placeholders, not secrets.
pub(super) fn is_reference(value: &str) -> bool {
    let whole = |open: &str, close: &str| value.starts_with(open) && value.ends_with(close);
    let is_arn = value.starts_with("arn:aws") && !value.contains(char::is_whitespace);
    let is_hidden = value.bytes().all(|b| matches!(b, b'*' | b'.'));
    (whole("${", "}") && value.matches('$').count() == 1) || whole("{{", "}}") || whole("<", ">") || is_arn || is_hidden
}

/// Switches, numbers, durations, addresses and paths are not secrets, whatever their name.
pub(super) fn is_harmless(value: &str, is_password: bool) -> bool {
    const WORDS: [&str; 14] = [
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "null",
        "none",
        "undefined",
        "enabled",
        "disabled",
        "include",
        "omit",
        "same-origin",
    ];
    if WORDS.iter().any(|word| value.eq_ignore_ascii_case(word)) {
        return true;
    }
    // Four or more digits may be a bad password.
    let longest = if is_password { 3 } else { 6 };
    let is_number = value.len() <= longest && value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_number || is_duration(value) || is_plain_address(value) || is_path(value)
}

/// `7d`, `15 minutes`, `1h30m`.
fn is_duration(value: &str) -> bool {
    const UNITS: [&str; 20] = [
        "ms", "s", "sec", "secs", "second", "seconds", "m", "min", "mins", "minute", "minutes", "h", "hour", "hours",
        "d", "day", "days", "w", "week", "weeks",
    ];
    let mut rest = value;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let after = rest[digits..].trim_start();
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        if digits == 0 || digits > 6 || !UNITS.contains(&after[..letters].to_ascii_lowercase().as_str()) {
            return false;
        }
        parts += 1;
        rest = after[letters..].trim_start();
    }
    (1..=4).contains(&parts)
}

/// `https://…`; URLs with a password were matched before.
fn is_plain_address(value: &str) -> bool {
    let scheme = value.split_once("://").map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+');
    scheme.is_some_and(is_scheme) && !value.contains(char::is_whitespace)
}

/// `/run/secrets/token`, `./keys/id.pem`, `C:\keys\id.pem`. Base64 may begin with a slash, too.
fn is_path(value: &str) -> bool {
    let is_drive = value.get(1..3) == Some(":\\") && value.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_unix = value.starts_with('/') && value.matches('/').count() > 1;
    let is_relative = ["./", "../", "~/"].iter().any(|start| value.starts_with(start));
    if !(is_drive || is_unix || is_relative) {
        return false;
    }
    let mut parts = value.split(['/', '\\']);
    parts.all(|part| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-~:@ ".contains(&b)) && !is_mixed(part, 8))
}

/// Letters of one case with at most separators between them: `lax`, `x-session`, `createdAt`, `v1`.
pub(super) fn is_plain_word(value: &str) -> bool {
    let is_version =
        value.strip_prefix('v').is_some_and(|rest| rest.len() <= 3 && rest.bytes().all(|b| b.is_ascii_digit()));
    let separators = b"-_.:,/ ";
    is_version || (value.len() <= 40 && value.bytes().all(|b| b.is_ascii_alphabetic() || separators.contains(&b)))
}

/// Keys that their issuer documents as public.
pub(super) fn is_public(value: &str) -> bool {
    const PREFIXES: [&str; 4] = ["pk_live_", "pk_test_", "phc_", "sb_publishable_"];
    let is_word = value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_word && PREFIXES.iter().any(|prefix| value.starts_with(prefix))
}

/// True for secrets under any name: keys, marked tokens, passwords in addresses, authorizations, password hashes.
pub(super) fn is_secret_shape(value: &str) -> bool {
    is_private_key(value)
        || value.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))).any(is_token)
        || is_webhook(value)
        || has_authorization(value)
        || has_password(value)
        || is_hashed_password(value)
}

/// Also with `\n` for line breaks, which leaves the first line as it is.
fn is_private_key(value: &str) -> bool {
    value.contains("-----BEGIN") && value.contains("PRIVATE KEY")
}

fn is_token(piece: &str) -> bool {
    let is_access_key = piece.len() == 20
        && (piece.starts_with("AKIA") || piece.starts_with("ASIA"))
        && piece.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    // Words may start like a token, but rarely contain digits.
    let is_marked = |(start, least): &(&str, usize)| {
        piece.len() >= *least && piece.strip_prefix(start).is_some_and(|rest| rest.bytes().any(|b| b.is_ascii_digit()))
    };
    is_access_key || TOKEN_PREFIXES.iter().any(is_marked)
}

fn is_webhook(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    WEBHOOKS.iter().filter_map(|start| value.split_once(start)).any(|(_, rest)| {
        rest.split(['?', '#', ' '])
            .next()
            .is_some_and(|path| path.bytes().filter(u8::is_ascii_alphanumeric).count() >= 12)
    })
}

/// `Bearer TOKEN` and `Basic BASE64`, also behind the name of a header.
fn has_authorization(value: &str) -> bool {
    let value = value.replace("%20", " ");
    let words: Vec<&str> = value.split_whitespace().collect();
    words.windows(2).any(|pair| {
        let scheme = pair[0].rsplit(['=', ':', '"', '\'']).next().unwrap_or_default();
        let token = pair[1].trim_matches(['"', '\'', ',', ';']);
        if scheme.eq_ignore_ascii_case("bearer") {
            let is_word = token.bytes().all(|b| b.is_ascii_lowercase()) || token.starts_with("realm=");
            return token.len() >= 8 && !is_word && !token.starts_with(['$', '<', '{']);
        }
        scheme.eq_ignore_ascii_case("basic") && decoded(token).is_some_and(|text| text.contains(':'))
    })
}

/// `scheme://user:password@host`, `user:password@host`, `jdbc:oracle:thin:user/password@host`.
fn has_password(value: &str) -> bool {
    let in_address = value.match_indices("://").any(|(at, _)| {
        let scheme = value[..at].rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '+')).next().unwrap_or_default();
        let rest = value[at + 3..].split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')).next();
        rest.is_some_and(|rest| is_user_and_password(rest, scheme))
    });
    let is_oracle = value
        .strip_prefix("jdbc:oracle:")
        .and_then(|rest| rest.split_once('/'))
        .and_then(|(_, rest)| rest.split_once('@'))
        .is_some_and(|(password, _)| is_password(password));
    in_address || is_oracle || is_without_scheme(value)
}

/// Passwords that hold `/`, `@`, `#` or `?` should be escaped, and often are not: what counts is the last `@`.
fn is_user_and_password(rest: &str, scheme: &str) -> bool {
    let Some((user, rest)) = rest.split_once(':') else { return false };
    let Some((password, _)) = rest.rsplit_once('@') else { return false };
    // `https://host/a:b@c`, `http://[::1]:80/@x`.
    if user.contains(['/', '?', '#', '@', '[']) || !is_password(password) {
        return false;
    }
    // `https://host:8080/package@1.2.3` has a port there.
    let digits = password.bytes().take_while(u8::is_ascii_digit).count();
    let may_be_port = (1..=5).contains(&digits) && password[digits..].starts_with(['/', '?', '#']);
    let has_paths = matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https" | "ws" | "wss");
    !(may_be_port && (has_paths || password.contains('?')))
}

/// `user:password@host:port/path`, `user:password@tcp(host)/name`.
fn is_without_scheme(value: &str) -> bool {
    if value.contains("://") || value.contains(char::is_whitespace) {
        return false;
    }
    let Some((user, rest)) = value.split_once(':') else { return false };
    let Some((password, host)) = rest.rsplit_once('@') else { return false };
    let is_user = !user.is_empty() && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"._%+-".contains(&b));
    // `image:tag@sha256:…`, `alias:package@1.2.3`.
    let is_host = host.starts_with(|c: char| c.is_ascii_alphabetic() || c == '[') || host.matches('.').count() == 3;
    let is_digest = ["sha256:", "sha512:"].iter().any(|start| host.starts_with(start));
    is_user
        && !SCHEMES.iter().any(|scheme| user.eq_ignore_ascii_case(scheme))
        && is_host
        && !is_digest
        && is_password(password)
}

/// Neither empty nor a placeholder.
fn is_password(text: &str) -> bool {
    let is_variable = text
        .strip_prefix('$')
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
    let is_place = ["${", "$(", "{{", "<", "[YOUR", "%("].iter().any(|start| text.starts_with(start));
    !text.is_empty() && !is_variable && !is_place && !text.bytes().all(|b| b == b'*')
}

/// bcrypt, argon2 and the hashes of `crypt(5)`.
fn is_hashed_password(value: &str) -> bool {
    let Some(hash) = value.find('$').map(|at| &value[at..]) else { return false };
    let is_bcrypt = hash.starts_with("$2") && hash.len() >= 59 && hash.matches('$').count() == 3;
    is_bcrypt
        || ["$argon2", "$apr1$", "$5$", "$6$", "$y$"].iter().any(|start| hash.starts_with(start) && hash.len() > 30)
}

/// Long, of one alphabet, and without the order of words: 32 hex digits, 40 base64 digits of all kinds, a JSON web token.
pub(super) fn is_random(value: &str) -> bool {
    if is_json_web_token(value) {
        return true;
    }
    if value.len() >= 32 && value.bytes().all(|b| b.is_ascii_hexdigit()) {
        return distinct(value) >= 8;
    }
    let is_base64 = value.len() >= 40 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b));
    let is_integrity = ["sha256-", "sha384-", "sha512-"].iter().any(|start| value.starts_with(start));
    is_base64
        && !is_integrity
        && is_mixed(value, 40)
        && distinct(value) >= 18
        && !value.split(['/', '-', '_']).all(is_word)
        // Decoded text is judged instead.
        && decoded(value).is_none()
}

fn is_json_web_token(value: &str) -> bool {
    let parts: Vec<&str> = value.split('.').collect();
    let is_part =
        |part: &&str| part.len() >= 10 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b));
    parts.len() == 3 && value.starts_with("eyJ") && parts.iter().all(is_part)
}

/// `Button`, `src`, `README`, `v2`, `page10`.
fn is_word(part: &str) -> bool {
    let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
    let tail = letters.get(1..).unwrap_or_default();
    part.len() - letters.len() <= 2
        && (tail.bytes().all(|b| b.is_ascii_lowercase()) || letters.bytes().all(|b| b.is_ascii_uppercase()))
}

/// At least `length` characters, among them digits and letters of both cases.
fn is_mixed(text: &str, length: usize) -> bool {
    text.len() >= length
        && text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && text.bytes().any(|b| b.is_ascii_uppercase())
}

fn distinct(value: &str) -> usize {
    value.bytes().collect::<std::collections::BTreeSet<_>>().len()
}

/// The text that `value` is the base64 of.
fn decoded(value: &str) -> Option<String> {
    let digits: String = value.replace("\\n", "").chars().filter(|c| !c.is_whitespace()).collect();
    let digits = digits.trim_end_matches('=');
    if digits.len() < 4 {
        return None;
    }
    let bytes = STANDARD_NO_PAD.decode(digits).or_else(|_| URL_SAFE_NO_PAD.decode(digits)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.chars().all(|c| !c.is_control() || c.is_whitespace()).then_some(text)
}

/// Looks into JSON, base64, connection strings, parameters of addresses and lists of headers. `is_secret` judges a name and its value.
pub(super) fn holds_a_secret(value: &str, is_secret: impl Fn(&str, &str) -> bool) -> bool {
    if value.starts_with(['{', '['])
        && let Ok(json) = serde_json::from_str(value)
    {
        return json_holds(&json, &is_secret);
    }
    if value.len() >= 16
        && let Some(text) = decoded(value)
    {
        // `user:password`, as `_auth` of npm has it.
        let is_login = text.split_once(':').is_some_and(|(user, password)| is_word(user) && !password.is_empty());
        return (is_login && !text.contains(char::is_whitespace) && !text.contains("://")) || is_secret("", &text);
    }
    let is_end = |c: char| c.is_whitespace() || matches!(c, ';' | '&' | '?' | ',');
    value.split(is_end).filter_map(|pair| pair.split_once('=')).any(|(name, value)| {
        let name = name.trim_matches(['"', '\'', '-']);
        let value = value.trim_matches(['"', '\'']);
        // A shared access signature (Azure, AWS) is as good as a password.
        let is_signature = name.eq_ignore_ascii_case("sig") || name.eq_ignore_ascii_case("x-amz-signature");
        is_secret(name, value) || (is_signature && value.len() >= 16)
    })
}

fn json_holds(json: &serde_json::Value, is_secret: &impl Fn(&str, &str) -> bool) -> bool {
    use serde_json::Value;
    match json {
        Value::Object(fields) => fields.iter().any(|(name, value)| match value {
            Value::String(text) => is_secret(name, text),
            value => json_holds(value, is_secret),
        }),
        Value::Array(values) => values.iter().any(|value| json_holds(value, is_secret)),
        Value::String(text) => is_secret("", text),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
