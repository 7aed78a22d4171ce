//! CircleCI: variables for later steps of the job through `$BASH_ENV`.

use super::dialect::{Dialect, FileMode, FileWrite, Published, file_of};
use super::shell::assignment;
use crate::host::Environment;

pub(super) struct CircleCi;

impl Dialect for CircleCi {
    fn output_files(&self, published: Published<'_>, environment: &Environment) -> Vec<FileWrite> {
        let Some(path) = file_of(environment, "BASH_ENV") else { return Vec::new() };
        let lines =
            published.outputs.variables().map(|(name, value)| format!("export {}\n", assignment(&name, &value)));
        vec![FileWrite { path, content: lines.collect(), mode: FileMode::Append, named_by: "BASH_ENV" }]
    }
}
