//! What makes a plan impossible.

use crate::diagnostic::{Diagnostic, ExitCode, printable};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("`{}` (app name, {origin}) has no letter or digit that an image name could be made of", printable(name))]
    NoImageName { name: String, origin: String },
    #[error("`{}` ({origin}) is no valid image tag or reference: {reason}", printable(tag))]
    InvalidTag { tag: String, origin: String, reason: String },
    #[error("`{}` ({origin}) is no valid base image: {reason}", printable(image))]
    InvalidBase { image: String, origin: String, reason: String },
    #[error("`{}` ({origin}) is no valid name for an environment variable", printable(name))]
    InvalidVariableName { name: String, origin: String },
    #[error("the value of `{}` ({origin}) contains a NUL byte, which no environment can carry", printable(name))]
    NulInValue { name: String, origin: String },
    #[error("`{}` ({origin}) is a secret, and would be readable by everyone who can pull the image", printable(name))]
    SecretInImage { name: String, origin: String },
    #[error("`{}` ({origin}) is no valid secret id", printable(id))]
    InvalidSecretId { id: String, origin: String },
    #[error("label `{}` ({origin}): {reason}", printable(label))]
    InvalidLabel { label: String, origin: String, reason: String },
    #[error(
        "the start command `{}` ({origin}) cannot run: `output: 'export'` leaves files, and no server",
        printable(command)
    )]
    StartCommandWithExport { command: String, origin: String },
    #[error("the start command `{}` ({origin}) needs a shell, and a distroless image has none", printable(command))]
    ShellInDistroless { command: String, origin: String },
    #[error("the start command ({origin}) is empty")]
    EmptyStartCommand { origin: String },
    #[error("the path `{}` cannot be written in a Dockerfile: it contains a control character", printable(path))]
    UnwritablePath { path: String },
}

impl Diagnostic for PlanError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoImageName { .. } => "plan/no-image-name",
            Self::InvalidTag { .. } => "plan/invalid-tag",
            Self::InvalidBase { .. } => "plan/invalid-base",
            Self::InvalidVariableName { .. } => "plan/invalid-variable-name",
            Self::NulInValue { .. } => "plan/nul-in-value",
            Self::SecretInImage { .. } => "plan/secret-in-image",
            Self::InvalidSecretId { .. } => "plan/invalid-secret-id",
            Self::InvalidLabel { .. } => "plan/invalid-label",
            Self::StartCommandWithExport { .. } => "plan/start-command-with-export",
            Self::ShellInDistroless { .. } => "plan/shell-in-distroless",
            Self::EmptyStartCommand { .. } => "plan/empty-start-command",
            Self::UnwritablePath { .. } => "plan/unwritable-path",
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NoImageName { .. } => "give the image a name with `--name my-app`".to_owned(),
            Self::InvalidTag { .. } => {
                "write `--tag v1.2.0`, or a complete reference like `--tag registry.example.com/team/app:v1.2.0`"
                    .to_owned()
            }
            Self::InvalidBase { .. } => {
                "use `slim`, `alpine`, `distroless`, or a reference like `node:22-slim`".to_owned()
            }
            Self::InvalidVariableName { .. } => {
                "use letters, digits and `_`, and begin with a letter or `_`".to_owned()
            }
            Self::NulInValue { .. } => "encode the value, for example as base64".to_owned(),
            Self::SecretInImage { name, .. } => {
                format!("remove the `image` scope from `{name}`, and pass it to the container when it starts")
            }
            Self::InvalidSecretId { .. } => "use letters, digits, `_`, `-` and `.`".to_owned(),
            Self::InvalidLabel { .. } => "write `--label name=value` on one line".to_owned(),
            Self::StartCommandWithExport { .. } => {
                "remove the start command, or remove `output: 'export'` from next.config".to_owned()
            }
            Self::ShellInDistroless { .. } => "start the server by `node FILE`, or use `--base slim`".to_owned(),
            Self::EmptyStartCommand { .. } => "name a program, like `node server.js`".to_owned(),
            Self::UnwritablePath { .. } => "rename the folder".to_owned(),
        };
        vec![hint]
    }

    fn exit_code(&self) -> ExitCode {
        ExitCode::Project
    }
}
