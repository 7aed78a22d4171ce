//! `nextdeploy metadata`.

use std::fs;

use super::output::write_file;
use super::project::Project;
use super::{CommandError, Session};
use crate::cli::{Metadata, Words};
use crate::diagnostic::ExitCode;
use crate::error::Error;
use crate::metadata::{BUILD_LOCK, METADATA_FILE, State};

pub fn run(session: &Session, verb: &Metadata, words: &Words) -> Result<ExitCode, Error> {
    let project = Project::open(session, words)?;
    session.warn(&project.warnings);
    session.warn(&project.facts.warnings);
    let state = State::new(&project.facts, &project.tree);
    if verb.check {
        let differences = state.check(&project.tree)?;
        for difference in &differences {
            session.streams.message(&format!("  {difference}"));
        }
        if !differences.is_empty() {
            return Err(CommandError::Stale(differences.len()).into());
        }
        session.tell("the recorded build state matches the repository");
        return Ok(ExitCode::Ok);
    }
    let app = project.facts.app_dir.under(&project.tree.root);
    for (name, content) in [(METADATA_FILE, state.metadata()), (BUILD_LOCK, state.build_lock())] {
        let path = app.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| CommandError::Write { path: folder.to_path_buf(), source })?;
        }
        write_file(&path, content.as_bytes())?;
        session.data(&path.display().to_string())?;
    }
    Ok(ExitCode::Ok)
}
