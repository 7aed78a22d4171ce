//! `nextdeploy init`.

use std::path::PathBuf;

use clap::Args;

use super::setting::Setting;
use super::words::CliSettings;

/// Write what a repository needs to build its image in CI: a workflow or job, and lines in ignore files.
///
/// It is for the CI system that --ci names, github or gitlab, else for the one that hosts the remote `origin`. A definition that is
/// there is never changed; --dry-run prints what would be written.
#[derive(Debug, Clone, Args)]
pub struct Init {
    /// Repository, or the folder of the app in it [default: the current folder].
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// The app in a workspace that has several, by package name or by folder.
    #[arg(long, value_name = "NAME|PATH")]
    pub app: Option<String>,
    /// Registry to push to: ghcr, gitlab, ecr, or a host [default: the CI system's own].
    #[arg(long, value_name = "REGISTRY")]
    pub registry: Option<String>,
    /// Where CI finds this program: `OWNER/nextdeploy@COMMIT` or an image [default: the release that this program is].
    #[arg(long, value_name = "LOCATION")]
    pub uses: Option<String>,
    /// Print the files instead of writing them.
    #[arg(long)]
    pub dry_run: bool,
}

impl Init {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        words.directory.clone_from(&self.directory);
        words.one(Setting::App, self.app.as_ref());
    }
}
