//! A repository as it should be: the requests that create it, and how an existing one differs. A dry run prints the same values that the
//! real run sends.
//!
//! In: [`RepositorySpec`], and ECR's description of a repository. Out: requests and [`Warning`]s. Pure; an existing repository is never
//! changed, because others may rely on it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use super::address::{PrivateRepository, PublicRepository, RepositoryAddress};
use crate::config::settings::{EcrSettings, RepositoryEncryption};
use crate::diagnostic::{Warning, printable};
use crate::origin::Origin;

/// The desired state of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositorySpec {
    pub address: RepositoryAddress,
    pub settings: EcrSettings,
}

/// A call to AWS, as a dry run prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedCall {
    /// As in IAM policies: `ecr:CreateRepository`.
    pub action: &'static str,
    pub resource: String,
    pub request: Value,
    /// The condition of the call; `None` for one that is always made.
    pub only_when: Option<&'static str>,
}

/// The request `CreateRepository` for a private registry. Like the SDK, it omits what is not set.
fn create_request(repository: &PrivateRepository, settings: &EcrSettings) -> Value {
    let scanning = if scans_on_push(settings) { json!({ "scanOnPush": true }) } else { json!({}) };
    let mut request = json!({
        "registryId": repository.account,
        "repositoryName": repository.name.as_str(),
        "imageScanningConfiguration": scanning,
    });
    if let Some(mutability) = &settings.tag_mutability {
        request["imageTagMutability"] = json!(mutability.value.api_value());
        let filters = mutability.value.exclusions();
        if !filters.is_empty() {
            let filters = filters.iter().map(|filter| json!({ "filterType": "WILDCARD", "filter": filter }));
            request["imageTagMutabilityExclusionFilters"] = filters.collect();
        }
    }
    if let Some((encryption_type, key)) = encryption(settings) {
        request["encryptionConfiguration"] = json!({ "encryptionType": encryption_type });
        if let Some(key) = key {
            request["encryptionConfiguration"]["kmsKey"] = json!(key);
        }
    }
    if !settings.resource_tags.is_empty() {
        request["tags"] = resource_tags(settings);
    }
    request
}

/// AWS capitalizes these two keys.
fn resource_tags(settings: &EcrSettings) -> Value {
    settings.resource_tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value.value })).collect()
}

/// On unless switched off.
pub(super) fn scans_on_push(settings: &EcrSettings) -> bool {
    settings.scan_on_push.as_ref().is_none_or(|on| on.value)
}

/// Type of encryption as in ECR's API, and the KMS key.
pub(super) fn encryption(settings: &EcrSettings) -> Option<(&'static str, Option<&str>)> {
    settings.encryption.as_ref().map(|encryption| match &encryption.value {
        RepositoryEncryption::Aes256 => ("AES256", None),
        RepositoryEncryption::Kms(key) => ("KMS", key.as_deref()),
    })
}

/// The lifecycle policy, if images should expire. Rules apply in order of priority, and the one for any image must be the last (user
/// guide, "Lifecycle policy properties").
pub(super) fn lifecycle_policy(settings: &EcrSettings) -> Option<Value> {
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
    /// The calls to AWS, in order.
    pub fn planned_calls(&self) -> Vec<PlannedCall> {
        match &self.address {
            RepositoryAddress::Private(repository) => private_calls(repository, &self.settings),
            RepositoryAddress::Public(repository) => public_calls(repository, &self.settings),
        }
    }
}

const WHEN_MISSING: Option<&str> = Some("the repository is missing");
const WHEN_PRESENT: Option<&str> = Some("the repository exists");

fn private_calls(repository: &PrivateRepository, settings: &EcrSettings) -> Vec<PlannedCall> {
    let call = |action, request, only_when| PlannedCall { action, resource: repository.arn(), request, only_when };
    let identifiers = json!({ "registryId": repository.account, "repositoryName": repository.name.as_str() });
    let mut calls = vec![
        call(
            "ecr:DescribeRepositories",
            json!({ "registryId": repository.account, "repositoryNames": [repository.name.as_str()] }),
            None,
        ),
        call("ecr:CreateRepository", create_request(repository, settings), WHEN_MISSING),
    ];
    if let Some(policy) = lifecycle_policy(settings) {
        let mut request = identifiers.clone();
        request["lifecyclePolicyText"] = Value::String(policy.to_string());
        calls.push(call("ecr:PutLifecyclePolicy", request, WHEN_MISSING));
        calls.push(call("ecr:GetLifecyclePolicy", identifiers, WHEN_PRESENT));
    }
    if !settings.resource_tags.is_empty() {
        calls.push(call("ecr:ListTagsForResource", json!({ "resourceArn": repository.arn() }), WHEN_PRESENT));
    }
    calls
}

