//! What every error and warning of the program has in common: a stable code, a place, and one action to take.
//!
//! Stage errors implement [`Diagnostic`]; `report/` renders them; [`ExitCode`] is the documented contract with the caller.
//! Nothing here prints or ends the process.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::secret::redact;

/// Exit codes of the program. They are documented and never change meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    Ok = 0,
    /// A defect of the program itself.
    Bug = 1,
    /// A flag, variable or configuration value that makes no sense.
    Usage = 2,
    /// The project cannot be built as requested.
    Project = 3,
    /// The build itself failed, or there is no daemon to run it.
    Build = 4,
    /// A registry or cloud refused the credentials.
    Authentication = 5,
    /// The image could not be pushed.
    Push = 6,
    /// The container did not become healthy.
    Unhealthy = 7,
    /// The image was built, but could not be announced (required by `announce-required`).
    Unannounced = 8,
    /// Ended by SIGINT (128 + 2).
    Interrupted = 130,
    /// Ended by SIGTERM (128 + 15).
    Terminated = 143,
}

/// A place in a file of the user's project. `line` and `column` count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Location {
    pub file: PathBuf,
    pub line: Option<usize>,
    pub column: Option<usize>,
}

impl Location {
    pub fn file(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), line: None, column: None }
    }

    pub fn line(file: impl Into<PathBuf>, line: usize) -> Self {
        Self { file: file.into(), line: Some(line), column: None }
    }

    pub fn column(file: impl Into<PathBuf>, line: usize, column: usize) -> Self {
        Self { file: file.into(), line: Some(line), column: Some(column) }
    }

    /// The place of byte `offset` in `text`.
    pub fn at_offset(file: impl Into<PathBuf>, text: &str, offset: usize) -> Self {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Self::column(file, line, column)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", printable_path(&self.file))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        Ok(())
    }
}

