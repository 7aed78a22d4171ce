//! `nextdeploy pull`.

use clap::Args;

use super::groups::{ConnectionArgs, RegistryArgs};
use super::setting::Setting;

/// Pull an image into the daemon.
///
/// Credentials are found as docs/registries.md tells and live in memory only. Standard output carries the reference with its
/// digest, or with --json the whole result.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registry")]
pub struct Pull {
    /// Reference of the image, by tag or digest.
    #[arg(value_name = "IMAGE", help_heading = "Arguments")]
    pub image: String,
    /// Platform to pull, such as `linux/arm64` [default: the daemon's own].
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

impl Pull {
    pub(super) fn collect(&self, words: &mut super::CliSettings) {
        words.one(Setting::Platform, self.platform.as_ref());
        self.registry.collect(words);
        self.connection.collect(words);
    }
}
