//! Image references: `[domain/]path[:tag][@digest]`, by the grammar of distribution's `reference` package.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::diagnostic::shown;

/// Longest repository path, without its domain (distribution, `RepositoryNameTotalLengthMax`).
const MAX_PATH: usize = 255;
/// Longest tag.
const MAX_TAG: usize = 128;

/// A reference whose parts follow the grammar; nothing is added that was not written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageRef {
    /// `ghcr.io`, `localhost:5000`; `None` is Docker Hub.
    pub domain: Option<String>,
    pub path: String,
    pub tag: Option<String>,
    /// `sha256:…`.
    pub digest: Option<String>,
}

/// Why a text is no reference. Values shown are cut and on one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    #[error("it is empty")]
    Empty,
    #[error("it contains a space or a control character")]
    Space,
    #[error("it begins with a scheme, which references do not have")]
    Scheme { without: String },
    #[error("the name is missing")]
    NoName,
    #[error("a part of the name is empty")]
    EmptyComponent,
    #[error("`{component}` has upper case letters; image names are lower case")]
    UpperCase { component: String, lower: String },
    #[error("`{component}` may hold lower case letters and digits, with single `.`, `_`, `__` or dashes between them")]
    Component { component: String },
    #[error("the name is longer than {MAX_PATH} characters")]
    TooLong,
    #[error("64 hexadecimal digits are an image id, not a name")]
    ImageId,
    #[error("`{domain}` is no registry host")]
    Host { domain: String },
    #[error("`{port}` is no port")]
    Port { port: String },
    #[error(
        "a tag holds letters, digits, `_`, `.` and `-`, at most {MAX_TAG}, and begins with a letter, a digit or `_`"
    )]
    Tag { tag: String },
    #[error("`{digest}` is no digest")]
    Digest { digest: String },
}

impl InvalidReference {
    /// One concrete action.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty | Self::NoName => "give a reference such as `ghcr.io/owner/shop:1.2`".to_owned(),
            Self::Space => "remove spaces and line breaks".to_owned(),
            Self::Scheme { without } => format!("leave the scheme out: `{without}`"),
            Self::EmptyComponent => "remove the doubled, leading or trailing `/`".to_owned(),
            Self::UpperCase { lower, .. } => format!("write it in lower case: `{lower}`"),
            Self::Component { .. } => "choose a name like `owner/my-shop`".to_owned(),
            Self::TooLong => "choose a shorter name".to_owned(),
            Self::ImageId => "give the image a name, such as `shop:1.2`".to_owned(),
            Self::Host { .. } => "begin with a host such as `ghcr.io` or `localhost:5000`".to_owned(),
            Self::Port { .. } => {
                "give a port from 1 to 65535 behind the host; a tag stands at the end: `host:5000/shop:1.2`".to_owned()
            }
            Self::Tag { .. } => "give a tag such as `1.2` behind the last `:`".to_owned(),
            Self::Digest { .. } => "give a digest of the form `sha256:` and 64 hexadecimal digits".to_owned(),
        }
    }
}

impl ImageRef {
    /// Reads a reference.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        check_shape(text)?;
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(check_digest(digest)?)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(check_tag(tag)?)),
            _ => (rest, None),
        };
        let (domain, path) = split_domain(name);
        if let Some(domain) = domain {
            check_domain(domain)?;
        }
        check_path(path, text)?;
        if domain.is_none() && path.len() == 64 && path.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidReference::ImageId);
        }
        Ok(Self { domain: domain.map(str::to_owned), path: path.to_owned(), tag, digest })
    }

    /// The name as it was written, without tag and digest: `ghcr.io/acme/shop`.
    pub fn repository(&self) -> String {
        self.domain.as_ref().map_or_else(|| self.path.clone(), |domain| format!("{domain}/{}", self.path))
    }

    /// With the tag `latest` when it has neither tag nor digest, as for the docker command line.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.digest.is_none() {
            self.tag.get_or_insert_with(|| "latest".to_owned());
        }
        self
    }

    /// With domain and default namespace: `docker.io/library/node:22-slim`.
    pub fn fully_qualified(&self) -> String {
        let namespace = if self.domain.is_none() && !self.path.contains('/') { "library/" } else { "" };
        let domain = self.domain.as_deref().unwrap_or("docker.io");
        let mut text = format!("{domain}/{namespace}{}", self.path);
        match (&self.tag, &self.digest) {
            (None, None) => text.push_str(":latest"),
            (tag, digest) => push_suffix(&mut text, tag.as_deref(), digest.as_deref()),
        }
        text
    }
}

