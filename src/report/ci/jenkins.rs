//! Jenkins: a Java properties file, for `readProperties` or the Environment Injector plugin.

use std::fmt::Write as _;

use super::dialect::{Dialect, FileMode, FileWrite, Published, file_of};
use crate::host::Environment;

pub(super) struct Jenkins;

const FILE: &str = "nextdeploy.properties";

impl Dialect for Jenkins {
    fn output_files(&self, published: Published<'_>, environment: &Environment) -> Vec<FileWrite> {
        // Beside the workspace where there is such a place: a file inside would be part of the next build.
        let folder = file_of(environment, "WORKSPACE_TMP").or_else(|| file_of(environment, "WORKSPACE"));
        let Some(folder) = folder else { return Vec::new() };
        let content = published.outputs.variables().map(|(name, value)| format!("{name}={}\n", escape(&value)));
        let path = folder.join(FILE);
        vec![FileWrite { path, content: content.collect(), mode: FileMode::Replace, named_by: FILE }]
    }
}

/// `java.util.Properties`: Latin-1, with a backslash before what has a meaning.
fn escape(value: &str) -> String {
    let mut escaped = String::new();
    for (at, c) in value.chars().enumerate() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            ' ' if at == 0 => escaped.push_str("\\ "),
            ' '..='~' => escaped.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
    }
    escaped
}
