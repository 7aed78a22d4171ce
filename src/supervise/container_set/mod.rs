//! The supervised containers as the daemon last reported them: events and inspections in, the next inspections out.
//!
//! Never queries the daemon itself; the time is a parameter.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::metrics::ContainerMetrics;
use super::policy::{Intent, Observation, OutOfMemoryTracker, RestartHistory};
use super::record::{LogSource, SharedSource};
use super::state::{LogCursor, LogPosition};
use crate::docker::{
    APP_LABEL, CheckClock, ContainerEvent, ContainerFacts, ContainerStats, ContainerStatus, ContainerSummary,
    EventKind, HealthStatus, MANAGED_LABEL,
};

/// Events come in groups (kill, die, stop): one inspection after the last of them is enough.
const SETTLE: Duration = Duration::from_millis(200);
/// The daemon's default stop timeout.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// How long after the stop timeout a signal may still turn out to be the beginning of a stop.
const STOP_WINDOW: Duration = Duration::from_secs(20);

/// A `stop` event follows the exit of the container within this time, if a foreign signal was seen.
const STOP_EVENT_DELAY: Duration = Duration::from_secs(2);
/// The `die` event may still be on its way when the container is known to have exited.
const DIE_EVENT_DELAY: Duration = Duration::from_secs(1);
const SIGKILL: i64 = 9;

/// A supervised container.
pub struct SupervisedContainer {
    pub facts: ContainerFacts,
    pub restarts: RestartHistory,
    pub source: SharedSource,
    pub logs: LogState,
    pub stats: Option<ContainerStats>,
    stopped: bool,
    /// A signal was received that may be the beginning of a stop, until then.
    stop_expected_until: Option<Instant>,
    /// Schedule of the health check, where the engine does not run it.
    pub checks: CheckClock,
    pub checking: bool,
    /// The restart by this program that is under way.
    pub restart: Option<OwnRestart>,
    out_of_memory: OutOfMemoryTracker,
}

/// How far the logs of a container have been read.
#[derive(Default)]
pub struct LogState {
    pub cursor: LogCursor,
    pub reading: bool,
    /// The run that was or is being read, by its start time.
    pub run: Option<chrono::DateTime<chrono::Utc>>,
    /// The logging driver does not support reading.
    pub unreadable: bool,
}

impl SupervisedContainer {
    fn new(facts: ContainerFacts, position: LogPosition) -> Self {
        let source = Arc::new(Mutex::new(Arc::new(source_of(&facts))));
        let stopped = !is_alive(facts.state.status);
        let logs = LogState { cursor: LogCursor::new(position), ..LogState::default() };
        Self {
            facts,
            restarts: RestartHistory::default(),
            source,
            logs,
            stats: None,
            stopped,
            stop_expected_until: None,
            checks: CheckClock::default(),
            checking: false,
            restart: None,
            out_of_memory: OutOfMemoryTracker::default(),
        }
    }

    pub fn observe(&self, now: Instant) -> Observation {
        let intent = match self.stop_expected_until {
            _ if self.stopped => Intent::Stop,
            Some(until) if now < until => Intent::Ending,
            _ => Intent::Run,
        };
        let state = &self.facts.state;
        Observation {
            status: state.status,
            exit_code: state.exit_code,
            health: state.health.as_ref().map(|health| health.status),
            policy: self.facts.restart,
            daemon_restarts: state.restarts,
            started_at: state.started_at,
            intent,
        }
    }

    pub fn metrics(&self) -> ContainerMetrics {
        let state = &self.facts.state;
        let up = state.status == ContainerStatus::Running;
        ContainerMetrics {
            name: self.facts.name.clone(),
            app: self.facts.app().map(str::to_owned),
            up,
            health: state.health.as_ref().map(|health| health.status).filter(|_| up),
            daemon_restarts: state.restarts,
            own_restarts: self.restarts.total(),
            given_up: self.restarts.has_given_up(),
            stats: self.stats.filter(|_| up),
        }
    }

    /// Whether there may be unread lines and no reader for them.
    pub fn needs_reader(&self) -> bool {
        let (state, logs) = (&self.facts.state, &self.logs);
        let new_run = state.started_at.is_some() && state.started_at != logs.run;
        !logs.reading && (new_run || (is_alive(state.status) && !logs.unreadable))
    }

    fn update(&mut self, facts: ContainerFacts) {
        if is_alive(facts.state.status) {
            self.stopped = false;
        }
        if facts.name != self.facts.name {
            *self.source.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(source_of(&facts));
        }
        self.facts = facts;
    }

    /// The next step once a restart by this program has stopped the container.
    pub fn next_step(&self, now: Instant) -> Option<NextStep> {
        let restart = self.restart.as_ref()?;
        let RestartStep::Stopped(at) = restart.step else { return None };
        Some(restart.next_step(now, at, self.facts.state.status, self.stopped))
    }

