//! The repository of a push: created if missing, compared if it exists, never changed.
//!
//! In: a client for the repository's region, its address and settings. Out: [`RepositoryOutcome`]. Repositories of the public gallery
//! have no mutability, scanning, encryption or lifecycle.

use std::collections::BTreeMap;

use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::BuildError;
use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageScanningConfiguration, ImageTagMutability,
    ImageTagMutabilityExclusionFilter, ImageTagMutabilityExclusionFilterType, Repository, Tag,
};
use aws_sdk_ecrpublic::Client as EcrPublicClient;
use aws_sdk_ecrpublic::types::{Repository as EcrPublicRepository, Tag as EcrPublicTag};
use serde::Serialize;
use serde_json::Value;

use super::address::{PrivateRepository, PublicRepository};
use super::error::{AwsCall, EcrError};
use super::spec::{ExistingRepository, differences, encryption, lifecycle_policy, scans_on_push};
use crate::config::settings::{EcrSettings, TagMutability};
use crate::diagnostic::Warning;
use crate::origin::Origin;

/// An existing or new repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepositoryOutcome {
    pub arn: String,
    /// As image references write it, without a tag.
    pub uri: String,
    pub status: RepositoryStatus,
    /// How an existing repository differs from the settings, and what could not be compared.
    pub warnings: Vec<Warning>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepositoryStatus {
    Created,
    Existed,
}

struct PrivateEnsure<'a> {
    client: &'a Client,
    repository: &'a PrivateRepository,
    settings: &'a EcrSettings,
    arn: String,
}

/// Creates the repository if it is missing.
///
/// # Errors
/// If it cannot be created; a denial names the action and the ARN.
pub(super) async fn ensure_private(
    client: &Client,
    repository: &PrivateRepository,
    settings: &EcrSettings,
) -> Result<RepositoryOutcome, EcrError> {
    PrivateEnsure { client, repository, settings, arn: repository.arn() }.run().await
}

