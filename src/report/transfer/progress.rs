//! Events of transfers in the words of the progress display: a reference is a step, its layers are the step's progress.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::builder::{BuildEvent, LogStream, StepId, StepOutcome};
use crate::registry::transfer::{LayerState, TransferEvent};
use crate::report::progress::duration;

/// What has to be remembered between events.
#[derive(Debug, Default)]
pub(super) struct Steps {
    references: BTreeMap<String, Running>,
    /// Registries whose credentials were told.
    told: BTreeSet<(String, String)>,
}

#[derive(Debug)]
struct Running {
    started: Duration,
    layers: BTreeMap<String, Layer>,
}

#[derive(Debug, Default)]
struct Layer {
    current: u64,
    total: u64,
    done: bool,
}

impl Steps {
    /// What the display shall show for one event that came `now` after the start.
    pub(super) fn events(&mut self, event: &TransferEvent, now: Duration) -> Vec<BuildEvent> {
        match event {
            TransferEvent::LoggedIn { registry, origin } => {
                if !self.told.insert((registry.clone(), origin.clone())) {
                    return Vec::new();
                }
                Self::login(registry, origin, now)
            }
            TransferEvent::CredentialsRenewed { registry, origin } => {
                Self::login(registry, &format!("refused, trying fresh ones: {origin}"), now)
            }
            TransferEvent::Started { reference } => {
                self.references.insert(reference.clone(), Running { started: now, layers: BTreeMap::new() });
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

    /// A step of its own, which is over at once.
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
