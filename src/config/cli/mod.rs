//! The command line as types: what was typed, not yet what is meant.
//!
//! In: an argument vector. Out: [`Cli`], and from it the [`CliSettings`] that `settings/` weighs against variables and files. Values stay
//! text here, because flags, variables and files share one grammar, which lives in `settings/`. Nothing here looks at the
//! environment or at the disk.

mod build;
mod containers;
mod detect;
mod dockerfile;
mod doctor;
mod ecr;
mod groups;
mod init;
mod launch;
mod manifest;
mod metadata;
mod plan;
mod proxy;
mod pull;
mod push;
mod schema;
mod setting;
mod supervise;
mod words;

use std::ffi::OsString;
use std::path::Path;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use build::Build;
pub use containers::{DaemonArgs, Exec, Health, Logs, Ps, Restart, Rm, Stats, Stop};
pub use detect::Detect;
pub use dockerfile::Dockerfile;
pub use doctor::Doctor;
pub use ecr::{
    Ecr, EcrCommand, EcrRepositoryArgs, EcrTarget, EnsureRepository, PolicyArgs, PolicyDocument, ProvisionUser,
};
pub use groups::{ConnectionArgs, ForgeArgs, ImageArgs, ProjectArgs, RegistryArgs};
pub use init::Init;
pub use launch::{ContainerArgs, ReplaceArgs, Rollback, Run, SecretsAsArg, SwarmArgs};
pub use manifest::{Compose, Ecs, Kubernetes, Manifest, ManifestArgs, ManifestCommand};
pub use metadata::Metadata;
pub use plan::Plan;
pub use proxy::{AppArgs, Caddy, CaddyFormat, Proxy, ProxyCommand};
pub use pull::Pull;
pub use push::Push;
pub use schema::Schema;
pub use setting::{Setting, Shape};
pub use supervise::{Listen, LogOutput, Supervise};
pub use words::CliSettings;

/// Turns a Next.js repository into a small production container image, with no Dockerfile.
///
/// Data (an image reference, a JSON document, a Dockerfile) goes to standard output, everything else to standard error. Nothing
/// is ever asked. Each setting is taken from the first place that has it: the flag, the `NEXTDEPLOY_*` variable, the `INPUT_*`
/// variable of a GitHub Action, `nextdeploy.yml`, `metadata.json`, what was detected in the repository.
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
}

/// Flags of every verb.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Messages")]
pub struct GlobalArgs {
    /// Tell more: where each value comes from, and every step of the build with its log.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Tell only warnings and errors.
    #[arg(long, global = true)]
    pub quiet: bool,
    /// Colour messages.
    ///
    /// `auto` colours when standard error is a terminal and `NO_COLOR` is not set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// CI system to write the log for: github, gitlab, azure, circleci, buildkite, bitbucket, jenkins, forgejo, gitea or none
    /// [default: the one that it runs in].
    #[arg(long, global = true, value_name = "NAME")]
    pub ci: Option<String>,
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
    Detect(Box<Detect>),
    Metadata(Box<Metadata>),
    Plan(Box<Plan>),
    Dockerfile(Box<Dockerfile>),
    Build(Box<Build>),
    Ecr(Box<Ecr>),
    Doctor(Box<Doctor>),
    Push(Box<Push>),
    Pull(Box<Pull>),
    Run(Box<Run>),
    Rollback(Rollback),
    Proxy(Proxy),
    Manifest(Manifest),
    Ps(Ps),
    Logs(Box<Logs>),
    Exec(Box<Exec>),
    Stats(Stats),
    Health(Health),
    Stop(Stop),
    Restart(Restart),
    Rm(Rm),
    Init(Init),
    Schema(Schema),
    Supervise(Box<Supervise>),
}

impl Cli {
    /// The settings that were typed.
    pub fn words(&self) -> CliSettings {
        let mut words = CliSettings::default();
        // `init` writes for that system, on another machine.
        if !matches!(self.command, Command::Init(_)) {
            words.one(Setting::Ci, self.global.ci.as_ref());
        }
        match &self.command {
            Command::Detect(verb) => verb.project.collect(&mut words),
            Command::Metadata(verb) => verb.project.collect(&mut words),
            Command::Plan(verb) => {
                verb.project.collect(&mut words);
                verb.image.collect(&mut words);
            }
            Command::Dockerfile(verb) => {
                verb.project.collect(&mut words);
                verb.image.collect(&mut words);
            }
            Command::Build(verb) => verb.collect(&mut words),
            Command::Ecr(verb) => verb.collect(&mut words),
            Command::Doctor(verb) => verb.collect(&mut words),
            Command::Push(verb) => verb.collect(&mut words),
            Command::Pull(verb) => verb.collect(&mut words),
            Command::Run(verb) => verb.collect(&mut words),
            Command::Rollback(verb) => verb.collect(&mut words),
            Command::Proxy(verb) => verb.collect(&mut words),
            Command::Manifest(verb) => verb.collect(&mut words),
            Command::Ps(verb) => verb.daemon.collect(&mut words),
            Command::Logs(verb) => verb.daemon.collect(&mut words),
            Command::Exec(verb) => verb.daemon.collect(&mut words),
            Command::Stats(verb) => verb.daemon.collect(&mut words),
            Command::Health(verb) => verb.daemon.collect(&mut words),
            Command::Stop(verb) => verb.daemon.collect(&mut words),
            Command::Restart(verb) => verb.daemon.collect(&mut words),
            Command::Rm(verb) => verb.daemon.collect(&mut words),
            Command::Init(verb) => verb.collect(&mut words),
            Command::Schema(_) => {}
            Command::Supervise(verb) => verb.collect(&mut words),
        }
        words
    }
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
    Cli::try_parse_from(arguments)
}

#[cfg(test)]
mod tests;
