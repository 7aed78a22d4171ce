//! The private repository that a push needs: created when it is missing, compared when it is there, never changed.
//!
//! In: a client for the repository's region and a [`RepositorySpec`]. Out: [`RepositoryOutcome`].

use std::collections::BTreeMap;

use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::BuildError;
use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageScanningConfiguration, ImageTagMutability,
    ImageTagMutabilityExclusionFilter, ImageTagMutabilityExclusionFilterType, Repository, Tag,
};
use serde::Serialize;
use serde_json::Value;

use super::address::PrivateRepository;
use super::difference::{Found, differences};
use super::error::{Call, EcrError};
use super::request::{CreateRequest, lifecycle_policy};
use crate::config::settings::EcrSettings;
use crate::diagnostic::Warning;

/// A repository that is there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepositoryOutcome {
    pub arn: String,
    /// As image references write it, without a tag.
    pub uri: String,
    pub status: RepositoryStatus,
    /// Where an existing repository is not as asked, and what could not be compared.
    pub warnings: Vec<Warning>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepositoryStatus {
    Created,
    Existed,
}

/// One repository, the client for its region, and what was asked for.
struct Ensure<'a> {
    client: &'a Client,
    repository: &'a PrivateRepository,
    settings: &'a EcrSettings,
    arn: String,
}

/// Makes sure that the repository is there.
///
/// # Errors
/// When it is missing and cannot be created; a refusal names the action and the ARN.
pub(super) async fn ensure_private(
    client: &Client,
    repository: &PrivateRepository,
    settings: &EcrSettings,
) -> Result<RepositoryOutcome, EcrError> {
    Ensure { client, repository, settings, arn: repository.arn() }.run().await
}

