//! `nextdeploy dockerfile`.

use std::collections::BTreeMap;
use std::fs;

use super::Session;
use super::output::create_inside;
use crate::config::cli::{CliSettings, DockerfileArgs};
use crate::diagnostic::ExitCode;
use crate::error::{CommandError, Error};
use crate::image::dockerfile::{self, BuilderBackend};
use crate::pipeline::SecretValues;
use crate::repo::GitDetail;

pub fn run(session: &Session, verb: &DockerfileArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let planned = session.open(words, GitDetail::Full)?.into_planned().map_err(|failure| failure.error)?;
    session.warn(&planned.opened.warnings);
    session.warn(&planned.plan.warnings);
    if !verb.eject {
        let prepared = planned
            .into_prepared(BuilderBackend::BuildKit, SecretValues::NameOnly, BTreeMap::new())
            .map_err(|failure| failure.error)?;
        session.warn(&prepared.warnings);
        session.data(&prepared.dockerfile)?;
        return Ok(ExitCode::Ok);
    }
    let (plan, tree) = (&planned.plan, &planned.opened.tree);
    let folder = verb.output.clone().unwrap_or_else(|| tree.root.clone());
    let files = dockerfile::eject(plan, tree)?;
    // Nothing is begun when one of them could not be written.
    if let Some(path) = files.iter().map(|file| folder.join(&file.path)).find(|path| fs::symlink_metadata(path).is_ok())
    {
        return Err(CommandError::Exists { path }.into());
    }
    fs::create_dir_all(&folder).map_err(|source| CommandError::Write { path: folder.clone(), source })?;
    for file in &files {
        create_inside(&folder, &file.path, file.content.as_bytes())?;
        session.tell(&format!("wrote {}", folder.join(&file.path).display()));
    }
    Ok(ExitCode::Ok)
}
