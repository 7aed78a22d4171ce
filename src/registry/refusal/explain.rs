//! What a refusal means at this registry, and what to do.

use regex_lite::Regex;

use super::Refusal;
use crate::diagnostic::printable;
use crate::image_ref::{ImageRef, RegistryHost, RegistryKind};
use crate::registry::{Access, Credential, Login};

/// The meaning of a refusal, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Stable identifier, `registry/denied`.
    pub code: &'static str,
    /// Continues "… was refused: "; one line.
    pub meaning: String,
    /// One concrete action.
    pub action: String,
}

/// A refusal with everything that its explanation depends on.
pub(in crate::registry) struct RefusalContext<'a> {
    pub(in crate::registry) reference: &'a ImageRef,
    pub(in crate::registry) access: Access,
    pub(in crate::registry) credential: &'a Credential,
    pub(in crate::registry) refusal: Refusal,
    /// The daemon's message, untrusted.
    pub(in crate::registry) message: &'a str,
}

/// Longest daemon message that is shown, in characters; some quote whole pages.
pub(super) const MAX_MESSAGE: usize = 400;

/// A daemon's message on one line, shortened.
pub(in crate::registry) fn shorten(message: &str) -> String {
    let line = message.trim().replace("\r\n", "\n").replace('\n', "; ");
    let line = printable(&line);
    if line.chars().count() <= MAX_MESSAGE {
        line
    } else {
        line.chars().take(MAX_MESSAGE).chain("…".chars()).collect()
    }
}

impl RefusalContext<'_> {
    fn host(&self) -> RegistryHost {
        self.reference.registry()
    }

    /// Path of the repository without its host.
    fn repository(&self) -> &str {
        &self.reference.path
    }

    fn is_anonymous(&self) -> bool {
        self.credential.login == Login::Anonymous
    }

    /// The credentials in words.
    fn credentials(&self) -> String {
        if self.is_anonymous() {
            let tried: Vec<String> = self.credential.tried.iter().map(|place| printable(place)).collect();
            format!("none were found ({})", tried.join("; "))
        } else {
            format!("with the credentials from {}", printable(&self.credential.origin))
        }
    }

    fn quoted(&self) -> String {
        shorten(self.message)
    }
}

fn explanation(code: &'static str, meaning: String, action: impl Into<String>) -> Explanation {
    Explanation { code, meaning, action: action.into() }
}

pub(in crate::registry) fn explain(context: &RefusalContext) -> Explanation {
    let (host, message) = (context.host(), context.quoted());
    match context.refusal {
        Refusal::Unauthorized | Refusal::Expired | Refusal::Denied => denied(context),
        Refusal::RepositoryMissing => repository_missing(context),
        Refusal::RateLimited { .. } => rate_limited(context),
        Refusal::ManifestMissing => explanation(
            "registry/not-found",
            format!("no such tag or digest: {message}"),
            "check the reference; the registry's page lists the tags of the repository",
        ),
        Refusal::PlatformMissing => explanation(
            "registry/no-platform",
            format!("it has no image for this platform: {message}"),
            "choose an available platform with `--platform`",
        ),
        Refusal::ImmutableTag => explanation(
            "registry/immutable-tag",
            format!("the tag exists and cannot be overwritten: {message}"),
            "use another tag (`type=sha` creates one per commit), or delete the tag in the registry first",
        ),
        Refusal::Server { status } => explanation(
            "registry/server-error",
            format!("`{host}` returned a server error ({status}): {message}"),
            "try again later, and check the status page of the registry",
        ),
        Refusal::BlobUnknown => explanation(
            "registry/blob-unknown",
            format!("`{host}` lost a layer during the upload: {message}"),
            "push again; if it persists, check the storage of the registry and the proxies in front of it",
        ),
        Refusal::InvalidName => explanation(
            "registry/invalid-name",
            format!("`{host}` does not accept this name: {message}"),
            "use lowercase letters, digits and single `.`, `_` or `-`, and no more levels than the registry allows",
        ),
        Refusal::Unsupported => explanation(
            "registry/unsupported",
            format!("`{host}` does not support this type of image: {message}"),
            "update the registry, or build with a daemon that does not use the containerd image store",
        ),
        Refusal::Quota => explanation(
            "registry/quota",
            format!("the storage quota at `{host}` is exceeded: {message}"),
            "delete old images there, or raise the quota",
        ),
        Refusal::TooLarge => explanation(
            "registry/too-large",
            format!("a layer is larger than `{host}` accepts: {message}"),
            "raise the limit of the proxy in front of the registry (nginx: `client_max_body_size 0`)",
        ),
        Refusal::NoSpace => explanation(
            "registry/no-space",
            format!("a disk is full: {message}"),
            "free space on the daemon's disk (`docker system df` shows the usage)",
        ),
        Refusal::Other => explanation(
            "registry/refused",
            message,
            "check the logs of the daemon (`journalctl -u docker`) and of the registry",
        ),
        _ => connection(context),
    }
}

