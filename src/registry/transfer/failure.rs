//! What kind of failure the text of a daemon tells: a typed decision on HTTP status and registry error code.

use std::time::Duration;

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
    /// The connection to the registry was refused, broke, or timed out.
    Connection,
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
        matches!(self, Self::RateLimited { .. } | Self::Server { .. } | Self::Connection | Self::BlobUnknown)
    }

    /// Whether other credentials are what is needed.
    pub fn is_authentication(self) -> bool {
        matches!(self, Self::Unauthorized | Self::Expired | Self::Denied)
    }
}
