//! Why there are no credentials although somebody meant to give some: stable codes, one message, one action.
//!
//! Messages name files, variables, hosts and programs, never a value.

use std::path::PathBuf;

use super::helper::{HelperFault, HelperUse};
use crate::diagnostic::{Diagnostic, ExitCode, Location, printable, printable_path};
use crate::net::NetworkError;
use crate::origin::{Origin, Sourced};
use crate::registry::RegistryHost;
use crate::registry::aws::AwsError;

#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("there is a password for `{host}` ({password}), and no user name")]
    NoUsername { host: RegistryHost, password: Origin },
    #[error("there is a user name for `{host}` ({username}), and no password")]
    NoPassword { host: RegistryHost, username: Origin },
    #[error("one user name and password cannot be for {} registries: {}", hosts.len(), list(hosts))]
    SeveralRegistries { hosts: Vec<RegistryHost> },
    #[error("`--username` and `--password` are not sent to `{}`, which only a file of the repository names ({})", registry.value, registry.origin)]
    RegistryOfFile { registry: Sourced<RegistryHost> },
    #[error("the secret in `{}` ({origin}) cannot be used: {reason}", printable_path(file))]
    SecretFile { file: PathBuf, origin: Origin, reason: String },
    #[error("{source_name} cannot be read: {}", printable(reason))]
    DockerConfig { source_name: String, location: Option<Location>, reason: String },
    #[error("the credential helper `{}` ({} of {}) {fault}, asked for `{}`", helper.program, helper.field, helper.config, helper.host)]
    Helper { helper: Box<HelperUse>, fault: HelperFault },
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
            Self::Helper { fault, .. } => match fault {
                HelperFault::NotInstalled => "auth/helper-not-installed",
                HelperFault::TimedOut(_) => "auth/helper-timeout",
                HelperFault::Start(_) | HelperFault::Failed(_) => "auth/helper-failed",
                HelperFault::Answer(_) => "auth/helper-answer",
            },
            Self::Aws(error) => error.code(),
            Self::Network(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::NoUsername { .. } => "set `--username` too (`NEXTDEPLOY_USERNAME`)".to_owned(),
            Self::NoPassword { .. } => {
                "set `--password env:NAME` too (`NEXTDEPLOY_PASSWORD`, `file:PATH` works as well)".to_owned()
            }
            Self::SeveralRegistries { hosts } => format!(
                "name the one with `--registry` (`--registry {}`), and give the others theirs in `DOCKER_AUTH_CONFIG`",
                hosts.first().map_or("HOST", RegistryHost::as_str)
            ),
            Self::RegistryOfFile { registry } => {
                format!(
                    "if they are for this registry, say so with `--registry {}` (`NEXTDEPLOY_REGISTRY`)",
                    registry.value
                )
            }
            Self::SecretFile { .. } => "name a readable file that holds nothing but the secret".to_owned(),
            Self::DockerConfig { source_name, .. } => {
                format!("repair {source_name}, or write it anew with `docker login`")
            }
            Self::Helper { helper, fault: HelperFault::NotInstalled } => {
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