/// Refusals on the way to the registry.
fn connection(context: &RefusalContext) -> Explanation {
    let (host, message) = (context.host(), context.quoted());
    match context.refusal {
        Refusal::UnknownHost => explanation(
            "registry/unknown-host",
            format!("the daemon cannot resolve the host name `{host}`: {message}"),
            "check the spelling of the registry, and the DNS and proxy settings of the Docker daemon",
        ),
        Refusal::NotListening => explanation(
            "registry/unreachable",
            format!("nothing listens at `{host}`: {message}"),
            "check host and port of the registry; `localhost` is the machine that runs the Docker daemon",
        ),
        Refusal::UntrustedCertificate => explanation(
            "registry/untrusted-certificate",
            format!("the Docker daemon does not trust the certificate of `{host}`: {message}"),
            format!(
                "copy the authority's PEM file to `/etc/docker/certs.d/{host}/ca.crt` on the machine that runs the Docker daemon"
            ),
        ),
        Refusal::PlainHttp => explanation(
            "registry/plain-http",
            format!("`{host}` speaks plain HTTP, but the Docker daemon requires HTTPS"),
            format!(
                "set up a certificate for the registry, or add `\"insecure-registries\": [\"{host}\"]` to the daemon's `/etc/docker/daemon.json` and restart it"
            ),
        ),
        Refusal::Proxy => explanation(
            "registry/proxy",
            format!("the proxy of the Docker daemon does not connect to `{host}`: {message}"),
            "fix `HTTPS_PROXY` and `NO_PROXY` of the Docker daemon (`systemctl show --property=Environment docker`); it does not use those of this shell",
        ),
        _ => explanation(
            "registry/connection",
            format!("the daemon lost its connection to `{host}`: {message}"),
            "check the network between the Docker daemon and the registry, then try again",
        ),
    }
}

fn repository_missing(context: &RefusalContext) -> Explanation {
    let (host, repository, message) = (context.host(), context.repository(), context.quoted());
    let action = match (host.kind(), context.access) {
        (_, Access::Pull) => "check the name of the repository and its read permissions".to_owned(),
        (RegistryKind::Ecr(_) | RegistryKind::EcrPublic, Access::Push) => {
            format!("add `--create-repository`, or run `nextdeploy ecr ensure-repository {host}/{repository}` once")
        }
        _ => format!("create the repository `{repository}` at `{host}` first, or fix the name"),
    };
    explanation("registry/repository-missing", format!("`{host}` has no repository `{repository}`: {message}"), action)
}

fn rate_limited(context: &RefusalContext) -> Explanation {
    let (host, message) = (context.host(), context.quoted());
    let action = if host.kind() == RegistryKind::DockerHub && context.is_anonymous() {
        "log in to Docker Hub with `--username` and `--password` (an access token) for a higher limit"
    } else {
        "wait a few minutes, and run fewer jobs at the same time"
    };
    explanation("registry/rate-limited", format!("`{host}` received too many requests: {message}"), action)
}

