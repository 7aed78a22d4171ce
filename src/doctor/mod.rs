//! What stands in the way of a build: machine, repository, credentials and CI, each finding with one action.
//!
//! In: what the other stages found out. Out: [`Finding`]s in the order in which a build would meet them. Checks are functions over
//! values; nothing in here asks anybody, changes anything, or decides what a build does.

mod ci;
mod credentials;
mod machine;
mod repository;

use serde::Serialize;

use crate::diagnostic::{Diagnostic, ExitCode, Location, Warning};

pub use ci::{CiState, TokenState, check_ci};
pub use credentials::{RegistryState, check_credentials};
pub use machine::check_machine;
pub use repository::{Checkout, check_repository};

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    Repository,
    Machine,
    Registry,
    Ci,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Ok,
    /// Works, and could be better.
    Warning,
    /// A build ends with an error because of it.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub area: Area,
    pub level: Level,
    /// Stable identifier, `stage/what`; that of the error or warning which a build would give.
    pub code: String,
    pub message: String,
    /// The one thing to do.
    pub action: Option<String>,
    pub location: Option<Location>,
    /// How a build ends because of it.
    #[serde(skip)]
    pub exit_code: Option<ExitCode>,
}

impl Finding {
    pub fn ok(area: Area, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { area, level: Level::Ok, code, message, action: None, location: None, exit_code: None }
    }

    pub fn warning(area: Area, code: &str, message: impl Into<String>, action: impl Into<String>) -> Self {
        Self { level: Level::Warning, action: Some(action.into()), ..Self::ok(area, code, message) }
    }

    pub fn of_warning(area: Area, warning: &Warning) -> Self {
        Self {
            level: Level::Warning,
            action: warning.hint.clone(),
            location: warning.location.clone(),
            ..Self::ok(area, warning.code, warning.message.clone())
        }
    }

    /// An error that ends a build, with its causes.
    pub fn problem(area: Area, error: &dyn Diagnostic) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Self {
            level: Level::Problem,
            action: error.hints().into_iter().next(),
            location: error.location(),
            exit_code: Some(error.exit_code()),
            ..Self::ok(area, error.code(), message)
        }
    }
}

/// How a build would end: with the first problem that it meets.
pub fn exit_code(findings: &[Finding]) -> ExitCode {
    findings
        .iter()
        .filter(|finding| finding.level == Level::Problem)
        .find_map(|finding| finding.exit_code)
        .unwrap_or(ExitCode::Ok)
}

#[cfg(test)]
mod tests;
