//! GitHub Actions, and the subset that Forgejo and Gitea support.
//!
//! Workflow commands and file commands as `ActionCommand.cs` and `FileCommandManager.cs` of actions/runner read them.

use std::borrow::Cow;
use std::path::PathBuf;

use super::dialect::{Annotation, Dialect, FileMode, FileWrite, LogGroup, PublishedOutputs, file_of};
use crate::diagnostic::printable_path;
use crate::host::Environment;

/// The runners of this family differ in their features.
pub(super) struct GitHub {
    /// Errors and warnings become annotations, and pushed images can be recorded as artifacts.
    annotations: bool,
}

pub(super) const GITHUB: GitHub = GitHub { annotations: true };
pub(super) const FORGEJO: GitHub = GitHub { annotations: false };

/// Most annotations of one severity that the runner accepts from a step.
const ANNOTATIONS: usize = 10;

impl Dialect for GitHub {
    fn has_groups(&self) -> bool {
        true
    }

    fn open(&self, group: &LogGroup) -> String {
        format!("::group::{}\n", data(group.title))
    }

    fn close(&self, _group: &LogGroup, _now: i64) -> String {
        "::endgroup::\n".to_owned()
    }

    fn mask(&self, line: &str) -> String {
        format!("::add-mask::{}\n", data(line))
    }

    fn stop(&self, token: &str) -> String {
        format!("::stop-commands::{token}\n")
    }

    fn resume(&self, token: &str) -> String {
        format!("::{token}::\n")
    }

    fn annotate(&self, annotation: &Annotation) -> Option<String> {
        if !self.annotations {
            return None;
        }
        let mut properties = Vec::new();
        if let Some(location) = &annotation.location {
            properties.push(format!("file={}", property(&printable_path(&location.file))));
            properties.extend(location.line.map(|line| format!("line={line}")));
            // The runner drops a column without a line.
            properties.extend(location.line.and(location.column).map(|column| format!("col={column}")));
        }
        properties.push(format!("title={}", property(&annotation.code)));
        Some(format!("::{} {}::{}\n", annotation.severity.word(), properties.join(","), data(&annotation.message)))
    }

    fn annotation_limit(&self) -> usize {
        ANNOTATIONS
    }

    fn harmless<'a>(&self, line: &'a str) -> Cow<'a, str> {
        // The runner compares with the rules of a culture, which ignore invisible characters.
        let begins = line.chars().filter(char::is_ascii_graphic).take(2).eq("::".chars());
        // The older form is found anywhere in a line.
        let contains = line.contains("##[");
        match (begins, contains) {
            (false, false) => Cow::Borrowed(line),
            (true, _) => Cow::Owned(format!("| {}", line.replace("##[", "## ["))),
            (false, true) => Cow::Owned(line.replace("##[", "## [")),
        }
    }

    fn has_commands(&self) -> bool {
        true
    }

    fn output_files(&self, published: PublishedOutputs<'_>, environment: &Environment) -> Vec<FileWrite> {
        let mut files = Vec::new();
        if let Some(path) = file_of(environment, "GITHUB_OUTPUT") {
            let content =
                published.outputs.iter().map(|(name, value)| output_entry(name, value, published.token)).collect();
            files.push(FileWrite { path, content, mode: FileMode::Append, named_by: "GITHUB_OUTPUT" });
        }
        let artifacts = file_of(environment, "GITHUB_ARTIFACTS").filter(|_| self.annotations);
        if let Some(path) = artifacts.filter(|_| !published.pushed.is_empty()) {
            files.push(FileWrite {
                path,
                content: artifact_lines(published),
                mode: FileMode::Append,
                named_by: "GITHUB_ARTIFACTS",
            });
        }
        files
    }

    fn summary_file(&self, environment: &Environment) -> Option<PathBuf> {
        file_of(environment, "GITHUB_STEP_SUMMARY")
    }
}

/// `name<<DELIMITER`, the lines of the value, `DELIMITER`, which the value does not contain.
fn output_entry(name: &str, value: &str, token: &str) -> String {
    let mut delimiter = format!("ghadelimiter_{token}");
    while value.contains(&delimiter) {
        delimiter.push('x');
    }
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

/// One subject per repository: the runner fails a step that names one twice with different digests.
fn artifact_lines(published: PublishedOutputs<'_>) -> String {
    let mut subjects: Vec<(String, &str)> = Vec::new();
    for pushed in published.pushed {
        let name = pushed.reference.repository();
        if !subjects.iter().any(|(known, _)| *known == name) {
            subjects.push((name, &pushed.digest));
        }
    }
    subjects.iter().map(|(name, digest)| format!("oci://{name}@{digest}\n")).collect::<Vec<_>>().concat()
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
