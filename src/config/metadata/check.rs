//! Whether the written record still tells the truth.

use std::fmt;

use serde_json::Value;

use super::error::MetadataError;
use super::json::parse_json;
use super::metadata_json::{Shape, shape_of};
use super::read::usable;
use super::record::{Record, digest};
use crate::diagnostic::{Diagnostic, ExitCode, Location, printable, shown};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

/// The record cannot be relied upon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    #[error("there is no `{file}`")]
    Missing { file: RelPath },
    #[error("`{file}` was written by another program or version")]
    Foreign { file: RelPath },
    #[error("the record does not match the repository: {}", listed(.differences))]
    Stale { file: RelPath, differences: Vec<Difference> },
    #[error(transparent)]
    Unreadable(#[from] MetadataError),
}

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

impl Diagnostic for CheckError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "metadata/missing",
            Self::Foreign { .. } => "metadata/foreign",
            Self::Stale { .. } => "metadata/stale",
            Self::Unreadable(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unreadable(error) => error.hints(),
            _ => vec!["write it anew with `nextdeploy metadata`".to_owned()],
        }
    }

    fn exit_code(&self) -> ExitCode {
        ExitCode::Project
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Unreadable(error) => error.location(),
            Self::Missing { file } | Self::Foreign { file } | Self::Stale { file, .. } => {
                Some(Location::file(file.as_str()))
            }
        }
    }
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
    // What both files hold is told once; the digest of the metadata says something only when its fields all agree.
    of_lock.retain(|difference| {
        let told = differences.iter().any(|known| known.field == difference.field);
        !told && (difference.field != "metadata_digest" || (edited && differences.is_empty()))
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
    if !matches!(shape_of(file.as_str(), &root), Ok(Shape::Record)) {
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
