//! Addresses of sites: `shop.example.com`, `http://localhost:8080`, `:8080`.

use std::fmt;
use std::net::IpAddr;

use super::error::ProxyError;

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

/// The text before the port, and the port; `None` when that is no port.
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
        return address.map(|_| ()).ok_or("what stands in brackets is no IPv6 address");
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
            Err("it ends in a number and is no IP address")
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
