//! The containers that are watched, as far as the daemon told: events and looks in, what is to be looked at next out.
//!
//! Never asks the daemon itself; the time is given.

mod own;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use own::{OwnRestart, Step, Verdict};

use super::metrics::Row;
use super::policy::{Intent, MemoryEnds, Observation, Restarts};
use super::position::{Cursor, Position};
use super::record::Origin;
use crate::docker::{
    APP_LABEL, CheckClock, ContainerEvent, ContainerFacts, ContainerStats, ContainerStatus, ContainerSummary,
    EventKind, HealthStatus, MANAGED_LABEL,
};

/// Events come in groups (kill, die, stop): one look after the last one is enough.
const SETTLE: Duration = Duration::from_millis(200);
/// The daemon's grace where the container has none.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// How long a signal by somebody may be the beginning of a stop, beyond the grace.
const ENDING: Duration = Duration::from_secs(20);

/// Whose lines a reader reads; renamed while it reads.
pub type SharedOrigin = Arc<Mutex<Arc<Origin>>>;

/// One container that is watched.
pub struct Watched {
    pub facts: ContainerFacts,
    pub restarts: Restarts,
    pub origin: SharedOrigin,
    pub logs: LogState,
    pub stats: Option<ContainerStats>,
    stopped: bool,
    /// Somebody sent a signal, and may stop it until then.
    ending_until: Option<Instant>,
    /// Of the health check, where the engine runs none.
    pub checks: CheckClock,
    pub checking: bool,
    /// Our own restart of it while it is done.
    pub own: Option<OwnRestart>,
    memory: MemoryEnds,
}

/// How far its logs are.
#[derive(Default)]
pub struct LogState {
    pub cursor: Cursor,
    pub reading: bool,
    /// The run that was or is being read, by its start.
    pub run: Option<chrono::DateTime<chrono::Utc>>,
    /// Its logging driver gives nothing back.
    pub unreadable: bool,
}

impl Watched {
    fn new(facts: ContainerFacts, position: Position) -> Self {
        let origin = Arc::new(Mutex::new(Arc::new(origin(&facts))));
        let stopped = !is_alive(facts.state.status);
        let logs = LogState { cursor: Cursor::new(position), ..LogState::default() };
        Self {
            facts,
            restarts: Restarts::default(),
            origin,
            logs,
            stats: None,
            stopped,
            ending_until: None,
            checks: CheckClock::default(),
            checking: false,
            own: None,
            memory: MemoryEnds::default(),
        }
    }

    pub fn observe(&self, now: Instant) -> Observation {
        let intent = match self.ending_until {
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

    pub fn row(&self) -> Row {
        let state = &self.facts.state;
        let up = state.status == ContainerStatus::Running;
        Row {
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

    /// Whether there may be lines that nobody reads.
    pub fn wants_reader(&self) -> bool {
        let (state, logs) = (&self.facts.state, &self.logs);
        let new_run = state.started_at.is_some() && state.started_at != logs.run;
        !logs.reading && (new_run || (is_alive(state.status) && !logs.unreadable))
    }

    fn update(&mut self, facts: ContainerFacts) {
        if is_alive(facts.state.status) {
            self.stopped = false;
        }
        if facts.name != self.facts.name {
            *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(origin(&facts));
        }
        self.facts = facts;
    }

    /// What follows when our own restart has ended it.
    pub fn judge(&self, now: Instant) -> Option<Verdict> {
        let own = self.own.as_ref()?;
        let Step::Ended(ended) = own.step else { return None };
        Some(own.judge(now, ended, self.facts.state.status, self.stopped))
    }

    /// How far our own restart of it is, unless somebody else stops it.
    pub fn begun(&self) -> Option<Step> {
        self.own.as_ref().filter(|own| !self.stopped && !own.is_joined()).map(|own| own.step)
    }

    /// How often it was ended for its memory, when that is to be told.
    fn note(&mut self, kind: &EventKind, stops: Stops, now: Instant) -> Option<u32> {
        match kind {
            EventKind::Stopped => self.stopped = true,
            EventKind::Signalled(signal) => self.note_signal(*signal, now),
            EventKind::Started => {
                self.stopped = false;
                self.ending_until = None;
            }
            EventKind::Died(_) => match &mut self.own {
                Some(own) => own.note_end(),
                None if stops == Stops::Silent => self.stopped = self.ending_until.is_none_or(|until| until < now),
                None => {}
            },
            _ => {}
        }
        self.memory.note(kind, now)
    }

    /// A signal by somebody else may be the beginning of a stop.
    fn note_signal(&mut self, signal: Option<i64>, now: Instant) {
        if self.own.as_mut().is_none_or(|own| own.note_signal(signal)) {
            let grace = self.facts.stop_grace.unwrap_or(DEFAULT_GRACE);
            self.ending_until = Some(now + grace + ENDING);
        }
    }
}

fn origin(facts: &ContainerFacts) -> Origin {
    Origin { container: facts.name.clone(), app: facts.app().map(str::to_owned) }
}

fn is_alive(status: ContainerStatus) -> bool {
    matches!(status, ContainerStatus::Running | ContainerStatus::Paused | ContainerStatus::Restarting)
}

/// All of them, and when to look at which.
pub struct Fleet {
    /// Names of apps or containers; all when empty.
    wanted: Vec<String>,
    pub watched: HashMap<String, Watched>,
    looks: HashMap<String, Instant>,
    /// Of containers that were not seen yet.
    positions: BTreeMap<String, Position>,
    stops: Stops,
}

/// How it is known that somebody stopped a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stops {
    /// By an event of its own.
    Told,
    /// By an end without a signal from somebody: what ends by itself is started again by the engine (Podman).
    Silent,
}

/// What a look changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    Found,
    Seen,
}

/// What an event says beyond a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    Nothing,
    Gone,
    /// It was ended for its memory, `times` in a row, and that is to be told.
    OutOfMemory {
        times: u32,
    },
}

impl Fleet {
    pub fn new(wanted: Vec<String>, positions: BTreeMap<String, Position>, stops: Stops) -> Self {
        Self { wanted, watched: HashMap::new(), looks: HashMap::new(), positions, stops }
    }

