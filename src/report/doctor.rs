//! Findings as a list for people and as JSON.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::Style;
use crate::diagnostic::printable;
use crate::doctor::{Area, Finding, Level, exit_code};

/// `nextdeploy doctor --json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorResult {
    pub schema_version: u32,
    /// How a build would end.
    pub exit_code: u8,
    pub findings: Vec<DoctorFinding>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorFinding {
    /// `repository`, `machine`, `registry` or `ci`.
    pub area: String,
    /// `ok`, `warning` or `problem`.
    pub level: String,
    pub code: String,
    pub message: String,
    /// The one thing to do.
    pub action: Option<String>,
    /// `FILE[:LINE[:COLUMN]]`.
    pub location: Option<String>,
}

impl DoctorResult {
    pub fn new(findings: &[Finding]) -> Self {
        let told = findings.iter().map(|finding| DoctorFinding {
            area: area(finding.area).to_owned(),
            level: level(finding.level).to_owned(),
            code: finding.code.clone(),
            message: finding.message.clone(),
            action: finding.action.clone(),
            location: finding.location.as_ref().map(ToString::to_string),
        });
        Self { schema_version: 1, exit_code: exit_code(findings) as u8, findings: told.collect() }
    }
}

fn area(area: Area) -> &'static str {
    match area {
        Area::Repository => "repository",
        Area::Machine => "machine",
        Area::Registry => "registry",
        Area::Ci => "ci",
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Problem => "problem",
    }
}

/// One block per area, the action below its finding.
pub fn render_findings(findings: &[Finding], style: Style) -> String {
    let mut text = String::new();
    for (title, block) in
        [("Repository", Area::Repository), ("Machine", Area::Machine), ("Registries", Area::Registry), ("CI", Area::Ci)]
    {
        let found: Vec<&Finding> = findings.iter().filter(|finding| finding.area == block).collect();
        if found.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{title}");
        for finding in found {
            write_finding(&mut text, finding, style);
        }
    }
    let count = |wanted: Level| findings.iter().filter(|finding| finding.level == wanted).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let _ = match problems {
        0 => writeln!(text, "nothing stands in the way of a build; {warnings} warning{}", plural(warnings)),
        _ => writeln!(text, "{problems} problem{}, {warnings} warning{}", plural(problems), plural(warnings)),
    };
    text
}

fn write_finding(text: &mut String, finding: &Finding, style: Style) {
    let (colour, word) = match finding.level {
        Level::Ok => ("32", "ok"),
        Level::Warning => ("1;33", "warning"),
        Level::Problem => ("1;31", "problem"),
    };
    let mark = style.paint(colour, &format!("{word:<8}"));
    let _ = write!(text, "  {mark} {}", printable(&finding.message));
    if let Some(location) = &finding.location {
        let _ = write!(text, " ({location})");
    }
    if finding.level != Level::Ok {
        let _ = write!(text, " [{}]", finding.code);
    }
    text.push('\n');
    if let Some(action) = &finding.action {
        let _ = writeln!(text, "           {} {}", style.paint("1;36", "do:"), printable(action));
    }
}
