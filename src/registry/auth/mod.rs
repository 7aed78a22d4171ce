//! Who we are at a registry: explicit inputs, Docker config, AWS, the job's own token, or nobody.

use crate::secret::Secret;

/// What is asked of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    Pull,
    Push,
}

/// The credentials for one registry, with the place that they come from in words: "`--username` and `--password`".
#[derive(Debug, Clone)]
pub struct Credentials {
    pub login: Login,
    pub origin: String,
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
