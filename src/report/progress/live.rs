//! Progress on a terminal: finished steps remain as lines, running ones share a small live area below. Events in, drawing out.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::builder::{BuildEvent, StepId, StepOutcome, shorten, step_name};
use crate::format::{Colours, clean_line, duration, size};

/// Most running steps that are shown.
const SHOWN_STEPS: usize = 6;
const FRAMES: &[&str] = &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "];

/// The live area with the running steps.
pub struct LiveProgress {
    area: MultiProgress,
    width: usize,
    upload: Option<ProgressBar>,
    steps: BTreeMap<StepId, LiveStep>,
    now: Duration,
}

struct LiveStep {
    name: String,
    internal: bool,
    started: Duration,
    last_line: String,
    bar: Option<ProgressBar>,
}

impl LiveProgress {
    /// Draws to `writer`, a terminal `width` columns wide.
    pub fn new(writer: impl Write + Send + 'static, width: u16) -> Self {
        let terminal = Terminal { writer: Mutex::new(Box::new(writer)), width };
        let area = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(terminal)));
        Self { area, width: usize::from(width).max(20), upload: None, steps: BTreeMap::new(), now: Duration::ZERO }
    }

    pub fn event(&mut self, event: &BuildEvent, now: Duration) {
        self.now = now;
        match event {
            BuildEvent::StepStarted { id, name, internal } => self.start(id, name, *internal),
            BuildEvent::StepLog { id, bytes, .. } => {
                let text = clean_line(&String::from_utf8_lossy(bytes), Colours::Drop);
                if let Some(step) = self.steps.get_mut(id).filter(|_| !text.trim().is_empty()) {
                    step.last_line = text;
                }
            }
            BuildEvent::StepProgress { id, item, current, total } => {
                if let Some(step) = self.steps.get_mut(id) {
                    let of = total.map(|total| format!(" of {}", size(total))).unwrap_or_default();
                    let item = clean_line(item, Colours::Drop);
                    step.last_line = if *current == 0 { item } else { format!("{item} {}{of}", size(*current)) };
                }
            }
            BuildEvent::StepFinished { id, outcome, duration } => self.end(id, outcome, *duration),
            BuildEvent::ContextSent { bytes, total } => self.show_upload(*bytes, *total),
            BuildEvent::Warning(text) => self.print(&format!("! {}", clean_line(text, Colours::Drop))),
        }
    }

    /// Redraws times and spinners.
    pub fn tick(&mut self, now: Duration) {
        self.now = now;
        for step in self.steps.values() {
            if let Some(bar) = &step.bar {
                let elapsed = duration(now.saturating_sub(step.started));
                let head = format!("{} {elapsed}", step.name);
                let room = self.width.saturating_sub(head.chars().count() + 5);
                let tail = if room > 10 && !step.last_line.is_empty() {
                    shorten(&step.last_line, room)
                } else {
                    String::new()
                };
                bar.set_message(format!("{head}  {tail}"));
                bar.tick();
            }
        }
    }

    /// Clears the live area.
    pub fn close(&mut self) {
        let _ = self.area.clear();
    }

    fn start(&mut self, id: &StepId, name: &str, internal: bool) {
        let name = shorten(&step_name(name), self.width.saturating_sub(14));
        let shown = self.steps.values().filter(|step| step.bar.is_some()).count();
        let bar = (shown < SHOWN_STEPS).then(|| self.add_bar());
        if let Some(bar) = &bar {
            bar.set_message(name.clone());
        }
        self.steps.insert(id.clone(), LiveStep { name, internal, started: self.now, last_line: String::new(), bar });
    }

    fn add_bar(&self) -> ProgressBar {
        let style =
            ProgressStyle::with_template("{spinner:.cyan} {msg}").expect("a constant template").tick_strings(FRAMES);
        self.area.add(ProgressBar::new_spinner().with_style(style))
    }

    fn end(&mut self, id: &StepId, outcome: &StepOutcome, took: Duration) {
        let Some(step) = self.steps.remove(id) else { return };
        if let Some(bar) = step.bar {
            bar.finish_and_clear();
            self.area.remove(&bar);
        }
        let line = match outcome {
            StepOutcome::Failed(_) => format!("✗ {}  failed after {}", step.name, duration(took)),
            _ if step.internal => return,
            StepOutcome::Done => format!("✓ {}  {}", step.name, duration(took)),
            StepOutcome::Cached => format!("✓ {}  cached", step.name),
            StepOutcome::Cancelled => format!("- {}  stopped", step.name),
        };
        self.print(&line);
    }

    fn show_upload(&mut self, bytes: u64, total: Option<u64>) {
        if total == Some(bytes) {
            if let Some(bar) = self.upload.take() {
                bar.finish_and_clear();
                self.area.remove(&bar);
            }
            return;
        }
        let of = total.map(|total| format!(" of {}", size(total))).unwrap_or_default();
        if self.upload.is_none() {
            self.upload = Some(self.add_bar());
        }
        if let Some(bar) = &self.upload {
            bar.set_message(format!("sending the build context  {}{of}", size(bytes)));
            bar.tick();
        }
    }

    fn print(&self, line: &str) {
        let _ = self.area.println(shorten(line, self.width.saturating_sub(1)));
    }
}

/// The writer of the caller as a terminal.
struct Terminal {
    writer: Mutex<Box<dyn Write + Send>>,
    width: u16,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Terminal({})", self.width)
    }
}

impl Terminal {
    fn send(&self, text: &str) -> io::Result<()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes())
    }

    fn move_cursor(&self, count: usize, direction: char) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.send(&format!("\x1b[{count}{direction}")) }
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        self.width
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.send(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.send(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.send("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn running_steps_show_their_last_line_and_finished_ones_remain() {
        let screen = Shared::default();
        let mut live = LiveProgress::new(screen.clone(), 100);
        let id = StepId("a".into());
        let start = BuildEvent::StepStarted { id: id.clone(), name: "[deps 2/2] RUN npm ci".into(), internal: false };
        live.event(&start, Duration::ZERO);
        let log = BuildEvent::StepLog {
            id: id.clone(),
            stream: crate::builder::LogStream::Stdout,
            bytes: b"\x1b[2Jadded 3 packages".to_vec(),
        };
        live.event(&log, Duration::ZERO);
        live.tick(Duration::from_secs(2));
        let end = BuildEvent::StepFinished { id, outcome: StepOutcome::Done, duration: Duration::from_secs(3) };
        live.event(&end, Duration::from_secs(3));
        live.close();
        let drawn = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        assert!(drawn.contains("[deps 2/2] RUN npm ci 2.0 s  added 3 packages"), "{drawn:?}");
        assert!(drawn.contains("✓ [deps 2/2] RUN npm ci  3.0 s"), "{drawn:?}");
        assert!(!drawn.contains("\x1b[2J"), "{drawn:?}");
    }
}
