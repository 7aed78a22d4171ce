//! Images of a daemon: inspection with layers and the instructions that made them, tags, removal, and the files inside of them.
//!
//! Files of an image are read through a helper container: one that is created and never started.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::ImageInspect;
use serde::Deserialize;
use tokio::time::timeout;

use super::connection::{ApiError, DaemonError, Engine};
use super::containers::{Containers, Removal};
use super::convert;
use super::error::ContainerError;
use super::spec::{ContainerName, ContainerSpec, Mount};
use crate::host::{ProcessId, random_word};
use crate::image::{BuiltImage, ImageLayer};
use crate::image_ref::ImageRef;

const INSPECTION: &str = "image inspection";
/// A report does not wait longer for a busy daemon.
pub(super) const REPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Label with the [process](ProcessId) that created a helper container. A later run removes those whose process was killed.
pub const HELPER_LABEL: &str = "nextdeploy.helper";
/// What the names of all helper containers begin with.
pub const HELPER_PREFIX: &str = "nextdeploy-helper-";

/// A unique name for a helper container.
pub fn helper_name() -> String {
    format!("{HELPER_PREFIX}{}", &random_word()[..12])
}

/// Labels of a helper container of this process.
pub fn helper_labels() -> BTreeMap<String, String> {
    BTreeMap::from([(HELPER_LABEL.to_owned(), ProcessId::own().as_str().to_owned())])
}

/// A helper container of `image` with `mounts`.
pub fn helper_spec(image: &str, mounts: Vec<Mount>) -> ContainerSpec {
    let name = ContainerName::parse(&helper_name()).expect("letters, digits and `-` are valid in a name");
    let mut spec = ContainerSpec::idle(name, image.to_owned(), mounts);
    spec.labels = helper_labels();
    spec
}

impl Containers {
    /// The content of a file of an image, of at most `limit` bytes; `None` when the image has no such file.
    pub(super) async fn read_image_file(
        &self,
        image: &str,
        path: &str,
        limit: usize,
        patience: Duration,
    ) -> Result<Option<Vec<u8>>, ContainerError> {
        let late = |_| ContainerError::from(self.engine().no_answer(patience));
        let helper = timeout(patience, self.create(&helper_spec(image, Vec::new()))).await.map_err(late)??.id;
        let read = timeout(patience, self.read_file(&helper, path, limit)).await;
        self.remove(&helper, Removal::Forced).await?;
        read.map_err(late)?
    }
}

/// An image in the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalImage {
    /// `sha256:…`
    pub id: String,
    /// `linux/arm64`
    pub platform: String,
    /// `REPOSITORY@sha256:…`, for each repository that it was pushed to or pulled from.
    repo_digests: Vec<String>,
    /// Diff ids, lowest first.
    layers: Vec<String>,
}

impl LocalImage {
    fn new(engine: &Engine, image: ImageInspect) -> Result<Self, DaemonError> {
        let id = image.id.ok_or_else(|| engine.lost(INSPECTION, "the answer has no id"))?;
        let os = image.os.unwrap_or_else(|| "linux".to_owned());
        Ok(Self {
            id: if id.starts_with("sha256:") { id } else { format!("sha256:{id}") },
            platform: convert::image_platform(Some(os), image.architecture, image.variant),
            repo_digests: image.repo_digests.unwrap_or_default(),
            layers: image.root_fs.and_then(|root| root.layers).unwrap_or_default(),
        })
    }

    /// Digests of the image in the repository of `reference`.
    pub fn digests(&self, reference: &ImageRef) -> impl Iterator<Item = &str> {
        let repository = reference.fully_qualified_repository();
        self.repo_digests.iter().filter_map(move |known| {
            let (name, digest) = known.split_once('@')?;
            // Some daemons list `<none>@<none>`.
            let known = ImageRef::parse(name).ok()?;
            (known.fully_qualified_repository() == repository).then_some(digest)
        })
    }

    /// The digest in the repository of `reference`, when there is exactly one.
    pub fn only_digest(&self, reference: &ImageRef) -> Option<String> {
        let mut digests = self.digests(reference);
        let digest = digests.next()?;
        digests.next().is_none().then(|| digest.to_owned())
    }
}

impl Engine {
    /// The image that `reference` names; `None` when the daemon does not have it.
    pub async fn find_local(&self, reference: &ImageRef) -> Result<Option<LocalImage>, DaemonError> {
        let image: Option<ImageInspect> = self.get(INSPECTION, &format!("/images/{reference}/json")).find().await?;
        image.map(|image| LocalImage::new(self, image)).transpose()
    }

    /// Gives the image `source` another name.
    pub(crate) async fn tag_image(&self, source: &str, name: &ImageRef) -> Result<(), ApiError> {
        let request = self.post("image tagging", &format!("/images/{source}/tag"));
        request.query("repo", &name.repository()).query("tag", name.tag_or_latest()).run().await
    }

    /// Removes an image, or the name `image` of one that has others.
    pub async fn remove_image(&self, image: &str) -> Result<(), DaemonError> {
        Ok(self.delete("image removal", &format!("/images/{image}")).run().await?)
    }

