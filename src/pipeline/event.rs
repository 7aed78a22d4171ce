//! What a run reports while it is running, in order.

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::record::{BuildRecord, Layers, TransferRecord};
use crate::builder::BuildEvent;
use crate::diagnostic::Warning;
use crate::image::BuiltImage;
use crate::registry::transfer::TransferEvent;
use crate::secret::Secret;

/// Events that wait for the display; a full queue slows the run down.
const QUEUE: usize = 256;

/// A part of the run whose output belongs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Build,
    Push,
}

#[derive(Debug)]
pub enum Event {
    /// One sentence for people.
    Message(String),
    Warning(Warning),
    /// A secret that later output may contain. `name` is what people call it.
    Mask {
        name: String,
        value: Secret,
    },
    Started(Phase),
    /// Between the start and the end of [`Phase::Build`]. Log bytes are untrusted.
    Build(BuildEvent),
    /// Between the start and the end of [`Phase::Push`], and of a pull.
    Transfer(TransferEvent),
    Finished(Phase),
    Built {
        image: BuiltImage,
        record: BuildRecord,
    },
}

/// Sends events in order. A receiver that is gone is no error.
#[derive(Debug, Clone)]
pub struct EventSender(mpsc::Sender<Event>);

pub fn event_channel() -> (EventSender, mpsc::Receiver<Event>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (EventSender(sender), receiver)
}

impl EventSender {
    pub async fn send(&self, event: Event) {
        let _ = self.0.send(event).await;
    }

    pub async fn message(&self, text: impl Into<String>) {
        self.send(Event::Message(text.into())).await;
    }

    pub async fn warning(&self, warning: Warning) {
        self.send(Event::Warning(warning)).await;
    }

    pub async fn warnings(&self, warnings: impl IntoIterator<Item = Warning>) {
        for warning in warnings {
            self.warning(warning).await;
        }
    }

    pub async fn mask(&self, name: String, value: &str) {
        self.send(Event::Mask { name, value: Secret::new(value.to_owned()) }).await;
    }

    pub async fn built(&self, image: &BuiltImage, record: &BuildRecord) {
        self.send(Event::Built { image: image.clone(), record: record.clone() }).await;
    }

    /// Forwards the events of a build until their sender is gone.
    pub(super) async fn record_build(&self, mut received: mpsc::Receiver<BuildEvent>) -> BuildRecord {
        let start = Instant::now();
        let mut record = BuildRecord::default();
        while let Some(event) = received.recv().await {
            record.observe(&event, start.elapsed());
            self.send(Event::Build(event)).await;
        }
        record.total = start.elapsed();
        record
    }

    /// Forwards the events of a push or pull until their sender is gone. Notices become warnings at the end, below the progress.
    pub async fn record_transfer(&self, mut received: mpsc::Receiver<TransferEvent>) -> (TransferRecord, Vec<Warning>) {
        let start = Instant::now();
        let (mut record, mut layers, mut notices) = (TransferRecord::default(), Layers::default(), Vec::new());
        while let Some(event) = received.recv().await {
            record.observe(&event, &mut layers);
            match event {
                TransferEvent::Notice(warning) => notices.push(warning),
                event => self.send(Event::Transfer(event)).await,
            }
        }
        record.total = start.elapsed();
        (record, notices)
    }
}
