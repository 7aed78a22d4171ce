//! `nextdeploy metadata`.

use clap::Args;

use super::groups::ProjectArgs;

/// Write `.nextdeploy/metadata.json` and `.nextdeploy/build.lock`.
///
/// They record what the program knows about the project, without absolute paths or secrets.
#[derive(Debug, Clone, Args)]
pub struct Metadata {
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Write nothing; fail with exit code 3 when the two files do not match the repository.
    #[arg(long, help_heading = "Output")]
    pub check: bool,
}
