//! One entry of a list of tags: a complete reference, a bare tag, or a rule.

use super::error::TagError;
use super::rule::TagRule;
use crate::image_ref::ImageRef;

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
