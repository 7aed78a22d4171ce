//! CI systems that only read a file of variables: Bitbucket Pipelines, CircleCI, Jenkins.

use std::fmt::Write as _;

use super::dialect::{Dialect, FileMode, FileWrite, PublishedOutputs, file_of};
use crate::host::Environment;

/// Bitbucket Pipelines: a file of variables for later steps.
pub(super) struct Bitbucket;

const BITBUCKET_FILE: &str = "BITBUCKET_PIPELINES_VARIABLES_PATH";

impl Dialect for Bitbucket {
    fn output_files(&self, published: PublishedOutputs<'_>, environment: &Environment) -> Vec<FileWrite> {
        let Some(path) = file_of(environment, BITBUCKET_FILE) else { return Vec::new() };
        let plain = published.outputs.variables().filter(|(_, value)| !value.chars().any(char::is_control));
        let content = plain.map(|(name, value)| format!("{name}={value}\n")).collect::<Vec<_>>().concat();
        vec![FileWrite { path, content, mode: FileMode::Append, named_by: BITBUCKET_FILE }]
    }
}

/// CircleCI: a shell script that later steps of the job read (`$BASH_ENV`).
pub(super) struct CircleCi;

impl Dialect for CircleCi {
    fn output_files(&self, published: PublishedOutputs<'_>, environment: &Environment) -> Vec<FileWrite> {
        let Some(path) = file_of(environment, "BASH_ENV") else { return Vec::new() };
        let lines =
            published.outputs.variables().map(|(name, value)| format!("export {}\n", assignment(&name, &value)));
        vec![FileWrite { path, content: lines.collect(), mode: FileMode::Append, named_by: "BASH_ENV" }]
    }
}

/// `NAME='value'`, quoted for a shell.
fn assignment(name: &str, value: &str) -> String {
    format!("{name}='{}'", value.replace('\'', r"'\''"))
}

/// Jenkins: a Java properties file, for `readProperties` or the Environment Injector plugin.
pub(super) struct Jenkins;

const JENKINS_FILE: &str = "nextdeploy.properties";

impl Dialect for Jenkins {
    fn output_files(&self, published: PublishedOutputs<'_>, environment: &Environment) -> Vec<FileWrite> {
        // Next to the workspace if possible: a file inside would be part of the next build.
        let folder = file_of(environment, "WORKSPACE_TMP").or_else(|| file_of(environment, "WORKSPACE"));
        let Some(folder) = folder else { return Vec::new() };
        let content = published.outputs.variables().map(|(name, value)| format!("{name}={}\n", property_value(&value)));
        let path = folder.join(JENKINS_FILE);
        vec![FileWrite { path, content: content.collect(), mode: FileMode::Replace, named_by: JENKINS_FILE }]
    }
}

/// The escapes of `java.util.Properties`, for Latin-1.
fn property_value(value: &str) -> String {
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
