//! `nextdeploy detect`.

use super::Session;
use crate::config::cli::{CliSettings, DetectArgs};
use crate::diagnostic::ExitCode;
use crate::error::Error;
use crate::repo::GitDetail;
use crate::report::render_facts;

pub fn run(session: &Session, verb: &DetectArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let project = session.open(words, GitDetail::Tracking)?;
    session.warn(&project.warnings);
    if verb.json {
        session.json(&project.facts)?;
    } else {
        session.warn(&project.facts.warnings);
        session.text(&render_facts(&project.facts))?;
    }
    Ok(ExitCode::Ok)
}
