//! The wait until a started container is healthy, by the daemon's events: it ends as soon as the outcome is known.
//!
//! Reports what happened; what follows from it is up to the caller. Never stops or removes anything.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::containers::Containers;
use super::error::ContainerError;
use super::events::EventQuery;
use super::facts::{ContainerEvent, ContainerFacts, ContainerStatus, EventKind, HealthStatus, Probe};
use super::lookup::Owner;
use super::podman::CheckClock;

/// A container without a health check counts as ready when it has run this long.
const STEADY: Duration = Duration::from_secs(2);
/// Events come at once; this is for lost ones.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How a wait ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Readiness {
    pub outcome: ReadinessOutcome,
    pub waited: Duration,
    /// Of the last inspection, with the health history.
    pub facts: ContainerFacts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadinessOutcome {
    Healthy,
    /// It runs, and has no health check.
    RunsUnchecked,
    /// Its check failed as often as is allowed.
    Unhealthy,
    Exited {
        exit_code: Option<i64>,
    },
    /// The kernel ended it for the memory it used.
    OutOfMemory {
        limit: Option<u64>,
    },
    /// It ended, and the daemon starts it again.
    Restarts {
        exit_code: Option<i64>,
    },
    Removed,
    /// Neither healthy nor unhealthy in time.
    TimedOut,
}

impl ReadinessOutcome {
    pub fn is_ready(self) -> bool {
        matches!(self, Self::Healthy | Self::RunsUnchecked)
    }
}

/// What the events said so far.
#[derive(Debug, Clone, Copy, Default)]
struct SeenEvents {
    out_of_memory: bool,
    died: bool,
    exit_code: Option<i64>,
    removed: bool,
}

impl Containers {
    /// Waits at most `limit` for a container that was started. `progress` gets each finished probe once.
    pub async fn wait_until_healthy(
        &self,
        container: &str,
        limit: Duration,
        progress: &mut (dyn FnMut(&Probe) + Send),
    ) -> Result<Readiness, ContainerError> {
        let begin = Instant::now();
        let before = self.inspect(container).await?;
        // Before the next inspection, so that nothing happens in between.
        let query = EventQuery { owner: Owner::Anybody, container: Some(&before.id), since: before.state.started_at };
        let mut events = self.events(&query).await?;
        let mut seen = SeenEvents::default();
        let (mut reported, mut checks) = (0, CheckClock::default());
        let now = || Instant::now().into_std();
        let mut facts = before.clone();
        let ended = |outcome, facts| Ok(Readiness { outcome, waited: begin.elapsed(), facts });
        loop {
            match self.inspect(&before.id).await {
                Ok(now) => facts = now,
                Err(ContainerError::NotFound { .. }) => return ended(ReadinessOutcome::Removed, facts),
                Err(error) => return Err(error),
            }
            reported = report_probes(&facts, reported, progress);
            if let Some(outcome) = judge(&facts, seen, begin.elapsed()) {
                return ended(outcome, facts);
            }
            if self.leaves_checks() && checks.due(&facts, now()).is_some_and(|due| due <= now()) {
                // The next inspection has the result, or shows that the container or the daemon is gone.
                let _ = timeout_at(begin + limit, self.check_health(&before.id)).await;
                checks.checked(now());
                continue;
            }
            loop {
                let changed = tokio::select! {
                    event = events.next() => if let Some(Ok(event)) = event {
                        seen.record(&event)
                    } else {
                        // The next inspection shows whether the daemon is gone.
                        sleep(POLL_INTERVAL).await;
                        true
                    },
                    () = sleep(POLL_INTERVAL) => true,
                    () = sleep_until(begin + limit) => return ended(ReadinessOutcome::TimedOut, facts),
                };
                if changed {
                    break;
                }
            }
        }
    }
}

impl SeenEvents {
    /// Whether the container has to be inspected.
    fn record(&mut self, event: &ContainerEvent) -> bool {
        match &event.kind {
            EventKind::OutOfMemory => self.out_of_memory = true,
            EventKind::Died(exit_code) => (self.died, self.exit_code) = (true, *exit_code),
            EventKind::Removed => self.removed = true,
            EventKind::Health(_) => {}
            EventKind::Other(action) => return action.starts_with("exec_die") || action == "health_status",
            _ => return false,
        }
        true
    }
}

/// Reports the probes that ended after `reported`; returns the end of the last one. The daemon keeps only the last few.
fn report_probes(facts: &ContainerFacts, reported: i64, progress: &mut (dyn FnMut(&Probe) + Send)) -> i64 {
    let probes = facts.state.health.as_ref().map(|health| health.probes.as_slice()).unwrap_or_default();
    let mut last = reported;
    for probe in probes {
        let time = probe.finished_at.and_then(|time| time.timestamp_nanos_opt()).unwrap_or_default();
        if time > reported {
            progress(probe);
            last = last.max(time);
        }
    }
    last
}

fn judge(facts: &ContainerFacts, seen: SeenEvents, waited: Duration) -> Option<ReadinessOutcome> {
    let state = &facts.state;
    // A manual start resets the daemon's count.
    let restarted = seen.died || state.restarts > 0;
    let exit_code = state.exit_code.or(seen.exit_code);
    let out_of_memory = state.out_of_memory || seen.out_of_memory;
    match state.status {
        ContainerStatus::Removing => Some(ReadinessOutcome::Removed),
        _ if seen.removed => Some(ReadinessOutcome::Removed),
        ContainerStatus::Exited | ContainerStatus::Dead | ContainerStatus::Restarting if out_of_memory => {
            Some(ReadinessOutcome::OutOfMemory { limit: facts.memory_limit })
        }
        ContainerStatus::Exited | ContainerStatus::Dead => Some(ReadinessOutcome::Exited { exit_code }),
        ContainerStatus::Running if restarted && seen.out_of_memory => {
            Some(ReadinessOutcome::OutOfMemory { limit: facts.memory_limit })
        }
        ContainerStatus::Restarting => Some(ReadinessOutcome::Restarts { exit_code }),
        ContainerStatus::Running if restarted => Some(ReadinessOutcome::Restarts { exit_code }),
        ContainerStatus::Running => match &state.health {
            Some(health) => match health.status {
                HealthStatus::Healthy => Some(ReadinessOutcome::Healthy),
                HealthStatus::Unhealthy => Some(ReadinessOutcome::Unhealthy),
                HealthStatus::Starting => None,
            },
            None => (waited >= STEADY).then_some(ReadinessOutcome::RunsUnchecked),
        },
        ContainerStatus::Created | ContainerStatus::Paused => None,
    }
}
