//! A repository of the public gallery: created when it is missing. It has no mutability, scanning, encryption or lifecycle.
//!
//! In: a client for `us-east-1`, the only region with this API. Out: [`RepositoryOutcome`].

use std::collections::BTreeMap;

use aws_sdk_ecrpublic::Client;
use aws_sdk_ecrpublic::types::{Repository, Tag};

use super::address::PublicRepository;
use super::error::{Call, EcrError};
use super::repository::{RepositoryOutcome, RepositoryStatus};
use super::request::resource_tags;
use crate::config::settings::EcrSettings;
use crate::diagnostic::Warning;
use crate::origin::Origin;

/// Makes sure that the repository is there.
///
/// # Errors
/// When it is missing and cannot be created, or when the credentials are for another account than the alias.
pub(super) async fn ensure_public(
    client: &Client,
    repository: &PublicRepository,
    settings: &EcrSettings,
) -> Result<RepositoryOutcome, EcrError> {
    let ensure = Ensure { client, repository, settings };
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

struct Ensure<'a> {
    client: &'a Client,
    repository: &'a PublicRepository,
    settings: &'a EcrSettings,
}

impl Ensure<'_> {
    /// The account cannot be seen in the address, so a wrong one would make a repository that nobody pushes to.
    async fn check_alias(&self) -> Result<(), EcrError> {
        let call = Call { action: "ecr-public:DescribeRegistries", resource: "*" };
        let answer = self.client.describe_registries().send().await.map_err(|error| call.failed(error))?;
        let mut registries: Vec<String> =
            answer.registries.iter().flat_map(|registry| &registry.aliases).map(|alias| alias.name.clone()).collect();
        registries.sort();
        let alias = &self.repository.alias;
        if registries.contains(alias) {
            return Ok(());
        }
        Err(EcrError::OtherAlias { alias: alias.clone(), registries })
    }

    async fn describe(&self) -> Result<Option<Repository>, EcrError> {
        let request = self.client.describe_repositories().repository_names(self.repository.name.as_str());
        match request.send().await {
            Ok(answer) => Ok(answer.repositories.unwrap_or_default().into_iter().next()),
            Err(error) => {
                let resource = self.repository.arn("*");
                let call = Call { action: "ecr-public:DescribeRepositories", resource: &resource };
                match call.failed(error) {
                    error if error.has_code("RepositoryNotFoundException") => Ok(None),
                    error => Err(error),
                }
            }
        }
    }

    async fn create(&self) -> Result<Repository, EcrError> {
        let tags = resource_tags(self.settings);
        let tags = tags.into_iter().map(|tag| Tag::builder().key(tag.key).value(tag.value).build());
        let tags: Vec<_> = tags.collect();
        let request = self.client.create_repository().repository_name(self.repository.name.as_str());
        let resource = self.repository.arn("*");
        let call = Call { action: "ecr-public:CreateRepository", resource: &resource };
        let answer = request.set_tags(Some(tags).filter(|tags| !tags.is_empty())).send().await;
        answer.map_err(|error| call.failed(error))?.repository.ok_or_else(|| call.incomplete("repository"))
    }

    async fn compare_tags(&self, existing: &Repository) -> Vec<Warning> {
        let Some(arn) = existing.repository_arn().filter(|_| !self.settings.resource_tags.is_empty()) else {
            return Vec::new();
        };
        let call = Call { action: "ecr-public:ListTagsForResource", resource: arn };
        let is: BTreeMap<String, String> = match self.client.list_tags_for_resource().resource_arn(arn).send().await {
            Ok(answer) => {
                answer.tags.unwrap_or_default().into_iter().filter_map(|tag| tag.key.zip(tag.value)).collect()
            }
            Err(error) => {
                let message =
                    format!("the tags of `{}` could not be compared: {}", self.repository.uri(), call.failed(error));
                let hint = "allow it as well, or leave it: a push does not need it";
                return vec![Warning::new("ecr/not-compared", message).with_hint(hint)];
            }
        };
        let other = self
            .settings
            .resource_tags
            .iter()
            .filter(|(key, asked)| is.get(*key).is_none_or(|value| *value != asked.value));
        other
            .map(|(key, asked)| {
                let message = format!(
                    "`{}` is there already, without the resource tag `{key}={}` ({})",
                    self.repository.uri(),
                    asked.value,
                    asked.origin
                );
                Warning::new("ecr/differs", message).with_hint(format!(
                    "change it with `aws ecr-public tag-resource --region us-east-1 --resource-arn {arn} --tags 'Key={key},Value={}'`",
                    asked.value
                ))
            })
            .collect()
    }

    fn outcome(
        &self,
        repository: Repository,
        status: RepositoryStatus,
        warnings: Vec<Warning>,
    ) -> Result<RepositoryOutcome, EcrError> {
        let call = Call { action: "ecr-public:DescribeRepositories", resource: "*" };
        let arn = repository.repository_arn.ok_or_else(|| call.incomplete("ARN of the repository"))?;
        Ok(RepositoryOutcome { arn, uri: self.repository.uri(), status, warnings })
    }
}

/// What was asked for and does not exist in the public gallery.
fn not_available(settings: &EcrSettings) -> Vec<Warning> {
    let origins: [(&str, Option<&Origin>); 5] = [
        ("tag mutability", settings.tag_mutability.as_ref().map(|asked| &asked.origin)),
        ("scan on push", settings.scan_on_push.as_ref().map(|asked| &asked.origin)),
        ("choice of encryption", settings.encryption.as_ref().map(|asked| &asked.origin)),
        ("lifecycle policy", settings.keep_images.as_ref().map(|asked| &asked.origin)),
        ("lifecycle policy", settings.expire_untagged_days.as_ref().map(|asked| &asked.origin)),
    ];
    origins
        .into_iter()
        .filter_map(|(what, origin)| origin.map(|origin| (what, origin)))
        .map(|(what, origin)| {
            let message = format!("repositories of the public gallery have no {what} ({origin})");
            Warning::new("ecr/not-in-public", message).with_hint("leave the setting out for `public.ecr.aws`")
        })
        .collect()
}
