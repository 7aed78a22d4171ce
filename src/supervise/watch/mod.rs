//! The loop: what the daemon tells → looks, restarts, readers of logs, samples, rows of the [`Board`].
//!
//! Survives the daemon: what breaks is told once and tried again. Never waits for a sink.

mod check;
mod restart;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep, sleep_until, timeout};

use self::restart::unless_leaving;
use super::fleet::{Change, Fleet, News};
use super::forward::Input;
use super::metrics::Board;
use super::notice::{Notice, Teller};
use super::policy::{Decision, RestartLimits};
use super::position::Cursor;
use super::tail::Tail;
use crate::docker::{
    ContainerError, ContainerEvent, ContainerFacts, ContainerStats, ContainerStatus, Containers, EndCause, EventQuery,
    ListQuery, Owner, Running,
};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// For a list or an inspection.
const PATIENCE: Duration = Duration::from_secs(20);
/// Before a log stream that ended is opened again.
const REOPEN: Duration = Duration::from_millis(500);
/// Samples that are taken at the same time.
const SAMPLERS: usize = 8;

/// Where lines go.
pub struct LogIntake {
    pub inputs: mpsc::Sender<Input>,
    pub room: Arc<Semaphore>,
    /// Nothing older is forwarded.
    pub beginning: DateTime<Utc>,
}

pub struct Watch<'a> {
    pub containers: &'a Containers,
    pub limits: RestartLimits,
    pub interval: Duration,
    pub fleet: Fleet,
    pub sampling: Sampling,
    pub board: Arc<Board>,
    pub teller: Teller,
    /// `None` without sinks.
    pub logs: Option<LogIntake>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    Idle,
    Underway,
}

/// What a task of the loop found.
enum Done {
    Check { id: String },
    End { id: String, result: Result<EndCause, ContainerError> },
    Start { id: String, result: Result<(), ContainerError> },
    Tail { id: String, cursor: Cursor, result: Result<(), ContainerError> },
    Samples(Vec<(String, Option<ContainerStats>)>),
}

#[derive(Default)]
struct Connection {
    last_event: Option<DateTime<Utc>>,
    lost: Option<Instant>,
    pause: Duration,
    /// The first list was seen.
    listed: bool,
}

