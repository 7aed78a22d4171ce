//! `nextdeploy schema`.

use super::Session;
use crate::config::cli::SchemaArgs;
use crate::diagnostic::ExitCode;
use crate::error::{CommandError, Error};
use crate::report::schemas;

pub fn run(session: &Session, verb: &SchemaArgs) -> Result<ExitCode, Error> {
    let known: Vec<String> = schemas().into_iter().map(|(name, _)| name.to_owned()).collect();
    let Some(name) = &verb.name else {
        session.data(&known.join("\n"))?;
        return Ok(ExitCode::Ok);
    };
    let Some((_, schema)) = schemas().into_iter().find(|(known, _)| known == name) else {
        return Err(CommandError::UnknownSchema { name: name.clone(), known }.into());
    };
    session.json(&schema)?;
    Ok(ExitCode::Ok)
}
