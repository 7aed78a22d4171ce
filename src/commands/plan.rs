//! `nextdeploy plan`.

use super::Session;
use crate::config::cli::{CliSettings, PlanArgs};
use crate::diagnostic::ExitCode;
use crate::error::Error;
use crate::repo::GitDetail;
use crate::report;

pub fn run(session: &Session, verb: &PlanArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let project = session.open(words, GitDetail::Full)?;
    let plan = project.plan()?;
    session.warn(&project.warnings);
    session.warn(&plan.warnings);
    if verb.json {
        session.json(&plan)?;
    } else {
        session.text(&report::render_plan(&plan))?;
    }
    Ok(ExitCode::Ok)
}
