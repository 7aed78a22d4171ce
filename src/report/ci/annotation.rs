//! Errors and warnings as a CI system takes them.

use crate::diagnostic::{Diagnostic, Location, Warning, printable};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

impl Severity {
    /// The word that all dialects have for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One message for people, at a place in a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    pub severity: Severity,
    /// Stable identifier, `stage/what`.
    pub code: String,
    /// May have several lines; free of other control characters.
    pub message: String,
    /// The file as the CI system can find it.
    pub location: Option<Location>,
}

/// GitHub's runner cuts there (`ExecutionContext.cs`); the others bear it.
const LONGEST: usize = 4096;

impl Annotation {
    pub fn of_error(error: &dyn Diagnostic, location: Option<Location>) -> Self {
        let mut lines = vec![error.to_string()];
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !lines.iter().any(|line| line.contains(&text)) {
                lines.push(format!("caused by: {text}"));
            }
            cause = inner.source();
        }
        lines.extend(error.hints().into_iter().map(|hint| format!("hint: {hint}")));
        Self { severity: Severity::Error, code: error.code().to_owned(), message: message(&lines), location }
    }

    pub fn of_warning(warning: &Warning, location: Option<Location>) -> Self {
        let mut lines = vec![warning.message.clone()];
        lines.extend(warning.hint.iter().map(|hint| format!("hint: {hint}")));
        Self { severity: Severity::Warning, code: warning.code.to_owned(), message: message(&lines), location }
    }

    /// One more place of an error.
    pub fn of_finding(code: &str, text: &str, location: Location) -> Self {
        let message = message(&[text.to_owned()]);
        Self { severity: Severity::Error, code: code.to_owned(), message, location: Some(location) }
    }

    /// Stands for those that a limit leaves out.
    pub fn of_rest(severity: Severity, count: usize) -> Self {
        let noun = severity.word();
        let message = format!("{count} more {noun}s are in the log: this CI system shows no more than these");
        Self { severity, code: format!("ci/more-{noun}s"), message, location: None }
    }
}

fn message(lines: &[String]) -> String {
    let text: Vec<String> = lines.iter().flat_map(|text| text.lines()).map(printable).collect();
    let text = text.join("\n");
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 1).chain("…".chars()).collect()
}