fn public_calls(repository: &PublicRepository, settings: &EcrSettings) -> Vec<PlannedCall> {
    let resource = repository.arn("ACCOUNT");
    let call = |action, request, only_when| PlannedCall { action, resource: resource.clone(), request, only_when };
    let mut create = json!({ "repositoryName": repository.name.as_str() });
    if !settings.resource_tags.is_empty() {
        create["tags"] = resource_tags(settings);
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

/// ECR's description of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ExistingRepository {
    /// As in ECR's API.
    pub mutability: Option<String>,
    pub exclusions: Vec<String>,
    pub scan_on_push: Option<bool>,
    /// As in ECR's API.
    pub encryption: Option<String>,
    pub kms_key: Option<String>,
    /// `None` if unknown, `null` if there is none.
    pub lifecycle: Option<Value>,
    /// `None` if unknown.
    pub tags: Option<BTreeMap<String, String>>,
}

struct Comparison<'a> {
    repository: &'a PrivateRepository,
    warnings: Vec<Warning>,
}

pub(super) fn differences(
    repository: &PrivateRepository,
    settings: &EcrSettings,
    found: &ExistingRepository,
) -> Vec<Warning> {
    let mut comparison = Comparison { repository, warnings: Vec::new() };
    comparison.mutability(settings, found);
    comparison.scanning(settings, found);
    comparison.encryption(settings, found);
    comparison.lifecycle(settings, found);
    comparison.tags(settings, found);
    comparison.warnings
}

impl Comparison<'_> {
    fn differs(&mut self, what: &str, (actual, requested): (&str, &str), origin: &Origin, hint: String) {
        let uri = self.repository.uri();
        let (actual, requested) = (printable(actual), printable(requested));
        let message = format!("`{uri}` already exists with {what} {actual} instead of {requested} ({origin})");
        self.warnings.push(Warning::new("ecr/differs", message).with_hint(hint));
    }

    /// `aws ecr VERB` for this repository.
    fn command(&self, verb: &str, arguments: &str) -> String {
        let PrivateRepository { account, region, name, .. } = self.repository;
        format!(
            "change it with `aws ecr {verb} --region {region} --registry-id {account} --repository-name {name} {arguments}`"
        )
    }

    fn mutability(&mut self, settings: &EcrSettings, found: &ExistingRepository) {
        let Some(requested) = &settings.tag_mutability else { return };
        let actual = found.mutability.as_deref().unwrap_or("MUTABLE");
        let desired = requested.value.api_value();
        let sorted = |filters: &[String]| {
            let mut filters = filters.to_vec();
            filters.sort();
            filters
        };
        if actual == desired && sorted(&found.exclusions) == sorted(requested.value.exclusions()) {
            return;
        }
        let shown = |word: &str, filters: &[String]| {
            if filters.is_empty() { word.to_owned() } else { format!("{word} ({})", filters.join(", ")) }
        };
        let mut arguments = format!("--image-tag-mutability {desired}");
        if !requested.value.exclusions().is_empty() {
            arguments.push_str(" --image-tag-mutability-exclusion-filters");
            for filter in requested.value.exclusions() {
                let _ = write!(arguments, " 'filterType=WILDCARD,filter={filter}'");
            }
        }
        let both = (shown(actual, &found.exclusions), shown(desired, requested.value.exclusions()));
        let hint = self.command("put-image-tag-mutability", &arguments);
        self.differs("tag mutability", (&both.0, &both.1), &requested.origin, hint);
    }

    fn scanning(&mut self, settings: &EcrSettings, found: &ExistingRepository) {
        let Some(requested) = &settings.scan_on_push else { return };
        // Without the field the account's registry decides (enhanced scanning).
        let Some(actual) = found.scan_on_push.filter(|actual| *actual != requested.value) else { return };
        let arguments = format!("--image-scanning-configuration scanOnPush={}", requested.value);
        let hint = self.command("put-image-scanning-configuration", &arguments);
        self.differs("scan on push", (&actual.to_string(), &requested.value.to_string()), &requested.origin, hint);
    }

    fn encryption(&mut self, settings: &EcrSettings, found: &ExistingRepository) {
        let (Some(requested), Some((desired, key))) = (&settings.encryption, encryption(settings)) else { return };
        let actual = found.encryption.as_deref().unwrap_or("AES256");
        // ECR answers with the ARN of the key; an alias cannot be compared with it.
        let key = key.filter(|key| key.contains(":key/"));
        if actual == desired && (key.is_none() || key == found.kms_key.as_deref()) {
            return;
        }
        let shown = |word: &str, key: Option<&str>| match key {
            Some(key) => format!("{word} with `{key}`"),
            None => word.to_owned(),
        };
        let hint = "the encryption of a repository cannot be changed: use another repository, or delete this one first";
        let both = (shown(actual, found.kms_key.as_deref()), shown(desired, key));
        self.differs("encryption", (&both.0, &both.1), &requested.origin, hint.to_owned());
    }

    fn lifecycle(&mut self, settings: &EcrSettings, found: &ExistingRepository) {
        let (Some(requested), Some(actual)) = (lifecycle_policy(settings), &found.lifecycle) else { return };
        let origin = settings.keep_images.as_ref().or(settings.expire_untagged_days.as_ref());
        let Some(origin) = origin.map(|count| &count.origin) else { return };
        if rules(&requested) == rules(actual) {
            return;
        }
        let shown = if actual.is_null() { "none" } else { "a different one" };
        let hint = self.command("put-lifecycle-policy", &format!("--lifecycle-policy-text '{requested}'"));
        self.differs("lifecycle policy", (shown, &summary(settings)), origin, hint);
    }

    fn tags(&mut self, settings: &EcrSettings, found: &ExistingRepository) {
        let Some(actual) = &found.tags else { return };
        for (key, requested) in &settings.resource_tags {
            let found = actual.get(key).map(String::as_str);
            if found == Some(requested.value.as_str()) {
                continue;
            }
            let region = &self.repository.region;
            let hint = format!(
                "change it with `aws ecr tag-resource --region {region} --resource-arn {} --tags 'Key={key},Value={}'`",
                self.repository.arn(),
                requested.value
            );
            let actual = found.map_or_else(|| "not set".to_owned(), |value| format!("`{value}`"));
            let desired = format!("`{}`", requested.value);
            self.differs(&format!("resource tag `{key}`"), (&actual, &desired), &requested.origin, hint);
        }
    }
}

