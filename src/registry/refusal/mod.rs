//! Why a registry, or the daemon on the way to it, refused a transfer: kinds of refusals, read from the daemon's message, and what they
//! mean for the user.
//!
//! In: the message of a daemon. Out: [`Refusal`] and [`Explanation`]. Pure.

mod explain;

use std::time::Duration;

use regex_lite::Regex;

pub use explain::Explanation;
pub(super) use explain::{RefusalContext, explain, ghcr_settings, shorten};

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 401: no credentials, or wrong ones.
    Unauthorized,
    /// The credentials have expired.
    Expired,
    /// 403: the credentials are valid but not sufficient.
    Denied,
    /// The repository does not exist, and the registry does not create it on a push.
    RepositoryMissing,
    /// The tag or digest does not exist (pull).
    ManifestMissing,
    /// There is no image for the requested platform (pull).
    PlatformMissing,
    ImmutableTag,
    /// 429, with the wait that the registry requests, if any.
    RateLimited {
        retry_after: Option<Duration>,
    },
    /// 5xx.
    Server {
        status: u16,
    },
    /// The connection to the registry broke or timed out.
    Connection,
    /// Nothing listens at the address of the registry.
    NotListening,
    /// The host name of the registry cannot be resolved.
    UnknownHost,
    /// The daemon does not trust the certificate of the registry.
    UntrustedCertificate,
    /// The registry speaks plain HTTP, but the daemon requires HTTPS.
    PlainHttp,
    /// The daemon's proxy refuses or is unreachable.
    Proxy,
    Quota,
    /// 413: a layer is larger than the registry, or a proxy in front of it, accepts.
    TooLarge,
    /// The registry lost a layer or received it damaged.
    BlobUnknown,
    InvalidName,
    /// The registry does not support this type of manifest or layer.
    Unsupported,
    /// The disk of the daemon is full.
    NoSpace,
    /// None of the known kinds.
    Other,
}

impl Refusal {
    /// Whether the same request may succeed later.
    pub fn is_temporary(self) -> bool {
        // Other codes, such as 501, are permanent (RFC 9110, section 15.6).
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Server { status: 500 | 502..=504 }
                | Self::Connection
                | Self::NotListening
                | Self::BlobUnknown
        )
    }

    /// Whether other credentials may help.
    pub fn is_authentication(self) -> bool {
        matches!(self, Self::Unauthorized | Self::Expired | Self::Denied)
    }
}

/// Phrases that decide whatever code or status is next to them. All words of an entry must occur; the first match wins. Lowercase.
const PHRASES: &[(&[&str], Refusal)] = &[
    (&["token has expired"], Refusal::Expired),
    (&["token is expired"], Refusal::Expired),
    (&["token expired"], Refusal::Expired),
    (&["credentials have expired"], Refusal::Expired),
    (&["no space left on device"], Refusal::NoSpace),
    (&["disk quota exceeded"], Refusal::NoSpace),
    (&["immutable"], Refusal::ImmutableTag),
    (&["tag is protected"], Refusal::ImmutableTag),
    (&["cannot be overwritten"], Refusal::ImmutableTag),
    (&["rate limit"], Refusal::RateLimited { retry_after: None }),
    (&["toomanyrequests"], Refusal::RateLimited { retry_after: None }),
    (&["too many requests"], Refusal::RateLimited { retry_after: None }),
    (&["rate exceeded"], Refusal::RateLimited { retry_after: None }),
    (&["quota"], Refusal::Quota),
    (&["storage limit"], Refusal::Quota),
    (&["exceed the configured upper limit"], Refusal::Quota),
    // Transport errors of the daemon. Before the codes, because they may quote any text.
    (&["server gave http response to https client"], Refusal::PlainHttp),
    (&["first record does not look like a tls handshake"], Refusal::PlainHttp),
    (&["x509: "], Refusal::UntrustedCertificate),
    (&["failed to verify certificate"], Refusal::UntrustedCertificate),
    (&["proxyconnect"], Refusal::Proxy),
    (&["proxy authentication required"], Refusal::Proxy),
    (&["no such host"], Refusal::UnknownHost),
    (&["name or service not known"], Refusal::UnknownHost),
    (&["connection refused"], Refusal::NotListening),
    // Pulls.
    (&["no matching manifest for"], Refusal::PlatformMissing),
    (&["does not match the specified platform"], Refusal::PlatformMissing),
    (&["no image found in", "for platform"], Refusal::PlatformMissing),
    (&["no image found in", "for architecture"], Refusal::PlatformMissing),
    (&["manifest unknown"], Refusal::ManifestMissing),
    (&["repository name not known to registry"], Refusal::RepositoryMissing),
    (&["insufficient_scope"], Refusal::Denied),
    (&["no basic auth credentials"], Refusal::Unauthorized),
    (&["incorrect username or password"], Refusal::Unauthorized),
    (&["invalid username/password"], Refusal::Unauthorized),
];