fn denied(context: &RefusalContext) -> Explanation {
    let host = context.host();
    let text = context.message.to_lowercase();
    match host.kind() {
        RegistryKind::Ghcr => ghcr(context, &text),
        RegistryKind::Ecr(_) | RegistryKind::EcrPublic => ecr(context),
        RegistryKind::DockerHub => docker_hub(context),
        RegistryKind::Other if is_gitlab(context, &text) => gitlab(context),
        RegistryKind::Other => any(context),
    }
}

fn verb(context: &RefusalContext) -> &'static str {
    match context.access {
        Access::Pull => "pulling",
        Access::Push => "pushing",
    }
}

/// Code and meaning that apply to every registry.
fn general(context: &RefusalContext) -> (&'static str, String) {
    let (host, credentials, message) = (context.host(), context.credentials(), context.quoted());
    if context.is_anonymous() {
        return ("registry/no-credentials", format!("`{host}` requires credentials, but {credentials}: {message}"));
    }
    match context.refusal {
        Refusal::Expired => {
            ("registry/expired", format!("the credentials for `{host}` have expired, {credentials}: {message}"))
        }
        Refusal::Denied => {
            ("registry/denied", format!("`{host}` does not allow {} {credentials}: {message}", verb(context)))
        }
        _ => ("registry/unauthorized", format!("`{host}` rejected the login {credentials}: {message}")),
    }
}

fn any(context: &RefusalContext) -> Explanation {
    let (code, meaning) = general(context);
    let action = match context.refusal {
        _ if context.is_anonymous() => {
            "set `--username` and `--password` (or `NEXTDEPLOY_USERNAME` and `NEXTDEPLOY_PASSWORD`), or `DOCKER_AUTH_CONFIG`"
                .to_owned()
        }
        Refusal::Denied => {
            format!("grant this user the permission for {} in `{}`", verb(context), context.repository())
        }
        _ => "check user name and password or token, and that the token has not expired".to_owned(),
    };
    explanation(code, meaning, action)
}

fn ghcr(context: &RefusalContext, text: &str) -> Explanation {
    let (owner, package) = context.repository().split_once('/').unwrap_or((context.repository(), ""));
    let settings = ghcr_settings(&context.host(), context.repository()).unwrap_or_default();
    let (code, meaning) = general(context);
    if context.is_anonymous() {
        let action = match context.access {
            Access::Push => {
                "pass `GITHUB_TOKEN` to the step and add `permissions: packages: write` to the job, or set `--username` and `--password`"
            }
            Access::Pull => {
                "set `--username` and `--password` (a token with the scope `read:packages`), or make the package public"
            }
        };
        return explanation(code, meaning, action);
    }
    if text.contains("installation not allowed to create") {
        return explanation(
            "registry/ghcr-create-package",
            format!("the organization `{owner}` does not allow this token to create packages: {}", context.quoted()),
            "add `permissions: packages: write` to the job, and allow package creation in the organization's settings (Packages)",
        );
    }
    if text.contains("write_package") || text.contains("belongs to another repository") {
        return explanation(
            "registry/ghcr-write-package",
            format!(
                "the token has no write access to the package `{package}` of `{owner}`: it belongs to another repository or was created manually, or the job lacks the permission ({})",
                context.quoted()
            ),
            format!(
                "add `permissions: packages: write` to the job, and this repository with the role Write under \"Manage Actions access\" at {settings}"
            ),
        );
    }
    let action = match context.access {
        Access::Push => format!(
            "add `permissions: packages: write` to the job; a personal access token needs the scope `write:packages`, and access to the package, which is set at {settings}"
        ),
        Access::Pull => {
            format!("the token needs the scope `read:packages`; read access to the package is set at {settings}")
        }
    };
    explanation(code, meaning, action)
}

