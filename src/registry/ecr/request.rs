//! What is asked of ECR for one repository, as the API takes it; a dry run prints the same values that the real run sends.
//!
//! In: [`RepositorySpec`]. Out: requests and the lifecycle policy. Never asks anything itself.

use serde::Serialize;
use serde_json::{Value, json};

use super::address::{PrivateRepository, PublicRepository, RepositoryAddress};
use crate::config::settings::{EcrSettings, RepositoryEncryption, TagMutability};

/// A repository as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositorySpec {
    pub address: RepositoryAddress,
    pub settings: EcrSettings,
}

/// One call that AWS would get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedCall {
    /// As policies name it: `ecr:CreateRepository`.
    pub action: &'static str,
    pub resource: String,
    pub request: Value,
    /// `None` for a call that is always made.
    pub only_when: Option<&'static str>,
}

/// The request `CreateRepository` of a private registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRequest {
    pub registry_id: String,
    pub repository_name: String,
    pub image_scanning_configuration: Scanning,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_tag_mutability: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_tag_mutability_exclusion_filters: Vec<ExclusionFilter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_configuration: Option<Encryption>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<ResourceTag>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scanning {
    /// Left out when it is off, as the SDK does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub scan_on_push: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExclusionFilter {
    pub filter_type: &'static str,
    pub filter: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Encryption {
    pub encryption_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
}

/// AWS writes these two words in upper case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ResourceTag {
    pub key: String,
    pub value: String,
}

impl CreateRequest {
    pub fn new(repository: &PrivateRepository, settings: &EcrSettings) -> Self {
        let mutability = settings.tag_mutability.as_ref().map(|mutability| &mutability.value);
        let filters = mutability.map(TagMutability::exclusions).unwrap_or_default();
        Self {
            registry_id: repository.account.clone(),
            repository_name: repository.name.to_string(),
            image_scanning_configuration: Scanning {
                scan_on_push: settings.scan_on_push.as_ref().is_none_or(|on| on.value),
            },
            image_tag_mutability: mutability.map(TagMutability::api_value),
            image_tag_mutability_exclusion_filters: filters
                .iter()
                .map(|filter| ExclusionFilter { filter_type: "WILDCARD", filter: filter.clone() })
                .collect(),
            encryption_configuration: settings.encryption.as_ref().map(|encryption| match &encryption.value {
                RepositoryEncryption::Aes256 => Encryption { encryption_type: "AES256", kms_key: None },
                RepositoryEncryption::Kms(key) => Encryption { encryption_type: "KMS", kms_key: key.clone() },
            }),
            tags: resource_tags(settings),
        }
    }
}

pub(super) fn resource_tags(settings: &EcrSettings) -> Vec<ResourceTag> {
    let tags = settings.resource_tags.iter();
    tags.map(|(key, value)| ResourceTag { key: key.clone(), value: value.value.clone() }).collect()
}

/// The lifecycle policy, when images are to expire. Rules are tried in order of priority, and the one for any image has to be
/// the last (user guide, "Lifecycle policy properties").
pub fn lifecycle_policy(settings: &EcrSettings) -> Option<Value> {
    let mut rules = Vec::new();
    if let Some(days) = &settings.expire_untagged_days {
        rules.push(json!({
            "rulePriority": 1,
            "description": format!("Expire untagged images after {} days", days.value),
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": days.value,
            },
            "action": { "type": "expire" },
        }));
    }
    if let Some(images) = &settings.keep_images {
        rules.push(json!({
            "rulePriority": 2,
            "description": format!("Keep {} images", images.value),
            "selection": { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": images.value },
            "action": { "type": "expire" },
        }));
    }
    (!rules.is_empty()).then(|| json!({ "rules": rules }))
}

impl RepositorySpec {
    /// What would be asked of AWS, in this order.
    pub fn planned_calls(&self) -> Vec<PlannedCall> {
        match &self.address {
            RepositoryAddress::Private(repository) => private_calls(repository, &self.settings),
            RepositoryAddress::Public(repository) => public_calls(repository, &self.settings),
        }
    }
}

const WHEN_MISSING: Option<&str> = Some("the repository is missing");
const WHEN_THERE: Option<&str> = Some("the repository is there");

fn private_calls(repository: &PrivateRepository, settings: &EcrSettings) -> Vec<PlannedCall> {
    let call = |action, request, only_when| PlannedCall { action, resource: repository.arn(), request, only_when };
    let place = json!({ "registryId": repository.account, "repositoryName": repository.name.as_str() });
    let create = serde_json::to_value(CreateRequest::new(repository, settings));
    let create = create.expect("the request has string keys only");
    let mut calls = vec![
        call(
            "ecr:DescribeRepositories",
            json!({ "registryId": repository.account, "repositoryNames": [repository.name.as_str()] }),
            None,
        ),
        call("ecr:CreateRepository", create, WHEN_MISSING),
    ];
    if let Some(policy) = lifecycle_policy(settings) {
        let mut request = place.clone();
        request["lifecyclePolicyText"] = Value::String(policy.to_string());
        calls.push(call("ecr:PutLifecyclePolicy", request, WHEN_MISSING));
        calls.push(call("ecr:GetLifecyclePolicy", place, WHEN_THERE));
    }
    if !settings.resource_tags.is_empty() {
        calls.push(call("ecr:ListTagsForResource", json!({ "resourceArn": repository.arn() }), WHEN_THERE));
    }
    calls
}

fn public_calls(repository: &PublicRepository, settings: &EcrSettings) -> Vec<PlannedCall> {
    let resource = repository.arn("ACCOUNT");
    let call = |action, request, only_when| PlannedCall { action, resource: resource.clone(), request, only_when };
    let mut create = json!({ "repositoryName": repository.name.as_str() });
    let tags = resource_tags(settings);
    if !tags.is_empty() {
        create["tags"] = serde_json::to_value(tags).expect("tags have string keys only");
    }
    let registries = PlannedCall {
        action: "ecr-public:DescribeRegistries",
        resource: "*".to_owned(),
        request: json!({}),
        only_when: None,
    };
    let describe = json!({ "repositoryNames": [repository.name.as_str()] });
    vec![
        registries,
        call("ecr-public:DescribeRepositories", describe, None),
        call("ecr-public:CreateRepository", create, WHEN_MISSING),
    ]
}
