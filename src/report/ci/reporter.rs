//! One run's conversation with its CI system: groups are closed, masks come first, annotations stay within their limit.

use super::annotation::{Annotation, Severity};
use super::dialect::{Dialect, LogGroup};
use crate::diagnostic::{Diagnostic, Location, Warning};
use crate::report::{Style, render_error, render_warning};

/// State of the log. Every method answers the lines to write, which may be none.
pub struct Reporter {
    dialect: &'static dyn Dialect,
    style: Style,
    open: Option<LogGroup>,
    errors: Shown,
    warnings: Shown,
}

/// Annotations of one kind. The last place is kept: for one more, or for the number of those that had no place.
#[derive(Default)]
struct Shown {
    count: usize,
    held: Option<Annotation>,
    left_out: usize,
}

/// Shorter lines of a longer secret (`{`, `}`) would blank out ordinary text.
const SHORTEST_LINE: usize = 4;

/// Annotations that are kept for errors of the run itself.
const KEPT_FREE: usize = 3;

impl Reporter {
    pub fn new(dialect: &'static dyn Dialect, style: Style) -> Self {
        Self { dialect, style, open: None, errors: Shown::default(), warnings: Shown::default() }
    }

    pub fn dialect(&self) -> &'static dyn Dialect {
        self.dialect
    }

    /// Hides a secret: the log is read line by line, so each line is one of its own.
    pub fn mask(&mut self, secret: &str) -> String {
        let lines: Vec<&str> = secret.split(['\n', '\r']).filter(|line| !line.trim().is_empty()).collect();
        let single = lines.len() == 1;
        lines
            .iter()
            .filter(|line| single || line.trim().len() >= SHORTEST_LINE)
            .map(|line| self.dialect.mask(line))
            .collect()
    }

    /// Opens a group; an open one is closed, as groups do not nest.
    pub fn open(&mut self, group: LogGroup) -> String {
        let closed = self.close(group.opened);
        self.open = Some(group);
        closed + &self.dialect.open(&group)
    }

    pub fn close(&mut self, now: i64) -> String {
        self.open.take().map(|group| self.dialect.close(&group, now)).unwrap_or_default()
    }

    /// The error as annotation, or as text where there are none; outside of every group, so that it is seen.
    pub fn error(&mut self, error: &dyn Diagnostic, location: Option<Location>, now: i64) -> String {
        let text = render_error(error, self.style);
        self.close(now) + &self.show(Annotation::of_error(error, location), &text)
    }

    pub fn warning(&mut self, warning: &Warning, location: Option<Location>) -> String {
        let text = render_warning(warning, self.style);
        self.show(Annotation::of_warning(warning, location), &text)
    }

    /// A further place of an error that will be told, where there are annotations and as long as there is room for others.
    pub fn finding(&mut self, code: &str, message: &str, location: Location) -> String {
        let annotation = Annotation::of_finding(code, message, location);
        let Some(line) = self.dialect.annotate(&annotation) else { return String::new() };
        if self.errors.count + KEPT_FREE >= self.dialect.annotation_limit() {
            return String::new();
        }
        self.errors.count += 1;
        line
    }

    fn show(&mut self, annotation: Annotation, text: &str) -> String {
        let Some(line) = self.dialect.annotate(&annotation) else { return self.harmless(text) };
        let limit = self.dialect.annotation_limit();
        let shown = match annotation.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if shown.count + 1 < limit {
            shown.count += 1;
            return line;
        }
        if shown.held.is_none() {
            shown.held = Some(annotation);
            return String::new();
        }
        shown.left_out += 1;
        self.harmless(text)
    }

    /// What was held back, and the end of an open group.
    pub fn end(&mut self, now: i64) -> String {
        let mut lines = self.close(now);
        for (severity, shown) in [(Severity::Error, &mut self.errors), (Severity::Warning, &mut self.warnings)] {
            let Some(held) = shown.held.take() else { continue };
            let last = match shown.left_out {
                0 => held,
                more => {
                    lines.push_str(&made_harmless(self.dialect, &format!("{}\n", held.message)));
                    Annotation::of_rest(severity, more + 1)
                }
            };
            lines.extend(self.dialect.annotate(&last));
        }
        lines
    }

    /// A text of several lines, none of which is a command.
    pub fn harmless(&self, text: &str) -> String {
        made_harmless(self.dialect, text)
    }
}

fn made_harmless(dialect: &dyn Dialect, text: &str) -> String {
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
