//! Registries: who we are there, and images on their way there and back through the daemon.
//!
//! In: references, settings, what the CI knows. Out: [`PushedReference`](crate::image::PushedReference)s. Types of the AWS SDK and of
//! the registry client stay here; credentials live in memory only.

mod auth;
pub mod aws;
pub mod ecr;
mod host;
pub mod transfer;

pub use auth::{Access, AuthError, Authenticator, Credentials, HelperFault, HelperUse, Login, registry_auth_header};
pub use host::{EcrHost, RegistryHost, RegistryKind, partition};
