//! ECR and IAM with the credentials of this run: one repository or user, or all repositories of a push.
//!
//! In: network, environment, region. Out: repositories that are there, users with keys. Nothing is asked before a method says so.

use std::collections::BTreeSet;

use aws_config::{Region, SdkConfig};

use super::address::{PrivateRepository, PublicRepository, RepositoryAddress, RepositoryTarget};
use super::error::{Call, EcrError};
use super::public::ensure_public;
use super::repository::{RepositoryOutcome, ensure_private};
use super::request::RepositorySpec;
use super::user::{self, ProvisionedUser, UserRequest};
use crate::config::settings::EcrSettings;
use crate::host::Environment;
use crate::image_ref::ImageRef;
use crate::net::Network;
use crate::registry::aws::{AwsError, sdk_config};

/// The services of AWS behind one set of credentials.
#[derive(Debug, Clone)]
pub struct EcrService {
    config: SdkConfig,
}

/// What became of one repository that a push needs.
#[derive(Debug)]
pub struct PushRepository {
    /// As image references write it, without a tag.
    pub uri: String,
    pub result: Result<RepositoryOutcome, EcrError>,
}

impl EcrService {
    /// `None` takes the region of the environment or the profile.
    ///
    /// # Errors
    /// When no client can be made, or no region is known.
    pub async fn new(network: &Network, environment: &Environment, region: Option<&str>) -> Result<Self, EcrError> {
        Ok(Self::of(sdk_config(network, region, environment).await?))
    }

    pub(super) fn of(config: SdkConfig) -> Self {
        Self { config }
    }

    /// The region that repositories are in that were named without one.
    pub fn region(&self) -> Result<&str, EcrError> {
        self.config.region().map(Region::as_ref).ok_or_else(|| AwsError::NoRegion.into())
    }

    /// The account that the credentials belong to.
    ///
    /// # Errors
    /// When there are no credentials, or AWS does not know them.
    pub async fn caller_account(&self) -> Result<String, EcrError> {
        let call = Call { action: "sts:GetCallerIdentity", resource: "*" };
        let answer = aws_sdk_sts::Client::new(&self.config).get_caller_identity().send().await;
        answer.map_err(|error| call.failed(error))?.account.ok_or_else(|| call.incomplete("account"))
    }

    /// The address of a repository, which may have been named without its account.
    ///
    /// # Errors
    /// When AWS does not tell the account.
    pub async fn locate(&self, target: RepositoryTarget) -> Result<RepositoryAddress, EcrError> {
        match target {
            RepositoryTarget::Full(address) => Ok(address),
            RepositoryTarget::OfCaller(name) => {
                let (account, region) = (self.caller_account().await?, self.region()?);
                Ok(RepositoryAddress::Private(PrivateRepository::new(&account, region, name)))
            }
        }
    }

    /// Makes sure that the repository is there.
    ///
    /// # Errors
    /// When it is missing and cannot be created; a refusal names the action and the ARN.
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

    /// Makes the user, its policy and a key.
    ///
    /// # Errors
    /// When the user is not ours, has two keys already, or AWS refuses something. What this call made is taken back then; what
    /// cannot be taken back is named.
    pub async fn provision_user(&self, request: &UserRequest<'_>) -> Result<ProvisionedUser, EcrError> {
        user::provision_user(&self.iam(request), request).await
    }

    /// Takes back what [`Self::provision_user`] made, when the key could not be handed over.
    ///
    /// # Errors
    /// When something of it is left, with its name.
    pub async fn withdraw(&self, request: &UserRequest<'_>, made: &ProvisionedUser) -> Result<(), EcrError> {
        user::withdraw(&self.iam(request), request, made).await
    }

    /// IAM is one service for all regions of a partition, and the region tells the partition.
    fn iam(&self, request: &UserRequest<'_>) -> aws_sdk_iam::Client {
        let region = Region::new(request.repository.region.clone());
        aws_sdk_iam::Client::from_conf(aws_sdk_iam::config::Builder::from(&self.config).region(region).build())
    }

    pub(super) async fn ensure_all(
        &self,
        wanted: Vec<(String, Result<RepositoryAddress, EcrError>)>,
        settings: &EcrSettings,
    ) -> Vec<PushRepository> {
        let mut results = Vec::new();
        for (uri, address) in wanted {
            let result = match address {
                Ok(address) => self.ensure_repository(&RepositorySpec { address, settings: settings.clone() }).await,
                Err(error) => Err(error),
            };
            results.push(PushRepository { uri, result });
        }
        results
    }
}

/// Makes sure that every repository in ECR is there that these images go to. Images of other registries are not looked at;
/// one repository that fails does not keep the others from being made. Nothing is asked of AWS when no image is for ECR.
///
/// # Errors
/// Only when no client for AWS can be made at all.
pub async fn ensure_for_push(
    network: &Network,
    environment: &Environment,
    references: &[ImageRef],
    settings: &EcrSettings,
) -> Result<Vec<PushRepository>, EcrError> {
    let wanted = push_repositories(references);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    // Each client has the region of its repository; this one is for the credentials, where a role is taken on.
    let region = wanted.iter().find_map(|(_, address)| address.as_ref().ok()).map(RepositoryAddress::region);
    let service = EcrService::new(network, environment, Some(region.unwrap_or(PublicRepository::REGION))).await?;
    Ok(service.ensure_all(wanted, settings).await)
}

/// The repositories in ECR of these images, each once, with their addresses.
pub(super) fn push_repositories(references: &[ImageRef]) -> Vec<(String, Result<RepositoryAddress, EcrError>)> {
    let mut known = BTreeSet::new();
    references
        .iter()
        .map(|reference| ImageRef { tag: None, digest: None, ..reference.clone() })
        .filter(|reference| known.insert(reference.to_string()))
        .filter_map(|reference| Some((reference.to_string(), RepositoryAddress::of(&reference).transpose()?)))
        .collect()
}
