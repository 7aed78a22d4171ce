//! The result of a build as text: the image with its layers, what was reused, and the time of each step.

use std::fmt::Write as _;
use std::time::Duration;

use crate::builder::{BuildError, shorten, step_name};
use crate::format::{count, duration, size};
use crate::image::BuiltImage;
use crate::pipeline::{BuildRecord, StepRecord, StepResult};

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
    use crate::builder::{BuildEvent, StepId, StepOutcome};
    use crate::image::ImageLayer;
    use crate::image_ref::ImageRef;

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
            tags: ["shop:1", "shop:latest"].map(|tag| ImageRef::parse(tag).unwrap()).to_vec(),
            platform: "linux/amd64".into(),
            size: 182_000_000,
            layers: vec![layer("", 170_000_000), layer("COPY /out/server ./", 12_000_000)],
        };
        insta::assert_snapshot!(render_build(&image, &record));
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
