//! What supervision reports to people while it runs. Each state is reported once, when it begins or ends.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;

use super::policy::RestartReason;
use crate::diagnostic::{printable, size_text};
use crate::docker::RestartPolicy;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SupervisorEvent {
    Listening(SocketAddr),
    Watching { containers: usize },
    Found { name: String },
    Gone { name: String },
    Restarting { name: String, reason: RestartReason, attempt: u32, budget: u32 },
    RestartFailed { name: String, reason: String },
    GivenUp { name: String, reason: RestartReason, attempts: u32, window: Duration },
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
    UrlRejected { reason: String, lines: u64 },
    BufferFull { limit: u64 },
    BufferFailing { reason: String },
    StateFailing { reason: String },
    ClientDropped,
    Unsent { lines: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventLevel {
    Information,
    Warning,
}

impl SupervisorEvent {
    pub fn level(&self) -> EventLevel {
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
            | Self::Unsent { .. } => EventLevel::Information,
            _ => EventLevel::Warning,
        }
    }
}

impl fmt::Display for SupervisorEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening(address) => write!(f, "metrics at http://{address}/metrics"),
            Self::Watching { containers: 1 } => f.write_str("watching 1 container"),
            Self::Watching { containers } => write!(f, "watching {containers} containers"),
            Self::Found { name } => write!(f, "watching `{}`", printable(name)),
            Self::Gone { name } => write!(f, "`{}` is gone", printable(name)),
            Self::Restarting { name, reason, attempt, budget } => {
                write!(f, "`{}` {reason}: restart {attempt} of {budget}", printable(name))
            }
            Self::RestartFailed { name, reason } => {
                write!(f, "cannot restart `{}`: {}", printable(name), printable(reason))
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
            Self::Recovered { name } => write!(f, "`{}` has recovered", printable(name)),
            Self::StoppedMeanwhile { name } => {
                write!(f, "`{}` was stopped during a restart and is not started again", printable(name))
            }
            Self::OutOfMemory { name, limit, times, policy } => {
                let limit = limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {}", size_text(limit)));
                write!(f, "`{}` ran out of memory ({limit})", printable(name))?;
                if *times > 1 {
                    write!(f, " {times} times")?;
                }
                if *policy == RestartPolicy::No { Ok(()) } else { f.write_str("; the daemon restarts it") }
            }
            Self::DaemonLost { reason } => {
                write!(f, "disconnected from the daemon, reconnecting: {}", printable(reason))
            }
            Self::DaemonBack { after } => write!(f, "reconnected to the daemon after {} s", after.as_secs()),
            Self::LogsUnreadable { name, reason } => {
                write!(f, "cannot read the logs of `{}`: {}", printable(name), printable(reason))
            }
            Self::StdoutFailing { reason } => write!(f, "cannot write logs to standard output: {reason}"),
            Self::FileFailing { reason } => write!(f, "cannot write the log file: {}", printable(reason)),
            Self::FileWorks { dropped } => write!(f, "writing the log file again; {dropped} lines were dropped"),
            Self::UrlFailing { reason } => {
                write!(f, "cannot send logs, buffering them on disk: {}", printable(reason))
            }
            Self::UrlWorks { after } => write!(f, "sending logs again after {} s", after.as_secs()),
            Self::UrlRejected { reason, lines } => {
                write!(f, "the log endpoint rejected {lines} lines, which are dropped: {}", printable(reason))
            }
            Self::BufferFull { limit } => write!(
                f,
                "the log buffer of {} is full: the oldest lines are dropped until the endpoint accepts logs",
                size_text(*limit)
            ),
            Self::BufferFailing { reason } => {
                write!(f, "cannot write the log buffer, lines are dropped: {}", printable(reason))
            }
            Self::StateFailing { reason } => {
                write!(f, "cannot save the log positions: {}", printable(reason))
            }
            Self::ClientDropped => f.write_str("disconnected a log client that was too slow"),
            Self::Unsent { lines } => {
                write!(f, "{lines} log lines are not sent yet; they are sent after the next start")
            }
        }
    }
}

/// Takes events from every part. Events that are not read in time are dropped, so that no sender ever waits.
#[derive(Debug, Clone)]
pub struct SupervisorEventSender(mpsc::Sender<SupervisorEvent>);

impl SupervisorEventSender {
    const CAPACITY: usize = 256;

    pub fn new() -> (Self, mpsc::Receiver<SupervisorEvent>) {
        let (sender, receiver) = mpsc::channel(Self::CAPACITY);
        (Self(sender), receiver)
    }

    pub fn send(&self, event: SupervisorEvent) {
        // Full or closed: the event is dropped.
        let _ = self.0.try_send(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_limits_are_shown_in_the_unit_they_were_given_in() {
        for (limit, expected) in
            [(4096, "4 KiB"), (5000, "5000 bytes"), (1 << 19, "512 KiB"), (256 << 20, "256 MiB"), (2 << 30, "2 GiB")]
        {
            let full = SupervisorEvent::BufferFull { limit }.to_string();
            assert!(full.starts_with(&format!("the log buffer of {expected} is full: ")), "{full}");
        }
    }

    #[test]
    fn out_of_memory_events_name_count_and_limit() {
        let message = |limit, times, policy| {
            SupervisorEvent::OutOfMemory { name: "shop-1".into(), limit, times, policy }.to_string()
        };
        assert_eq!(
            message(Some(256 << 20), 4, RestartPolicy::UnlessStopped),
            "`shop-1` ran out of memory (limit 256 MiB) 4 times; the daemon restarts it"
        );
        assert_eq!(message(None, 1, RestartPolicy::No), "`shop-1` ran out of memory (no limit)");
    }
}
