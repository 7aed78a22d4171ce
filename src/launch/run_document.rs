//! `/nextdeploy/run.json` of an image: what the build left for the launcher, and so for whoever starts it.

use serde::Deserialize;

use crate::image::AppRoutes;

/// Where it stands in the image.
pub const RUN_DOCUMENT: &str = "/nextdeploy/run.json";

/// `schemaVersion` 1; what other readers need only is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunDocument {
    pub mode: RunMode,
    pub next_version: Option<String>,
    pub base_path: String,
    pub port: Option<u16>,
    pub health_path: Option<String>,
    pub build_id: Option<String>,
    pub routes: AppRoutes,
    /// Folder of the app.
    pub cwd: Option<String>,
    /// Folder of the build, below `/app`.
    pub dist_dir: Option<String>,
    /// Folder of an app that is files only.
    pub static_root: Option<String>,
    /// Folders that the app writes to; absent in images of an older version.
    pub writable: Option<Vec<String>>,
}

/// What serves the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunMode {
    #[default]
    Standalone,
    /// Files only.
    Static,
    /// A server of the project's own.
    Server,
}

impl RunDocument {
    /// `None` when it is not what this program writes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether code of the app runs for a request.
    pub fn renders(&self) -> bool {
        let routes = &self.routes;
        let on_request = !routes.isr.is_empty() || !routes.dynamic.is_empty() || !routes.api.is_empty();
        self.mode == RunMode::Server
            || (self.mode == RunMode::Standalone && (on_request || routes.middleware.is_some()))
    }

    /// Where the hashed files are that `/_next/static` serves.
    pub fn hashed_assets(&self) -> Option<String> {
        match self.mode {
            RunMode::Static => {
                self.static_root.as_ref().map(|root| format!("{}/_next/static", root.trim_end_matches('/')))
            }
            RunMode::Standalone | RunMode::Server => {
                let dist = self.dist_dir.as_ref()?;
                Some(format!("/app/{}/static", dist.trim_matches('/')))
            }
        }
    }

    /// Where Next.js keeps optimised images and fetched data.
    pub fn cache_folder(&self) -> Option<String> {
        let dist = self.dist_dir.as_ref().filter(|_| self.mode != RunMode::Static)?;
        Some(format!("/app/{}/cache", dist.trim_matches('/')))
    }
}
