//! Who we are at a registry: explicit inputs, Docker config, AWS, the job's own token, or nobody.
//!
//! In: settings, environment, Docker config. Out: [`Credentials`] with their origin in words. Credentials stay in memory; nothing
//! here writes a file.

mod authenticator;
mod docker_config;
mod ecr;
mod error;
mod explicit;
mod header;
mod helper;
mod job;

pub use authenticator::Authenticator;
pub use error::AuthError;
pub use header::registry_auth_header;
pub use helper::{HelperFault, HelperUse};

use crate::secret::Secret;

/// What is asked of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    Pull,
    Push,
}

/// The credentials for one registry, with the place that they come from in words: "`--username` and `--password`".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub login: Login,
    pub origin: String,
    /// The places that had none, in the order in which they were asked: "`DOCKER_AUTH_CONFIG` is not set".
    pub tried: Vec<String>,
}

/// How a registry gets to know who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    Anonymous,
    Basic {
        username: String,
        password: Secret,
    },
    /// A refresh token that the registry's token service exchanges (`identitytoken` of the Docker config).
    IdentityToken(Secret),
    /// A bearer token as it is (`registrytoken` of the Docker config).
    RegistryToken(Secret),
}

/// User name that stands for "the password is an identity token" in Docker configs and credential helpers.
const TOKEN_USER: &str = "<token>";

impl Login {
    /// A user name and what came as its password.
    fn new(username: &str, password: &str) -> Self {
        let password = Secret::new(password.to_owned());
        if username == TOKEN_USER {
            Self::IdentityToken(password)
        } else {
            Self::Basic { username: username.to_owned(), password }
        }
    }
}

#[cfg(test)]
mod tests;
