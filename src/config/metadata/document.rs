//! A configuration file as a tree of values that know their place, read from JSON or YAML.
//!
//! JSON is strict: no comments, no trailing commas. YAML has narrow limits for aliases and depth.

use std::fmt;

use jsonc_parser::common::Ranged;
use jsonc_parser::errors::ParseError;
use jsonc_parser::{CollectOptions, ParseOptions, ast, parse_to_ast};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Spanned, from_str_with_options};

use super::error::MetadataError;
use crate::diagnostic::{Location, printable};

/// One value of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub value: Value,
    pub line: usize,
    pub column: usize,
}

/// Scalars keep the text that was written: `22.10` is not `22.1`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(String),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// What it is, in words for a message.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
        }
    }

    pub fn location(&self, file: &str) -> Location {
        Location::column(file, self.line, self.column)
    }

    pub fn entries(&self) -> &[(String, Node)] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The key as written and the value at `key`, whatever the spelling: `noCache`, `no_cache` and `NoCache` are one key.
    pub fn get(&self, key: &str) -> Option<(&str, &Node)> {
        self.entries().iter().find(|(name, _)| is_same_key(name, key)).map(|(name, node)| (name.as_str(), node))
    }

    /// Like [`Node::get`], through several keys; the first part of the answer is the path as written.
    pub fn at(&self, path: &str) -> Option<(String, &Node)> {
        let mut written = String::new();
        let mut node = self;
        for key in path.split('.') {
            let (name, next) = node.get(key)?;
            if !written.is_empty() {
                written.push('.');
            }
            written.push_str(name);
            node = next;
        }
        Some((written, node))
    }

    /// Nothing was said: null, or the empty text that programs write for it.
    pub fn is_blank(&self) -> bool {
        matches!(&self.value, Value::Null) || matches!(&self.value, Value::Text(text) if text.trim().is_empty())
    }
}

/// A key without case, `_` and `-`.
fn folded(key: &str) -> impl Iterator<Item = char> {
    key.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase)
}

/// True for two spellings of one key.
pub(super) fn is_same_key(a: &str, b: &str) -> bool {
    folded(a).eq(folded(b))
}

pub(crate) fn parse_json(file: &str, text: &str) -> Result<Node, MetadataError> {
    let options = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed =
        parse_to_ast(text, &CollectOptions::default(), &options).map_err(|error| json_syntax(file, text, &error))?;
    let value = parsed.value.ok_or_else(|| MetadataError::Empty { location: Location::file(file) })?;
    Converter { file, text, offset: 0, line: 1, column: 1 }.node(value)
}

fn json_syntax(file: &str, text: &str, error: &ParseError) -> MetadataError {
    let message = error.kind().to_string();
    let mut letters = message.chars();
    let lower = letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default();
    MetadataError::Syntax {
        location: Location::at_offset(file, text, error.range().start),
        format: "JSON",
        message: lower,
    }
}

struct Converter<'a> {
    file: &'a str,
    text: &'a str,
    /// The last place that was computed: values come in the order of the text, so each character is counted once.
    offset: usize,
    line: usize,
    column: usize,
}

impl Converter<'_> {
    fn node(&mut self, value: ast::Value<'_>) -> Result<Node, MetadataError> {
        let (line, column) = self.place(value.start());
        let value = match value {
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::BooleanLit(literal) => Value::Bool(literal.value.to_string()),
            ast::Value::NumberLit(literal) => Value::Number(literal.value.to_owned()),
            ast::Value::StringLit(literal) => Value::Text(literal.value.into_owned()),
            ast::Value::Array(array) => {
                Value::List(array.elements.into_iter().map(|element| self.node(element)).collect::<Result<_, _>>()?)
            }
            ast::Value::Object(object) => self.map(object)?,
        };
        Ok(Node { value, line, column })
    }

    fn map(&mut self, object: ast::Object<'_>) -> Result<Value, MetadataError> {
        let mut keys = std::collections::HashSet::new();
        let mut entries = Vec::new();
        for property in object.properties {
            let (line, column) = self.place(property.range.start);
            let key = property.name.into_string();
            if !keys.insert(key.clone()) {
                return Err(MetadataError::DuplicateKey { location: Location::column(self.file, line, column), key });
            }
            entries.push((key, self.node(property.value)?));
        }
        Ok(Value::Map(entries))
    }

    /// Line and column, both from 1, of a byte offset that is not before the last one.
    fn place(&mut self, offset: usize) -> (usize, usize) {
        for c in self.text.get(self.offset..offset).unwrap_or_default().chars() {
            (self.line, self.column) = if c == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
        self.offset = self.offset.max(offset);
        (self.line, self.column)
    }
}

