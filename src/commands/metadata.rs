//! `nextdeploy metadata`.

use super::Session;
use super::output::write_inside;
use crate::config::cli::{CliSettings, MetadataArgs};
use crate::config::metadata::{self, Overrides, Record};
use crate::diagnostic::ExitCode;
use crate::error::Error;
use crate::pipeline::Opened;
use crate::repo::GitDetail;

pub fn run(session: &Session, verb: &MetadataArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let project = session.open(words, GitDetail::Full)?;
    session.warn(&project.warnings);
    session.warn(&project.facts.warnings);
    let record = Record::of(&project.tree, &project.facts, &overrides(&project));
    if verb.check {
        metadata::check(&project.tree, &record)?;
        session.tell("the recorded build state matches the repository");
        return Ok(ExitCode::Ok);
    }
    let files = [(&record.metadata_path, record.metadata_text()), (&record.lock_path, record.lock_text())];
    for (path, text) in files {
        write_inside(&project.tree.root, path.as_str().as_ref(), text.as_bytes())?;
        session.data(&path.under(&project.tree.root).display().to_string())?;
    }
    Ok(ExitCode::Ok)
}

fn overrides(project: &Opened) -> Overrides {
    let settings = &project.settings;
    Overrides {
        name: settings.name.as_ref().map(|name| name.value.clone()),
        build_command: settings.build_command.as_ref().map(|command| command.value.clone()),
        start_command: settings.start_command.as_ref().map(|command| command.value.clone()),
        port: settings.port.as_ref().map(|port| port.value),
        health_path: settings.health_path.as_ref().map(|path| path.value.clone()),
    }
}
