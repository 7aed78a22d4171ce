//! What the dialects have in common, and which system speaks which.

use std::borrow::Cow;
use std::path::PathBuf;

use super::annotation::{Annotation, Severity};
use super::{azure, bitbucket, buildkite, circleci, github, gitlab, jenkins, plain};
use crate::host::Environment;
use crate::image::PushedReference;
use crate::repo::ci::CiSystem;
use crate::report::outputs::Outputs;

/// A part of the log that can be folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogGroup {
    /// For machines: `build`.
    pub name: &'static str,
    /// For people: `Build`.
    pub title: &'static str,
    /// Seconds since the epoch at which it was opened.
    pub opened: i64,
}

/// What a run has to tell later steps.
#[derive(Debug, Clone, Copy)]
pub struct Published<'a> {
    pub outputs: &'a Outputs,
    pub pushed: &'a [PushedReference],
    /// A word that no value contains by chance.
    pub token: &'a str,
}

/// A file that the CI system reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWrite {
    pub path: PathBuf,
    pub content: String,
    pub mode: FileMode,
    /// The variable or feature that names it, for messages: `GITHUB_OUTPUT`.
    pub named_by: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMode {
    Append,
    Replace,
}

/// A program of the CI system, as it is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCall {
    pub arguments: Vec<String>,
    /// Standard input.
    pub input: String,
}

/// What such a program is told.
#[derive(Debug, Clone, Copy)]
pub struct AgentReport<'a> {
    pub outputs: &'a Outputs,
    /// The job summary, where one is wanted.
    pub summary: Option<&'a str>,
    /// The worst that the run has to tell.
    pub worst: Option<Severity>,
}

/// The conventions of one CI system. What a system lacks is empty.
pub trait Dialect: Sync {
    /// Begins a group; ends with a newline.
    fn open(&self, _group: &LogGroup) -> String {
        String::new()
    }

    fn close(&self, _group: &LogGroup, _now: i64) -> String {
        String::new()
    }

    /// True when [`Dialect::open`] has something to say.
    fn has_groups(&self) -> bool {
        false
    }

    /// Hides one line of a secret from here on.
    fn mask(&self, _line: &str) -> String {
        String::new()
    }

    /// From here on nothing is a command, until [`Dialect::resume`] with the same token.
    fn stop(&self, _token: &str) -> String {
        String::new()
    }

    fn resume(&self, _token: &str) -> String {
        String::new()
    }

    /// `None` where errors and warnings are plain text.
    fn annotate(&self, _annotation: &Annotation) -> Option<String> {
        None
    }

    /// Annotations of one kind that are shown.
    fn annotation_limit(&self) -> usize {
        usize::MAX
    }

    /// One line of text that cannot be taken for a command. Without newline.
    fn harmless<'a>(&self, line: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(line)
    }

    /// True when [`Dialect::harmless`] has something to do.
    fn has_commands(&self) -> bool {
        false
    }

    /// Outputs as lines of the log.
    fn output_lines(&self, _published: Published<'_>) -> String {
        String::new()
    }

    /// Outputs as files.
    fn output_files(&self, _published: Published<'_>, _environment: &Environment) -> Vec<FileWrite> {
        Vec::new()
    }

    /// Where the job summary goes without being asked for.
    fn summary_file(&self, _environment: &Environment) -> Option<PathBuf> {
        None
    }

    /// The program that takes results and pages, where the system has one and the job can use it.
    fn agent(&self, _environment: &Environment) -> Option<&'static str> {
        None
    }

    /// What [`Dialect::agent`] is told.
    fn agent_calls(&self, _report: AgentReport<'_>, _environment: &Environment) -> Vec<AgentCall> {
        Vec::new()
    }

    /// A command that takes up the summary that was written to a file.
    fn summary_line(&self, _file: &str) -> String {
        String::new()
    }
}

/// The dialect of a system.
pub fn dialect_of(system: CiSystem) -> &'static dyn Dialect {
    match system {
        CiSystem::GitHub => &github::GITHUB,
        CiSystem::Forgejo | CiSystem::Gitea => &github::FORGEJO,
        CiSystem::GitLab => &gitlab::GitLab,
        CiSystem::Azure => &azure::Azure,
        CiSystem::CircleCi => &circleci::CircleCi,
        CiSystem::Buildkite => &buildkite::Buildkite,
        CiSystem::Bitbucket => &bitbucket::Bitbucket,
        CiSystem::Jenkins => &jenkins::Jenkins,
        CiSystem::Other | CiSystem::None => &plain::Plain,
    }
}

/// A path that a variable names.
pub(super) fn file_of(environment: &Environment, variable: &str) -> Option<PathBuf> {
    environment.get(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}
