//! The job summary: one page of Markdown about a run, for readers in a hurry and for those who debug.
//!
//! In: the results of the stages. Out: GitHub Flavored Markdown within a size limit, the least useful parts omitted first. Every text from
//! outside goes through `markdown`. Never contains the value of a variable or secret.

mod sections;
#[cfg(test)]
mod tests;

use self::sections::{
    environment, failure, folded_dockerfile, folded_facts, folded_plan, head, layers, routes, steps, warning_table,
};

pub use sections::{Ending, FailedStep, Summary};

/// GitHub rejects a larger summary (in bytes); the file may already contain those of other steps.
pub const SUMMARY_LIMIT: usize = 1024 * 1024;

/// Reserved for the line that lists what was omitted.
const RESERVE: usize = 256;

/// The page in at most `limit` bytes; empty if not even its head fits.
pub fn render_summary(summary: &Summary<'_>, limit: usize) -> String {
    let mut page = SummaryPage::default();
    page.add(100, "head", head(summary));
    page.add(95, "failure", failure(summary));
    page.add(90, "warnings", warning_table(summary.warnings));
    page.add(80, "layers", layers(summary));
    page.add(60, "routes", summary.routes.map(routes).unwrap_or_default());
    page.add(70, "build steps", summary.record.map(steps).unwrap_or_default());
    page.add(50, "environment", summary.plan.map(|plan| environment(plan, summary.facts)).unwrap_or_default());
    page.add(40, "facts", summary.facts.map(folded_facts).unwrap_or_default());
    page.add(20, "Dockerfile", summary.dockerfile.map(folded_dockerfile).unwrap_or_default());
    page.add(10, "plan", summary.plan.map(folded_plan).unwrap_or_default());
    page.fit(limit)
}

#[derive(Default)]
struct SummaryPage(Vec<SummaryPart>);

struct SummaryPart {
    /// The lowest is omitted first.
    priority: u8,
    name: &'static str,
    text: String,
}

impl SummaryPage {
    /// Adds a part, unless it is empty.
    fn add(&mut self, priority: u8, name: &'static str, text: String) {
        if !text.is_empty() {
            self.0.push(SummaryPart { priority, name, text });
        }
    }

    fn fit(mut self, limit: usize) -> String {
        let mut omitted: Vec<&str> = Vec::new();
        while self.size(omitted.is_empty()) > limit {
            let Some(least) = self.0.iter().enumerate().min_by_key(|(_, part)| part.priority).map(|(at, _)| at) else {
                return String::new();
            };
            omitted.push(self.0.remove(least).name);
        }
        if self.0.is_empty() {
            return String::new();
        }
        if !omitted.is_empty() {
            let note = format!("<sub>Omitted because of the size limit of summaries: {}.</sub>\n", omitted.join(", "));
            self.add(0, "note", note);
        }
        self.0.iter().map(|part| format!("{}\n\n", part.text.trim_end())).collect::<Vec<_>>().concat()
    }

    fn size(&self, whole: bool) -> usize {
        let parts: usize = self.0.iter().map(|part| part.text.len() + 2).sum();
        parts + if whole { 0 } else { RESERVE }
    }
}
