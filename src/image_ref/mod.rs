//! Image references: `[domain/]path[:tag][@digest]`, by the grammar of distribution's `reference` package, and the registries they name.
//!
//! In: text. Out: [`ImageRef`] and [`RegistryHost`], or an error that says which rule is broken. Never looks anything up.

mod registry_host;

use std::fmt;

use serde::{Serialize, Serializer};

pub use registry_host::{EcrHost, RegistryHost, RegistryKind, aws_partition};

use crate::diagnostic::shown;

/// Longest repository path, without its domain (distribution, `RepositoryNameTotalLengthMax`).
const MAX_PATH: usize = 255;
/// Longest tag.
const MAX_TAG: usize = 128;

/// Tag of a reference without tag and digest.
const DEFAULT_TAG: &str = "latest";

/// A reference whose parts follow the grammar. Parsing adds nothing: a tag that was left out is `None`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageRef {
    /// `ghcr.io`, `localhost:5000`; `None` is Docker Hub.
    pub domain: Option<String>,
    pub path: String,
    pub tag: Option<String>,
    /// `sha256:…`.
    pub digest: Option<String>,
}

/// Why a text is not a reference. Values are shortened and on one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    #[error("the reference is empty")]
    Empty,
    #[error("whitespace and control characters are not allowed")]
    Space,
    #[error("a reference has no URL scheme")]
    Scheme { without: String },
    #[error("the repository name is missing")]
    NoName,
    #[error("the repository name has an empty component")]
    EmptyComponent,
    #[error("`{component}` has uppercase letters; repository names are lowercase")]
    UpperCase { component: String, lower: String },
    #[error("invalid component `{component}`: use lowercase letters and digits, separated by `.`, `_`, `__` or dashes")]
    Component { component: String },
    #[error("the repository name is longer than {MAX_PATH} characters")]
    TooLong,
    #[error("64 hexadecimal digits are an image ID, not a name")]
    ImageId,
    #[error("invalid registry host `{domain}`")]
    Host { domain: String },
    #[error("invalid port `{port}`")]
    Port { port: String },
    #[error(
        "invalid tag `{tag}`: use at most {MAX_TAG} letters, digits, `_`, `.` and `-`, starting with a letter, a digit or `_`"
    )]
    Tag { tag: String },
    #[error("invalid digest `{digest}`")]
    Digest { digest: String },
}

impl InvalidReference {
    /// One concrete action.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty | Self::NoName => "use a reference such as `ghcr.io/owner/shop:1.2`".to_owned(),
            Self::Space => "remove spaces and line breaks".to_owned(),
            Self::Scheme { without } => format!("remove the scheme: `{without}`"),
            Self::EmptyComponent => "remove the double, leading or trailing `/`".to_owned(),
            Self::UpperCase { lower, .. } => format!("use lowercase: `{lower}`"),
            Self::Component { .. } => "use a name such as `owner/my-shop`".to_owned(),
            Self::TooLong => "use a shorter name".to_owned(),
            Self::ImageId => "use a name such as `shop:1.2`".to_owned(),
            Self::Host { .. } => "use a host such as `ghcr.io` or `localhost:5000`".to_owned(),
            Self::Port { .. } => {
                "use a port from 1 to 65535 after the host; a tag goes at the end: `host:5000/shop:1.2`".to_owned()
            }
            Self::Tag { .. } => "use a tag such as `1.2` after the last `:`".to_owned(),
            Self::Digest { .. } => "use a digest of the form `sha256:` followed by 64 hexadecimal digits".to_owned(),
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

    /// The registry that the image is in; Docker Hub for a reference without a domain.
    pub fn registry(&self) -> RegistryHost {
        self.domain.as_deref().map_or_else(RegistryHost::docker_hub, RegistryHost::new)
    }

    /// True for a name without a domain and without a namespace, such as `shop:1`: no account can push it to Docker Hub.
    pub fn is_local(&self) -> bool {
        self.domain.is_none() && !self.path.contains('/')
    }

    /// The name as it was written, without tag and digest: `ghcr.io/acme/shop`.
    pub fn repository(&self) -> String {
        self.domain.as_ref().map_or_else(|| self.path.clone(), |domain| format!("{domain}/{}", self.path))
    }

    /// The path that the registry knows the repository by; Docker Hub's official images are in `library/`.
    pub fn registry_path(&self) -> String {
        let is_official = !self.path.contains('/') && self.registry().kind() == RegistryKind::DockerHub;
        if is_official { format!("library/{}", self.path) } else { self.path.clone() }
    }

    /// The repository in one spelling, however it was written: `docker.io/library/node`.
    pub fn fully_qualified_repository(&self) -> String {
        format!("{}/{}", self.registry(), self.registry_path())
    }

    /// With domain, default namespace and default tag: `docker.io/library/node:22-slim`.
    pub fn fully_qualified(&self) -> String {
        let mut text = self.fully_qualified_repository();
        let tag = self.tag.as_deref().or_else(|| self.digest.is_none().then_some(DEFAULT_TAG));
        push_suffix(&mut text, tag, self.digest.as_deref());
        text
    }

    /// The tag, `latest` when it was left out.
    pub fn tag_or_latest(&self) -> &str {
        self.tag.as_deref().unwrap_or(DEFAULT_TAG)
    }

    /// The reference with the tag `latest`, unless it has a tag or a digest.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.digest.is_none() {
            self.tag.get_or_insert_with(|| DEFAULT_TAG.to_owned());
        }
        self
    }
}

impl Serialize for ImageRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.repository();
        push_suffix(&mut text, self.tag.as_deref(), self.digest.as_deref());
        f.pad(&text)
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

/// Checks that concern the text as a whole.
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
    // The grammar allows any number.
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

/// The reference with its name in lowercase; tags are case-sensitive.
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
