//! The errors of all stages as one, for the top level.

mod command;

pub use command::CommandError;

use crate::builder::BuildError;
use crate::config::metadata::{CheckError, MetadataError};
use crate::config::settings::SettingsError;
use crate::deploy::LaunchError;
use crate::deploy::manifest::ManifestError;
use crate::deploy::proxy::ProxyError;
use crate::diagnostic::{Diagnostic, ExitCode, Location};
use crate::docker::ContainerError;
use crate::docker::connection::DaemonError;
use crate::image::dockerfile::{ContextError, RenderError};
use crate::image::plan::PlanError;
use crate::project::ProjectError;
use crate::registry::AuthError;
use crate::registry::ecr::EcrError;
use crate::registry::transfer::TransferError;
use crate::repo::SourceError;
use crate::repo::ignore::IgnoreError;
use crate::supervise::SuperviseError;
use crate::workflow::WorkflowError;

/// Whatever ended the run. Each stage documents its own errors.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Ecr(#[from] EcrError),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Ignore(#[from] IgnoreError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    Supervise(#[from] SuperviseError),
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl Error {
    /// The stage's own error.
    pub fn diagnostic(&self) -> &dyn Diagnostic {
        match self {
            Self::Source(error) => error,
            Self::Project(error) => error,
            Self::Metadata(error) => error,
            Self::Settings(error) => error,
            Self::Plan(error) => error,
            Self::Context(error) => error,
            Self::Daemon(error) => error,
            Self::Build(error) => error,
            Self::Ecr(error) => error,
            Self::Auth(error) => error,
            Self::Transfer(error) => error,
            Self::Ignore(error) => error,
            Self::Check(error) => error,
            Self::Render(error) => error,
            Self::Container(error) => error,
            Self::Manifest(error) => error,
            Self::Proxy(error) => error,
            Self::Workflow(error) => error,
            Self::Launch(error) => error,
            Self::Supervise(error) => error,
            Self::Command(error) => error,
        }
    }
}

impl Diagnostic for Error {
    fn code(&self) -> &'static str {
        self.diagnostic().code()
    }

    fn hints(&self) -> Vec<String> {
        self.diagnostic().hints()
    }

    fn exit_code(&self) -> ExitCode {
        self.diagnostic().exit_code()
    }

    fn location(&self) -> Option<Location> {
        self.diagnostic().location()
    }
}
