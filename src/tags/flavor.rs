//! What holds for all rules: the `latest` tag, and a prefix and suffix.

use super::error::TagError;
use super::rule::split;
use super::template::{Template, Vocabulary};

const KNOWN: &[&str] = &["latest", "prefix", "suffix", "onlatest"];

/// What holds for all rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flavor {
    pub(super) latest: Latest,
    pub(super) prefix: Affix,
    pub(super) suffix: Affix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Latest {
    /// When the first tag comes from a git tag or a version.
    #[default]
    Auto,
    Always,
    Never,
}

/// A prefix or suffix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Affix {
    pub text: Option<Template>,
    /// Also of `latest`.
    pub on_latest: bool,
}

#[derive(Clone, Copy)]
enum Side {
    Prefix,
    Suffix,
}

impl Flavor {
    /// Reads one entry on top of what other entries said: `latest=false`, `prefix=web-,onlatest=true`.
    ///
    /// # Errors
    /// For what is no part of a flavor.
    pub fn apply(&mut self, text: &str) -> Result<(), TagError> {
        let mut side = None;
        for field in split(text)? {
            let (name, value) = field
                .split_once('=')
                .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
                .ok_or_else(|| {
                    if KNOWN.contains(&field.as_str()) {
                        TagError::NoValue { name: field.clone() }
                    } else {
                        unknown(&field)
                    }
                })?;
            match name.as_str() {
                "latest" => self.latest = latest(value)?,
                "prefix" => {
                    self.prefix = Affix { text: template(&value)?, on_latest: false };
                    side = Some(Side::Prefix);
                }
                "suffix" => {
                    self.suffix = Affix { text: template(&value)?, on_latest: false };
                    side = Some(Side::Suffix);
                }
                "onlatest" => {
                    let on = on_latest(value)?;
                    match side {
                        Some(Side::Prefix) => self.prefix.on_latest = on,
                        Some(Side::Suffix) => self.suffix.on_latest = on,
                        None => return Err(TagError::OnLatestAlone),
                    }
                }
                _ => return Err(unknown(&name)),
            }
        }
        Ok(())
    }
}

fn unknown(name: &str) -> TagError {
    TagError::UnknownAttribute { name: name.to_owned(), of: "the flavor".to_owned(), known: KNOWN.to_vec() }
}

fn template(text: &str) -> Result<Option<Template>, TagError> {
    if text.is_empty() { Ok(None) } else { Template::parse(text, Vocabulary::Global).map(Some) }
}

fn latest(value: String) -> Result<Latest, TagError> {
    match value.as_str() {
        "auto" => Ok(Latest::Auto),
        "true" => Ok(Latest::Always),
        "false" => Ok(Latest::Never),
        _ => Err(TagError::Attribute { name: "latest", value, expected: "`auto`, `true` or `false`" }),
    }
}

fn on_latest(value: String) -> Result<bool, TagError> {
    match value.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(TagError::Attribute { name: "onlatest", value, expected: "`true` or `false`" }),
    }
}
