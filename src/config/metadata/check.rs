//! Whether the written record still tells the truth.

use std::fmt;

use serde_json::Value;

use super::config_file::usable;
use super::document::parse_json;
use super::error::MetadataError;
use super::reader::{MetadataShape, shape_of};
use super::record::{Record, digest};
use crate::diagnostic::{Location, diagnostics, printable, shown};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

diagnostics! {
    /// The record cannot be relied upon.
    #[exit(Project)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum CheckError {
        #[error("`{file}` is missing")]
        #[code("metadata/missing")]
        #[hint("{REGENERATE}")]
        #[location(Some(Location::file(file.as_str())))]
        Missing { file: RelPath },
        #[error("`{file}` was written by another program or version")]
        #[code("metadata/foreign")]
        #[hint("{REGENERATE}")]
        #[location(Some(Location::file(file.as_str())))]
        Foreign { file: RelPath },
        #[error("the record does not match the repository: {}", listed(.differences))]
        #[code("metadata/stale")]
        #[hint("{REGENERATE}")]
        #[location(Some(Location::file(file.as_str())))]
        Stale { file: RelPath, differences: Vec<Difference> },
        #[transparent]
        Unreadable(#[from] error: MetadataError),
    }
}

const REGENERATE: &str = "regenerate it with `nextdeploy metadata`";

/// One field that differs; absent is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `node_version`, `inputs.pnpm-lock.yaml`.
    pub field: String,
    pub recorded: Option<String>,
    pub current: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<String>| {
            value.as_deref().map_or_else(|| "nothing".to_owned(), |v| format!("`{}`", shown(v)))
        };
        write!(f, "`{}` was {} and is {}", printable(&self.field), value(&self.recorded), value(&self.current))
    }
}

fn listed(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Compares the record in `tree` with the one that would be written now.
///
/// # Errors
/// [`CheckError::Stale`] with every difference; the other kinds when there is nothing to compare.
pub fn check(tree: &SourceTree, current: &Record) -> Result<(), CheckError> {
    let metadata = recorded(tree, &current.metadata_path)?;
    let lock = recorded(tree, &current.lock_path)?;
    let now = |value: Result<Value, serde_json::Error>| value.expect("records are JSON");
    let mut differences = Vec::new();
    compare("", &metadata.value, &now(serde_json::to_value(&current.metadata)), &mut differences);
    let edited = lock.value["metadata_digest"].as_str() != Some(digest(metadata.text.as_bytes()).as_str());
    let mut of_lock = Vec::new();
    compare("", &lock.value, &now(serde_json::to_value(&current.lock)), &mut of_lock);
    // What both files hold is listed once; the digest of the metadata matters only if all its fields agree.
    of_lock.retain(|difference| {
        let listed = differences.iter().any(|known| known.field == difference.field);
        !listed && (difference.field != "metadata_digest" || (edited && differences.is_empty()))
    });
    differences.extend(of_lock);
    if differences.is_empty() {
        Ok(())
    } else {
        Err(CheckError::Stale { file: current.metadata_path.clone(), differences })
    }
}

struct Recorded<'a> {
    text: &'a str,
    value: Value,
}

fn recorded<'a>(tree: &'a SourceTree, file: &RelPath) -> Result<Recorded<'a>, CheckError> {
    let text = tree.text(file).ok_or_else(|| CheckError::Missing { file: file.clone() })?;
    let text = usable(file.as_str(), text)?;
    let root = parse_json(file.as_str(), text)?;
    if !matches!(shape_of(file.as_str(), &root), Ok(MetadataShape::Record)) {
        return Err(CheckError::Foreign { file: file.clone() });
    }
    let value = serde_json::from_str(text).map_err(|_| CheckError::Foreign { file: file.clone() })?;
    Ok(Recorded { text, value })
}

/// Adds every leaf that differs. Fields of objects are compared one by one, in the order in which they are written now.
fn compare(field: &str, recorded: &Value, current: &Value, differences: &mut Vec<Difference>) {
    if let (Value::Object(old), Value::Object(new)) = (recorded, current) {
        let below = |key: &str| if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") };
        for (key, value) in new {
            compare(&below(key), old.get(key).unwrap_or(&Value::Null), value, differences);
        }
        for (key, value) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
            compare(&below(key), value, &Value::Null, differences);
        }
    } else if recorded != current {
        let text = |value: &Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        differences.push(Difference { field: field.to_owned(), recorded: text(recorded), current: text(current) });
    }
}
