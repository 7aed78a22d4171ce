//! `nextdeploy detect`.

use clap::Args;

use super::groups::ProjectArgs;

/// Print what is known about the project, and from where.
///
/// Nothing is run and nothing is written. The exit code is 3 when the folder is no Next.js project that can be built.
#[derive(Debug, Clone, Args)]
pub struct Detect {
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}
