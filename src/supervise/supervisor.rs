//! The supervision loop: daemon events → inspections, restarts, log readers, usage samples and updates of the [`MetricsRegistry`].
//!
//! Survives a lost daemon: a failure is reported once and retried. Never waits for a sink.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep, sleep_until, timeout};

use super::container_set::{ContainerSet, EventEffect, Inspected, NextStep, OwnRestart, RestartStep};
use super::event::{SupervisorEvent, SupervisorEventSender};
use super::forward::{ForwardMessage, LogReader};
use super::metrics::MetricsRegistry;
use super::policy::{RestartDecision, RestartLimits, RestartReason};
use super::state::LogCursor;
use crate::docker::{
    ContainerError, ContainerEvent, ContainerFacts, ContainerStats, ContainerStatus, Containers, EndCause, EventQuery,
    ListQuery, Owner, Running,
};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// For a list, an inspection or the opening of the event stream.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Before a log stream that ended is reopened.
const REOPEN_DELAY: Duration = Duration::from_millis(500);
/// Usage samples that are taken concurrently.
const CONCURRENT_SAMPLES: usize = 8;

/// The daemon carries out the requests even if their responses are not awaited.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(2);

/// Where log lines go.
pub struct LogIntake {
    pub messages: mpsc::Sender<ForwardMessage>,
    pub queue_space: Arc<Semaphore>,
    /// Older lines are never forwarded.
    pub beginning: DateTime<Utc>,
}

pub struct Supervisor<'a> {
    pub docker: &'a Containers,
    pub limits: RestartLimits,
    pub interval: Duration,
    pub containers: ContainerSet,
    pub sampling: Sampling,
    pub metrics: Arc<MetricsRegistry>,
    pub events: SupervisorEventSender,
    /// `None` without sinks.
    pub logs: Option<LogIntake>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    Idle,
    Running,
}

/// The result of a background task.
enum TaskResult {
    Check { id: String },
    End { id: String, result: Result<EndCause, ContainerError> },
    Start { id: String, result: Result<(), ContainerError> },
    LogReader { id: String, cursor: LogCursor, result: Result<(), ContainerError> },
    Samples(Vec<(String, Option<ContainerStats>)>),
}

#[derive(Default)]
struct DaemonLink {
    last_event: Option<DateTime<Utc>>,
    lost: Option<Instant>,
    pause: Duration,
    /// The first list was processed.
    listed: bool,
}

