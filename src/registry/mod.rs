//! Registries: credentials, requests to the registry API, and images on their way between the daemon and a registry.
//!
//! In: references, settings, the CI context. Out: [`PushedReference`](crate::image::PushedReference)s. Types of the AWS SDK and of the
//! registry API stay here; credentials live in memory only.

mod auth;
pub mod aws;
mod client;
pub mod ecr;
mod refusal;
pub mod transfer;

pub use auth::{
    Access, AuthError, Credential, HelperCall, HelperError, Keychain, Login, Renewal, registry_auth_header,
};
pub use client::LoginStatus;
pub use refusal::{Explanation, Refusal};
