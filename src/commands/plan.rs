//! `nextdeploy plan`.

use super::project::Project;
use super::{Session, to_json};
use crate::cli::{Plan, Words};
use crate::diagnostic::ExitCode;
use crate::error::Error;
use crate::report;

pub fn run(session: &Session, verb: &Plan, words: &Words) -> Result<ExitCode, Error> {
    let project = Project::open(session, words)?;
    let plan = project.plan()?;
    session.warn(&project.warnings);
    session.warn(&plan.warnings);
    session.data(&if verb.json { to_json(&plan) } else { report::render_plan(&plan) })?;
    Ok(ExitCode::Ok)
}
