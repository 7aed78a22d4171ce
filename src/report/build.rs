//! The record of a build, and its result as text: the image with its layers, what was reused, and the time of each step.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::text::{Colours, clean_line, count, duration, size};
use crate::builder::{BuildError, BuildEvent, StepId, StepOutcome, shorten, step_name};
use crate::image::{AppRoutes, BuiltImage};

/// Marks a line of a script inside the build as a notice for the end of the report.
const NOTICE: &str = "nextdeploy: notice: ";
/// Marks a line with the routes of the app as JSON.
const ROUTES: &str = "nextdeploy: routes: ";

/// What happened in a build, step by step, in the order in which the steps started.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildRecord {
    pub steps: Vec<StepRecord>,
    /// Bytes of the build context that were sent.
    pub context_bytes: u64,
    pub warnings: Vec<String>,
    /// Notices of the scripts inside the build.
    pub notices: Vec<String>,
    /// Printed by the build step; `None` if it came from the cache.
    #[serde(skip)]
    pub routes: Option<AppRoutes>,
    #[serde(skip)]
    pub total: Duration,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    #[serde(skip)]
    id: StepId,
    /// As reported by the builder.
    pub name: String,
    /// A step of the builder itself, not of an instruction.
    pub internal: bool,
    pub result: StepResult,
    /// Since the start of the build.
    #[serde(skip)]
    pub started: Duration,
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub duration: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepResult {
    Running,
    Done,
    Cached,
    Failed,
    Stopped,
}

impl StepResult {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cached => "cached",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

fn as_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// Whether this is output for this program rather than for people.
pub(super) fn is_machine_output(event: &BuildEvent) -> bool {
    matches!(event, BuildEvent::StepLog { bytes, .. } if bytes.starts_with(ROUTES.as_bytes()))
}

impl BuildRecord {
    /// Records an event, `now` after the start of the build.
    pub fn observe(&mut self, event: &BuildEvent, now: Duration) {
        match event {
            BuildEvent::StepStarted { id, name, internal } => self.steps.push(StepRecord {
                id: id.clone(),
                name: name.clone(),
                internal: *internal,
                result: StepResult::Running,
                started: now,
                duration: Duration::ZERO,
            }),
            BuildEvent::StepFinished { id, outcome, duration } => {
                if let Some(step) = self.steps.iter_mut().find(|step| step.id == *id) {
                    step.duration = *duration;
                    step.result = match outcome {
                        StepOutcome::Done => StepResult::Done,
                        StepOutcome::Cached => StepResult::Cached,
                        StepOutcome::Failed(_) => StepResult::Failed,
                        StepOutcome::Cancelled => StepResult::Stopped,
                    };
                }
            }
            BuildEvent::ContextSent { bytes, .. } => self.context_bytes = *bytes,
            BuildEvent::Warning(text) => self.warnings.push(text.clone()),
            BuildEvent::StepLog { bytes, .. } => {
                let text = String::from_utf8_lossy(bytes);
                let routes = text.lines().filter_map(|line| line.strip_prefix(ROUTES));
                // Scripts of the project print to the same log, earlier: the last valid line counts.
                self.routes =
                    routes.filter_map(|json| serde_json::from_str(json).ok()).next_back().or(self.routes.take());
                let notices = text.lines().filter_map(|line| line.strip_prefix(NOTICE));
                self.notices.extend(notices.map(|notice| clean_line(notice, Colours::Drop)));
            }
            BuildEvent::StepProgress { .. } => {}
        }
    }

    /// Cached steps, and steps that could have been cached. Base images and internal steps do not count.
    pub fn cache_hits(&self) -> (usize, usize) {
        let counted = self.steps.iter().filter(|step| !step.internal && !step.is_base());
        let hits = counted.clone().filter(|step| step.result == StepResult::Cached).count();
        (hits, counted.count())
    }
}

impl StepRecord {
    pub(super) fn is_base(&self) -> bool {
        self.name.starts_with("FROM ") || self.name.contains("] FROM ")
    }
}

/// Shorter steps are omitted, unless they are cached; internal steps must take longer to be shown.
const SHORTEST_STEP: Duration = Duration::from_millis(50);
const SHORTEST_INTERNAL_STEP: Duration = Duration::from_secs(1);

/// The image and the build as text for people; ends with a newline.
pub fn render_build(image: &BuiltImage, record: &BuildRecord) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "Image     {}", image.id);
    for (index, tag) in image.tags.iter().enumerate() {
        let _ = writeln!(text, "{}{tag}", if index == 0 { "Tags      " } else { "          " });
    }
    let _ = writeln!(text, "Platform  {}", image.platform);
    let _ = writeln!(text, "Size      {} in {}", size(image.size), count(image.layers.len(), "layer"));
    let (hits, steps) = record.cache_hits();
    let _ = writeln!(text, "Cache     {hits} of {steps} steps reused");
    let _ = writeln!(text, "Time      {}, build context {}", duration(record.total), size(record.context_bytes));
    text.push_str("\nLayers, base first\n");
    for layer in &image.layers {
        let source = if layer.created_by.is_empty() { "base image".to_owned() } else { step_name(&layer.created_by) };
        let _ = writeln!(text, "  {:>9}  {}", size(layer.size), shorten(&source, 96));
    }
    let shown: Vec<_> = record.steps.iter().filter(|step| is_shown(step)).collect();
    if !shown.is_empty() {
        text.push_str("\nSteps\n");
    }
    for step in shown {
        let time = if step.result == StepResult::Cached { "cached".to_owned() } else { duration(step.duration) };
        let _ = writeln!(text, "  {time:>9}  {}", step_name(&step.name));
    }
    for notice in &record.notices {
        let _ = writeln!(text, "\nNotice: {notice}");
    }
    text
}

