//! What is wrong with a tag, a rule or a flavor.

use crate::diagnostic::{diagnostics, nearest, shown};

diagnostics! {
    /// An invalid tag, rule or flavor. Values shown are cut and on one line.
    #[exit(Usage)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum TagError {
        #[error("the tag rule is empty")]
        #[code("tags/syntax")]
        #[hint("use a tag such as `1.2`, or a rule such as `type=sha`")]
        Empty,
        #[error("unknown type of tag rule `{}`", shown(value))]
        #[code("tags/unknown-type")]
        #[hint("{}", suggestion(value, known))]
        UnknownType { value: String, known: &'static [&'static str] },
        #[error("unknown attribute `{}` of {of}", shown(name))]
        #[code("tags/unknown-attribute")]
        #[hint("{}", suggestion(name, known))]
        UnknownAttribute { name: String, of: String, known: Vec<&'static str> },
        #[error("`{of}` needs `{name}`")]
        #[code("tags/missing-attribute")]
        #[hint("write `{of},{name}=…`; docs/tags.md has examples")]
        MissingAttribute { of: String, name: &'static str },
        #[error("`{}` has no value", shown(name))]
        #[code("tags/attribute")]
        #[hint("write `{name}=…`")]
        NoValue { name: String },
        #[error("`onlatest` must follow `prefix` or `suffix`")]
        #[code("tags/attribute")]
        #[hint("write it after the one that it is for: `prefix=web-,onlatest=true`")]
        OnLatestAlone,
        #[error("`{}` is given twice in one rule", shown(name))]
        #[code("tags/syntax")]
        #[hint("give it once; quote an attribute with a comma in it as a whole: `\"value=a,b\"`")]
        Twice { name: String },
        #[error("invalid value in `{name}={}`, expected {expected}", shown(value))]
        #[code("tags/attribute")]
        #[hint("use {expected}")]
        Attribute { name: &'static str, value: String, expected: &'static str },
        #[error("invalid regular expression `{}`: {reason}", shown(pattern))]
        #[code("tags/pattern")]
        #[hint("correct the pattern; look-around and back references are not supported")]
        Pattern { pattern: String, reason: String },
        #[error("unknown expression `{{{{{}}}}}`{place}", shown(text))]
        #[code("tags/unknown-expression")]
        #[hint("{}", suggestion(text.split(' ').next().unwrap_or_default(), known))]
        UnknownExpression { text: String, place: &'static str, known: &'static [&'static str] },
        #[error("the expression in `{}` {reason}", shown(text))]
        #[code("tags/expression")]
        #[hint("write expressions as `{{{{branch}}}}` or `{{{{date 'YYYYMMDD' tz='Europe/Berlin'}}}}`")]
        Expression { text: String, reason: &'static str },
        #[error("the date format `{}` has the unsupported token `{token}`", shown(format))]
        #[code("tags/date-token")]
        #[hint("write `[{token}]` for the letters themselves; docs/tags.md names what is supported")]
        DateToken { format: String, token: &'static str },
        #[error("unknown time zone `{}`", shown(name))]
        #[code("tags/time-zone")]
        #[hint("use a name of the IANA time zone database, such as `Europe/Berlin`")]
        TimeZone { name: String },
        #[error("`{}` has a quote in the middle of an attribute", shown(text))]
        #[code("tags/syntax")]
        #[hint("quote the attribute as a whole: `\"value=a,b\"`")]
        Quote { text: String },
        #[error("invalid image reference `{}`: {reason}", shown(text))]
        #[code("tags/reference")]
        #[hint("{advice}")]
        ImageRef { text: String, reason: String, advice: String },
    }
}

fn suggestion(word: &str, known: &[&'static str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use one of {}", known.join(", ")),
    }
}