    fn wants(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let ours = labels.get(MANAGED_LABEL).is_some_and(|value| value == "true");
        let app = labels.get(APP_LABEL).map(String::as_str);
        ours && (self.wanted.is_empty() || self.wanted.iter().any(|word| word == name || app == Some(word.as_str())))
    }

    /// Looks at `id` at `when`, or before.
    pub fn look(&mut self, id: &str, when: Instant) {
        let look = self.looks.entry(id.to_owned()).or_insert(when);
        *look = when.min(*look);
    }

    pub fn next_look(&self) -> Option<Instant> {
        self.looks.values().min().copied()
    }

    /// The containers whose time has come.
    pub fn due(&mut self, now: Instant) -> Vec<String> {
        self.looks.extract_if(|_, when| *when <= now).map(|(id, _)| id).collect()
    }

    pub fn note(&mut self, event: &ContainerEvent, now: Instant) -> News {
        if !self.watched.contains_key(&event.id) && !self.wants(&event.name, &event.labels) {
            return News::Nothing;
        }
        if event.kind == EventKind::Removed {
            return News::Gone;
        }
        let stops = self.stops;
        let times = self.watched.get_mut(&event.id).and_then(|known| known.note(&event.kind, stops, now));
        let matters = match &event.kind {
            EventKind::Signalled(_) => false,
            EventKind::Other(word) => {
                matches!(word.as_str(), "pause" | "unpause" | "restart" | "update" | "health_status")
            }
            _ => true,
        };
        if matters {
            // Between the two steps of a restart nothing is waited for: who stops it then is told that it does not run, and we are not.
            let between = self.watched.get(&event.id).is_some_and(|known| known.judge(now).is_some());
            self.look(&event.id, if between { now } else { now + SETTLE });
        }
        times.map_or(News::Nothing, |times| News::OutOfMemory { times })
    }

    /// Compares a whole list with what is known; the ids that are gone.
    pub fn reconcile(&mut self, list: &[ContainerSummary], now: Instant) -> Vec<String> {
        let wanted: Vec<&ContainerSummary> =
            list.iter().filter(|entry| self.wants(&entry.name, &entry.labels)).collect();
        for entry in wanted {
            let same = self.watched.get(&entry.id).is_some_and(|known| {
                let health = known.facts.state.health.as_ref().map(|health| health.status);
                // Unhealthy: what held its restart back may be over.
                health != Some(HealthStatus::Unhealthy)
                    && known.facts.state.status == entry.status
                    && known.facts.name == entry.name
                    && (entry.status != ContainerStatus::Running || health == entry.health)
            });
            if !same {
                self.look(&entry.id, now);
            }
        }
        let is_listed = |id: &String| list.iter().any(|entry| entry.id == *id);
        let known = self.watched.keys().chain(self.positions.keys()).chain(self.looks.keys());
        let mut gone: Vec<String> = known.filter(|id| !is_listed(id)).cloned().collect();
        gone.sort_unstable();
        gone.dedup();
        gone
    }

    /// Takes what an inspection says; `None` when it is none of those that are watched.
    pub fn see(&mut self, facts: ContainerFacts) -> Option<Change> {
        if !self.wants(&facts.name, &facts.labels) && !self.watched.contains_key(&facts.id) {
            return None;
        }
        if let Some(known) = self.watched.get_mut(&facts.id) {
            known.update(facts);
            return Some(Change::Seen);
        }
        let position = self.positions.remove(&facts.id).unwrap_or_default();
        self.watched.insert(facts.id.clone(), Watched::new(facts, position));
        Some(Change::Found)
    }

    /// Forgets one that is gone.
    pub fn remove(&mut self, id: &str) -> Option<Watched> {
        self.looks.remove(id);
        self.positions.remove(id);
        self.watched.remove(id)
    }
}

#[cfg(test)]
mod tests;