pub(super) fn is_shown(step: &StepRecord) -> bool {
    let shortest = if step.internal { SHORTEST_INTERNAL_STEP } else { SHORTEST_STEP };
    (step.result == StepResult::Cached && !step.internal) || step.duration >= shortest
}

/// The last log lines of a failed step, to be shown before the error; empty without a log.
pub fn render_failed_step(error: &BuildError) -> String {
    let BuildError::StepFailed { step, tail, .. } = error else { return String::new() };
    let mut text = String::new();
    if !tail.is_empty() {
        let _ = writeln!(text, "{step}");
        for line in tail {
            let _ = writeln!(text, "  | {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageLayer;

    #[test]
    fn result_with_layers_cache_hits_and_times() {
        let mut record =
            BuildRecord { context_bytes: 12_000, total: Duration::from_secs(34), ..BuildRecord::default() };
        for (name, internal, outcome, seconds) in [
            ("[internal] load build definition", true, StepOutcome::Done, 0),
            ("[deps 1/3] FROM docker.io/library/node:22-slim", false, StepOutcome::Cached, 0),
            ("[deps 2/3] RUN npm ci", false, StepOutcome::Cached, 0),
            ("[build 2/2] RUN --mount=type=cache,target=/c npm run build", false, StepOutcome::Done, 31),
            ("exporting to image", true, StepOutcome::Done, 2),
        ] {
            let id = StepId(name.into());
            record.observe(&BuildEvent::StepStarted { id: id.clone(), name: name.into(), internal }, Duration::ZERO);
            let end = BuildEvent::StepFinished { id, outcome, duration: Duration::from_secs(seconds) };
            record.observe(&end, Duration::ZERO);
        }
        let layer =
            |created_by: &str, size| ImageLayer { diff_id: "sha256:0".into(), size, created_by: created_by.into() };
        let image = BuiltImage {
            id: "sha256:abc".into(),
            tags: vec!["shop:1".into(), "shop:latest".into()],
            platform: "linux/amd64".into(),
            size: 182_000_000,
            layers: vec![layer("", 170_000_000), layer("COPY /out/server ./", 12_000_000)],
        };
        insta::assert_snapshot!(render_build(&image, &record));
    }

    #[test]
    fn notices_of_scripts_are_recorded() {
        let mut record = BuildRecord::default();
        let bytes = b"compiling\nnextdeploy: notice: 2 files are other in each build\x1b[2J\n".to_vec();
        let stream = crate::builder::LogStream::Stdout;
        record.observe(&BuildEvent::StepLog { id: StepId("build".into()), stream, bytes }, Duration::ZERO);
        assert_eq!(record.notices, ["2 files are other in each build"]);
        assert_eq!(record.routes, None);
    }

    #[test]
    fn routes_are_recorded_and_not_shown() {
        let mut record = BuildRecord::default();
        for (line, api) in
            [(r#"{"api":["/api/x"],"later":1}"#, "/api/x"), ("{broken", "/api/x"), (r#"{"api":["/y"]}"#, "/y")]
        {
            let bytes = format!("nextdeploy: routes: {line}\n").into_bytes();
            let stream = crate::builder::LogStream::Stdout;
            let event = BuildEvent::StepLog { id: StepId("build".into()), stream, bytes };
            assert!(is_machine_output(&event));
            record.observe(&event, Duration::ZERO);
            assert_eq!(record.routes.as_ref().unwrap().api, [api]);
        }
    }

    #[test]
    fn the_log_of_a_failed_step_has_its_name() {
        let error = BuildError::StepFailed {
            step: "[deps 2/2] RUN npm ci".into(),
            exit_code: Some(1),
            tail: vec!["npm error".into()],
            explanation: None,
        };
        assert_eq!(render_failed_step(&error), "[deps 2/2] RUN npm ci\n  | npm error\n");
        assert_eq!(render_failed_step(&BuildError::Cancelled), "");
    }
}
