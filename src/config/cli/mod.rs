//! The command line as types: what was typed, not yet what it means.
//!
//! In: an argument vector. Out: [`Cli`] with the verb's own flags and the [`CliSettings`]. Settings stay text here, because flags,
//! variables and files share one grammar, which is in `settings/`. Nothing here reads the environment or the disk.

mod containers;
mod deploy;
mod ecr;
mod flags;
mod project;
mod supervise;

use std::ffi::OsString;
use std::path::Path;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use containers::{ExecArgs, HealthArgs, LogsArgs, PsArgs, RestartArgs, RmArgs, StatsArgs, StopArgs};
pub use deploy::{
    Caddy, CaddyFormat, Compose, ContainerArgs, Ecs, Kubernetes, ManifestArgs, ManifestCommand, ProxyArgs,
    ProxyCommand, ReplaceArgs, RollbackArgs, RunArgs, SecretsAsArg, SharedManifestArgs, SwarmArgs,
};
pub use ecr::{EcrArgs, EcrCommand, EcrTarget, EnsureRepository, PolicyArgs, PolicyDocument, ProvisionUser};
pub use flags::SettingFlags;
pub use project::{
    BuildArgs, DetectArgs, DockerfileArgs, DoctorArgs, InitArgs, MetadataArgs, PlanArgs, PullArgs, PushArgs, SchemaArgs,
};
pub use supervise::{Listen, LogOutput, SuperviseArgs};

pub use super::setting::CliSettings;
use super::setting::Setting;

/// Turns a Next.js repository into a small production container image, with no Dockerfile.
///
/// Data (an image reference, a JSON document, a Dockerfile) goes to standard output, everything else to standard error. It
/// never prompts. A setting comes from the first source that has it: the flag, the `NEXTDEPLOY_*` variable, the `INPUT_*`
/// variable of a GitHub Action, `nextdeploy.yml`, `metadata.json`, detection in the repository.
#[derive(Debug, Parser)]
#[command(
    name = "nextdeploy",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 ok, 1 defect, 2 usage, 3 project, 4 build failed, 5 authentication, 6 push failed, \
                  7 not healthy, 8 not announced, 130/143 interrupted."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
    /// The settings that were typed, of whatever verb.
    #[arg(skip)]
    pub settings: CliSettings,
}

/// Flags of every verb.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Messages")]
pub struct GlobalArgs {
    /// Show more: where each value comes from, and every build step with its log.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Show only warnings and errors.
    #[arg(long, global = true)]
    pub quiet: bool,
    /// Colour messages.
    ///
    /// `auto` colours when standard error is a terminal and `NO_COLOR` is not set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    #[command(flatten)]
    pub settings: SettingFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    Detect(Box<DetectArgs>),
    Metadata(Box<MetadataArgs>),
    Plan(Box<PlanArgs>),
    Dockerfile(Box<DockerfileArgs>),
    Build(Box<BuildArgs>),
    Ecr(Box<EcrArgs>),
    Doctor(Box<DoctorArgs>),
    Push(Box<PushArgs>),
    Pull(Box<PullArgs>),
    Run(Box<RunArgs>),
    Rollback(RollbackArgs),
    Proxy(ProxyArgs),
    Manifest(ManifestArgs),
    Ps(PsArgs),
    Logs(Box<LogsArgs>),
    Exec(Box<ExecArgs>),
    Stats(StatsArgs),
    Health(HealthArgs),
    Stop(StopArgs),
    Restart(RestartArgs),
    Rm(RmArgs),
    Init(InitArgs),
    Schema(SchemaArgs),
    Supervise(Box<SuperviseArgs>),
}

/// Reads an argument vector, program name first. As `cargo nextdeploy …`, cargo repeats the word `nextdeploy`, which is dropped.
///
/// # Errors
/// clap's own error, which also carries `--help` and `--version`; its exit code is 2 for wrong usage and 0 for those two.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let program = arguments.first().and_then(|word| Path::new(word).file_stem()).and_then(|stem| stem.to_str());
    if program == Some("cargo-nextdeploy") && arguments.get(1).is_some_and(|word| word == "nextdeploy") {
        // The usage line shows what was typed.
        arguments.splice(..2, [OsString::from("cargo nextdeploy")]);
    }
    let mut definition = Cli::command();
    let mut matches = definition.try_get_matches_from_mut(arguments)?;
    let settings = flags::typed_settings(&matches);
    let mut cli = Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut definition))?;
    cli.settings = settings;
    if let Command::Init(init) = &mut cli.command {
        init.ci = cli.settings.take(Setting::Ci);
    }
    Ok(cli)
}

#[cfg(test)]
mod tests;
