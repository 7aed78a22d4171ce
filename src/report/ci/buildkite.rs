//! Buildkite: groups of the log, and `buildkite-agent`, which takes the job summary as annotation and the outputs as meta-data.
//!
//! Commands as in Buildkite's documentation of `buildkite-agent annotate` and `buildkite-agent meta-data`; both read a value that is not
//! among their arguments from standard input.

use std::borrow::Cow;

use super::annotation::Severity;
use super::dialect::{AgentCall, AgentReport, Dialect, LogGroup};
use crate::host::Environment;

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

    fn agent(&self, environment: &Environment) -> Option<&'static str> {
        named(environment, "BUILDKITE_JOB_ID").map(|_| "buildkite-agent")
    }

    fn agent_calls(&self, report: AgentReport<'_>, environment: &Environment) -> Vec<AgentCall> {
        let step = named(environment, "BUILDKITE_STEP_KEY");
        let mut calls = Vec::new();
        if let Some(summary) = report.summary.filter(|summary| !summary.is_empty()) {
            let style = match report.worst {
                Some(Severity::Error) => "error",
                Some(Severity::Warning) => "warning",
                None => "success",
            };
            // One for each step: a second one with the same context would take its place.
            let context = format!("nextdeploy-{}", step.or(named(environment, "BUILDKITE_JOB_ID")).unwrap_or_default());
            calls.push(call(&["annotate", "--style", style, "--context", &context], summary));
        }
        let key = step.map(|step| format!("{step}:")).unwrap_or_default();
        // An empty value is refused.
        let told = report.outputs.iter().filter(|(name, value)| !LEFT_OUT.contains(name) && !value.trim().is_empty());
        calls.extend(told.map(|(name, value)| call(&["meta-data", "set", &format!("nextdeploy:{key}{name}")], value)));
        calls
    }
}

/// Documents, and a file that no other machine has.
const LEFT_OUT: [&str; 3] = ["metadata", "dockerfile", "summary-file"];

fn call(arguments: &[&str], input: &str) -> AgentCall {
    AgentCall { arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(), input: input.to_owned() }
}

fn named<'a>(environment: &'a Environment, variable: &str) -> Option<&'a str> {
    environment.get(variable).filter(|value| !value.trim().is_empty())
}
