//! `nextdeploy doctor`.

use clap::Args;

use super::build::PushArgs;
use super::groups::{ForgeArgs, ImageArgs, ProjectArgs, RegistryArgs};
use super::setting::Setting;
use super::words::CliSettings;

/// Say what stands in the way of a build, each with one action.
///
/// Looks at the repository, the daemon, the credentials and the CI job with the settings of a build; builds and pushes nothing. The exit
/// code is the one that a build would end with, 0 when nothing is in its way.
#[derive(Debug, Clone, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub image: ImageArgs,
    #[command(flatten)]
    pub push: PushArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub forge: ForgeArgs,
    /// PEM file with certificate authorities to trust besides the system's.
    #[arg(long, value_name = "FILE", help_heading = "Registry")]
    pub ca_bundle: Option<String>,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

impl Doctor {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        self.project.collect(words);
        self.image.collect(words);
        self.push.collect(words);
        self.registry.collect(words);
        self.forge.collect(words);
        words.one(Setting::CaBundle, self.ca_bundle.as_ref());
    }
}
