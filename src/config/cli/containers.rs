//! The verbs for running containers: `ps`, `logs`, `exec`, `stats`, `health`, `stop`, `restart`, `rm`.

use clap::{ArgAction, Args};

use super::flags::SettingFlags;

/// List the running containers of this program.
#[derive(Debug, Clone, Default, Args)]
pub struct PsArgs {
    /// Only containers of this app.
    #[arg(value_name = "APP", help_heading = "Arguments")]
    pub app: Option<String>,
    /// Include containers that exited or never started.
    #[arg(short, long, help_heading = "Containers")]
    pub all: bool,
    /// Include containers that this program did not create.
    #[arg(long, conflicts_with = "app", help_heading = "Containers")]
    pub any: bool,
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Print the logs of a container.
///
/// Standard output and standard error are kept apart. On a terminal, control characters are escaped; elsewhere every byte is
/// passed through.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Lines")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct LogsArgs {
    /// Container, by name, id prefix, or app (its running container).
    #[arg(value_name = "NAME", help_heading = "Arguments")]
    pub container: String,
    /// Follow the logs until the container exits.
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last lines.
    #[arg(short = 'n', long, value_name = "LINES")]
    pub tail: Option<u64>,
    /// Only lines since a time such as `2026-11-22T08:00:00Z`, or since a duration ago, such as `90s`, `10m`, `1h30m`, `2d`.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only lines until this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Prefix each line with its time.
    #[arg(short, long, help_heading = "Output")]
    pub timestamps: bool,
    /// Do not escape control characters, not even on a terminal.
    #[arg(long, help_heading = "Output")]
    pub raw: bool,
    /// Print each line as one JSON document, all on standard output.
    #[arg(long, conflicts_with_all = ["raw", "timestamps"], help_heading = "Output")]
    pub json: bool,
    /// Allow a container that this program did not create.
    #[arg(long, help_heading = "Containers")]
    pub any: bool,
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Run a command in a running container.
///
/// The exit code is that of the command. The command has no input and no terminal, and keeps running if this program is stopped.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Command")]
pub struct ExecArgs {
    /// Container, by name, id prefix, or app (its running container).
    #[arg(value_name = "NAME", display_order = 1, help_heading = "Arguments")]
    pub container: String,
    /// Command with its arguments; run without a shell.
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(display_order = 2, help_heading = "Arguments")]
    pub command: Vec<String>,
    /// User to run as, by name or number, optionally with `:GROUP` [default: the container's own].
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Working directory [default: the container's own].
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Environment variable of the command; repeatable. `NAME` alone takes the value from the environment.
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Show resource usage of containers: CPU, memory, network, disk.
#[derive(Debug, Clone, Default, Args)]
pub struct StatsArgs {
    /// Containers, by name, id prefix, or app [default: all running containers of this program].
    #[arg(value_name = "NAME", help_heading = "Arguments")]
    pub containers: Vec<String>,
    /// Keep sampling, every second or two.
    #[arg(short, long, help_heading = "Output")]
    pub follow: bool,
    /// Print JSON; with --follow one document per sample and line.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Include containers that this program did not create.
    #[arg(long, help_heading = "Containers")]
    pub any: bool,
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Show whether a container is healthy, with the last probes and their output.
///
/// The exit code is 0 if it is healthy or has no health check, and 7 if it is unhealthy or still starting.
#[derive(Debug, Clone, Default, Args)]
pub struct HealthArgs {
    /// Container, by name, id prefix, or app (its running container).
    #[arg(value_name = "NAME", help_heading = "Arguments")]
    pub container: String,
    /// Wait this long for it to become healthy; stops waiting early if it cannot become healthy any more.
    #[arg(long, value_name = "SECONDS", help_heading = "Wait")]
    pub wait: Option<u64>,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Allow a container that this program did not create.
    #[arg(long, help_heading = "Containers")]
    pub any: bool,
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Stop containers gracefully, and kill them after a grace period.
#[derive(Debug, Clone, Default, Args)]
pub struct StopArgs {
    /// Containers, by name, id prefix, or app (its running container).
    #[arg(value_name = "NAME", required = true, help_heading = "Arguments")]
    pub containers: Vec<String>,
    /// Grace period before they are killed [default: the container's own, or 10].
    #[arg(short, long, value_name = "SECONDS", help_heading = "Containers")]
    pub time: Option<u32>,
    /// Print JSON: each container with its error, if any.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Stop containers and start them again, unchanged.
#[derive(Debug, Clone, Default, Args)]
pub struct RestartArgs {
    /// Containers, by name, id prefix, or app (its running container, otherwise the newest).
    #[arg(value_name = "NAME", required = true, help_heading = "Arguments")]
    pub containers: Vec<String>,
    /// Grace period before they are killed [default: the container's own, or 10].
    #[arg(short, long, value_name = "SECONDS", help_heading = "Containers")]
    pub time: Option<u32>,
    /// Print JSON: each container with its error, if any.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Remove stopped containers; networks and named volumes stay.
#[derive(Debug, Clone, Default, Args)]
pub struct RmArgs {
    /// Containers, by name, id prefix, or app (its running container, otherwise the newest).
    #[arg(value_name = "NAME", required = true, help_heading = "Arguments")]
    pub containers: Vec<String>,
    /// Kill a running container first.
    #[arg(short, long, action = ArgAction::SetTrue, help_heading = "Containers")]
    pub force: bool,
    /// Print JSON: each container with its error, if any.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub settings: SettingFlags,
}