    /// The image that `reference` names, for a report: `None` also when the daemon does not answer soon.
    pub async fn find_image(&self, reference: &str) -> Option<BuiltImage> {
        timeout(REPORT_TIMEOUT, self.inspect_built(reference, &[])).await.ok()?.ok()
    }

    /// The image `id`, which was built with `tags`.
    pub(super) async fn inspect_built(&self, id: &str, tags: &[ImageRef]) -> Result<BuiltImage, DaemonError> {
        let image = LocalImage::new(self, self.get(INSPECTION, &format!("/images/{id}/json")).read().await?)?;
        let mut history: Vec<HistoryEntry> = self.get("image history", &format!("/images/{id}/history")).read().await?;
        history.reverse();
        let layers = layers(image.layers, &history);
        Ok(BuiltImage {
            id: image.id,
            tags: tags.to_vec(),
            platform: image.platform,
            size: layers.iter().map(|layer| layer.size).sum(),
            layers,
        })
    }
}

/// One entry of an image's history.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HistoryEntry {
    created_by: String,
    size: i64,
}

/// Joins layers with the history entries that made them. The API does not say which entries made none, so those that only
/// set metadata are left out, then empty `WORKDIR`s, then other empty ones, until the numbers agree.
fn layers(diff_ids: Vec<String>, oldest_first: &[HistoryEntry]) -> Vec<ImageLayer> {
    let mut makers: Vec<(String, u64)> = oldest_first
        .iter()
        .map(|entry| (instruction(&entry.created_by), u64::try_from(entry.size).unwrap_or(0)))
        .filter(|(instruction, size)| *size > 0 || !only_metadata(instruction))
        .collect();
    for workdirs_only in [true, false] {
        while makers.len() > diff_ids.len() {
            let surplus =
                makers.iter().position(|(text, size)| *size == 0 && (!workdirs_only || text.starts_with("WORKDIR")));
            match surplus {
                Some(index) => drop(makers.remove(index)),
                None => break,
            }
        }
    }
    // A base image may have less history than layers.
    let unknown = diff_ids.len().saturating_sub(makers.len());
    let makers = std::iter::repeat_n((String::new(), 0), unknown).chain(makers);
    diff_ids
        .into_iter()
        .zip(makers)
        .map(|(diff_id, (created_by, size))| ImageLayer { diff_id, size, created_by })
        .collect()
}

fn only_metadata(instruction: &str) -> bool {
    const NAMES: [&str; 13] = [
        "ARG",
        "CMD",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
    ];
    NAMES.contains(&instruction.split_whitespace().next().unwrap_or_default())
}

/// The instruction without what builders add: `|1 A=b /bin/sh -c npm ci # buildkit` → `RUN npm ci`.
fn instruction(created_by: &str) -> String {
    let text = created_by.trim().trim_end_matches("# buildkit").trim_end();
    if let Some((_, rest)) = text.split_once("#(nop)") {
        return rest.trim().to_owned();
    }
    let Some((prefix, command)) = text.split_once("/bin/sh -c ") else { return text.to_owned() };
    let made_by_run = prefix.is_empty() || prefix.starts_with('|') || prefix.starts_with("RUN ");
    if made_by_run { format!("RUN {}", command.trim()) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(count: usize, history: &[(&str, i64)]) -> Vec<String> {
        let diff_ids = (0..count).map(|n| format!("sha256:{n}")).collect();
        let history: Vec<_> =
            history.iter().map(|(text, size)| HistoryEntry { created_by: (*text).into(), size: *size }).collect();
        layers(diff_ids, &history)
            .iter()
            .map(|layer| format!("{} {} {}", layer.diff_id, layer.size, layer.created_by))
            .collect()
    }

    #[test]
    fn layers_are_matched_with_their_instructions() {
        let history = [
            ("Imported from -", 218),
            ("ENV A=1", 0),
            ("WORKDIR /", 0),
            ("RUN |1 A=b /bin/sh -c npm ci # buildkit", 30),
            ("COPY /out/server ./ # buildkit", 12),
            ("/bin/sh -c #(nop)  CMD [\"node\"]", 0),
            ("/bin/sh -c true", 0),
        ];
        let expected = [
            "sha256:0 218 Imported from -",
            "sha256:1 30 RUN npm ci",
            "sha256:2 12 COPY /out/server ./",
            "sha256:3 0 RUN true",
        ];
        assert_eq!(check(4, &history), expected);
    }

    #[test]
    fn digests_are_found_however_the_repository_is_written() {
        let image = LocalImage {
            id: "sha256:1".into(),
            platform: "linux/amd64".into(),
            repo_digests: vec!["node@sha256:a".into(), "ghcr.io/acme/node@sha256:b".into(), "bad name@x".into()],
            layers: Vec::new(),
        };
        let digests =
            |text: &str| image.digests(&ImageRef::parse(text).unwrap()).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(digests("docker.io/library/node:22"), ["sha256:a"]);
        assert_eq!(digests("ghcr.io/acme/node"), ["sha256:b"]);
        assert_eq!(digests("ghcr.io/acme/other"), Vec::<String>::new());
    }

    #[test]
    fn a_base_without_history_keeps_its_layers() {
        assert_eq!(check(2, &[("COPY a b", 5)]), ["sha256:0 0 ", "sha256:1 5 COPY a b"]);
    }
}
