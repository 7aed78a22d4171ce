//! Why a step failed: its name, error and log → [`Explanation`].
//!
//! One table ([`rules`]) in order of certainty: the first rule that fits wins. Pure; knows nothing of daemons, and never guesses:
//! what no rule knows has no explanation, and the last lines of the log speak for themselves.

mod rules;
#[cfg(test)]
mod tests;

use regex_lite::{Captures, Regex};
use serde::Serialize;

use crate::diagnostic::printable;

/// What a failure means and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Stable identifier, `builder/out-of-memory`.
    pub code: &'static str,
    /// Continues the sentence "the step failed: …"; one line.
    pub meaning: String,
    /// One concrete action.
    pub action: String,
}

/// What is known about a failed step.
pub(crate) struct Failure<'a> {
    /// The builder's own error text.
    pub error: &'a str,
    pub exit_code: Option<i64>,
    pub log: &'a [String],
}

/// One known failure. `$1`, `$2` in the texts stand for what the pattern captured.
struct Rule {
    code: &'static str,
    /// Where the pattern is looked for.
    place: Place,
    pattern: &'static str,
    meaning: &'static str,
    action: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// One line of the log.
    Log,
    /// The builder's error text.
    Error,
    Either,
}

const LONGEST_CAPTURE: usize = 160;

pub(crate) fn explain(failure: &Failure) -> Option<Explanation> {
    let log: Vec<String> = failure.log.iter().map(|line| without_colours(line)).collect();
    if let Some(own) = own_message(&log) {
        return Some(own);
    }
    rules::RULES.iter().find_map(|rule| apply(rule, failure, &log)).or_else(|| killed(failure))
}

/// Our scripts inside the build say it themselves: `nextdeploy: error: …`, then `nextdeploy: hint: …`.
fn own_message(log: &[String]) -> Option<Explanation> {
    let said =
        |prefix: &str| log.iter().find_map(|line| line.trim().strip_prefix(prefix)).map(|text| text.trim().to_owned());
    let meaning = said("nextdeploy: error: ")?;
    let action = said("nextdeploy: hint: ").unwrap_or_else(|| "see the end of the step's log".into());
    Some(Explanation { code: "builder/step-failed", meaning: printable(&meaning), action: printable(&action) })
}

fn killed(failure: &Failure) -> Option<Explanation> {
    (failure.exit_code == Some(137)).then(|| Explanation {
        code: "builder/out-of-memory",
        meaning: "it was killed (exit code 137), most often because the memory ran out".into(),
        action: rules::MORE_MEMORY.into(),
    })
}

fn apply(rule: &Rule, failure: &Failure, log: &[String]) -> Option<Explanation> {
    let pattern = Regex::new(rule.pattern).expect("every pattern of the table is tested");
    let mut texts: Vec<&str> = Vec::new();
    if rule.place != Place::Error {
        texts.extend(log.iter().map(String::as_str));
    }
    if rule.place != Place::Log {
        texts.push(failure.error);
    }
    let found = texts.into_iter().find_map(|text| pattern.captures(text))?;
    Some(Explanation { code: rule.code, meaning: fill(rule.meaning, &found), action: fill(rule.action, &found) })
}

/// Puts captures, which are untrusted, into a text of ours.
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
