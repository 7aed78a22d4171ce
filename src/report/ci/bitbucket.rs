//! Bitbucket Pipelines: variables for later steps; the log has no groups.

use super::dialect::{Dialect, FileMode, FileWrite, Published, file_of};
use crate::host::Environment;

pub(super) struct Bitbucket;

const VARIABLES: &str = "BITBUCKET_PIPELINES_VARIABLES_PATH";

impl Dialect for Bitbucket {
    fn output_files(&self, published: Published<'_>, environment: &Environment) -> Vec<FileWrite> {
        let Some(path) = file_of(environment, VARIABLES) else { return Vec::new() };
        let plain = published.outputs.variables().filter(|(_, value)| !value.chars().any(char::is_control));
        let content = plain.map(|(name, value)| format!("{name}={value}\n")).collect::<Vec<_>>().concat();
        vec![FileWrite { path, content, mode: FileMode::Append, named_by: VARIABLES }]
    }
}
