//! The end of a build as the CI system gets it: job summary, outputs, files for later steps.
//!
//! Nothing here changes how the run ended: what cannot be written is a warning.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::Session;
use super::agent::{Page, find_agent, tell_agent};
use super::output::write_file;
use crate::config::settings::SummaryChoice;
use crate::diagnostic::{Warning, printable_path};
use crate::host;
use crate::repo::SUMMARY_REPORT;
use crate::repo::ci::CiSystem;
use crate::report::ci::{FileMode, PublishedOutputs};
use crate::report::outputs::{OutputSource, Outputs};
use crate::report::summary::{SUMMARY_LIMIT, Summary, render_summary};

/// Writes the summary and the outputs.
pub fn report(session: &Session, summary: &Summary<'_>, source: OutputSource<'_>) {
    let file = write_summary(session, summary);
    let file = file.as_deref().map(|path| path.to_string_lossy());
    let outputs = Outputs::of(&OutputSource { summary_file: file.as_deref(), ..source });
    let token = host::random_word();
    let published = PublishedOutputs { outputs: &outputs, pushed: source.pushed, token: &token };
    session.log.write(&session.log.dialect().output_lines(published));
    for file in session.log.dialect().output_files(published, &session.environment) {
        let written = match file.mode {
            FileMode::Append => append(&file.path, &file.content),
            FileMode::Replace => write_file(&file.path, file.content.as_bytes()).map_err(cause),
        };
        if let Err(error) = written {
            session.warn(&[unwritable(&file.path, file.named_by, &error)]);
        }
    }
    let page = if wants_summary(session) { Page::Written } else { Page::LeftOut };
    tell_agent(session, summary, page, &outputs);
}

fn cause(error: crate::error::CommandError) -> io::Error {
    match error {
        crate::error::CommandError::Write { source, .. } => source,
        other => io::Error::other(other),
    }
}

fn unwritable(path: &Path, named_by: &str, error: &io::Error) -> Warning {
    let path = printable_path(path);
    Warning::new("ci/unwritable", format!("`{path}`, which {named_by} names, cannot be written: {error}"))
        .with_hint("later steps go without it; check the runner's disk and permissions")
}

/// True when a summary will be seen.
pub fn wants_summary(session: &Session) -> bool {
    match &session.reporting.summary {
        SummaryChoice::Off => false,
        SummaryChoice::On | SummaryChoice::File(_) => true,
        SummaryChoice::Auto => {
            let own = session.log.dialect().summary_file(&session.environment);
            own.is_some() || session.reporting.system == CiSystem::Azure || find_agent(session).is_some()
        }
    }
}

/// Puts the summary where the CI system looks for it, and where it was requested. Returns the file that later steps can read.
fn write_summary(session: &Session, summary: &Summary<'_>) -> Option<PathBuf> {
    if !wants_summary(session) {
        return None;
    }
    let (shown, kept) = match &session.reporting.summary {
        SummaryChoice::File(path) => (None, Some(path.clone())),
        _ => (session.log.dialect().summary_file(&session.environment), temporary(session)),
    };
    if let Some(path) = shown {
        let taken = fs::metadata(&path).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
        let text = render_summary(summary, SUMMARY_LIMIT.saturating_sub(taken));
        if text.is_empty() {
            let full = io::Error::other("it holds as much as the runner takes");
            session.warn(&[unwritable(&path, "GITHUB_STEP_SUMMARY", &full)]);
        } else if let Err(error) = append(&path, &text) {
            session.warn(&[unwritable(&path, "GITHUB_STEP_SUMMARY", &error)]);
        }
    }
    let path = kept?;
    match write_file(&path, render_summary(summary, SUMMARY_LIMIT).as_bytes()) {
        Ok(()) => {
            let path = fs::canonicalize(&path).unwrap_or(path);
            session.log.write(&session.log.dialect().summary_line(&path.to_string_lossy()));
            Some(path)
        }
        Err(error) => {
            session.warn(&[unwritable(&path, "the summary", &cause(error))]);
            None
        }
    }
}

/// A file outside the repository that lasts as long as the job.
fn temporary(session: &Session) -> Option<PathBuf> {
    let folder = ["RUNNER_TEMP", "AGENT_TEMPDIRECTORY", "WORKSPACE_TMP"]
        .iter()
        .find_map(|name| session.environment.get(name).filter(|path| !path.is_empty()));
    match folder {
        // Several builds of one job have a file each.
        Some(folder) => Some(Path::new(folder).join(format!("nextdeploy-summary-{}.md", &host::random_word()[..8]))),
        None => (session.reporting.summary == SummaryChoice::On).then(|| PathBuf::from(SUMMARY_REPORT)),
    }
}

/// Adds whole lines to a file that others write as well; on failure it is as it was.
fn append(path: &Path, content: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let before = file.metadata()?.len();
    let mut last = [b'\n'];
    if before > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let gap = if last == *b"\n" { "" } else { "\n" };
    file.write_all(format!("{gap}{content}").as_bytes()).inspect_err(|_| {
        // What cannot be cut cannot be written either: a device.
        let _ = file_len(path, before);
    })
}

fn file_len(path: &Path, length: u64) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.set_len(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_and_lines_stay_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output");
        fs::write(&path, "a=1").unwrap();
        append(&path, "b=2\n").unwrap();
        append(&path, "c=3\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a=1\nb=2\nc=3\n");
        assert!(append(&folder.path().join("no/output"), "x").is_err());
        assert!(append(folder.path(), "x").is_err(), "a folder is no file");
    }
}
