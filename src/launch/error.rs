//! Why a container was not launched.

use crate::diagnostic::{Diagnostic, ExitCode, Location, shown};
use crate::metadata::MetadataError;
use crate::settings::{Fault, Giver};

/// What is wrong with one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: &'static str,
    pub message: String,
    /// One action.
    pub hint: String,
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self { code: fault.code(), message: fault.to_string(), hint: fault.hint() }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The container document is no JSON or YAML.
    #[error(transparent)]
    Document(Box<MetadataError>),
    #[error("`{}` is no field that is known here", shown(field))]
    UnknownField { location: Box<Location>, field: String, near: Option<String>, known: Vec<&'static str> },
    #[error("`{}` is {found}, not {wanted}", shown(field))]
    WrongType { location: Box<Location>, field: String, wanted: &'static str, found: &'static str },
    #[error("{giver}: {}", problem.message)]
    Value { giver: Box<Giver>, problem: Box<Problem> },
    #[error("no image is named")]
    NoImage,
    #[error("the image `{}` does not say which port the app listens on", shown(image))]
    NoPort { image: String },
}

impl LaunchError {
    /// A value that does not fit, and who gave it.
    pub(super) fn value(giver: Giver, problem: impl Into<Problem>) -> Self {
        Self::Value { giver: Box::new(giver), problem: Box::new(problem.into()) }
    }
}

impl Diagnostic for LaunchError {
    fn code(&self) -> &'static str {
        match self {
            Self::Document(error) => error.code(),
            Self::UnknownField { .. } => "launch/unknown-field",
            Self::WrongType { .. } => "launch/wrong-type",
            Self::Value { problem, .. } => problem.code,
            Self::NoImage => "launch/no-image",
            Self::NoPort { .. } => "launch/no-port",
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::Document(error) => return error.hints(),
            Self::UnknownField { near: Some(near), .. } => format!("did you mean `{near}`?"),
            Self::UnknownField { known, .. } => format!("known here are {}", known.join(", ")),
            Self::WrongType { wanted, .. } => format!("write {wanted}"),
            Self::Value { problem, .. } => problem.hint.clone(),
            Self::NoImage => "name it as an argument, or as `image` in the document".to_owned(),
            Self::NoPort { .. } => "give both ports, such as `--publish 8080:80`, or `--publish none`".to_owned(),
        }]
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Document(_)
            | Self::UnknownField { .. }
            | Self::WrongType { .. }
            | Self::Value { .. }
            | Self::NoImage
            | Self::NoPort { .. } => ExitCode::Usage,
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Document(error) => error.location(),
            Self::UnknownField { location, .. } | Self::WrongType { location, .. } => Some((**location).clone()),
            Self::Value { giver, .. } => giver.location.clone(),
            _ => None,
        }
    }
}
