//! `nextdeploy dockerfile`.

use std::path::PathBuf;

use clap::Args;

use super::groups::{ImageArgs, ProjectArgs};

/// Print the Dockerfile that would be built.
///
/// `--eject` writes everything that a plain `docker build` needs, for those who want to go on without this program.
#[derive(Debug, Clone, Args)]
pub struct Dockerfile {
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub image: ImageArgs,
    /// Write a `Dockerfile`, a `.dockerignore` and the files that they need; existing files are never overwritten.
    #[arg(long, help_heading = "Output")]
    pub eject: bool,
    /// Folder to write to [default: the repository's root].
    #[arg(short, long, value_name = "DIR", requires = "eject", help_heading = "Output")]
    pub output: Option<PathBuf>,
}