impl Ensure<'_> {
    async fn run(&self) -> Result<RepositoryOutcome, EcrError> {
        let refused = match self.describe().await {
            Ok(Some(existing)) => return Ok(self.existed(self.compare(&existing).await)),
            Ok(None) => None,
            // Who may create need not be allowed to look.
            Err(error) if error.is_access_denied() => Some(error),
            Err(error) => return Err(error),
        };
        match self.create().await {
            Ok(()) => {}
            // Another run was faster, or nobody was allowed to look.
            Err(error) if error.has_code("RepositoryAlreadyExistsException") => {
                let warnings = match self.describe().await {
                    Ok(Some(existing)) => self.compare(&existing).await,
                    Ok(None) => return Err(error),
                    Err(looking) if looking.is_access_denied() => self.not_compared(&looking),
                    Err(looking) => return Err(looking),
                };
                return Ok(self.existed(warnings));
            }
            Err(error) => return Err(refused.filter(|_| !error.is_access_denied()).unwrap_or(error)),
        }
        if let Some(policy) = lifecycle_policy(self.settings) {
            self.put_lifecycle_policy(&policy)
                .await
                .map_err(|source| EcrError::LifecycleNotSet { uri: self.repository.uri(), source: Box::new(source) })?;
        }
        Ok(self.outcome(RepositoryStatus::Created, Vec::new()))
    }

    fn outcome(&self, status: RepositoryStatus, warnings: Vec<Warning>) -> RepositoryOutcome {
        RepositoryOutcome { arn: self.arn.clone(), uri: self.repository.uri(), status, warnings }
    }

    fn existed(&self, warnings: Vec<Warning>) -> RepositoryOutcome {
        self.outcome(RepositoryStatus::Existed, warnings)
    }

    fn call(&self, action: &'static str) -> Call<'_> {
        Call { action, resource: &self.arn }
    }

    async fn describe(&self) -> Result<Option<Repository>, EcrError> {
        let request = self.client.describe_repositories().registry_id(&self.repository.account);
        match request.repository_names(self.repository.name.as_str()).send().await {
            Ok(answer) => Ok(answer.repositories.unwrap_or_default().into_iter().next()),
            Err(error) => match self.call("ecr:DescribeRepositories").failed(error) {
                error if error.has_code("RepositoryNotFoundException") => Ok(None),
                error => Err(error),
            },
        }
    }

    async fn create(&self) -> Result<(), EcrError> {
        let request = CreateRequest::new(self.repository, self.settings);
        let scanning = ImageScanningConfiguration::builder()
            .scan_on_push(request.image_scanning_configuration.scan_on_push)
            .build();
        let complete = "requests of this program have all fields";
        let filters = request.image_tag_mutability_exclusion_filters.iter().map(|filter| {
            ImageTagMutabilityExclusionFilter::builder()
                .filter_type(ImageTagMutabilityExclusionFilterType::from(filter.filter_type))
                .filter(&filter.filter)
                .build()
        });
        let filters: Vec<_> = filters.collect::<Result<_, BuildError>>().expect(complete);
        let encryption = request.encryption_configuration.map(|encryption| {
            EncryptionConfiguration::builder()
                .encryption_type(EncryptionType::from(encryption.encryption_type))
                .set_kms_key(encryption.kms_key)
                .build()
                .expect(complete)
        });
        let tags = request.tags.into_iter().map(|tag| Tag::builder().key(tag.key).value(tag.value).build());
        let tags: Vec<_> = tags.collect::<Result<_, BuildError>>().expect(complete);
        let created = self
            .client
            .create_repository()
            .registry_id(request.registry_id)
            .repository_name(request.repository_name)
            .image_scanning_configuration(scanning)
            .set_image_tag_mutability(request.image_tag_mutability.map(ImageTagMutability::from))
            .set_image_tag_mutability_exclusion_filters(Some(filters).filter(|filters| !filters.is_empty()))
            .set_encryption_configuration(encryption)
            .set_tags(Some(tags).filter(|tags| !tags.is_empty()))
            .send()
            .await;
        created.map(|_| ()).map_err(|error| self.call("ecr:CreateRepository").failed(error))
    }

    async fn put_lifecycle_policy(&self, policy: &Value) -> Result<(), EcrError> {
        let request = self.client.put_lifecycle_policy().registry_id(&self.repository.account);
        let request = request.repository_name(self.repository.name.as_str()).lifecycle_policy_text(policy.to_string());
        request.send().await.map(|_| ()).map_err(|error| self.call("ecr:PutLifecyclePolicy").failed(error))
    }

    /// Only what was asked for is compared.
    async fn compare(&self, existing: &Repository) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut found = found(existing);
        if lifecycle_policy(self.settings).is_some() {
            match self.lifecycle_policy().await {
                Ok(policy) => found.lifecycle = Some(policy),
                Err(error) => warnings.extend(self.not_compared(&error)),
            }
        }
        if !self.settings.resource_tags.is_empty() {
            match self.tags().await {
                Ok(tags) => found.tags = Some(tags),
                Err(error) => warnings.extend(self.not_compared(&error)),
            }
        }
        warnings.extend(differences(self.repository, self.settings, &found));
        warnings
    }

    /// The policy of the existing repository; `null` when it has none.
    async fn lifecycle_policy(&self) -> Result<Value, EcrError> {
        let call = self.call("ecr:GetLifecyclePolicy");
        let request = self.client.get_lifecycle_policy().registry_id(&self.repository.account);
        match request.repository_name(self.repository.name.as_str()).send().await {
            Ok(answer) => {
                let text = answer.lifecycle_policy_text().ok_or_else(|| call.incomplete("policy"))?;
                serde_json::from_str(text).map_err(|_| call.incomplete("policy that is JSON"))
            }
            Err(error) => match call.failed(error) {
                error if error.has_code("LifecyclePolicyNotFoundException") => Ok(Value::Null),
                error => Err(error),
            },
        }
    }

    async fn tags(&self) -> Result<BTreeMap<String, String>, EcrError> {
        let answer = self.client.list_tags_for_resource().resource_arn(&self.arn).send().await;
        let tags = answer.map_err(|error| self.call("ecr:ListTagsForResource").failed(error))?.tags;
        Ok(tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect())
    }

    fn not_compared(&self, error: &EcrError) -> Vec<Warning> {
        let message =
            format!("whether `{}` is as it was asked for could not be compared: {error}", self.repository.uri());
        let hint = "allow it as well, or leave it: a push does not need it";
        vec![Warning::new("ecr/not-compared", message).with_hint(hint)]
    }
}

fn found(existing: &Repository) -> Found {
    let encryption = existing.encryption_configuration();
    Found {
        mutability: existing.image_tag_mutability().map(|mutability| mutability.as_str().to_owned()),
        exclusions: existing
            .image_tag_mutability_exclusion_filters()
            .iter()
            .map(|filter| filter.filter().to_owned())
            .collect(),
        scan_on_push: existing.image_scanning_configuration().map(ImageScanningConfiguration::scan_on_push),
        encryption: encryption.map(|encryption| encryption.encryption_type().as_str().to_owned()),
        kms_key: encryption.and_then(|encryption| encryption.kms_key()).map(str::to_owned),
        lifecycle: None,
        tags: None,
    }
}
