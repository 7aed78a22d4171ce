//! YAML text to a [`Node`], with narrow limits for aliases and depth.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Spanned, from_str_with_options};

use super::document::{Node, Value};
use super::error::MetadataError;
use crate::diagnostic::{Location, printable};

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
    let parsed: Spanned<Scanned> = from_str_with_options(text, options).map_err(|error| syntax(file, &error))?;
    Ok(node(parsed, text))
}

fn syntax(file: &str, error: &serde_saphyr::Error) -> MetadataError {
    let place = error.location().and_then(|place| {
        Some((usize::try_from(place.line()).ok()?, usize::try_from(place.column()).ok()?)).filter(|(line, _)| *line > 0)
    });
    let location = place.map_or_else(|| Location::file(file), |(line, column)| Location::column(file, line, column));
    let message = error.without_snippet().to_string();
    let first = message.lines().next().unwrap_or_default();
    // The place is told by the location, and advice for users of the parser helps nobody here.
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
