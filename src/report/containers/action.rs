//! What became of a container that something was done to.

use serde::Serialize;

use crate::diagnostic::Diagnostic;

/// `stop`, `restart` and `rm` with `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionResult {
    /// Its own name; when it was not done, what was asked for.
    pub name: String,
    pub done: bool,
    pub error: Option<ActionError>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionError {
    /// `container/not-found`, …
    pub code: &'static str,
    pub message: String,
}

impl ActionResult {
    pub fn done(name: String) -> Self {
        Self { name, done: true, error: None }
    }

    pub fn failed(name: &str, error: &impl Diagnostic) -> Self {
        let error = ActionError { code: error.code(), message: error.to_string() };
        Self { name: name.to_owned(), done: false, error: Some(error) }
    }
}
