//! Refused credentials and missing rights, registry by registry.

use regex_lite::Regex;

use super::{Explanation, Refusal, explanation, shown};
use crate::diagnostic::printable;
use crate::registry::transfer::Failure;
use crate::registry::{Access, RegistryHost, RegistryKind};

pub(super) fn explain(refusal: &Refusal) -> Explanation {
    let host = refusal.host();
    let text = refusal.message.to_lowercase();
    match host.kind() {
        RegistryKind::Ghcr => ghcr(refusal, &text),
        RegistryKind::Ecr(_) | RegistryKind::EcrPublic => ecr(refusal),
        RegistryKind::DockerHub => docker_hub(refusal),
        RegistryKind::Other if is_gitlab(refusal, &text) => gitlab(refusal),
        RegistryKind::Other => any(refusal),
    }
}

fn verb(refusal: &Refusal) -> &'static str {
    match refusal.access {
        Access::Pull => "pulling",
        Access::Push => "pushing",
    }
}

/// Code and meaning that fit every registry.
fn plain(refusal: &Refusal) -> (&'static str, String) {
    let (host, asker, said) = (refusal.host(), refusal.asker(), refusal.said());
    if refusal.is_anonymous() {
        return ("registry/no-credentials", format!("`{host}` wants credentials, and {asker}: {said}"));
    }
    match refusal.failure {
        Failure::Expired => ("registry/expired", format!("the credentials for `{host}` have expired, {asker}: {said}")),
        Failure::Denied => ("registry/denied", format!("`{host}` does not allow {} {asker}: {said}", verb(refusal))),
        _ => ("registry/unauthorized", format!("`{host}` does not know us {asker}: {said}")),
    }
}

fn any(refusal: &Refusal) -> Explanation {
    let (code, meaning) = plain(refusal);
    let action = match refusal.failure {
        _ if refusal.is_anonymous() => {
            "give `--username` and `--password` (or `NEXTDEPLOY_USERNAME` and `NEXTDEPLOY_PASSWORD`), or `DOCKER_AUTH_CONFIG`"
                .to_owned()
        }
        Failure::Denied => {
            format!("give this user the right for {} in `{}`", verb(refusal), refusal.repository())
        }
        _ => "check user name and password or token, and that the token has not expired".to_owned(),
    };
    explanation(code, meaning, action)
}

fn ghcr(refusal: &Refusal, text: &str) -> Explanation {
    let (owner, package) = refusal.repository().split_once('/').unwrap_or((refusal.repository(), ""));
    let settings = ghcr_settings(&refusal.host(), refusal.repository()).unwrap_or_default();
    let (code, meaning) = plain(refusal);
    if refusal.is_anonymous() {
        let action = match refusal.access {
            Access::Push => {
                "pass `GITHUB_TOKEN` to the step and add `permissions: packages: write` to the job, or give `--username` and `--password`"
            }
            Access::Pull => {
                "pass a token that may read packages with `--username` and `--password`, or make the package public"
            }
        };
        return explanation(code, meaning, action);
    }
    if text.contains("installation not allowed to create") {
        return explanation(
            "registry/ghcr-create-package",
            format!("the organization `{owner}` does not let this token create packages: {}", refusal.said()),
            "add `permissions: packages: write` to the job, and allow package creation in the organization's settings (Packages)",
        );
    }
    if text.contains("write_package") || text.contains("belongs to another repository") {
        return explanation(
            "registry/ghcr-write-package",
            format!(
                "the token may not write the package `{package}` of `{owner}`: it belongs to another repository or was made by hand, or the job lacks the permission ({})",
                refusal.said()
            ),
            format!(
                "add `permissions: packages: write` to the job, and this repository with the role Write under \"Manage Actions access\" at {settings}"
            ),
        );
    }
    let action = match refusal.access {
        Access::Push => format!(
            "add `permissions: packages: write` to the job; a personal access token needs the scope `write:packages`, and the package its access at {settings}"
        ),
        Access::Pull => {
            format!("a token needs the scope `read:packages`; who may read the package is set at {settings}")
        }
    };
    explanation(code, meaning, action)
}

