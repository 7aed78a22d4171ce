//! Supervises the containers of this program: restarts, log forwarding, metrics.
//!
//! In: the daemon's events, states, logs and statistics. Out: restarts within a budget, JSON lines, Prometheus metrics, and
//! [`SupervisorEvent`]s for people. Everything is opened before supervision starts, so that a wrong option is an error at once. Never
//! touches a container without our label.

mod container_set;
mod error;
mod event;
mod forward;
mod metrics;
mod policy;
mod record;
mod server;
mod sink;
mod state;
mod supervisor;

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

use self::container_set::{ContainerSet, StopEvents};
use self::forward::{ForwardMessage, Forwarder, PositionFile, QUEUE_UNITS, QUEUED_BATCHES};
use self::metrics::{LogCounters, MetricsRegistry};
use self::server::{LiveLogs, ServerState, listen, serve};
use self::sink::{FailingSinks, FileSink, HttpSink, Sinks, Spool};
use self::state::{LogPositions, StateFolder};
use self::supervisor::{LogIntake, Sampling, Supervisor};
use crate::docker::Containers;
use crate::host::{Environment, Streams};
use crate::secret::Secret;

pub use error::SuperviseError;
pub use event::{EventLevel, SupervisorEvent, SupervisorEventSender};
pub use policy::RestartLimits;
pub use sink::{FileOptions, HttpTarget, TokenSource};

/// For the last writes of the sinks at shutdown.
const LAST_WRITES: Duration = Duration::from_secs(5);
/// For the last requests and responses at shutdown.
const LAST_RESPONSES: Duration = Duration::from_secs(7);
/// Shortest token, in bytes.
const SHORTEST_TOKEN: usize = 16;

/// From where the server may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    Loopback,
    /// Any address, without encryption.
    Remote,
}

/// The HTTP server.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    pub address: SocketAddr,
    pub exposure: Exposure,
    /// Required for `/logs`, which is not served without one.
    pub token: Option<Secret>,
}

/// The HTTP log sink.
#[derive(Debug, Clone)]
pub struct UrlOptions {
    pub target: HttpTarget,
    pub client: reqwest::Client,
    /// Size of the buffer on disk in bytes.
    pub buffer: u64,
}

/// Everything that `supervise` needs to know.
#[derive(Debug, Clone)]
pub struct SuperviseOptions {
    /// Names of apps or containers; empty for all of ours.
    pub names: Vec<String>,
    pub limits: RestartLimits,
    /// Between two full comparisons with the daemon, and between samples.
    pub interval: Duration,
    pub listen: Option<ListenOptions>,
    pub stdout: Option<Streams>,
    pub file: Option<FileOptions>,
    pub url: Option<UrlOptions>,
    /// The state folder, created if missing.
    pub state: PathBuf,
    /// The current time.
    pub now: DateTime<Utc>,
}

/// Supervises until `stop` completes.
pub async fn supervise(
    containers: &Containers,
    options: SuperviseOptions,
    events: SupervisorEventSender,
    stop: impl Future<Output = ()>,
) -> Result<(), SuperviseError> {
    let state = Arc::new(StateFolder::open(&options.state)?);
    let listener = open_listener(options.listen.as_ref()).await?;
    let counters = Arc::new(LogCounters::default());
    let (end, ended) = watch::channel(false);
    let opened = open_sinks(&options, &state, &counters, &events)?;
    let metrics = MetricsRegistry::new(Arc::clone(&counters));
    let mut tasks = Vec::new();
    if let (Some(listener), Some(listen)) = (listener, &options.listen) {
        let logs = opened.sinks.live.clone().zip(listen.token.clone());
        let state = ServerState { metrics: Arc::clone(&metrics), logs, end: ended.clone() };
        if let Ok(address) = listener.local_addr() {
            events.send(SupervisorEvent::Listening(address));
        }
        tasks.push(tokio::spawn(serve(listener, state)));
    }
    if let (Some(sink), Some(url)) = (opened.sinks.url.clone(), options.url.clone()) {
        tasks.push(tokio::spawn(async move { sink.send(&url.target, &url.client, ended).await }));
    }
    let positions = opened.file.as_ref().map(|file| file.positions.containers.clone()).unwrap_or_default();
    let (logs, forwarding) = opened.start(&options, &state, &events);
    let stop_events = if containers.tells_no_stops() { StopEvents::Missing } else { StopEvents::Emitted };
    let mut supervisor = Supervisor {
        docker: containers,
        limits: options.limits,
        interval: options.interval,
        containers: ContainerSet::new(options.names, positions, stop_events),
        sampling: Sampling::Idle,
        metrics,
        events,
        logs,
    };
    tokio::select! {
        () = supervisor.run() => {}
        () = stop => {}
    }
    let restarts = supervisor.complete_restarts();
    // Drops the log readers, so that the forwarder ends after the last batch.
    drop(supervisor);
    let written = async {
        if let Some(forwarding) = forwarding {
            let _ = timeout(LAST_WRITES, forwarding).await;
        }
    };
    tokio::join!(restarts, written);
    end.send_replace(true);
    let _ = timeout(LAST_RESPONSES, async {
        for task in tasks {
            let _ = task.await;
        }
    })
    .await;
    Ok(())
}

