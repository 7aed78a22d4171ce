//! The progress of one build: the messages of BuildKit and of the classic builder (Docker's and Podman's) → [`BuildEvent`]s, with the end of
//! each step's log.
//!
//! Log bytes are assembled to lines, and secrets are removed from these before they are cut or shown. Never interprets a log.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex};
use regex_lite::Regex;
use tokio::time::Instant;

use crate::builder::{BuildEvent, LogStream, StepId, StepOutcome};
use crate::secret::Redactor;

/// Lines kept per step: an explanation has to find the cause above the last lines.
const TAIL_LINES: usize = 400;
/// Bytes kept per step.
const TAIL_BYTES: usize = 256 * 1024;
/// Longer lines are cut.
const MAX_LINE: usize = 16 * 1024;
/// Generated Dockerfiles have some dozens.
const MAX_STEPS: usize = 500;
const MAX_NAME: usize = 4 * 1024;
/// Bytes of a line that are kept until it ends: terminal codes and secrets are longer than what replaces them.
const MAX_RAW_LINE: usize = 4 * MAX_LINE;

/// All steps so far, and the events that wait to be sent.
pub(super) struct BuildSteps {
    redactor: Redactor,
    by_id: BTreeMap<StepId, StepState>,
    pending: Vec<BuildEvent>,
    failed: Option<StepId>,
}

#[derive(Default)]
struct StepState {
    name: String,
    running: bool,
    finished: bool,
    partial: [PartialLine; 2],
    tail: VecDeque<String>,
    tail_bytes: usize,
}

/// A line that has not ended yet.
#[derive(Default)]
struct PartialLine {
    bytes: Vec<u8>,
    /// It is longer than what is kept.
    cut: bool,
}

impl PartialLine {
    fn extend(&mut self, bytes: &[u8]) {
        let room = MAX_RAW_LINE - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.cut |= bytes.len() > room;
    }
}

impl BuildSteps {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self { redactor, by_id: BTreeMap::new(), pending: Vec::new(), failed: None }
    }

    /// Events since the last call.
    pub(super) fn take_events(&mut self) -> Vec<BuildEvent> {
        std::mem::take(&mut self.pending)
    }

    /// An event that is not a step's.
    pub(super) fn push(&mut self, mut event: BuildEvent) {
        if let BuildEvent::Warning(text) | BuildEvent::StepProgress { item: text, .. } = &mut event {
            *text = self.redact(text);
        }
        self.pending.push(event);
    }

    /// A step that runs again after its end (BuildKit solves in rounds) starts only once.
    pub(super) fn start(&mut self, id: &StepId, name: &str, internal: bool) {
        let Some(step) = step(&mut self.by_id, id) else { return };
        if !step.running && !step.finished {
            step.name = self.redactor.redact(&name[..name.floor_char_boundary(MAX_NAME)]).into_owned();
            self.pending.push(BuildEvent::StepStarted { id: id.clone(), name: step.name.clone(), internal });
        }
        step.running = true;
    }

    pub(super) fn finish(&mut self, id: &StepId, outcome: StepOutcome, duration: Duration) {
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            self.flush(id, stream);
        }
        let Some(step) = self.by_id.get_mut(id).filter(|step| step.running) else { return };
        step.running = false;
        step.finished = true;
        if matches!(outcome, StepOutcome::Failed(_)) {
            self.failed = Some(id.clone());
        } else {
            step.tail.clear();
            step.tail_bytes = 0;
        }
        self.pending.push(BuildEvent::StepFinished { id: id.clone(), outcome, duration });
    }

    pub(super) fn log(&mut self, id: &StepId, stream: LogStream, bytes: &[u8]) {
        let mut lines = Vec::new();
        let Some(step) = step(&mut self.by_id, id) else { return };
        let partial = &mut step.partial[stream as usize];
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            partial.extend(piece.strip_suffix(b"\n").unwrap_or(piece));
            if piece.ends_with(b"\n") {
                lines.push(std::mem::take(partial));
            }
        }
        for line in lines {
            self.line(id, stream, &line);
        }
    }

    fn flush(&mut self, id: &StepId, stream: LogStream) {
        let Some(step) = self.by_id.get_mut(id) else { return };
        let rest = std::mem::take(&mut step.partial[stream as usize]);
        if !rest.bytes.is_empty() {
            self.line(id, stream, &rest);
        }
    }

    fn line(&mut self, id: &StepId, stream: LogStream, line: &PartialLine) {
        let text = String::from_utf8_lossy(&line.bytes);
        let text = text.trim_end_matches('\r');
        let text = if line.cut { self.redactor.redact_cut(text) } else { self.redactor.redact(text) };
        let text = text[..text.floor_char_boundary(MAX_LINE)].to_owned();
        let Some(step) = step(&mut self.by_id, id) else { return };
        step.tail_bytes += text.len();
        step.tail.push_back(text.clone());
        while step.tail.len() > TAIL_LINES || step.tail_bytes > TAIL_BYTES {
            let Some(oldest) = step.tail.pop_front() else { break };
            step.tail_bytes -= oldest.len();
        }
        self.pending.push(BuildEvent::StepLog { id: id.clone(), stream, bytes: text.into_bytes() });
    }

    /// Marks every running step as cancelled.
    pub(super) fn cancel_running(&mut self) {
        let running: Vec<_> = self.by_id.iter().filter(|(_, step)| step.running).map(|(id, _)| id.clone()).collect();
        for id in running {
            self.finish(&id, StepOutcome::Cancelled, Duration::ZERO);
        }
    }

    /// Name and log lines of the step that failed.
    pub(super) fn failed_step(&self) -> Option<(String, Vec<String>)> {
        let step = self.by_id.get(self.failed.as_ref()?)?;
        Some((step.name.clone(), step.tail.iter().cloned().collect()))
    }

    pub(super) fn redact(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }
}

