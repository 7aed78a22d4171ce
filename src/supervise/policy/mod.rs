//! Which container is restarted when: what is seen of it and the time → a [`Decision`].
//!
//! The daemon's own restart policy goes first; this is for what it leaves alone: the unhealthy, and those that ended although they should
//! run. Never asks a clock or a daemon.

mod memory;

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

pub use memory::MemoryEnds;

use crate::docker::{ContainerStatus, HealthStatus, RestartPolicy};

/// How often and how fast restarts follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartLimits {
    /// Restarts within `window`; after that many it is given up.
    pub budget: u32,
    pub window: Duration,
    /// Before the first restart; doubles with each one in the window.
    pub first_delay: Duration,
    pub longest_delay: Duration,
}

impl Default for RestartLimits {
    fn default() -> Self {
        Self {
            budget: 5,
            window: Duration::from_mins(10),
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_mins(1),
        }
    }
}

impl RestartLimits {
    fn delay(&self, before: usize) -> Duration {
        let factor = u32::try_from(before).ok().and_then(|before| 1_u32.checked_shl(before)).unwrap_or(u32::MAX);
        self.first_delay.saturating_mul(factor).min(self.longest_delay)
    }
}

/// What somebody wants of a container, as far as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// It was seen running, and nobody stopped it since.
    Run,
    /// Somebody stopped it, or it did not run when it was first seen.
    Stop,
    /// Somebody sent it a signal, and may be about to stop it.
    Ending,
}

/// One look at a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    pub status: ContainerStatus,
    pub exit_code: Option<i64>,
    pub health: Option<HealthStatus>,
    pub policy: RestartPolicy,
    /// Restarts by the daemon's policy; somebody's own start sets them to 0.
    pub daemon_restarts: u64,
    pub started_at: Option<DateTime<Utc>>,
    pub intent: Intent,
}

/// Why a container needs a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Unhealthy,
    Exited(Option<i64>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unhealthy => f.write_str("is unhealthy"),
            Self::Exited(Some(code)) => write!(f, "ended with exit code {code}"),
            Self::Exited(None) => f.write_str("ended"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Nothing,
    /// Look again then.
    Wait(Instant),
    /// Now; `attempt` counts from 1 within the window.
    Restart {
        reason: Reason,
        attempt: u32,
    },
    /// The budget is spent. Decided once, until the container was healthy or somebody started it.
    GiveUp {
        reason: Reason,
        attempts: u32,
    },
    /// What was given up is well again, or somebody started it.
    Recovered,
}

/// The run that was left alone.
#[derive(Debug, Clone, Copy)]
struct GivenUp {
    started_at: Option<DateTime<Utc>>,
}

/// The restarts of one container.
#[derive(Debug, Clone, Default)]
pub struct Restarts {
    /// Within the window, oldest first.
    recent: VecDeque<Instant>,
    due: Option<Instant>,
    given_up: Option<GivenUp>,
    total: u64,
}

impl Restarts {
    /// All that were ever decided.
    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn has_given_up(&self) -> bool {
        self.given_up.is_some()
    }

    /// What to do at `now`. [`Decision::Restart`] and [`Decision::GiveUp`] count as done.
    pub fn decide(&mut self, now: Instant, seen: &Observation, limits: &RestartLimits) -> Decision {
        if let Some(run) = self.given_up {
            if !is_well_again(seen, run) {
                return Decision::Nothing;
            }
            *self = Self { total: self.total, ..Self::default() };
            return Decision::Recovered;
        }
        let Some(reason) = trouble(seen) else {
            self.due = None;
            return Decision::Nothing;
        };
        while self.recent.front().is_some_and(|at| now.saturating_duration_since(*at) >= limits.window) {
            self.recent.pop_front();
        }
        let attempts = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        if attempts >= limits.budget {
            self.given_up = Some(GivenUp { started_at: seen.started_at });
            self.due = None;
            return Decision::GiveUp { reason, attempts };
        }
        let due = *self.due.get_or_insert_with(|| now + limits.delay(self.recent.len()));
        if now < due {
            return Decision::Wait(due);
        }
        self.due = None;
        self.recent.push_back(now);
        self.total += 1;
        Decision::Restart { reason, attempt: attempts + 1 }
    }
}

/// Healthy, or in a run that somebody began by hand.
fn is_well_again(seen: &Observation, given_up: GivenUp) -> bool {
    let runs = seen.status == ContainerStatus::Running;
    runs && (seen.health == Some(HealthStatus::Healthy)
        || (seen.daemon_restarts == 0 && seen.started_at != given_up.started_at))
}

fn trouble(seen: &Observation) -> Option<Reason> {
    if seen.policy == RestartPolicy::No || seen.intent == Intent::Stop {
        return None;
    }
    match seen.status {
        ContainerStatus::Running if seen.health == Some(HealthStatus::Unhealthy) && seen.intent == Intent::Run => {
            Some(Reason::Unhealthy)
        }
        ContainerStatus::Exited | ContainerStatus::Dead if should_run(seen) => Some(Reason::Exited(seen.exit_code)),
        _ => None,
    }
}

fn should_run(seen: &Observation) -> bool {
    match seen.policy {
        RestartPolicy::No => false,
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        // Past the maximum the daemon gave up, as it was told.
        RestartPolicy::OnFailure(most) => {
            seen.exit_code != Some(0) && most.is_none_or(|most| seen.daemon_restarts < u64::from(most))
        }
    }
}

#[cfg(test)]
mod tests;
