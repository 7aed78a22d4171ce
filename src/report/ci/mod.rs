//! The dialects of CI systems: groups in the log, masks, annotations, and outputs for later steps.
//!
//! In: values. Out: lines for the log, [`FileWrite`]s and [`AgentCall`]s, which `commands/` carries out. A dialect never prints, and
//! no text from outside can become a command of the CI system.

mod azure;
mod buildkite;
mod dialect;
mod github;
mod gitlab;
#[cfg(test)]
mod tests;
mod variables;

use std::io::{self, Write};

use super::diagnostics::{Style, render_error, render_warning};
use crate::diagnostic::{Diagnostic, Location, Warning};
use crate::repo::ci::CiSystem;

pub use dialect::{
    AgentCall, AgentReport, Annotation, Dialect, FileMode, FileWrite, LogGroup, PublishedOutputs, Severity,
};

/// No CI system, or an unknown one.
struct PlainText;

impl Dialect for PlainText {}

/// The dialect of a system.
pub fn dialect_of(system: CiSystem) -> &'static dyn Dialect {
    match system {
        CiSystem::GitHub => &github::GITHUB,
        CiSystem::Forgejo | CiSystem::Gitea => &github::FORGEJO,
        CiSystem::GitLab => &gitlab::GitLab,
        CiSystem::Azure => &azure::Azure,
        CiSystem::CircleCi => &variables::CircleCi,
        CiSystem::Buildkite => &buildkite::Buildkite,
        CiSystem::Bitbucket => &variables::Bitbucket,
        CiSystem::Jenkins => &variables::Jenkins,
        CiSystem::Other | CiSystem::None => &PlainText,
    }
}

/// The log of one run for its CI system: closes groups, masks secrets, keeps annotations within their limit. Every method returns the
/// lines to write, which may be empty.
pub struct Reporter {
    dialect: &'static dyn Dialect,
    style: Style,
    open: Option<LogGroup>,
    errors: AnnotationCount,
    warnings: AnnotationCount,
}

/// Annotations of one severity. The last one is held back: it is shown if it stays the last, else replaced by the number of the rest.
#[derive(Default)]
struct AnnotationCount {
    shown: usize,
    held: Option<Annotation>,
    omitted: usize,
}

/// Masking shorter lines of a multi-line secret (`{`, `}`) would mask ordinary text.
const SHORTEST_LINE: usize = 4;

/// Annotations that are reserved for errors of the run itself.
const RESERVED: usize = 3;

impl Reporter {
    pub fn new(dialect: &'static dyn Dialect, style: Style) -> Self {
        Self { dialect, style, open: None, errors: AnnotationCount::default(), warnings: AnnotationCount::default() }
    }

    pub fn dialect(&self) -> &'static dyn Dialect {
        self.dialect
    }

    /// Masks a secret line by line, as CI systems read the log.
    pub fn mask(&mut self, secret: &str) -> String {
        let lines: Vec<&str> = secret.split(['\n', '\r']).filter(|line| !line.trim().is_empty()).collect();
        let single = lines.len() == 1;
        lines
            .iter()
            .filter(|line| single || line.trim().len() >= SHORTEST_LINE)
            .map(|line| self.dialect.mask(line))
            .collect()
    }

    /// Opens a group and closes the open one: groups do not nest.
    pub fn open(&mut self, group: LogGroup) -> String {
        let closed = self.close(group.opened);
        self.open = Some(group);
        closed + &self.dialect.open(&group)
    }

    pub fn close(&mut self, now: i64) -> String {
        self.open.take().map(|group| self.dialect.close(&group, now)).unwrap_or_default()
    }

    /// The error as annotation, or as text without annotations; outside of groups, so that it is visible.
    pub fn error(&mut self, error: &dyn Diagnostic, location: Option<Location>, now: i64) -> String {
        let text = render_error(error, self.style);
        self.close(now) + &self.show(Annotation::of_error(error, location), &text)
    }

    pub fn warning(&mut self, warning: &Warning, location: Option<Location>) -> String {
        let text = render_warning(warning, self.style);
        self.show(Annotation::of_warning(warning, location), &text)
    }

    /// A further location of an error that is reported later; empty without annotations, or if there is no room.
    pub fn finding(&mut self, code: &str, message: &str, location: Location) -> String {
        let annotation = Annotation::of_finding(code, message, location);
        let Some(line) = self.dialect.annotate(&annotation) else { return String::new() };
        if self.errors.shown + RESERVED >= self.dialect.annotation_limit() {
            return String::new();
        }
        self.errors.shown += 1;
        line
    }

    fn show(&mut self, annotation: Annotation, text: &str) -> String {
        let Some(line) = self.dialect.annotate(&annotation) else { return self.harmless(text) };
        let limit = self.dialect.annotation_limit();
        let count = match annotation.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if count.shown + 1 < limit {
            count.shown += 1;
            return line;
        }
        if count.held.is_none() {
            count.held = Some(annotation);
            return String::new();
        }
        count.omitted += 1;
        self.harmless(text)
    }

    /// The annotations held back, and the end of an open group.
    pub fn end(&mut self, now: i64) -> String {
        let mut lines = self.close(now);
        for (severity, count) in [(Severity::Error, &mut self.errors), (Severity::Warning, &mut self.warnings)] {
            let Some(held) = count.held.take() else { continue };
            let last = match count.omitted {
                0 => held,
                more => {
                    lines.push_str(&escape_commands(self.dialect, &format!("{}\n", held.message)));
                    Annotation::of_rest(severity, more + 1)
                }
            };
            lines.extend(self.dialect.annotate(&last));
        }
        lines
    }

    /// The text with every line escaped that could be a command.
    pub fn harmless(&self, text: &str) -> String {
        escape_commands(self.dialect, text)
    }
}

fn escape_commands(dialect: &dyn Dialect, text: &str) -> String {
    if !dialect.has_commands() {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        safe.push_str(&dialect.harmless(line));
        safe.push_str(end);
    }
    safe
}

/// A longer line is passed on in parts.
const LONGEST_LINE: usize = 1024 * 1024;

/// A writer that escapes commands of the CI system. Passes on whole lines; an unfinished line is held back until its end.
pub struct HarmlessWriter<W> {
    dialect: &'static dyn Dialect,
    inner: W,
    line: Vec<u8>,
}

impl<W: Write> HarmlessWriter<W> {
    pub fn new(dialect: &'static dyn Dialect, inner: W) -> Self {
        Self { dialect, inner, line: Vec::new() }
    }

    /// Passes on an unfinished line; nothing may follow.
    pub fn finish(&mut self) -> io::Result<()> {
        if !self.line.is_empty() {
            self.pass_line()?;
        }
        self.inner.flush()
    }

    fn pass_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let (text, end) = text.strip_suffix('\n').map_or((text.as_ref(), ""), |text| (text, "\n"));
        self.inner.write_all(self.dialect.harmless(text).as_bytes())?;
        self.inner.write_all(end.as_bytes())
    }
}

impl<W: Write> Write for HarmlessWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.dialect.has_commands() {
            return self.inner.write(bytes);
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() > LONGEST_LINE {
                self.pass_line()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
