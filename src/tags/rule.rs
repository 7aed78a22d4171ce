//! Entries of a list of tags: complete references, bare tags and rules, checked when they are read; and the flavor of all rules.

use regex_lite::Regex;

use super::error::TagError;
use super::template::{Template, Vocabulary};
use crate::image_ref::ImageRef;

const TYPES: &[&str] = &["schedule", "semver", "pep440", "match", "edge", "ref", "raw", "sha"];
const COMMON: &[&str] = &["type", "enable", "priority", "prefix", "suffix"];

/// The attributes that only rules of one type have, and the priority that these have by default.
fn traits_of(word: &str) -> (&'static [&'static str], i64) {
    match word {
        "schedule" => (&["pattern"], 1000),
        "semver" | "pep440" => (&["pattern", "value", "match"], 900),
        "match" => (&["pattern", "group", "value"], 800),
        "edge" => (&["branch"], 700),
        "ref" => (&["event"], 600),
        "sha" => (&["format"], 100),
        _ => (&["value"], 200),
    }
}

/// What makes one tag.
#[derive(Debug, Clone)]
pub struct TagRule {
    /// As it was written.
    pub(super) text: String,
    pub(super) kind: RuleKind,
    pub(super) enable: Template,
    pub(super) priority: i64,
    /// Takes the place of the flavor's, also when it is empty.
    pub(super) prefix: Option<Template>,
    pub(super) suffix: Option<Template>,
}

#[derive(Debug, Clone)]
pub(super) enum RuleKind {
    Schedule { pattern: Template },
    Semver(VersionRule),
    Pep440(VersionRule),
    Match { pattern: Pattern, group: usize, value: Option<Template> },
    Edge { branch: Option<String> },
    Ref(RefEvent),
    Raw { value: Template },
    Sha(ShaFormat),
}

#[derive(Debug, Clone)]
pub(super) struct VersionRule {
    pub pattern: Template,
    /// Takes the place of the git tag.
    pub value: Option<Template>,
    /// Its first group is the version.
    pub part: Option<Pattern>,
}

