//! What went wrong, what it means, and what to do.

use std::fmt::Write as _;

use super::{Ending, FailedStep, Summary};
use crate::diagnostic::Diagnostic;
use crate::report::markdown::{block, code, cut, prose};

const LONGEST_MESSAGE: usize = 4_000;
const LONGEST_LOG: usize = 64 * 1024;

pub(super) fn render(summary: &Summary<'_>) -> String {
    let Ending::Failed(error) = summary.ending else { return String::new() };
    let mut text = format!("**What happened:** {}", prose(&cut(&error.to_string(), LONGEST_MESSAGE)));
    let _ = writeln!(text, " ({})\n", code(error.code()));
    if let Some(location) = error.location() {
        let _ = writeln!(text, "**Where:** {}\n", code(&location.to_string()));
    }
    for cause in causes(error) {
        let _ = writeln!(text, "**Because:** {}\n", prose(&cut(&cause, LONGEST_MESSAGE)));
    }
    for hint in error.hints() {
        let _ = writeln!(text, "**What to do:** {}\n", prose(&cut(&hint, LONGEST_MESSAGE)));
    }
    if let Some(step) = summary.failed_step.filter(|step| !step.log.is_empty()) {
        text.push_str(&end_of_log(step));
    }
    text
}

/// Causes that say something new.
fn causes(error: &dyn Diagnostic) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let message = inner.to_string();
        if !said.contains(&message) {
            causes.push(message.clone());
            said = message;
        }
        cause = inner.source();
    }
    causes
}

fn end_of_log(step: FailedStep<'_>) -> String {
    let lines = block("text", &cut(&step.log.join("\n"), LONGEST_LOG));
    format!("**The step** {} **said**\n\n{lines}", code(step.name))
}
