//! A finding of the doctor, and the result for machines.

use schemars::JsonSchema;
use serde::Serialize;

use crate::diagnostic::{Diagnostic, ExitCode, Warning, error_chain};

/// `nextdeploy doctor --json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorResult {
    pub schema_version: u32,
    /// How a build would end.
    pub exit_code: u8,
    pub findings: Vec<DoctorFinding>,
}

impl DoctorResult {
    pub fn new(findings: &[DoctorFinding]) -> Self {
        Self { schema_version: 1, exit_code: exit_code(findings) as u8, findings: findings.to_vec() }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingArea {
    Repository,
    Machine,
    Registry,
    Ci,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingLevel {
    Ok,
    /// Works, but could be better.
    Warning,
    /// A build fails because of it.
    Problem,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorFinding {
    /// `repository`, `machine`, `registry` or `ci`.
    #[schemars(with = "String")]
    pub area: FindingArea,
    /// `ok`, `warning` or `problem`.
    #[schemars(with = "String")]
    pub level: FindingLevel,
    // That of the error or warning which a build would report.
    pub code: String,
    pub message: String,
    /// The one thing to do.
    pub action: Option<String>,
    /// `FILE[:LINE[:COLUMN]]`.
    pub location: Option<String>,
    /// The exit code of a build that has this problem.
    #[serde(skip)]
    pub exit_code: Option<ExitCode>,
}

impl DoctorFinding {
    pub fn ok(area: FindingArea, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { area, level: FindingLevel::Ok, code, message, action: None, location: None, exit_code: None }
    }

    pub fn warning(area: FindingArea, code: &str, message: impl Into<String>, action: impl Into<String>) -> Self {
        Self { level: FindingLevel::Warning, action: Some(action.into()), ..Self::ok(area, code, message) }
    }

    pub fn of_warning(area: FindingArea, warning: &Warning) -> Self {
        Self {
            level: FindingLevel::Warning,
            action: warning.hint.clone(),
            location: warning.location.as_ref().map(ToString::to_string),
            ..Self::ok(area, warning.code, warning.message.clone())
        }
    }

    /// An error that would fail a build, with its causes.
    pub fn problem(area: FindingArea, error: &dyn Diagnostic) -> Self {
        Self {
            level: FindingLevel::Problem,
            action: error.hints().into_iter().next(),
            location: error.location().map(|location| location.to_string()),
            exit_code: Some(error.exit_code()),
            ..Self::ok(area, error.code(), error_chain(error))
        }
    }
}

/// The exit code of a build: that of the first problem.
pub fn exit_code(findings: &[DoctorFinding]) -> ExitCode {
    findings
        .iter()
        .filter(|finding| finding.level == FindingLevel::Problem)
        .find_map(|finding| finding.exit_code)
        .unwrap_or(ExitCode::Ok)
}