/// A regular expression, with the text that messages show.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub text: String,
    pub regex: Regex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefEvent {
    Branch,
    Tag,
    PullRequest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShaFormat {
    Short,
    Long,
}

impl TagRule {
    /// Reads `type=semver,pattern={{version}}`, or a bare word.
    ///
    /// # Errors
    /// For an unknown type, attribute, expression or time zone, and for a value that no attribute of that name has.
    pub fn parse(text: &str) -> Result<Self, TagError> {
        let mut attributes = Attributes::parse(text)?;
        let word = attributes.take("type").unwrap_or_else(|| "raw".to_owned());
        let Some(known) = TYPES.iter().find(|known| **known == word) else {
            return Err(TagError::UnknownType { value: word, known: TYPES });
        };
        attributes.of = format!("type={known}");
        let (names, default_priority) = traits_of(known);
        attributes.check(&[names, COMMON].concat())?;
        let global = |text: Option<String>| text.map(|text| Template::parse(&text, Vocabulary::Global)).transpose();
        let enable = enable(attributes.take("enable"))?;
        let priority = attributes.take("priority");
        let mut prefix = global(attributes.take("prefix"))?;
        let suffix = global(attributes.take("suffix"))?;
        let kind = RuleKind::parse(known, &mut attributes)?;
        if prefix.is_none() {
            prefix = match kind {
                RuleKind::Sha(_) => Some(Template::text("sha-")),
                RuleKind::Ref(RefEvent::PullRequest) => Some(Template::text("pr-")),
                _ => None,
            };
        }
        let priority = match priority {
            None => default_priority,
            Some(text) => text.parse().map_err(|_| TagError::Attribute {
                name: "priority",
                value: text,
                expected: "a whole number",
            })?,
        };
        Ok(Self { text: text.trim().to_owned(), kind, enable, priority, prefix, suffix })
    }

    /// The rules of `docker/metadata-action` where none is given.
    pub fn defaults() -> Vec<Self> {
        ["type=schedule", "type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr"]
            .iter()
            .map(|text| Self::parse(text).expect("these rules are constants that the tests read"))
            .collect()
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True for a tag that was typed as such: neither a rule's name nor an expression in it.
    pub fn is_plain(&self) -> bool {
        matches!(&self.kind, RuleKind::Raw { value } if value.literal().is_some_and(|literal| literal == self.text))
    }

    /// True when the rule cannot be weighed without the name of the default branch.
    pub(super) fn needs_default_branch(&self) -> bool {
        let value = match &self.kind {
            RuleKind::Edge { branch } => return branch.is_none(),
            RuleKind::Raw { value } => Some(value),
            _ => None,
        };
        let texts = [Some(&self.enable), self.prefix.as_ref(), self.suffix.as_ref(), value];
        texts.into_iter().flatten().any(Template::needs_default_branch)
    }
}

impl RuleKind {
    /// The type with its own attributes.
    fn parse(word: &str, attributes: &mut Attributes) -> Result<Self, TagError> {
        let value = |attributes: &mut Attributes| {
            let text = attributes.take("value").filter(|value| !value.is_empty());
            text.map(|text| Template::parse(&text, Vocabulary::Global)).transpose()
        };
        Ok(match word {
            "schedule" => {
                let pattern = attributes.take("pattern").unwrap_or_else(|| "nightly".to_owned());
                Self::Schedule { pattern: Template::parse(&pattern, Vocabulary::Global)? }
            }
            "semver" | "pep440" => {
                let rule = VersionRule {
                    pattern: Template::parse(&attributes.require("pattern")?, Vocabulary::Version)?,
                    value: value(attributes)?,
                    part: version_part(attributes)?,
                };
                if word == "semver" { Self::Semver(rule) } else { Self::Pep440(rule) }
            }
            "match" => Self::Match {
                pattern: Pattern::parse(&attributes.require("pattern")?)?,
                group: group(attributes.take("group"))?,
                value: value(attributes)?,
            },
            "edge" => Self::Edge { branch: attributes.take("branch").filter(|branch| !branch.is_empty()) },
            "ref" => Self::Ref(ref_event(attributes.require("event")?)?),
            "sha" => Self::Sha(sha_format(attributes.take("format").as_deref())?),
            _ => Self::Raw { value: Template::parse(&attributes.require("value")?, Vocabulary::Global)? },
        })
    }
}

fn enable(text: Option<String>) -> Result<Template, TagError> {
    let text = text.unwrap_or_else(|| "true".to_owned());
    let template = Template::parse(&text, Vocabulary::Global)?;
    match template.literal() {
        Some(literal) => switch(&literal).map(|_| template),
        None => Ok(template),
    }
}

/// The value of `enable`, when all expressions are rendered.
pub(super) fn switch(text: &str) -> Result<bool, TagError> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(TagError::Attribute { name: "enable", value: text.to_owned(), expected: "`true` or `false`" }),
    }
}

fn group(text: Option<String>) -> Result<usize, TagError> {
    let text = text.unwrap_or_else(|| "0".to_owned());
    text.parse().map_err(|_| TagError::Attribute { name: "group", value: text, expected: "the number of a group" })
}

fn ref_event(text: String) -> Result<RefEvent, TagError> {
    match text.as_str() {
        "branch" => Ok(RefEvent::Branch),
        "tag" => Ok(RefEvent::Tag),
        "pr" => Ok(RefEvent::PullRequest),
        _ => Err(TagError::Attribute { name: "event", value: text, expected: "`branch`, `tag` or `pr`" }),
    }
}

fn sha_format(text: Option<&str>) -> Result<ShaFormat, TagError> {
    match text.unwrap_or("short") {
        "short" => Ok(ShaFormat::Short),
        "long" => Ok(ShaFormat::Long),
        other => Err(TagError::Attribute { name: "format", value: other.to_owned(), expected: "`short` or `long`" }),
    }
}

fn version_part(attributes: &mut Attributes) -> Result<Option<Pattern>, TagError> {
    let Some(text) = attributes.take("match").filter(|text| !text.is_empty()) else { return Ok(None) };
    let pattern = Pattern::parse(&text)?;
    if pattern.regex.captures_len() < 2 {
        let reason = "it needs a group in parentheses, which is the version".to_owned();
        return Err(TagError::Pattern { pattern: text, reason });
    }
    Ok(Some(pattern))
}

