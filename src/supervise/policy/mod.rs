//! When to restart a container: an [`Observation`] and the time → a [`RestartDecision`].
//!
//! The daemon's restart policy comes first. This covers what it does not: unhealthy containers, and those that exited although they
//! should be running. Never reads a clock or queries the daemon.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::docker::{ContainerStatus, EventKind, HealthStatus, RestartPolicy};

/// The count restarts after this long without a kill.
const OOM_QUIET: Duration = Duration::from_hours(1);
/// Longest time between the `oom` and the `die` event, which come in either order.
const OOM_PAIR: Duration = Duration::from_secs(5);
/// 128 + SIGKILL.
const KILLED_CODE: i64 = 137;

/// How many restarts, and how far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartLimits {
    /// Restarts within `window` before giving up.
    pub budget: u32,
    pub window: Duration,
    /// Delay before the first restart; doubles with each restart in the window.
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

/// What the user wants of a container, as far as events show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// It was seen running and has not been stopped since.
    Run,
    /// It was stopped, or was not running when it was first seen.
    Stop,
    /// It received a signal, which may be the beginning of a stop.
    Ending,
}

/// The state of a container when it was inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    pub status: ContainerStatus,
    pub exit_code: Option<i64>,
    pub health: Option<HealthStatus>,
    pub policy: RestartPolicy,
    /// Restarts by the daemon's policy; a manual start resets them to 0.
    pub daemon_restarts: u64,
    pub started_at: Option<DateTime<Utc>>,
    pub intent: Intent,
}

/// Why a container needs a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartReason {
    Unhealthy,
    Exited(Option<i64>),
}

impl fmt::Display for RestartReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unhealthy => f.write_str("is unhealthy"),
            Self::Exited(Some(code)) => write!(f, "exited with code {code}"),
            Self::Exited(None) => f.write_str("exited"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartDecision {
    Nothing,
    /// Inspect again at this time.
    Wait(Instant),
    /// Restart now; `attempt` counts from 1 within the window.
    Restart {
        reason: RestartReason,
        attempt: u32,
    },
    /// The budget is spent. Returned once, until the container is healthy or started by hand.
    GiveUp {
        reason: RestartReason,
        attempts: u32,
    },
    /// Healthy again after giving up, or started by hand.
    Recovered,
}

/// The run during which restarts were given up.
#[derive(Debug, Clone, Copy)]
struct GivenUp {
    started_at: Option<DateTime<Utc>>,
}

/// Past restarts of one container.
#[derive(Debug, Clone, Default)]
pub struct RestartHistory {
    /// Within the window, oldest first.
    recent: VecDeque<Instant>,
    due: Option<Instant>,
    given_up: Option<GivenUp>,
    total: u64,
}

impl RestartHistory {
    /// Restarts since supervision began.
    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn has_given_up(&self) -> bool {
        self.given_up.is_some()
    }

    /// What to do at `now`. The caller carries out [`RestartDecision::Restart`] and [`RestartDecision::GiveUp`]: both are recorded here.
    pub fn decide(&mut self, now: Instant, seen: &Observation, limits: &RestartLimits) -> RestartDecision {
        if let Some(run) = self.given_up {
            if !has_recovered(seen, run) {
                return RestartDecision::Nothing;
            }
            *self = Self { total: self.total, ..Self::default() };
            return RestartDecision::Recovered;
        }
        let Some(reason) = restart_reason(seen) else {
            self.due = None;
            return RestartDecision::Nothing;
        };
        while self.recent.front().is_some_and(|at| now.saturating_duration_since(*at) >= limits.window) {
            self.recent.pop_front();
        }
        let attempts = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        if attempts >= limits.budget {
            self.given_up = Some(GivenUp { started_at: seen.started_at });
            self.due = None;
            return RestartDecision::GiveUp { reason, attempts };
        }
        let due = *self.due.get_or_insert_with(|| now + limits.delay(self.recent.len()));
        if now < due {
            return RestartDecision::Wait(due);
        }
        self.due = None;
        self.recent.push_back(now);
        self.total += 1;
        RestartDecision::Restart { reason, attempt: attempts + 1 }
    }
}

/// Healthy, or in a run that was started by hand.
fn has_recovered(seen: &Observation, given_up: GivenUp) -> bool {
    let runs = seen.status == ContainerStatus::Running;
    runs && (seen.health == Some(HealthStatus::Healthy)
        || (seen.daemon_restarts == 0 && seen.started_at != given_up.started_at))
}

fn restart_reason(seen: &Observation) -> Option<RestartReason> {
    if seen.policy == RestartPolicy::No || seen.intent == Intent::Stop {
        return None;
    }
    match seen.status {
        ContainerStatus::Running if seen.health == Some(HealthStatus::Unhealthy) && seen.intent == Intent::Run => {
            Some(RestartReason::Unhealthy)
        }
        ContainerStatus::Exited | ContainerStatus::Dead if should_run(seen) => {
            Some(RestartReason::Exited(seen.exit_code))
        }
        _ => None,
    }
}

fn should_run(seen: &Observation) -> bool {
    match seen.policy {
        RestartPolicy::No => false,
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        // Past the maximum, the daemon has given up as configured.
        RestartPolicy::OnFailure(most) => {
            seen.exit_code != Some(0) && most.is_none_or(|most| seen.daemon_restarts < u64::from(most))
        }
    }
}

/// Kills of one container by the kernel for lack of memory. The daemon restarts it silently, so this is where they become visible.
#[derive(Debug, Default)]
pub struct OutOfMemoryTracker {
    out_of_memory: Option<Instant>,
    killed: Option<Instant>,
    last: Option<Instant>,
    times: u32,
}

impl OutOfMemoryTracker {
    /// The number of kills in a row, if it should be reported: the 1st, 4th, 16th, ….
    pub fn on_event(&mut self, kind: &EventKind, now: Instant) -> Option<u32> {
        match kind {
            // The kernel may also kill a child process while the container keeps running.
            EventKind::OutOfMemory => self.out_of_memory = Some(now),
            EventKind::Died(Some(KILLED_CODE)) => self.killed = Some(now),
            _ => return None,
        }
        let is_recent = |at: Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) < OOM_PAIR);
        if !is_recent(self.out_of_memory) || !is_recent(self.killed) {
            return None;
        }
        (self.out_of_memory, self.killed) = (None, None);
        if self.last.is_none_or(|last| now.saturating_duration_since(last) >= OOM_QUIET) {
            self.times = 0;
        }
        self.last = Some(now);
        self.times += 1;
        let is_power_of_four = self.times.is_power_of_two() && self.times.trailing_zeros().is_multiple_of(2);
        is_power_of_four.then_some(self.times)
    }
}

#[cfg(test)]
mod tests;
