//! Puts the parts together: opens what was asked for, works until it is told to stop, and then empties the queues.
//!
//! Whatever cannot be opened is an error before anything begins.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::error::SuperviseError;
use super::fleet::{Fleet, Stops};
use super::forward::{Forwarder, Input, PositionFile, WAITING};
use super::metrics::Board;
use super::notice::{Notice, Teller};
use super::policy::RestartLimits;
use super::position::Positions;
use super::server::{Served, listen, serve};
use super::sink::{Counters, Failing, FileOptions, FileSink, HttpSink, HttpTarget, LiveLogs, Sinks, Spool};
use super::state::StateFolder;
use super::tail::WAITING_UNITS;
use super::watch::{LogIntake, Sampling, Watch};
use crate::docker::Containers;
use crate::host::Streams;
use crate::secret::Secret;

/// For what the sinks still have to write at the end.
const LAST_WRITES: Duration = Duration::from_secs(5);
/// And for the last requests and answers.
const LAST_ANSWERS: Duration = Duration::from_secs(7);
const SHORTEST_TOKEN: usize = 16;

/// Who may reach what is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    ThisMachine,
    Anybody,
}

/// What is served.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    pub address: SocketAddr,
    pub reach: Reach,
    /// For the logs, which are not served without.
    pub token: Option<Secret>,
}

/// Logs by HTTP.
#[derive(Debug, Clone)]
pub struct UrlOptions {
    pub target: HttpTarget,
    pub client: reqwest::Client,
    /// Bytes on disk.
    pub buffer: u64,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Supervision {
    /// Names of apps or containers; all of ours when empty.
    pub wanted: Vec<String>,
    pub limits: RestartLimits,
    /// Between two full comparisons with the daemon, and between samples.
    pub interval: Duration,
    pub listen: Option<ListenOptions>,
    pub stdout: Option<Streams>,
    pub file: Option<FileOptions>,
    pub url: Option<UrlOptions>,
    /// Made when it is not there.
    pub state: PathBuf,
    /// The time of day at the start.
    pub now: DateTime<Utc>,
}

/// Supervises until `stop` completes.
pub async fn supervise(
    containers: &Containers,
    asked: Supervision,
    teller: Teller,
    stop: impl Future<Output = ()>,
) -> Result<(), SuperviseError> {
    let state = Arc::new(StateFolder::open(&asked.state)?);
    let listener = open_listener(asked.listen.as_ref()).await?;
    let counters = Arc::new(Counters::default());
    let (end, ended) = watch::channel(false);
    let opened = open_sinks(&asked, &state, &counters, &teller)?;
    let board = Board::new(Arc::clone(&counters));
    let mut last = Vec::new();
    if let (Some(listener), Some(options)) = (listener, &asked.listen) {
        let logs = opened.sinks.live.clone().zip(options.token.clone());
        let served = Served { board: Arc::clone(&board), logs, end: ended.clone() };
        if let Ok(address) = listener.local_addr() {
            teller.tell(Notice::Listening(address));
        }
        last.push(tokio::spawn(serve(listener, served)));
    }
    if let (Some(sink), Some(options)) = (opened.sinks.url.clone(), asked.url.clone()) {
        last.push(tokio::spawn(async move { sink.send(&options.target, &options.client, ended).await }));
    }
    let known = opened.file.as_ref().map(|file| file.positions.containers.clone()).unwrap_or_default();
    let (logs, forwarding) = opened.start(&asked, &state, &teller);
    let stops = if containers.tells_no_stops() { Stops::Silent } else { Stops::Told };
    let mut watch = Watch {
        containers,
        limits: asked.limits,
        interval: asked.interval,
        fleet: Fleet::new(asked.wanted, known, stops),
        sampling: Sampling::Idle,
        board,
        teller,
        logs,
    };
    tokio::select! {
        () = watch.run() => {}
        () = stop => {}
    }
    let handed_over = watch.hand_over();
    // The readers are gone with the watch, so the forwarder ends when it is through.
    drop(watch);
    let written = async {
        if let Some(forwarding) = forwarding {
            let _ = timeout(LAST_WRITES, forwarding).await;
        }
    };
    tokio::join!(handed_over, written);
    end.send_replace(true);
    let _ = timeout(LAST_ANSWERS, async {
        for task in last {
            let _ = task.await;
        }
    })
    .await;
    Ok(())
}

async fn open_listener(options: Option<&ListenOptions>) -> Result<Option<TcpListener>, SuperviseError> {
    let Some(options) = options else { return Ok(None) };
    let address = options.address;
    if options.reach == Reach::ThisMachine && !address.ip().is_loopback() {
        return Err(SuperviseError::RemoteListen { address });
    }
    if options.token.as_ref().is_some_and(|token| token.expose().len() < SHORTEST_TOKEN) {
        return Err(SuperviseError::Token { flag: "--token", reason: "it is too short to be secret".to_owned() });
    }
    listen(address).await.map(Some)
}

struct Opened {
    sinks: Sinks,
    file: Option<PositionFile>,
}

fn open_sinks(
    asked: &Supervision,
    state: &StateFolder,
    counters: &Arc<Counters>,
    teller: &Teller,
) -> Result<Opened, SuperviseError> {
    let file = asked.file.clone().map(|options| {
        let path = options.path.clone();
        FileSink::open(options).map_err(|source| SuperviseError::LogFile { path, source })
    });
    let serves_logs = asked.listen.as_ref().is_some_and(|options| options.token.is_some());
    let mut sinks = Sinks {
        stdout: asked.stdout,
        file: file.transpose()?,
        url: None,
        live: serves_logs.then(|| LiveLogs::new(Arc::clone(counters), teller.clone())),
        counters: Arc::clone(counters),
        teller: teller.clone(),
        failing: Failing::default(),
    };
    if !sinks.keeps() && asked.url.is_none() {
        return Ok(Opened { sinks, file: None });
    }
    if let Some(options) = &asked.url {
        let spool = Spool::open(&state.spool(), options.buffer).map_err(|source| state.failed(source))?;
        let sink = HttpSink::new(spool, options.buffer, Arc::clone(counters), teller.clone());
        sinks.url = Some(Arc::new(sink));
    }
    let path = state.positions();
    let positions = Positions::load(&path)?.unwrap_or_else(|| Positions::beginning(asked.now));
    // From here on the beginning is known, even if nothing is printed.
    positions.save(&path).map_err(|source| state.failed(source))?;
    Ok(Opened { sinks, file: Some(PositionFile { path, positions }) })
}

impl Opened {
    /// Starts the thread that writes.
    fn start(
        self,
        asked: &Supervision,
        state: &Arc<StateFolder>,
        teller: &Teller,
    ) -> (Option<LogIntake>, Option<JoinHandle<()>>) {
        if !self.sinks.any() {
            return (None, None);
        }
        let beginning = self.file.as_ref().map_or(asked.now, |file| file.positions.since);
        let (inputs, received) = mpsc::channel::<Input>(WAITING);
        let forwarder = Forwarder { sinks: self.sinks, file: self.file, teller: teller.clone() };
        // It may outlive the supervision, and writes until its own end.
        let (runtime, state) = (Handle::current(), Arc::clone(state));
        let forwarding = tokio::task::spawn_blocking(move || {
            forwarder.run(received, &runtime);
            drop(state);
        });
        let room = Arc::new(Semaphore::new(WAITING_UNITS as usize));
        (Some(LogIntake { inputs, room, beginning }), Some(forwarding))
    }
}

#[cfg(test)]
mod tests;
