//! `nextdeploy stop`, `restart` and `rm`: one container after the other; a failure does not affect the others.

use std::time::Duration;

use super::connect;
use crate::commands::launching::launch_listener;
use crate::commands::{Session, block_on};
use crate::config::cli::{CliSettings, RestartArgs, RmArgs, StopArgs};
use crate::deploy::{remove_with_secrets, run_pre_stop};
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::docker::{ContainerError, ContainerStatus, ContainerSummary, Containers, Owner, Removal};
use crate::error::Error;
use crate::report::containers::ActionResult;

pub fn stop(session: &Session, verb: &StopArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let grace = verb.time.map(|seconds| Duration::from_secs(seconds.into()));
    block_on(each(session, words, (&verb.containers, ActionOutput::new(verb.json)), async |containers, one| {
        before_stop(session, containers, one).await;
        containers.stop(&one.id, grace).await
    }))?
}

pub fn restart(session: &Session, verb: &RestartArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let grace = verb.time.map(|seconds| Duration::from_secs(seconds.into()));
    block_on(each(session, words, (&verb.containers, ActionOutput::new(verb.json)), async |containers, one| {
        before_stop(session, containers, one).await;
        containers.restart(&one.id, grace).await
    }))?
}

pub fn rm(session: &Session, verb: &RmArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let removal = if verb.force { Removal::Forced } else { Removal::Stopped };
    block_on(each(session, words, (&verb.containers, ActionOutput::new(verb.json)), async |containers, one| {
        if removal == Removal::Forced {
            before_stop(session, containers, one).await;
        }
        remove(containers, one, removal).await
    }))?
}

/// Runs the `preStop` hooks of the container document.
async fn before_stop(session: &Session, containers: &Containers, one: &ContainerSummary) {
    if one.status == ContainerStatus::Running {
        run_pre_stop(containers, &one.id, &one.labels, &launch_listener(session)).await;
    }
}

async fn remove(containers: &Containers, one: &ContainerSummary, removal: Removal) -> Result<(), ContainerError> {
    let runs = matches!(one.status, ContainerStatus::Running | ContainerStatus::Paused | ContainerStatus::Restarting);
    if runs && removal == Removal::Stopped {
        return Err(ContainerError::Running { name: one.name.clone() });
    }
    remove_with_secrets(containers, &one.id, (&one.labels, &one.image_id), removal).await
}

/// The format of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ActionOutput {
    Names,
    Json,
}

impl ActionOutput {
    fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Names }
    }
}

/// Prints the name of each container on which the action succeeded, or as JSON the outcome of each. The exit code is that of the last
/// error.
async fn each(
    session: &Session,
    words: &CliSettings,
    (names, output): (&[String], ActionOutput),
    action: impl AsyncFn(&Containers, &ContainerSummary) -> Result<(), ContainerError>,
) -> Result<ExitCode, Error> {
    let containers = connect(session, words).await?;
    let mut code = ExitCode::Ok;
    let mut outcomes = Vec::new();
    for name in names {
        let done = match containers.find(name, Owner::Ours).await {
            Ok(one) => match action(&containers, &one).await {
                Ok(()) => Ok(one.name),
                Err(error) => Err(error.about(&one.name)),
            },
            Err(error) => Err(error),
        };
        match done {
            Ok(name) if output == ActionOutput::Json => outcomes.push(ActionResult::done(name)),
            Ok(name) => session.data(&name)?,
            Err(error) => {
                session.log.error(&error);
                outcomes.push(ActionResult::failed(name, &error));
                code = error.exit_code();
            }
        }
    }
    if output == ActionOutput::Json {
        session.json(&outcomes)?;
    }
    Ok(code)
}
