//! Credentials that a CI job has by itself: GitHub's token for its own registry, GitLab's for the registry beside the project.

use super::Login;
use crate::diagnostic::shown;
use crate::host::Environment;
use crate::origin::Sourced;
use crate::registry::{RegistryHost, RegistryKind};
use crate::secret::Secret;

/// Credentials of the job, or why there are none for this registry (`None`: it is not one of theirs).
pub(super) enum JobLogin {
    Found { login: Login, origin: String },
    Absent(Option<String>),
}

/// `token` is the setting `github-token`, `username` the user name that was given alone.
pub(super) fn find(
    environment: &Environment,
    token: Option<&Sourced<Secret>>,
    username: Option<&str>,
    host: &RegistryHost,
) -> JobLogin {
    if is_github_registry(environment, host) {
        return github(environment, token, username);
    }
    match host.kind() {
        RegistryKind::Ghcr => JobLogin::Absent(Some(format!(
            "the token of this job is for `{}` (`GITHUB_SERVER_URL`)",
            set(environment, "GITHUB_SERVER_URL").map_or_else(String::new, shown)
        ))),
        RegistryKind::Other => gitlab(environment, host),
        _ => JobLogin::Absent(None),
    }
}

/// True for the registry of the GitHub that the job runs at: `ghcr.io`, and for another server `containers.HOST` (GitHub Enterprise
/// Server and Cloud documentation, "Working with the Container registry"). The token of one server is not sent to another one.
pub(super) fn is_github_registry(environment: &Environment, host: &RegistryHost) -> bool {
    let server = set(environment, "GITHUB_SERVER_URL").unwrap_or("https://github.com");
    match server.split_once("://").map(|(_, rest)| rest.trim_end_matches('/')) {
        Some(server) if server.eq_ignore_ascii_case("github.com") => host.kind() == RegistryKind::Ghcr,
        Some(server) => host.as_str() == format!("containers.{}", server.to_ascii_lowercase()),
        None => false,
    }
}

/// GitHub looks at the token only, but wants some name beside it.
pub(super) fn github_user(environment: &Environment) -> &str {
    set(environment, "GITHUB_ACTOR").or_else(|| set(environment, "GITHUB_REPOSITORY_OWNER")).unwrap_or("x-access-token")
}

fn github(environment: &Environment, token: Option<&Sourced<Secret>>, username: Option<&str>) -> JobLogin {
    let user = username.unwrap_or_else(|| github_user(environment));
    let (token, origin) = match token {
        Some(token) => (token.value.expose().as_str(), super::explicit::name(&token.origin)),
        None => match set(environment, "GITHUB_TOKEN") {
            Some(token) => (token, "`GITHUB_TOKEN`".to_owned()),
            None => {
                return JobLogin::Absent(Some(
                    "`--github-token` is not given and `GITHUB_TOKEN` is not set".to_owned(),
                ));
            }
        },
    };
    JobLogin::Found { login: Login::new(user, token), origin: format!("{origin}, user `{user}`") }
}

/// GitLab CI/CD documentation, "Authenticate with the container registry" and "Dependency Proxy".
fn gitlab(environment: &Environment, host: &RegistryHost) -> JobLogin {
    let is = |name: &str| set(environment, name).is_some_and(|value| RegistryHost::new(value) == *host);
    let pairs: &[(&str, &str)] = if is("CI_REGISTRY") {
        &[("CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"), ("CI_DEPLOY_USER", "CI_DEPLOY_PASSWORD")]
    } else if is("CI_DEPENDENCY_PROXY_SERVER") {
        &[("CI_DEPENDENCY_PROXY_USER", "CI_DEPENDENCY_PROXY_PASSWORD")]
    } else {
        return JobLogin::Absent(
            set(environment, "CI_REGISTRY")
                .map(|registry| format!("the credentials of the GitLab job are for `{registry}` (`CI_REGISTRY`)")),
        );
    };
    for (user, password) in pairs {
        if let Some((name, secret)) = set(environment, user).zip(set(environment, password)) {
            return JobLogin::Found { login: Login::new(name, secret), origin: format!("`{user}` and `{password}`") };
        }
    }
    if let Some(token) = set(environment, "CI_JOB_TOKEN") {
        return JobLogin::Found { login: Login::new("gitlab-ci-token", token), origin: "`CI_JOB_TOKEN`".to_owned() };
    }
    let names: Vec<_> = pairs.iter().map(|(_, password)| format!("`{password}`")).collect();
    JobLogin::Absent(Some(format!("neither {} nor `CI_JOB_TOKEN` is set", names.join(" nor "))))
}

fn set<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).filter(|value| !value.is_empty())
}
