//! What is told to people while it runs. Each state is told once, when it begins or ends.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;

use super::policy::Reason;
use crate::diagnostic::{printable, size_text};
use crate::docker::RestartPolicy;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    Listening(SocketAddr),
    Watching { containers: usize },
    Found { name: String },
    Gone { name: String },
    Restarting { name: String, reason: Reason, attempt: u32, budget: u32 },
    RestartFailed { name: String, reason: String },
    GivenUp { name: String, reason: Reason, attempts: u32, window: Duration },
    Recovered { name: String },
    StoppedMeanwhile { name: String },
    OutOfMemory { name: String, limit: Option<u64>, times: u32, policy: RestartPolicy },
    DaemonLost { reason: String },
    DaemonBack { after: Duration },
    LogsUnreadable { name: String, reason: String },
    StdoutFailing { reason: String },
    FileFailing { reason: String },
    FileWorks { dropped: u64 },
    UrlFailing { reason: String },
    UrlWorks { after: Duration },
    UrlRefused { reason: String, lines: u64 },
    BufferFull { limit: u64 },
    BufferFailing { reason: String },
    StateFailing { reason: String },
    ClientDropped,
    Unsent { lines: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Information,
    Warning,
}

impl Notice {
    pub fn severity(&self) -> Severity {
        match self {
            Self::Listening(_)
            | Self::Watching { .. }
            | Self::Found { .. }
            | Self::Gone { .. }
            | Self::Recovered { .. }
            | Self::StoppedMeanwhile { .. }
            | Self::DaemonBack { .. }
            | Self::FileWorks { dropped: 0 }
            | Self::UrlWorks { .. }
            | Self::ClientDropped
            | Self::Unsent { .. } => Severity::Information,
            _ => Severity::Warning,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening(address) => write!(f, "metrics at http://{address}/metrics"),
            Self::Watching { containers: 1 } => f.write_str("watching 1 container"),
            Self::Watching { containers } => write!(f, "watching {containers} containers"),
            Self::Found { name } => write!(f, "`{}` is watched", printable(name)),
            Self::Gone { name } => write!(f, "`{}` is gone", printable(name)),
            Self::Restarting { name, reason, attempt, budget } => {
                write!(f, "`{}` {reason}: restart {attempt} of {budget}", printable(name))
            }
            Self::RestartFailed { name, reason } => {
                write!(f, "`{}` cannot be restarted: {}", printable(name), printable(reason))
            }
            Self::GivenUp { name, reason, attempts: 0, .. } => {
                write!(f, "`{}` {reason}, and restarts are off", printable(name))
            }
            Self::GivenUp { name, reason, attempts, window } => write!(
                f,
                "`{}` {reason} after {attempts} restarts within {} min: it is left alone until it is healthy or started by hand",
                printable(name),
                window.as_secs().div_ceil(60)
            ),
            Self::Recovered { name } => write!(f, "`{}` is well again", printable(name)),
            Self::StoppedMeanwhile { name } => {
                write!(f, "`{}` was stopped meanwhile: it is not started again", printable(name))
            }
            Self::OutOfMemory { name, limit, times, policy } => {
                let limit = limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {}", size_text(limit)));
                write!(f, "`{}` was ended for its memory ({limit})", printable(name))?;
                if *times > 1 {
                    write!(f, " {times} times")?;
                }
                if *policy == RestartPolicy::No { Ok(()) } else { f.write_str("; the daemon restarts it") }
            }
            Self::DaemonLost { reason } => {
                write!(f, "the daemon is gone, and asked again until it answers: {}", printable(reason))
            }
            Self::DaemonBack { after } => write!(f, "the daemon answers again, after {} s", after.as_secs()),
            Self::LogsUnreadable { name, reason } => {
                write!(f, "the logs of `{}` cannot be read: {}", printable(name), printable(reason))
            }
            Self::StdoutFailing { reason } => write!(f, "logs cannot be written to standard output: {reason}"),
            Self::FileFailing { reason } => write!(f, "the log file cannot be written: {}", printable(reason)),
            Self::FileWorks { dropped } => write!(f, "the log file is written again; {dropped} lines were dropped"),
            Self::UrlFailing { reason } => {
                write!(f, "logs cannot be sent, and are kept on disk meanwhile: {}", printable(reason))
            }
            Self::UrlWorks { after } => write!(f, "logs are sent again, after {} s", after.as_secs()),
            Self::UrlRefused { reason, lines } => {
                write!(f, "the log endpoint refuses {lines} lines, which are dropped: {}", printable(reason))
            }
            Self::BufferFull { limit } => write!(
                f,
                "the log buffer of {} is full: the oldest lines are dropped until the endpoint takes them",
                size_text(*limit)
            ),
            Self::BufferFailing { reason } => {
                write!(f, "the log buffer cannot be written, lines are dropped: {}", printable(reason))
            }
            Self::StateFailing { reason } => {
                write!(f, "the log positions cannot be written: {}", printable(reason))
            }
            Self::ClientDropped => f.write_str("a log client was too slow, and is disconnected"),
            Self::Unsent { lines } => write!(f, "{lines} lines are not sent yet; the next start sends them"),
        }
    }
}

/// Takes notices from every part. What nobody reads in time is dropped: nothing waits for it.
#[derive(Debug, Clone)]
pub struct Teller(mpsc::Sender<Notice>);

impl Teller {
    const WAITING: usize = 256;

    pub fn new() -> (Self, mpsc::Receiver<Notice>) {
        let (sender, receiver) = mpsc::channel(Self::WAITING);
        (Self(sender), receiver)
    }

    pub fn tell(&self, notice: Notice) {
        // Full or closed: nobody listens.
        let _ = self.0.try_send(notice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_the_buffer_is_as_it_was_given() {
        for (limit, told) in
            [(4096, "4 KiB"), (5000, "5000 bytes"), (1 << 19, "512 KiB"), (256 << 20, "256 MiB"), (2 << 30, "2 GiB")]
        {
            let full = Notice::BufferFull { limit }.to_string();
            assert!(full.starts_with(&format!("the log buffer of {told} is full: ")), "{full}");
        }
    }

    #[test]
    fn ends_for_memory_are_told_with_their_number_and_limit() {
        let told =
            |limit, times, policy| Notice::OutOfMemory { name: "shop-1".into(), limit, times, policy }.to_string();
        assert_eq!(
            told(Some(256 << 20), 4, RestartPolicy::UnlessStopped),
            "`shop-1` was ended for its memory (limit 256 MiB) 4 times; the daemon restarts it"
        );
        assert_eq!(told(None, 1, RestartPolicy::No), "`shop-1` was ended for its memory (no limit)");
    }
}