/// The rules without their descriptions.
fn rules(policy: &Value) -> Vec<Value> {
    let rules = policy["rules"].as_array().cloned().unwrap_or_default();
    rules.into_iter().map(|rule| Value::Array(vec![rule["selection"].clone(), rule["action"].clone()])).collect()
}

fn summary(settings: &EcrSettings) -> String {
    let untagged = settings.expire_untagged_days.as_ref().map(|days| format!("untagged {} days", days.value));
    let kept = settings.keep_images.as_ref().map(|images| format!("{} images", images.value));
    untagged.into_iter().chain(kept).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::address::RepositoryName;
    use super::*;
    use crate::config::settings::TagMutability;
    use crate::origin::Sourced;

    fn flag<T>(flag: &str, value: T) -> Sourced<T> {
        Sourced::new(value, Origin::Flag(flag.to_owned()))
    }

    fn everything() -> EcrSettings {
        EcrSettings {
            tag_mutability: Some(flag(
                "--ecr-tag-mutability",
                TagMutability::ImmutableExcept(vec!["latest".into(), "dev-*".into()]),
            )),
            scan_on_push: Some(flag("--ecr-scan-on-push", true)),
            encryption: Some(flag(
                "--ecr-encryption",
                RepositoryEncryption::Kms(Some("arn:aws:kms:eu-central-1:012345678901:key/a".into())),
            )),
            resource_tags: [("team".to_owned(), flag("--ecr-resource-tag", "web".to_owned()))].into(),
            keep_images: Some(flag("--ecr-keep-images", 30)),
            expire_untagged_days: Some(flag("NEXTDEPLOY_ECR_EXPIRE_UNTAGGED_DAYS", 7)),
        }
    }

    fn check(settings: &EcrSettings, found: &ExistingRepository) -> Vec<Warning> {
        let name = RepositoryName::parse("acme/shop").unwrap();
        differences(&PrivateRepository::new("012345678901", "eu-central-1", name), settings, found)
    }

    #[test]
    fn every_difference_is_reported_with_a_command() {
        let found = ExistingRepository {
            mutability: Some("MUTABLE".into()),
            scan_on_push: Some(false),
            encryption: Some("AES256".into()),
            lifecycle: Some(Value::Null),
            tags: Some([("team".to_owned(), "shop\u{1b}".to_owned())].into()),
            ..ExistingRepository::default()
        };
        let warnings = check(&everything(), &found);
        let text: Vec<String> =
            warnings.iter().map(|w| format!("{}\n  {}", w.message, w.hint.as_deref().unwrap())).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn a_matching_repository_has_no_warnings() {
        let settings = everything();
        let mut policy = lifecycle_policy(&settings).unwrap();
        policy["rules"][0]["description"] = json!("in other words");
        let found = ExistingRepository {
            mutability: Some("IMMUTABLE_WITH_EXCLUSION".into()),
            exclusions: vec!["dev-*".into(), "latest".into()],
            scan_on_push: Some(true),
            encryption: Some("KMS".into()),
            kms_key: Some("arn:aws:kms:eu-central-1:012345678901:key/a".into()),
            lifecycle: Some(policy),
            tags: Some([("team".to_owned(), "web".to_owned()), ("other".to_owned(), "tag".to_owned())].into()),
        };
        assert_eq!(check(&settings, &found), []);
        assert_eq!(check(&EcrSettings::default(), &ExistingRepository::default()), []);
    }
}
