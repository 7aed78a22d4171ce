//! `nextdeploy health`.

use std::time::Duration;

use super::{connect, owner};
use crate::commands::{Session, block_on};
use crate::config::cli::{CliSettings, HealthArgs};
use crate::diagnostic::ExitCode;
use crate::docker::{ContainerFacts, Probe};
use crate::error::Error;
use crate::pipeline::Stop;
use crate::report::containers::{HealthResult, render_health};

pub fn run(session: &Session, verb: &HealthArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let facts = match block_on(inspect(session, verb, words))?? {
        Ok(facts) => facts,
        Err(code) => return Ok(code),
    };
    let result = HealthResult::new(&facts);
    if verb.json {
        session.json(&result)?;
    } else {
        session.text(&render_health(&facts))?;
    }
    Ok(if result.healthy { ExitCode::Ok } else { ExitCode::Unhealthy })
}

/// The container now or after the wait; the inner error is the exit code of an interruption.
async fn inspect(
    session: &Session,
    verb: &HealthArgs,
    words: &CliSettings,
) -> Result<Result<ContainerFacts, ExitCode>, Error> {
    let stop = Stop::on_signals();
    let containers = connect(session, words).await?;
    let container = containers.find(&verb.container, owner(verb.any)).await?;
    let facts = containers.inspect_checked(&container.id).await?;
    let Some(seconds) = verb.wait else { return Ok(Ok(facts)) };
    let limit = Duration::from_secs(seconds);
    let mut progress = |_: &Probe| {};
    tokio::select! {
        readiness = containers.wait_until_healthy(&container.id, limit, &mut progress) => Ok(Ok(readiness?.facts)),
        () = stop.clone().requested() => Ok(Err(stop.code().unwrap_or(ExitCode::Interrupted))),
    }
}
