//! Buildkite: groups of the log. Its annotations are made by `buildkite-agent`, from the job summary.

use std::borrow::Cow;

use super::dialect::{Dialect, LogGroup};

pub(super) struct Buildkite;

/// What begins a group when a line begins with it.
const MARKS: [&str; 4] = ["---", "+++", "~~~", "^^^"];

impl Dialect for Buildkite {
    fn has_groups(&self) -> bool {
        true
    }

    fn open(&self, group: &LogGroup) -> String {
        format!("--- {}\n", group.title)
    }

    /// A group ends where the next one begins; this one is open.
    fn close(&self, _group: &LogGroup, _now: i64) -> String {
        "+++ nextdeploy\n".to_owned()
    }

    fn harmless<'a>(&self, line: &'a str) -> Cow<'a, str> {
        if MARKS.iter().any(|mark| line.trim_start().starts_with(mark)) {
            return Cow::Owned(format!("| {line}"));
        }
        Cow::Borrowed(line)
    }

    fn has_commands(&self) -> bool {
        true
    }
}
