//! Words about one container.

use clap::{Args, ValueEnum};

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
    /// Processes and threads that it may have, or `none` [default: none].
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
