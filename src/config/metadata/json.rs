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
    Converter { file, text, offset: 0, line: 1, column: 1 }.node(value)
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

struct Converter<'a> {
    file: &'a str,
    text: &'a str,
    /// The place that was told last: values come in the order of the text, so each character is counted once.
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
