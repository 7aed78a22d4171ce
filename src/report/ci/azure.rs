//! Azure Pipelines: logging commands, `##vso[area.action name=value;…]data`.

use std::borrow::Cow;

use super::dialect::{Annotation, Dialect, LogGroup, PublishedOutputs};
use crate::diagnostic::printable_path;

pub(super) struct Azure;

impl Dialect for Azure {
    fn has_groups(&self) -> bool {
        true
    }

    fn open(&self, group: &LogGroup) -> String {
        format!("##[group]{}\n", group.title)
    }

    fn close(&self, _group: &LogGroup, _now: i64) -> String {
        "##[endgroup]\n".to_owned()
    }

    fn mask(&self, line: &str) -> String {
        format!("##vso[task.setsecret]{}\n", escape(line))
    }

    fn annotate(&self, annotation: &Annotation) -> Option<String> {
        let mut properties = vec![format!("type={}", annotation.severity.word())];
        if let Some(location) = &annotation.location {
            properties.push(format!("sourcepath={}", escape(&printable_path(&location.file))));
            properties.extend(location.line.map(|line| format!("linenumber={line}")));
            properties.extend(location.column.map(|column| format!("columnnumber={column}")));
        }
        properties.push(format!("code={}", escape(&annotation.code)));
        Some(format!("##vso[task.logissue {}]{}\n", properties.join(";"), escape(&annotation.message)))
    }

    /// The agent finds commands anywhere in a line, and they cannot be disabled.
    fn harmless<'a>(&self, line: &'a str) -> Cow<'a, str> {
        if line.contains("##vso[") || line.contains("##[") {
            return Cow::Owned(line.replace("##vso[", "## vso[").replace("##[", "## ["));
        }
        Cow::Borrowed(line)
    }

    fn has_commands(&self) -> bool {
        true
    }

    fn output_lines(&self, published: PublishedOutputs<'_>) -> String {
        let names = published
            .outputs
            .variables()
            .map(|(name, value)| format!("##vso[task.setvariable variable={name};isOutput=true]{}\n", escape(&value)));
        names.collect()
    }

    fn summary_line(&self, file: &str) -> String {
        format!("##vso[task.uploadsummary]{}\n", escape(file))
    }
}

/// `%` is escaped only where it would begin an escape sequence: older agents do not unescape it.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for (at, c) in text.char_indices() {
        let ahead = |word: &str| text[at..].get(..word.len()).is_some_and(|ahead| ahead.eq_ignore_ascii_case(word));
        match c {
            '%' if ["%0A", "%0D", "%3B", "%5D", "%AZP25"].iter().any(|word| ahead(word)) => escaped.push_str("%AZP25"),
            '\r' => escaped.push_str("%0D"),
            '\n' => escaped.push_str("%0A"),
            ';' => escaped.push_str("%3B"),
            ']' => escaped.push_str("%5D"),
            c => escaped.push(c),
        }
    }
    escaped
}