impl PrivateEnsure<'_> {
    async fn run(&self) -> Result<RepositoryOutcome, EcrError> {
        let refused = match self.describe().await {
            Ok(Some(existing)) => return Ok(self.existed(self.compare(&existing).await)),
            Ok(None) => None,
            // Creating it does not require the permission to describe it.
            Err(error) if error.is_access_denied() => Some(error),
            Err(error) => return Err(error),
        };
        match self.create().await {
            Ok(()) => {}
            // Another run was faster, or describing it was denied.
            Err(error) if error.has_code("RepositoryAlreadyExistsException") => {
                let warnings = match self.describe().await {
                    Ok(Some(existing)) => self.compare(&existing).await,
                    Ok(None) => return Err(error),
                    Err(denied) if denied.is_access_denied() => self.not_compared(&denied),
                    Err(error) => return Err(error),
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

    fn call(&self, action: &'static str) -> AwsCall<'_> {
        AwsCall { action, resource: &self.arn }
    }

    async fn describe(&self) -> Result<Option<Repository>, EcrError> {
        let request = self.client.describe_repositories().registry_id(&self.repository.account);
        match request.repository_names(self.repository.name.as_str()).send().await {
            Ok(output) => Ok(output.repositories.unwrap_or_default().into_iter().next()),
            Err(error) => match self.call("ecr:DescribeRepositories").failed(error) {
                error if error.has_code("RepositoryNotFoundException") => Ok(None),
                error => Err(error),
            },
        }
    }

    async fn create(&self) -> Result<(), EcrError> {
        let complete = "all required fields are set";
        let mutability = self.settings.tag_mutability.as_ref().map(|mutability| &mutability.value);
        let filters = mutability.map(TagMutability::exclusions).unwrap_or_default().iter().map(|filter| {
            let filter = ImageTagMutabilityExclusionFilter::builder().filter(filter);
            filter.filter_type(ImageTagMutabilityExclusionFilterType::Wildcard).build()
        });
        let filters: Vec<_> = filters.collect::<Result<_, BuildError>>().expect(complete);
        let encryption = encryption(self.settings).map(|(encryption_type, key)| {
            let encryption = EncryptionConfiguration::builder().encryption_type(EncryptionType::from(encryption_type));
            encryption.set_kms_key(key.map(str::to_owned)).build().expect(complete)
        });
        let tags = self.settings.resource_tags.iter();
        let tags = tags.map(|(key, value)| Tag::builder().key(key).value(&value.value).build());
        let tags: Vec<_> = tags.collect::<Result<_, BuildError>>().expect(complete);
        let scanning = ImageScanningConfiguration::builder().scan_on_push(scans_on_push(self.settings)).build();
        let created = self
            .client
            .create_repository()
            .registry_id(&self.repository.account)
            .repository_name(self.repository.name.as_str())
            .image_scanning_configuration(scanning)
            .set_image_tag_mutability(mutability.map(|mutability| ImageTagMutability::from(mutability.api_value())))
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

    /// Compares only what is set.
    async fn compare(&self, existing: &Repository) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut found = describe_existing(existing);
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

    /// The policy of the existing repository; `null` if it has none.
    async fn lifecycle_policy(&self) -> Result<Value, EcrError> {
        let call = self.call("ecr:GetLifecyclePolicy");
        let request = self.client.get_lifecycle_policy().registry_id(&self.repository.account);
        match request.repository_name(self.repository.name.as_str()).send().await {
            Ok(output) => {
                let text = output.lifecycle_policy_text().ok_or_else(|| call.incomplete("policy"))?;
                serde_json::from_str(text).map_err(|_| call.incomplete("policy that is JSON"))
            }
            Err(error) => match call.failed(error) {
                error if error.has_code("LifecyclePolicyNotFoundException") => Ok(Value::Null),
                error => Err(error),
            },
        }
    }

    async fn tags(&self) -> Result<BTreeMap<String, String>, EcrError> {
        let output = self.client.list_tags_for_resource().resource_arn(&self.arn).send().await;
        let tags = output.map_err(|error| self.call("ecr:ListTagsForResource").failed(error))?.tags;
        Ok(tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect())
    }

    fn not_compared(&self, error: &EcrError) -> Vec<Warning> {
        let message = format!("cannot compare `{}` with the settings: {error}", self.repository.uri());
        let hint = "allow this action, or ignore the warning: a push does not need it";
        vec![Warning::new("ecr/not-compared", message).with_hint(hint)]
    }
}

fn describe_existing(existing: &Repository) -> ExistingRepository {
    let encryption = existing.encryption_configuration();
    ExistingRepository {
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

/// Creates the repository of the public gallery if it is missing.
///
/// # Errors
/// If it cannot be created, or if the credentials belong to another account than the alias.
pub(super) async fn ensure_public(
    client: &EcrPublicClient,
    repository: &PublicRepository,
    settings: &EcrSettings,
) -> Result<RepositoryOutcome, EcrError> {
    let ensure = PublicEnsure { client, repository, settings };
    let mut warnings = not_available(settings);
    ensure.check_alias().await?;
    if let Some(existing) = ensure.describe().await? {
        warnings.extend(ensure.compare_tags(&existing).await);
        return ensure.outcome(existing, RepositoryStatus::Existed, warnings);
    }
    match ensure.create().await {
        Ok(created) => ensure.outcome(created, RepositoryStatus::Created, warnings),
        Err(error) if error.has_code("RepositoryAlreadyExistsException") => match ensure.describe().await? {
            Some(existing) => ensure.outcome(existing, RepositoryStatus::Existed, warnings),
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

struct PublicEnsure<'a> {
    client: &'a EcrPublicClient,
    repository: &'a PublicRepository,
    settings: &'a EcrSettings,
}

impl PublicEnsure<'_> {
    /// The address does not contain the account, so credentials for another one would create a useless repository.
    async fn check_alias(&self) -> Result<(), EcrError> {
        let call = AwsCall { action: "ecr-public:DescribeRegistries", resource: "*" };
        let output = self.client.describe_registries().send().await.map_err(|error| call.failed(error))?;
        let mut registries: Vec<String> =
            output.registries.iter().flat_map(|registry| &registry.aliases).map(|alias| alias.name.clone()).collect();
        registries.sort();
        let alias = &self.repository.alias;
        if registries.contains(alias) {
            return Ok(());
        }
        Err(EcrError::OtherAlias { alias: alias.clone(), registries })
    }

    async fn describe(&self) -> Result<Option<EcrPublicRepository>, EcrError> {
        let request = self.client.describe_repositories().repository_names(self.repository.name.as_str());
        match request.send().await {
            Ok(output) => Ok(output.repositories.unwrap_or_default().into_iter().next()),
            Err(error) => {
                let resource = self.repository.arn("*");
                let call = AwsCall { action: "ecr-public:DescribeRepositories", resource: &resource };
                match call.failed(error) {
                    error if error.has_code("RepositoryNotFoundException") => Ok(None),
                    error => Err(error),
                }
            }
        }
    }

    async fn create(&self) -> Result<EcrPublicRepository, EcrError> {
        let tags = self.settings.resource_tags.iter();
        let tags = tags.map(|(key, value)| EcrPublicTag::builder().key(key).value(&value.value).build());
        let tags: Vec<_> = tags.collect();
        let request = self.client.create_repository().repository_name(self.repository.name.as_str());
        let resource = self.repository.arn("*");
        let call = AwsCall { action: "ecr-public:CreateRepository", resource: &resource };
        let output = request.set_tags(Some(tags).filter(|tags| !tags.is_empty())).send().await;
        output.map_err(|error| call.failed(error))?.repository.ok_or_else(|| call.incomplete("repository"))
    }

    async fn compare_tags(&self, existing: &EcrPublicRepository) -> Vec<Warning> {
        let Some(arn) = existing.repository_arn().filter(|_| !self.settings.resource_tags.is_empty()) else {
            return Vec::new();
        };
        let call = AwsCall { action: "ecr-public:ListTagsForResource", resource: arn };
        let present: BTreeMap<String, String> =
            match self.client.list_tags_for_resource().resource_arn(arn).send().await {
                Ok(output) => {
                    output.tags.unwrap_or_default().into_iter().filter_map(|tag| tag.key.zip(tag.value)).collect()
                }
                Err(error) => {
                    let message =
                        format!("cannot compare the tags of `{}`: {}", self.repository.uri(), call.failed(error));
                    let hint = "allow this action, or ignore the warning: a push does not need it";
                    return vec![Warning::new("ecr/not-compared", message).with_hint(hint)];
                }
            };
        let missing = self
            .settings
            .resource_tags
            .iter()
            .filter(|(key, value)| present.get(*key).is_none_or(|present| *present != value.value));
        missing
            .map(|(key, value)| {
                let message = format!(
                    "`{}` already exists without the resource tag `{key}={}` ({})",
                    self.repository.uri(),
                    value.value,
                    value.origin
                );
                Warning::new("ecr/differs", message).with_hint(format!(
                    "change it with `aws ecr-public tag-resource --region us-east-1 --resource-arn {arn} --tags 'Key={key},Value={}'`",
                    value.value
                ))
            })
            .collect()
    }

    fn outcome(
        &self,
        repository: EcrPublicRepository,
        status: RepositoryStatus,
        warnings: Vec<Warning>,
    ) -> Result<RepositoryOutcome, EcrError> {
        let call = AwsCall { action: "ecr-public:DescribeRepositories", resource: "*" };
        let arn = repository.repository_arn.ok_or_else(|| call.incomplete("ARN of the repository"))?;
        Ok(RepositoryOutcome { arn, uri: self.repository.uri(), status, warnings })
    }
}

/// Settings that do not exist in the public gallery.
fn not_available(settings: &EcrSettings) -> Vec<Warning> {
    let origins: [(&str, Option<&Origin>); 5] = [
        ("tag mutability", settings.tag_mutability.as_ref().map(|setting| &setting.origin)),
        ("scan on push", settings.scan_on_push.as_ref().map(|setting| &setting.origin)),
        ("choice of encryption", settings.encryption.as_ref().map(|setting| &setting.origin)),
        ("lifecycle policy", settings.keep_images.as_ref().map(|setting| &setting.origin)),
        ("lifecycle policy", settings.expire_untagged_days.as_ref().map(|setting| &setting.origin)),
    ];
    origins
        .into_iter()
        .filter_map(|(what, origin)| origin.map(|origin| (what, origin)))
        .map(|(what, origin)| {
            let message = format!("repositories of the public gallery have no {what} ({origin})");
            Warning::new("ecr/not-in-public", message).with_hint("omit the setting for `public.ecr.aws`")
        })
        .collect()
}
