//! Why an engine cannot run the container as it is planned.

use crate::diagnostic::{Diagnostic, ExitCode, shown};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("nothing says which port the app in `{image}` listens on")]
    NoPort { image: String },
    /// `what` is the thing in words, `reason` its grammar.
    #[error("`{}` is no {what}: {reason}", shown(text))]
    Value { what: &'static str, text: String, reason: &'static str },
    #[error("nothing says where Amazon ECS finds the secret `{id}`")]
    NoSecretSource { id: String },
    #[error("Fargate has no task with {wanted}: it ends at 16 processors and 120 GB")]
    TooLarge { wanted: String },
}

impl Diagnostic for ManifestError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoPort { .. } => "manifest/no-port",
            Self::Value { .. } => "manifest/invalid-value",
            Self::NoSecretSource { .. } => "manifest/no-secret-source",
            Self::TooLarge { .. } => "manifest/too-large",
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::NoPort { .. } => "say it with `--env PORT=3000`".to_owned(),
            Self::Value { .. } => "correct the value".to_owned(),
            Self::NoSecretSource { id } => {
                format!(
                    "name it with `--secret-arn {id}=ARN` (of Secrets Manager or of a parameter of Systems Manager)"
                )
            }
            Self::TooLarge { .. } => "lower `--memory` or `--cpus`".to_owned(),
        }]
    }

    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }
}
