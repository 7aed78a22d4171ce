//! Why a step failed: its error and log → [`FailureExplanation`], with the files of the repository that it is about.
//!
//! One table ([`rules`]) in order of certainty: the first rule that fits wins. Knows nothing of daemons, and never guesses: a failure
//! without a rule has no explanation.

mod locate;
mod mentions;
mod rules;
#[cfg(test)]
mod tests;
mod variables;

use std::path::Path;

use regex_lite::{Captures, Regex};

pub use locate::LocatedError;

use self::locate::ErrorSource;
use self::rules::{Rule, SearchIn};
use self::variables::LogWords;
use crate::diagnostic::{printable, printable_path};
use crate::image::plan::MissingVariable;
use crate::project::ProjectFacts;
use crate::repo::SourceTree;

/// What a failure means and what to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailureExplanation {
    /// Stable identifier, `builder/out-of-memory`.
    pub code: &'static str,
    /// Continues the sentence "the step failed: …"; one line.
    pub meaning: String,
    /// One concrete action.
    pub action: String,
    /// Places in the repository, the most important first.
    pub findings: Vec<LocatedError>,
    subject: ErrorSource,
    /// Words of the error in the log.
    words: LogWords,
}

impl FailureExplanation {
    pub fn new(code: &'static str, meaning: impl Into<String>, action: impl Into<String>) -> Self {
        Self { code, meaning: meaning.into(), action: action.into(), ..Self::default() }
    }

    /// Finds the files that it is about, and the variables that the build may lack.
    pub fn locate(&mut self, tree: &SourceTree, facts: &ProjectFacts, missing: &[MissingVariable]) {
        self.findings = self.subject.find(tree, facts);
        if ABOUT_VARIABLES.contains(&self.code)
            && let Some(action) = variables::action(missing, &self.words)
        {
            self.action = action;
        }
    }

    /// Certificates that were given are not proposed again.
    pub fn with_ca_bundle(&mut self, bundle: &Path) {
        if self.code == rules::TLS_INTERCEPTED {
            self.action = format!(
                "`{}` (`--ca-bundle`) does not contain the authority of that server: add it to the file",
                printable_path(bundle)
            );
        }
    }

    /// Index of the line of the log at which the error begins, where it is known.
    pub(crate) fn begins_at(&self) -> Option<usize> {
        match &self.subject {
            ErrorSource::Sources(mentions) => mentions.iter().map(|mention| mention.at).min(),
            _ => None,
        }
    }
}

/// What is known about a failed step.
pub(crate) struct StepFailure<'a> {
    /// The builder's own error text.
    pub error: &'a str,
    pub exit_code: Option<i64>,
    pub log: &'a [String],
}

const LONGEST_CAPTURE: usize = 160;
/// Failures for which a missing variable is the commonest reason.
const ABOUT_VARIABLES: [&str; 3] = ["builder/missing-variable", "builder/page-data", "builder/prerender"];

pub(crate) fn explain(failure: &StepFailure) -> Option<FailureExplanation> {
    let log: Vec<String> = failure.log.iter().map(|line| without_colours(line)).collect();
    if let Some(own) = own_message(&log) {
        return Some(own);
    }
    let mut found = rules::RULES.iter().find_map(|rule| apply(rule, failure, &log)).or_else(|| killed(failure))?;
    found.subject = subject(found.code, &log);
    found.words = LogWords::of(&log);
    if let ("builder/syntax-error" | "builder/app-error", ErrorSource::Sources(mentions)) = (found.code, &found.subject)
        && let Some(mention) = mentions.first().filter(|mention| !mention.message.is_empty())
    {
        found.meaning = format!("{}: {}", found.meaning, mention.message);
    }
    Some(found)
}

/// The file that a failure of this kind is about.
fn subject(code: &str, log: &[String]) -> ErrorSource {
    match code {
        "builder/type-error"
        | "builder/module-not-found"
        | "builder/lint-error"
        | "builder/syntax-error"
        | "builder/app-error"
        | "builder/fonts" => ErrorSource::Sources(mentions::mentions(log)),
        "builder/prerender" | "builder/page-data" | "builder/missing-variable" | "builder/build-needs-server" => {
            ErrorSource::Stack(mentions::frames(log))
        }
        "builder/lockfile-outdated" => ErrorSource::Lockfile,
        "builder/engine-mismatch" => ErrorSource::Manifest("engines"),
        "builder/no-build-script" => ErrorSource::Manifest("scripts"),
        "builder/package-not-found" => ErrorSource::Manifest("dependencies"),
        "builder/next-config-output" | "builder/static-export" => ErrorSource::Config("output"),
        _ => ErrorSource::Unknown,
    }
}

/// The message of our scripts inside the build: `nextdeploy: error: …`, then `nextdeploy: hint: …`.
fn own_message(log: &[String]) -> Option<FailureExplanation> {
    let said =
        |prefix: &str| log.iter().find_map(|line| line.trim().strip_prefix(prefix)).map(|text| text.trim().to_owned());
    let meaning = said("nextdeploy: error: ")?;
    let action = said("nextdeploy: hint: ").unwrap_or_else(|| "see the end of the step's log".into());
    let options = ["outputFileTracingRoot", "output"];
    let option = options.into_iter().find(|option| action.contains(option) && action.contains("next.config"));
    let subject = option.map_or(ErrorSource::Unknown, ErrorSource::Config);
    Some(FailureExplanation {
        subject,
        ..FailureExplanation::new("builder/step-failed", printable(&meaning), printable(&action))
    })
}

fn killed(failure: &StepFailure) -> Option<FailureExplanation> {
    let meaning = "it was killed (exit code 137), usually because the memory ran out";
    (failure.exit_code == Some(137))
        .then(|| FailureExplanation::new("builder/out-of-memory", meaning, rules::MORE_MEMORY))
}

fn apply(rule: &Rule, failure: &StepFailure, log: &[String]) -> Option<FailureExplanation> {
    let pattern = Regex::new(rule.pattern).expect("every pattern of the table is tested");
    let mut texts: Vec<&str> = Vec::new();
    if rule.search != SearchIn::Error {
        texts.extend(log.iter().map(String::as_str));
    }
    if rule.search != SearchIn::Log {
        texts.push(failure.error);
    }
    let found = texts.into_iter().find_map(|text| pattern.captures(text))?;
    Some(FailureExplanation::new(rule.code, fill(rule.meaning, &found), fill(rule.action, &found)))
}

/// Inserts captures, which are untrusted, into a text.
fn fill(text: &str, found: &Captures) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let digit = after.chars().next().and_then(|c| c.to_digit(10)).expect("`$` stands before a digit in the table");
        let value = found.get(digit as usize).map_or("", |value| value.as_str()).trim();
        result.extend(printable(value).chars().take(LONGEST_CAPTURE));
        rest = &after[1..];
    }
    result + rest
}

/// A line without colours.
pub(crate) fn without_colours(line: &str) -> String {
    Regex::new("\x1b\\[[0-9;?]*[A-Za-z]").expect("a constant pattern").replace_all(line, "").into_owned()
}
