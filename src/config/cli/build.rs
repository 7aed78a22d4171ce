//! `nextdeploy build`.

use clap::Args;

use super::ecr::EcrRepositoryArgs;
use super::groups::{ConnectionArgs, ForgeArgs, ImageArgs, ProjectArgs, RegistryArgs};
use super::setting::Setting;
use super::words::CliSettings;

/// Build the image.
///
/// The repository is read, never changed. Standard output carries the image reference, or with --json the whole result.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Build")]
pub struct Build {
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub image: ImageArgs,
    #[command(flatten)]
    pub run: BuildRunArgs,
    #[command(flatten)]
    pub push: PushArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub ecr: EcrRepositoryArgs,
    #[command(flatten)]
    pub forge: ForgeArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Whether and where the image goes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Registry")]
pub struct PushArgs {
    /// Push the image: true, false, or auto [default: false].
    ///
    /// `auto` pushes unless a pull request from a fork has no right to; `--push` alone means `true`.
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub push: Option<String>,
    /// Create the repository in ECR when it is missing.
    #[arg(long)]
    pub create_repository: bool,
}

impl PushArgs {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        words.one(Setting::Push, self.push.as_ref());
        words.switch(Setting::CreateRepository, self.create_repository);
    }
}

/// How the build runs.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Build")]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag without a value")]
pub struct BuildRunArgs {
    /// Build every step again.
    #[arg(long)]
    pub no_cache: bool,
    /// Ask the registry for a newer base image.
    #[arg(long)]
    pub pull: bool,
    /// Network of the build steps: default, host, none, or a name that the daemon knows.
    #[arg(long, value_name = "MODE")]
    pub network: Option<String>,
    /// Image whose layers may be reused; repeatable.
    #[arg(long, value_name = "REFERENCE")]
    pub cache_from: Vec<String>,
    /// Folder in which package store and `.next/cache` survive, for machines that live for one run.
    ///
    /// Read before the build, written after it; docs/caches.md. Only with BuildKit.
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<String>,
    /// Memory limit of the build steps, such as `2g`; only builders without BuildKit have one.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Stop the build after this time, such as `90s`, `10m` or `1h30m`.
    #[arg(long, value_name = "DURATION")]
    pub build_timeout: Option<String>,
    /// Builder to use: docker [default: docker].
    #[arg(long, value_name = "NAME")]
    pub builder: Option<String>,
    /// Do everything short of talking to the daemon, and print it.
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Write the result as JSON to a file, with the names that docker uses.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub metadata_file: Option<String>,
    /// Write the image id to a file.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub iidfile: Option<String>,
    /// Job summary as Markdown: true, false, or a file to write it to [default: where the CI system shows one].
    #[arg(long, value_name = "FILE|WHEN", help_heading = "Output")]
    pub summary: Option<String>,
}

impl Build {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        self.project.collect(words);
        self.image.collect(words);
        let run = &self.run;
        words.switch(Setting::NoCache, run.no_cache);
        words.switch(Setting::Pull, run.pull);
        words.one(Setting::Network, run.network.as_ref());
        words.list(Setting::CacheFrom, &run.cache_from);
        words.one(Setting::CacheDir, run.cache_dir.as_ref());
        words.one(Setting::Memory, run.memory.as_ref());
        words.one(Setting::BuildTimeout, run.build_timeout.as_ref());
        words.one(Setting::Builder, run.builder.as_ref());
        words.switch(Setting::DryRun, run.dry_run);
        words.one(Setting::MetadataFile, run.metadata_file.as_ref());
        words.one(Setting::Iidfile, run.iidfile.as_ref());
        words.one(Setting::Summary, run.summary.as_ref());
        self.push.collect(words);
        self.registry.collect(words);
        self.forge.collect(words);
        self.ecr.collect(words);
        self.connection.collect(words);
    }
}