impl Watch<'_> {
    /// Works until it is dropped.
    pub async fn run(&mut self) {
        let (mut tasks, mut connection) = (JoinSet::new(), Connection { pause: FIRST_PAUSE, ..Connection::default() });
        loop {
            let Err(reason) = self.connected(&mut tasks, &mut connection).await;
            self.board.snapshot().daemon_up = false;
            if connection.lost.is_none() {
                connection.lost = Some(Instant::now());
                self.teller.tell(Notice::DaemonLost { reason });
            }
            sleep(connection.pause).await;
            connection.pause = (connection.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Works until the daemon is lost, and says how.
    async fn connected(
        &mut self,
        tasks: &mut JoinSet<Done>,
        connection: &mut Connection,
    ) -> Result<Infallible, String> {
        // Events first: what happens during the list is not missed.
        let query = EventQuery { owner: Owner::Ours, container: None, since: connection.last_event };
        let events = timeout(PATIENCE, self.containers.events(&query)).await.map_err(|_| "no answer".to_owned())?;
        let mut events = events.map_err(|error| error.to_string())?;
        self.reconcile().await?;
        self.look(tasks, connection.listed).await?;
        self.answered(connection);
        let mut ticks = interval_at(tokio::time::Instant::now() + self.interval, self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.sample(tasks);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => self.note(&event, connection),
                    Some(Err(error)) => return Err(error.to_string()),
                    None => return Err("its event stream ended".to_owned()),
                },
                Some(done) = tasks.join_next() => {
                    // A task that panicked ended the program.
                    if let Ok(done) = done {
                        self.finished(done);
                    }
                }
                _ = ticks.tick() => {
                    self.reconcile().await?;
                    self.sample(tasks);
                }
                () = until(self.fleet.next_look()) => self.look(tasks, true).await?,
            }
        }
    }

    fn answered(&self, connection: &mut Connection) {
        self.board.snapshot().daemon_up = true;
        connection.pause = FIRST_PAUSE;
        if let Some(lost) = connection.lost.take() {
            self.teller.tell(Notice::DaemonBack { after: lost.elapsed() });
        }
        if !connection.listed {
            connection.listed = true;
            self.teller.tell(Notice::Watching { containers: self.fleet.watched.len() });
        }
    }

    fn note(&mut self, event: &ContainerEvent, connection: &mut Connection) {
        if event.time.is_some() && event.time == connection.last_event {
            // The first of a new stream was the last of the old one.
            return;
        }
        connection.last_event = event.time.or(connection.last_event);
        match self.fleet.note(event, Instant::now()) {
            News::Nothing => {}
            News::Gone => self.forget(&event.id),
            News::OutOfMemory { times } => self.tell_memory(&event.id, times),
        }
    }

    fn tell_memory(&self, id: &str, times: u32) {
        if let Some(facts) = self.fleet.watched.get(id).map(|watched| &watched.facts) {
            let (name, limit, policy) = (facts.name.clone(), facts.memory_limit, facts.restart);
            self.teller.tell(Notice::OutOfMemory { name, limit, times, policy });
        }
    }

    async fn reconcile(&mut self) -> Result<(), String> {
        let query = ListQuery { owner: Owner::Ours, running: Running::OrNot, app: None };
        let list = timeout(PATIENCE, self.containers.list(&query)).await.map_err(|_| "no answer".to_owned())?;
        let list = list.map_err(|error| error.to_string())?;
        for id in self.fleet.reconcile(&list, Instant::now()) {
            self.forget(&id);
        }
        Ok(())
    }

    fn forget(&mut self, id: &str) {
        self.board.snapshot().containers.remove(id);
        if let Some(watched) = self.fleet.remove(id) {
            self.teller.tell(Notice::Gone { name: watched.facts.name });
        }
        if let Some(logs) = &self.logs {
            // Full: the next start finds that it is gone.
            let _ = logs.inputs.try_send(Input::Forget(id.to_owned()));
        }
    }

    /// Inspects those whose time has come.
    async fn look(&mut self, tasks: &mut JoinSet<Done>, told: bool) -> Result<(), String> {
        for id in self.fleet.due(Instant::now()) {
            let answer = timeout(PATIENCE, self.containers.inspect(&id)).await.map_err(|_| "no answer".to_owned())?;
            match answer {
                Ok(facts) => self.see(facts, tasks, told),
                Err(ContainerError::NotFound { .. }) => self.forget(&id),
                Err(error) => {
                    self.fleet.look(&id, Instant::now());
                    return Err(error.to_string());
                }
            }
        }
        Ok(())
    }

    fn see(&mut self, facts: ContainerFacts, tasks: &mut JoinSet<Done>, told: bool) {
        let (id, name) = (facts.id.clone(), facts.name.clone());
        match self.fleet.see(facts) {
            Some(Change::Found) if told => self.teller.tell(Notice::Found { name }),
            Some(_) => {}
            None => return,
        }
        self.decide(&id, tasks);
        self.check(&id, tasks);
        self.read(&id, tasks);
        self.show(&id);
    }

    fn decide(&mut self, id: &str, tasks: &mut JoinSet<Done>) {
        let now = Instant::now();
        if let Some(verdict) = self.fleet.watched.get(id).and_then(|watched| watched.judge(now)) {
            return self.go_on(id, verdict, tasks);
        }
        let Some(watched) = self.fleet.watched.get_mut(id).filter(|watched| watched.own.is_none()) else { return };
        let name = watched.facts.name.clone();
        let observation = watched.observe(now);
        match watched.restarts.decide(now, &observation, &self.limits) {
            Decision::Nothing => {}
            Decision::Wait(due) => self.fleet.look(id, due),
            Decision::Restart { reason, attempt } => {
                self.teller.tell(Notice::Restarting { name, reason, attempt, budget: self.limits.budget });
                self.restart(id, reason, tasks);
            }
            Decision::GiveUp { reason, attempts } => {
                self.teller.tell(Notice::GivenUp { name, reason, attempts, window: self.limits.window });
            }
            Decision::Recovered => self.teller.tell(Notice::Recovered { name }),
        }
    }

    /// Begins to read its logs, when nobody does.
    fn read(&mut self, id: &str, tasks: &mut JoinSet<Done>) {
        let Some(logs) = &self.logs else { return };
        let Some(watched) = self.fleet.watched.get_mut(id).filter(|watched| watched.wants_reader()) else { return };
        watched.logs.reading = true;
        watched.logs.unreadable = false;
        watched.logs.run = watched.facts.state.started_at;
        let tail = Tail {
            containers: self.containers.clone(),
            id: id.into(),
            origin: Arc::clone(&watched.origin),
            cursor: watched.logs.cursor.clone(),
            beginning: logs.beginning,
            inputs: logs.inputs.clone(),
            room: Arc::clone(&logs.room),
        };
        let id = id.to_owned();
        tasks.spawn(async move {
            let containers = tail.containers.clone();
            let (cursor, result) = tail.run().await;
            let result = unless_leaving(&containers, &id, result).await;
            Done::Tail { id, cursor, result }
        });
    }

    fn show(&self, id: &str) {
        if let Some(watched) = self.fleet.watched.get(id) {
            self.board.snapshot().containers.insert(id.to_owned(), watched.row());
        }
    }

    fn sample(&mut self, tasks: &mut JoinSet<Done>) {
        if !self.board.is_scraped(Instant::now()) {
            // What is old would be taken for new by the next scrape.
            return self.forget_samples();
        }
        let running = |status| status == ContainerStatus::Running;
        let ids = self.fleet.watched.iter().filter(|(_, watched)| running(watched.facts.state.status));
        let ids: Vec<String> = ids.map(|(id, _)| id.clone()).collect();
        if self.sampling == Sampling::Underway || ids.is_empty() {
            return;
        }
        self.sampling = Sampling::Underway;
        let containers = self.containers.clone();
        tasks.spawn(async move {
            let take = |id: String| {
                let containers = containers.clone();
                // It may have ended meanwhile.
                async move { (containers.stats_once(&id).await.ok(), id) }
            };
            let samples = futures_util::stream::iter(ids).map(take).buffer_unordered(SAMPLERS);
            Done::Samples(samples.map(|(stats, id)| (id, stats)).collect().await)
        });
    }

    fn forget_samples(&mut self) {
        for watched in self.fleet.watched.values_mut() {
            watched.stats = None;
        }
        for row in self.board.snapshot().containers.values_mut() {
            row.stats = None;
        }
    }

    fn finished(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Check { id } => self.checked(&id),
            Done::End { id, result } => self.ended(&id, result),
            Done::Start { id, result } => self.started(&id, result),
            Done::Tail { id, cursor, result } => {
                let Some(watched) = self.fleet.watched.get_mut(&id) else { return };
                watched.logs.reading = false;
                watched.logs.cursor = cursor;
                match result {
                    Ok(()) | Err(ContainerError::Daemon(_) | ContainerError::NotFound { .. }) => {}
                    Err(error) => {
                        watched.logs.unreadable = true;
                        let (name, reason) = (watched.facts.name.clone(), error.to_string());
                        self.teller.tell(Notice::LogsUnreadable { name, reason });
                    }
                }
                self.fleet.look(&id, now + REOPEN);
            }
            Done::Samples(samples) => {
                self.sampling = Sampling::Idle;
                for (id, stats) in samples {
                    if let Some(watched) = self.fleet.watched.get_mut(&id) {
                        watched.stats = stats;
                        self.show(&id);
                    }
                }
            }
        }
    }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}