async fn open_listener(options: Option<&ListenOptions>) -> Result<Option<TcpListener>, SuperviseError> {
    let Some(options) = options else { return Ok(None) };
    let address = options.address;
    if options.exposure == Exposure::Loopback && !address.ip().is_loopback() {
        return Err(SuperviseError::RemoteListen { address });
    }
    if options.token.as_ref().is_some_and(|token| token.expose().len() < SHORTEST_TOKEN) {
        return Err(SuperviseError::Token { flag: "--token", reason: "it is shorter than 16 characters".to_owned() });
    }
    listen(address).await.map(Some)
}

/// The sinks, and the position file if a sink needs one.
struct OpenedSinks {
    sinks: Sinks,
    file: Option<PositionFile>,
}

fn open_sinks(
    options: &SuperviseOptions,
    state: &StateFolder,
    counters: &Arc<LogCounters>,
    events: &SupervisorEventSender,
) -> Result<OpenedSinks, SuperviseError> {
    let file = options.file.clone().map(|file| {
        let path = file.path.clone();
        FileSink::open(file).map_err(|source| SuperviseError::LogFile { path, source })
    });
    let serves_logs = options.listen.as_ref().is_some_and(|listen| listen.token.is_some());
    let mut sinks = Sinks {
        stdout: options.stdout,
        file: file.transpose()?,
        url: None,
        live: serves_logs.then(|| LiveLogs::new(Arc::clone(counters), events.clone())),
        counters: Arc::clone(counters),
        events: events.clone(),
        failing: FailingSinks::default(),
    };
    if !sinks.needs_every_line() && options.url.is_none() {
        return Ok(OpenedSinks { sinks, file: None });
    }
    if let Some(url) = &options.url {
        let spool = Spool::open(&state.spool(), url.buffer).map_err(|source| state.failed(source))?;
        let sink = HttpSink::new(spool, url.buffer, Arc::clone(counters), events.clone());
        sinks.url = Some(Arc::new(sink));
    }
    let path = state.positions();
    let positions = LogPositions::load(&path)?.unwrap_or_else(|| LogPositions::starting_at(options.now));
    // Saved now, so that the start time is known to the next run even if nothing is printed.
    positions.save(&path).map_err(|source| state.failed(source))?;
    Ok(OpenedSinks { sinks, file: Some(PositionFile { path, positions }) })
}

impl OpenedSinks {
    /// Starts the forwarder thread.
    fn start(
        self,
        options: &SuperviseOptions,
        state: &Arc<StateFolder>,
        events: &SupervisorEventSender,
    ) -> (Option<LogIntake>, Option<JoinHandle<()>>) {
        if !self.sinks.any() {
            return (None, None);
        }
        let beginning = self.file.as_ref().map_or(options.now, |file| file.positions.since);
        let (messages, received) = mpsc::channel::<ForwardMessage>(QUEUED_BATCHES);
        let forwarder = Forwarder { sinks: self.sinks, file: self.file, events: events.clone() };
        // The thread may outlive `supervise`, so it keeps the state folder locked until it is done.
        let (runtime, state) = (Handle::current(), Arc::clone(state));
        let forwarding = tokio::task::spawn_blocking(move || {
            forwarder.run(received, &runtime);
            drop(state);
        });
        let queue_space = Arc::new(Semaphore::new(QUEUE_UNITS as usize));
        (Some(LogIntake { messages, queue_space, beginning }), Some(forwarding))
    }
}

