//! The progress of a build: events → lines for logs, or a live view for terminals, on a writer of the caller.
//!
//! Never writes to a standard stream by itself.

mod live;

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, interval};

use crate::builder::{BuildEvent, StepId, StepOutcome, step_name};
use crate::format::{Colours, clean_line, duration, size};
use crate::pipeline::is_for_the_record;

pub use live::LiveProgress;

/// How a build is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressMode {
    Plain(Colours),
    /// On a terminal with this many columns.
    Live {
        width: u16,
    },
    /// Not shown.
    Quiet,
}

/// Lines that a step may print at once, and then per second: CI logs are not made for progress bars.
const BURST: f64 = 200.0;
const LINES_PER_SECOND: f64 = 20.0;
/// Shorter internal steps of the builder are not shown.
const SHORTEST_INTERNAL_STEP: Duration = Duration::from_secs(1);
const FRAME: Duration = Duration::from_millis(120);

/// Shows events until their sender is gone.
pub async fn show_progress(
    mut events: mpsc::Receiver<BuildEvent>,
    mode: ProgressMode,
    writer: impl Write + Send + 'static,
) {
    let start = Instant::now();
    let mut view = ProgressView::new(mode, writer);
    let mut frames = interval(FRAME);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => {
                    if !is_for_the_record(&event) {
                        view.event(&event, start.elapsed());
                    }
                }
                None => break,
            },
            _ = frames.tick() => view.tick(start.elapsed()),
        }
    }
    view.close();
}

enum ProgressView<W> {
    Plain(PlainProgress, W),
    Live(Box<LiveProgress>),
    Quiet,
}

impl<W: Write + Send + 'static> ProgressView<W> {
    fn new(mode: ProgressMode, writer: W) -> Self {
        match mode {
            ProgressMode::Plain(colours) => Self::Plain(PlainProgress::new(colours), writer),
            ProgressMode::Live { width } => Self::Live(Box::new(LiveProgress::new(writer, width))),
            ProgressMode::Quiet => Self::Quiet,
        }
    }

    fn event(&mut self, event: &BuildEvent, now: Duration) {
        match self {
            Self::Plain(plain, writer) => {
                let lines = plain.lines(event, now);
                if !lines.is_empty() {
                    // A closed pipe does not stop the build.
                    let _ = writer.write_all(lines.as_bytes()).and_then(|()| writer.flush());
                }
            }
            Self::Live(live) => live.event(event, now),
            Self::Quiet => {}
        }
    }

    fn tick(&mut self, now: Duration) {
        if let Self::Live(live) = self {
            live.tick(now);
        }
    }

    fn close(&mut self) {
        if let Self::Live(live) = self {
            live.close();
        }
    }
}

/// Progress for CI logs: one line when a step starts and one when it ends, its output in between. Events in, lines out.
///
/// Output is untrusted: every line of it follows the number of its step, so that it cannot be taken for a CI command.
pub struct PlainProgress {
    colours: Colours,
    steps: BTreeMap<StepId, PlainStep>,
    last_upload: Option<u64>,
}

struct PlainStep {
    number: usize,
    name: String,
    internal: bool,
    ended: bool,
    allowance: f64,
    last_line: Duration,
    left_out: usize,
}

impl PlainProgress {
    pub fn new(colours: Colours) -> Self {
        Self { colours, steps: BTreeMap::new(), last_upload: None }
    }

    /// The lines for an event `now` after the start, each with a newline; may be empty.
    pub fn lines(&mut self, event: &BuildEvent, now: Duration) -> String {
        match event {
            BuildEvent::StepStarted { id, name, internal } => self.start(id, name, *internal, now),
            BuildEvent::StepLog { id, bytes, .. } => self.log(id, bytes, now),
            BuildEvent::StepFinished { id, outcome, duration } => self.end(id, outcome, *duration),
            BuildEvent::ContextSent { bytes, total } => self.upload(*bytes, *total),
            BuildEvent::StepProgress { .. } => String::new(),
            BuildEvent::Warning(text) => format!("warning: {}\n", clean_line(text, Colours::Drop)),
        }
    }

    fn start(&mut self, id: &StepId, name: &str, internal: bool, now: Duration) -> String {
        let number = self.steps.len() + 1;
        let step = PlainStep {
            number,
            name: step_name(name),
            internal,
            ended: false,
            allowance: BURST,
            last_line: now,
            left_out: 0,
        };
        let line = if internal { String::new() } else { format!("#{number} {}\n", step.name) };
        self.steps.insert(id.clone(), step);
        line
    }

