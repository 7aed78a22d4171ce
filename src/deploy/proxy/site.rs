//! [`Site`]: an app as the proxy sees it. What is in it is safe to stand in a Caddyfile between double quotes.

use std::fmt;

use super::address::{SiteAddress, check_host};
use super::error::ProxyError;
use crate::host;

/// Below those that the kernel gives to outgoing connections.
const FREE_PORTS: std::ops::Range<u16> = 20_000..30_000;

/// What the user and the app say, still text.
#[derive(Debug, Clone, Copy)]
pub struct SiteWords<'a> {
    pub app: &'a str,
    pub addresses: &'a [String],
    /// `HOST:PORT`.
    pub upstream: &'a str,
    /// `basePath` of the app; empty is none.
    pub base_path: Option<&'a str>,
    /// What answers with 2xx when the app is well; `None` is no check by the proxy.
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

    /// A port of this machine that nobody listens on.
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
    pub fn new(words: &SiteWords<'_>) -> Result<Self, ProxyError> {
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
