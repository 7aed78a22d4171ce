//! Errors and warnings as text: `error:`, `caused by:`, `hint:`.

use std::error::Error;
use std::fmt::Write as _;

use crate::diagnostic::{Diagnostic, Warning, printable};

/// Whether the text may carry colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Coloured,
}

impl Style {
    pub(super) fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// An error with its place, causes and hints; ends with a newline.
pub fn render_error(error: &dyn Diagnostic, style: Style) -> String {
    let mut text = String::new();
    let head = style.paint("1;31", "error:");
    let _ = writeln!(text, "{head} {} [{}]", multi_line(&error.to_string()), error.code());
    if let Some(location) = error.location() {
        let _ = writeln!(text, "  at {location}");
    }
    let mut cause = error.source();
    let mut said = error.to_string();
    while let Some(error) = cause {
        let message = error.to_string();
        if !said.contains(&message) {
            let _ = writeln!(text, "  {} {}", style.paint("1", "caused by:"), multi_line(&message));
            said = message;
        }
        cause = Error::source(error);
    }
    for hint in error.hints() {
        let _ = writeln!(text, "  {} {}", style.paint("1;36", "hint:"), multi_line(&hint));
    }
    text
}

/// A warning with its place and hint; ends with a newline.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{ExitCode, Location};

    #[derive(Debug, thiserror::Error)]
    #[error("`package.json` is not valid JSON")]
    struct Broken(#[source] std::num::ParseIntError);

    impl Diagnostic for Broken {
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
    fn an_error_says_what_where_why_and_what_to_do() {
        let error = Broken("x".parse::<u8>().unwrap_err());
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
