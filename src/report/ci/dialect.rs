//! What the dialects have in common: the trait, annotations, and what is passed to a CI system.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, Location, Warning, printable};
use crate::host::Environment;
use crate::image::PushedReference;
use crate::report::diagnostics::causes;
use crate::report::outputs::Outputs;

/// A foldable part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogGroup {
    /// For machines: `build`.
    pub name: &'static str,
    /// For people: `Build`.
    pub title: &'static str,
    /// When it was opened, in seconds since the epoch.
    pub opened: i64,
}

/// The outputs of a run for later steps.
#[derive(Debug, Clone, Copy)]
pub struct PublishedOutputs<'a> {
    pub outputs: &'a Outputs,
    pub pushed: &'a [PushedReference],
    /// A random word that no value contains.
    pub token: &'a str,
}

/// A file that the CI system reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWrite {
    pub path: PathBuf,
    pub content: String,
    pub mode: FileMode,
    /// The variable or feature that names it, for messages: `GITHUB_OUTPUT`.
    pub named_by: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMode {
    Append,
    Replace,
}

/// A call of the program of a CI system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCall {
    pub arguments: Vec<String>,
    /// Standard input.
    pub input: String,
}

/// What is passed to such a program.
#[derive(Debug, Clone, Copy)]
pub struct AgentReport<'a> {
    pub outputs: &'a Outputs,
    /// The job summary, if requested.
    pub summary: Option<&'a str>,
    /// The worst message of the run.
    pub worst: Option<Severity>,
}

/// The conventions of a CI system. The defaults are for a system without the feature.
pub trait Dialect: Sync {
    /// Opens a group; ends with a newline.
    fn open(&self, _group: &LogGroup) -> String {
        String::new()
    }

    fn close(&self, _group: &LogGroup, _now: i64) -> String {
        String::new()
    }

    /// Whether the system has groups.
    fn has_groups(&self) -> bool {
        false
    }

    /// Masks one line of a secret from here on.
    fn mask(&self, _line: &str) -> String {
        String::new()
    }

    /// Disables commands until [`Dialect::resume`] with the same token.
    fn stop(&self, _token: &str) -> String {
        String::new()
    }

    fn resume(&self, _token: &str) -> String {
        String::new()
    }

    /// `None` if the system has no annotations.
    fn annotate(&self, _annotation: &Annotation) -> Option<String> {
        None
    }

    /// Most annotations of one severity that the system shows.
    fn annotation_limit(&self) -> usize {
        usize::MAX
    }

    /// Escapes a line of text so that it cannot be taken for a command. Without newline.
    fn harmless<'a>(&self, line: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(line)
    }

    /// Whether the system finds commands in the log.
    fn has_commands(&self) -> bool {
        false
    }

    /// Outputs as lines of the log.
    fn output_lines(&self, _published: PublishedOutputs<'_>) -> String {
        String::new()
    }

    /// Outputs as files.
    fn output_files(&self, _published: PublishedOutputs<'_>, _environment: &Environment) -> Vec<FileWrite> {
        Vec::new()
    }

    /// The file for the job summary.
    fn summary_file(&self, _environment: &Environment) -> Option<PathBuf> {
        None
    }

    /// The program that accepts results and pages, if the system has one and the job can use it.
    fn agent(&self, _environment: &Environment) -> Option<&'static str> {
        None
    }

    /// The calls of [`Dialect::agent`].
    fn agent_calls(&self, _report: AgentReport<'_>, _environment: &Environment) -> Vec<AgentCall> {
        Vec::new()
    }

    /// A command that publishes the summary in a file.
    fn summary_line(&self, _file: &str) -> String {
        String::new()
    }
}

/// The path in a variable.
pub(super) fn file_of(environment: &Environment, variable: &str) -> Option<PathBuf> {
    environment.get(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

impl Severity {
    /// `error` or `warning`, as in every dialect.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A message for people, at a location in a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    pub severity: Severity,
    /// Stable identifier, `stage/what`.
    pub code: String,
    /// May have several lines, but no other control characters.
    pub message: String,
    /// With the path that the CI system expects.
    pub location: Option<Location>,
}

/// GitHub's runner truncates here (`ExecutionContext.cs`).
const LONGEST_MESSAGE: usize = 4096;

impl Annotation {
    pub fn of_error(error: &dyn Diagnostic, location: Option<Location>) -> Self {
        let mut lines = vec![error.to_string()];
        lines.extend(causes(error).into_iter().map(|cause| format!("caused by: {cause}")));
        lines.extend(error.hints().into_iter().map(|hint| format!("hint: {hint}")));
        Self { severity: Severity::Error, code: error.code().to_owned(), message: message(&lines), location }
    }

    pub fn of_warning(warning: &Warning, location: Option<Location>) -> Self {
        let mut lines = vec![warning.message.clone()];
        lines.extend(warning.hint.iter().map(|hint| format!("hint: {hint}")));
        Self { severity: Severity::Warning, code: warning.code.to_owned(), message: message(&lines), location }
    }

    /// A further location of an error.
    pub fn of_finding(code: &str, text: &str, location: Location) -> Self {
        let message = message(&[text.to_owned()]);
        Self { severity: Severity::Error, code: code.to_owned(), message, location: Some(location) }
    }

    /// Replaces the annotations beyond a limit.
    pub fn of_rest(severity: Severity, count: usize) -> Self {
        let noun = severity.word();
        let message = format!("{count} more {noun}s are in the log: the CI system limits annotations");
        Self { severity, code: format!("ci/more-{noun}s"), message, location: None }
    }
}

fn message(lines: &[String]) -> String {
    let text: Vec<String> = lines.iter().flat_map(|text| text.lines()).map(printable).collect();
    let text = text.join("\n");
    if text.chars().count() <= LONGEST_MESSAGE {
        return text;
    }
    text.chars().take(LONGEST_MESSAGE - 1).chain("…".chars()).collect()
}
