//! What only a cluster is asked for.

use crate::deploy::manifest::error::ManifestError;

/// What a cluster needs to know besides the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubernetesOptions {
    pub namespace: Option<String>,
    pub replicas: u32,
    /// Names that an Ingress leads to the app; empty makes none.
    pub hosts: Vec<String>,
    pub ingress_class: Option<String>,
    /// Secret with the certificate of the hosts.
    pub tls_secret: Option<String>,
    /// Secret with the values of the app's secrets, one key each.
    pub secret: Option<String>,
    /// Secret with the credentials of the registry.
    pub pull_secret: Option<String>,
}

impl KubernetesOptions {
    /// Every name is one that the cluster takes.
    pub(super) fn check(&self) -> Result<(), ManifestError> {
        let names = [
            ("namespace", &self.namespace),
            ("Secret", &self.secret),
            ("Secret", &self.tls_secret),
            ("Secret", &self.pull_secret),
            ("class of an Ingress", &self.ingress_class),
        ];
        for (what, name) in names {
            name.as_deref().map_or(Ok(()), |name| check_name(what, name))?;
        }
        self.hosts.iter().try_for_each(|host| check_name("host", host.strip_prefix("*.").unwrap_or(host)))
    }
}

/// A subdomain of DNS (RFC 1123).
fn check_name(what: &'static str, name: &str) -> Result<(), ManifestError> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(());
    }
    Err(ManifestError::Value {
        what,
        text: name.to_owned(),
        reason: "it has lower case letters, digits, `-` and `.` only",
    })
}