/// Nodes that aliases may add; a file written by hand has a handful.
const ALIAS_LIMIT: usize = 10_000;

pub(crate) fn parse_yaml(file: &str, text: &str) -> Result<Node, MetadataError> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Err(MetadataError::Empty { location: Location::file(file) });
    }
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: ALIAS_LIMIT,
        },
    };
    let parsed: Spanned<Scanned> = from_str_with_options(text, options).map_err(|error| yaml_syntax(file, &error))?;
    Ok(node(parsed, text))
}

fn yaml_syntax(file: &str, error: &serde_saphyr::Error) -> MetadataError {
    let place = error.location().and_then(|place| {
        Some((usize::try_from(place.line()).ok()?, usize::try_from(place.column()).ok()?)).filter(|(line, _)| *line > 0)
    });
    let location = place.map_or_else(|| Location::file(file), |(line, column)| Location::column(file, line, column));
    let message = error.without_snippet().to_string();
    let first = message.lines().next().unwrap_or_default();
    // The location has the place, and the rest is advice for callers of the parser.
    let cut =
        [" at line ", ", set DuplicateKeyPolicy", "; use from_str"].iter().filter_map(|end| first.find(end)).min();
    let message = printable(first[..cut.unwrap_or(first.len())].trim_end_matches(['.', ':']));
    MetadataError::Syntax { location, format: "YAML", message }
}

/// What serde sees, before the text as written is put back.
enum Scanned {
    Null,
    Bool,
    Number,
    Text(String),
    List(Vec<Spanned<Scanned>>),
    Map(Vec<(String, Spanned<Scanned>)>),
}

fn node(spanned: Spanned<Scanned>, text: &str) -> Node {
    let (used, defined) = (spanned.referenced, spanned.defined);
    let written = || -> String {
        let span = defined.span();
        let range = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
            let start = usize::try_from(start).ok()?;
            Some(start..start.checked_add(usize::try_from(length).ok()?)?)
        });
        range.and_then(|range| text.get(range)).unwrap_or_default().trim().to_owned()
    };
    let value = match spanned.value {
        Scanned::Null => Value::Null,
        Scanned::Bool => Value::Bool(written()),
        Scanned::Number => Value::Number(written()),
        Scanned::Text(value) => Value::Text(value),
        Scanned::List(values) => Value::List(values.into_iter().map(|value| node(value, text)).collect()),
        Scanned::Map(entries) => Value::Map(entries.into_iter().map(|(key, value)| (key, node(value, text))).collect()),
    };
    let number = |number: u64| usize::try_from(number).unwrap_or(1).max(1);
    Node { value, line: number(used.line()), column: number(used.column()) }
}

impl<'de> Deserialize<'de> for Scanned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScannedVisitor)
    }
}

struct ScannedVisitor;

impl<'de> Visitor<'de> for ScannedVisitor {
    type Value = Scanned;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Scanned, E> {
        Ok(Scanned::Null)
    }

    fn visit_none<E>(self) -> Result<Scanned, E> {
        Ok(Scanned::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scanned, D::Error> {
        Scanned::deserialize(deserializer)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scanned, E> {
        Ok(Scanned::Bool)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Scanned, E> {
        Ok(Scanned::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Scanned, E> {
        Ok(Scanned::Number)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Scanned, E> {
        Ok(Scanned::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Scanned, E> {
        Ok(Scanned::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scanned, E> {
        Ok(Scanned::Number)
    }

    fn visit_str<E>(self, value: &str) -> Result<Scanned, E> {
        Ok(Scanned::Text(value.to_owned()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Scanned, E> {
        Ok(Scanned::Text(String::from_utf8_lossy(value).into_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Scanned, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Scanned::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scanned, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Scanned::Map(entries))
    }
}
