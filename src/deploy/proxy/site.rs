//! [`Site`]: an app as the proxy serves it, with its addresses and its upstream. No value in it can end a double-quoted word of a Caddyfile.

use std::fmt;
use std::net::IpAddr;

use super::error::ProxyError;
use crate::host;

/// Next.js names these files by their content (`headers` of its own server say the same).
pub(super) const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// Headers that are added unless the app sets them.
pub(super) const DEFAULT_HEADERS: &[(&str, &str)] =
    &[("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "strict-origin-when-cross-origin")];
/// The same where there is TLS.
pub(super) const TRANSPORT_SECURITY: (&str, &str) = ("Strict-Transport-Security", "max-age=31536000");
/// Headers that reveal what software runs.
pub(super) const REMOVED_HEADERS: &[&str] = &["Server", "X-Powered-By"];
/// Types that get smaller. Only answers of a known length are compressed here: Caddy's encoder holds back what is streamed.
pub(super) const COMPRESSED_TYPES: &[&str] = &[
    "text/*",
    "application/javascript*",
    "application/json*",
    "application/manifest+json*",
    "application/wasm*",
    "application/xml*",
    "image/svg+xml*",
];
/// How long a request waits for an upstream that takes no connections, in milliseconds, and how often it tries.
pub(super) const TRY_DURATION_MS: u64 = 5_000;
pub(super) const TRY_INTERVAL_MS: u64 = 100;
pub(super) const DIAL_TIMEOUT_MS: u64 = 2_000;
/// Below the five seconds after which Node.js closes an idle connection: else a request may meet one that is just being closed.
pub(super) const KEEP_ALIVE_MS: u64 = 4_000;
pub(super) const HEALTH_INTERVAL_MS: u64 = 5_000;
pub(super) const HEALTH_TIMEOUT_MS: u64 = 4_000;

/// Below those that the kernel gives to outgoing connections.
const FREE_PORTS: std::ops::Range<u16> = 20_000..30_000;

/// What the user and the app say, still text.
#[derive(Debug, Clone, Copy)]
pub struct SiteInput<'a> {
    pub app: &'a str,
    pub addresses: &'a [String],
    /// `HOST:PORT`.
    pub upstream: &'a str,
    /// `basePath` of the app; empty is none.
    pub base_path: Option<&'a str>,
    /// Responds with 2xx if the app is healthy; with `None` the proxy performs no check.
    pub health_path: Option<&'a str>,
    /// Folder on the machine of the proxy, laid out as the addresses are: `FOLDER/_next/static/…`.
    pub assets: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub(super) app: String,
    pub(super) addresses: Vec<SiteAddress>,
    pub(super) upstream: Upstream,
    /// `/docs`, or empty.
    pub(super) base_path: String,
    pub(super) health_path: Option<String>,
    pub(super) assets: Option<String>,
}

/// Where the app listens: `127.0.0.1:3000`, or `shop:3000` when the proxy shares a network with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Upstream(String);

impl Upstream {
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let wrong = |reason| ProxyError::Value {
            what: "upstream",
            text: text.to_owned(),
            reason,
            hint: "write where the app listens, such as `127.0.0.1:3000`",
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("it has no port"))?;
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        if !digits || port.parse::<u16>().map_or(true, |port| port == 0) {
            return Err(wrong("the port is a number from 1 to 65535"));
        }
        let host = host.to_ascii_lowercase();
        // Names of containers may have underscores.
        check_host(&host.replace('_', "-")).map_err(wrong)?;
        Ok(Self(format!("{host}:{port}")))
    }

    /// A free port of this machine.
    pub fn free() -> Self {
        Self(format!("127.0.0.1:{}", host::free_port(FREE_PORTS)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where this machine alone reaches it.
    pub fn loopback_port(&self) -> Option<u16> {
        self.0.strip_prefix("127.0.0.1:")?.parse().ok()
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Site {
    pub fn new(words: &SiteInput<'_>) -> Result<Self, ProxyError> {
        check_app(words.app)?;
        let mut addresses = Vec::new();
        for text in words.addresses {
            let address = SiteAddress::parse(text)?;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(ProxyError::Value {
                what: "site",
                text: words.app.to_owned(),
                reason: "it has no address",
                hint: "name one with `--domain shop.example.com`",
            });
        }
        let base_path = words.base_path.unwrap_or_default();
        check_base_path(base_path)?;
        words.health_path.map_or(Ok(()), check_health_path)?;
        let assets = words.assets.map(|folder| folder.trim_end_matches('/'));
        assets.map_or(Ok(()), |folder| check_folder("folder of assets", folder))?;
        Ok(Self {
            app: words.app.to_owned(),
            addresses,
            upstream: Upstream::parse(words.upstream)?,
            base_path: base_path.to_owned(),
            health_path: words.health_path.map(str::to_owned),
            assets: assets.map(str::to_owned),
        })
    }

    pub fn app(&self) -> &str {
        &self.app
    }

    pub fn addresses(&self) -> &[SiteAddress] {
        &self.addresses
    }

    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// What the hashed files of Next.js begin with.
    pub(super) fn hashed_assets(&self) -> String {
        format!("{}/_next/static/*", self.base_path)
    }
}

/// It becomes part of a path of the admin API.
pub(super) fn check_app(app: &str) -> Result<(), ProxyError> {
    let valid = (1..=128).contains(&app.len())
        && app.starts_with(|c: char| c.is_ascii_alphanumeric())
        && app.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if valid {
        return Ok(());
    }
    Err(ProxyError::Value {
        what: "name of an app",
        text: app.to_owned(),
        reason: "it begins with a letter or digit, and has at most 128 letters, digits, `_`, `.` and `-`",
        hint: "give another with `--name`",
    })
}

fn check_base_path(path: &str) -> Result<(), ProxyError> {
    let character = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '~' | '-');
    let segments = |path: &str| path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    if path.is_empty() || (path.starts_with('/') && path.chars().all(character) && segments(path)) {
        return Ok(());
    }
    Err(ProxyError::Value {
        what: "base path",
        text: path.to_owned(),
        reason: "it begins with `/`, does not end with it, and has letters, digits, `/`, `.`, `_`, `~` and `-`",
        hint: "write it as `basePath` in next.config does: `/docs`",
    })
}

fn check_health_path(path: &str) -> Result<(), ProxyError> {
    if path.starts_with('/')
        && path.bytes().all(|b| b.is_ascii_graphic() && !MEANINGFUL.contains(&char::from(b)) && b != b'#')
    {
        return Ok(());
    }
    Err(ProxyError::Value {
        what: "health path",
        text: path.to_owned(),
        reason: "it begins with `/` and has printable ASCII, without spaces, quotes, braces, `#` and `\\`",
        hint: "choose a path such as `/api/health`",
    })
}

/// What ends a quoted word of a Caddyfile or begins a placeholder, wherever it stands.
const MEANINGFUL: &[char] = &['"', '`', '\\', '{', '}'];

pub(super) fn check_folder(what: &'static str, folder: &str) -> Result<(), ProxyError> {
    let wrong = |reason, hint| ProxyError::Value { what, text: folder.to_owned(), reason, hint };
    if !folder.starts_with('/') {
        return Err(wrong("it is not absolute", "write the whole path, as the machine of the proxy has it"));
    }
    // The last three are patterns to Caddy's file matcher.
    if folder.chars().any(|c| c.is_control() || MEANINGFUL.contains(&c) || matches!(c, '*' | '?' | '[')) {
        return Err(wrong(
            "Caddy gives a meaning to quotes, braces, `\\`, `*`, `?` and `[`, and control characters have none",
            "choose a folder whose path is without them",
        ));
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    Http,
    /// With a certificate that Caddy gets and renews.
    Https,
}

/// Where a site is reached. Its text has no character that means anything to a Caddyfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteAddress {
    pub scheme: Scheme,
    /// Lower case; `None` is any.
    host: Option<String>,
    pub port: u16,
}

/// Last labels of names for which no public authority gives a certificate (RFC 6761, RFC 6762, RFC 9476, and what is usual at home).
const PRIVATE_ENDINGS: &[&str] =
    &["localhost", "local", "internal", "test", "example", "invalid", "home.arpa", "lan", "home", "corp", "intranet"];

impl SiteAddress {
    /// `[http://|https://]HOST[:PORT]` or `:PORT`. Without a scheme a public name is served with TLS, and anything else without.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let wrong = |reason| ProxyError::Value {
            what: "site address",
            text: text.to_owned(),
            reason,
            hint: "write a domain (`shop.example.com`), `localhost`, `localhost:8080` or `:8080`",
        };
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Some(Scheme::Http), rest),
            Some(("https", rest)) => (Some(Scheme::Https), rest),
            Some(_) => return Err(wrong("only `http://` and `https://` are served")),
            None => (None, text),
        };
        if rest.contains('/') {
            return Err(wrong("a path is not part of it: the app's `basePath` is"));
        }
        let (host, port) = split_port(rest).ok_or_else(|| wrong("the port is a number from 1 to 65535"))?;
        let host = host.to_ascii_lowercase();
        let host = if host.is_empty() { None } else { Some(host) };
        if let Some(host) = &host {
            check_host(host).map_err(wrong)?;
        }
        if host.is_none() && port.is_none() {
            return Err(wrong("it has neither name nor port"));
        }
        if host.is_none() && scheme == Some(Scheme::Https) {
            return Err(wrong("a certificate needs a name"));
        }
        let public = host.as_deref().is_some_and(is_public);
        let scheme = scheme.unwrap_or(if public && port != Some(80) { Scheme::Https } else { Scheme::Http });
        let port = port.unwrap_or(if scheme == Scheme::Https { 443 } else { 80 });
        Ok(Self { scheme, host, port })
    }

    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The only address to listen on, for names that mean this machine.
    pub(super) fn bind(&self) -> Option<&'static str> {
        let host = self.host.as_deref()?;
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) if address.is_loopback() => Some("[::1]"),
            Ok(address) if address.is_loopback() => Some("127.0.0.1"),
            Err(_) if host == "localhost" || host.ends_with(".localhost") => Some("127.0.0.1"),
            _ => None,
        }
    }

    /// As Caddy's JSON has it.
    pub(super) fn listen(&self) -> String {
        format!("{}:{}", self.bind().unwrap_or_default(), self.port)
    }
}

