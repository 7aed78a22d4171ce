//! Images as this program speaks of them, free of Docker's own types.

use serde::Serialize;

/// The result of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuiltImage {
    /// Image id, `sha256:…`.
    pub id: String,
    /// References that point at the image.
    pub tags: Vec<String>,
    /// `linux/amd64`.
    pub platform: String,
    /// Sum of the uncompressed layers in bytes.
    pub size: u64,
    /// Base first.
    pub layers: Vec<ImageLayer>,
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
