//! The job summary: one page of Markdown about a run, for people who come by and for those who look for a mistake.
//!
//! In: what the stages found. Out: GitHub Flavored Markdown that fits its limit, the least useful left out first. Every text from
//! outside goes through `markdown`. Never holds the value of a variable or secret.

mod environment;
mod failure;
mod folded;
mod head;
mod layers;
mod page;
mod routes;
mod steps;
#[cfg(test)]
mod tests;
mod warnings;

use crate::diagnostic::{Diagnostic, Warning};
use crate::image::plan::ImagePlan;
use crate::image::{AppRoutes, BuiltImage, PushedReference};
use crate::pipeline::BuildRecord;
use crate::project::ProjectFacts;

use page::Page;

/// GitHub drops a summary that is larger (bytes), and a file may hold those of several runs.
pub const SUMMARY_LIMIT: usize = 1024 * 1024;

/// Everything that may be told. What is not known is left out of the page.
#[derive(Clone, Copy)]
pub struct Summary<'a> {
    pub facts: Option<&'a ProjectFacts>,
    pub plan: Option<&'a ImagePlan>,
    pub dockerfile: Option<&'a str>,
    pub warnings: &'a [Warning],
    pub record: Option<&'a BuildRecord>,
    pub image: Option<&'a BuiltImage>,
    /// The image that had the same name before.
    pub previous: Option<&'a BuiltImage>,
    pub routes: Option<&'a AppRoutes>,
    pub pushed: &'a [PushedReference],
    pub failed_step: Option<FailedStep<'a>>,
    pub ending: Ending<'a>,
}

/// The step of the build that failed, with the end of its log; secrets are taken out already.
#[derive(Clone, Copy)]
pub struct FailedStep<'a> {
    pub name: &'a str,
    pub log: &'a [String],
}

/// How the run ended.
#[derive(Clone, Copy)]
pub enum Ending<'a> {
    /// Nothing was asked of the daemon.
    Planned,
    /// Built, and pushed when it was to be.
    Done,
    Failed(&'a dyn Diagnostic),
    /// By a signal.
    Stopped,
}

impl<'a> Summary<'a> {
    /// A run of which nothing is known yet.
    pub fn new(ending: Ending<'a>) -> Self {
        Self {
            facts: None,
            plan: None,
            dockerfile: None,
            warnings: &[],
            record: None,
            image: None,
            previous: None,
            routes: None,
            pushed: &[],
            failed_step: None,
            ending,
        }
    }
}

/// The page in at most `limit` bytes; empty when not even its head fits.
pub fn render_summary(summary: &Summary<'_>, limit: usize) -> String {
    let mut page = Page::default();
    page.add(100, "head", head::render(summary));
    page.add(95, "failure", failure::render(summary));
    page.add(90, "warnings", warnings::render(summary.warnings));
    page.add(80, "layers", layers::render(summary));
    page.add(60, "routes", summary.routes.map(routes::render).unwrap_or_default());
    page.add(70, "build steps", summary.record.map(steps::render).unwrap_or_default());
    page.add(50, "environment", summary.plan.map(|plan| environment::render(plan, summary.facts)).unwrap_or_default());
    page.add(40, "facts", summary.facts.map(folded::facts).unwrap_or_default());
    page.add(20, "Dockerfile", summary.dockerfile.map(folded::dockerfile).unwrap_or_default());
    page.add(10, "plan", summary.plan.map(folded::plan).unwrap_or_default());
    page.fit(limit)
}
