//! Credentials that were configured but cannot be used: stable codes, one message, one action.
//!
//! Messages name files, variables, hosts and programs, never a value.

use std::path::PathBuf;
use std::time::Duration;

use crate::diagnostic::{Location, diagnostics, printable, printable_path};
use crate::image_ref::RegistryHost;
use crate::net::NetworkError;
use crate::origin::{Origin, Sourced};
use crate::registry::aws::AwsError;

diagnostics! {
    #[exit(Authentication)]
    pub enum AuthError {
        #[error("a password is set for `{host}` ({password}), but no user name")]
        #[code("auth/no-username")]
        #[hint("also set `--username` (`NEXTDEPLOY_USERNAME`)")]
        NoUsername { host: RegistryHost, password: Origin },

        #[error("a user name is set for `{host}` ({username}), but no password")]
        #[code("auth/no-password")]
        #[hint("also set `--password env:NAME` (or `file:PATH`, or `NEXTDEPLOY_PASSWORD`)")]
        NoPassword { host: RegistryHost, username: Origin },

        #[error("`--username` and `--password` are ambiguous for {} registries: {}", hosts.len(), list(hosts))]
        #[code("auth/several-registries")]
        #[hint(
            "choose the registry with `--registry` (such as `--registry {}`), and put the logins of the others into `DOCKER_AUTH_CONFIG`",
            hosts.first().map_or("HOST", RegistryHost::as_str)
        )]
        SeveralRegistries { hosts: Vec<RegistryHost> },

        #[error(
            "refusing to send `--username` and `--password` to `{}`, which only a file in the repository names ({})",
            registry.value,
            registry.origin
        )]
        #[code("auth/registry-of-file")]
        #[hint("to use them for this registry, set `--registry {}` (`NEXTDEPLOY_REGISTRY`)", registry.value)]
        RegistryOfFile { registry: Sourced<RegistryHost> },

        #[error("cannot use the secret in `{}` ({origin}): {reason}", printable_path(file))]
        #[code("auth/secret-file")]
        #[hint("use a readable file that contains only the secret")]
        #[location(Some(Location::file(file.clone())))]
        SecretFile { file: PathBuf, origin: Origin, reason: String },

        #[error("cannot read {source_name}: {}", printable(reason))]
        #[code("auth/docker-config")]
        #[hint("fix {source_name}, or recreate it with `docker login`")]
        #[location(location.clone())]
        DockerConfig { source_name: String, location: Option<Location>, reason: String },

        #[error(
            "the credential helper `{}` ({} in {}) {error} (registry `{}`)",
            helper.program,
            helper.field,
            helper.config,
            helper.host
        )]
        #[code(error.code())]
        #[hints(vec![helper_hint(helper, error)])]
        Helper { helper: Box<HelperCall>, error: HelperError },

        #[transparent]
        Aws(#[from] error: AwsError),

        #[transparent]
        Network(#[from] error: NetworkError),
    }
}

fn list(hosts: &[RegistryHost]) -> String {
    hosts.iter().map(|host| format!("`{host}`")).collect::<Vec<_>>().join(", ")
}

fn helper_hint(helper: &HelperCall, error: &HelperError) -> String {
    let HelperCall { program, field, config, host } = helper;
    let first = match error {
        HelperError::NotInstalled => format!("install `{program}`"),
        _ => format!("try `echo {} | {program} get`", host.config_key()),
    };
    format!("{first}, or remove `{field}` from {config}")
}

/// One run of a credential helper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperCall {
    /// `docker-credential-NAME`.
    pub program: String,
    /// The field of the Docker config: `credsStore`.
    pub field: String,
    /// The Docker config, with backticks.
    pub config: String,
    pub host: RegistryHost,
}

/// Why a credential helper returned no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelperError {
    #[error("is not installed")]
    NotInstalled,
    #[error("cannot be started: {0}")]
    Start(String),
    #[error("timed out after {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    #[error("failed: {0}")]
    Failed(String),
    #[error("returned an invalid response: {0}")]
    Response(&'static str),
}

impl HelperError {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NotInstalled => "auth/helper-not-installed",
            Self::TimedOut(_) => "auth/helper-timeout",
            Self::Start(_) | Self::Failed(_) => "auth/helper-failed",
            Self::Response(_) => "auth/helper-answer",
        }
    }
}
