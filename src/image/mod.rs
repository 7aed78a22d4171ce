//! Images, independent of Docker's types.

pub mod dockerfile;
pub mod plan;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image_ref::ImageRef;

/// The result of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuiltImage {
    /// Image id, `sha256:…`.
    pub id: String,
    /// References that point at the image.
    pub tags: Vec<ImageRef>,
    /// `linux/amd64`.
    pub platform: String,
    /// Sum of the uncompressed layers in bytes.
    pub size: u64,
    /// Base first.
    pub layers: Vec<ImageLayer>,
}

impl BuiltImage {
    /// Its first tag, else its ID.
    pub fn name(&self) -> String {
        self.tags.first().map_or_else(|| self.id.clone(), ToString::to_string)
    }
}

/// One layer with the instruction that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageLayer {
    /// Digest of the uncompressed layer, `sha256:…`.
    pub diff_id: String,
    /// Uncompressed size in bytes.
    pub size: u64,
    pub created_by: String,
}

/// The routes of an app as its build left them; `schemaVersion` 1 of `/nextdeploy/run.json` in the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppRoutes {
    /// Rendered by the build.
    #[serde(rename = "static")]
    pub prerendered: Vec<String>,
    /// Rendered by the build, and again when they are stale (incremental static regeneration).
    pub isr: Vec<String>,
    /// Rendered for each request.
    pub dynamic: Vec<String>,
    /// Route handlers and API routes.
    pub api: Vec<String>,
    /// Where the middleware runs: `edge` or `nodejs`.
    pub middleware: Option<String>,
}

/// One pushed reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushedReference {
    /// With tag: `ghcr.io/acme/shop:1.2.3`.
    #[schemars(with = "String")]
    pub reference: ImageRef,
    /// Digest of the manifest, `sha256:…`.
    pub digest: String,
    /// Size of the manifest in bytes.
    pub manifest_size: u64,
    /// The tag pointed at this manifest before.
    pub unchanged: bool,
}

impl PushedReference {
    /// Tag and digest: `ghcr.io/acme/shop:1.2.3@sha256:…`.
    pub fn pinned(&self) -> String {
        format!("{}@{}", self.reference, self.digest)
    }

    /// `ghcr.io/acme/shop@sha256:…`, which always names this very image.
    pub fn by_digest(&self) -> String {
        format!("{}@{}", self.reference.repository(), self.digest)
    }
}
