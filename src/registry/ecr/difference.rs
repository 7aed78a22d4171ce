//! Where an existing repository is not as it was asked for, each with the command that changes it.
//!
//! Settings and what ECR answered in, [`Warning`]s out. Never changes the repository: others may rely on what it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::address::PrivateRepository;
use super::request::lifecycle_policy;
use crate::config::settings::{EcrSettings, RepositoryEncryption};
use crate::diagnostic::{Warning, printable};
use crate::origin::Origin;

/// What ECR says of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// In the words of ECR's API.
    pub mutability: Option<String>,
    pub exclusions: Vec<String>,
    pub scan_on_push: Option<bool>,
    /// In the words of ECR's API.
    pub encryption: Option<String>,
    pub kms_key: Option<String>,
    /// `None` when it was not asked or not told, `null` when there is none.
    pub lifecycle: Option<Value>,
    /// `None` when they were not asked or not told.
    pub tags: Option<BTreeMap<String, String>>,
}

struct Comparison<'a> {
    repository: &'a PrivateRepository,
    warnings: Vec<Warning>,
}

pub(super) fn differences(repository: &PrivateRepository, settings: &EcrSettings, found: &Found) -> Vec<Warning> {
    let mut comparison = Comparison { repository, warnings: Vec::new() };
    comparison.mutability(settings, found);
    comparison.scanning(settings, found);
    comparison.encryption(settings, found);
    comparison.lifecycle(settings, found);
    comparison.tags(settings, found);
    comparison.warnings
}

impl Comparison<'_> {
    fn differs(&mut self, what: &str, (is, asked): (&str, &str), origin: &Origin, hint: String) {
        let uri = self.repository.uri();
        let (is, asked) = (printable(is), printable(asked));
        let message = format!("`{uri}` is there already, and its {what} is {is}; asked for was {asked} ({origin})");
        self.warnings.push(Warning::new("ecr/differs", message).with_hint(hint));
    }

    /// `aws ecr VERB` for this repository.
    fn command(&self, verb: &str, arguments: &str) -> String {
        let PrivateRepository { account, region, name, .. } = self.repository;
        format!(
            "change it with `aws ecr {verb} --region {region} --registry-id {account} --repository-name {name} {arguments}`"
        )
    }

    fn mutability(&mut self, settings: &EcrSettings, found: &Found) {
        let Some(asked) = &settings.tag_mutability else { return };
        let is = found.mutability.as_deref().unwrap_or("MUTABLE");
        let wanted = asked.value.api_value();
        let sorted = |filters: &[String]| {
            let mut filters = filters.to_vec();
            filters.sort();
            filters
        };
        if is == wanted && sorted(&found.exclusions) == sorted(asked.value.exclusions()) {
            return;
        }
        let shown = |word: &str, filters: &[String]| {
            if filters.is_empty() { word.to_owned() } else { format!("{word} ({})", filters.join(", ")) }
        };
        let mut arguments = format!("--image-tag-mutability {wanted}");
        if !asked.value.exclusions().is_empty() {
            arguments.push_str(" --image-tag-mutability-exclusion-filters");
            for filter in asked.value.exclusions() {
                let _ = write!(arguments, " 'filterType=WILDCARD,filter={filter}'");
            }
        }
        let both = (shown(is, &found.exclusions), shown(wanted, asked.value.exclusions()));
        let hint = self.command("put-image-tag-mutability", &arguments);
        self.differs("tag mutability", (&both.0, &both.1), &asked.origin, hint);
    }

    fn scanning(&mut self, settings: &EcrSettings, found: &Found) {
        let Some(asked) = &settings.scan_on_push else { return };
        // Without the field the account's registry decides (enhanced scanning).
        let Some(is) = found.scan_on_push.filter(|is| *is != asked.value) else { return };
        let arguments = format!("--image-scanning-configuration scanOnPush={}", asked.value);
        let hint = self.command("put-image-scanning-configuration", &arguments);
        self.differs("scan on push", (&is.to_string(), &asked.value.to_string()), &asked.origin, hint);
    }

    fn encryption(&mut self, settings: &EcrSettings, found: &Found) {
        let Some(asked) = &settings.encryption else { return };
        let is = found.encryption.as_deref().unwrap_or("AES256");
        let (wanted, key) = match &asked.value {
            RepositoryEncryption::Aes256 => ("AES256", None),
            RepositoryEncryption::Kms(key) => ("KMS", key.as_deref()),
        };
        // ECR answers with the ARN of the key; an alias cannot be compared with it.
        let key = key.filter(|key| key.contains(":key/"));
        if is == wanted && (key.is_none() || key == found.kms_key.as_deref()) {
            return;
        }
        let shown = |word: &str, key: Option<&str>| match key {
            Some(key) => format!("{word} with `{key}`"),
            None => word.to_owned(),
        };
        let hint = "encryption is decided when a repository is made: make another one, or delete this one first";
        let both = (shown(is, found.kms_key.as_deref()), shown(wanted, key));
        self.differs("encryption", (&both.0, &both.1), &asked.origin, hint.to_owned());
    }

    fn lifecycle(&mut self, settings: &EcrSettings, found: &Found) {
        let (Some(asked), Some(is)) = (lifecycle_policy(settings), &found.lifecycle) else { return };
        let origin = settings.keep_images.as_ref().or(settings.expire_untagged_days.as_ref());
        let Some(origin) = origin.map(|count| &count.origin) else { return };
        if rules(&asked) == rules(is) {
            return;
        }
        let shown = if is.is_null() { "none" } else { "another one" };
        let hint = self.command("put-lifecycle-policy", &format!("--lifecycle-policy-text '{asked}'"));
        self.differs("lifecycle policy", (shown, &summary(settings)), origin, hint);
    }

    fn tags(&mut self, settings: &EcrSettings, found: &Found) {
        let Some(is) = &found.tags else { return };
        for (key, asked) in &settings.resource_tags {
            let found = is.get(key).map(String::as_str);
            if found == Some(asked.value.as_str()) {
                continue;
            }
            let region = &self.repository.region;
            let hint = format!(
                "change it with `aws ecr tag-resource --region {region} --resource-arn {} --tags 'Key={key},Value={}'`",
                self.repository.arn(),
                asked.value
            );
            let is = found.map_or_else(|| "not set".to_owned(), |value| format!("`{value}`"));
            let wanted = format!("`{}`", asked.value);
            self.differs(&format!("resource tag `{key}`"), (&is, &wanted), &asked.origin, hint);
        }
    }
}

