//! Pushes and pulls for people and machines: events → progress, outcomes → text and JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::progress::{ProgressMode, show_progress};
use crate::builder::{BuildEvent, LogStream, StepId, StepOutcome};
use crate::diagnostic::Diagnostic;
use crate::format::{count, duration, size};
use crate::image::PushedReference;
use crate::pipeline::TransferRecord;
use crate::registry::transfer::{LayerState, PulledImage, PushOutcome, TransferEvent};

/// Queued events for the display.
const QUEUE: usize = 64;

/// Shows events until their sender is gone, each reference as a step.
pub async fn show_transfer(
    mut events: mpsc::Receiver<TransferEvent>,
    mode: ProgressMode,
    writer: impl Write + Send + 'static,
) {
    let start = Instant::now();
    let (shown, received) = mpsc::channel(QUEUE);
    let display = tokio::spawn(show_progress(received, mode, writer));
    let mut steps = TransferSteps::default();
    while let Some(event) = events.recv().await {
        for step in steps.events(&event, start.elapsed()) {
            // A failed display does not stop the transfer.
            let _ = shown.send(step).await;
        }
    }
    drop(shown);
    let _ = display.await;
}

/// Translates transfer events into the steps of a build: a reference is a step, its layers are the progress of the step.
#[derive(Debug, Default)]
struct TransferSteps {
    references: BTreeMap<String, RunningReference>,
    /// Registries and credentials that were shown.
    logins: BTreeSet<(String, String)>,
}

#[derive(Debug)]
struct RunningReference {
    started: Duration,
    layers: BTreeMap<String, LayerProgress>,
}

#[derive(Debug, Default)]
struct LayerProgress {
    current: u64,
    total: u64,
    done: bool,
}

impl TransferSteps {
    /// The build events for a transfer event, `now` after the start.
    fn events(&mut self, event: &TransferEvent, now: Duration) -> Vec<BuildEvent> {
        match event {
            TransferEvent::LoggedIn { registry, origin } => {
                if !self.logins.insert((registry.clone(), origin.clone())) {
                    return Vec::new();
                }
                Self::login(registry, origin, now)
            }
            TransferEvent::CredentialsRenewed { registry, origin } => {
                Self::login(registry, &format!("rejected, trying new credentials: {origin}"), now)
            }
            TransferEvent::Started { reference } => {
                self.references.insert(reference.clone(), RunningReference { started: now, layers: BTreeMap::new() });
                vec![started(reference, reference.clone(), false)]
            }
            TransferEvent::Layer { reference, layer, state } => self.layer(reference, layer, state),
            TransferEvent::Retrying { reference, reason, attempt, attempts, wait } => {
                let text = format!("{reason}; attempt {attempt} of {attempts} in {}", duration(*wait));
                vec![line(reference, &text)]
            }
            TransferEvent::Finished { reference, digest, unchanged } => {
                let text = if *unchanged { format!("{digest}, unchanged") } else { digest.clone() };
                vec![line(reference, &text), self.finish(reference, StepOutcome::Done, now)]
            }
            TransferEvent::Failed { reference } => {
                vec![self.finish(reference, StepOutcome::Failed(String::new()), now)]
            }
            TransferEvent::Notice(_) => Vec::new(),
        }
    }

    /// A step that ends immediately.
    fn login(registry: &str, text: &str, now: Duration) -> Vec<BuildEvent> {
        let id = format!("{registry} {text} {now:?}");
        vec![
            started(&id, format!("log in to {registry}"), false),
            line(&id, text),
            BuildEvent::StepFinished { id: StepId(id), outcome: StepOutcome::Done, duration: Duration::ZERO },
        ]
    }

