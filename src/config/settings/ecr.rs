//! Options of new repositories in ECR: their grammar, and the conflicts between them.

use std::collections::BTreeMap;

use super::error::{InvalidValue, SettingsError};
use super::parse;
use super::sources::Sources;
use super::values::{EcrSettings, RepositoryEncryption, TagMutability};
use crate::config::setting::Setting;
use crate::diagnostic::shown;
use crate::origin::Sourced;

/// The four values of the flag; the patterns have a flag of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MutabilityWord {
    Mutable,
    Immutable,
    MutableWithExclusion,
    ImmutableWithExclusion,
}

impl Sources<'_> {
    pub(super) fn ecr(self) -> Result<EcrSettings, SettingsError> {
        Ok(EcrSettings {
            tag_mutability: self.tag_mutability()?,
            scan_on_push: self.parsed(Setting::EcrScanOnPush, parse::switch)?,
            encryption: self.parsed(Setting::EcrEncryption, encryption)?,
            resource_tags: self.resource_tags()?,
            keep_images: self.parsed(Setting::EcrKeepImages, count)?,
            expire_untagged_days: self.parsed(Setting::EcrExpireUntaggedDays, count)?,
        })
    }

    fn tag_mutability(self) -> Result<Option<Sourced<TagMutability>>, SettingsError> {
        const MOST: usize = 5;
        let patterns = self.parsed_list(Setting::EcrMutabilityExclusion, tag_pattern)?;
        let excess = self.levels(Setting::EcrMutabilityExclusion).into_iter().next().unwrap_or_default();
        if let Some(given) = excess.get(MOST) {
            return Err(given.fail(InvalidValue::TooManyExclusions));
        }
        let Some(word) = self.parsed(Setting::EcrTagMutability, mutability_word)? else {
            return match excess.first() {
                Some(given) => Err(given.fail(InvalidValue::ExclusionOfNothing)),
                None => Ok(None),
            };
        };
        let patterns: Vec<String> = patterns.into_iter().map(|pattern| pattern.value).collect();
        let mutability = match (word.value, patterns.is_empty()) {
            (MutabilityWord::Mutable, true) => TagMutability::Mutable,
            (MutabilityWord::Immutable, true) => TagMutability::Immutable,
            (MutabilityWord::Mutable | MutabilityWord::MutableWithExclusion, false) => {
                TagMutability::MutableExcept(patterns)
            }
            (MutabilityWord::Immutable | MutabilityWord::ImmutableWithExclusion, false) => {
                TagMutability::ImmutableExcept(patterns)
            }
            (MutabilityWord::MutableWithExclusion | MutabilityWord::ImmutableWithExclusion, true) => {
                let given = self.one(Setting::EcrTagMutability).expect("the word was parsed from it");
                return Err(given.fail(InvalidValue::NoExclusion));
            }
        };
        Ok(Some(word.map(|_| mutability)))
    }

    fn resource_tags(self) -> Result<BTreeMap<String, Sourced<String>>, SettingsError> {
        let mut tags = BTreeMap::new();
        for tag in self.parsed_list(Setting::EcrResourceTag, resource_tag)? {
            let (key, value) = tag.value;
            tags.insert(key, Sourced::new(value, tag.origin));
        }
        Ok(tags)
    }
}

/// Spelled like other settings, or as in ECR's API.
fn mutability_word(text: &str) -> Result<MutabilityWord, InvalidValue> {
    const KNOWN: &[&str] = &["mutable", "immutable", "mutable-with-exclusion", "immutable-with-exclusion"];
    match text.to_ascii_lowercase().replace('_', "-").as_str() {
        "mutable" => Ok(MutabilityWord::Mutable),
        "immutable" => Ok(MutabilityWord::Immutable),
        "mutable-with-exclusion" => Ok(MutabilityWord::MutableWithExclusion),
        "immutable-with-exclusion" => Ok(MutabilityWord::ImmutableWithExclusion),
        _ => Err(InvalidValue::Choice { value: shown(text), known: KNOWN }),
    }
}

/// A filter as ECR takes it (API reference, `ImageTagMutabilityExclusionFilter`).
fn tag_pattern(text: &str) -> Result<String, InvalidValue> {
    let fits = text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._*-".contains(&b));
    if fits { Ok(text.to_owned()) } else { Err(InvalidValue::TagPattern(shown(text))) }
}

fn encryption(text: &str) -> Result<RepositoryEncryption, InvalidValue> {
    let wrong = || InvalidValue::Encryption(shown(text));
    match text.split_once(':') {
        None if text.eq_ignore_ascii_case("aes256") => Ok(RepositoryEncryption::Aes256),
        None if text.eq_ignore_ascii_case("kms") => Ok(RepositoryEncryption::Kms(None)),
        Some((word, key)) if word.eq_ignore_ascii_case("kms") => {
            let fits = (1..=2048).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
            if fits { Ok(RepositoryEncryption::Kms(Some(key.to_owned()))) } else { Err(wrong()) }
        }
        _ => Err(wrong()),
    }
}

