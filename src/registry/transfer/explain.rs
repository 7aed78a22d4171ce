//! What a refusal means at this registry, and the one thing to do.
//!
//! In: the kind of [`Failure`], the registry by its name, the daemon's words. Pure; never guesses who is right.

use super::failure::Failure;
use crate::diagnostic::printable;
use crate::image_ref::ImageRef;
use crate::registry::{Access, Credentials, Login, RegistryHost, RegistryKind};

mod denied;
pub(super) use denied::ghcr_settings;
#[cfg(test)]
mod tests;

/// What a refusal means and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Stable identifier, `registry/denied`.
    pub code: &'static str,
    /// Continues the sentence "… was refused: …"; one line.
    pub meaning: String,
    /// One concrete action.
    pub action: String,
}

/// What is known about a refusal.
pub(super) struct Refusal<'a> {
    pub(super) reference: &'a ImageRef,
    pub(super) access: Access,
    pub(super) credentials: &'a Credentials,
    pub(super) failure: Failure,
    /// The daemon's words, untrusted.
    pub(super) message: &'a str,
}

/// Longest text of a daemon that a message shows; some quote whole pages.
const SHOWN: usize = 400;

/// The daemon's words on one line.
pub(super) fn shown(message: &str) -> String {
    let line = message.trim().replace("\r\n", "\n").replace('\n', "; ");
    let line = printable(&line);
    if line.chars().count() <= SHOWN { line } else { line.chars().take(SHOWN).chain("…".chars()).collect() }
}

impl Refusal<'_> {
    fn host(&self) -> RegistryHost {
        RegistryHost::of(self.reference)
    }

    /// Path of the repository without its host.
    fn repository(&self) -> &str {
        &self.reference.path
    }

    fn is_anonymous(&self) -> bool {
        self.credentials.login == Login::Anonymous
    }

    /// Who asked, in words.
    fn asker(&self) -> String {
        if self.is_anonymous() {
            let tried: Vec<String> = self.credentials.tried.iter().map(|place| printable(place)).collect();
            format!("none were found ({})", tried.join("; "))
        } else {
            format!("with the credentials from {}", printable(&self.credentials.origin))
        }
    }

    fn said(&self) -> String {
        shown(self.message)
    }
}

fn explanation(code: &'static str, meaning: String, action: impl Into<String>) -> Explanation {
    Explanation { code, meaning, action: action.into() }
}

pub(super) fn explain(refusal: &Refusal) -> Explanation {
    let (host, said) = (refusal.host(), refusal.said());
    match refusal.failure {
        Failure::Unauthorized | Failure::Expired | Failure::Denied => denied::explain(refusal),
        Failure::RepositoryMissing => repository_missing(refusal),
        Failure::RateLimited { .. } => rate_limited(refusal),
        Failure::ManifestMissing => explanation(
            "registry/not-found",
            format!("the registry has no such tag or digest: {said}"),
            "check the reference; the tags of the repository are listed on the registry's page",
        ),
        Failure::PlatformMissing => explanation(
            "registry/no-platform",
            format!("there is no image for this platform behind it: {said}"),
            "choose one that is there with `--platform`",
        ),
        Failure::ImmutableTag => explanation(
            "registry/immutable-tag",
            format!("the tag exists and cannot be overwritten: {said}"),
            "push under another tag (`type=sha` gives one per commit), or delete the tag in the registry first",
        ),
        Failure::Server { status } => explanation(
            "registry/server-error",
            format!("`{host}` answers with an error of its own ({status}): {said}"),
            "try again later; the status page of the registry may tell more",
        ),
        Failure::BlobUnknown => explanation(
            "registry/blob-unknown",
            format!("`{host}` lost a layer on the way: {said}"),
            "push again; if it stays so, look at the storage of the registry and at proxies before it",
        ),
        Failure::InvalidName => explanation(
            "registry/invalid-name",
            format!("`{host}` does not take this name: {said}"),
            "use lower case letters, digits and single `.`, `_` or `-`, and as many levels as the registry allows",
        ),
        Failure::Unsupported => explanation(
            "registry/unsupported",
            format!("`{host}` does not take this kind of image: {said}"),
            "update the registry, or build with a daemon that does not use the containerd image store",
        ),
        Failure::Quota => explanation(
            "registry/quota",
            format!("the storage at `{host}` is used up: {said}"),
            "delete old images there, or get a larger quota",
        ),
        Failure::TooLarge => explanation(
            "registry/too-large",
            format!("a layer is larger than `{host}` takes: {said}"),
            "raise the limit of the proxy before the registry (nginx: `client_max_body_size 0`)",
        ),
        Failure::NoSpace => explanation(
            "registry/no-space",
            format!("a disk is full: {said}"),
            "make room on the daemon's disk (`docker system df` shows what takes it)",
        ),
        Failure::Other => explanation(
            "registry/refused",
            said,
            "the daemon's log (`journalctl -u docker`) and that of the registry may tell more",
        ),
        _ => connection(refusal),
    }
}

