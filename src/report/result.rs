//! The result of a build for machines (`--json`, `--metadata-file`) and of a dry run, as JSON and as text.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::transfer::PushResult;
use crate::diagnostic::printable_path;
use crate::format::joined;
use crate::image::dockerfile::{BuildContext, ContextContent};
use crate::image::plan::ImagePlan;
use crate::image::{BuiltImage, ImageLayer, PushedReference};
use crate::image_ref::ImageRef;
use crate::pipeline::{Attempted, BuildRecord, Built, Planned};
use crate::project::ProjectFacts;

/// `nextdeploy build --json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuildResult {
    pub schema_version: u32,
    /// The primary reference.
    pub image: String,
    #[schemars(with = "Vec<String>")]
    pub tags: Vec<ImageRef>,
    /// `sha256:…` of the image's configuration.
    pub image_id: String,
    /// `linux/amd64`.
    pub platform: String,
    /// Sum of the uncompressed layers in bytes.
    pub size: u64,
    /// Base first.
    pub layers: Vec<ResultLayer>,
    pub steps: Vec<ResultStep>,
    pub cached_steps: usize,
    /// Steps that could have come from the cache.
    pub counted_steps: usize,
    /// Bytes of the build context that were sent.
    pub context_bytes: u64,
    pub seconds: f64,
    pub node_version: String,
    pub next_version: String,
    pub package_manager: String,
    /// Messages of all warnings.
    pub warnings: Vec<String>,
    /// Notices of the scripts inside the build; cached steps have none.
    pub notices: Vec<String>,
    /// Every reference that was to be pushed is in its registry.
    pub pushed: bool,
    /// Digest of the first pushed reference's manifest, `sha256:…`.
    pub digest: Option<String>,
    /// Why nothing was pushed with `--push=auto`.
    pub push_skipped: Option<String>,
    pub push: Option<PushResult>,
}

/// What became of the push.
#[derive(Debug, Clone)]
pub enum PushReport {
    NotWanted,
    /// With the reason.
    Skipped(String),
    Done(PushResult),
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResultLayer {
    /// Digest of the uncompressed layer, `sha256:…`.
    pub diff_id: String,
    /// Uncompressed size in bytes.
    pub size: u64,
    pub created_by: String,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResultStep {
    pub name: String,
    /// `done`, `cached`, `failed` or `stopped`.
    pub result: String,
    pub seconds: f64,
}

impl From<&ImageLayer> for ResultLayer {
    fn from(layer: &ImageLayer) -> Self {
        Self { diff_id: layer.diff_id.clone(), size: layer.size, created_by: layer.created_by.clone() }
    }
}

impl BuildResult {
    pub fn of(built: &Built, push: &PushReport) -> Self {
        let Built { image, attempted: Attempted { record, planned: Planned { opened, plan, .. }, .. }, .. } = built;
        Self::new(image, record, &opened.facts, plan).with_push(push)
    }

    fn new(image: &BuiltImage, record: &BuildRecord, facts: &ProjectFacts, plan: &ImagePlan) -> Self {
        let (cached_steps, counted_steps) = record.cache_hits();
        let steps = record.steps.iter().filter(|step| !step.internal).map(|step| ResultStep {
            name: crate::builder::step_name(&step.name),
            result: step.result.as_str().to_owned(),
            seconds: step.duration.as_secs_f64(),
        });
        let planned = plan.warnings.iter().map(|warning| warning.message.clone());
        Self {
            schema_version: 1,
            image: image.name(),
            tags: image.tags.clone(),
            image_id: image.id.clone(),
            platform: image.platform.clone(),
            size: image.size,
            layers: image.layers.iter().map(ResultLayer::from).collect(),
            steps: steps.collect(),
            cached_steps,
            counted_steps,
            context_bytes: record.context_bytes,
            seconds: record.total.as_secs_f64(),
            node_version: plan.node.value.version(),
            next_version: facts.next.value.text.clone(),
            package_manager: facts.package_manager.value.to_string(),
            warnings: planned.chain(record.warnings.iter().cloned()).collect(),
            notices: record.notices.clone(),
            pushed: false,
            digest: None,
            push_skipped: None,
            push: None,
        }
    }

    fn with_push(mut self, report: &PushReport) -> Self {
        match report {
            PushReport::NotWanted => {}
            PushReport::Skipped(reason) => self.push_skipped = Some(reason.clone()),
            PushReport::Done(result) => {
                self.pushed = result.failed.is_empty() && !result.pushed.is_empty();
                self.digest = result.pushed.first().map(|pushed| pushed.digest.clone());
                self.push = Some(result.clone());
            }
        }
        self
    }

    /// For standard output: the first pushed reference with its digest, else the primary tag.
    pub fn primary(&self) -> String {
        let pushed = self.push.as_ref().and_then(|push| push.pushed.first());
        pushed.map_or_else(|| self.image.clone(), PushedReference::pinned)
    }

    /// `--metadata-file`, with the keys of the Docker CLI.
    pub fn metadata_file(&self) -> serde_json::Value {
        let mut file = serde_json::json!({
            "containerimage.config.digest": self.image_id,
            "image.name": joined(&self.tags, ","),
            "nextdeploy.result": self,
        });
        if let Some(digest) = &self.digest {
            file["containerimage.digest"] = digest.as_str().into();
        }
        file
    }
}

/// `nextdeploy build --dry-run --json`: everything that a build would do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DryRun<'a> {
    pub schema_version: u32,
    pub facts: &'a ProjectFacts,
    pub plan: &'a ImagePlan,
    pub dockerfile: &'a str,
    pub context: Vec<ContextLine>,
    pub tags: &'a [ImageRef],
    pub calls: &'a [OutsideCall],
}

/// A call to something outside this process.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutsideCall {
    /// `docker daemon`, `file system`.
    pub target: String,
    /// What would be done.
    pub action: String,
}