    /// The step of a restart that still has to be completed; `None` if the container is being stopped by someone else.
    pub fn unfinished_restart(&self) -> Option<RestartStep> {
        self.restart.as_ref().filter(|restart| !self.stopped && !restart.foreign_signal).map(|restart| restart.step)
    }

    /// The number of kills for lack of memory, if it should be reported.
    fn on_event(&mut self, kind: &EventKind, stop_events: StopEvents, now: Instant) -> Option<u32> {
        match kind {
            EventKind::Stopped => self.stopped = true,
            EventKind::Signalled(signal) => self.on_signal(*signal, now),
            EventKind::Started => {
                self.stopped = false;
                self.stop_expected_until = None;
            }
            EventKind::Died(_) => match &mut self.restart {
                Some(restart) => restart.died = true,
                None if stop_events == StopEvents::Missing => {
                    self.stopped = self.stop_expected_until.is_none_or(|until| until < now);
                }
                None => {}
            },
            _ => {}
        }
        self.out_of_memory.on_event(kind, now)
    }

    /// A signal from someone else may be the beginning of a stop.
    fn on_signal(&mut self, signal: Option<i64>, now: Instant) {
        if self.restart.as_mut().is_none_or(|restart| restart.is_foreign_signal(signal)) {
            let grace = self.facts.stop_grace.unwrap_or(DEFAULT_GRACE);
            self.stop_expected_until = Some(now + grace + STOP_WINDOW);
        }
    }
}

fn source_of(facts: &ContainerFacts) -> LogSource {
    LogSource { container: facts.name.clone(), app: facts.app().map(str::to_owned) }
}

fn is_alive(status: ContainerStatus) -> bool {
    matches!(status, ContainerStatus::Running | ContainerStatus::Paused | ContainerStatus::Restarting)
}

/// All supervised containers, and when to inspect them next.
pub struct ContainerSet {
    /// Names of apps or containers; empty for all.
    names: Vec<String>,
    /// Known containers by id.
    pub by_id: HashMap<String, SupervisedContainer>,
    inspections: HashMap<String, Instant>,
    /// Saved positions of containers that have not been seen yet.
    positions: BTreeMap<String, LogPosition>,
    stop_events: StopEvents,
}

/// Whether the engine emits an event when a container is stopped on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopEvents {
    /// A `stop` event (Docker).
    Emitted,
    /// No event (Podman): an exit without a preceding signal counts as a stop, because the engine itself restarts what exits on its own.
    Missing,
}

/// Whether an inspected container is new.
#[derive(Debug, PartialEq, Eq)]
pub enum Inspected {
    New,
    Known,
}

/// What an event means beyond a new inspection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventEffect {
    None,
    Removed,
    /// Killed for lack of memory `times` in a row, which should be reported.
    OutOfMemory {
        times: u32,
    },
}

impl ContainerSet {
    pub fn new(names: Vec<String>, positions: BTreeMap<String, LogPosition>, stop_events: StopEvents) -> Self {
        Self { names, by_id: HashMap::new(), inspections: HashMap::new(), positions, stop_events }
    }

    fn includes(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let ours = labels.get(MANAGED_LABEL).is_some_and(|value| value == "true");
        let app = labels.get(APP_LABEL).map(String::as_str);
        ours && (self.names.is_empty() || self.names.iter().any(|word| word == name || app == Some(word.as_str())))
    }

    /// Schedules an inspection of `id` at `when`, unless one is due earlier.
    pub fn schedule(&mut self, id: &str, when: Instant) {
        let due = self.inspections.entry(id.to_owned()).or_insert(when);
        *due = when.min(*due);
    }

    pub fn next_inspection(&self) -> Option<Instant> {
        self.inspections.values().min().copied()
    }

    /// The containers whose inspection is due; each is returned once.
    pub fn take_due(&mut self, now: Instant) -> Vec<String> {
        self.inspections.extract_if(|_, when| *when <= now).map(|(id, _)| id).collect()
    }

    pub fn on_event(&mut self, event: &ContainerEvent, now: Instant) -> EventEffect {
        if !self.by_id.contains_key(&event.id) && !self.includes(&event.name, &event.labels) {
            return EventEffect::None;
        }
        if event.kind == EventKind::Removed {
            return EventEffect::Removed;
        }
        let stops = self.stop_events;
        let times = self.by_id.get_mut(&event.id).and_then(|known| known.on_event(&event.kind, stops, now));
        let matters = match &event.kind {
            EventKind::Signalled(_) => false,
            EventKind::Other(word) => {
                matches!(word.as_str(), "pause" | "unpause" | "restart" | "update" | "health_status")
            }
            _ => true,
        };
        if matters {
            // Between the two steps of a restart there is no time to settle: a `docker stop` then only finds that the container is not
            // running, and emits no event.
            let between = self.by_id.get(&event.id).is_some_and(|known| known.next_step(now).is_some());
            self.schedule(&event.id, if between { now } else { now + SETTLE });
        }
        times.map_or(EventEffect::None, |times| EventEffect::OutOfMemory { times })
    }

