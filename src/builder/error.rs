//! Why a build failed. Every variant names the daemon, file or step; texts of the daemon are escaped before they are shown.

use std::path::Path;
use std::time::Duration;

use super::context_stream::ContextStreamError;
use super::explain::{FailureExplanation, LocatedError};
use crate::diagnostic::{diagnostics, printable};
use crate::docker::connection::DaemonError;
use crate::image::plan::MissingVariable;
use crate::project::ProjectFacts;
use crate::repo::SourceTree;

diagnostics! {
    #[exit(Build)]
    pub enum BuildError {
        #[transparent]
        Daemon(#[from] error: DaemonError),

        #[error("{feature} need BuildKit, which {engine} does not have")]
        #[code("builder/needs-buildkit")]
        #[hint("use Docker Engine 23 or newer, or remove the option")]
        NeedsBuildKit { feature: &'static str, engine: String },

        #[transparent]
        Context(error: ContextStreamError),

        #[error("the daemon at `{endpoint}` received nothing of the build context for {} s", after.as_secs())]
        #[code("builder/upload-stalled")]
        #[hint("check the daemon's disk and the network to it, then try again")]
        UploadStalled { endpoint: String, after: Duration },

        /// `step` is the instruction, short and on one line; `tail` has the last lines of its log, escaped and without secrets.
        #[error("the step `{}` failed{}{}", step, exit_text(*exit_code), meaning_text(explanation.as_deref()))]
        #[code(explanation.as_ref().map_or("builder/step-failed", |explanation| explanation.code))]
        #[hint("{}", explanation.as_ref().map_or(
            "the end of the step's log has the reason; run the same command in the repository to reproduce it",
            |explanation| &explanation.action,
        ))]
        #[location(first_location(explanation.as_deref()))]
        StepFailed {
            step: String,
            exit_code: Option<i64>,
            tail: Vec<String>,
            explanation: Option<Box<FailureExplanation>>,
        },

        #[error("the daemon refused the build: {}{}", printable(message), meaning_text(explanation.as_deref()))]
        #[code(explanation.as_ref().map_or("builder/refused", |explanation| explanation.code))]
        #[hint("{}", explanation.as_ref().map_or(
            "check the option or reference that the message names",
            |explanation| &explanation.action,
        ))]
        #[location(first_location(explanation.as_deref()))]
        Refused { message: String, explanation: Option<Box<FailureExplanation>> },

        #[error("the build did not finish within {} and was stopped", human_duration(*after))]
        #[code("builder/timed-out")]
        #[hint("raise the limit with `--build-timeout`, or check the last step for something that waits")]
        TimedOut { after: Duration },

        #[error("the build was cancelled")]
        #[code("builder/cancelled")]
        #[exit(Interrupted)]
        Cancelled,
    }
}

fn exit_text(code: Option<i64>) -> String {
    code.map(|code| format!(" with exit code {code}")).unwrap_or_default()
}

fn meaning_text(explanation: Option<&FailureExplanation>) -> String {
    explanation.map(|explanation| format!(": {}", explanation.meaning)).unwrap_or_default()
}

fn first_location(explanation: Option<&FailureExplanation>) -> Option<crate::diagnostic::Location> {
    Some(explanation?.findings.first()?.location.clone())
}

fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 60 && seconds.is_multiple_of(60) { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

impl BuildError {
    /// What the failure means, where it is known.
    pub fn explanation(&self) -> Option<&FailureExplanation> {
        match self {
            Self::StepFailed { explanation, .. } | Self::Refused { explanation, .. } => explanation.as_deref(),
            _ => None,
        }
    }

    /// Finds the files of the repository that the failure is about, and the variables that the build may lack.
    pub fn locate(&mut self, tree: &SourceTree, facts: &ProjectFacts, missing: &[MissingVariable]) {
        if let Self::StepFailed { explanation: Some(explanation), .. } = self {
            explanation.locate(tree, facts, missing);
        }
    }

    /// Certificates that were given are not proposed again.
    pub fn with_ca_bundle(&mut self, bundle: &Path) {
        if let Self::StepFailed { explanation: Some(explanation), .. } = self {
            explanation.with_ca_bundle(bundle);
        }
    }

    /// Locations in the repository that the failure is about, the most important first.
    pub fn findings(&self) -> &[LocatedError] {
        self.explanation().map_or(&[], |explanation| &explanation.findings)
    }
}
