//! Environment files as `@next/env` reads them: text and the variables that exist already in, expanded variables out.
//!
//! Next.js 12 to 13 and 14 onwards carry different versions of `dotenv` and `dotenv-expand`, whose results differ in quotes, comments,
//! defaults and nested references. Each is followed to the letter, accidents included (`tests.rs` holds the package's own results):
//! the build reads the same files, and the image must not have other values. Looks nothing up in the environment.

mod current;
mod legacy;
mod scope;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use super::facts::NextVersion;
pub use scope::DotenvError;
use scope::{Assignment, Scope};

/// One variable of an environment file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DotenvVariable {
    pub name: String,
    pub value: String,
    /// Names that the value refers to and that have no value: only the container may know them.
    pub unknown: Vec<String>,
}

/// The grammar of a version of Next.js.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grammar {
    /// Up to 12.1.0: references without defaults.
    Next12,
    /// 12.1.1 to 13.
    Next13,
    Next14,
}

impl Grammar {
    pub fn of(next: &NextVersion) -> Self {
        match (next.major, next.minor, next.patch) {
            (..=11, ..) | (12, 0, _) | (12, 1, 0) => Self::Next12,
            (12 | 13, ..) => Self::Next13,
            _ => Self::Next14,
        }
    }

    fn parse(self, text: &str) -> Vec<Assignment> {
        if self == Self::Next14 { current::parse(text) } else { legacy::parse(text) }
    }

    fn expand(self, value: String, scope: &mut Scope) -> Result<String, DotenvError> {
        match self {
            Self::Next12 => legacy::expand(&value, scope, legacy::Defaults::Literal, 0),
            Self::Next13 => legacy::expand(&value, scope, legacy::Defaults::Known, 0),
            Self::Next14 => current::expand(value, scope),
        }
    }
}

/// Names that every process has, or that decide how it starts. Files do not change them.
pub const PROCESS_VARIABLES: [&str; 17] = [
    "PATH",
    "HOME",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "BASH_ENV",
    "IFS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_EXTRA_CA_CERTS",
    "NODE_REPL_EXTERNAL_MODULE",
    "NODE_V8_COVERAGE",
    "NODE_COMPILE_CACHE",
    "OPENSSL_CONF",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GLIBC_TUNABLES",
];

/// More than a process can be started with (`ARG_MAX` of Linux).
const MOST_VARIABLES: usize = 5_000;

/// Reads files one after the other, the one of highest precedence first.
#[derive(Debug)]
pub(super) struct DotenvReader {
    grammar: Grammar,
    scope: Scope,
}

impl DotenvReader {
    /// `given` are variables that the process has before any file is read, `process` the names of those whose value only the container
    /// knows; files change neither.
    pub fn new(grammar: Grammar, given: &BTreeMap<String, String>, process: &[&str]) -> Self {
        Self { grammar, scope: Scope::new(given, process) }
    }

    /// The variables of one file. A name that is set already keeps its value.
    pub fn read(&mut self, text: &str) -> Result<Vec<DotenvVariable>, DotenvError> {
        let assignments = self.grammar.parse(text);
        self.scope.open(assignments, text.len());
        if self.scope.len() > MOST_VARIABLES {
            return Err(DotenvError::Variables);
        }
        for at in 0..self.scope.len() {
            let value = self.scope.begin(at);
            let value = self.grammar.expand(value, &mut self.scope)?;
            self.scope.end(at, value)?;
        }
        Ok(self.scope.close())
    }
}

/// The variables of a file that no app reads by itself, in the newest grammar.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, DotenvError> {
    let variables = DotenvReader::new(Grammar::Next14, &BTreeMap::new(), &[]).read(text)?;
    Ok(variables.into_iter().map(|variable| (variable.name, variable.value)).collect())
}

/// Names that a file sets, without their values.
pub(super) fn names(text: &str) -> Vec<String> {
    current::parse(text).into_iter().take(MOST_VARIABLES).map(|assignment| assignment.name).collect()
}