impl Supervisor<'_> {
    /// Runs until it is dropped.
    pub async fn run(&mut self) {
        let (mut tasks, mut link) = (JoinSet::new(), DaemonLink { pause: FIRST_PAUSE, ..DaemonLink::default() });
        loop {
            let Err(reason) = self.connected(&mut tasks, &mut link).await;
            self.metrics.snapshot().daemon_up = false;
            if link.lost.is_none() {
                link.lost = Some(Instant::now());
                self.events.send(SupervisorEvent::DaemonLost { reason });
            }
            sleep(link.pause).await;
            link.pause = (link.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Runs until the connection to the daemon is lost; the error is the reason.
    async fn connected(
        &mut self,
        tasks: &mut JoinSet<TaskResult>,
        link: &mut DaemonLink,
    ) -> Result<Infallible, String> {
        // Subscribe first, so that no event between list and subscription is missed.
        let query = EventQuery { owner: Owner::Ours, container: None, since: link.last_event };
        let events =
            timeout(REQUEST_TIMEOUT, self.docker.events(&query)).await.map_err(|_| "no response".to_owned())?;
        let mut events = events.map_err(|error| error.to_string())?;
        self.reconcile().await?;
        self.inspect_due(tasks, link.listed).await?;
        self.on_connected(link);
        let mut ticks = interval_at(tokio::time::Instant::now() + self.interval, self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.start_sampling(tasks);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => self.on_event(&event, link),
                    Some(Err(error)) => return Err(error.to_string()),
                    None => return Err("the event stream ended".to_owned()),
                },
                Some(done) = tasks.join_next() => {
                    // A panic in a task aborts the program, so errors cannot occur here.
                    if let Ok(done) = done {
                        self.on_task_finished(done);
                    }
                }
                _ = ticks.tick() => {
                    self.reconcile().await?;
                    self.start_sampling(tasks);
                }
                () = until(self.containers.next_inspection()) => self.inspect_due(tasks, true).await?,
            }
        }
    }

    fn on_connected(&self, link: &mut DaemonLink) {
        self.metrics.snapshot().daemon_up = true;
        link.pause = FIRST_PAUSE;
        if let Some(lost) = link.lost.take() {
            self.events.send(SupervisorEvent::DaemonBack { after: lost.elapsed() });
        }
        if !link.listed {
            link.listed = true;
            self.events.send(SupervisorEvent::Watching { containers: self.containers.by_id.len() });
        }
    }

    fn on_event(&mut self, event: &ContainerEvent, link: &mut DaemonLink) {
        if event.time.is_some() && event.time == link.last_event {
            // The first event of a new stream repeats the last one of the old stream.
            return;
        }
        link.last_event = event.time.or(link.last_event);
        match self.containers.on_event(event, Instant::now()) {
            EventEffect::None => {}
            EventEffect::Removed => self.remove(&event.id),
            EventEffect::OutOfMemory { times } => self.report_out_of_memory(&event.id, times),
        }
    }

    fn report_out_of_memory(&self, id: &str, times: u32) {
        if let Some(facts) = self.containers.by_id.get(id).map(|container| &container.facts) {
            let (name, limit, policy) = (facts.name.clone(), facts.memory_limit, facts.restart);
            self.events.send(SupervisorEvent::OutOfMemory { name, limit, times, policy });
        }
    }

    async fn reconcile(&mut self) -> Result<(), String> {
        let query = ListQuery { owner: Owner::Ours, running: Running::OrNot, app: None };
        let list = timeout(REQUEST_TIMEOUT, self.docker.list(&query)).await.map_err(|_| "no response".to_owned())?;
        let list = list.map_err(|error| error.to_string())?;
        for id in self.containers.reconcile(&list, Instant::now()) {
            self.remove(&id);
        }
        Ok(())
    }

    fn remove(&mut self, id: &str) {
        self.metrics.snapshot().containers.remove(id);
        if let Some(container) = self.containers.remove(id) {
            self.events.send(SupervisorEvent::Gone { name: container.facts.name });
        }
        if let Some(logs) = &self.logs {
            // If the queue is full, the next start notices that it is gone.
            let _ = logs.messages.try_send(ForwardMessage::Remove(id.to_owned()));
        }
    }

    /// Inspects the containers whose inspection is due.
    async fn inspect_due(&mut self, tasks: &mut JoinSet<TaskResult>, report: bool) -> Result<(), String> {
        for id in self.containers.take_due(Instant::now()) {
            let inspected =
                timeout(REQUEST_TIMEOUT, self.docker.inspect(&id)).await.map_err(|_| "no response".to_owned())?;
            match inspected {
                Ok(facts) => self.on_inspected(facts, tasks, report),
                Err(ContainerError::NotFound { .. }) => self.remove(&id),
                Err(error) => {
                    self.containers.schedule(&id, Instant::now());
                    return Err(error.to_string());
                }
            }
        }
        Ok(())
    }

    fn on_inspected(&mut self, facts: ContainerFacts, tasks: &mut JoinSet<TaskResult>, report: bool) {
        let (id, name) = (facts.id.clone(), facts.name.clone());
        match self.containers.on_inspected(facts) {
            Some(Inspected::New) if report => self.events.send(SupervisorEvent::Found { name }),
            Some(_) => {}
            None => return,
        }
        self.decide(&id, tasks);
        self.run_health_check(&id, tasks);
        self.start_reader(&id, tasks);
        self.publish_metrics(&id);
    }

    fn decide(&mut self, id: &str, tasks: &mut JoinSet<TaskResult>) {
        let now = Instant::now();
        if let Some(step) = self.containers.by_id.get(id).and_then(|container| container.next_step(now)) {
            return self.advance_restart(id, step, tasks);
        }
        let Some(container) = self.containers.by_id.get_mut(id).filter(|container| container.restart.is_none()) else {
            return;
        };
        let name = container.facts.name.clone();
        let observation = container.observe(now);
        match container.restarts.decide(now, &observation, &self.limits) {
            RestartDecision::Nothing => {}
            RestartDecision::Wait(due) => self.containers.schedule(id, due),
            RestartDecision::Restart { reason, attempt } => {
                self.events.send(SupervisorEvent::Restarting { name, reason, attempt, budget: self.limits.budget });
                self.begin_restart(id, reason, tasks);
            }
            RestartDecision::GiveUp { reason, attempts } => {
                self.events.send(SupervisorEvent::GivenUp { name, reason, attempts, window: self.limits.window });
            }
            RestartDecision::Recovered => self.events.send(SupervisorEvent::Recovered { name }),
        }
    }

    /// Starts a log reader, unless one is running.
    fn start_reader(&mut self, id: &str, tasks: &mut JoinSet<TaskResult>) {
        let Some(logs) = &self.logs else { return };
        let Some(container) = self.containers.by_id.get_mut(id).filter(|container| container.needs_reader()) else {
            return;
        };
        container.logs.reading = true;
        container.logs.unreadable = false;
        container.logs.run = container.facts.state.started_at;
        let reader = LogReader {
            containers: self.docker.clone(),
            id: id.into(),
            source: Arc::clone(&container.source),
            cursor: container.logs.cursor.clone(),
            beginning: logs.beginning,
            messages: logs.messages.clone(),
            queue_space: Arc::clone(&logs.queue_space),
        };
        let id = id.to_owned();
        tasks.spawn(async move {
            let containers = reader.containers.clone();
            let (cursor, result) = reader.run().await;
            let result = unless_being_removed(&containers, &id, result).await;
            TaskResult::LogReader { id, cursor, result }
        });
    }

    fn publish_metrics(&self, id: &str) {
        if let Some(container) = self.containers.by_id.get(id) {
            self.metrics.snapshot().containers.insert(id.to_owned(), container.metrics());
        }
    }

    fn start_sampling(&mut self, tasks: &mut JoinSet<TaskResult>) {
        if !self.metrics.is_scraped(Instant::now()) {
            // The next scrape would take old samples for current ones.
            return self.clear_stats();
        }
        let running = |status| status == ContainerStatus::Running;
        let ids = self.containers.by_id.iter().filter(|(_, container)| running(container.facts.state.status));
        let ids: Vec<String> = ids.map(|(id, _)| id.clone()).collect();
        if self.sampling == Sampling::Running || ids.is_empty() {
            return;
        }
        self.sampling = Sampling::Running;
        let containers = self.docker.clone();
        tasks.spawn(async move {
            let sample = |id: String| {
                let containers = containers.clone();
                // It may have exited meanwhile.
                async move { (containers.stats_once(&id).await.ok(), id) }
            };
            let samples = futures_util::stream::iter(ids).map(sample).buffer_unordered(CONCURRENT_SAMPLES);
            TaskResult::Samples(samples.map(|(stats, id)| (id, stats)).collect().await)
        });
    }

    fn clear_stats(&mut self) {
        for container in self.containers.by_id.values_mut() {
            container.stats = None;
        }
        for row in self.metrics.snapshot().containers.values_mut() {
            row.stats = None;
        }
    }

    fn on_task_finished(&mut self, done: TaskResult) {
        let now = Instant::now();
        match done {
            TaskResult::Check { id } => self.on_health_checked(&id),
            TaskResult::End { id, result } => self.on_stopped(&id, result),
            TaskResult::Start { id, result } => self.on_started(&id, result),
            TaskResult::LogReader { id, cursor, result } => {
                let Some(container) = self.containers.by_id.get_mut(&id) else { return };
                container.logs.reading = false;
                container.logs.cursor = cursor;
                match result {
                    Ok(()) | Err(ContainerError::Daemon(_) | ContainerError::NotFound { .. }) => {}
                    Err(error) => {
                        container.logs.unreadable = true;
                        let (name, reason) = (container.facts.name.clone(), error.to_string());
                        self.events.send(SupervisorEvent::LogsUnreadable { name, reason });
                    }
                }
                self.containers.schedule(&id, now + REOPEN_DELAY);
            }
            TaskResult::Samples(samples) => {
                self.sampling = Sampling::Idle;
                for (id, stats) in samples {
                    if let Some(container) = self.containers.by_id.get_mut(&id) {
                        container.stats = stats;
                        self.publish_metrics(&id);
                    }
                }
            }
        }
    }

    /// Triggers the health check where the engine does not run it by itself (Podman without systemd).
    fn run_health_check(&mut self, id: &str, tasks: &mut JoinSet<TaskResult>) {
        let Some(container) = self.containers.by_id.get_mut(id).filter(|_| self.docker.leaves_checks()) else {
            return;
        };
        let now = Instant::now();
        let Some(due) = container.checks.due(&container.facts, now).filter(|_| !container.checking) else { return };
        if now < due {
            return self.containers.schedule(id, due);
        }
        container.checking = true;
        let (containers, id) = (self.docker.clone(), id.to_owned());
        tasks.spawn(async move {
            // The next inspection shows the result.
            let _ = containers.check_health(&id).await;
            TaskResult::Check { id }
        });
    }

    fn on_health_checked(&mut self, id: &str) {
        let now = Instant::now();
        let Some(container) = self.containers.by_id.get_mut(id) else { return };
        container.checking = false;
        container.checks.checked(now);
        self.containers.schedule(id, now);
    }

    fn begin_restart(&mut self, id: &str, reason: RestartReason, tasks: &mut JoinSet<TaskResult>) {
        let Some(container) = self.containers.by_id.get_mut(id) else { return };
        match reason {
            RestartReason::Unhealthy => {
                container.restart = Some(OwnRestart::of_running());
                let (containers, id) = (self.docker.clone(), id.to_owned());
                tasks.spawn(async move { TaskResult::End { result: containers.end(&id).await, id } });
            }
            RestartReason::Exited(_) => {
                container.restart = Some(OwnRestart::of_exited());
                self.start_container(id, tasks);
            }
        }
    }

    /// Continues a restart after the container has stopped, unless someone else intervened.
    fn advance_restart(&mut self, id: &str, step: NextStep, tasks: &mut JoinSet<TaskResult>) {
        let Some(container) = self.containers.by_id.get_mut(id) else { return };
        match step {
            NextStep::Wait(until) => self.containers.schedule(id, until),
            NextStep::Start => self.start_container(id, tasks),
            NextStep::Done => container.restart = None,
            NextStep::Abandon => {
                container.restart = None;
                self.events.send(SupervisorEvent::StoppedMeanwhile { name: container.facts.name.clone() });
            }
        }
    }

    fn start_container(&mut self, id: &str, tasks: &mut JoinSet<TaskResult>) {
        if let Some(restart) = self.containers.by_id.get_mut(id).and_then(|container| container.restart.as_mut()) {
            restart.step = RestartStep::Starting;
        }
        let (containers, id) = (self.docker.clone(), id.to_owned());
        tasks.spawn(async move {
            let result = containers.start(&id).await;
            TaskResult::Start { result: unless_being_removed(&containers, &id, result).await, id }
        });
    }

    fn on_stopped(&mut self, id: &str, result: Result<EndCause, ContainerError>) {
        let now = Instant::now();
        let Some(container) = self.containers.by_id.get_mut(id) else { return };
        match (result, &mut container.restart) {
            (Ok(EndCause::Signalled), Some(restart)) => restart.step = RestartStep::Stopped(now),
            // It exited on its own or was stopped by someone else: the next inspection decides.
            (Ok(_), restart) => *restart = None,
            (Err(error), restart) => {
                *restart = None;
                self.report_restart_failure(id, &error);
            }
        }
        self.containers.schedule(id, now);
    }

    fn on_started(&mut self, id: &str, result: Result<(), ContainerError>) {
        let Some(container) = self.containers.by_id.get_mut(id) else { return };
        container.restart = None;
        if let Err(error) = result {
            self.report_restart_failure(id, &error);
        }
        self.containers.schedule(id, Instant::now());
    }

    fn report_restart_failure(&self, id: &str, error: &ContainerError) {
        // A lost connection is reported by the loop.
        if matches!(error, ContainerError::Daemon(_) | ContainerError::NotFound { .. }) {
            return;
        }
        if let Some(container) = self.containers.by_id.get(id) {
            let (name, reason) = (container.facts.name.clone(), error.to_string());
            self.events.send(SupervisorEvent::RestartFailed { name, reason });
        }
    }

    /// Hands the restarts under way to the daemon when this program exits: otherwise a container that was stopped would stay stopped.
    pub fn complete_restarts(&self) -> impl Future<Output = ()> + use<> {
        let unfinished = self.containers.by_id.iter();
        let unfinished = unfinished.filter_map(|(id, container)| Some((id.clone(), container.unfinished_restart()?)));
        let requests: Vec<_> = unfinished.map(|(id, step)| complete_restart(self.docker.clone(), id, step)).collect();
        async move {
            let _ = timeout(COMPLETION_TIMEOUT, join_all(requests)).await;
        }
    }
}

async fn complete_restart(containers: Containers, id: String, step: RestartStep) {
    // The program is exiting: failures are no longer reported.
    let _ = match step {
        RestartStep::Stopping => containers.restart(&id, None).await,
        RestartStep::Stopped(_) | RestartStep::Starting => containers.start(&id).await,
    };
}

/// Ignores errors about a container that is gone or being removed.
async fn unless_being_removed(
    containers: &Containers,
    id: &str,
    result: Result<(), ContainerError>,
) -> Result<(), ContainerError> {
    let error = match result {
        Ok(()) | Err(ContainerError::Daemon(_) | ContainerError::NotFound { .. }) => return result,
        Err(error) => error,
    };
    match containers.inspect(id).await {
        Ok(facts) if matches!(facts.state.status, ContainerStatus::Removing | ContainerStatus::Dead) => Ok(()),
        Err(ContainerError::NotFound { .. }) => Ok(()),
        _ => Err(error),
    }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}
