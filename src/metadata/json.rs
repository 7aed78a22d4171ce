//! JSON text to a [`Node`]. Strict: no comments, no trailing commas.

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::ParseError;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::document::{Node, Value};
use super::error::MetadataError;
use crate::diagnostic::Location;

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
        parse_to_ast(text, &CollectOptions::default(), &options).map_err(|error| syntax(file, text, &error))?;
    let value = parsed.value.ok_or_else(|| MetadataError::Empty { location: Location::file(file) })?;
    Converter { file, text, lines: line_starts(text) }.node(value)
}

fn syntax(file: &str, text: &str, error: &ParseError) -> MetadataError {
    let message = error.kind().to_string();
    let mut letters = message.chars();
    let lower = letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default();
    MetadataError::Syntax {
        location: Location::at_offset(file, text, error.range().start),
        format: "JSON",
        message: lower,
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

struct Converter<'a> {
    file: &'a str,
    text: &'a str,
    lines: Vec<usize>,
}

impl Converter<'_> {
    fn node(&self, value: ast::Value<'_>) -> Result<Node, MetadataError> {
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

    fn map(&self, object: ast::Object<'_>) -> Result<Value, MetadataError> {
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

    /// Line and column, both from 1, of a byte offset.
    fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[line - 1];
        (line, self.text.get(start..offset).map_or(0, |before| before.chars().count()) + 1)
    }
}
