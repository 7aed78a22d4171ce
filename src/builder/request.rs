//! What a builder is asked to build.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::settings::{CacheUse, PullPolicy};
use crate::image::dockerfile::BuildContext;
use crate::secret::Secret;

/// One build, complete: the same request gives the same image.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    pub context: BuildContext,
    /// Path of the Dockerfile inside the context.
    pub dockerfile: String,
    /// Complete references; the first one is the primary.
    pub tags: Vec<String>,
    /// `linux/amd64`; `None` is the daemon's own.
    pub platform: Option<String>,
    pub target: Option<String>,
    pub build_args: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub secrets: Vec<BuildSecret>,
    /// By registry host as written in references.
    pub credentials: BTreeMap<String, RegistryCredentials>,
    pub network: Option<String>,
    pub cache_from: Vec<String>,
    /// Bytes; honoured by the classic builder only (BuildKit has no such limit).
    pub memory: Option<u64>,
    pub cache: CacheUse,
    pub pull: PullPolicy,
    pub timeout: Option<Duration>,
}

/// A secret of the build, served to BuildKit through the session.
#[derive(Debug, Clone)]
pub struct BuildSecret {
    pub id: String,
    pub value: Secret<Vec<u8>>,
}

#[derive(Debug, Clone)]
pub struct RegistryCredentials {
    pub username: String,
    pub password: Secret,
}
