//! `/nextdeploy/run.json` of an image: what the build says about the app, for the launcher and for this program. An image may come from
//! anyone, so that each value is checked before it is used.

use serde::Deserialize;

use super::connection::Engine;
use super::containers::{Containers, PATIENCE};
use super::error::ContainerError;
use super::facts::{InvalidField, is_path};
use super::images::REPORT_TIMEOUT;
use crate::config::settings::parse;
use crate::diagnostic::is_acted_on;
use crate::host::Cache;
use crate::image::AppRoutes;
use crate::rel_path::RelPath;

/// Its path in the image.
pub const RUN_DOCUMENT: &str = "/nextdeploy/run.json";

/// Folder of the app in the image.
const APP: &str = "/app";
/// A build writes two to four.
const MOST_WRITABLE: usize = 100;
const LONGEST_BASE_PATH: usize = 1024;
const LONGEST_WORD: usize = 255;
/// More than the routes of the largest apps, in bytes.
const LONGEST_DOCUMENT: usize = 8 * 1024 * 1024;

/// `schemaVersion` 1, without the fields that only the launcher reads. Made by [`parse`](Self::parse).
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
    /// Folder of a static app.
    pub static_root: Option<String>,
    /// Folders that the app writes to; absent in images of an older version.
    pub writable: Option<Vec<String>>,
}

/// How the app is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunMode {
    #[default]
    Standalone,
    /// Static files only.
    Static,
    /// By a custom server of the project.
    Server,
}

impl RunDocument {
    /// # Errors
    /// The first value that no build writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidField> {
        // serde would accept an array as the fields in their order.
        let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(bytes);
        let read = object.and_then(|object| serde_json::from_value::<Self>(object.into()));
        let read = read.map_err(|error| invalid(None, &error.to_string(), "JSON as `nextdeploy build` writes it"))?;
        read.checked()
    }

    fn checked(mut self) -> Result<Self, InvalidField> {
        if !is_base_path(&self.base_path) {
            return Err(invalid(Some("basePath"), &self.base_path, "empty, or a path such as `/docs`"));
        }
        if self.port == Some(0) {
            return Err(invalid(Some("port"), "0", "a number from 1 to 65535"));
        }
        if let Some(path) = self.health_path.as_deref().filter(|path| parse::health_path(path).is_err()) {
            return Err(invalid(Some("healthPath"), path, "a path such as `/api/health`"));
        }
        let words = [
            ("nextVersion", &self.next_version),
            ("buildId", &self.build_id),
            ("routes.middleware", &self.routes.middleware),
        ];
        for (field, word) in words {
            if let Some(word) = word.as_deref().filter(|word| !is_word(word)) {
                return Err(invalid(Some(field), word, "one line of at most 255 bytes"));
            }
        }
        for (field, folder) in [("cwd", &self.cwd), ("staticRoot", &self.static_root)] {
            if let Some(folder) = folder.as_deref().filter(|folder| *folder != APP && !is_below_app(folder)) {
                return Err(invalid(Some(field), folder, "a folder in `/app`"));
            }
        }
        if let Some(folder) = &self.dist_dir {
            let relative = RelPath::new(folder).ok().filter(|_| !folder.chars().any(is_acted_on));
            let relative = relative.ok_or_else(|| invalid(Some("distDir"), folder, "a folder relative to `/app`"))?;
            self.dist_dir = Some(relative.as_str().to_owned());
        }
        let writable = self.writable.as_deref().unwrap_or_default();
        if writable.len() > MOST_WRITABLE {
            return Err(invalid(Some("writable"), &format!("{} folders", writable.len()), "at most 100 folders"));
        }
        if let Some(folder) = writable.iter().find(|folder| !is_below_app(folder)) {
            return Err(invalid(Some("writable"), folder, "a folder below `/app`"));
        }
        Ok(self)
    }

    /// Whether code of the app runs on requests.
    pub fn renders(&self) -> bool {
        let routes = &self.routes;
        let on_request = !routes.isr.is_empty() || !routes.dynamic.is_empty() || !routes.api.is_empty();
        self.mode == RunMode::Server
            || (self.mode == RunMode::Standalone && (on_request || routes.middleware.is_some()))
    }

    /// Folder of the hashed files that `/_next/static` serves.
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

    /// Folder of Next.js for optimised images and fetched data.
    pub fn cache_folder(&self) -> Option<String> {
        let dist = self.dist_dir.as_ref().filter(|_| self.mode != RunMode::Static)?;
        Some(format!("/app/{}/cache", dist.trim_matches('/')))
    }
}

/// Reads the document of the image with the id `image`; `None` when this program did not build it. `known` has the documents of images that
/// were read before, because the daemon takes a tenth of a second for one.
///
/// # Errors
/// Also when a value in it is one that no build writes.
pub async fn read_run_document(
    containers: &Containers,
    image: &str,
    known: &Cache,
) -> Result<Option<RunDocument>, ContainerError> {
    // Nothing is stored for an image without a document.
    if let Some(document) = known.get(image).and_then(|bytes| RunDocument::parse(&bytes).ok()) {
        return Ok(Some(document));
    }
    let read = containers.read_image_file(image, RUN_DOCUMENT, LONGEST_DOCUMENT, PATIENCE).await?;
    let Some(bytes) = read else { return Ok(None) };
    let document = RunDocument::parse(&bytes)
        .map_err(|invalid| ContainerError::InvalidImage { image: image.to_owned(), invalid })?;
    known.put(image, &bytes);
    Ok(Some(document))
}

