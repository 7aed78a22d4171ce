//! Credentials given to the run itself: `--username` and `--password`, and those that a CI job has (GitHub's token for its own
//! registry, GitLab's for the registry of the project).

use std::collections::BTreeSet;

use super::{AuthError, Login};
use crate::config::settings::{PublishSettings, SecretValue};
use crate::diagnostic::shown;
use crate::host::{Environment, FILE_LIMIT, read_named};
use crate::image_ref::{RegistryHost, RegistryKind};
use crate::origin::{Origin, Sourced};
use crate::secret::Secret;

/// `--username` and `--password`, and the registry that they are for.
pub(super) struct ExplicitLogin {
    /// `None` if no registry is meant; they are then never sent.
    host: Option<RegistryHost>,
    username: Option<Sourced<String>>,
    password: Option<Sourced<Secret>>,
}

impl ExplicitLogin {
    /// Without `--registry` they are for the only one of `registries` that the user or the CI system named. A registry that only a
    /// file in the repository names does not count: the author of that file would choose who receives the password.
    pub(super) fn new(settings: &PublishSettings, registries: &[Sourced<RegistryHost>]) -> Result<Self, AuthError> {
        let username = settings.username.clone();
        let password = settings.password.as_ref().map(read_secret).transpose()?;
        let is_trusted = |origin: &Origin| matches!(origin, Origin::Flag(_) | Origin::Variable(_));
        let trusted = registries.iter().filter(|registry| is_trusted(&registry.origin));
        let hosts: Vec<RegistryHost> =
            trusted.map(|registry| registry.value.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let is_given = username.is_some() || password.is_some();
        let host = match (&settings.registry, hosts.as_slice(), registries) {
            (Some(registry), ..) => Some(RegistryHost::new(&registry.value)),
            (None, [host], _) => Some(host.clone()),
            (None, [], [registry, ..]) if is_given => {
                return Err(AuthError::RegistryOfFile { registry: registry.clone() });
            }
            (None, [_, _, ..], _) if is_given => return Err(AuthError::SeveralRegistries { hosts }),
            (None, ..) => None,
        };
        Ok(Self { host, username, password })
    }

    /// The login for `host` with its origin; `None` if there is none, or only a user name that the token of a GitHub job completes.
    pub(super) fn login(
        &self,
        host: &RegistryHost,
        environment: &Environment,
    ) -> Result<Option<(Login, String)>, AuthError> {
        if self.host.as_ref() != Some(host) {
            return Ok(None);
        }
        let is_github = is_github_registry(environment, host);
        match (&self.username, &self.password) {
            (None, None) => Ok(None),
            (Some(username), Some(password)) => {
                let origin = format!("{} and {}", name(&username.origin), name(&password.origin));
                Ok(Some((Login::new(&username.value, password.value.expose()), origin)))
            }
            (Some(_), None) if is_github => Ok(None),
            (Some(username), None) => {
                Err(AuthError::NoPassword { host: host.clone(), username: username.origin.clone() })
            }
            (None, Some(password)) => {
                let user = match host.kind() {
                    RegistryKind::Ecr(_) | RegistryKind::EcrPublic => "AWS",
                    kind if is_github || kind == RegistryKind::Ghcr => github_user(environment),
                    _ => return Err(AuthError::NoUsername { host: host.clone(), password: password.origin.clone() }),
                };
                let origin = format!("{}, user `{user}`", name(&password.origin));
                Ok(Some((Login::new(user, password.value.expose()), origin)))
            }
        }
    }

    /// `--username`, if it is for `host`.
    pub(super) fn username(&self, host: &RegistryHost) -> Option<&str> {
        let username = self.username.as_ref().filter(|_| self.host.as_ref() == Some(host))?;
        Some(&username.value)
    }

    /// Why there is no login for `host`.
    pub(super) fn absence(&self, host: &RegistryHost) -> String {
        match &self.host {
            Some(other) if other != host && (self.username.is_some() || self.password.is_some()) => {
                format!("`--username` and `--password` are for `{other}`")
            }
            _ => "`--username` and `--password` are not set".to_owned(),
        }
    }
}

/// The name that the user typed.
fn name(origin: &Origin) -> String {
    match origin {
        Origin::Flag(name) | Origin::Variable(name) | Origin::File(name) => format!("`{name}`"),
        other => other.to_string(),
    }
}

/// The secret without final line breaks, which editors add.
pub(super) fn read_secret(given: &Sourced<SecretValue>) -> Result<Sourced<Secret>, AuthError> {
    let text = match &given.value {
        SecretValue::Value(secret) => secret.expose().clone(),
        SecretValue::File(file) => {
            let unusable =
                |reason: String| AuthError::SecretFile { file: file.clone(), origin: given.origin.clone(), reason };
            let bytes = read_named(file, FILE_LIMIT).map_err(|error| unusable(error.to_string()))?;
            let text = String::from_utf8(bytes).map_err(|_| unusable("not UTF-8 text".to_owned()))?;
            if text.trim().is_empty() {
                return Err(unusable("the file is empty".to_owned()));
            }
            text
        }
    };
    Ok(Sourced::new(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()), given.origin.clone()))
}