/// What kept the daemon from speaking to the registry at all.
fn connection(refusal: &Refusal) -> Explanation {
    let (host, said) = (refusal.host(), refusal.said());
    match refusal.failure {
        Failure::UnknownHost => explanation(
            "registry/unknown-host",
            format!("the daemon cannot resolve the host name `{host}`: {said}"),
            "check the spelling of the registry, and the DNS and proxy settings of the Docker daemon",
        ),
        Failure::NotListening => explanation(
            "registry/unreachable",
            format!("nothing listens at `{host}`: {said}"),
            "check host and port of the registry; `localhost` is the machine of the Docker daemon",
        ),
        Failure::UntrustedCertificate => explanation(
            "registry/untrusted-certificate",
            format!("the Docker daemon does not trust the certificate of `{host}`: {said}"),
            format!(
                "put the authority's PEM file at `/etc/docker/certs.d/{host}/ca.crt` on the machine of the Docker daemon"
            ),
        ),
        Failure::PlainHttp => explanation(
            "registry/plain-http",
            format!("`{host}` speaks plain HTTP, and the Docker daemon wants HTTPS"),
            format!(
                "give the registry a certificate, or add `\"insecure-registries\": [\"{host}\"]` to the daemon's `/etc/docker/daemon.json` and restart it"
            ),
        ),
        Failure::Proxy => explanation(
            "registry/proxy",
            format!("the proxy of the Docker daemon does not let it through to `{host}`: {said}"),
            "correct `HTTPS_PROXY` and `NO_PROXY` of the Docker daemon (`systemctl show --property=Environment docker`); those of this shell do not reach it",
        ),
        _ => explanation(
            "registry/connection",
            format!("the connection of the daemon to `{host}` broke: {said}"),
            "check the network between the Docker daemon and the registry, then try again",
        ),
    }
}

fn repository_missing(refusal: &Refusal) -> Explanation {
    let (host, repository, said) = (refusal.host(), refusal.repository(), refusal.said());
    let action = match (host.kind(), refusal.access) {
        (_, Access::Pull) => "check the name of the repository and who may read it".to_owned(),
        (RegistryKind::Ecr(_) | RegistryKind::EcrPublic, Access::Push) => {
            format!("add `--create-repository`, or run `nextdeploy ecr ensure-repository {host}/{repository}` once")
        }
        _ => format!("create the repository `{repository}` at `{host}` first, or correct the name"),
    };
    explanation("registry/repository-missing", format!("`{host}` has no repository `{repository}`: {said}"), action)
}

fn rate_limited(refusal: &Refusal) -> Explanation {
    let (host, said) = (refusal.host(), refusal.said());
    let action = if host.kind() == RegistryKind::DockerHub && refusal.is_anonymous() {
        "log in to Docker Hub with `--username` and `--password` (an access token): the limit is higher then"
    } else {
        "wait some minutes, and let fewer jobs run at the same time"
    };
    explanation("registry/rate-limited", format!("`{host}` got too many requests: {said}"), action)
}
