//! Errors of `nextdeploy init`.

use std::path::PathBuf;

use super::CiTarget;
use crate::diagnostic::{Diagnostic, ExitCode, printable_path, shown};

#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    #[error("`{}` is there already", printable_path(path))]
    Exists { path: PathBuf },
    #[error("{}", unknown_ci(remote.as_deref()))]
    UnknownCi { remote: Option<String> },
    #[error("`--ci`: no definition can be written for `{}`", shown(ci))]
    NoDefinition { ci: String },
    #[error("this program is no release, so it cannot name the one that CI should use")]
    NoRelease { target: CiTarget },
    #[error("`--uses`: `{}` is no {}", shown(value), what(*target))]
    Location { target: CiTarget, value: String },
    #[error("`--registry`: `{}` is no registry", shown(value))]
    Registry { value: String },
}

fn unknown_ci(remote: Option<&str>) -> String {
    match remote {
        Some(remote) => format!("the remote `{}` does not tell which CI system builds it", shown(remote)),
        None => "there is no remote `origin` that tells which CI system builds this repository".to_owned(),
    }
}

fn what(target: CiTarget) -> &'static str {
    match target {
        CiTarget::GitHub => "action",
        CiTarget::GitLab => "image",
    }
}

impl Diagnostic for WorkflowError {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "init/exists",
            Self::UnknownCi { .. } => "init/unknown-ci",
            Self::NoDefinition { .. } => "init/no-definition",
            Self::NoRelease { .. } => "init/no-release",
            Self::Location { .. } => "init/uses",
            Self::Registry { .. } => "init/registry",
        }
    }

    fn hints(&self) -> Vec<String> {
        let location = |target: &CiTarget| match target {
            CiTarget::GitHub => "give `--uses OWNER/nextdeploy@COMMIT`, with the commit of a release".to_owned(),
            CiTarget::GitLab => "give `--uses IMAGE`, the image of a release that has a shell".to_owned(),
        };
        vec![match self {
            Self::Exists { .. } => "`--dry-run` prints what would be written, to be merged by hand".to_owned(),
            Self::UnknownCi { .. } => "give `--ci github` or `--ci gitlab`".to_owned(),
            Self::NoDefinition { .. } => {
                "give `--ci github` or `--ci gitlab`; docs/ci.md has examples for the others".to_owned()
            }
            Self::NoRelease { target } | Self::Location { target, .. } => location(target),
            Self::Registry { .. } => {
                "give `ghcr`, `gitlab`, `ecr`, or a host such as `registry.example.com`".to_owned()
            }
        }]
    }

    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }
}
