//! What makes a plan impossible.

use crate::diagnostic::{Diagnostic, ExitCode, printable, shown};
use crate::tags::TagError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("`{}` (app name, {origin}) has no letter or digit that an image name could be made of", printable(name))]
    NoImageName { name: String, origin: String },
    #[error("tag rule ({origin}): {error}")]
    Tag { origin: String, error: TagError },
    #[error("no tag rule gives a tag for this run ({run}), so there is nothing that could be pushed")]
    NoTags { run: String, rules: Vec<String> },
    #[error("`{}` names no registry to push to", shown(tag))]
    NoRegistry { tag: String },
    #[error("the owner of the image in `{registry}` is not known")]
    NoOwner { registry: String },
    #[error("`{}` ({origin}) is no name of a repository: {reason}", shown(repository))]
    InvalidRepository { repository: String, origin: String, reason: String },
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
            Self::Tag { error, .. } => error.code(),
            Self::NoTags { .. } => "plan/no-tags",
            Self::NoRegistry { .. } => "plan/no-registry",
            Self::NoOwner { .. } => "plan/no-owner",
            Self::InvalidRepository { .. } => "plan/invalid-repository",
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
            Self::Tag { error, .. } => error.hint(),
            Self::NoTags { rules, .. } if rules.is_empty() => "give a tag by `--tag`".to_owned(),
            Self::NoTags { rules, .. } => {
                let rules: Vec<String> = rules.iter().map(|rule| format!("`{}`", printable(rule))).collect();
                format!(
                    "beside {} give a rule that always applies, such as `type=sha`, or do not push here",
                    rules.join(", ")
                )
            }
            Self::NoRegistry { .. } => {
                "say where the image goes: `--registry ghcr.io`, `--image ghcr.io/owner/shop`, or a complete `--tag`"
                    .to_owned()
            }
            Self::NoOwner { registry } => {
                format!("give `--image {registry}/OWNER/NAME`, or `--username OWNER`")
            }
            Self::InvalidRepository { .. } => "give the repository by `--image`".to_owned(),
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
