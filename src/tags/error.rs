//! What is wrong with a tag, a rule or a flavor.

use crate::diagnostic::{nearest, shown};

/// A tag, a rule or a flavor that makes no sense. Values shown are cut and on one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    #[error("the tag rule is empty")]
    Empty,
    #[error("`{}` is no type of tag rules", shown(value))]
    UnknownType { value: String, known: &'static [&'static str] },
    #[error("`{}` is no attribute of {of}", shown(name))]
    UnknownAttribute { name: String, of: String, known: Vec<&'static str> },
    #[error("`{of}` needs `{name}`")]
    MissingAttribute { of: String, name: &'static str },
    #[error("`{}` has no value", shown(name))]
    NoValue { name: String },
    #[error("`onlatest` follows neither `prefix` nor `suffix`")]
    OnLatestAlone,
    #[error("`{}` is given twice in one rule", shown(name))]
    Twice { name: String },
    #[error("`{name}={}` is not {expected}", shown(value))]
    Attribute { name: &'static str, value: String, expected: &'static str },
    #[error("`{}` is no regular expression: {reason}", shown(pattern))]
    Pattern { pattern: String, reason: String },
    #[error("`{{{{{}}}}}` is no expression{place}", shown(text))]
    UnknownExpression { text: String, place: &'static str, known: &'static [&'static str] },
    #[error("the expression in `{}` {reason}", shown(text))]
    Expression { text: String, reason: &'static str },
    #[error("`{}` is no time zone", shown(name))]
    TimeZone { name: String },
    #[error("`{}` has a quote in the middle of an attribute", shown(text))]
    Quote { text: String },
    #[error("`{}` is no image reference: {reason}", shown(text))]
    ImageRef { text: String, reason: String, advice: String },
}

impl TagError {
    /// Stable identifier.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty | Self::Twice { .. } | Self::Quote { .. } => "tags/syntax",
            Self::UnknownType { .. } => "tags/unknown-type",
            Self::UnknownAttribute { .. } => "tags/unknown-attribute",
            Self::MissingAttribute { .. } => "tags/missing-attribute",
            Self::Attribute { .. } | Self::NoValue { .. } | Self::OnLatestAlone => "tags/attribute",
            Self::Pattern { .. } => "tags/pattern",
            Self::UnknownExpression { .. } => "tags/unknown-expression",
            Self::Expression { .. } => "tags/expression",
            Self::TimeZone { .. } => "tags/time-zone",
            Self::ImageRef { .. } => "tags/reference",
        }
    }

    /// One concrete action.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty => "give a tag such as `1.2`, or a rule such as `type=sha`".to_owned(),
            Self::UnknownType { value, known } => meant(value, known),
            Self::UnknownAttribute { name, known, .. } => meant(name, known),
            Self::MissingAttribute { of, name } => format!("write `{of},{name}=…`; docs/tags.md has examples"),
            Self::NoValue { name } => format!("write `{name}=…`"),
            Self::OnLatestAlone => "write it behind the one that is meant: `prefix=web-,onlatest=true`".to_owned(),
            Self::Twice { .. } => {
                "give it once; an attribute with a comma in it is quoted as a whole: `\"value=a,b\"`".to_owned()
            }
            Self::Attribute { expected, .. } => format!("give {expected}"),
            Self::Pattern { .. } => "correct the pattern; look-around and back references are not supported".to_owned(),
            Self::UnknownExpression { text, known, .. } => meant(text.split(' ').next().unwrap_or_default(), known),
            Self::Expression { .. } => {
                "write expressions as `{{branch}}` or `{{date 'YYYYMMDD' tz='Europe/Berlin'}}`".to_owned()
            }
            Self::TimeZone { .. } => "give a name of the IANA time zone database, such as `Europe/Berlin`".to_owned(),
            Self::Quote { .. } => "quote the attribute as a whole: `\"value=a,b\"`".to_owned(),
            Self::ImageRef { advice, .. } => advice.clone(),
        }
    }
}

fn meant(word: &str, known: &[&'static str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("give one of {}", known.join(", ")),
    }
}
