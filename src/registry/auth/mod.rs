//! Credentials for registries: explicit inputs, Docker config, AWS, the CI job's own token, or anonymous.
//!
//! In: settings, environment, Docker config. Out: a [`Keychain`] that resolves a registry to a [`Credential`]. Credentials stay in
//! memory; nothing here writes a file.

mod docker_config;
mod ecr_token;
mod error;
mod inputs;
mod keychain;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

pub use error::{AuthError, HelperCall, HelperError};
pub use keychain::{Keychain, Renewal};

use crate::image_ref::RegistryHost;
use crate::secret::Secret;

/// What a credential is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    Pull,
    Push,
}

/// The credential for one registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub login: Login,
    /// Where it comes from, for messages: "`--username` and `--password`". Never a value.
    pub origin: String,
    /// The places that had none, in the order of the search: "`DOCKER_AUTH_CONFIG` is not set".
    pub tried: Vec<String>,
}

/// How a client authenticates at a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    Anonymous,
    Basic {
        username: String,
        password: Secret,
    },
    /// A refresh token that the registry's token service exchanges (`identitytoken` of the Docker config).
    IdentityToken(Secret),
    /// A bearer token that is sent as it is (`registrytoken` of the Docker config).
    RegistryToken(Secret),
}

/// User name that marks the password as an identity token, in Docker configs and credential helpers.
const TOKEN_USER: &str = "<token>";

impl Login {
    fn new(username: &str, password: &str) -> Self {
        let password = Secret::new(password.to_owned());
        if username == TOKEN_USER {
            Self::IdentityToken(password)
        } else {
            Self::Basic { username: username.to_owned(), password }
        }
    }
}

/// The value of `X-Registry-Auth` for a push to or pull from `host`.
///
/// Base64 is URL-safe: the daemon silently treats any other alphabet as an anonymous request.
pub fn registry_auth_header(login: &Login, host: &RegistryHost) -> Secret {
    let address = host.config_key();
    let json = match login {
        Login::Anonymous => serde_json::json!({}),
        Login::Basic { username, password } => {
            serde_json::json!({ "username": username, "password": password.expose(), "serveraddress": address })
        }
        Login::IdentityToken(token) => {
            serde_json::json!({ "identitytoken": token.expose(), "serveraddress": address })
        }
        Login::RegistryToken(token) => {
            serde_json::json!({ "registrytoken": token.expose(), "serveraddress": address })
        }
    };
    Secret::new(URL_SAFE.encode(json.to_string()))
}

#[cfg(test)]
mod tests;
