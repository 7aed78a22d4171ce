//! The verbs that look after containers: `nextdeploy ps`, `logs`, `exec`, `stats`, `health`, `stop`, `restart`, `rm`.

use clap::{ArgAction, Args};

use super::setting::Setting;
use super::words::CliSettings;

/// How the daemon is reached.
#[derive(Debug, Clone, Default, Args)]
pub struct DaemonArgs {
    /// PEM file with certificate authorities to trust besides the system's.
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub ca_bundle: Option<String>,
}

impl DaemonArgs {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        words.one(Setting::CaBundle, self.ca_bundle.as_ref());
    }
}

/// List the containers of this program that run.
#[derive(Debug, Clone, Default, Args)]
pub struct Ps {
    /// Only those of this app.
    #[arg(value_name = "APP", help_heading = "Arguments")]
    pub app: Option<String>,
    /// Also those that ended or never started.
    #[arg(short, long, help_heading = "Containers")]
    pub all: bool,
    /// Also those that this program did not make.
    #[arg(long, conflicts_with = "app", help_heading = "Containers")]
    pub any: bool,
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Print what a container printed.
///
/// Its standard output and standard error go to ours. On a terminal control characters are shown and not obeyed; elsewhere every
/// byte comes as it was printed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Lines")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Logs {
    /// Container, by its name, the beginning of its id, or its app (the running one).
    #[arg(value_name = "NAME", help_heading = "Arguments")]
    pub container: String,
    /// Go on until the container ends.
    #[arg(short, long)]
    pub follow: bool,
    /// The last lines only.
    #[arg(short = 'n', long, value_name = "LINES")]
    pub tail: Option<u64>,
    /// From then on: a time such as `2026-11-22T08:00:00Z`, or how long ago, such as `90s`, `10m`, `1h30m`, `2d`.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Until then.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Put the time before each line.
    #[arg(short, long, help_heading = "Output")]
    pub timestamps: bool,
    /// Change nothing, not even on a terminal.
    #[arg(long, help_heading = "Output")]
    pub raw: bool,
    /// Print each line as one JSON document, all on standard output.
    #[arg(long, conflicts_with_all = ["raw", "timestamps"], help_heading = "Output")]
    pub json: bool,
    /// Also a container that this program did not make.
    #[arg(long, help_heading = "Containers")]
    pub any: bool,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

/// Run a command in a running container.
///
/// The exit code is that of the command. It gets no input and no terminal; a command whose caller is stopped goes on.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Command")]
pub struct Exec {
    /// Container, by its name, the beginning of its id, or its app (the running one).
    #[arg(value_name = "NAME", display_order = 1, help_heading = "Arguments")]
    pub container: String,
    /// The command with its words; no shell reads it.
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(display_order = 2, help_heading = "Arguments")]
    pub command: Vec<String>,
    /// User to be, by name or number, with `:GROUP` if wanted [default: the container's own].
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Folder to be in [default: the container's own].
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Environment variable of the command; repeatable. `NAME` alone takes the value from the environment.
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

/// Show what containers use: processors, memory, network, disk.
#[derive(Debug, Clone, Default, Args)]
pub struct Stats {
    /// Containers, by name, the beginning of the id, or app [default: all of this program that run].
    #[arg(value_name = "NAME", help_heading = "Arguments")]
    pub containers: Vec<String>,
    /// Go on, with a sample every second or two.
    #[arg(short, long, help_heading = "Output")]
    pub follow: bool,
    /// Print JSON; with --follow one document per sample and line.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Also containers that this program did not make.
    #[arg(long, help_heading = "Containers")]
    pub any: bool,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

/// Tell whether a container is healthy, with the last probes and their output.
///
/// Ends with 0 when it is healthy, or runs without a health check; with 7 when it is not, or not yet.
#[derive(Debug, Clone, Default, Args)]
pub struct Health {
    /// Container, by its name, the beginning of its id, or its app (the running one).
    #[arg(value_name = "NAME", help_heading = "Arguments")]
    pub container: String,
    /// Wait this long for it to become healthy; a wait ends early when it cannot any more.
    #[arg(long, value_name = "SECONDS", help_heading = "Wait")]
    pub wait: Option<u64>,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Also a container that this program did not make.
    #[arg(long, help_heading = "Containers")]
    pub any: bool,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

/// Stop containers: asked to end, and killed when they do not.
#[derive(Debug, Clone, Default, Args)]
pub struct Stop {
    /// Containers, by name, the beginning of the id, or app (the running one).
    #[arg(value_name = "NAME", required = true, help_heading = "Arguments")]
    pub containers: Vec<String>,
    /// How long they get to end by themselves [default: as the container was made, else 10].
    #[arg(short, long, value_name = "SECONDS", help_heading = "Containers")]
    pub time: Option<u32>,
    /// Print JSON: each container, and what was wrong with it.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

/// Stop containers and start them again, as they are.
#[derive(Debug, Clone, Default, Args)]
pub struct Restart {
    /// Containers, by name, the beginning of the id, or app (the running one, else the youngest).
    #[arg(value_name = "NAME", required = true, help_heading = "Arguments")]
    pub containers: Vec<String>,
    /// How long they get to end by themselves [default: as the container was made, else 10].
    #[arg(short, long, value_name = "SECONDS", help_heading = "Containers")]
    pub time: Option<u32>,
    /// Print JSON: each container, and what was wrong with it.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

/// Remove stopped containers; networks and named volumes stay.
#[derive(Debug, Clone, Default, Args)]
pub struct Rm {
    /// Containers, by name, the beginning of the id, or app (the running one, else the youngest).
    #[arg(value_name = "NAME", required = true, help_heading = "Arguments")]
    pub containers: Vec<String>,
    /// Also when it runs: it is killed.
    #[arg(short, long, action = ArgAction::SetTrue, help_heading = "Containers")]
    pub force: bool,
    /// Print JSON: each container, and what was wrong with it.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}
