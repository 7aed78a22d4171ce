//! Errors, warnings and findings as text: `error:`, `caused by:`, `hint:`.

use std::fmt::Write as _;

use crate::diagnostic::{Diagnostic, Warning, printable};
use crate::doctor::{DoctorFinding, FindingArea, FindingLevel};
use crate::format::count;

/// Whether our own texts are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Coloured,
}

impl Style {
    /// `text` in the colour of an ANSI `code`.
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// An error with its location, causes and hints; ends with a newline.
pub fn render_error(error: &dyn Diagnostic, style: Style) -> String {
    let mut text = String::new();
    let head = style.paint("1;31", "error:");
    let _ = writeln!(text, "{head} {} [{}]", multi_line(&error.to_string()), error.code());
    if let Some(location) = error.location() {
        let _ = writeln!(text, "  at {location}");
    }
    for cause in causes(error) {
        let _ = writeln!(text, "  {} {}", style.paint("1", "caused by:"), multi_line(&cause));
    }
    for hint in error.hints() {
        let _ = writeln!(text, "  {} {}", style.paint("1;36", "hint:"), multi_line(&hint));
    }
    text
}

/// The causes of an error, without those whose text an earlier one contains.
pub(super) fn causes(error: &dyn Diagnostic) -> Vec<String> {
    let mut messages = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !messages.iter().any(|earlier| earlier.contains(&message)) {
            messages.push(message);
        }
        cause = error.source();
    }
    messages.split_off(1)
}

/// A warning with its location and hint; ends with a newline.
pub fn render_warning(warning: &Warning, style: Style) -> String {
    let mut text = format!("{} {}", style.paint("1;33", "warning:"), multi_line(&warning.message));
    if let Some(location) = &warning.location {
        let _ = write!(text, " ({location})");
    }
    let _ = writeln!(text, " [{}]", warning.code);
    if let Some(hint) = &warning.hint {
        let _ = writeln!(text, "  {} {}", style.paint("1;36", "hint:"), multi_line(hint));
    }
    text
}

/// Keeps line breaks, indented below the first line, and escapes every other control character.
fn multi_line(text: &str) -> String {
    text.trim_end().lines().map(printable).collect::<Vec<_>>().join("\n  ")
}

/// The findings of the doctor in one block per area, each action below its finding.
pub fn render_findings(findings: &[DoctorFinding], style: Style) -> String {
    let mut text = String::new();
    for (title, block) in [
        ("Repository", FindingArea::Repository),
        ("Machine", FindingArea::Machine),
        ("Registries", FindingArea::Registry),
        ("CI", FindingArea::Ci),
    ] {
        let found: Vec<&DoctorFinding> = findings.iter().filter(|finding| finding.area == block).collect();
        if found.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{title}");
        for finding in found {
            write_finding(&mut text, finding, style);
        }
    }
    let with_level = |level: FindingLevel| findings.iter().filter(|finding| finding.level == level).count();
    let warnings = count(with_level(FindingLevel::Warning), "warning");
    let _ = match with_level(FindingLevel::Problem) {
        0 => writeln!(text, "ready to build, {warnings}"),
        problems => writeln!(text, "{}, {warnings}", count(problems, "problem")),
    };
    text
}

fn write_finding(text: &mut String, finding: &DoctorFinding, style: Style) {
    let (colour, word) = match finding.level {
        FindingLevel::Ok => ("32", "ok"),
        FindingLevel::Warning => ("1;33", "warning"),
        FindingLevel::Problem => ("1;31", "problem"),
    };
    let mark = style.paint(colour, &format!("{word:<8}"));
    let _ = write!(text, "  {mark} {}", printable(&finding.message));
    if let Some(location) = &finding.location {
        let _ = write!(text, " ({location})");
    }
    if finding.level != FindingLevel::Ok {
        let _ = write!(text, " [{}]", finding.code);
    }
    text.push('\n');
    if let Some(action) = &finding.action {
        let _ = writeln!(text, "           {} {}", style.paint("1;36", "do:"), printable(action));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{ExitCode, Location};

    #[derive(Debug, thiserror::Error)]
    #[error("`package.json` is not valid JSON")]
    struct SampleError(#[source] std::num::ParseIntError);

    impl Diagnostic for SampleError {
        fn code(&self) -> &'static str {
            "project/malformed"
        }
        fn hints(&self) -> Vec<String> {
            vec!["repair the file".to_owned()]
        }
        fn exit_code(&self) -> ExitCode {
            ExitCode::Project
        }
        fn location(&self) -> Option<Location> {
            Some(Location::column("package.json", 2, 3))
        }
    }

    #[test]
    fn an_error_shows_location_causes_and_hints() {
        let error = SampleError("x".parse::<u8>().unwrap_err());
        assert_eq!(
            render_error(&error, Style::Plain),
            "error: `package.json` is not valid JSON [project/malformed]\n  at package.json:2:3\n  caused by: invalid digit found in string\n  hint: repair the file\n"
        );
    }

    #[test]
    fn control_characters_of_a_warning_are_escaped() {
        let warning = Warning::new("context/odd", "odd name `a\u{1b}[2Jb`").with_hint("rename it");
        assert_eq!(
            render_warning(&warning, Style::Plain),
            "warning: odd name `a\\u{1b}[2Jb` [context/odd]\n  hint: rename it\n"
        );
    }
}
