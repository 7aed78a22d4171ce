//! `nextdeploy dockerfile`.

use std::fs;

use super::Session;
use super::output::create_inside;
use super::project::Project;
use super::recipe::{Secrets, write_recipe};
use crate::config::cli::{Dockerfile, Words};
use crate::diagnostic::ExitCode;
use crate::error::{CommandError, Error};
use crate::image::dockerfile::{self, BuilderBackend};

pub fn run(session: &Session, verb: &Dockerfile, words: &Words) -> Result<ExitCode, Error> {
    let project = Project::open(session, words)?;
    let plan = project.plan()?;
    session.warn(&project.warnings);
    session.warn(&plan.warnings);
    if !verb.eject {
        let recipe = write_recipe(&project, &plan, BuilderBackend::BuildKit, Secrets::NameOnly)?;
        session.warn(&recipe.warnings);
        session.data(&recipe.dockerfile)?;
        return Ok(ExitCode::Ok);
    }
    let folder = verb.output.clone().unwrap_or_else(|| project.tree.root.clone());
    let files = dockerfile::eject(&plan, &project.tree)?;
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