/// Error codes of registries (OCI distribution specification, "Error Codes"; distribution's own) as daemons print them: lowercase,
/// with spaces.
const CODES: &[(&str, Refusal)] = &[
    ("unauthorized", Refusal::Unauthorized),
    ("unauthenticated", Refusal::Unauthorized),
    ("authentication required", Refusal::Unauthorized),
    ("denied", Refusal::Denied),
    ("requested access to the resource is denied", Refusal::Denied),
    ("name unknown", Refusal::RepositoryMissing),
    ("name invalid", Refusal::InvalidName),
    ("invalid reference format", Refusal::InvalidName),
    ("blob unknown", Refusal::BlobUnknown),
    ("manifest blob unknown", Refusal::BlobUnknown),
    ("blob upload unknown", Refusal::BlobUnknown),
    ("blob upload invalid", Refusal::BlobUnknown),
    ("digest invalid", Refusal::BlobUnknown),
    ("size invalid", Refusal::BlobUnknown),
    ("unsupported", Refusal::Unsupported),
    ("manifest invalid", Refusal::Unsupported),
    ("unavailable", Refusal::Server { status: 503 }),
];

/// Messages of Go's network code about broken connections.
const BROKEN: &[&str] = &[
    "eof",
    "connection reset",
    "broken pipe",
    "i/o timeout",
    "client.timeout",
    "request canceled",
    "tls handshake timeout",
    "deadline exceeded",
    "use of closed network connection",
    "network is unreachable",
    "no route to host",
    "server misbehaving",
    "temporary failure in name resolution",
    "http2: ",
    "stream error",
    "malformed http",
    "server sent goaway",
    "retry exceeded",
];

impl Refusal {
    /// Classifies the message of a daemon: Docker Engine 20.10 to 29 with either image store, and Podman.
    pub(super) fn classify(text: &str) -> Self {
        let text = text.to_lowercase();
        let found = phrase(&text)
            .or_else(|| code(&text))
            .or_else(|| status(&text).and_then(of_status))
            .or_else(|| BROKEN.iter().any(|words| text.contains(words)).then_some(Self::Connection))
            .unwrap_or(Self::Other);
        match found {
            Self::RateLimited { .. } => Self::RateLimited { retry_after: retry_after(&text) },
            found => found,
        }
    }
}

fn phrase(text: &str) -> Option<Refusal> {
    PHRASES.iter().find(|(words, _)| words.iter().all(|word| text.contains(word))).map(|(_, refusal)| *refusal)
}

/// The first code in the position of a code: after the start, a line break or a colon, and before one of them.
fn code(text: &str) -> Option<Refusal> {
    CODES
        .iter()
        .filter_map(|(code, refusal)| {
            let position = text.match_indices(code).map(|(position, _)| position).find(|position| {
                let (before, after) = (&text[..*position], &text[position + code.len()..]);
                (before.is_empty() || before.ends_with(": ") || before.ends_with('\n'))
                    && (after.is_empty() || after.starts_with([':', '\n']))
            })?;
            Some((position, *refusal))
        })
        .min_by_key(|(position, _)| *position)
        .map(|(_, refusal)| refusal)
}

fn status(text: &str) -> Option<u16> {
    const PATTERN: &str = r"(?:unexpected http status|unexpected status|unexpected status code|status ?code|invalid status code from registry|https?://\S+|parsing http|error from registry):? (\d{3})\b";
    Regex::new(PATTERN).expect("a constant pattern").captures(text)?.get(1)?.as_str().parse().ok()
}

fn of_status(status: u16) -> Option<Refusal> {
    Some(match status {
        401 => Refusal::Unauthorized,
        402 => Refusal::Quota,
        403 => Refusal::Denied,
        404 => Refusal::RepositoryMissing,
        407 => Refusal::Proxy,
        408 | 425 => Refusal::Connection,
        413 => Refusal::TooLarge,
        415 => Refusal::Unsupported,
        429 => Refusal::RateLimited { retry_after: None },
        500..=599 => Refusal::Server { status },
        _ => return None,
    })
}

/// `retry-after: 1.5s`, as in GHCR's message (a Go duration), or plain seconds. The daemon does not pass on the header itself.
fn retry_after(text: &str) -> Option<Duration> {
    let pattern =
        Regex::new(r"retry[- ]after:? (\d+(?:\.\d+)?)(m|s|ms|\u{b5}s|\u{3bc}s|ns)?\b").expect("a constant pattern");
    let found = pattern.captures(text)?;
    let number: f64 = found.get(1)?.as_str().parse().ok()?;
    let seconds = match found.get(2).map_or("s", |unit| unit.as_str()) {
        "m" => number * 60.0,
        "s" => number,
        "ms" => number / 1e3,
        "ns" => number / 1e9,
        _ => number / 1e6,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests;