    fn log(&mut self, id: &StepId, bytes: &[u8], now: Duration) -> String {
        let Some(step) = self.steps.get_mut(id) else { return String::new() };
        let since = now.saturating_sub(step.last_line);
        step.last_line = now;
        step.allowance = (step.allowance + since.as_secs_f64() * LINES_PER_SECOND).min(BURST);
        let text = clean_line(&String::from_utf8_lossy(bytes), self.colours);
        if text.trim().is_empty() {
            return String::new();
        }
        if step.allowance < 1.0 {
            step.left_out += 1;
            return String::new();
        }
        step.allowance -= 1.0;
        format!("{}#{} | {text}\n", left_out(step), step.number)
    }

    fn end(&mut self, id: &StepId, outcome: &StepOutcome, took: Duration) -> String {
        let Some(step) = self.steps.get_mut(id) else { return String::new() };
        // BuildKit may end a step several times: only the first end is shown, unless a later one is a failure.
        let again = std::mem::replace(&mut step.ended, true);
        let silent = again || (step.internal && took < SHORTEST_INTERNAL_STEP);
        let number = step.number;
        let end = match outcome {
            StepOutcome::Failed(_) => format!("#{number} failed after {}\n", duration(took)),
            _ if silent => return String::new(),
            StepOutcome::Cancelled => format!("#{number} stopped\n"),
            StepOutcome::Cached => format!("#{number} cached\n"),
            StepOutcome::Done if step.internal => format!("#{number} {}: {}\n", step.name, duration(took)),
            StepOutcome::Done => format!("#{number} done in {}\n", duration(took)),
        };
        left_out(step) + &end
    }

    fn upload(&mut self, bytes: u64, total: Option<u64>) -> String {
        if total != Some(bytes) || self.last_upload == Some(bytes) {
            return String::new();
        }
        self.last_upload = Some(bytes);
        format!("build context sent: {}\n", size(bytes))
    }
}

fn left_out(step: &mut PlainStep) -> String {
    match std::mem::take(&mut step.left_out) {
        0 => String::new(),
        count => format!("#{} | … {count} lines omitted\n", step.number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::LogStream;

    fn id(text: &str) -> StepId {
        StepId(text.into())
    }

    fn log(step: &str, text: &str) -> BuildEvent {
        BuildEvent::StepLog { id: id(step), stream: LogStream::Stdout, bytes: text.into() }
    }

    fn start(step: &str, name: &str, internal: bool) -> BuildEvent {
        BuildEvent::StepStarted { id: id(step), name: name.into(), internal }
    }

    fn end(step: &str, outcome: StepOutcome, seconds: u64) -> BuildEvent {
        BuildEvent::StepFinished { id: id(step), outcome, duration: Duration::from_secs(seconds) }
    }

    fn check(events: &[BuildEvent], expected: &str) {
        let mut progress = PlainProgress::new(Colours::Drop);
        let shown: String = events.iter().map(|event| progress.lines(event, Duration::ZERO)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_build_is_shown_as_lines() {
        check(
            &[
                start("i", "[internal] load build definition", true),
                end("i", StepOutcome::Done, 0),
                BuildEvent::ContextSent { bytes: 512, total: Some(12_000) },
                BuildEvent::ContextSent { bytes: 12_000, total: Some(12_000) },
                start("a", "[deps 2/3] COPY a b", false),
                end("a", StepOutcome::Cached, 0),
                start("b", "[deps 3/3] RUN --mount=type=cache,target=/c npm ci", false),
                log("b", "\x1b[2J::error::forged\x1b[1A"),
                end("b", StepOutcome::Failed("exit code: 1".into()), 12),
                start("e", "exporting to image", true),
                end("e", StepOutcome::Done, 3),
            ],
            "build context sent: 12.0 kB\n#2 [deps 2/3] COPY a b\n#2 cached\n#3 [deps 3/3] RUN npm ci\n#3 | ::error::forged\n\
             #3 failed after 12.0 s\n#4 exporting to image: 3.0 s\n",
        );
    }

    #[test]
    fn a_step_that_floods_the_log_is_truncated() {
        let mut events = vec![start("a", "RUN yes", false)];
        events.extend((0..1000).map(|_| log("a", "y")));
        events.push(end("a", StepOutcome::Done, 1));
        let mut progress = PlainProgress::new(Colours::Drop);
        let shown: String = events.iter().map(|event| progress.lines(event, Duration::ZERO)).collect();
        assert_eq!(shown.matches("| y\n").count(), 200);
        assert!(shown.ends_with("#1 | … 800 lines omitted\n#1 done in 1.0 s\n"), "{shown}");
    }
}
