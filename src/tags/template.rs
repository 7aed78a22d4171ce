//! Texts with `{{…}}` expressions, parsed once and rendered with the [`RunFacts`] of a run.

use chrono_tz::Tz;

use super::error::TagError;
use super::version::VersionParts;

/// Expressions of every attribute but the patterns of versions.
const GLOBAL: &[&str] =
    &["branch", "tag", "sha", "base_ref", "is_default_branch", "is_not_default_branch", "date", "commit_date"];
const VERSION: &[&str] = &["raw", "version", "major", "minor", "patch"];

/// What the CI and git know about one run. A branch, a tag and a pull request exclude each other where the CI tells them apart.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFacts<'a> {
    pub is_schedule: bool,
    pub branch: Option<&'a str>,
    pub tag: Option<&'a str>,
    pub pull_request: Option<u64>,
    /// Branch that a pull request goes to, or that a tag was made from.
    pub base_branch: Option<&'a str>,
    pub default_branch: Option<&'a str>,
    pub commit: Option<&'a str>,
    /// Seconds since the epoch.
    pub commit_time: Option<i64>,
    /// Start of the run in seconds since the epoch.
    pub time: i64,
    /// Characters of a short commit id; 0 stands for seven.
    pub short_commit: usize,
}

impl RunFacts<'_> {
    const SHORT: usize = 7;

    pub(super) fn short_commit(&self) -> Option<String> {
        let length = if self.short_commit == 0 { Self::SHORT } else { self.short_commit };
        self.commit.map(|commit| commit.chars().take(length).collect())
    }

    pub(super) fn is_tag_run(&self) -> bool {
        self.tag.is_some()
    }
}

/// A text with expressions in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Expression(Expression),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    Branch,
    Tag,
    Sha,
    BaseRef,
    IsDefaultBranch,
    IsNotDefaultBranch,
    Date { format: String, zone: Tz },
    CommitDate { format: String, zone: Tz },
    Version(VersionPart),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VersionPart {
    Raw,
    Version,
    Major,
    Minor,
    Patch,
}

/// Which expressions a text may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vocabulary {
    Global,
    /// Patterns of `semver` and `pep440`.
    Version,
}

/// A fact that an expression needs and that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown(pub &'static str);

impl Template {
    pub fn text(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    pub fn parse(text: &str, vocabulary: Vocabulary) -> Result<Self, TagError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            // Three braces mean the same: nothing is escaped here.
            let (after, close) = after.strip_prefix('{').map_or((after, "}}"), |after| (after, "}}}"));
            let (inside, after) = after
                .split_once(close)
                .ok_or_else(|| TagError::Expression { text: text.to_owned(), reason: "is not closed" })?;
            parts.push(Part::Expression(Expression::parse(inside.trim(), vocabulary)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// True for `{{raw}}` and nothing else: the one pattern that a pre-release does not widen.
    pub fn is_raw(&self) -> bool {
        matches!(self.0.as_slice(), [Part::Expression(Expression::Version(VersionPart::Raw))])
    }

    /// The text itself, where it has no expression.
    pub fn literal(&self) -> Option<String> {
        let mut literal = String::new();
        for part in &self.0 {
            let Part::Text(text) = part else { return None };
            literal.push_str(text);
        }
        Some(literal)
    }

    pub fn needs_default_branch(&self) -> bool {
        self.0
            .iter()
            .any(|part| matches!(part, Part::Expression(Expression::IsDefaultBranch | Expression::IsNotDefaultBranch)))
    }

    pub fn render(&self, facts: &RunFacts<'_>) -> Result<String, Unknown> {
        self.render_version(facts, &VersionParts::default())
    }

    pub fn render_version(&self, facts: &RunFacts<'_>, version: &VersionParts) -> Result<String, Unknown> {
        let mut result = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => result.push_str(text),
                Part::Expression(expression) => result.push_str(&expression.render(facts, version)?),
            }
        }
        Ok(result)
    }
}

/// `text` with its expressions replaced; a fact that is not known becomes nothing, as in `docker/metadata-action`.
///
/// # Errors
/// For an expression that does not exist.
pub fn render_text(text: &str, facts: &RunFacts<'_>) -> Result<String, TagError> {
    let template = Template::parse(text, Vocabulary::Global)?;
    let known = template.0.iter().map(|part| match part {
        Part::Text(text) => text.clone(),
        Part::Expression(expression) => expression.render(facts, &VersionParts::default()).unwrap_or_default(),
    });
    Ok(known.collect())
}

impl Expression {
    fn parse(text: &str, vocabulary: Vocabulary) -> Result<Self, TagError> {
        let (name, arguments) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let (known, place) = match vocabulary {
            Vocabulary::Global => (GLOBAL, ""),
            Vocabulary::Version => (VERSION, " of version patterns"),
        };
        let expression = match (vocabulary, name) {
            (Vocabulary::Global, "date") => {
                let (format, zone) = date_arguments(text, arguments)?;
                return Ok(Self::Date { format, zone });
            }
            (Vocabulary::Global, "commit_date") => {
                let (format, zone) = date_arguments(text, arguments)?;
                return Ok(Self::CommitDate { format, zone });
            }
            (Vocabulary::Global, "branch") => Self::Branch,
            (Vocabulary::Global, "tag") => Self::Tag,
            (Vocabulary::Global, "sha") => Self::Sha,
            (Vocabulary::Global, "base_ref") => Self::BaseRef,
            (Vocabulary::Global, "is_default_branch") => Self::IsDefaultBranch,
            (Vocabulary::Global, "is_not_default_branch") => Self::IsNotDefaultBranch,
            (Vocabulary::Version, "raw") => Self::Version(VersionPart::Raw),
            (Vocabulary::Version, "version") => Self::Version(VersionPart::Version),
            (Vocabulary::Version, "major") => Self::Version(VersionPart::Major),
            (Vocabulary::Version, "minor") => Self::Version(VersionPart::Minor),
            (Vocabulary::Version, "patch") => Self::Version(VersionPart::Patch),
            _ => return Err(TagError::UnknownExpression { text: text.to_owned(), place, known }),
        };
        if arguments.trim().is_empty() {
            Ok(expression)
        } else {
            Err(TagError::Expression { text: text.to_owned(), reason: "takes no arguments" })
        }
    }

