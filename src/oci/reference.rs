//! Image references: `[domain/]path[:tag][@digest]`, by the grammar of distribution's `reference` package.

use std::fmt;

/// Longest repository name with its domain (distribution, `NameTotalLengthMax`).
const MAX_NAME: usize = 255;
/// Longest tag.
const MAX_TAG: usize = 128;

/// A reference whose parts follow the grammar; nothing is added that was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `ghcr.io`, `localhost:5000`; `None` is Docker Hub.
    pub domain: Option<String>,
    pub path: String,
    pub tag: Option<String>,
    /// `sha256:…`.
    pub digest: Option<String>,
}

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidReference(pub String);

impl Reference {
    /// Reads a reference.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
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
        check_path(path)?;
        if name.len() > MAX_NAME {
            return Err(InvalidReference(format!("the name is longer than {MAX_NAME} characters")));
        }
        if domain.is_none() && path.len() == 64 && path.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidReference("64 hexadecimal digits are an image id, not a name".to_owned()));
        }
        Ok(Self { domain: domain.map(str::to_owned), path: path.to_owned(), tag, digest })
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

impl fmt::Display for Reference {
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
    let valid_port = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    if valid_host && valid_port { Ok(()) } else { Err(InvalidReference(format!("`{domain}` is no registry host"))) }
}

fn is_host_label(label: &str) -> bool {
    !label.is_empty()
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn check_path(path: &str) -> Result<(), InvalidReference> {
    match path.split('/').find(|component| !is_path_component(component)) {
        None => Ok(()),
        Some("") => Err(InvalidReference("a part of the name is empty".to_owned())),
        Some(component) if component.bytes().any(|b| b.is_ascii_uppercase()) => {
            Err(InvalidReference(format!("`{component}` has upper case letters; image names are lower case")))
        }
        Some(component) => Err(InvalidReference(format!(
            "`{component}` may hold lower case letters and digits, with single `.`, `_`, `__` or dashes between them"
        ))),
    }
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
    if is_tag(tag) {
        return Ok(tag.to_owned());
    }
    Err(InvalidReference(format!(
        "a tag holds letters, digits, `_`, `.` and `-`, at most {MAX_TAG}, and begins with a letter, a digit or `_`"
    )))
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
    if valid { Ok(digest.to_owned()) } else { Err(InvalidReference(format!("`{digest}` is no digest"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Option<String>, String, Option<String>, Option<String>) {
        let reference = Reference::parse(text).unwrap();
        assert_eq!(reference.to_string(), text);
        (reference.domain, reference.path, reference.tag, reference.digest)
    }

    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(parts("localhost:5000/app"), (Some("localhost:5000".into()), "app".into(), None, None));
        assert_eq!(parts("node:22-slim"), (None, "node".into(), Some("22-slim".into()), None));
        let digest = format!("sha256:{}", "a".repeat(64));
        let (domain, path, tag, found) = parts(&format!("[::1]:5000/a/b__c:T.1@{digest}"));
        assert_eq!((domain.as_deref(), path.as_str(), tag.as_deref()), (Some("[::1]:5000"), "a/b__c", Some("T.1")));
        assert_eq!(found, Some(digest));
    }

    #[test]
    fn what_the_grammar_forbids_is_an_error() {
        for text in [
            "",
            "App",
            "a//b",
            "a___b",
            "-a",
            "a-",
            "a:",
            "a:-x",
            "a b",
            "a\nb",
            "a@sha256:12",
            "ex-.com/a",
            "a/b:c/d",
            "a.com:x/b",
            "é",
            "a$b",
            "a\"b",
            "a:b c",
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
        assert!(Reference::parse(&"a".repeat(256)).is_err());
        assert!(Reference::parse(&"0".repeat(64)).is_err());
        assert!(Reference::parse(&format!("a:{}", "b".repeat(129))).is_err());
    }

    #[test]
    fn names_are_qualified_as_docker_does() {
        let full = |text: &str| Reference::parse(text).unwrap().fully_qualified();
        assert_eq!(full("node:22-slim"), "docker.io/library/node:22-slim");
        assert_eq!(full("team/app"), "docker.io/team/app:latest");
        assert_eq!(full("gcr.io/distroless/nodejs22-debian13"), "gcr.io/distroless/nodejs22-debian13:latest");
    }
}