/// The routes of the app in an image, for a report: `None` also when the daemon does not answer soon.
pub async fn read_routes(engine: &Engine, image: &str) -> Option<AppRoutes> {
    let containers = Containers::new(engine);
    let read = containers.read_image_file(image, RUN_DOCUMENT, LONGEST_DOCUMENT, REPORT_TIMEOUT).await;
    Some(RunDocument::parse(&read.ok()??).ok()?.routes)
}

fn invalid(field: Option<&str>, value: &str, expected: &'static str) -> InvalidField {
    let field = field.map_or_else(|| RUN_DOCUMENT.to_owned(), |field| format!("{field} in {RUN_DOCUMENT}"));
    InvalidField { field, value: value.to_owned(), expected }
}

/// Its components become those of folders and URLs.
fn is_base_path(text: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= LONGEST_WORD;
    text.is_empty()
        || (text.starts_with('/')
            && text.len() <= LONGEST_BASE_PATH
            && text.split('/').skip(1).all(part)
            && !text.chars().any(|c| is_acted_on(c) || c == '\\'))
}

fn is_word(text: &str) -> bool {
    text.len() <= LONGEST_WORD && !text.chars().any(is_acted_on)
}

fn is_below_app(text: &str) -> bool {
    let rest = text.strip_prefix(APP).and_then(|rest| rest.strip_prefix('/'));
    is_path(text) && rest.is_some_and(|rest| !rest.split('/').any(str::is_empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<RunDocument, String> {
        RunDocument::parse(text.as_bytes()).map_err(|invalid| format!("{} `{}`", invalid.field, invalid.value))
    }

    #[test]
    fn documents_of_builds_are_read() {
        let text = r#"{
            "schemaVersion": 1, "mode": "standalone", "nextVersion": "16.0.1", "basePath": "/docs/v2", "trailingSlash": false,
            "port": 3000, "healthPath": "/api/health", "env": {}, "buildId": "b1", "unpinned": [],
            "routes": { "static": ["/"], "isr": [], "dynamic": ["/[a]"], "api": [], "middleware": "edge" },
            "cwd": "/app/apps/web", "entry": "/app/apps/web/server.js", "distDir": "apps/web/.next/",
            "writable": ["/app/apps/web/.next/cache"]
        }"#;
        let document = parsed(text).unwrap();
        assert_eq!((document.base_path.as_str(), document.dist_dir.as_deref()), ("/docs/v2", Some("apps/web/.next")));
        assert_eq!(document.hashed_assets().as_deref(), Some("/app/apps/web/.next/static"));
        assert_eq!(parsed("{}").unwrap(), RunDocument::default());
    }

    #[test]
    fn invalid_values_are_refused() {
        for (text, field) in [
            (r#"{"basePath": "/../../x"}"#, "basePath"),
            (r#"{"basePath": "/a/./b"}"#, "basePath"),
            (r#"{"basePath": "/a//b"}"#, "basePath"),
            (r#"{"basePath": "/a/"}"#, "basePath"),
            (r#"{"basePath": "a"}"#, "basePath"),
            (r#"{"basePath": "/a\u001b[2J"}"#, "basePath"),
            (r#"{"writable": ["/"]}"#, "writable"),
            (r#"{"writable": ["/app"]}"#, "writable"),
            (r#"{"writable": ["/app/../etc"]}"#, "writable"),
            (r#"{"writable": ["/application/x"]}"#, "writable"),
            (r#"{"writable": ["/app/.next/cache", "/etc"]}"#, "writable"),
            (r#"{"staticRoot": "/etc"}"#, "staticRoot"),
            (r#"{"cwd": "/"}"#, "cwd"),
            (r#"{"distDir": "../../etc"}"#, "distDir"),
            (r#"{"distDir": "/etc"}"#, "distDir"),
            (r#"{"healthPath": "/x HTTP/1.1\r\nhost: y"}"#, "healthPath"),
            (r#"{"port": 0}"#, "port"),
            (r#"{"buildId": "a\nb"}"#, "buildId"),
            (r#"{"routes": {"middleware": "edge\u202e"}}"#, "routes.middleware"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.starts_with(&format!("{field} in /nextdeploy/run.json `")), "{text}: {error}");
        }
        let many = format!(r#"{{"writable": [{}"/app/a"]}}"#, r#""/app/a","#.repeat(100));
        assert!(parsed(&many).unwrap_err().contains("101 folders"));
        for text in ["", "[]", r#"{"mode": "other"}"#, r#"{"port": 70000}"#, r#"{"writable": "/"}"#] {
            assert!(parsed(text).unwrap_err().starts_with("/nextdeploy/run.json `"), "{text}");
        }
    }
}
