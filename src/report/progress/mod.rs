//! A running build as it is shown: events → lines for logs, or a live view for terminals, on a writer of the caller's.
//!
//! Never writes to a standard stream by itself.

mod live;
mod plain;

use std::io::Write;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, interval};

use crate::builder::BuildEvent;
use crate::pipeline::is_for_the_record;

pub use crate::format::{Colours, clean_line, duration, size};
pub use live::LiveProgress;
pub use plain::PlainProgress;

/// How a build is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressMode {
    Plain(Colours),
    /// On a terminal so many columns wide.
    Live {
        width: u16,
    },
    /// Not at all.
    Quiet,
}

const FRAME: Duration = Duration::from_millis(120);

/// Shows events until their sender is gone.
pub async fn show_progress(
    mut events: mpsc::Receiver<BuildEvent>,
    mode: ProgressMode,
    writer: impl Write + Send + 'static,
) {
    let start = Instant::now();
    let mut view = View::new(mode, writer);
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

enum View<W> {
    Plain(PlainProgress, W),
    Live(Box<LiveProgress>),
    Quiet,
}

impl<W: Write + Send + 'static> View<W> {
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
                    // A reader that went away does not stop the build.
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
