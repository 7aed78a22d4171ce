//! What is of interest to those who look for something: facts, Dockerfile, plan. Folded.

use super::page::{folded, table};
use crate::image::plan::ImagePlan;
use crate::project::ProjectFacts;
use crate::report::facts::sections;
use crate::report::markdown::{block, code, cut, prose};
use crate::report::plan::render_plan;

const LONGEST_BLOCK: usize = 128 * 1024;
const LONGEST_VALUE: usize = 300;

pub(super) fn facts(facts: &ProjectFacts) -> String {
    let mut rows = Vec::new();
    for (_, section) in &sections(facts) {
        for row in section {
            let value = code(&crate::builder::shorten(&row.value, LONGEST_VALUE));
            rows.push(vec![row.name.to_owned(), value, prose(&crate::builder::shorten(&row.origin, LONGEST_VALUE))]);
        }
    }
    folded(
        "Facts about the project, and where they come from",
        &table(&["Fact", "Value", "Origin"], &["---"; 3], &rows),
    )
}

pub(super) fn dockerfile(dockerfile: &str) -> String {
    folded("Dockerfile", &block("dockerfile", &cut(dockerfile, LONGEST_BLOCK)))
}

pub(super) fn plan(plan: &ImagePlan) -> String {
    folded("Plan", &block("text", &cut(&render_plan(plan), LONGEST_BLOCK)))
}
