//! `nextdeploy push`.

use clap::Args;

use super::ecr::EcrRepositoryArgs;
use super::groups::{ConnectionArgs, RegistryArgs};
use super::setting::Setting;

/// Push images that are built already.
///
/// Credentials are found as docs/registries.md tells and live in memory only; no `docker login` is needed. Standard output carries
/// one line per pushed reference, with its digest, or with --json the whole result.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registry")]
pub struct Push {
    /// Reference as the daemon knows the image, with the registry that it goes to.
    #[arg(value_name = "IMAGE", required = true, help_heading = "Arguments")]
    pub images: Vec<String>,
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Create the repository in ECR when it is missing.
    #[arg(long)]
    pub create_repository: bool,
    #[command(flatten)]
    pub ecr: EcrRepositoryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

impl Push {
    pub(super) fn collect(&self, words: &mut super::CliSettings) {
        self.registry.collect(words);
        words.switch(Setting::CreateRepository, self.create_repository);
        self.ecr.collect(words);
        self.connection.collect(words);
    }
}