impl fmt::Display for SiteAddress {
    /// With what a Caddyfile needs to mean the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http if self.host.is_some() => "http://",
            Scheme::Https if !self.host.as_deref().is_some_and(is_public) => "https://",
            _ => "",
        };
        write!(f, "{scheme}{}", self.host.as_deref().unwrap_or_default())?;
        match (self.scheme, self.port) {
            (Scheme::Https, 443) => Ok(()),
            (Scheme::Http, 80) if self.host.is_some() => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}

/// The text before the port, and the port; `None` for an invalid port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        // Inside of `[::1]`.
        Some((_, after)) if after.ends_with(']') => Some((text, None)),
        Some((host, port)) => {
            let port = port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse::<u16>().ok()).flatten()?;
            (port > 0).then_some((host, Some(port)))
        }
        None => Some((text, None)),
    }
}

pub(super) fn check_host(host: &str) -> Result<(), &'static str> {
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<std::net::Ipv6Addr>().ok());
        return address.map(|_| ()).ok_or("the address in brackets is not a valid IPv6 address");
    }
    if host.starts_with("*.") {
        return Err("a certificate for all names of a domain needs a module of its DNS provider");
    }
    if !host.is_ascii() {
        return Err("names with other letters are written in their `xn--` form");
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if host.len() <= 253 && host.split('.').all(label) {
        let last = host.rsplit('.').next().unwrap_or_default();
        let number = last.bytes().all(|b| b.is_ascii_digit());
        return if number && host.parse::<IpAddr>().is_err() {
            Err("it ends in a number but is not an IP address")
        } else {
            Ok(())
        };
    }
    Err("the name has letters, digits, `-` and `.` only, and at most 63 of them between two dots")
}

fn is_public(host: &str) -> bool {
    let private = |ending: &str| host.strip_suffix(ending).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    host.contains('.')
        && !host.starts_with('[')
        && host.parse::<IpAddr>().is_err()
        && !PRIVATE_ENDINGS.iter().any(|ending| private(ending))
}
