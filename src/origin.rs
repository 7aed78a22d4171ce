//! Where a fact or a setting came from, so that every message can say it: "Node.js 22 (from `.nvmrc`)".

use std::fmt;

use serde::Serialize;

/// The source of one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "source")]
pub enum Origin {
    /// A command-line flag, with its dashes: `--node-version`.
    Flag(String),
    /// An environment variable: `NEXTDEPLOY_NODE_VERSION`.
    Variable(String),
    /// A file of the repository, with the field where there is one: `package.json#engines.node`.
    File(String),
    /// Derived from other facts; the text says from which.
    Derived(String),
    /// What the program does when nothing says otherwise; the text says why.
    Default(String),
}

impl Origin {
    /// A field of a file of the repository.
    pub fn field(file: &str, field: &str) -> Self {
        Self::File(format!("{file}#{field}"))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) | Self::File(name) => write!(f, "from `{name}`"),
            Self::Derived(reason) => write!(f, "from {reason}"),
            Self::Default(reason) => write!(f, "default: {reason}"),
        }
    }
}

/// A value together with the place that it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sourced<T> {
    pub value: T,
    pub origin: Origin,
}

impl<T> Sourced<T> {
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced { value: f(self.value), origin: self.origin }
    }
}

impl<T: fmt::Display> fmt::Display for Sourced<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.value, self.origin)
    }
}
