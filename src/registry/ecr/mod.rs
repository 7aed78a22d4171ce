//! Amazon ECR besides pushing: repositories, the policies that allow a push, and IAM users with keys for CI systems.
//!
//! In: addresses of repositories, [`EcrSettings`], network and environment. Out: existing repositories, policy documents, users with
//! their keys. Types of the AWS SDK stay here. Never changes or removes what it did not create.

mod address;
mod error;
mod key_file;
mod policy;
mod repository;
mod spec;
mod user;

use std::collections::BTreeSet;

use aws_config::{Region, SdkConfig};

pub use address::{PrivateRepository, PublicRepository, RepositoryAddress, RepositoryName, RepositoryTarget};
pub use error::{AccessDenied, EcrError};
pub use key_file::KeyFile;
pub use policy::{GitHubWorkflows, Permissions, push_policy, trust_policy};
pub use repository::{RepositoryOutcome, RepositoryStatus};
pub use spec::{PlannedCall, RepositorySpec};
pub use user::{Freshness, ProvisionedUser, UserName, UserRequest, UserStatus, planned_user_calls};

use self::error::AwsCall;
use self::repository::{ensure_private, ensure_public};
use crate::config::settings::EcrSettings;
use crate::host::Environment;
use crate::image_ref::ImageRef;
use crate::net::Network;
use crate::registry::aws::{AwsError, sdk_config};

/// ECR and IAM with one set of credentials.
#[derive(Debug, Clone)]
pub struct EcrService {
    config: SdkConfig,
}

/// The result for one repository of a push.
#[derive(Debug)]
pub struct PushRepository {
    /// As image references write it, without a tag.
    pub uri: String,
    pub result: Result<RepositoryOutcome, EcrError>,
}

impl EcrService {
    /// `None` takes the region of the environment or the profile. Sends no request.
    ///
    /// # Errors
    /// If no client can be created, or no region is set.
    pub async fn new(network: &Network, environment: &Environment, region: Option<&str>) -> Result<Self, EcrError> {
        Ok(Self::of(sdk_config(network, region, environment).await?))
    }

    fn of(config: SdkConfig) -> Self {
        Self { config }
    }

    /// The region of repositories that are named without one.
    pub fn region(&self) -> Result<&str, EcrError> {
        self.config.region().map(Region::as_ref).ok_or_else(|| AwsError::NoRegion.into())
    }

    /// The account of the credentials.
    ///
    /// # Errors
    /// If there are no credentials, or AWS rejects them.
    pub async fn caller_account(&self) -> Result<String, EcrError> {
        let call = AwsCall { action: "sts:GetCallerIdentity", resource: "*" };
        let output = aws_sdk_sts::Client::new(&self.config).get_caller_identity().send().await;
        output.map_err(|error| call.failed(error))?.account.ok_or_else(|| call.incomplete("account"))
    }

    /// The address of a repository that may be named without its account.
    ///
    /// # Errors
    /// If the account cannot be determined.
    pub async fn locate(&self, target: RepositoryTarget) -> Result<RepositoryAddress, EcrError> {
        match target {
            RepositoryTarget::Full(address) => Ok(address),
            RepositoryTarget::OfCaller(name) => {
                let (account, region) = (self.caller_account().await?, self.region()?);
                Ok(RepositoryAddress::Private(PrivateRepository::new(&account, region, name)))
            }
        }
    }

    /// Creates the repository if it is missing.
    ///
    /// # Errors
    /// If it cannot be created; a denial names the action and the ARN.
    pub async fn ensure_repository(&self, spec: &RepositorySpec) -> Result<RepositoryOutcome, EcrError> {
        let region = Region::new(spec.address.region().to_owned());
        match &spec.address {
            RepositoryAddress::Private(repository) => {
                let settings = aws_sdk_ecr::config::Builder::from(&self.config).region(region);
                ensure_private(&aws_sdk_ecr::Client::from_conf(settings.build()), repository, &spec.settings).await
            }
            RepositoryAddress::Public(repository) => {
                let settings = aws_sdk_ecrpublic::config::Builder::from(&self.config).region(region);
                ensure_public(&aws_sdk_ecrpublic::Client::from_conf(settings.build()), repository, &spec.settings).await
            }
        }
    }

    /// Creates the user, its policy and a key.
    ///
    /// # Errors
    /// If the user was not created by this program, has two keys already, or AWS denies something. What this call created is removed
    /// again; the error names what could not be removed.
    pub async fn provision_user(&self, request: &UserRequest<'_>) -> Result<ProvisionedUser, EcrError> {
        user::provision_user(&self.iam(request), request).await
    }

    /// Undoes [`Self::provision_user`], if the key could not be handed over.
    ///
    /// # Errors
    /// If something is left, with its name.
    pub async fn withdraw(&self, request: &UserRequest<'_>, made: &ProvisionedUser) -> Result<(), EcrError> {
        user::withdraw(&self.iam(request), request, made).await
    }

    /// IAM is global within a partition, which the region determines.
    fn iam(&self, request: &UserRequest<'_>) -> aws_sdk_iam::Client {
        let region = Region::new(request.repository.region.clone());
        aws_sdk_iam::Client::from_conf(aws_sdk_iam::config::Builder::from(&self.config).region(region).build())
    }

    async fn ensure_all(
        &self,
        repositories: Vec<(String, Result<RepositoryAddress, EcrError>)>,
        settings: &EcrSettings,
    ) -> Vec<PushRepository> {
        let mut results = Vec::new();
        for (uri, address) in repositories {
            let result = match address {
                Ok(address) => self.ensure_repository(&RepositorySpec { address, settings: settings.clone() }).await,
                Err(error) => Err(error),
            };
            results.push(PushRepository { uri, result });
        }
        results
    }
}

/// Creates every missing ECR repository of these images. Images of other registries are ignored; without ECR images, AWS is not
/// queried. A failure does not keep the other repositories from being created.
///
/// # Errors
/// Only if no client for AWS can be created.
pub async fn ensure_for_push(
    network: &Network,
    environment: &Environment,
    references: &[ImageRef],
    settings: &EcrSettings,
) -> Result<Vec<PushRepository>, EcrError> {
    let repositories = push_repositories(references);
    if repositories.is_empty() {
        return Ok(Vec::new());
    }
    // Each client uses the region of its repository; this one is for credentials, such as assuming a role.
    let region = repositories.iter().find_map(|(_, address)| address.as_ref().ok()).map(RepositoryAddress::region);
    let service = EcrService::new(network, environment, Some(region.unwrap_or(PublicRepository::REGION))).await?;
    Ok(service.ensure_all(repositories, settings).await)
}

/// The ECR repositories of these images, each once.
fn push_repositories(references: &[ImageRef]) -> Vec<(String, Result<RepositoryAddress, EcrError>)> {
    let mut known = BTreeSet::new();
    references
        .iter()
        .filter(|reference| known.insert(reference.repository()))
        .filter_map(|reference| Some((reference.repository(), RepositoryAddress::of(reference).transpose()?)))
        .collect()
}

#[cfg(test)]
mod fake_aws;
#[cfg(test)]
mod tests;