/// What the rules do: descriptions do not count.
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

    fn asked<T>(flag: &str, value: T) -> Sourced<T> {
        Sourced::new(value, Origin::Flag(flag.to_owned()))
    }

    fn everything() -> EcrSettings {
        EcrSettings {
            tag_mutability: Some(asked(
                "--ecr-tag-mutability",
                TagMutability::ImmutableExcept(vec!["latest".into(), "dev-*".into()]),
            )),
            scan_on_push: Some(asked("--ecr-scan-on-push", true)),
            encryption: Some(asked(
                "--ecr-encryption",
                RepositoryEncryption::Kms(Some("arn:aws:kms:eu-central-1:012345678901:key/a".into())),
            )),
            resource_tags: [("team".to_owned(), asked("--ecr-resource-tag", "web".to_owned()))].into(),
            keep_images: Some(asked("--ecr-keep-images", 30)),
            expire_untagged_days: Some(asked("NEXTDEPLOY_ECR_EXPIRE_UNTAGGED_DAYS", 7)),
        }
    }

    fn check(settings: &EcrSettings, found: &Found) -> Vec<Warning> {
        let name = RepositoryName::parse("acme/shop").unwrap();
        differences(&PrivateRepository::new("012345678901", "eu-central-1", name), settings, found)
    }

    #[test]
    fn every_difference_says_what_is_and_how_to_change_it() {
        let found = Found {
            mutability: Some("MUTABLE".into()),
            scan_on_push: Some(false),
            encryption: Some("AES256".into()),
            lifecycle: Some(Value::Null),
            tags: Some([("team".to_owned(), "shop\u{1b}".to_owned())].into()),
            ..Found::default()
        };
        let told = check(&everything(), &found);
        let text: Vec<String> =
            told.iter().map(|w| format!("{}\n  {}", w.message, w.hint.as_deref().unwrap())).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn a_repository_as_asked_brings_no_warning() {
        let settings = everything();
        let mut policy = lifecycle_policy(&settings).unwrap();
        policy["rules"][0]["description"] = json!("in other words");
        let found = Found {
            mutability: Some("IMMUTABLE_WITH_EXCLUSION".into()),
            exclusions: vec!["dev-*".into(), "latest".into()],
            scan_on_push: Some(true),
            encryption: Some("KMS".into()),
            kms_key: Some("arn:aws:kms:eu-central-1:012345678901:key/a".into()),
            lifecycle: Some(policy),
            tags: Some([("team".to_owned(), "web".to_owned()), ("other".to_owned(), "tag".to_owned())].into()),
        };
        assert_eq!(check(&settings, &found), []);
        assert_eq!(check(&EcrSettings::default(), &Found::default()), []);
    }
}
