//! Texts of the tree as detection needs them, and their syntax: JSON, JSON with comments, YAML.
//!
//! In: the tree and a path. Out: the text, `None` if there is no such file, an error if it cannot be used. Never guesses an
//! encoding.

use serde_json::{Map, Value};

use crate::diagnostic::Location;
use crate::rel_path::RelPath;
use crate::repo::{SourceText, SourceTree};

use super::error::ProjectError;

/// The text of `path`; `None` when the file does not exist.
pub(super) fn read<'t>(tree: &'t SourceTree, path: &RelPath) -> Result<Option<&'t str>, ProjectError> {
    match tree.text(path) {
        None => Ok(None),
        Some(SourceText::Text(text)) => Ok(Some(text.strip_prefix('\u{feff}').unwrap_or(text))),
        Some(SourceText::Binary(_)) => Err(ProjectError::NotUtf8 { file: path.clone(), offset: 0 }),
        Some(SourceText::NotUtf8 { valid_up_to }) => {
            Err(ProjectError::NotUtf8 { file: path.clone(), offset: *valid_up_to })
        }
        Some(SourceText::TooLarge { reason }) => {
            Err(ProjectError::BeyondLimit { file: path.clone(), reason: reason.clone() })
        }
        Some(SourceText::Unreadable { reason }) => {
            Err(ProjectError::Unreadable { file: path.clone(), reason: reason.clone() })
        }
    }
}

/// The line, from 1, on which a JSON or JavaScript file first sets `key`: `key:`, `"key":` or `.key =`.
pub fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let sets = |line: &str| {
        line.match_indices(key).any(|(at, _)| {
            let before = line[..at].trim_end_matches(['"', '\'']).trim_end();
            let after = line[at + key.len()..].trim_start_matches(['"', '\'']).trim_start();
            let assigned = after.starts_with('=') && !after.starts_with("==") && before.ends_with('.');
            assigned || (after.starts_with(':') && (before.is_empty() || before.ends_with(['{', ',', '('])))
        })
    };
    text.lines().position(sets).map(|at| at + 1)
}

/// Strict JSON, as package managers read it.
pub(super) fn parse_json<T: serde::de::DeserializeOwned>(path: &RelPath, text: &str) -> Result<T, ProjectError> {
    serde_json::from_str(text).map_err(|error| json_error(path, text, &error))
}

/// The place and the message of a JSON error.
pub(super) fn json_error(path: &RelPath, text: &str, error: &serde_json::Error) -> ProjectError {
    if let Err(conflict) = refuse_conflict(path, text) {
        return conflict;
    }
    if text.trim().is_empty() {
        return ProjectError::Malformed {
            location: Location::column(path.as_str(), 1, 1),
            kind: "JSON",
            message: "the file is empty".to_owned(),
        };
    }
    let full = error.to_string();
    let message = full.rsplit_once(" at line ").map_or(full.as_str(), |(message, _)| message).to_owned();
    let location = Location::column(path.as_str(), error.line().max(1), error.column().max(1));
    ProjectError::Malformed { location, kind: "JSON", message }
}

/// JSON with comments and trailing commas: `bun.lock`, `turbo.json`, `nx.json`, `project.json`.
pub(super) fn parse_jsonc<T: serde::de::DeserializeOwned>(path: &RelPath, text: &str) -> Result<T, ProjectError> {
    refuse_conflict(path, text)?;
    parse_json(path, &strict(text))
}

/// Replaces comments and trailing commas by spaces, so that positions stay the same. A syntax tree would take up to fifty times the
/// memory of a lockfile.
pub(super) fn strict(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut comma = None;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        let length = match rest {
            [b'"', ..] => string_length(rest),
            [b'/', b'/', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
            [b'/', b'*', ..] => text[at + 2..].find("*/").map_or(rest.len(), |end| end + 4),
            _ => 1,
        };
        match rest[0] {
            b'/' if length > 1 => {
                bytes[at..at + length].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
            }
            b']' | b'}' => {
                if let Some(comma) = comma.take() {
                    bytes[comma] = b' ';
                }
            }
            b',' => comma = Some(at),
            byte if byte.is_ascii_whitespace() => {}
            _ => comma = None,
        }
        at += length;
    }
    // Only whole characters were replaced, so this cannot fail.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Bytes of the string at the beginning, with its quotes.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().skip(1).position(|byte| {
        let is_end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

/// A YAML mapping; an empty file is an empty mapping.
pub(super) fn parse_yaml(path: &RelPath, text: &str) -> Result<Map<String, Value>, ProjectError> {
    refuse_conflict(path, text)?;
    let nothing =
        text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#') || line == "---");
    if nothing {
        return Ok(Map::new());
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location();
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let location = place.map_or_else(
            || Location::file(path.as_str()),
            |place| Location::column(path.as_str(), number(place.line()), number(place.column())),
        );
        let message = error.without_snippet().to_string();
        ProjectError::Malformed {
            location,
            kind: "YAML",
            message: message.lines().next().unwrap_or_default().to_owned(),
        }
    })
}