/// The login of the CI job, or why there is none (`None` if the CI system has nothing to do with the registry).
pub(super) enum JobLogin {
    Found { login: Login, origin: String },
    Absent(Option<String>),
}

/// `token` is the setting `github-token`; `username` is a user name that was given without a password.
pub(super) fn job_login(
    environment: &Environment,
    token: Option<&Sourced<Secret>>,
    username: Option<&str>,
    host: &RegistryHost,
) -> JobLogin {
    if is_github_registry(environment, host) {
        return github_login(environment, token, username);
    }
    match host.kind() {
        RegistryKind::Ghcr => JobLogin::Absent(Some(format!(
            "the token of this job is for `{}` (`GITHUB_SERVER_URL`)",
            non_empty(environment, "GITHUB_SERVER_URL").map_or_else(String::new, shown)
        ))),
        RegistryKind::Other => gitlab_login(environment, host),
        _ => JobLogin::Absent(None),
    }
}

/// True for the registry of the GitHub server that runs the job: `ghcr.io`, and `containers.HOST` for another server (GitHub
/// Enterprise Server and Cloud documentation, "Working with the Container registry"). A token is never sent to another server.
fn is_github_registry(environment: &Environment, host: &RegistryHost) -> bool {
    let server = non_empty(environment, "GITHUB_SERVER_URL").unwrap_or("https://github.com");
    match server.split_once("://").map(|(_, rest)| rest.trim_end_matches('/')) {
        Some(server) if server.eq_ignore_ascii_case("github.com") => host.kind() == RegistryKind::Ghcr,
        Some(server) => host.as_str() == format!("containers.{}", server.to_ascii_lowercase()),
        None => false,
    }
}

/// GitHub checks only the token, but requires a user name.
fn github_user(environment: &Environment) -> &str {
    non_empty(environment, "GITHUB_ACTOR")
        .or_else(|| non_empty(environment, "GITHUB_REPOSITORY_OWNER"))
        .unwrap_or("x-access-token")
}

fn github_login(environment: &Environment, token: Option<&Sourced<Secret>>, username: Option<&str>) -> JobLogin {
    let user = username.unwrap_or_else(|| github_user(environment));
    let (token, origin) = match (token, non_empty(environment, "GITHUB_TOKEN")) {
        (Some(token), _) => (token.value.expose().as_str(), name(&token.origin)),
        (None, Some(token)) => (token, "`GITHUB_TOKEN`".to_owned()),
        (None, None) => {
            return JobLogin::Absent(Some("`--github-token` and `GITHUB_TOKEN` are not set".to_owned()));
        }
    };
    JobLogin::Found { login: Login::new(user, token), origin: format!("{origin}, user `{user}`") }
}

/// GitLab CI/CD documentation, "Authenticate with the container registry" and "Dependency Proxy".
fn gitlab_login(environment: &Environment, host: &RegistryHost) -> JobLogin {
    let is = |name: &str| non_empty(environment, name).is_some_and(|value| RegistryHost::new(value) == *host);
    let pairs: &[(&str, &str)] = if is("CI_REGISTRY") {
        &[("CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"), ("CI_DEPLOY_USER", "CI_DEPLOY_PASSWORD")]
    } else if is("CI_DEPENDENCY_PROXY_SERVER") {
        &[("CI_DEPENDENCY_PROXY_USER", "CI_DEPENDENCY_PROXY_PASSWORD")]
    } else {
        return JobLogin::Absent(
            non_empty(environment, "CI_REGISTRY")
                .map(|registry| format!("the credentials of the GitLab job are for `{registry}` (`CI_REGISTRY`)")),
        );
    };
    for (user, password) in pairs {
        if let Some((name, secret)) = non_empty(environment, user).zip(non_empty(environment, password)) {
            return JobLogin::Found { login: Login::new(name, secret), origin: format!("`{user}` and `{password}`") };
        }
    }
    if let Some(token) = non_empty(environment, "CI_JOB_TOKEN") {
        return JobLogin::Found { login: Login::new("gitlab-ci-token", token), origin: "`CI_JOB_TOKEN`".to_owned() };
    }
    let names: Vec<_> = pairs.iter().map(|(_, password)| format!("`{password}`")).collect();
    JobLogin::Absent(Some(format!("neither {} nor `CI_JOB_TOKEN` is set", names.join(" nor "))))
}

fn non_empty<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).filter(|value| !value.is_empty())
}