    fn render(&self, facts: &RunFacts<'_>, version: &VersionParts) -> Result<String, Unknown> {
        let is_default = || facts.branch.is_some() && facts.branch == facts.default_branch;
        Ok(match self {
            Self::Branch => facts.branch.unwrap_or_default().to_owned(),
            Self::Tag => facts.tag.unwrap_or_default().to_owned(),
            Self::Sha => facts.short_commit().ok_or(Unknown("the commit"))?,
            Self::BaseRef => facts.base_branch.unwrap_or_default().to_owned(),
            Self::IsDefaultBranch => is_default().to_string(),
            Self::IsNotDefaultBranch => (!is_default()).to_string(),
            Self::Date { format, zone } => super::date::format(facts.time, format, *zone),
            Self::CommitDate { format, zone } => {
                super::date::format(facts.commit_time.unwrap_or(facts.time), format, *zone)
            }
            Self::Version(part) => match part {
                VersionPart::Raw => &version.raw,
                VersionPart::Version => &version.version,
                VersionPart::Major => &version.major,
                VersionPart::Minor => &version.minor,
                VersionPart::Patch => &version.patch,
            }
            .clone(),
        })
    }
}

/// `'FORMAT' tz='ZONE'`, each in single or double quotes; without a zone UTC.
fn date_arguments(text: &str, arguments: &str) -> Result<(String, Tz), TagError> {
    let wrong = |reason| TagError::Expression { text: text.to_owned(), reason };
    let (format, rest) = quoted(arguments).ok_or_else(|| wrong("needs a format in quotes, such as 'YYYYMMDD'"))?;
    if let Some(token) = super::date::unsupported_token(format) {
        return Err(TagError::DateToken { format: format.to_owned(), token });
    }
    let rest = rest.trim_start();
    if rest.is_empty() {
        return Ok((format.to_owned(), Tz::UTC));
    }
    let (zone, rest) =
        rest.strip_prefix("tz=").and_then(quoted).ok_or_else(|| wrong("may have only `tz='ZONE'` after the format"))?;
    if !rest.trim().is_empty() {
        return Err(wrong("may have only `tz='ZONE'` after the format"));
    }
    Ok((format.to_owned(), time_zone(zone)?))
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

fn time_zone(name: &str) -> Result<Tz, TagError> {
    chrono_tz::TZ_VARIANTS
        .iter()
        .find(|zone| zone.name().eq_ignore_ascii_case(name))
        .copied()
        .ok_or_else(|| TagError::TimeZone { name: name.to_owned() })
}
