//! `nextdeploy supervise`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::setting::Setting;
use super::words::CliSettings;

/// Look after the containers of this program: restart them, forward their logs, serve metrics.
///
/// Watches until SIGTERM or SIGINT. Containers that are unhealthy, or ended although their restart policy wants them to run, are restarted;
/// `docker stop` and `nextdeploy stop` are respected. Logs go where a `--log` flag sends them, as JSON lines.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Restarts")]
pub struct Supervise {
    /// Apps or containers to look after [default: all of this program's].
    #[arg(value_name = "APP", help_heading = "Arguments")]
    pub apps: Vec<String>,
    /// Restarts of one container within 10 minutes; after that many it is left alone. 0 restarts nothing.
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    pub restart_budget: u32,
    /// Time between two full comparisons with the daemon, and between samples for the metrics.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub interval: Duration,
    /// Address of `/metrics`, `/healthz` and `/logs`; `none` serves nothing.
    #[arg(long, value_name = "ADDRESS:PORT|none", default_value = "127.0.0.1:9464", help_heading = "Server", value_parser = listen)]
    pub listen: Listen,
    /// Allow `--listen` on an address that other machines reach. Nothing there is encrypted.
    #[arg(long, help_heading = "Server")]
    pub allow_remote: bool,
    /// Token with which WebSocket clients get the logs at `/logs`.
    ///
    /// Never typed itself: `env:NAME` is an environment variable, `file:PATH` a file.
    #[arg(long, value_name = "env:NAME|file:PATH", help_heading = "Server")]
    pub token: Option<String>,
    #[command(flatten)]
    pub logs: LogArgs,
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
    /// Size at which a new file begins.
    #[arg(long, value_name = "SIZE", default_value = "10m", value_parser = size, requires = "log_file")]
    pub log_file_size: u64,
    /// Old files to keep: FILE.1 is the youngest.
    #[arg(long, value_name = "NUMBER", default_value_t = 5, requires = "log_file")]
    pub log_file_count: usize,
    /// Send logs by POST, as JSON lines.
    #[arg(long, value_name = "URL")]
    pub log_url: Option<String>,
    /// Bearer token for `--log-url`.
    ///
    /// Never typed itself: `env:NAME` is an environment variable, `file:PATH` a file, which is read for each request.
    #[arg(long, value_name = "env:NAME|file:PATH", requires = "log_url")]
    pub log_token: Option<String>,
    /// Lines that wait on disk for `--log-url`; the oldest go first.
    #[arg(long, value_name = "SIZE", default_value = "256m", value_parser = size, requires = "log_url")]
    pub log_buffer: u64,
    /// Folder for log positions and waiting lines [default: `$STATE_DIRECTORY`, or `nextdeploy/supervise` in the user's state folder].
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// PEM file with certificate authorities to trust besides the system's.
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub ca_bundle: Option<String>,
}

impl Supervise {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        words.one(Setting::CaBundle, self.logs.ca_bundle.as_ref());
    }
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

/// `10m`: bytes with `k`, `m` or `g`, powers of 1024 as docker takes them.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "write bytes, or a number with `k`, `m` or `g`, such as `10m`; 4k at least".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match &text[digits.len()..].to_ascii_lowercase()[..] {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(factor).filter(|bytes| *bytes >= 4096).ok_or_else(wrong)
}

/// `15s`, `2m`: at least a second.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write seconds, minutes or hours, such as `15s`, `2m` or `1h`".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let seconds: u64 = digits.parse().map_err(|_| wrong())?;
    let longest = 24 * 3600;
    let seconds = seconds.checked_mul(factor).filter(|seconds| (1..=longest).contains(seconds)).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations() {
        assert_eq!(size("10m"), Ok(10 << 20));
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("1GB"), Ok(1 << 30));
        for bad in ["", "m", "1x", "-1m", "1.5m", "0", "4095", "99999999999g"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(duration("15s"), Ok(Duration::from_secs(15)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for bad in ["", "s", "0", "1d", "25h", "-1s"] {
            assert!(duration(bad).is_err(), "{bad}");
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
