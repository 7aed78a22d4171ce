//! Buildkite: groups in the log, and `buildkite-agent`, which accepts the job summary as annotation and the outputs as meta-data.
//!
//! Commands as in Buildkite's documentation of `buildkite-agent annotate` and `buildkite-agent meta-data`; both read a missing value
//! from standard input.

use std::borrow::Cow;

use super::dialect::{AgentCall, AgentReport, Dialect, LogGroup, Severity};
use crate::host::Environment;

pub(super) struct Buildkite;

/// Line prefixes that begin a group.
const GROUP_PREFIXES: [&str; 4] = ["---", "+++", "~~~", "^^^"];

impl Dialect for Buildkite {
    fn has_groups(&self) -> bool {
        true
    }

    fn open(&self, group: &LogGroup) -> String {
        format!("--- {}\n", group.title)
    }

    /// A group ends where the next one begins; this one is expanded.
    fn close(&self, _group: &LogGroup, _now: i64) -> String {
        "+++ nextdeploy\n".to_owned()
    }

    fn harmless<'a>(&self, line: &'a str) -> Cow<'a, str> {
        if GROUP_PREFIXES.iter().any(|prefix| line.trim_start().starts_with(prefix)) {
            return Cow::Owned(format!("| {line}"));
        }
        Cow::Borrowed(line)
    }

    fn has_commands(&self) -> bool {
        true
    }

    fn agent(&self, environment: &Environment) -> Option<&'static str> {
        variable(environment, "BUILDKITE_JOB_ID").map(|_| "buildkite-agent")
    }

    fn agent_calls(&self, report: AgentReport<'_>, environment: &Environment) -> Vec<AgentCall> {
        let step = variable(environment, "BUILDKITE_STEP_KEY");
        let mut calls = Vec::new();
        if let Some(summary) = report.summary.filter(|summary| !summary.is_empty()) {
            let style = match report.worst {
                Some(Severity::Error) => "error",
                Some(Severity::Warning) => "warning",
                None => "success",
            };
            // One per step: an annotation replaces the one with the same context.
            let context =
                format!("nextdeploy-{}", step.or(variable(environment, "BUILDKITE_JOB_ID")).unwrap_or_default());
            calls.push(call(&["annotate", "--style", style, "--context", &context], summary));
        }
        let key = step.map(|step| format!("{step}:")).unwrap_or_default();
        // The agent rejects empty values.
        let outputs = report.outputs.iter().filter(|(name, value)| !OMITTED.contains(name) && !value.trim().is_empty());
        calls.extend(
            outputs.map(|(name, value)| call(&["meta-data", "set", &format!("nextdeploy:{key}{name}")], value)),
        );
        calls
    }
}

/// Documents, and a file that only exists on this machine.
const OMITTED: [&str; 3] = ["metadata", "dockerfile", "summary-file"];

fn call(arguments: &[&str], input: &str) -> AgentCall {
    AgentCall { arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(), input: input.to_owned() }
}

fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).filter(|value| !value.trim().is_empty())
}
