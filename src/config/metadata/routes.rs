//! The routes of an app, read off its folders: <https://nextjs.org/docs/app/getting-started/project-structure>.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::project::Routers;
use crate::rel_path::RelPath;
use crate::repo::{EntryKind, SourceTree};

/// Routes as users request them, sorted, with parameters as written: `/product/[id]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteInfo {
    /// Pages without parameters.
    pub static_routes: Vec<String>,
    /// Pages with parameters.
    pub dynamic_routes: Vec<String>,
    /// Route handlers and API routes.
    pub api_routes: Vec<String>,
}

/// The default of `pageExtensions`.
const EXTENSIONS: &[&str] = &["tsx", "ts", "jsx", "js"];

#[derive(Default)]
struct Found {
    pages: BTreeSet<String>,
    handlers: BTreeSet<String>,
}

pub(super) fn routes(tree: &SourceTree, routers: &Routers) -> RouteInfo {
    let mut found = Found::default();
    let resolved = |router: &Option<RelPath>| router.as_ref().map(|path| tree.resolve(path).unwrap_or_default());
    let (app, pages) = (resolved(&routers.app), resolved(&routers.pages));
    for entry in tree.entries().iter().filter(|entry| matches!(entry.kind, EntryKind::File { .. })) {
        let Some(path) = entry.path.to_str().and_then(|path| RelPath::new(path).ok()) else { continue };
        let below = |root: &Option<RelPath>| {
            let root = root.as_ref()?;
            root.contains(&path).then(|| path.as_str()[root.as_str().len()..].trim_start_matches('/').to_owned())
        };
        if let Some(file) = below(&app) {
            found.app_file(&file);
        } else if let Some(file) = below(&pages) {
            found.pages_file(&file);
        }
    }
    let (dynamic_routes, static_routes) = found.pages.into_iter().partition(|route| route.contains('['));
    RouteInfo { static_routes, dynamic_routes, api_routes: found.handlers.into_iter().collect() }
}

impl Found {
    fn app_file(&mut self, file: &str) {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        let Some((stem, extension)) = name.split_once('.') else { return };
        if !EXTENSIONS.contains(&extension) || !matches!(stem, "page" | "route") {
            return;
        }
        let mut route = String::new();
        for segment in folder.split('/').filter(|segment| !segment.is_empty()) {
            match segment {
                // Private folders have no routes; intercepting routes and slots show inside other pages.
                private if private.starts_with('_') => return,
                intercepting if intercepting.starts_with("(.") || intercepting.starts_with('@') => return,
                group if group.starts_with('(') && group.ends_with(')') => {}
                segment => {
                    route.push('/');
                    route.push_str(segment);
                }
            }
        }
        let route = if route.is_empty() { "/".to_owned() } else { route };
        if stem == "page" {
            self.pages.insert(route)
        } else {
            self.handlers.insert(route)
        };
    }

    fn pages_file(&mut self, file: &str) {
        let Some((path, extension)) = file.rsplit_once('.') else { return };
        let special = ["_app", "_document", "_error", "_middleware"];
        if !EXTENSIONS.contains(&extension) || special.contains(&path) || is_declaration(path) {
            return;
        }
        let path = path.strip_suffix("index").filter(|rest| rest.is_empty() || rest.ends_with('/')).unwrap_or(path);
        let route = format!("/{}", path.trim_end_matches('/'));
        if route == "/api" || route.starts_with("/api/") {
            self.handlers.insert(route);
        } else {
            self.pages.insert(route);
        }
    }
}

/// `types.d.ts` has no page.
fn is_declaration(stem: &str) -> bool {
    stem.rsplit('.').next() == Some("d") && stem.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_become_routes() {
        let tree = SourceTree::from_texts(
            [
                "src/app/page.tsx",
                "src/app/(shop)/product/[id]/page.tsx",
                "src/app/(shop)/layout.tsx",
                "src/app/api/health/route.ts",
                "src/app/_parts/page.tsx",
                "src/app/@modal/cart/page.tsx",
                "src/app/feed/(..)photo/page.tsx",
                "src/app/styles/page.css",
                "pages/index.js",
                "pages/_app.js",
                "pages/about/index.jsx",
                "pages/blog/[...slug].js",
                "pages/api/hello.ts",
                "components/page.tsx",
            ]
            .map(|path| (path, "")),
        );
        let folder = |path: &str| Some(RelPath::new(path).unwrap());
        let found = routes(&tree, &Routers { app: folder("src/app"), pages: folder("pages"), src_layout: true });
        assert_eq!(found.static_routes, ["/", "/about"]);
        assert_eq!(found.dynamic_routes, ["/blog/[...slug]", "/product/[id]"]);
        assert_eq!(found.api_routes, ["/api/health", "/api/hello"]);
    }
}
