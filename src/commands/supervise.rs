//! `nextdeploy supervise`.

use std::path::{Path, PathBuf};

use chrono::DateTime;
use tokio::sync::mpsc;

use super::{Session, block_on};
use crate::config::cli::{Listen, LogOutput, Supervise, Words};
use crate::config::metadata::ConfigFiles;
use crate::config::settings;
use crate::diagnostic::ExitCode;
use crate::docker::Containers;
use crate::docker::connection::{Engine, find_endpoint};
use crate::error::Error;
use crate::host::{self, Environment};
use crate::net::Network;
use crate::pipeline::Stop;
use crate::secret::Secret;
use crate::supervise::{
    FileOptions, HttpTarget, ListenOptions, Notice, Reach, RestartLimits, Severity, SuperviseError, Supervision,
    Teller, TokenSource, UrlOptions, supervise,
};

pub fn run(session: &Session, verb: &Supervise, words: &Words) -> Result<ExitCode, Error> {
    let resolved = settings::resolve(words, &session.environment, &ConfigFiles::default())?;
    session.warn(&resolved.warnings);
    let ca_bundle = resolved.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path());
    let asked = asked(session, verb, ca_bundle)?;
    block_on(async {
        let stop = Stop::on_signals();
        let engine = Engine::connect(find_endpoint(&session.environment, ca_bundle)?, &session.environment).await?;
        session.tell(&format!("{engine} at {}", engine.address()));
        let containers = Containers::new(&engine);
        let (teller, mut notices) = Teller::new();
        let supervision = supervise(&containers, asked, teller, stop.clone().requested());
        let (ended, ()) = tokio::join!(supervision, tell(session, &mut notices));
        ended?;
        Ok(stop.code().unwrap_or(ExitCode::Terminated))
    })?
}

/// Tells what happens until all tellers are gone.
async fn tell(session: &Session, notices: &mut mpsc::Receiver<Notice>) {
    while let Some(notice) = notices.recv().await {
        match notice.severity() {
            Severity::Information => session.tell(&notice.to_string()),
            Severity::Warning => session.log.message(&format!("warning: {notice}")),
        }
    }
}

fn asked(session: &Session, verb: &Supervise, ca_bundle: Option<&Path>) -> Result<Supervision, Error> {
    let (environment, logs) = (&session.environment, &verb.logs);
    let token = verb.token.as_deref().map(|word| token_source("--token", word, environment)).transpose()?;
    let token = token.map(|source| read_token("--token", &source)).transpose()?;
    let listen = match verb.listen {
        Listen::Nowhere => None,
        Listen::At(address) => {
            let reach = if verb.allow_remote { Reach::Anybody } else { Reach::ThisMachine };
            Some(ListenOptions { address, reach, token })
        }
    };
    let file = logs.log_file.clone();
    Ok(Supervision {
        wanted: verb.apps.clone(),
        limits: RestartLimits { budget: verb.restart_budget, ..RestartLimits::default() },
        interval: verb.interval,
        listen,
        stdout: (logs.log == LogOutput::Stdout).then_some(session.streams),
        file: file.map(|path| FileOptions { path, size: logs.log_file_size, count: logs.log_file_count }),
        url: log_url(session, verb, ca_bundle)?,
        state: logs.state_dir.clone().unwrap_or_else(|| default_state(environment)),
        now: DateTime::from_timestamp(host::now(), 0).unwrap_or_default(),
    })
}

fn log_url(session: &Session, verb: &Supervise, ca_bundle: Option<&Path>) -> Result<Option<UrlOptions>, Error> {
    let logs = &verb.logs;
    let Some(url) = &logs.log_url else { return Ok(None) };
    let token = logs.log_token.as_deref().map(|word| token_source("--log-token", word, &session.environment));
    let token = token.transpose()?;
    if let Some(source) = &token {
        read_token("--log-token", source)?;
    }
    let network = Network::new(&session.environment, ca_bundle);
    let client = network.client().map_err(SuperviseError::from)?;
    Ok(Some(UrlOptions { target: HttpTarget::parse(url, token)?, client, buffer: logs.log_buffer }))
}

/// `env:NAME` or `file:PATH`.
fn token_source(flag: &'static str, word: &str, environment: &Environment) -> Result<TokenSource, SuperviseError> {
    let unusable = |reason: String| SuperviseError::Token { flag, reason };
    if let Some(name) = word.strip_prefix("env:") {
        let value = environment.get(name).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| unusable("the environment variable is not set".to_owned()))?;
        return Ok(TokenSource::Value(Secret::new(value.trim().to_owned())));
    }
    match word.strip_prefix("file:").filter(|path| !path.is_empty()) {
        Some(path) => Ok(TokenSource::File(PathBuf::from(path))),
        None => Err(unusable("a secret is not typed".to_owned())),
    }
}

fn read_token(flag: &'static str, source: &TokenSource) -> Result<Secret, SuperviseError> {
    let token = source.read().map_err(|error| SuperviseError::Token { flag, reason: error.to_string() })?;
    if token.expose().is_empty() {
        return Err(SuperviseError::Token { flag, reason: "it is empty".to_owned() });
    }
    Ok(token)
}

/// As systemd and the XDG base directory specification have it.
fn default_state(environment: &Environment) -> PathBuf {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // Of several folders the first.
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

    #[test]
    fn the_state_has_a_place_without_being_told() {
        for (pairs, expected) in [
            (&[("STATE_DIRECTORY", "/var/lib/nd"), ("HOME", "/root")][..], "/var/lib/nd"),
            (&[("XDG_STATE_HOME", "/x"), ("HOME", "/root")], "/x/nextdeploy/supervise"),
            (&[("HOME", "/root")], "/root/.local/state/nextdeploy/supervise"),
            (&[], "/var/lib/nextdeploy/supervise"),
        ] {
            let environment = Environment::from_pairs(pairs.iter().copied());
            assert_eq!(default_state(&environment), PathBuf::from(expected));
        }
    }

    #[test]
    fn tokens_are_not_typed_and_not_shown() {
        let environment = Environment::from_pairs([("TOKEN", "0123456789abcdef\n")]);
        let source = token_source("--token", "env:TOKEN", &environment).unwrap();
        assert_eq!(read_token("--token", &source).unwrap().expose(), "0123456789abcdef");
        for (word, reason) in [
            ("0123456789abcdef", "a secret is not typed"),
            ("env:NOTHING", "the environment variable is not set"),
            ("file:", "a secret is not typed"),
        ] {
            let error = token_source("--token", word, &environment).unwrap_err().to_string();
            assert_eq!(error, format!("the token of `--token` cannot be used: {reason}"));
        }
        let missing = token_source("--token", "file:/nonexistent/token", &environment).unwrap();
        assert!(read_token("--token", &missing).unwrap_err().to_string().contains("No such file"));
    }
}
