//! The steps of the build with their times, drawn along the time of the build.

use super::page::{bar, table};
use crate::builder::step_name;
use crate::pipeline::{BuildRecord, StepRecord, StepResult};
use crate::report::build::is_shown;
use crate::report::markdown::{code, text};
use crate::report::progress::duration;

const SHOWN: usize = 60;
const TIMELINE: usize = 28;

pub(super) fn render(record: &BuildRecord) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for step in record.steps.iter().filter(|step| is_shown(step) && !step.is_base()).take(SHOWN) {
        rows.push(row(step, record.total.as_secs_f64()));
    }
    if rows.is_empty() {
        return String::new();
    }
    format!("### Build steps\n\n{}", table(&["Stage", "Step", "Time", "When"], &["---", "---", "---:", "---"], &rows))
}

fn row(step: &StepRecord, whole: f64) -> Vec<String> {
    let name = step_name(&step.name);
    // `[build 3/7] build the app`
    let (stage, what) = match name.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((stage, what)) => (stage.split(' ').next().unwrap_or_default(), what),
        None => ("", name.as_str()),
    };
    let start = step.started.as_secs_f64();
    let timeline = bar(start, start + step.duration.as_secs_f64(), whole, TIMELINE);
    let (time, timeline) = match step.result {
        StepResult::Cached => ("cached".to_owned(), String::new()),
        StepResult::Failed => (format!("❌ {}", duration(step.duration)), timeline),
        StepResult::Stopped | StepResult::Running => ("stopped".to_owned(), String::new()),
        StepResult::Done => (duration(step.duration), timeline),
    };
    vec![text(stage), code(what), time, timeline]
}