    /// Compares a full list with the known containers, schedules inspections of what changed, and returns the ids that are gone.
    pub fn reconcile(&mut self, list: &[ContainerSummary], now: Instant) -> Vec<String> {
        let included: Vec<&ContainerSummary> =
            list.iter().filter(|entry| self.includes(&entry.name, &entry.labels)).collect();
        for entry in included {
            let same = self.by_id.get(&entry.id).is_some_and(|known| {
                let health = known.facts.state.health.as_ref().map(|health| health.status);
                // Unhealthy containers are inspected every time: whatever delayed the restart may be over.
                health != Some(HealthStatus::Unhealthy)
                    && known.facts.state.status == entry.status
                    && known.facts.name == entry.name
                    && (entry.status != ContainerStatus::Running || health == entry.health)
            });
            if !same {
                self.schedule(&entry.id, now);
            }
        }
        let is_listed = |id: &String| list.iter().any(|entry| entry.id == *id);
        let known = self.by_id.keys().chain(self.positions.keys()).chain(self.inspections.keys());
        let mut gone: Vec<String> = known.filter(|id| !is_listed(id)).cloned().collect();
        gone.sort_unstable();
        gone.dedup();
        gone
    }

    /// Updates the set with the result of an inspection; `None` if the container is not supervised.
    pub fn on_inspected(&mut self, facts: ContainerFacts) -> Option<Inspected> {
        if !self.includes(&facts.name, &facts.labels) && !self.by_id.contains_key(&facts.id) {
            return None;
        }
        if let Some(known) = self.by_id.get_mut(&facts.id) {
            known.update(facts);
            return Some(Inspected::Known);
        }
        let position = self.positions.remove(&facts.id).unwrap_or_default();
        self.by_id.insert(facts.id.clone(), SupervisedContainer::new(facts, position));
        Some(Inspected::New)
    }

    /// Removes a container that is gone.
    pub fn remove(&mut self, id: &str) -> Option<SupervisedContainer> {
        self.inspections.remove(id);
        self.positions.remove(id);
        self.by_id.remove(id)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartStep {
    Stopping,
    /// Since this time.
    Stopped(Instant),
    Starting,
}

/// A restart by this program while it is under way, as two steps: stop and start.
///
/// The container is stopped by signals, for which the daemon emits no `stop` event: so a `stop` event always comes from someone else, who
/// wins.
#[derive(Debug, Clone)]
pub struct OwnRestart {
    pub step: RestartStep,
    expected: ExpectedSignal,
    /// Someone else sent a signal too, and may be stopping it.
    foreign_signal: bool,
    /// The `die` event arrived, and with it all earlier events.
    died: bool,
}

/// The signal of ours whose event is expected next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExpectedSignal {
    StopSignal,
    /// When the first one was not enough.
    Kill,
    None,
}

/// What to do with a container that was stopped for a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Decide again at this time.
    Wait(Instant),
    Start,
    /// Someone else started it, or is removing it.
    Done,
    /// Someone else stopped it.
    Abandon,
}

impl OwnRestart {
    /// For a running container.
    pub fn of_running() -> Self {
        Self { step: RestartStep::Stopping, expected: ExpectedSignal::StopSignal, foreign_signal: false, died: false }
    }

    /// For an exited container: it only has to be started, which does no harm if someone else starts it meanwhile.
    pub fn of_exited() -> Self {
        Self { step: RestartStep::Starting, expected: ExpectedSignal::None, foreign_signal: false, died: true }
    }

    /// Whether a signal comes from someone else.
    pub fn is_foreign_signal(&mut self, signal: Option<i64>) -> bool {
        self.expected = match (self.expected, signal) {
            (ExpectedSignal::StopSignal, _) => ExpectedSignal::Kill,
            // Podman does not report the number.
            (ExpectedSignal::Kill, Some(SIGKILL) | None) => ExpectedSignal::None,
            _ => {
                self.foreign_signal = true;
                return true;
            }
        };
        false
    }

    /// `exited` is when the container exited; `stopped` whether someone else stopped it.
    fn next_step(&self, now: Instant, exited: Instant, status: ContainerStatus, stopped: bool) -> NextStep {
        if !matches!(status, ContainerStatus::Exited | ContainerStatus::Created) {
            return NextStep::Done;
        }
        if stopped {
            return NextStep::Abandon;
        }
        let until = match (self.foreign_signal, self.died) {
            (true, _) => exited + STOP_EVENT_DELAY,
            (false, false) => exited + DIE_EVENT_DELAY,
            (false, true) => return NextStep::Start,
        };
        if now < until { NextStep::Wait(until) } else { NextStep::Start }
    }
}

#[cfg(test)]
mod tests;
