//! `nextdeploy supervise`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::flags::SettingFlags;
use crate::config::settings::parse;

/// Supervise the containers of this program: restart them, forward their logs, serve metrics.
///
/// Runs until SIGTERM or SIGINT. Restarts containers that are unhealthy, or that exited against their restart policy; `docker stop` and
/// `nextdeploy stop` are respected. The `--log` flags select where logs go, as JSON lines.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Restarts")]
pub struct SuperviseArgs {
    /// Apps or containers to supervise [default: all of this program's].
    #[arg(value_name = "APP", help_heading = "Arguments")]
    pub apps: Vec<String>,
    /// Restarts of one container within 10 minutes before it is left alone; 0 restarts nothing.
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    pub restart_budget: u32,
    /// Time between two full comparisons with the daemon, and between samples for the metrics.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = interval)]
    pub interval: Duration,
    /// Address of `/metrics`, `/healthz` and `/logs`; `none` serves nothing.
    #[arg(long, value_name = "ADDRESS:PORT|none", default_value = "127.0.0.1:9464", help_heading = "Server", value_parser = listen)]
    pub listen: Listen,
    /// Allow `--listen` on an address that other machines can reach; traffic is not encrypted.
    #[arg(long, help_heading = "Server")]
    pub allow_remote: bool,
    /// Token that WebSocket clients need for the logs at `/logs`.
    ///
    /// Never the value itself: `env:NAME` reads an environment variable, `file:PATH` a file.
    #[arg(long, value_name = "env:NAME|file:PATH", help_heading = "Server")]
    pub token: Option<String>,
    #[command(flatten)]
    pub logs: LogArgs,
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Where logs go.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// Write logs to standard output.
    #[arg(long, value_name = "WHERE", default_value = "none")]
    pub log: LogOutput,
    /// Write logs to a file.
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Size at which the log file is rotated.
    #[arg(long, value_name = "SIZE", default_value = "10m", value_parser = log_size, requires = "log_file")]
    pub log_file_size: u64,
    /// Old files to keep; FILE.1 is the newest.
    #[arg(long, value_name = "NUMBER", default_value_t = 5, requires = "log_file")]
    pub log_file_count: usize,
    /// Send logs by POST, as JSON lines.
    #[arg(long, value_name = "URL")]
    pub log_url: Option<String>,
    /// Bearer token for `--log-url`.
    ///
    /// Never the value itself: `env:NAME` reads an environment variable, `file:PATH` a file, which is read for each request.
    #[arg(long, value_name = "env:NAME|file:PATH", requires = "log_url")]
    pub log_token: Option<String>,
    /// Size of the disk buffer for `--log-url`; the oldest lines are dropped first.
    #[arg(long, value_name = "SIZE", default_value = "256m", value_parser = log_size, requires = "log_url")]
    pub log_buffer: u64,
    /// Folder for log positions and buffered lines [default: `$STATE_DIRECTORY`, or `nextdeploy/supervise` in the user's state folder].
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogOutput {
    Stdout,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    At(SocketAddr),
    Nowhere,
}

fn listen(text: &str) -> Result<Listen, String> {
    match text {
        "none" => Ok(Listen::Nowhere),
        address => address.parse().map(Listen::At).map_err(|_| "write `127.0.0.1:9464`, or `none`".to_owned()),
    }
}

/// At least 4 KiB.
fn log_size(text: &str) -> Result<u64, String> {
    let size = parse::size(text).ok().filter(|bytes| *bytes >= 4096);
    size.ok_or_else(|| "use a number of bytes with an optional unit, such as `10m`; at least `4k`".to_owned())
}

/// From a second to a day.
fn interval(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=Duration::from_hours(24);
    let interval = parse::duration(text).ok().filter(|time| range.contains(time));
    interval.ok_or_else(|| "use a duration from `1s` to `24h`, such as `15s` or `2m`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations() {
        assert_eq!(log_size("10m"), Ok(10 << 20));
        assert_eq!(log_size("4096"), Ok(4096));
        assert_eq!(log_size("1GB"), Ok(1 << 30));
        for bad in ["", "m", "1x", "-1m", "1.5m", "0", "4095", "99999999999g"] {
            assert!(log_size(bad).is_err(), "{bad}");
        }
        assert_eq!(interval("15s"), Ok(Duration::from_secs(15)));
        assert_eq!(interval("2m"), Ok(Duration::from_mins(2)));
        for bad in ["", "s", "0", "1d", "25h", "-1s"] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(listen("none"), Ok(Listen::Nowhere));
        assert!(matches!(listen("[::1]:9000"), Ok(Listen::At(_))));
        for bad in ["9464", "localhost:9464", ":9464"] {
            assert!(listen(bad).is_err(), "{bad}");
        }
    }
}