    fn layer(&mut self, reference: &str, name: &str, state: &LayerState) -> Vec<BuildEvent> {
        let Some(running) = self.references.get_mut(reference) else { return Vec::new() };
        let layer = running.layers.entry(name.to_owned()).or_default();
        match state {
            LayerState::Waiting | LayerState::Extracting { .. } => {}
            LayerState::Retrying => layer.current = 0,
            LayerState::Moving { current, total } => {
                layer.current = *current;
                layer.total = total.unwrap_or(0).max(*current).max(layer.total);
            }
            LayerState::Done(_) => {
                layer.done = true;
                layer.current = layer.total;
            }
        }
        let done = running.layers.values().filter(|layer| layer.done).count();
        let current = running.layers.values().map(|layer| layer.current).sum();
        let total = running.layers.values().map(|layer| layer.total).sum();
        vec![BuildEvent::StepProgress {
            id: StepId(reference.to_owned()),
            item: format!("{done} of {} layers", running.layers.len()),
            current,
            total: Some(total).filter(|total| *total > 0),
        }]
    }

    fn finish(&mut self, reference: &str, outcome: StepOutcome, now: Duration) -> BuildEvent {
        let running = self.references.remove(reference);
        let duration = running.map_or(Duration::ZERO, |running| now.saturating_sub(running.started));
        BuildEvent::StepFinished { id: StepId(reference.to_owned()), outcome, duration }
    }
}

fn started(id: &str, name: String, internal: bool) -> BuildEvent {
    BuildEvent::StepStarted { id: StepId(id.to_owned()), name, internal }
}

fn line(reference: &str, text: &str) -> BuildEvent {
    let bytes = text.as_bytes().to_vec();
    BuildEvent::StepLog { id: StepId(reference.to_owned()), stream: LogStream::Stderr, bytes }
}

/// `nextdeploy push --json`, and the part of `build --json` about the push.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushResult {
    pub schema_version: u32,
    pub pushed: Vec<PushedReference>,
    pub failed: Vec<FailedReferences>,
    /// Transferred layers, counted once per repository.
    pub moved_layers: usize,
    /// Uncompressed bytes of those layers.
    pub moved_bytes: u64,
    pub present_layers: usize,
    /// Failed attempts that were repeated.
    pub retries: usize,
    pub seconds: f64,
}

/// References that could not be pushed, for one reason.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedReferences {
    pub references: Vec<String>,
    /// Stable identifier of the error.
    pub code: String,
    pub message: String,
    pub hints: Vec<String>,
}

impl PushResult {
    pub fn new(outcome: &PushOutcome, record: &TransferRecord) -> Self {
        let failed = outcome.failed.iter().map(|failed| FailedReferences {
            references: failed.references.clone(),
            code: failed.error.code().to_owned(),
            message: failed.error.to_string(),
            hints: failed.error.hints(),
        });
        Self {
            schema_version: 1,
            pushed: outcome.pushed.clone(),
            failed: failed.collect(),
            moved_layers: record.moved_layers,
            moved_bytes: record.moved_bytes,
            present_layers: record.present_layers,
            retries: record.retries,
            seconds: record.total.as_secs_f64(),
        }
    }

    /// One line per pushed reference, `REPOSITORY:TAG@DIGEST`.
    pub fn lines(&self) -> String {
        self.pushed.iter().map(PushedReference::pinned).collect::<Vec<_>>().join("\n")
    }
}

/// `nextdeploy pull --json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullResult {
    pub schema_version: u32,
    /// As requested.
    pub reference: String,
    /// Digest of the manifest or image index, `sha256:…`.
    pub digest: String,
    /// Image id in the daemon, `sha256:…`.
    pub image_id: String,
    /// The daemon already had it.
    pub unchanged: bool,
    pub seconds: f64,
}

impl PullResult {
    pub fn new(image: &PulledImage, record: &TransferRecord) -> Self {
        Self {
            schema_version: 1,
            reference: image.reference.clone(),
            digest: image.digest.clone(),
            image_id: image.id.clone(),
            unchanged: image.unchanged,
            seconds: record.total.as_secs_f64(),
        }
    }

