//! `nextdeploy init`.

use std::path::{Path, PathBuf};

use super::Session;
use super::output::{create_inside, write_inside};
use crate::config::cli::InitArgs;
use crate::config::{CliSettings, Setting};
use crate::diagnostic::{ExitCode, printable_path};
use crate::error::{CommandError, Error};
use crate::host::{FILE_LIMIT, Folder};
use crate::pipeline::{Opened, git_options};
use crate::rel_path::RelPath;
use crate::repo::{GitDetail, default_branch, git_top_level};
use crate::workflow::{
    Choices, CiTarget, DOCKERIGNORE, Definition, GITIGNORE, IgnoreFile, Program, Release, TargetRegistry, WorkflowError,
};

/// The branch of a repository without one.
const DEFAULT_BRANCH: &str = "main";

pub fn run(session: &Session, verb: &InitArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    // A project that cannot be built here cannot be built in CI.
    let project = session.open(words, GitDetail::Tracking)?;
    session.warn(&project.warnings);
    let root = &project.tree.root;
    let top = git_top_level(root).unwrap_or_else(|| root.clone());
    let target = CiTarget::find(verb.ci.as_deref(), project.tree.git.as_ref().and_then(|git| git.remote.as_deref()))?;
    let choices = Choices {
        target,
        registry: TargetRegistry::parse(verb.registry.as_deref(), target)?,
        directory: directory(words, &project, &top),
        branch: default_branch(root, &git_options(&session.environment, session.reporting.system, GitDetail::Tracking))
            .unwrap_or_else(|| DEFAULT_BRANCH.to_owned()),
        program: Program::new(target, verb.uses.as_deref(), Release::of_this_program())?,
    };
    session.warn(choices.program.warning(target).as_slice());
    let definition = choices.definition();
    let path = top.join(&definition.path);
    let ignore_files = [completed(&GITIGNORE, &top)?, completed(&DOCKERIGNORE, root)?];
    if verb.dry_run {
        return print(session, &definition, &path, &ignore_files);
    }
    create(&top, &definition)?;
    session.tell(&format!("wrote {}", printable_path(&path)));
    for (path, content) in ignore_files.iter().flatten() {
        let (folder, name) = (path.parent().unwrap_or(root), path.file_name().unwrap_or_default());
        write_inside(folder, name.as_ref(), content.as_bytes())?;
        session.tell(&format!("wrote {}", printable_path(path)));
    }
    for action in &definition.to_do {
        session.tell(&format!("to do: {action}"));
    }
    session.data(&definition.path)?;
    Ok(ExitCode::Ok)
}

/// The folder of the named app, else the folder passed; relative to the top of the repository.
fn directory(words: &CliSettings, project: &Opened, top: &Path) -> RelPath {
    let folder = match (words.get(Setting::App), &words.directory) {
        ([_, ..], _) => project.tree.root.join(project.facts.app_dir.as_str()),
        ([], directory) => {
            let directory = directory.clone().unwrap_or_else(|| PathBuf::from("."));
            directory.canonicalize().unwrap_or(directory)
        }
    };
    let below = folder.strip_prefix(top).ok().and_then(Path::to_str);
    below.and_then(|below| RelPath::new(below).ok()).unwrap_or_else(RelPath::root)
}

/// The path and new content of an ignore file in `folder`; `None` if nothing is missing.
fn completed(file: &IgnoreFile, folder: &Path) -> Result<Option<(PathBuf, String)>, CommandError> {
    let path = folder.join(file.name);
    let read = Folder::open(folder).and_then(|folder| folder.read_text(file.name.as_ref(), FILE_LIMIT));
    let present = match read {
        Ok(text) => text,
        Err(source) => return Err(CommandError::Read { path, wanted_by: "`init`".to_owned(), source }),
    };
    Ok(file.completed(present.as_deref()).map(|content| (path, content)))
}

/// Fails before anything is written if the definition exists.
fn create(top: &Path, definition: &Definition) -> Result<(), Error> {
    create_inside(top, definition.path.as_ref(), definition.content.as_bytes()).map_err(|error| match error {
        CommandError::Exists { path } => WorkflowError::Exists { path }.into(),
        error => Error::from(error),
    })
}

fn print(
    session: &Session,
    definition: &Definition,
    path: &Path,
    ignore_files: &[Option<(PathBuf, String)>],
) -> Result<ExitCode, Error> {
    let mut files = vec![(path, definition.content.as_str())];
    files.extend(ignore_files.iter().flatten().map(|(path, content)| (path.as_path(), content.as_str())));
    let texts: Vec<String> =
        files.iter().map(|(path, content)| format!("== {}\n{content}", printable_path(path))).collect();
    session.data(texts.join("\n").trim_end())?;
    Ok(ExitCode::Ok)
}
