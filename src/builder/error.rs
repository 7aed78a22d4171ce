//! Why a build failed: stable codes, one message, one action.
//!
//! Every variant names the daemon, file or step that is meant; texts of the daemon are escaped before they are shown.

use std::time::Duration;

use super::context_stream::ContextStreamError;
use super::explain::{Explanation, Finding};
use crate::diagnostic::{Diagnostic, ExitCode, Location, printable};
use crate::docker::connection::DaemonError;
use crate::project::ProjectFacts;
use crate::repo::SourceTree;

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Daemon(#[from] DaemonError),

    #[error("{feature} need BuildKit, which {engine} does not have")]
    NeedsBuildKit { feature: &'static str, engine: String },
    #[error(transparent)]
    Context(ContextStreamError),
    #[error("the daemon at `{endpoint}` took none of the build context for {} s", after.as_secs())]
    UploadStalled { endpoint: String, after: Duration },
    #[error("the step `{}` failed{}{}", step, exit_text(*exit_code), meaning_text(explanation.as_deref()))]
    StepFailed {
        /// The instruction, short and on one line.
        step: String,
        exit_code: Option<i64>,
        /// Last lines of the step's log, control characters escaped, secrets redacted.
        tail: Vec<String>,
        explanation: Option<Box<Explanation>>,
    },
    #[error("the daemon refused the build: {}{}", printable(message), meaning_text(explanation.as_deref()))]
    Refused { message: String, explanation: Option<Box<Explanation>> },
    #[error("the build was not finished after {} and was stopped", human_duration(*after))]
    TimedOut { after: Duration },
    #[error("the build was cancelled")]
    Cancelled,
}

fn exit_text(code: Option<i64>) -> String {
    code.map(|code| format!(" with exit code {code}")).unwrap_or_default()
}

fn meaning_text(explanation: Option<&Explanation>) -> String {
    explanation.map(|explanation| format!(": {}", explanation.meaning)).unwrap_or_default()
}

fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 60 && seconds.is_multiple_of(60) { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

impl BuildError {
    /// What the failure means, where it is known.
    pub fn explanation(&self) -> Option<&Explanation> {
        match self {
            Self::StepFailed { explanation, .. } | Self::Refused { explanation, .. } => explanation.as_deref(),
            _ => None,
        }
    }
}

impl BuildError {
    /// Finds the files of the repository that the failure is about.
    pub fn locate(&mut self, tree: &SourceTree, facts: &ProjectFacts) {
        if let Self::StepFailed { explanation: Some(explanation), .. } = self {
            explanation.locate(tree, facts);
        }
    }

    /// Places in the repository that the failure is about, the most important first.
    pub fn findings(&self) -> &[Finding] {
        self.explanation().map_or(&[], |explanation| &explanation.findings)
    }
}

impl Diagnostic for BuildError {
    fn code(&self) -> &'static str {
        if let Some(explanation) = self.explanation() {
            return explanation.code;
        }
        match self {
            Self::Daemon(error) => error.code(),
            Self::NeedsBuildKit { .. } => "builder/needs-buildkit",
            Self::Context(error) => error.code(),
            Self::UploadStalled { .. } => "builder/upload-stalled",
            Self::StepFailed { .. } => "builder/step-failed",
            Self::Refused { .. } => "builder/refused",
            Self::TimedOut { .. } => "builder/timed-out",
            Self::Cancelled => "builder/cancelled",
        }
    }

    fn hints(&self) -> Vec<String> {
        if let Some(explanation) = self.explanation() {
            return vec![explanation.action.clone()];
        }
        let hint = match self {
            Self::Daemon(error) => return error.hints(),
            Self::NeedsBuildKit { .. } => "use Docker Engine 23 or newer, or leave the option out",
            Self::Context(error) => return error.hints(),
            Self::UploadStalled { .. } => "check the daemon's disk and the network to it, then try again",
            Self::StepFailed { .. } => {
                "the end of the step's log says why; run the same command in the repository to reproduce it"
            }
            Self::Refused { .. } => "check the option or reference that the message names",
            Self::TimedOut { .. } => {
                "give it more time with `--build-timeout`, or look at the last step for something that waits"
            }
            Self::Cancelled => return Vec::new(),
        };
        vec![hint.to_owned()]
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Cancelled => ExitCode::Interrupted,
            Self::Daemon(error) => error.exit_code(),
            Self::Context(error) => error.exit_code(),
            _ => ExitCode::Build,
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Context(error) => error.location(),
            Self::Daemon(error) => error.location(),
            _ => self.findings().first().map(|finding| finding.location.clone()),
        }
    }
}