fn ecr(context: &RefusalContext) -> Explanation {
    let (code, meaning) = general(context);
    if let Some((action, resource)) = missing_permission(context.message) {
        return explanation(
            "registry/ecr-access-denied",
            format!("the action `{action}` on `{resource}` is not allowed: {}", context.quoted()),
            format!(
                "allow `{action}` on `{resource}`; `nextdeploy ecr policy {}/{}` prints a policy for a push",
                context.host(),
                context.repository()
            ),
        );
    }
    let action = match context.refusal {
        _ if context.is_anonymous() => {
            "set AWS credentials (`aws-actions/configure-aws-credentials`, a profile, or a role of the machine)"
                .to_owned()
        }
        Refusal::Expired => {
            "an ECR token is valid for 12 hours: omit `--password`, so that a new one is fetched".to_owned()
        }
        _ => format!(
            "check the AWS account and region of `{}`; a repository in another account needs a policy that allows yours",
            context.host()
        ),
    };
    explanation(code, meaning, action)
}

/// Action and resource of "is not authorized to perform: ecr:… on resource: arn:…".
fn missing_permission(message: &str) -> Option<(String, String)> {
    let pattern = Regex::new(r"not authorized to perform: (\S+) on resource: (\S+)").expect("a constant pattern");
    let found = pattern.captures(message)?;
    let text = |index: usize| found.get(index).map(|part| shorten(part.as_str()));
    Some((text(1)?, text(2)?))
}

fn docker_hub(context: &RefusalContext) -> Explanation {
    let (code, meaning) = general(context);
    let repository = context.repository();
    let action = match repository.split_once('/') {
        None if context.access == Access::Push => {
            format!("prefix the name with your user or organization: `docker.io/NAMESPACE/{repository}`")
        }
        _ if context.is_anonymous() => {
            "set `--username` and `--password` (an access token from https://hub.docker.com/settings/security)"
                .to_owned()
        }
        Some((namespace, _)) if context.refusal == Refusal::Denied => format!(
            "check that `{namespace}` is the right user or organization, and that the access token has the permission {}",
            if context.access == Access::Push { "Read & Write" } else { "Read" }
        ),
        _ => "check user name and access token (https://hub.docker.com/settings/security)".to_owned(),
    };
    explanation(code, meaning, action)
}

/// GitLab runs under any host name: it is recognized by its messages and the origin of the credentials.
fn is_gitlab(context: &RefusalContext, text: &str) -> bool {
    context.host().as_str().contains("gitlab")
        || text.contains("http basic: access denied")
        || ["CI_REGISTRY", "CI_JOB_TOKEN", "CI_DEPLOY"].iter().any(|word| context.credential.origin.contains(word))
}

fn gitlab(context: &RefusalContext) -> Explanation {
    let (code, meaning) = general(context);
    let action = if context.is_anonymous() {
        "run it in a GitLab job, where `CI_REGISTRY_USER` and `CI_REGISTRY_PASSWORD` are set, or use a deploy token with `--username` and `--password`".to_owned()
    } else if context.refusal == Refusal::Denied {
        format!(
            "use an image name under `$CI_REGISTRY_IMAGE` (`{}` belongs to another project), or a deploy token with the scope `{}`",
            context.repository(),
            if context.access == Access::Push { "write_registry" } else { "read_registry" }
        )
    } else {
        "check that the container registry is enabled for the project; a job's token is valid only while the job runs"
            .to_owned()
    };
    explanation(code, meaning, action)
}

/// The settings page of a GHCR package (access, visibility); `None` for other registries.
pub(in crate::registry) fn ghcr_settings(host: &RegistryHost, repository: &str) -> Option<String> {
    if host.kind() != RegistryKind::Ghcr {
        return None;
    }
    let (owner, package) = repository.split_once('/')?;
    let package = package.replace('/', "%2F");
    Some(format!(
        "https://github.com/orgs/{owner}/packages/container/{package}/settings (`users` instead of `orgs` for a personal account)"
    ))
}