/// The step with this id; `None` for a new one above the limit.
fn step<'a>(by_id: &'a mut BTreeMap<StepId, StepState>, id: &StepId) -> Option<&'a mut StepState> {
    if by_id.len() >= MAX_STEPS && !by_id.contains_key(id) {
        return None;
    }
    Some(by_id.entry(id.clone()).or_default())
}

/// Seconds and nanoseconds since 1970, by the daemon's clock.
type DaemonTime = (i64, i32);

/// BuildKit's vertices are steps that repeat; they are merged by digest. When each first started and last ended.
#[derive(Default)]
pub(super) struct Vertices {
    times: BTreeMap<String, (Option<DaemonTime>, Option<DaemonTime>)>,
}

impl Vertices {
    pub(super) fn update(&mut self, status: StatusResponse, steps: &mut BuildSteps) {
        for vertex in &status.vertexes {
            if vertex.started.is_some() || vertex.completed.is_some() {
                steps.start(&StepId(vertex.digest.clone()), &vertex.name, is_internal(&vertex.name));
            }
        }
        // Logs before ends: the last lines of a step come in the same message as its end.
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

    fn end(&mut self, vertex: &Vertex, steps: &mut BuildSteps) {
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

fn between(start: DaemonTime, end: DaemonTime) -> Duration {
    let nanos = (i128::from(end.0) - i128::from(start.0)) * 1_000_000_000 + i128::from(end.1) - i128::from(start.1);
    Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

/// Steps that belong to no instruction of the Dockerfile.
fn is_internal(name: &str) -> bool {
    name.starts_with("[internal]")
        || name.starts_with("copy /context")
        || name.starts_with("exporting ")
        || name.starts_with("importing ")
        || name.starts_with("resolve image config")
}

/// Reads the text stream of the classic builder. Only lines between steps are the builder's own; all others are the log of the running step.
pub(super) struct ClassicLog {
    step_line: Regex,
    current: Option<ClassicStep>,
    count: usize,
}

struct ClassicStep {
    id: StepId,
    started: Instant,
    cached: bool,
    has_log: bool,
}

impl Default for ClassicLog {
    fn default() -> Self {
        // Docker: `Step 3/12 : RUN …`; Podman: `STEP 3/12: RUN …`, in stages `[1/2] STEP 3/12: RUN …`.
        let pattern = r"^(?:\[(\d+/\d+)\] )?(?:Step|STEP) (\d+/\d+) ?: (.+)\n?$";
        Self { step_line: Regex::new(pattern).expect("a constant pattern"), current: None, count: 0 }
    }
}

impl ClassicLog {
    /// Reads one message; returns the image id in the message that names it.
    pub(super) fn stream(&mut self, text: &str, steps: &mut BuildSteps) -> Option<String> {
        if let Some(found) = self.step_line.captures(text) {
            self.finish(steps, None);
            let stage = found.get(1).map(|stage| format!("stage {} ", stage.as_str())).unwrap_or_default();
            let name = format!("[{stage}{}] {}", &found[2], &found[3]);
            self.count += 1;
            let id = StepId(format!("step-{}", self.count));
            steps.start(&id, &name, false);
            self.current = Some(ClassicStep { id, started: Instant::now(), cached: false, has_log: false });
            return None;
        }
        if let Some(id) = text.strip_prefix("Successfully built ") {
            self.finish(steps, None);
            return Some(id.trim().to_owned());
        }
        let current = self.current.as_mut()?;
        let words = text.trim_start_matches([' ', '-']);
        if !current.has_log && words.starts_with("> Using cache") {
            current.cached = true;
        } else if !is_builder_message(text) {
            current.has_log = true;
            // Docker's only mark of standard error is the colour red.
            let stream = if text.starts_with("\x1b[91m") { LogStream::Stderr } else { LogStream::Stdout };
            let text = text.strip_prefix("\x1b[91m").map_or(text, |text| text.strip_suffix("\x1b[0m").unwrap_or(text));
            steps.log(&current.id, stream, text.as_bytes());
        }
        None
    }

    /// Progress of a pull.
    pub(super) fn progress(
        &mut self,
        item: String,
        (current, total): (Option<u64>, Option<u64>),
        steps: &mut BuildSteps,
    ) {
        if let (Some(step), Some(current)) = (&self.current, current) {
            steps.push(BuildEvent::StepProgress { id: step.id.clone(), item, current, total });
        }
    }

    /// A line of a pull without progress.
    pub(super) fn status(&mut self, text: &str, steps: &mut BuildSteps) {
        if let Some(step) = &self.current {
            steps.log(&step.id, LogStream::Stdout, format!("{text}\n").as_bytes());
        }
    }

    /// The step or the stream has ended.
    pub(super) fn finish(&mut self, steps: &mut BuildSteps, error: Option<&str>) {
        let Some(step) = self.current.take() else { return };
        let outcome = match error {
            Some(error) => StepOutcome::Failed(steps.redact(error)),
            None if step.cached => StepOutcome::Cached,
            None => StepOutcome::Done,
        };
        steps.finish(&step.id, outcome, step.started.elapsed());
    }
}

fn is_builder_message(text: &str) -> bool {
    let text = text.trim_end();
    text.is_empty()
        || text.starts_with(" ---> ")
        || text.starts_with("--> ")
        || text.starts_with("Removing intermediate container ")
        || text.starts_with("COMMIT ")
        || text.starts_with("Successfully tagged ")
        || (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(messages: &[&str], error: Option<&str>) -> (Vec<String>, Option<String>) {
        let (mut log, mut steps, mut id) = (ClassicLog::default(), BuildSteps::new(Redactor::default()), None);
        for message in messages {
            id = log.stream(message, &mut steps).or(id);
        }
        log.finish(&mut steps, error);
        let shown = steps.take_events().into_iter().map(|event| match event {
            BuildEvent::StepStarted { name, .. } => format!("start {name}"),
            BuildEvent::StepFinished { outcome, .. } => format!("end {outcome:?}"),
            BuildEvent::StepLog { stream, bytes, .. } => format!("{stream:?} {}", String::from_utf8_lossy(&bytes)),
            other => format!("{other:?}"),
        });
        (shown.collect(), id)
    }

    #[test]
    fn docker_messages_become_steps() {
        let (events, id) = check(
            &[
                "Step 1/3 : FROM node:22-slim",
                "\n",
                " ---> 7921a0eb47fd\n",
                "Step 2/3 : ENV A=1",
                "\n",
                " ---> Using cache\n",
                " ---> 755ebaef57e8\n",
                "Step 3/3 : RUN echo hello; echo err >&2",
                "\n",
                " ---> Running in 3cfc1a72dd9a\n",
                "\x1b[91merr\n\x1b[0m",
                "hello\n",
                "Removing intermediate container 3cfc1a72dd9a\n",
                " ---> a4fc667413d0\n",
                "Successfully built a4fc667413d0\n",
            ],
            None,
        );
        let expected = [
            "start [1/3] FROM node:22-slim",
            "end Done",
            "start [2/3] ENV A=1",
            "end Cached",
            "start [3/3] RUN echo hello; echo err >&2",
            "Stderr err",
            "Stdout hello",
            "end Done",
        ];
        assert_eq!(events, expected);
        assert_eq!(id.as_deref(), Some("a4fc667413d0"));
    }

    #[test]
    fn podman_messages_become_steps_and_the_last_one_has_the_error() {
        let messages = ["[1/2] STEP 1/2: FROM node:22-slim AS deps\n", "[1/2] STEP 2/2: RUN exit 37\n", "boom\n"];
        let (events, id) = check(&messages, Some("while running runtime: exit status 37"));
        let expected = [
            "start [stage 1/2 1/2] FROM node:22-slim AS deps",
            "end Done",
            "start [stage 1/2 2/2] RUN exit 37",
            "Stdout boom",
            "end Failed(\"while running runtime: exit status 37\")",
        ];
        assert_eq!(events, expected);
        assert_eq!(id, None);
    }

    #[test]
    fn a_log_line_about_the_cache_does_not_mark_the_step_as_cached() {
        let (events, _) = check(&["Step 1/1 : RUN x", "\n", "log\n", " ---> Using cache\n"], None);
        assert_eq!(events.last().unwrap(), "end Done");
    }
}
