//! Errors of the commands themselves: files that are asked for on the command line.

use std::io;
use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, ExitCode, printable_path, shown};
use crate::origin::Origin;

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("cannot write `{}`", printable_path(path))]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot read `{}`, which {wanted_by} names", printable_path(path))]
    Read {
        path: PathBuf,
        wanted_by: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot write to standard output")]
    Stdout(#[source] io::Error),
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    #[error("there is no schema named `{name}`")]
    UnknownSchema { name: String, known: Vec<String> },
    #[error("`{}` is there already", printable_path(path))]
    Exists { path: PathBuf },
    #[error("`{}` is no time, which {flag} wants", shown(text))]
    InvalidTime { flag: &'static str, text: String },
    #[error("the environment has no variable `{}`, which --env names", shown(name))]
    NoVariable { name: String },
    #[error("`{}` is no image reference: {reason}", shown(text))]
    InvalidReference { text: String, reason: String, hint: String },
    #[error("a push is wanted ({wanted_by}), and no image names a registry: {}", quoted(tags))]
    NothingToPush { wanted_by: Origin, tags: Vec<String> },
    #[error("no credentials for `{host}` were found, and it takes no anonymous push; {}", tried.join(", "))]
    NoCredentials { host: String, tried: Vec<String> },
    #[error("the image is there, but not everything was told that `announce-required` asks for")]
    NotAnnounced,
}

fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
}

impl Diagnostic for CommandError {
    fn code(&self) -> &'static str {
        match self {
            Self::Write { .. } => "command/unwritable",
            Self::Read { .. } => "command/unreadable",
            Self::Stdout(_) => "command/stdout",
            Self::Runtime(_) => "command/runtime",
            Self::UnknownSchema { .. } => "command/unknown-schema",
            Self::Exists { .. } => "command/exists",
            Self::InvalidTime { .. } => "command/invalid-time",
            Self::NoVariable { .. } => "command/no-variable",
            Self::InvalidReference { .. } => "command/invalid-reference",
            Self::NothingToPush { .. } => "command/nothing-to-push",
            Self::NoCredentials { .. } => "auth/no-credentials",
            Self::NotAnnounced => "command/not-announced",
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::Write { .. } => "choose a path that can be written".to_owned(),
            Self::Read { wanted_by, .. } => format!("correct {wanted_by}, or make the file readable"),
            Self::Stdout(_) => "check the disk or the program that reads the output".to_owned(),
            Self::Runtime(_) => "check the limits on threads and open files (`ulimit -a`)".to_owned(),
            Self::UnknownSchema { known, .. } => format!("known are: {}", known.join(", ")),
            Self::Exists { .. } => "remove it first, or choose another folder with `--output`".to_owned(),
            Self::InvalidTime { .. } => {
                "give a time such as `2026-11-22T08:00:00Z`, or how long ago, such as `10m` or `1h30m`".to_owned()
            }
            Self::NoVariable { name } => format!("set it, or give a value: `--env {}=VALUE`", shown(name)),
            Self::InvalidReference { hint, .. } => hint.clone(),
            Self::NothingToPush { .. } => {
                "name the repository with `--image ghcr.io/OWNER/NAME`, or the registry with `--registry`".to_owned()
            }
            Self::NoCredentials { host, .. } => format!(
                "give `--registry {host} --username NAME --password env:VARIABLE`, or one of the other ways in docs/registries.md"
            ),
            Self::NotAnnounced => {
                "do what the warnings about the comment, the commit status or the deployment say".to_owned()
            }
        }]
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Write { .. }
            | Self::Read { .. }
            | Self::UnknownSchema { .. }
            | Self::Exists { .. }
            | Self::InvalidTime { .. }
            | Self::NoVariable { .. }
            | Self::InvalidReference { .. }
            | Self::NothingToPush { .. } => ExitCode::Usage,
            Self::NoCredentials { .. } => ExitCode::Authentication,
            Self::NotAnnounced => ExitCode::Unannounced,
            Self::Stdout(_) | Self::Runtime(_) => ExitCode::Bug,
        }
    }
}
