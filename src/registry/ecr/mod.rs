//! Amazon ECR besides pushing: the repository that a push needs, the policies that allow it, and users for CI systems with keys.
//!
//! In: addresses of repositories, [`EcrSettings`](crate::config::settings::EcrSettings) and the configuration of the AWS SDK. Out:
//! repositories that are there, policy documents, users with their keys. Types of the AWS SDK stay here. Never changes or
//! removes what it did not make.

mod address;
mod difference;
mod error;
mod key_file;
mod policy;
mod public;
mod removal;
mod repository;
mod request;
mod service;
mod user;

#[cfg(test)]
mod fake_aws;
#[cfg(test)]
mod tests;

pub use address::{PrivateRepository, PublicRepository, RepositoryAddress, RepositoryName, RepositoryTarget};
pub use error::{AccessDenied, EcrError};
pub use key_file::KeyFile;
pub use policy::{GitHubWorkflows, Permissions, push_policy, trust_policy};
pub use repository::{RepositoryOutcome, RepositoryStatus};
pub use request::{PlannedCall, RepositorySpec};
pub use service::{EcrService, PushRepository, ensure_for_push};
pub use user::{Freshness, ProvisionedUser, UserName, UserRequest, UserStatus, planned_user_calls};
