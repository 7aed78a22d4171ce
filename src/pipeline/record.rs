//! What happened in a build or a transfer, as a fold over its events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use crate::builder::{BuildEvent, StepId, StepOutcome};
use crate::format::{Colours, clean_line};
use crate::image::AppRoutes;
use crate::registry::transfer::{LayerOutcome, LayerState, TransferEvent};

/// How a script inside the build marks a line for the end of the report.
const NOTICE: &str = "nextdeploy: notice: ";
/// How it tells the routes of the app, as JSON.
const ROUTES: &str = "nextdeploy: routes: ";

/// What happened in a build, step by step, in the order in which the steps started.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildRecord {
    pub steps: Vec<StepRecord>,
    /// Bytes of the build context that were sent.
    pub context_bytes: u64,
    pub warnings: Vec<String>,
    /// What the scripts inside the build had to say.
    pub notices: Vec<String>,
    /// From the build itself; a step from the cache says nothing.
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
    /// As the builder calls it.
    pub name: String,
    /// A step of the builder itself, not of the Dockerfile.
    pub internal: bool,
    pub result: StepResult,
    /// After the beginning of the build.
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
    /// The word for machines, as in JSON.
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

/// True for output that is meant for this program and not for people.
pub fn is_for_the_record(event: &BuildEvent) -> bool {
    matches!(event, BuildEvent::StepLog { bytes, .. } if bytes.starts_with(ROUTES.as_bytes()))
}

impl BuildRecord {
    /// Takes in an event that came `now` after the beginning of the build.
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
                // The project's own scripts print there too, and come first.
                self.routes =
                    routes.filter_map(|json| serde_json::from_str(json).ok()).next_back().or(self.routes.take());
                let notices = text.lines().filter_map(|line| line.strip_prefix(NOTICE));
                self.notices.extend(notices.map(|notice| clean_line(notice, Colours::Drop)));
            }
            BuildEvent::StepProgress { .. } => {}
        }
    }

    /// Steps that came from the cache, and steps that could have. Base images and the builder's own steps do not count.
    pub fn cache_hits(&self) -> (usize, usize) {
        let counted = self.steps.iter().filter(|step| !step.internal && !step.is_base());
        let hits = counted.clone().filter(|step| step.result == StepResult::Cached).count();
        (hits, counted.count())
    }
}

impl StepRecord {
    pub fn is_base(&self) -> bool {
        self.name.starts_with("FROM ") || self.name.contains("] FROM ")
    }
}

/// What happened in a transfer, besides its outcome.
#[derive(Debug, Clone, Default)]
pub struct TransferRecord {
    /// Layers that were moved, and their bytes before compression.
    pub moved_layers: usize,
    pub moved_bytes: u64,
    /// Layers that were there already, or came from another repository of the registry.
    pub present_layers: usize,
    pub retries: usize,
    pub total: Duration,
}

/// Layers seen so far in a transfer.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// Bytes by reference and layer.
    sizes: BTreeMap<(String, String), u64>,
    /// By repository and layer: every reference of a repository reports the same layers.
    counted: BTreeSet<(String, String)>,
}

impl TransferRecord {
    /// Takes in an event; `layers` belongs to the same transfer.
    pub(super) fn observe(&mut self, event: &TransferEvent, layers: &mut Layers) {
        match event {
            TransferEvent::Retrying { .. } => self.retries += 1,
            TransferEvent::Layer { reference, layer, state } => {
                let size = layers.sizes.entry((reference.clone(), layer.clone())).or_default();
                match state {
                    LayerState::Moving { current, total } => *size = total.unwrap_or(0).max(*current).max(*size),
                    LayerState::Done(outcome) => {
                        let repository =
                            reference.rsplit_once(':').map_or(reference.as_str(), |(repository, _)| repository);
                        if layers.counted.insert((repository.to_owned(), layer.clone())) {
                            match outcome {
                                LayerOutcome::Moved => {
                                    self.moved_layers += 1;
                                    self.moved_bytes += *size;
                                }
                                LayerOutcome::Exists | LayerOutcome::Mounted => self.present_layers += 1,
                            }
                        }
                    }
                    LayerState::Waiting | LayerState::Extracting { .. } | LayerState::Retrying => {}
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_of_the_scripts_inside_come_at_the_end() {
        let mut record = BuildRecord::default();
        let bytes = b"compiling\nnextdeploy: notice: 2 files are other in each build\x1b[2J\n".to_vec();
        let stream = crate::builder::LogStream::Stdout;
        record.observe(&BuildEvent::StepLog { id: StepId("build".into()), stream, bytes }, Duration::ZERO);
        assert_eq!(record.notices, ["2 files are other in each build"]);
        assert_eq!(record.routes, None);
    }

    #[test]
    fn routes_are_kept_and_not_shown() {
        let mut record = BuildRecord::default();
        for (line, api) in
            [(r#"{"api":["/api/x"],"later":1}"#, "/api/x"), ("{broken", "/api/x"), (r#"{"api":["/y"]}"#, "/y")]
        {
            let bytes = format!("nextdeploy: routes: {line}\n").into_bytes();
            let stream = crate::builder::LogStream::Stdout;
            let event = BuildEvent::StepLog { id: StepId("build".into()), stream, bytes };
            assert!(is_for_the_record(&event));
            record.observe(&event, Duration::ZERO);
            assert_eq!(record.routes.as_ref().unwrap().api, [api]);
        }
    }
}
