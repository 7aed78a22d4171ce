//! A configuration file as a tree of values that know their place, whatever its syntax.

use crate::diagnostic::Location;

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