impl Serialize for ImageRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.domain.as_ref().map_or_else(String::new, |domain| format!("{domain}/"));
        text.push_str(&self.path);
        push_suffix(&mut text, self.tag.as_deref(), self.digest.as_deref());
        f.write_str(&text)
    }
}

fn push_suffix(text: &mut String, tag: Option<&str>, digest: Option<&str>) {
    if let Some(tag) = tag {
        text.push(':');
        text.push_str(tag);
    }
    if let Some(digest) = digest {
        text.push('@');
        text.push_str(digest);
    }
}

/// What is wrong before any part is looked at.
fn check_shape(text: &str) -> Result<(), InvalidReference> {
    if text.is_empty() {
        return Err(InvalidReference::Empty);
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(InvalidReference::Space);
    }
    match text.split_once("://") {
        Some((_, without)) => Err(InvalidReference::Scheme { without: shown(without) }),
        None => Ok(()),
    }
}

/// The first component is a domain only when it cannot be a path component of Docker Hub.
fn split_domain(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (Some(first), rest)
        }
        _ => (None, name),
    }
}

fn check_domain(domain: &str) -> Result<(), InvalidReference> {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let valid_host = match address {
        Some(address) => !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(is_host_label),
    };
    if !valid_host {
        return Err(InvalidReference::Host { domain: shown(domain) });
    }
    // The grammar has any number; no connection has one beyond 65535.
    let is_port =
        |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse().is_ok_and(|port: u16| port != 0);
    match port.filter(|port| !is_port(port)) {
        Some(port) => Err(InvalidReference::Port { port: shown(port) }),
        None => Ok(()),
    }
}

fn is_host_label(label: &str) -> bool {
    !label.is_empty()
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn check_path(path: &str, reference: &str) -> Result<(), InvalidReference> {
    if path.is_empty() {
        return Err(InvalidReference::NoName);
    }
    if path.len() > MAX_PATH {
        return Err(InvalidReference::TooLong);
    }
    match path.split('/').find(|component| !is_path_component(component)) {
        None => Ok(()),
        Some("") => Err(InvalidReference::EmptyComponent),
        Some(component) if is_path_component(&component.to_ascii_lowercase()) => {
            Err(InvalidReference::UpperCase { component: shown(component), lower: shown(&lower_name(reference)) })
        }
        Some(component) => Err(InvalidReference::Component { component: shown(component) }),
    }
}

/// The reference with its name in lower case; tags have both cases.
fn lower_name(reference: &str) -> String {
    let end = reference.find('@').unwrap_or(reference.len());
    let last = reference[..end].rfind('/').map_or(0, |at| at + 1);
    let end = reference[last..end].find(':').map_or(end, |at| last + at);
    reference[..end].to_ascii_lowercase() + &reference[end..]
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(component: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !component.starts_with(is_alphanumeric) || !component.ends_with(is_alphanumeric) {
        return false;
    }
    component
        .split(is_alphanumeric)
        .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-'))
}

/// `[\w][\w.-]{0,127}`
pub fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

fn check_tag(tag: &str) -> Result<String, InvalidReference> {
    if is_tag(tag) { Ok(tag.to_owned()) } else { Err(InvalidReference::Tag { tag: shown(tag) }) }
}

fn check_digest(digest: &str) -> Result<String, InvalidReference> {
    let valid = digest.split_once(':').is_some_and(|(algorithm, hex)| {
        let part = |part: &str| {
            part.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
                && part.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        let length = if algorithm == "sha256" { hex.len() == 64 } else { hex.len() >= 32 };
        algorithm.split(['+', '.', '-', '_']).all(part) && length && hex.bytes().all(|b| b.is_ascii_hexdigit())
    });
    if valid { Ok(digest.to_owned()) } else { Err(InvalidReference::Digest { digest: shown(digest) }) }
}

#[cfg(test)]
mod tests;
