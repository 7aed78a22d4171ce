//! `nextdeploy exec`.

use std::collections::BTreeMap;

use super::connect;
use super::outlet::{Outlet, OutputReader};
use crate::commands::{Session, block_on};
use crate::config::cli::{CliSettings, ExecArgs};
use crate::diagnostic::ExitCode;
use crate::docker::{ExecSpec, Owner};
use crate::error::{CommandError, Error};
use crate::pipeline::Stop;

/// The exit code of the command, as far as a process can have it.
pub fn run(session: &Session, verb: &ExecArgs, words: &CliSettings) -> Result<u8, Error> {
    let spec = ExecSpec {
        argv: verb.command.clone(),
        user: verb.user.clone(),
        working_dir: verb.workdir.clone(),
        env: environment(session, &verb.env)?,
    };
    block_on(execute(session, verb, words, &spec))?
}

fn environment(session: &Session, words: &[String]) -> Result<BTreeMap<String, String>, CommandError> {
    let value = |word: &String| match word.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => match session.environment.get(word) {
            Some(value) => Ok((word.clone(), value.to_owned())),
            None => Err(CommandError::NoVariable { name: word.clone() }),
        },
    };
    words.iter().map(value).collect()
}

async fn execute(session: &Session, verb: &ExecArgs, words: &CliSettings, spec: &ExecSpec) -> Result<u8, Error> {
    let stop = Stop::on_signals();
    let containers = connect(session, words).await?;
    let container = containers.find(&verb.container, Owner::Ours).await?;
    let mut execution = containers.exec(&container.id, spec).await.map_err(|error| error.about(&container.name))?;
    let mut outlet = Outlet::filtered(session);
    let mut stopped = std::pin::pin!(stop.clone().requested());
    let mut reader = OutputReader::Open;
    loop {
        let output = tokio::select! {
            output = execution.next() => output?,
            () = &mut stopped => return Ok(stop.code().unwrap_or(ExitCode::Interrupted) as u8),
        };
        let Some(output) = output else { break };
        // Wait for the end in any case, for the exit code.
        if reader == OutputReader::Open {
            reader = outlet.write(output.stream, &output.bytes)?;
        }
    }
    outlet.finish()?;
    let code = execution.exit_code().await?;
    Ok(u8::try_from(code & 0xff).unwrap_or(ExitCode::Bug as u8))
}