/// The token named by `env:NAME` or `file:PATH`; `flag` is for messages. Checked to be readable and not empty.
pub fn token_source(flag: &'static str, word: &str, environment: &Environment) -> Result<TokenSource, SuperviseError> {
    let invalid = |reason: String| SuperviseError::Token { flag, reason };
    let source = if let Some(name) = word.strip_prefix("env:") {
        let value = environment.get(name).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| invalid("the environment variable is not set".to_owned()))?;
        TokenSource::Value(Secret::new(value.trim().to_owned()))
    } else {
        let path = word.strip_prefix("file:").filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| invalid("a secret must not be passed on the command line".to_owned()))?;
        TokenSource::File(PathBuf::from(path))
    };
    let token = source.read().map_err(|error| invalid(error.to_string()))?;
    if token.expose().is_empty() { Err(invalid("it is empty".to_owned())) } else { Ok(source) }
}

/// The default state folder, by the conventions of systemd and the XDG base directory specification.
pub fn default_state_folder(environment: &Environment) -> PathBuf {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // systemd separates several folders by colons.
    let systemd = environment.get("STATE_DIRECTORY").and_then(|list| list.split(':').next()).filter(|f| !f.is_empty());
    if let Some(folder) = systemd {
        return PathBuf::from(folder);
    }
    let user = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    user.unwrap_or_else(|| PathBuf::from("/var/lib")).join("nextdeploy/supervise")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    fn at(address: &str, exposure: Exposure, token: Option<&str>) -> ListenOptions {
        ListenOptions {
            address: address.parse().unwrap(),
            exposure,
            token: token.map(|token| Secret::new(token.to_owned())),
        }
    }

    async fn error_code(options: &ListenOptions) -> Option<&'static str> {
        open_listener(Some(options)).await.err().map(|error| error.code())
    }

    #[tokio::test]
    async fn remote_addresses_need_to_be_allowed() {
        assert_eq!(error_code(&at("127.0.0.1:0", Exposure::Loopback, None)).await, None);
        assert_eq!(error_code(&at("[::1]:0", Exposure::Loopback, None)).await, None);
        assert_eq!(error_code(&at("0.0.0.0:0", Exposure::Loopback, None)).await, Some("supervise/remote-listen"));
        assert_eq!(error_code(&at("0.0.0.0:0", Exposure::Remote, None)).await, None);
        assert_eq!(error_code(&at("127.0.0.1:0", Exposure::Loopback, Some("short"))).await, Some("supervise/token"));
        let in_use = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = in_use.local_addr().unwrap().to_string();
        assert_eq!(error_code(&at(&address, Exposure::Loopback, None)).await, Some("supervise/listen"));
    }

    #[test]
    fn the_default_state_folder_follows_the_environment() {
        for (pairs, expected) in [
            (&[("STATE_DIRECTORY", "/var/lib/nd"), ("HOME", "/root")][..], "/var/lib/nd"),
            (&[("XDG_STATE_HOME", "/x"), ("HOME", "/root")], "/x/nextdeploy/supervise"),
            (&[("HOME", "/root")], "/root/.local/state/nextdeploy/supervise"),
            (&[], "/var/lib/nextdeploy/supervise"),
        ] {
            let environment = Environment::from_pairs(pairs.iter().copied());
            assert_eq!(default_state_folder(&environment), PathBuf::from(expected));
        }
    }

    #[test]
    fn tokens_are_read_from_the_environment_or_a_file_only() {
        let environment = Environment::from_pairs([("TOKEN", "0123456789abcdef\n"), ("BLANK", " ")]);
        let source = token_source("--token", "env:TOKEN", &environment).unwrap();
        assert_eq!(source.read().unwrap().expose(), "0123456789abcdef");
        for (word, reason) in [
            ("0123456789abcdef", "a secret must not be passed on the command line"),
            ("env:NOTHING", "the environment variable is not set"),
            ("env:BLANK", "it is empty"),
            ("file:", "a secret must not be passed on the command line"),
        ] {
            let error = token_source("--token", word, &environment).unwrap_err().to_string();
            assert_eq!(error, format!("invalid `--token`: {reason}"));
        }
        let missing = token_source("--token", "file:/nonexistent/token", &environment).unwrap_err();
        assert!(missing.to_string().contains("No such file"));
    }
}
