//! The events of a run as its log shows them: messages, groups and progress, in order.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::log::Untrusted;
use super::{Session, Verbosity};
use crate::builder::BuildEvent;
use crate::config::settings::Progress;
use crate::format::Colours;
use crate::host;
use crate::pipeline::{Event, EventSender, Phase, event_channel};
use crate::registry::transfer::TransferEvent;
use crate::repo::ci::CiSystem;
use crate::report::progress::{ProgressMode, show_progress};
use crate::report::transfer::show_transfer;
use crate::report::{Style, render_build};

/// Events that wait to be drawn.
const PROGRESS_QUEUE: usize = 64;

/// Runs `work`, and shows its events until all of them are shown.
pub async fn show<T>(session: &Session, mode: ProgressMode, work: impl AsyncFnOnce(EventSender) -> T) -> T {
    let (sender, mut events) = event_channel();
    let shown = async {
        let mut display = Display { session, mode, view: None };
        while let Some(event) = events.recv().await {
            display.event(event).await;
        }
        display.close().await;
    };
    // The work owns every sender, so that the display ends with it.
    let (result, ()) = tokio::join!(work(sender), shown);
    result
}

struct Display<'a> {
    session: &'a Session,
    mode: ProgressMode,
    view: Option<ShownProgress<'a>>,
}

/// Progress that is being drawn by a task of its own.
struct ShownProgress<'a> {
    queue: Queue,
    task: JoinHandle<()>,
    /// The log of a build can hold anything, also commands to the CI system.
    _untrusted: Option<Untrusted<'a>>,
}

enum Queue {
    Build(mpsc::Sender<BuildEvent>),
    Transfer(mpsc::Sender<TransferEvent>),
}

impl<'a> Display<'a> {
    async fn event(&mut self, event: Event) {
        let session = self.session;
        match event {
            Event::Message(text) => session.tell(&text),
            Event::Warning(warning) => session.warn(&[warning]),
            Event::Mask { name, value } => session.log.mask(&name, value.expose()),
            Event::Started(Phase::Build) => {
                session.log.open("build", "Build");
                let untrusted = session.log.untrusted();
                let (sender, received) = mpsc::channel(PROGRESS_QUEUE);
                let task = tokio::spawn(show_progress(received, self.mode, session.log.writer()));
                self.view = Some(ShownProgress { queue: Queue::Build(sender), task, _untrusted: Some(untrusted) });
            }
            Event::Started(Phase::Push) => {
                session.log.open("push", "Push");
                self.view = Some(self.transfer());
            }
            Event::Build(event) => {
                if let Some(ShownProgress { queue: Queue::Build(queue), .. }) = &self.view {
                    // A display that failed does not stop the build.
                    let _ = queue.send(event).await;
                }
            }
            Event::Transfer(event) => {
                // A pull has no group.
                if self.view.is_none() {
                    self.view = Some(self.transfer());
                }
                if let Some(ShownProgress { queue: Queue::Transfer(queue), .. }) = &self.view {
                    let _ = queue.send(event).await;
                }
            }
            Event::Finished(Phase::Build | Phase::Push) => {
                self.close().await;
                session.log.close();
            }
            Event::Built { image, record } => session.tell(&render_build(&image, &record)),
        }
    }

    fn transfer(&self) -> ShownProgress<'a> {
        let (sender, received) = mpsc::channel(PROGRESS_QUEUE);
        let task = tokio::spawn(show_transfer(received, self.mode, self.session.log.writer()));
        ShownProgress { queue: Queue::Transfer(sender), task, _untrusted: None }
    }

    async fn close(&mut self) {
        if let Some(ShownProgress { queue, task, _untrusted }) = self.view.take() {
            drop(queue);
            let _ = task.await;
        }
    }
}

/// How progress of this run is shown.
pub fn progress_mode(session: &Session, progress: Progress) -> ProgressMode {
    let ci = session.reporting.system;
    let colours = if session.style == Style::Coloured { Colours::Keep } else { Colours::Drop };
    let live = match progress {
        Progress::Plain => false,
        Progress::Tty => true,
        Progress::Auto => host::is_terminal() && ci == CiSystem::None && session.verbosity < Verbosity::Verbose,
    };
    match (session.verbosity, live) {
        (Verbosity::Quiet, _) => ProgressMode::Quiet,
        (_, true) => ProgressMode::Live { width: host::terminal_width() },
        (_, false) => ProgressMode::Plain(colours),
    }
}
