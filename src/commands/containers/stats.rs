//! `nextdeploy stats`.

use futures_util::future::join_all;

use super::{connect, owner};
use crate::cli::{Stats, Words};
use crate::commands::stop::Stop;
use crate::commands::{Session, block_on};
use crate::container::{ContainerError, Containers, ListQuery, Running};
use crate::diagnostic::ExitCode;
use crate::error::Error;
use crate::host;
use crate::report::containers::{UsageResult, render_usage};

pub fn run(session: &Session, verb: &Stats, words: &Words) -> Result<ExitCode, Error> {
    block_on(show(session, verb, words))?
}

async fn show(session: &Session, verb: &Stats, words: &Words) -> Result<ExitCode, Error> {
    let stop = Stop::on_signals();
    let containers = connect(session, words).await?;
    if !verb.follow {
        let samples = sample(&containers, verb).await?;
        if verb.json {
            session.json(&samples)?;
        } else {
            session.text(&render_usage(&samples))?;
        }
        return Ok(ExitCode::Ok);
    }
    let mut stopped = std::pin::pin!(stop.clone().requested());
    loop {
        let samples = tokio::select! {
            samples = sample(&containers, verb) => samples?,
            () = &mut stopped => return Ok(stop.code().unwrap_or(ExitCode::Interrupted)),
        };
        if verb.json {
            for sample in &samples {
                session.data(&serde_json::to_string(sample).expect("names and numbers are JSON"))?;
            }
        } else if host::output_is_terminal() {
            session.text(&format!("\u{1b}[H\u{1b}[J{}", render_usage(&samples)))?;
        } else {
            session.text(&render_usage(&samples))?;
        }
    }
}

/// One sample of each; those that end meanwhile have none.
async fn sample(containers: &Containers, verb: &Stats) -> Result<Vec<UsageResult>, Error> {
    let mut wanted = Vec::new();
    if verb.containers.is_empty() {
        let query = ListQuery { owner: owner(verb.any), running: Running::Only, app: None };
        wanted.extend(containers.list(&query).await?);
        if wanted.is_empty() && verb.follow {
            // The daemon's sample takes a second; without one the list would be asked for without a pause.
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }
    for name in &verb.containers {
        wanted.push(containers.find(name, owner(verb.any)).await?);
    }
    let samples = join_all(wanted.iter().map(|one| containers.stats_once(&one.id))).await;
    let results = wanted.iter().zip(samples).map(|(one, sample)| match sample {
        Ok(stats) => Ok(UsageResult { name: one.name.clone(), stats: Some(stats) }),
        Err(ContainerError::NotRunning { .. } | ContainerError::NotFound { .. }) => {
            Ok(UsageResult { name: one.name.clone(), stats: None })
        }
        Err(error) => Err(error.into()),
    });
    results.collect()
}