    /// The reference with its digest.
    pub fn pinned(&self) -> String {
        if self.reference.contains('@') {
            self.reference.clone()
        } else {
            format!("{}@{}", self.reference, self.digest)
        }
    }
}

/// `5 layers (45.2 MB) transferred, 3 layers already present`.
fn layers_text(record: &TransferRecord) -> String {
    let moved = match record.moved_layers {
        0 => "nothing transferred".to_owned(),
        layers => format!("{} ({}) transferred", count(layers, "layer"), size(record.moved_bytes)),
    };
    match record.present_layers {
        0 => moved,
        layers => format!("{moved}, {} already present", count(layers, "layer")),
    }
}

/// The result of a push for people; ends with a newline.
pub fn render_push(outcome: &PushOutcome, record: &TransferRecord) -> String {
    let mut text = String::new();
    let width = outcome.pushed.iter().map(|pushed| pushed.reference.to_string().len()).max().unwrap_or(0);
    for (index, pushed) in outcome.pushed.iter().enumerate() {
        let title = if index == 0 { "Pushed    " } else { "          " };
        let unchanged = if pushed.unchanged { "  unchanged" } else { "" };
        let _ = writeln!(text, "{title}{:width$}  {}{unchanged}", pushed.reference, pushed.digest);
    }
    let failed: Vec<&String> = outcome.failed.iter().flat_map(|failed| &failed.references).collect();
    for (index, reference) in failed.iter().enumerate() {
        let title = if index == 0 { "Failed    " } else { "          " };
        let _ = writeln!(text, "{title}{reference}");
    }
    let _ = writeln!(text, "Layers    {}", layers_text(record));
    let retries = match record.retries {
        0 => String::new(),
        1 => ", 1 retry".to_owned(),
        retries => format!(", {retries} retries"),
    };
    let _ = writeln!(text, "Time      {}{retries}", duration(record.total));
    if let Some(first) = outcome.pushed.first() {
        let _ = writeln!(text, "Pull      docker pull {}", first.by_digest());
    }
    text
}

/// The result of a pull for people; ends with a newline.
pub fn render_pull(image: &PulledImage, record: &TransferRecord) -> String {
    let unchanged = if image.unchanged { "  unchanged" } else { "" };
    format!(
        "Pulled    {}  {}{unchanged}\nImage     {}\nLayers    {}\nTime      {}\n",
        image.reference,
        image.digest,
        image.id,
        layers_text(record),
        duration(record.total)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_ref::ImageRef;
    use crate::registry::transfer::{FailedPush, TransferError};

    fn digest(letter: char) -> String {
        format!("sha256:{}", letter.to_string().repeat(64))
    }

    #[test]
    fn result_of_a_push_with_failures() {
        let pushed = |reference: &str, unchanged| PushedReference {
            reference: ImageRef::parse(reference).unwrap(),
            digest: digest('a'),
            manifest_size: 1_574,
            unchanged,
        };
        let outcome = PushOutcome {
            pushed: vec![pushed("ghcr.io/acme/shop:1.2.3", false), pushed("ghcr.io/acme/shop:1.2", true)],
            failed: vec![FailedPush {
                references: vec!["registry.example.com/shop:1.2.3".to_owned()],
                error: TransferError::Idle {
                    reference: "registry.example.com/shop:1.2.3".to_owned(),
                    after: Duration::from_mins(5),
                },
            }],
        };
        let record = TransferRecord {
            moved_layers: 5,
            moved_bytes: 45_200_000,
            present_layers: 3,
            retries: 1,
            total: Duration::from_millis(2_100),
        };
        let result = PushResult::new(&outcome, &record);
        insta::assert_snapshot!(format!(
            "{}\n{}\n\n{}",
            render_push(&outcome, &record),
            result.lines(),
            serde_json::to_string_pretty(&result).unwrap()
        ));
    }
}
