//! The end of a push or pull: a table for people, JSON for machines.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::image::PushedReference;
use crate::pipeline::TransferRecord;
use crate::registry::transfer::{PulledImage, PushOutcome};
use crate::report::progress::{duration, size};

/// `nextdeploy push --json`, and the part of `build --json` about the push.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushResult {
    pub schema_version: u32,
    pub pushed: Vec<PushedReference>,
    pub failed: Vec<FailedReferences>,
    /// Layers that were moved, counted once per repository.
    pub moved_layers: usize,
    /// Bytes of those layers before compression.
    pub moved_bytes: u64,
    pub present_layers: usize,
    /// Attempts that failed and were repeated.
    pub retries: usize,
    pub seconds: f64,
}

/// References that did not get to their registry, for one reason.
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
    /// As it was asked for.
    pub reference: String,
    /// Digest of the manifest or image index, `sha256:…`.
    pub digest: String,
    /// Image id in the daemon, `sha256:…`.
    pub image_id: String,
    /// The daemon had it already.
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

/// `5 layers (45.2 MB) moved, 3 were there already`.
fn layers_text(record: &TransferRecord) -> String {
    let moved = match record.moved_layers {
        0 => "nothing moved".to_owned(),
        1 => format!("1 layer ({}) moved", size(record.moved_bytes)),
        count => format!("{count} layers ({}) moved", size(record.moved_bytes)),
    };
    match record.present_layers {
        0 => moved,
        1 => format!("{moved}, 1 layer was there already"),
        count => format!("{moved}, {count} layers were there already"),
    }
}

/// What arrived and what did not, for people; ends with a newline.
pub fn render_push(outcome: &PushOutcome, record: &TransferRecord) -> String {
    let mut text = String::new();
    let width = outcome.pushed.iter().map(|pushed| pushed.reference.len()).max().unwrap_or(0);
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
        1 => ", 1 attempt repeated".to_owned(),
        count => format!(", {count} attempts repeated"),
    };
    let _ = writeln!(text, "Time      {}{retries}", duration(record.total));
    if let Some(first) = outcome.pushed.first() {
        let _ = writeln!(text, "Pull      docker pull {}", first.by_digest());
    }
    text
}

/// The end of a pull for people; ends with a newline.
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
    use std::time::Duration;

    use super::*;
    use crate::registry::transfer::{FailedPush, TransferError};

    fn digest(letter: char) -> String {
        format!("sha256:{}", letter.to_string().repeat(64))
    }

    #[test]
    fn what_arrived_is_told_beside_what_did_not() {
        let pushed = |reference: &str, unchanged| PushedReference {
            reference: reference.to_owned(),
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