/// A path on one line: control characters and invalid UTF-8 are escaped, so that a file name cannot forge output.
pub fn printable_path(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// Whether a terminal acts on `c` instead of showing it: control characters, breaks of lines, and embeddings, overrides and isolates of
/// a direction (Unicode Standard Annex #9), which show a text as what it is not.
pub(crate) fn is_acted_on(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text on one line without secrets: what a terminal acts on is escaped as in a Rust string literal.
pub fn printable(text: &str) -> String {
    // Before anything is escaped or cut: afterwards a part of a secret could not be recognised.
    redact(text)
        .chars()
        .flat_map(|c| if is_acted_on(c) { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

/// The same JSON without characters that a terminal acts on. They stand inside of strings only, where an escape means the same; serde
/// escapes those below U+0020 alone.
pub(crate) fn printable_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_acted_on(c) && c != '\n' {
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A value as messages show it: on one line, and not longer than a message can bear.
pub(crate) fn shown(value: &str) -> String {
    const LIMIT: usize = 60;
    let line = printable(value);
    if line.chars().count() <= LIMIT {
        return line;
    }
    line.chars().take(LIMIT).chain("…".chars()).collect()
}

/// The largest unit that leaves no rest, as sizes are given.
pub(crate) fn size_text(bytes: u64) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1 << 30) => format!("{} GiB", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

/// An error with its causes on one line.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The known word that `word` most likely stands for: at most two edits away, and fewer than half of its letters.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    if word.len() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 2 && distance * 2 < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// An error that a user can act on.
///
/// `Display` gives the message: lower case, no final period, literals in backticks, naming the file, host or flag.
pub trait Diagnostic: std::error::Error + Send + Sync {
    /// Stable identifier, `stage/what` (`project/no-lockfile`).
    fn code(&self) -> &'static str;

    /// Concrete actions, most useful first.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }

    fn exit_code(&self) -> ExitCode;

    /// The place in the user's files that is meant.
    fn location(&self) -> Option<Location> {
        None
    }
}

/// An error enum whose variants hold their message, code, hints and exit code at one place. Derives `Debug`, [`thiserror::Error`] and
/// [`Diagnostic`].
///
/// ```text
/// diagnostics! {
///     #[exit(Project)]                                  // of all variants without their own
///     pub enum PlanError {
///         #[error("no owner of the image in `{registry}`")]       // as in thiserror
///         #[code("plan/no-owner")]
///         #[hint("give `--image {registry}/OWNER/NAME`")]         // as in format!, zero or more; fields by their name
///         #[hints(expression)]                                    // further ones, `Vec<String>`
///         #[exit(Usage)]                                          // a variant of ExitCode, or an expression
///         #[location(expression)]                                 // `Option<Location>`
///         NoOwner { registry: String },
///
///         #[transparent]                                          // message, code, hints, exit code and place of the payload
///         Tag(#[from] error: TagError),
///     }
/// }
/// ```
macro_rules! diagnostics {
    (
        $(#[doc = $about:literal])*
        #[exit($default:ident)]
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $(#[error($($message:tt)+)])?
                $(#[transparent$(@$never:tt)?])?
                $(#[code($code:expr)])?
                $(#[hint($($hint:tt)+)])*
                $(#[hints($hints:expr)])?
                $(#[exit($($exit:tt)+)])?
                $(#[location($location:expr)])?
                $variant:ident
                $(( $(#[$payload_meta:meta])* $payload:ident: $payload_type:ty ))?
                $({ $( $(#[$field_meta:meta])* $field:ident: $field_type:ty ),* $(,)? })?
            ),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        $(#[$meta])*
        #[derive(Debug, ::thiserror::Error)]
        $visibility enum $name {
            $(
                $(#[doc = $doc])*
                $(#[error($($message)+)])?
                // Written here: thiserror pairs this word with one of its own, which has the hygiene of this macro.
                $(#[error(transparent)] $($never)?)?
                $variant
                $(( $(#[$payload_meta])* $payload_type ))?
                $({ $( $(#[$field_meta])* $field: $field_type ),* })?
            ),*
        }

        impl $crate::diagnostic::Diagnostic for $name {
            fn code(&self) -> &'static str {
                match self {
                    $( Self::$variant $(($payload))? $({ $($field),* })? => {
                        $( let _ = $payload; )? $($( let _ = $field; )*)?
                        $crate::diagnostic::diagnostics!(@code [$($code)?] $($payload)?)
                    } )*
                }
            }

            fn hints(&self) -> Vec<String> {
                match self {
                    $( Self::$variant $(($payload))? $({ $($field),* })? => {
                        $( let _ = $payload; )? $($( let _ = $field; )*)?
                        $crate::diagnostic::diagnostics!(
                            @hints [$($code)?] [$(::std::fmt::format(format_args!($($hint)+))),*] [$($hints)?] $($payload)?
                        )
                    } )*
                }
            }

            fn exit_code(&self) -> $crate::diagnostic::ExitCode {
                match self {
                    $( Self::$variant $(($payload))? $({ $($field),* })? => {
                        $( let _ = $payload; )? $($( let _ = $field; )*)?
                        $crate::diagnostic::diagnostics!(@exit [$($code)?] [$($($exit)+)?] $default $($payload)?)
                    } )*
                }
            }

            fn location(&self) -> Option<$crate::diagnostic::Location> {
                match self {
                    $( Self::$variant $(($payload))? $({ $($field),* })? => {
                        $( let _ = $payload; )? $($( let _ = $field; )*)?
                        $crate::diagnostic::diagnostics!(@location [$($code)?] [$($location)?] $($payload)?)
                    } )*
                }
            }
        }
    };
    (@code [$code:expr] $($payload:ident)?) => { $code };
    (@code [] $payload:ident) => { $payload.code() };
    (@hints [] [] [] $payload:ident) => { $payload.hints() };
    (@hints [$($code:expr)?] [$($hint:expr),*] [] $($payload:ident)?) => { vec![$($hint),*] };
    (@hints [$($code:expr)?] [$($hint:expr),*] [$hints:expr] $($payload:ident)?) => {
        [vec![$($hint),*], $hints].concat()
    };
    (@exit [] [] $default:ident $payload:ident) => { $payload.exit_code() };
    (@exit [$code:expr] [] $default:ident $($payload:ident)?) => { $crate::diagnostic::ExitCode::$default };
    (@exit [$($code:expr)?] [$exit:ident] $default:ident $($payload:ident)?) => { $crate::diagnostic::ExitCode::$exit };
    (@exit [$($code:expr)?] [$exit:expr] $default:ident $($payload:ident)?) => { $exit };
    (@location [] [] $payload:ident) => { $payload.location() };
    (@location [$code:expr] [] $($payload:ident)?) => { None };
    (@location [$($code:expr)?] [$location:expr] $($payload:ident)?) => { $location };
}
pub(crate) use diagnostics;

/// Something worth knowing that does not stop the run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Warning {
    /// Stable identifier, `stage/what`.
    pub code: &'static str,
    pub message: String,
    /// One concrete action.
    pub hint: Option<String>,
    pub location: Option<Location>,
}

impl Warning {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, location: None }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    diagnostics! {
        #[exit(Project)]
        #[derive(Clone)]
        enum Inner {
            #[error("file `{path}` is missing")]
            #[code("inner/missing")]
            #[hint("create `{path}`")]
            #[hints(if path.is_empty() { vec!["give a name".to_owned()] } else { Vec::new() })]
            #[location(Some(Location::file(path)))]
            Missing { path: String },
            #[error("denied")]
            #[code("inner/denied")]
            #[exit(Authentication)]
            Denied,
        }
    }

    diagnostics! {
        #[exit(Bug)]
        enum Outer {
            #[transparent]
            Inner(#[from] error: Inner),
            #[error("port {0}")]
            #[code(if *port == 0 { "outer/zero" } else { "outer/port" })]
            #[hint("use {}", port + 1)]
            #[exit(if *port == 0 { ExitCode::Usage } else { ExitCode::Build })]
            Port(port: u16),
        }
    }

    #[test]
    fn a_variant_holds_its_code_hints_exit_code_and_place() {
        let missing = Inner::Missing { path: String::new() };
        assert_eq!((missing.code(), missing.exit_code()), ("inner/missing", ExitCode::Project));
        assert_eq!(missing.hints(), ["create ``", "give a name"]);
        assert_eq!((Inner::Denied.exit_code(), Inner::Denied.hints().len()), (ExitCode::Authentication, 0));
        let outer = Outer::from(Inner::Missing { path: "a".to_owned() });
        assert_eq!((outer.code(), outer.exit_code()), ("inner/missing", ExitCode::Project));
        assert_eq!((outer.hints(), outer.location()), (vec!["create `a`".to_owned()], Some(Location::file("a"))));
        assert_eq!((Outer::Port(0).code(), Outer::Port(0).exit_code()), ("outer/zero", ExitCode::Usage));
        assert_eq!(
            (Outer::Port(1).to_string(), Outer::Port(1).hints()),
            ("port 1".to_owned(), vec!["use 2".to_owned()])
        );
    }

    #[test]
    fn location_of_an_offset_counts_lines_and_columns_from_one() {
        assert_eq!(Location::at_offset("a.json", "{\n  \"é\": x", 9).to_string(), "a.json:2:7");
        assert_eq!(Location::at_offset("a.json", "", 10).to_string(), "a.json:1:1");
    }

    #[test]
    fn json_has_nothing_that_a_terminal_acts_on() {
        let value = serde_json::json!({ "a": "\u{1b}[2J \u{9b}2J \u{7f} \u{202e} \u{2028} \n ä" });
        let text = printable_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| is_acted_on(c) && c != '\n'), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn file_names_cannot_forge_lines() {
        assert_eq!(Location::line("a\n::error::b", 3).to_string(), "a\\n::error::b:3");
    }
}
