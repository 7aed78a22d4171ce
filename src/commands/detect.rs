//! `nextdeploy detect`.

use super::project::Project;
use super::{Session, to_json};
use crate::cli::{Detect, Words};
use crate::diagnostic::ExitCode;
use crate::error::Error;
use crate::report::render_facts;
use crate::source::GitDetail;

pub fn run(session: &Session, verb: &Detect, words: &Words) -> Result<ExitCode, Error> {
    let project = Project::open_with(session, words, GitDetail::Tracking)?;
    session.warn(&project.warnings);
    if verb.json {
        session.data(&to_json(&project.facts))?;
    } else {
        session.warn(&project.facts.warnings);
        session.data(&render_facts(&project.facts))?;
    }
    Ok(ExitCode::Ok)
}
