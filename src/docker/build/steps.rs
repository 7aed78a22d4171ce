//! The steps of one running build: what both builders report → [`BuildEvent`]s, with the log tail of each step.
//!
//! Log bytes are put together to lines, and secrets are taken out of these before they are cut or seen by anyone. Never interprets a log.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::builder::{BuildEvent, LogStream, StepId, StepOutcome};
use crate::secret::Redactor;

/// Lines kept per step: enough for an explanation to find the cause above the last words.
const TAIL_LINES: usize = 400;
/// And bytes of them.
const TAIL_BYTES: usize = 256 * 1024;
/// A longer line is cut: nothing useful comes that late.
const MAX_LINE: usize = 16 * 1024;
/// Builds of ours have some dozens.
pub(super) const MAX_STEPS: usize = 500;
const MAX_NAME: usize = 4 * 1024;
/// Bytes of a line that are kept until it ends: terminal codes and the secrets in it are longer than what replaces them.
const MAX_RAW_LINE: usize = 4 * MAX_LINE;

/// All steps seen so far and the events that wait to be sent.
pub(super) struct Steps {
    redactor: Redactor,
    by_id: BTreeMap<StepId, Step>,
    pending: Vec<BuildEvent>,
    failed: Option<StepId>,
}

#[derive(Default)]
struct Step {
    name: String,
    running: bool,
    finished: bool,
    partial: [Partial; 2],
    tail: VecDeque<String>,
    tail_bytes: usize,
}

/// A line that has not ended.
#[derive(Default)]
struct Partial {
    bytes: Vec<u8>,
    /// There was more than is kept.
    cut: bool,
}

impl Partial {
    fn extend(&mut self, bytes: &[u8]) {
        let room = MAX_RAW_LINE - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.cut |= bytes.len() > room;
    }
}

impl Steps {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self { redactor, by_id: BTreeMap::new(), pending: Vec::new(), failed: None }
    }

    /// Events since the last call.
    pub(super) fn take_events(&mut self) -> Vec<BuildEvent> {
        std::mem::take(&mut self.pending)
    }

    /// An event that is no log of a step.
    pub(super) fn push(&mut self, mut event: BuildEvent) {
        if let BuildEvent::Warning(text) | BuildEvent::StepProgress { item: text, .. } = &mut event {
            *text = self.redact(text);
        }
        self.pending.push(event);
    }

    /// A step that runs again after it ended (BuildKit solves in rounds) is started once only.
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

    fn line(&mut self, id: &StepId, stream: LogStream, line: &Partial) {
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

    /// Ends every step that still runs.
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

/// The step with this id; `None` for a new one beside too many others.
fn step<'a>(by_id: &'a mut BTreeMap<StepId, Step>, id: &StepId) -> Option<&'a mut Step> {
    if by_id.len() >= MAX_STEPS && !by_id.contains_key(id) {
        return None;
    }
    Some(by_id.entry(id.clone()).or_default())
}
