//! Credentials that were configured but cannot be used: stable codes, one message, one action.
//!
//! Messages name files, variables, hosts and programs, never a value.

use std::path::PathBuf;

use super::docker_config::{HelperCall, HelperError};
use crate::diagnostic::{Diagnostic, ExitCode, Location, printable, printable_path};
use crate::image_ref::RegistryHost;
use crate::net::NetworkError;
use crate::origin::{Origin, Sourced};
use crate::registry::aws::AwsError;

#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("a password is set for `{host}` ({password}), but no user name")]
    NoUsername { host: RegistryHost, password: Origin },
    #[error("a user name is set for `{host}` ({username}), but no password")]
    NoPassword { host: RegistryHost, username: Origin },
    #[error("`--username` and `--password` are ambiguous for {} registries: {}", hosts.len(), list(hosts))]
    SeveralRegistries { hosts: Vec<RegistryHost> },
    #[error("refusing to send `--username` and `--password` to `{}`, which only a file in the repository names ({})", registry.value, registry.origin)]
    RegistryOfFile { registry: Sourced<RegistryHost> },
    #[error("cannot use the secret in `{}` ({origin}): {reason}", printable_path(file))]
    SecretFile { file: PathBuf, origin: Origin, reason: String },
    #[error("cannot read {source_name}: {}", printable(reason))]
    DockerConfig { source_name: String, location: Option<Location>, reason: String },
    #[error("the credential helper `{}` ({} in {}) {error} (registry `{}`)", helper.program, helper.field, helper.config, helper.host)]
    Helper { helper: Box<HelperCall>, error: HelperError },
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error(transparent)]
    Network(#[from] NetworkError),
}

fn list(hosts: &[RegistryHost]) -> String {
    hosts.iter().map(|host| format!("`{host}`")).collect::<Vec<_>>().join(", ")
}

impl Diagnostic for AuthError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoUsername { .. } => "auth/no-username",
            Self::NoPassword { .. } => "auth/no-password",
            Self::SeveralRegistries { .. } => "auth/several-registries",
            Self::RegistryOfFile { .. } => "auth/registry-of-file",
            Self::SecretFile { .. } => "auth/secret-file",
            Self::DockerConfig { .. } => "auth/docker-config",
            Self::Helper { error, .. } => match error {
                HelperError::NotInstalled => "auth/helper-not-installed",
                HelperError::TimedOut(_) => "auth/helper-timeout",
                HelperError::Start(_) | HelperError::Failed(_) => "auth/helper-failed",
                HelperError::Response(_) => "auth/helper-answer",
            },
            Self::Aws(error) => error.code(),
            Self::Network(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::NoUsername { .. } => "also set `--username` (`NEXTDEPLOY_USERNAME`)".to_owned(),
            Self::NoPassword { .. } => {
                "also set `--password env:NAME` (or `file:PATH`, or `NEXTDEPLOY_PASSWORD`)".to_owned()
            }
            Self::SeveralRegistries { hosts } => format!(
                "choose the registry with `--registry` (such as `--registry {}`), and put the logins of the others into `DOCKER_AUTH_CONFIG`",
                hosts.first().map_or("HOST", RegistryHost::as_str)
            ),
            Self::RegistryOfFile { registry } => {
                format!("to use them for this registry, set `--registry {}` (`NEXTDEPLOY_REGISTRY`)", registry.value)
            }
            Self::SecretFile { .. } => "use a readable file that contains only the secret".to_owned(),
            Self::DockerConfig { source_name, .. } => {
                format!("fix {source_name}, or recreate it with `docker login`")
            }
            Self::Helper { helper, error: HelperError::NotInstalled } => {
                format!("install `{}`, or remove `{}` from {}", helper.program, helper.field, helper.config)
            }
            Self::Helper { helper, .. } => format!(
                "try `echo {} | {} get`, or remove `{}` from {}",
                helper.host.config_key(),
                helper.program,
                helper.field,
                helper.config
            ),
            Self::Aws(error) => return error.hints(),
            Self::Network(error) => return error.hints(),
        }]
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Aws(error) => error.exit_code(),
            Self::Network(error) => error.exit_code(),
            _ => ExitCode::Authentication,
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::SecretFile { file, .. } => Some(Location::file(file.clone())),
            Self::DockerConfig { location, .. } => location.clone(),
            Self::Aws(error) => error.location(),
            Self::Network(error) => error.location(),
            _ => None,
        }
    }
}