impl Pattern {
    /// A regular expression, bare or as `/…/flags`.
    fn parse(text: &str) -> Result<Self, TagError> {
        let fail = |reason: String| TagError::Pattern { pattern: text.to_owned(), reason };
        let delimited =
            text.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')).filter(|(body, _)| !body.is_empty());
        let (body, flags) = delimited.unwrap_or((text, ""));
        // `g` and `u` change nothing for the first match.
        let flags = flags.replace(['g', 'u'], "");
        if let Some(flag) = flags.chars().find(|flag| !matches!(flag, 'i' | 'm' | 's')) {
            return Err(fail(format!("the flag `{flag}` is not known")));
        }
        let source = if flags.is_empty() { body.to_owned() } else { format!("(?{flags}){body}") };
        let regex = Regex::new(&source).map_err(|error| fail(error.to_string()))?;
        Ok(Self { text: text.to_owned(), regex })
    }
}

#[derive(Debug, Clone)]
pub enum TagEntry {
    /// Used as it is, beside all rules.
    ImageRef(ImageRef),
    /// Also a bare word, which is a rule of type `raw`.
    Rule(Box<TagRule>),
}

impl TagEntry {
    /// A text with `/`, `:` or `@` is a reference, unless it has attributes or expressions.
    ///
    /// # Errors
    /// For what is neither a reference nor a rule.
    pub fn parse(text: &str) -> Result<Self, TagError> {
        let text = text.trim();
        let is_rule = text.contains(['=', ',', '"']) || text.contains("{{");
        if !is_rule && text.contains(['/', ':', '@']) {
            return reference(text).map(Self::ImageRef);
        }
        TagRule::parse(text).map(|rule| Self::Rule(Box::new(rule)))
    }

    pub fn rule(&self) -> Option<&TagRule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::ImageRef(_) => None,
        }
    }
}

fn reference(text: &str) -> Result<ImageRef, TagError> {
    let fail = |reason: String, advice: String| TagError::ImageRef { text: text.to_owned(), reason, advice };
    let reference = ImageRef::parse(text).map_err(|invalid| fail(invalid.to_string(), invalid.hint()))?;
    if reference.digest.is_some() {
        let advice = format!("leave the digest out: `{}`", ImageRef { digest: None, ..reference });
        return Err(fail("an image that is still to be built has no digest".to_owned(), advice));
    }
    Ok(reference)
}

/// The attributes of one entry, in the CSV syntax of `docker/metadata-action`: `NAME=VALUE`, separated by commas, quoted as a
/// whole where a comma is part of the value. A field without `=` is the `value`.
pub(super) struct Attributes {
    /// How errors name the entry: `type=semver`.
    pub of: String,
    fields: Vec<(String, String)>,
}

impl Attributes {
    pub fn parse(text: &str) -> Result<Self, TagError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for field in split(text)? {
            let (name, value) = match field.split_once('=').filter(|(name, _)| !name.is_empty()) {
                Some((name, value)) => (name.trim().to_ascii_lowercase(), value.trim()),
                None => ("value".to_owned(), field.trim()),
            };
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(TagError::Twice { name });
            }
            fields.push((name, value.to_owned()));
        }
        if fields.is_empty() { Err(TagError::Empty) } else { Ok(Self { of: "the rule".to_owned(), fields }) }
    }

    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.fields.iter().position(|(known, _)| known == name)?;
        Some(self.fields.remove(at).1)
    }

    /// The same for an attribute that has to say something.
    pub fn require(&mut self, name: &'static str) -> Result<String, TagError> {
        self.take(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| TagError::MissingAttribute { of: self.of.clone(), name })
    }

    /// Every attribute has to be one of `known`.
    pub fn check(&self, known: &[&'static str]) -> Result<(), TagError> {
        match self.fields.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(TagError::UnknownAttribute {
                name: name.clone(),
                of: format!("`{}`", self.of),
                known: known.to_vec(),
            }),
            None => Ok(()),
        }
    }
}

/// The fields of one line of CSV; empty ones say nothing.
pub(super) fn split(text: &str) -> Result<Vec<String>, TagError> {
    let misquoted = || TagError::Quote { text: text.to_owned() };
    let quotes = |text: &str| text.matches('"').count();
    if quotes(text) % 2 == 1 {
        return Err(misquoted());
    }
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut fields = Vec::new();
    for record in reader.records() {
        fields.extend(record.map_err(|_| misquoted())?.iter().filter(|field| !field.is_empty()).map(str::to_owned));
    }
    // A comma between quotes that do not hold the whole attribute has cut it in two.
    if fields.iter().any(|field| quotes(field) % 2 == 1) { Err(misquoted()) } else { Ok(fields) }
}

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