fn ecr(refusal: &Refusal) -> Explanation {
    let (code, meaning) = plain(refusal);
    if let Some((action, resource)) = missing_permission(refusal.message) {
        return explanation(
            "registry/ecr-access-denied",
            format!("the action `{action}` on `{resource}` is not allowed: {}", refusal.said()),
            format!(
                "allow `{action}` on `{resource}`; `nextdeploy ecr policy {}/{}` prints a policy with all that a push needs",
                refusal.host(),
                refusal.repository()
            ),
        );
    }
    let action = match refusal.failure {
        _ if refusal.is_anonymous() => {
            "give AWS credentials (`aws-actions/configure-aws-credentials`, a profile, or a role of the machine)"
                .to_owned()
        }
        Failure::Expired => {
            "a token for ECR is valid for 12 hours: leave `--password` out, so that a fresh one is fetched".to_owned()
        }
        _ => format!(
            "check that the AWS account and region of `{}` are meant; for another account, its repository needs a policy that names yours",
            refusal.host()
        ),
    };
    explanation(code, meaning, action)
}

/// Action and resource of "is not authorized to perform: ecr:… on resource: arn:…".
fn missing_permission(message: &str) -> Option<(String, String)> {
    let pattern = Regex::new(r"not authorized to perform: (\S+) on resource: (\S+)").expect("a constant pattern");
    let found = pattern.captures(message)?;
    let text = |index: usize| found.get(index).map(|part| shown(part.as_str())).map(|text| printable(&text));
    Some((text(1)?, text(2)?))
}

fn docker_hub(refusal: &Refusal) -> Explanation {
    let (code, meaning) = plain(refusal);
    let repository = refusal.repository();
    let action = match repository.split_once('/') {
        None if refusal.access == Access::Push => {
            format!("put your user or organization before the name: `docker.io/NAMESPACE/{repository}`")
        }
        _ if refusal.is_anonymous() => {
            "give `--username` and `--password` (an access token from https://hub.docker.com/settings/security)"
                .to_owned()
        }
        Some((namespace, _)) if refusal.failure == Failure::Denied => format!(
            "check that `{namespace}` is the user or organization that is meant, and that the access token has the permission {}",
            if refusal.access == Access::Push { "Read & Write" } else { "Read" }
        ),
        _ => "check user name and access token (https://hub.docker.com/settings/security)".to_owned(),
    };
    explanation(code, meaning, action)
}

/// GitLab runs under any host name; its own words and the source of the credentials tell it.
fn is_gitlab(refusal: &Refusal, text: &str) -> bool {
    refusal.host().as_str().contains("gitlab")
        || text.contains("http basic: access denied")
        || ["CI_REGISTRY", "CI_JOB_TOKEN", "CI_DEPLOY"].iter().any(|word| refusal.credentials.origin.contains(word))
}

fn gitlab(refusal: &Refusal) -> Explanation {
    let (code, meaning) = plain(refusal);
    let action = if refusal.is_anonymous() {
        "run it in a GitLab job, where `CI_REGISTRY_USER` and `CI_REGISTRY_PASSWORD` are set, or give a deploy token with `--username` and `--password`".to_owned()
    } else if refusal.failure == Failure::Denied {
        format!(
            "name the image below `$CI_REGISTRY_IMAGE` (`{}` is another project for this job's token), or give a deploy token with the scope `{}`",
            refusal.repository(),
            if refusal.access == Access::Push { "write_registry" } else { "read_registry" }
        )
    } else {
        "check that the container registry is enabled for the project; a job's token is valid only while the job runs"
            .to_owned()
    };
    explanation(code, meaning, action)
}

/// Where access and visibility of a package at GHCR are set; `None` for other registries.
pub(in crate::registry::transfer) fn ghcr_settings(host: &RegistryHost, repository: &str) -> Option<String> {
    if host.kind() != RegistryKind::Ghcr {
        return None;
    }
    let (owner, package) = repository.split_once('/')?;
    let package = package.replace('/', "%2F");
    Some(format!(
        "https://github.com/orgs/{owner}/packages/container/{package}/settings (`users` instead of `orgs` for a personal account)"
    ))
}
