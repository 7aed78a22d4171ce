//! What kind of failure the text of a daemon tells: a typed decision on HTTP status and registry error code.

use std::time::Duration;

use regex_lite::Regex;

/// The kinds of refusal that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// 401: no credentials, or wrong ones.
    Unauthorized,
    /// The credentials were right once, and have expired.
    Expired,
    /// 403: the credentials are known, and may not do this.
    Denied,
    /// The repository does not exist, and the registry does not make it by itself.
    RepositoryMissing,
    /// The tag or digest does not exist (pull).
    ManifestMissing,
    /// No image of the wanted platform behind the reference (pull).
    PlatformMissing,
    ImmutableTag,
    /// 429, with the time that the registry wants to be left alone where it says so.
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
    /// The certificate of the registry is not trusted by the daemon.
    UntrustedCertificate,
    /// The registry speaks plain HTTP, and the daemon wants HTTPS.
    PlainHttp,
    /// The daemon's proxy refused or cannot be reached.
    Proxy,
    Quota,
    /// 413: a layer is larger than the registry or a proxy before it takes.
    TooLarge,
    /// The registry lost a layer, or it arrived damaged.
    BlobUnknown,
    InvalidName,
    /// The registry does not take this type of manifest or layer.
    Unsupported,
    /// The disk of the daemon is full.
    NoSpace,
    /// Not told apart.
    Other,
}

impl Failure {
    /// Whether the same request may succeed a little later.
    pub fn is_temporary(self) -> bool {
        // Other codes, such as 501, say what the server is, not how it is at the moment (RFC 9110, section 15.6).
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Server { status: 500 | 502..=504 }
                | Self::Connection
                | Self::NotListening
                | Self::BlobUnknown
        )
    }

    /// Whether other credentials are what is needed.
    pub fn is_authentication(self) -> bool {
        matches!(self, Self::Unauthorized | Self::Expired | Self::Denied)
    }
}

/// What certain words say, whatever code or status stands beside them. The first that fits wins; all are lower case.
const PHRASES: &[(&[&str], Failure)] = &[
    (&["token has expired"], Failure::Expired),
    (&["token is expired"], Failure::Expired),
    (&["token expired"], Failure::Expired),
    (&["credentials have expired"], Failure::Expired),
    (&["no space left on device"], Failure::NoSpace),
    (&["disk quota exceeded"], Failure::NoSpace),
    (&["immutable"], Failure::ImmutableTag),
    (&["tag is protected"], Failure::ImmutableTag),
    (&["cannot be overwritten"], Failure::ImmutableTag),
    (&["rate limit"], Failure::RateLimited { retry_after: None }),
    (&["toomanyrequests"], Failure::RateLimited { retry_after: None }),
    (&["too many requests"], Failure::RateLimited { retry_after: None }),
    (&["rate exceeded"], Failure::RateLimited { retry_after: None }),
    (&["quota"], Failure::Quota),
    (&["storage limit"], Failure::Quota),
    (&["exceed the configured upper limit"], Failure::Quota),
    // Transport of the daemon; these come before the codes because they may quote any text.
    (&["server gave http response to https client"], Failure::PlainHttp),
    (&["first record does not look like a tls handshake"], Failure::PlainHttp),
    (&["x509: "], Failure::UntrustedCertificate),
    (&["failed to verify certificate"], Failure::UntrustedCertificate),
    (&["proxyconnect"], Failure::Proxy),
    (&["proxy authentication required"], Failure::Proxy),
    (&["no such host"], Failure::UnknownHost),
    (&["name or service not known"], Failure::UnknownHost),
    (&["connection refused"], Failure::NotListening),
    // Pulls.
    (&["no matching manifest for"], Failure::PlatformMissing),
    (&["does not match the specified platform"], Failure::PlatformMissing),
    (&["no image found in", "for platform"], Failure::PlatformMissing),
    (&["no image found in", "for architecture"], Failure::PlatformMissing),
    (&["manifest unknown"], Failure::ManifestMissing),
    (&["repository name not known to registry"], Failure::RepositoryMissing),
    (&["insufficient_scope"], Failure::Denied),
    (&["no basic auth credentials"], Failure::Unauthorized),
    (&["incorrect username or password"], Failure::Unauthorized),
    (&["invalid username/password"], Failure::Unauthorized),
];

/// Error codes of registries (OCI distribution specification, "Error Codes"; distribution's own) as daemons print them: lower case,
/// with spaces.
const CODES: &[(&str, Failure)] = &[
    ("unauthorized", Failure::Unauthorized),
    ("unauthenticated", Failure::Unauthorized),
    ("authentication required", Failure::Unauthorized),
    ("denied", Failure::Denied),
    ("requested access to the resource is denied", Failure::Denied),
    ("name unknown", Failure::RepositoryMissing),
    ("name invalid", Failure::InvalidName),
    ("invalid reference format", Failure::InvalidName),
    ("blob unknown", Failure::BlobUnknown),
    ("manifest blob unknown", Failure::BlobUnknown),
    ("blob upload unknown", Failure::BlobUnknown),
    ("blob upload invalid", Failure::BlobUnknown),
    ("digest invalid", Failure::BlobUnknown),
    ("size invalid", Failure::BlobUnknown),
    ("unsupported", Failure::Unsupported),
    ("manifest invalid", Failure::Unsupported),
    ("unavailable", Failure::Server { status: 503 }),
];

/// Texts of Go's network code that tell of a connection that did not last.
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

impl Failure {
    /// Reads the text of a daemon: Docker Engine 20.10 to 29 with either image store, and Podman.
    pub(super) fn of(text: &str) -> Self {
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

fn phrase(text: &str) -> Option<Failure> {
    PHRASES.iter().find(|(words, _)| words.iter().all(|word| text.contains(word))).map(|(_, failure)| *failure)
}

/// The first code that stands where a code can stand: after the beginning, a line break or a colon, and before one of them.
fn code(text: &str) -> Option<Failure> {
    CODES
        .iter()
        .filter_map(|(code, failure)| {
            let position = text.match_indices(code).map(|(position, _)| position).find(|position| {
                let (before, after) = (&text[..*position], &text[position + code.len()..]);
                (before.is_empty() || before.ends_with(": ") || before.ends_with('\n'))
                    && (after.is_empty() || after.starts_with([':', '\n']))
            })?;
            Some((position, *failure))
        })
        .min_by_key(|(position, _)| *position)
        .map(|(_, failure)| failure)
}

fn status(text: &str) -> Option<u16> {
    const PATTERN: &str = r"(?:unexpected http status|unexpected status|unexpected status code|status ?code|invalid status code from registry|https?://\S+|parsing http|error from registry):? (\d{3})\b";
    Regex::new(PATTERN).expect("a constant pattern").captures(text)?.get(1)?.as_str().parse().ok()
}

fn of_status(status: u16) -> Option<Failure> {
    Some(match status {
        401 => Failure::Unauthorized,
        402 => Failure::Quota,
        403 => Failure::Denied,
        404 => Failure::RepositoryMissing,
        407 => Failure::Proxy,
        408 | 425 => Failure::Connection,
        413 => Failure::TooLarge,
        415 => Failure::Unsupported,
        429 => Failure::RateLimited { retry_after: None },
        500..=599 => Failure::Server { status },
        _ => return None,
    })
}

/// `retry-after: 1.5s`, as GHCR writes it in its message (a Go duration), or plain seconds. The header itself stays with the daemon.
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
