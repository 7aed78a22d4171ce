//! Calls the program of a CI system that accepts results and pages (`buildkite-agent`), in addition to files, bounded in time.
//!
//! Never fails a run: what the program rejects is a notice.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;

use super::{Session, block_on};
use crate::diagnostic::printable;
use crate::host::{ChildCall, ChildError, ChildLimits, CommandOutput, find_program, run_child};
use crate::report::ci::AgentReport;
use crate::report::outputs::Outputs;
use crate::report::summary::{SUMMARY_LIMIT, Summary, render_summary};

/// For each call; they run concurrently.
const LIMITS: ChildLimits = ChildLimits { time: Duration::from_secs(10), output: 256 * 1024 };

/// Whether the summary is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    Written,
    LeftOut,
}

/// Name and path of the program, if the job has it.
pub fn find_agent(session: &Session) -> Option<(&'static str, PathBuf)> {
    let name = session.log.dialect().agent(&session.environment)?;
    Some((name, find_program(name, &session.environment)?))
}

/// Passes on the summary and the outputs.
pub fn tell_agent(session: &Session, summary: &Summary<'_>, page: Page, outputs: &Outputs) {
    let Some((name, program)) = find_agent(session) else { return };
    let page = (page == Page::Written).then(|| render_summary(summary, SUMMARY_LIMIT));
    let report = AgentReport { outputs, summary: page.as_deref(), worst: summary.worst_severity() };
    let calls = session.log.dialect().agent_calls(report, &session.environment);
    let called = block_on(async {
        let calls = calls.iter().map(async |call| {
            let arguments: Vec<&str> = call.arguments.iter().map(String::as_str).collect();
            let call = ChildCall {
                program: &program,
                arguments: &arguments,
                directory: None,
                input: call.input.as_bytes(),
                environment: &session.environment,
                limits: LIMITS,
            };
            run_child(&call).await
        });
        join_all(calls).await
    });
    let failures: Vec<String> = match called {
        Err(error) => vec![error.to_string()],
        Ok(results) => results.into_iter().filter_map(failure).collect(),
    };
    if let Some(first) = failures.first() {
        let (rejected, all) = (failures.len(), calls.len());
        session.tell(&format!("notice: `{name}` rejected {rejected} of {all} calls: {first}"));
    }
}

fn failure(result: Result<CommandOutput, ChildError>) -> Option<String> {
    match result {
        Ok(output) if output.success => None,
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let last = stderr.lines().rfind(|line| !line.trim().is_empty());
            Some(last.map_or_else(|| "it failed without a message".to_owned(), |line| printable(line.trim())))
        }
        Err(error) => Some(error.to_string()),
    }
}