/// One path of the build context.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextLine {
    pub path: String,
    /// Bytes of content.
    pub size: u64,
    /// `file`, `generated`, `directory` or `symlink`.
    pub kind: &'static str,
}

/// The paths of the context in the order in which they are sent.
pub fn context_lines(context: &BuildContext) -> Vec<ContextLine> {
    context
        .entries
        .iter()
        .map(|entry| ContextLine {
            path: printable_path(&entry.path),
            size: entry.size(),
            kind: match entry.content {
                ContextContent::Generated(_) => "generated",
                ContextContent::File { .. } => "file",
                ContextContent::Directory => "directory",
                ContextContent::Symlink { .. } => "symlink",
            },
        })
        .collect()
}

/// The paths of the context with their sizes, and the total.
pub fn render_context(context: &BuildContext) -> String {
    let mut text = String::new();
    for line in context_lines(context).iter().filter(|line| line.kind != "directory") {
        let mark = match line.kind {
            "generated" => "  (generated)",
            "symlink" => "  (link)",
            _ => "",
        };
        let _ = writeln!(text, "{:>12}  {}{mark}", line.size, line.path);
    }
    let _ = writeln!(text, "{:>12}  bytes in {} entries", context.size(), context.entries.len());
    text
}

/// The outside calls, numbered.
pub fn render_calls(calls: &[OutsideCall]) -> String {
    calls.iter().enumerate().fold(String::new(), |mut text, (at, call)| {
        let _ = writeln!(text, "{:>3}. {}: {}", at + 1, call.target, call.action);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::dockerfile::ContextEntry;

    #[test]
    fn every_path_is_listed_on_one_line_with_its_size() {
        let entry = |path: &str, content| ContextEntry { path: path.into(), content, mode: 0o644 };
        let context = BuildContext {
            entries: vec![
                entry("app", ContextContent::Directory),
                entry("app/a\nb", ContextContent::File { disk: "/r/a".into(), size: 7 }),
                entry("app/link", ContextContent::Symlink { target: "a".into() }),
                entry("nextdeploy/plan.json", ContextContent::Generated(b"{}".to_vec())),
            ],
        };
        assert_eq!(
            render_context(&context),
            "           7  app/a\\nb\n           0  app/link  (link)\n           2  nextdeploy/plan.json  (generated)\n           9  bytes in 4 entries\n"
        );
    }
}
