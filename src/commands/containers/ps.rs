//! `nextdeploy ps`.

use super::{connect, owner};
use crate::commands::{Session, block_on};
use crate::config::cli::{CliSettings, PsArgs};
use crate::diagnostic::ExitCode;
use crate::docker::{ContainerSummary, ListQuery, Running};
use crate::error::Error;
use crate::report::containers::render_list;

pub fn run(session: &Session, verb: &PsArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let found: Vec<ContainerSummary> = block_on(list(session, verb, words))??;
    if verb.json {
        session.json(&found)?;
    } else {
        session.text(&render_list(&found))?;
        if found.is_empty() && !verb.all {
            session.tell("no container is running; use `--all` to list stopped ones");
        }
    }
    Ok(ExitCode::Ok)
}

async fn list(session: &Session, verb: &PsArgs, words: &CliSettings) -> Result<Vec<ContainerSummary>, Error> {
    let running = if verb.all { Running::OrNot } else { Running::Only };
    let query = ListQuery { owner: owner(verb.any), running, app: verb.app.as_deref() };
    Ok(connect(session, words).await?.list(&query).await?)
}