/// Refuses files with conflict markers: half of each side would be read.
pub(super) fn refuse_conflict(path: &RelPath, text: &str) -> Result<(), ProjectError> {
    let marker = "<<<<<<< ";
    let at = if text.starts_with(marker) { Some(0) } else { text.find("\n<<<<<<< ").map(|at| at + 1) };
    at.map_or(Ok(()), |at| {
        let line = Location::at_offset(path.as_str(), text, at).line.unwrap_or(1);
        Err(ProjectError::MergeConflict { location: Location::line(path.as_str(), line) })
    })
}

/// The location of the field at the path `keys`; the whole file if there is none.
pub(super) fn locate(path: &RelPath, text: &str, keys: &[&str]) -> Location {
    let file = Location::file(path.as_str());
    let options = (jsonc_parser::CollectOptions::default(), jsonc_parser::ParseOptions::default());
    let Ok(parsed) = jsonc_parser::parse_to_ast(text, &options.0, &options.1) else { return file };
    let mut value = parsed.value.as_ref();
    let mut place = None;
    for key in keys {
        let Some(property) = value.and_then(|v| v.as_object()).and_then(|object| object.get(key)) else { break };
        place = Some(jsonc_parser::common::Ranged::range(&property.value).start);
        value = Some(&property.value);
    }
    place.map_or(file, |offset| Location::at_offset(path.as_str(), text, offset))
}

/// A JSON object and its file, read field by field so that errors name the field.
pub(super) struct Fields<'v> {
    pub path: &'v RelPath,
    pub text: &'v str,
    value: &'v Map<String, Value>,
    keys: Vec<&'v str>,
}

impl<'v> Fields<'v> {
    pub fn new(path: &'v RelPath, text: &'v str, value: &'v Value) -> Result<Self, ProjectError> {
        let location = || Location::column(path.as_str(), 1, 1);
        let value = value.as_object().ok_or_else(|| ProjectError::Malformed {
            location: location(),
            kind: "JSON",
            message: "the file does not hold an object".to_owned(),
        })?;
        Ok(Self { path, text, value, keys: Vec::new() })
    }

    pub fn get(&self, key: &str) -> Option<&'v Value> {
        self.value.get(key).filter(|value| !value.is_null())
    }

    pub fn wrong_type(&self, key: &str, expected: &'static str) -> ProjectError {
        let mut keys = self.keys.clone();
        keys.push(key);
        ProjectError::WrongType { location: locate(self.path, self.text, &keys), field: keys.join("."), expected }
    }

    pub fn string(&self, key: &str) -> Result<Option<String>, ProjectError> {
        self.get(key)
            .map(|value| value.as_str().map(str::to_owned).ok_or_else(|| self.wrong_type(key, "a string")))
            .transpose()
    }

    pub fn object(&self, key: &'v str) -> Result<Option<Fields<'v>>, ProjectError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let value = value.as_object().ok_or_else(|| self.wrong_type(key, "an object"))?;
        let mut keys = self.keys.clone();
        keys.push(key);
        Ok(Some(Self { path: self.path, text: self.text, value, keys }))
    }

    /// An object whose values are all strings, in file order.
    pub fn strings(&self, key: &'v str) -> Result<Vec<(String, String)>, ProjectError> {
        let Some(fields) = self.object(key)? else { return Ok(Vec::new()) };
        fields
            .value
            .iter()
            .map(|(name, value)| {
                let text = value.as_str().ok_or_else(|| fields.wrong_type(name, "a string"))?;
                Ok((name.clone(), text.to_owned()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_trailing_commas_become_blanks() {
        for (lenient, expected) in [
            (r#"{"a": [1, 2,], }"#, r#"{"a": [1, 2 ]  }"#),
            ("{// é, }\n\"a\": 1, /**/}", "{        \n\"a\": 1      }"),
            (r#"["// \" , ]", "\\",]"#, r#"["// \" , ]", "\\" ]"#),
            ("[1,/*\n*/]", "[1   \n  ]"),
            ("[,1, , 2]", "[,1, , 2]"),
            ("/", "/"),
            ("\"a", "\"a"),
            ("/* a", "    "),
        ] {
            assert_eq!(strict(lenient), expected, "{lenient}");
        }
    }

    #[test]
    fn a_key_is_found_where_it_is_set() {
        for (text, line) in [
            ("// output: 'x'\nexport default {\n  output: 'export',\n}", Some(3)),
            ("const config = { basePath: '/a', \"output\": mode() }", Some(1)),
            ("const config = {}\nif (config.output === 'x') {}\nconfig.output = 'export'\n", Some(3)),
            ("{\n  \"name\": \"output\",\n  \"output\": 1\n}", Some(3)),
            ("export default { myoutput: 1, outputs: 2 }", None),
            ("", None),
        ] {
            assert_eq!(line_of_key(text, "output"), line, "{text}");
        }
    }
}
