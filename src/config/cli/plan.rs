//! `nextdeploy plan`.

use clap::Args;

use super::groups::{ImageArgs, ProjectArgs};

/// Print the plan of the image: base, stages, layers, tags, labels, environment, health check, warnings.
#[derive(Debug, Clone, Args)]
pub struct Plan {
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub image: ImageArgs,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}