/// `KEY=VALUE` within the limits of AWS (Tag Editor user guide, "Tag naming limits"): the key 1 to 128 characters and not
/// starting with `aws:`, the value up to 256.
fn resource_tag(text: &str) -> Result<(String, String), InvalidValue> {
    let wrong = || InvalidValue::ResourceTag(shown(text));
    let (key, value) = text.split_once('=').ok_or_else(wrong)?;
    let plain = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    let fits = !key.trim().is_empty()
        && key.chars().count() <= 128
        && !key.to_ascii_lowercase().starts_with("aws:")
        && value.chars().count() <= 256
        && text.chars().all(plain);
    if fits { Ok((key.to_owned(), value.to_owned())) } else { Err(wrong()) }
}

/// A whole number from 1; ECR's own limit is far higher.
fn count(text: &str) -> Result<u32, InvalidValue> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|number| (1..=100_000).contains(number))
        .ok_or_else(|| InvalidValue::Count(shown(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::setting::CliSettings;
    use crate::config::settings::resolve_publish;
    use crate::diagnostic::Diagnostic;
    use crate::host::Environment;

    fn check(typed: &[(Setting, &str)]) -> Result<EcrSettings, SettingsError> {
        let mut words = CliSettings::default();
        for (setting, value) in typed {
            words.push(*setting, *value);
        }
        Ok(resolve_publish(&words, &Environment::default())?.ecr)
    }

    fn mutability(word: &str, patterns: &[&str]) -> Result<Option<TagMutability>, SettingsError> {
        let mut typed = vec![(Setting::EcrTagMutability, word)];
        typed.extend(patterns.iter().map(|pattern| (Setting::EcrMutabilityExclusion, *pattern)));
        Ok(check(&typed)?.tag_mutability.map(|mutability| mutability.value))
    }

    #[test]
    fn the_four_mutabilities() {
        let patterns = vec!["latest".to_owned(), "dev-*".to_owned()];
        let except = ["latest", "dev-*"];
        assert_eq!(mutability("mutable", &[]).unwrap(), Some(TagMutability::Mutable));
        assert_eq!(mutability("IMMUTABLE", &[]).unwrap(), Some(TagMutability::Immutable));
        for word in ["immutable", "immutable-with-exclusion", "IMMUTABLE_WITH_EXCLUSION"] {
            assert_eq!(
                mutability(word, &except).unwrap(),
                Some(TagMutability::ImmutableExcept(patterns.clone())),
                "{word}"
            );
        }
        assert_eq!(
            mutability("mutable-with-exclusion", &except).unwrap(),
            Some(TagMutability::MutableExcept(patterns))
        );
        assert_eq!(check(&[]).unwrap(), EcrSettings::default());
    }

    #[test]
    fn exclusions_and_mutability_belong_together() {
        let alone = check(&[(Setting::EcrMutabilityExclusion, "latest")]).unwrap_err();
        assert_eq!(alone.invalid, InvalidValue::ExclusionOfNothing);
        assert_eq!(mutability("immutable-with-exclusion", &[]).unwrap_err().invalid, InvalidValue::NoExclusion);
        assert!(mutability("immutable", &["a", "b", "c", "d", "e"]).is_ok());
        let sixth = mutability("immutable", &["a", "b", "c", "d", "e", "f"]).unwrap_err();
        assert_eq!((sixth.code(), sixth.invalid), ("settings/mutability", InvalidValue::TooManyExclusions));
        assert!(matches!(mutability("immutable", &["a b"]).unwrap_err().invalid, InvalidValue::TagPattern(_)));
        assert!(matches!(mutability("frozen", &[]).unwrap_err().invalid, InvalidValue::Choice { .. }));
    }

    #[test]
    fn encryption_tags_and_numbers() {
        let key = "arn:aws:kms:eu-central-1:012345678901:key/abc";
        let typed = format!("kms:{key}");
        let seen = check(&[
            (Setting::EcrEncryption, &typed),
            (Setting::EcrResourceTag, "team=web shop"),
            (Setting::EcrResourceTag, "cost=a=b"),
            (Setting::EcrKeepImages, "30"),
            (Setting::EcrExpireUntaggedDays, "7"),
            (Setting::EcrScanOnPush, "false"),
        ])
        .unwrap();
        assert_eq!(seen.encryption.unwrap().value, RepositoryEncryption::Kms(Some(key.to_owned())));
        assert_eq!(seen.resource_tags["cost"].value, "a=b");
        assert_eq!((seen.keep_images.unwrap().value, seen.expire_untagged_days.unwrap().value), (30, 7));
        assert!(!seen.scan_on_push.unwrap().value);
        for (setting, wrong) in [
            (Setting::EcrEncryption, "kms:"),
            (Setting::EcrEncryption, "des"),
            (Setting::EcrResourceTag, "team"),
            (Setting::EcrResourceTag, "=web"),
            (Setting::EcrResourceTag, "aws:team=web"),
            (Setting::EcrResourceTag, "team=a\u{1b}b"),
            (Setting::EcrKeepImages, "0"),
            (Setting::EcrKeepImages, "-1"),
            (Setting::EcrExpireUntaggedDays, "a week"),
            (Setting::EcrScanOnPush, "perhaps"),
        ] {
            let error = check(&[(setting, wrong)]).unwrap_err();
            assert!(!error.hints().is_empty() && error.code().starts_with("settings/"), "{wrong}");
        }
    }
}
