//! `nextdeploy run` and `nextdeploy rollback`.

use clap::{Args, ValueEnum};

use super::groups::{ConnectionArgs, RegistryArgs};
use super::setting::Setting;
use super::words::CliSettings;

/// Run an app in a container and wait until it is healthy.
///
/// Of an image (pulled when the daemon lacks it), of a repository (built first, with the settings of `build` from variables and files),
/// or of a container document. What nobody asks for follows from what the image says of the app: docs/running.md. Standard output
/// carries the name of the container, or with --json the whole result.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Container")]
pub struct Run {
    /// Image reference, folder of a repository, or container document (`.json`, `.yml`, `.yaml`) [default: the current folder].
    #[arg(value_name = "IMAGE|DIR|DOCUMENT", help_heading = "Arguments")]
    pub target: Option<String>,
    /// Container document; flags win over what it says. docs/container.md.
    #[arg(long, value_name = "FILE", help_heading = "Arguments")]
    pub spec: Option<String>,
    /// The app in a workspace that has several, by package name or by folder.
    #[arg(long, value_name = "NAME|PATH", help_heading = "Arguments")]
    pub app: Option<String>,
    #[command(flatten)]
    pub container: ContainerArgs,
    #[command(flatten)]
    pub replace: ReplaceArgs,
    #[command(flatten)]
    pub swarm: SwarmArgs,
    /// How long the container may take to become healthy, such as `90s` or `5m` [default: 2m].
    #[arg(long, value_name = "DURATION")]
    pub wait_timeout: Option<String>,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Print what would be run, each choice with its reason, and run nothing.
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// What the container is to be like.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Container")]
pub struct ContainerArgs {
    /// Name of the container [default: the app and its commit].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Port of this machine that leads to the app; repeatable; `none` publishes nothing [default: the app's port on 127.0.0.1].
    ///
    /// `[ADDRESS:]PORT`, or `[ADDRESS:]PORT:CONTAINER_PORT`; port 0 is a free one.
    #[arg(short, long, value_name = "[ADDRESS:]PORT")]
    pub publish: Vec<String>,
    /// Network to join, made when it is missing [default: nextdeploy].
    #[arg(long, value_name = "NAME")]
    pub network: Option<String>,
    /// Environment variable; repeatable.
    ///
    /// `NAME` alone takes the value from the environment. Not for secrets: see --secret.
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// File with environment variables, as Next.js reads `.env`; repeatable.
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<String>,
    /// Secret for the app; repeatable.
    ///
    /// `NAME` is the environment variable of that name, `id=ID,src=FILE` and `id=ID,env=NAME` are as for `build`. The app sees the file
    /// `/run/secrets/ID`, and the variable `ID` when that is a valid name.
    #[arg(long, value_name = "NAME|id=ID,src=FILE|id=ID,env=NAME")]
    pub secret: Vec<String>,
    /// How secrets reach the app [default: files].
    ///
    /// `files` are kept in memory and not shown by the daemon; `env` is environment, which whoever may ask the daemon can read.
    #[arg(long, value_name = "KIND")]
    pub secrets_as: Option<SecretsAsArg>,
    /// Memory limit, such as `512m`, or `none` [default: 512m with server-rendered routes, else 256m].
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Processors that it may use, such as `1.5`, or `none` [default: none].
    #[arg(long, value_name = "NUMBER")]
    pub cpus: Option<String>,
    /// Processes and threads that it may have, or `none` [default: 512].
    #[arg(long, value_name = "NUMBER")]
    pub pids: Option<String>,
    /// When the daemon starts it again: no, on-failure[:TIMES], always or unless-stopped [default: unless-stopped].
    #[arg(long, value_name = "POLICY")]
    pub restart: Option<String>,
    /// Mount; repeatable: `VOLUME:TARGET`, `/PATH:TARGET` or `./PATH:TARGET`, with `:ro` to forbid writing.
    #[arg(long, value_name = "SOURCE:TARGET[:ro]")]
    pub volume: Vec<String>,
    /// Make everything read-only but what the app writes to [default: where that is known].
    #[arg(long, conflicts_with = "writable")]
    pub read_only: bool,
    /// Let the app write everywhere that its user may.
    #[arg(long)]
    pub writable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SecretsAsArg {
    Files,
    Env,
}

/// How a container takes the place of another.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Replacing")]
pub struct ReplaceArgs {
    /// Take the place of the container of the same app; when the new one fails, the old one goes on.
    #[arg(long)]
    pub replace: bool,
    /// Admin API of the Caddy in front, such as `http://127.0.0.1:2019`; it is told the new upstream, and no request is lost.
    #[arg(long, value_name = "URL", requires = "replace")]
    pub proxy: Option<String>,
    /// How long the old container may go on answering before it stops [default: 10s].
    #[arg(long, value_name = "DURATION", requires = "replace")]
    pub drain: Option<String>,
    /// Folder of this machine that gets the hashed assets (`_next/static`) of the new image beside those of the old one.
    ///
    /// For the proxy to serve; without --proxy the container serves them from there itself.
    #[arg(long, value_name = "DIR")]
    pub assets: Option<String>,
}

/// A service instead of a container.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Swarm")]
pub struct SwarmArgs {
    /// Make or update a service of the Swarm that the daemon manages: rolled out task by task, rolled back when a task fails.
    #[arg(long, conflicts_with_all = ["replace", "assets"])]
    pub swarm: bool,
    /// How many tasks the service has [default: as many as now, 1 at first].
    #[arg(long, value_name = "NUMBER", requires = "swarm", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub replicas: Option<u64>,
}

impl Run {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        words.one(Setting::App, self.app.as_ref());
        self.registry.collect(words);
        self.connection.collect(words);
    }
}

/// Go back to the container that ran before.
///
/// It is started beside the present one, must become healthy, and then takes its place as with `run --replace`. Standard output carries
/// its name, or with --json the whole result.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Replacing")]
pub struct Rollback {
    /// Name of the app.
    #[arg(value_name = "APP", help_heading = "Arguments")]
    pub app: String,
    /// Admin API of the Caddy in front, such as `http://127.0.0.1:2019`.
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// How long the present container may go on answering before it stops [default: 10s].
    #[arg(long, value_name = "DURATION")]
    pub drain: Option<String>,
    /// How long the container may take to become healthy [default: 2m].
    #[arg(long, value_name = "DURATION")]
    pub wait_timeout: Option<String>,
    /// Go back to the state of the service before its last update.
    #[arg(long, help_heading = "Swarm", conflicts_with_all = ["proxy", "drain"])]
    pub swarm: bool,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

impl Rollback {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        self.connection.collect(words);
    }
}
