//! BuildKit's progress messages → steps. Vertices repeat: they are merged by digest.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex};

use super::steps::{MAX_STEPS, Steps};
use crate::builder::{BuildEvent, LogStream, StepId, StepOutcome};

/// Seconds and nanoseconds since 1970, by the daemon's clock.
type Time = (i64, i32);

/// When each vertex first started and last ended.
#[derive(Default)]
pub(super) struct Vertices {
    times: BTreeMap<String, (Option<Time>, Option<Time>)>,
}

impl Vertices {
    pub(super) fn update(&mut self, status: StatusResponse, steps: &mut Steps) {
        for vertex in &status.vertexes {
            if vertex.started.is_some() || vertex.completed.is_some() {
                steps.start(&StepId(vertex.digest.clone()), &vertex.name, is_internal(&vertex.name));
            }
        }
        // Logs before ends: a step's last words come in the same message as its end.
        for log in status.logs {
            let stream = if log.stream == 2 { LogStream::Stderr } else { LogStream::Stdout };
            steps.log(&StepId(log.vertex), stream, &log.msg);
        }
        for item in status.statuses {
            let total = u64::try_from(item.total).ok().filter(|total| *total > 0);
            let current = u64::try_from(item.current).unwrap_or(0);
            steps.push(BuildEvent::StepProgress { id: StepId(item.vertex), item: item.id, current, total });
        }
        for vertex in &status.vertexes {
            self.end(vertex, steps);
        }
        for warning in status.warnings {
            let text = String::from_utf8_lossy(&warning.short).into_owned();
            if !text.is_empty() {
                steps.push(BuildEvent::Warning(text));
            }
        }
    }

    fn end(&mut self, vertex: &Vertex, steps: &mut Steps) {
        if self.times.len() >= MAX_STEPS && !self.times.contains_key(&vertex.digest) {
            return;
        }
        let (started, completed) = self.times.entry(vertex.digest.clone()).or_default();
        let time = |stamp: &Option<_>| stamp.as_ref().map(|stamp: &Timestamp| (stamp.seconds, stamp.nanos));
        if started.is_none() {
            *started = time(&vertex.started);
        }
        let Some(end) = time(&vertex.completed).filter(|end| Some(*end) > *completed) else { return };
        *completed = Some(end);
        let outcome = if !vertex.error.is_empty() {
            if vertex.error.contains("context canceled") {
                StepOutcome::Cancelled
            } else {
                StepOutcome::Failed(steps.redact(&vertex.error))
            }
        } else if vertex.cached {
            StepOutcome::Cached
        } else {
            StepOutcome::Done
        };
        let duration = started.map_or(Duration::ZERO, |start| between(start, end));
        steps.finish(&StepId(vertex.digest.clone()), outcome, duration);
    }
}

fn between(start: Time, end: Time) -> Duration {
    let nanos = (i128::from(end.0) - i128::from(start.0)) * 1_000_000_000 + i128::from(end.1) - i128::from(start.1);
    Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

/// Steps that no instruction of the Dockerfile asked for.
fn is_internal(name: &str) -> bool {
    name.starts_with("[internal]")
        || name.starts_with("copy /context")
        || name.starts_with("exporting ")
        || name.starts_with("importing ")
        || name.starts_with("resolve image config")
}
