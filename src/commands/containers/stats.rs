//! `nextdeploy stats`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::{BoxStream, SelectAll};
use tokio::time::{MissedTickBehavior, interval};

use super::{connect, owner};
use crate::commands::{Session, block_on};
use crate::config::cli::{CliSettings, StatsArgs};
use crate::diagnostic::ExitCode;
use crate::docker::{
    ContainerError, ContainerStats, ContainerStatus, ContainerSummary, Containers, ListQuery, Running,
};
use crate::error::Error;
use crate::host;
use crate::pipeline::Stop;
use crate::report::containers::{UsageResult, render_usage};

/// The interval at which the daemon sends samples.
const INTERVAL: Duration = Duration::from_secs(1);

pub fn run(session: &Session, verb: &StatsArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    block_on(show(session, verb, words))?
}

async fn show(session: &Session, verb: &StatsArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let stop = Stop::on_signals();
    let containers = connect(session, words).await?;
    if verb.follow {
        return tokio::select! {
            ended = follow(session, &containers, verb) => ended,
            () = stop.clone().requested() => Ok(stop.code().unwrap_or(ExitCode::Interrupted)),
        };
    }
    let samples = sample(&containers, verb).await?;
    if verb.json {
        session.json(&samples)?;
    } else {
        session.text(&render_usage(&samples))?;
    }
    Ok(ExitCode::Ok)
}

/// The containers of the command line, else all that run.
async fn select(containers: &Containers, verb: &StatsArgs) -> Result<Vec<ContainerSummary>, Error> {
    if verb.containers.is_empty() {
        let query = ListQuery { owner: owner(verb.any), running: Running::Only, app: None };
        return Ok(containers.list(&query).await?);
    }
    let mut selected = Vec::new();
    for name in &verb.containers {
        selected.push(containers.find(name, owner(verb.any)).await?);
    }
    Ok(selected)
}

/// One sample of each; a container that has stopped has none.
async fn sample(containers: &Containers, verb: &StatsArgs) -> Result<Vec<UsageResult>, Error> {
    let selected = select(containers, verb).await?;
    let samples = join_all(selected.iter().map(|one| containers.stats_once(&one.id))).await;
    let results = selected.iter().zip(samples).map(|(one, sample)| match sample {
        Ok(stats) => Ok(UsageResult { name: one.name.clone(), stats: Some(stats) }),
        Err(ContainerError::NotRunning { .. } | ContainerError::NotFound { .. }) => {
            Ok(UsageResult { name: one.name.clone(), stats: None })
        }
        Err(error) => Err(error.into()),
    });
    results.collect()
}

/// A sample, or the end of them, by the id of the container.
type Samples = BoxStream<'static, (String, Option<Result<ContainerStats, ContainerError>>)>;

/// The samples of all containers.
struct SampleStreams {
    samples: SelectAll<Samples>,
    /// Ids of containers with a stream.
    open: BTreeSet<String>,
    /// The last sample by id.
    latest: BTreeMap<String, ContainerStats>,
}

impl SampleStreams {
    /// Opens streams for new containers, and drops the samples of those that no longer run.
    async fn update(&mut self, containers: &Containers, selected: &[ContainerSummary]) -> Result<(), Error> {
        let running = || selected.iter().filter(|one| one.status == ContainerStatus::Running);
        self.latest.retain(|id, _| running().any(|one| one.id == *id));
        for one in running() {
            if self.open.contains(&one.id) {
                continue;
            }
            let samples = match containers.stats(&one.id).await {
                Ok(samples) => samples,
                Err(ContainerError::NotFound { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let id = one.id.clone();
            let ended = futures_util::stream::iter([(id.clone(), None)]);
            self.samples.push(samples.map(move |sample| (id.clone(), Some(sample))).chain(ended).boxed());
            self.open.insert(one.id.clone());
        }
        Ok(())
    }

    fn record(&mut self, (id, sample): (String, Option<Result<ContainerStats, ContainerError>>)) -> Result<(), Error> {
        match sample {
            Some(stats) => drop(self.latest.insert(id, stats?)),
            None => drop(self.open.remove(&id)),
        }
        Ok(())
    }

    /// A container that has just started has no sample yet and is left out.
    fn rows(&self, selected: &[ContainerSummary]) -> Vec<UsageResult> {
        let row = |one: &ContainerSummary| {
            let name = one.name.clone();
            if one.status != ContainerStatus::Running {
                return Some(UsageResult { name, stats: None });
            }
            let stats = *self.latest.get(&one.id)?;
            Some(UsageResult { name, stats: Some(stats) })
        };
        selected.iter().filter_map(row).collect()
    }
}

/// Prints the last samples every second, until there is an error.
async fn follow(session: &Session, containers: &Containers, verb: &StatsArgs) -> Result<ExitCode, Error> {
    let mut streams = SampleStreams { samples: SelectAll::new(), open: BTreeSet::new(), latest: BTreeMap::new() };
    let mut pace = interval(INTERVAL);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(sample) = streams.samples.next() => streams.record(sample)?,
            _ = pace.tick() => {
                let selected = select(containers, verb).await?;
                streams.update(containers, &selected).await?;
                print(session, verb, &streams.rows(&selected))?;
            }
        }
    }
}

fn print(session: &Session, verb: &StatsArgs, rows: &[UsageResult]) -> Result<(), Error> {
    if verb.json {
        for row in rows {
            session.data(&serde_json::to_string(row).expect("names and numbers are JSON"))?;
        }
    } else if host::output_is_terminal() {
        session.text(&format!("\u{1b}[H\u{1b}[J{}", render_usage(rows)))?;
    } else if !rows.is_empty() {
        session.text(&render_usage(rows))?;
    }
    Ok(())
}
