//! The errors of all stages as one, for the top level, and those of the commands themselves.

use std::io;
use std::path::PathBuf;

use crate::builder::BuildError;
use crate::config::metadata::{CheckError, MetadataError};
use crate::config::settings::SettingsError;
use crate::deploy::LaunchError;
use crate::deploy::manifest::ManifestError;
use crate::deploy::proxy::ProxyError;
use crate::diagnostic::{diagnostics, printable_path, shown};
use crate::docker::ContainerError;
use crate::docker::connection::DaemonError;
use crate::image::dockerfile::{ContextError, RenderError};
use crate::image::plan::PlanError;
use crate::origin::Origin;
use crate::project::ProjectError;
use crate::registry::AuthError;
use crate::registry::ecr::EcrError;
use crate::registry::transfer::TransferError;
use crate::repo::SourceError;
use crate::repo::ignore::IgnoreError;
use crate::supervise::SuperviseError;
use crate::workflow::WorkflowError;

diagnostics! {
    /// What ended the run. Each stage documents its own errors.
    #[exit(Bug)]
    pub enum Error {
        #[transparent]
        Source(#[from] error: SourceError),
        #[transparent]
        Project(#[from] error: ProjectError),
        #[transparent]
        Metadata(#[from] error: MetadataError),
        #[transparent]
        Settings(#[from] error: SettingsError),
        #[transparent]
        Plan(#[from] error: PlanError),
        #[transparent]
        Context(#[from] error: ContextError),
        #[transparent]
        Daemon(#[from] error: DaemonError),
        #[transparent]
        Build(#[from] error: BuildError),
        #[transparent]
        Ecr(#[from] error: EcrError),
        #[transparent]
        Auth(#[from] error: AuthError),
        #[transparent]
        Transfer(#[from] error: TransferError),
        #[transparent]
        Ignore(#[from] error: IgnoreError),
        #[transparent]
        Check(#[from] error: CheckError),
        #[transparent]
        Render(#[from] error: RenderError),
        #[transparent]
        Container(#[from] error: ContainerError),
        #[transparent]
        Manifest(#[from] error: ManifestError),
        #[transparent]
        Proxy(#[from] error: ProxyError),
        #[transparent]
        Workflow(#[from] error: WorkflowError),
        #[transparent]
        Launch(#[from] error: LaunchError),
        #[transparent]
        Supervise(#[from] error: SuperviseError),
        #[transparent]
        Command(#[from] error: CommandError),
    }
}

diagnostics! {
    /// Errors of the commands themselves.
    #[exit(Usage)]
    pub enum CommandError {
        #[error("cannot write `{}`", printable_path(path))]
        #[code("command/unwritable")]
        #[hint("choose a writable path")]
        Write {
            path: PathBuf,
            #[source]
            source: io::Error,
        },

        #[error("cannot read `{}` ({wanted_by})", printable_path(path))]
        #[code("command/unreadable")]
        #[hint("correct {wanted_by}, or make the file readable")]
        Read {
            path: PathBuf,
            wanted_by: String,
            #[source]
            source: io::Error,
        },

        #[error("cannot write to standard output")]
        #[code("command/stdout")]
        #[hint("check the disk or the program that reads the output")]
        #[exit(Bug)]
        Stdout(#[source] error: io::Error),

        #[error("cannot start the runtime")]
        #[code("command/runtime")]
        #[hint("check the limits on threads and open files (`ulimit -a`)")]
        #[exit(Bug)]
        Runtime(#[source] error: io::Error),

        #[error("unknown schema `{name}`")]
        #[code("command/unknown-schema")]
        #[hint("available schemas: {}", known.join(", "))]
        UnknownSchema { name: String, known: Vec<String> },

        #[error("`{}` already exists", printable_path(path))]
        #[code("command/exists")]
        #[hint("remove it, or choose another folder with `--output`")]
        Exists { path: PathBuf },

        #[error("invalid time `{}` for {flag}", shown(text))]
        #[code("command/invalid-time")]
        #[hint("use a time such as `2026-11-22T08:00:00Z`, or an age such as `10m` or `1h30m`")]
        InvalidTime { flag: &'static str, text: String },

        #[error("environment variable `{}` (--env) is not set", shown(name))]
        #[code("command/no-variable")]
        #[hint("set it, or pass a value: `--env {}=VALUE`", shown(name))]
        NoVariable { name: String },

        #[error("invalid image reference `{}`: {reason}", shown(text))]
        #[code("command/invalid-reference")]
        #[hint("{hint}")]
        InvalidReference { text: String, reason: String, hint: String },

        #[error("cannot push ({wanted_by}): no image has a registry: {}", quoted(tags))]
        #[code("command/nothing-to-push")]
        #[hint("set the repository with `--image ghcr.io/OWNER/NAME`, or the registry with `--registry`")]
        NothingToPush { wanted_by: Origin, tags: Vec<String> },

        #[error("no credentials found for `{host}`, which does not allow anonymous pushes; {}", tried.join(", "))]
        #[code("auth/no-credentials")]
        #[hint("pass `--registry {host} --username NAME --password env:VARIABLE`, or see docs/registries.md for the other ways")]
        #[exit(Authentication)]
        NoCredentials { host: String, tried: Vec<String> },

        #[error("image published, but a comment, commit status or deployment required by `--announce-required` failed")]
        #[code("command/not-announced")]
        #[hint("see the warnings about the comment, the commit status or the deployment")]
        #[exit(Unannounced)]
        NotAnnounced,
    }
}

fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
}
