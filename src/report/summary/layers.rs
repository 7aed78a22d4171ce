//! The layers of the image: what each holds, how large it is, and whether it was there before.

use std::fmt::Write as _;

use super::Summary;
use super::page::{count, share, table};
use crate::builder::{shorten, step_name};
use crate::image::{BuiltImage, ImageLayer};
use crate::pipeline::{BuildRecord, StepResult};

use crate::report::markdown::code;
use crate::report::progress::size;

const BAR: usize = 16;
/// Layers of an image of the user's own can be many.
const SHOWN: usize = 60;

pub(super) fn render(summary: &Summary<'_>) -> String {
    let Some(image) = summary.image.filter(|image| !image.layers.is_empty()) else { return String::new() };
    let base = base_layers(image);
    let base_name = summary.plan.filter(|_| base > 0).map(|plan| plan.base.runtime.value.to_string());
    let mut rows = Vec::new();
    let (below, own) = image.layers.split_at(base);
    if let Some(name) = &base_name {
        let title = format!("Base image {} ({})", code(name), count(base, "layer"));
        let bytes = below.iter().map(|layer| layer.size).sum();
        let fate = if below.iter().all(|layer| is_in(summary.previous, layer)) { "♻️ reused" } else { "" };
        rows.push(line(title, bytes, image.size, fate));
    }
    // Instructions that set something leave a layer without content.
    let all = if base_name.is_some() { own } else { &image.layers };
    let listed: Vec<&ImageLayer> = all.iter().filter(|layer| layer.size > 0).collect();
    for layer in listed.iter().take(SHOWN) {
        rows.push(line(title(layer), layer.size, image.size, fate(summary, layer)));
    }
    let mut text = "### Layers\n\n".to_owned();
    text.push_str(&table(&["Layer", "Size", "Share", "Since the last build"], &["---", "---:", "---", "---"], &rows));
    if listed.len() > SHOWN {
        let _ = writeln!(text, "\nand {} more", listed.len() - SHOWN);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "drawn in a few characters")]
fn line(title: String, bytes: u64, whole: u64, fate: &str) -> Vec<String> {
    vec![title, size(bytes), share(bytes as f64 / whole.max(1) as f64, BAR), fate.to_owned()]
}

/// Layers below the first one that the generated Dockerfile makes; none for a Dockerfile of the user's own.
fn base_layers(image: &BuiltImage) -> usize {
    let first = image.layers.iter().position(|layer| layer.created_by.starts_with("COPY launcher/ "));
    first.map_or(0, |at| {
        // System packages are installed right before it.
        if at > 0 && image.layers[at - 1].created_by.starts_with("RUN : '") { at - 1 } else { at }
    })
}

fn title(layer: &ImageLayer) -> String {
    let ours = [
        ("COPY launcher/ ", "Launcher"),
        ("COPY /out/node_modules/ ", "Dependencies"),
        ("COPY /out/server/ ", "Server"),
        ("COPY /out/static/ ", "Static files"),
        ("COPY /out/keys/ ", "Keys and manifests of this build"),
        ("COPY /out/ ", "Image optimiser"),
    ];
    if let Some((_, title)) = ours.iter().find(|(start, _)| layer.created_by.starts_with(start)) {
        return (*title).to_owned();
    }
    if layer.created_by.is_empty() {
        "base image".to_owned()
    } else {
        code(&shorten(&step_name(&layer.created_by), 96))
    }
}

fn is_in(image: Option<&BuiltImage>, layer: &ImageLayer) -> bool {
    image.is_some_and(|image| image.layers.iter().any(|other| other.diff_id == layer.diff_id))
}

fn fate(summary: &Summary<'_>, layer: &ImageLayer) -> &'static str {
    if is_in(summary.previous, layer) || summary.record.is_some_and(|record| is_cached(record, layer)) {
        "♻️ reused"
    } else {
        "🆕 new"
    }
}

/// The history drops the flags of a `COPY`, so the words behind them are compared.
fn is_cached(record: &BuildRecord, layer: &ImageLayer) -> bool {
    let words = layer.created_by.split_once(' ').map_or(layer.created_by.as_str(), |(_, words)| words);
    !words.is_empty()
        && record.steps.iter().any(|step| step.result == StepResult::Cached && step.name.trim_end().ends_with(words))
}
