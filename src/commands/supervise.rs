//! `nextdeploy supervise`.

use std::path::Path;

use chrono::DateTime;
use tokio::sync::mpsc;

use super::{Session, block_on};
use crate::config::cli::{CliSettings, Listen, LogOutput, SuperviseArgs};
use crate::config::metadata::ConfigFiles;
use crate::config::settings;
use crate::diagnostic::ExitCode;
use crate::docker::Containers;
use crate::docker::connection::{Engine, find_endpoint};
use crate::error::Error;
use crate::host;
use crate::net::Network;
use crate::pipeline::Stop;
use crate::supervise::{
    EventLevel, Exposure, FileOptions, HttpTarget, ListenOptions, RestartLimits, SuperviseError, SuperviseOptions,
    SupervisorEvent, SupervisorEventSender, UrlOptions, default_state_folder, supervise, token_source,
};

pub fn run(session: &Session, verb: &SuperviseArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let resolved = settings::resolve(words, &session.environment, &ConfigFiles::default())?;
    session.warn(&resolved.warnings);
    let ca_bundle = resolved.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path());
    let options = options(session, verb, ca_bundle)?;
    block_on(async {
        let stop = Stop::on_signals();
        let engine = Engine::connect(find_endpoint(&session.environment, ca_bundle)?, &session.environment).await?;
        session.tell(&format!("{engine} at {}", engine.address()));
        let containers = Containers::new(&engine);
        let (sender, mut events) = SupervisorEventSender::new();
        let supervision = supervise(&containers, options, sender, stop.clone().requested());
        let (ended, ()) = tokio::join!(supervision, print_events(session, &mut events));
        ended?;
        Ok(stop.code().unwrap_or(ExitCode::Terminated))
    })?
}

/// Prints events until all senders are gone.
async fn print_events(session: &Session, events: &mut mpsc::Receiver<SupervisorEvent>) {
    while let Some(event) = events.recv().await {
        match event.level() {
            EventLevel::Information => session.tell(&event.to_string()),
            EventLevel::Warning => session.log.message(&format!("warning: {event}")),
        }
    }
}

fn options(session: &Session, verb: &SuperviseArgs, ca_bundle: Option<&Path>) -> Result<SuperviseOptions, Error> {
    let (environment, logs) = (&session.environment, &verb.logs);
    let token = verb.token.as_deref().map(|word| {
        let source = token_source("--token", word, environment)?;
        source.read().map_err(|error| SuperviseError::Token { flag: "--token", reason: error.to_string() })
    });
    let token = token.transpose()?;
    let listen = match verb.listen {
        Listen::Nowhere => None,
        Listen::At(address) => {
            let exposure = if verb.allow_remote { Exposure::Remote } else { Exposure::Loopback };
            Some(ListenOptions { address, exposure, token })
        }
    };
    let file = logs.log_file.clone();
    Ok(SuperviseOptions {
        names: verb.apps.clone(),
        limits: RestartLimits { budget: verb.restart_budget, ..RestartLimits::default() },
        interval: verb.interval,
        listen,
        stdout: (logs.log == LogOutput::Stdout).then_some(session.streams),
        file: file.map(|path| FileOptions { path, size: logs.log_file_size, count: logs.log_file_count }),
        url: log_url(session, verb, ca_bundle)?,
        state: logs.state_dir.clone().unwrap_or_else(|| default_state_folder(environment)),
        now: DateTime::from_timestamp(host::now(), 0).unwrap_or_default(),
    })
}

fn log_url(session: &Session, verb: &SuperviseArgs, ca_bundle: Option<&Path>) -> Result<Option<UrlOptions>, Error> {
    let logs = &verb.logs;
    let Some(url) = &logs.log_url else { return Ok(None) };
    let token = logs.log_token.as_deref().map(|word| token_source("--log-token", word, &session.environment));
    let network = Network::new(&session.environment, ca_bundle);
    let client = network.client().map_err(SuperviseError::from)?;
    Ok(Some(UrlOptions { target: HttpTarget::parse(url, token.transpose()?)?, client, buffer: logs.log_buffer }))
}
