//! The Next.js of an app: its exact version, its routers and its middleware.
//!
//! The version comes from the lockfile, else it is the lowest that the range admits. Routes are looked for where Next.js looks
//! (`findPagesDir` of Next.js 12 to 16): the app's folder first, then `src/`.

use super::error::ProjectError;
use super::facts::{LockfileUse, NextConfig, NextVersion, Routers, StaticValue};
use super::lockfile::{Dependent, Locked};
use super::package_json::PackageJson;
use super::version::{Range, Version, parse_version};
use crate::diagnostic::{Location, Warning};
use crate::origin::{Origin, Sourced};
use crate::rel_path::RelPath;
use crate::repo::{SourceText, SourceTree};

/// Oldest major that knows a standalone output, and the newest that was tried.
const OLDEST: u64 = 12;
const NEWEST: u64 = 16;

/// The version of Next.js that `app` is built with.
pub(super) fn version(
    tree: &SourceTree,
    app: &PackageJson,
    root: &PackageJson,
    (locked, dir): (&Locked, &str),
    warnings: &mut Vec<Warning>,
) -> Result<Sourced<NextVersion>, ProjectError> {
    let required = |manifest: &PackageJson| manifest.dependency("next").map(|(field, range)| (field, range.to_owned()));
    let (manifest, (field, range)) = match (required(app), required(root)) {
        (Some(found), _) => (app, found),
        (None, Some(found)) => (root, found),
        (None, None) => return Err(ProjectError::NotNext { manifest: app.path.clone(), framework: None }),
    };
    let dependent = Dependent { dir, name: &app.display_name(), range: &range };
    let place = || manifest.place(tree, &[field, "next"]);
    let parsed = Range::parse(&range);
    let unlocked = locked.install == LockfileUse::Unlocked;
    let admitted = |version: &Version| !unlocked || parsed.as_ref().is_none_or(|range| range.admits(version));
    let (version, origin) = match locked.version("next", dependent).and_then(parse_version).filter(admitted) {
        Some(version) => (version, Origin::File(locked.path.as_str().to_owned())),
        None if unlocked => {
            // What an install gets is the newest major; which release of it makes no difference to the plan.
            let range = parsed.unwrap_or_else(Range::any);
            let version = (OLDEST..=NEWEST).rev().find_map(|major| range.lowest_of_major(major));
            let version = version.or_else(|| range.lowest()).unwrap_or_else(|| Version::new(NEWEST, 0, 0));
            (version, Origin::field(manifest.path.as_str(), &format!("{field}.next")))
        }
        None if locked.format == "binary" => {
            let lowest = parsed.and_then(|range| range.lowest());
            let version = lowest.ok_or_else(|| ProjectError::NextVersionUnknown {
                lockfile: locked.path.clone(),
                manifest: manifest.path.clone(),
                range: range.clone(),
            })?;
            // An exact version is the one that is installed.
            if parse_version(range.trim_start_matches(['=', ' '])).is_none() {
                let message =
                    format!("`{}` is binary: assuming Next.js {version}, the lowest version in `{range}`", locked.path);
                let hint =
                    "write a text lockfile: `bun install --save-text-lockfile --frozen-lockfile --lockfile-only`";
                warnings.push(Warning::new("project/next-version-assumed", message).with_hint(hint).at(place()));
            }
            (version, Origin::field(manifest.path.as_str(), &format!("{field}.next")))
        }
        None => {
            return Err(ProjectError::LockfileOutOfDate {
                lockfile: locked.path.clone(),
                manifest: manifest.path.clone(),
                command: format!("{} install", locked.kind.command()),
            });
        }
    };
    if version.major < OLDEST {
        return Err(ProjectError::NextUnsupported {
            version: version.to_string(),
            origin: origin.to_string(),
            location: place(),
        });
    }
    if version.major > NEWEST {
        let message = format!("Next.js {version} ({origin}) is newer than the versions nextdeploy was tested with");
        warnings.push(Warning::new("project/next-untested", message).with_hint("update nextdeploy").at(place()));
    }
    let part = |part: u64| u32::try_from(part).unwrap_or(u32::MAX);
    let text = version.to_string();
    let value =
        NextVersion { major: part(version.major), minor: part(version.minor), patch: part(version.patch), text };
    Ok(Sourced::new(value, origin))
}

/// The routers of an app; `app_router` is false where the version or its configuration does not know one.
pub(super) fn routers(
    tree: &SourceTree,
    dir: &RelPath,
    (next, app_router): (&NextVersion, bool),
    warnings: &mut Vec<Warning>,
) -> Routers {
    let mut find = |name: &str| {
        let places = [dir.child(name), dir.child("src").child(name)];
        let mut present = places.into_iter().filter(|path| tree.has_directory(path));
        let (used, ignored) = (present.next()?, present.next());
        if let Some(ignored) = ignored {
            let message = format!("`{ignored}` is ignored: Next.js takes the routes from `{used}`");
            let hint = format!("keep one of the two folders; if the routes are in `{ignored}`, rename `{used}`");
            let place = Location::file(ignored.as_str());
            warnings.push(Warning::new("project/router-ignored", message).with_hint(hint).at(place));
        }
        Some(used)
    };
    let app = if app_router { find("app") } else { None };
    let pages = find("pages");
    match (&app, &pages) {
        (None, None) => {
            let message = format!("there is no `app` or `pages` folder in `{dir}` or its `src`");
            let hint = "check that the routes are committed, unless the build script generates them";
            let place = Location::file(dir.child("package.json").as_str());
            warnings.push(Warning::new("project/no-routes", message).with_hint(hint).at(place));
        }
        // `findPagesDir` throws since Next.js 16.
        (Some(app), Some(pages)) if app.parent() != pages.parent() && next.major >= 16 => {
            let message = format!("Next.js {next} ends the build: `{app}` and `{pages}` must be in the same folder");
            let hint = "move one of them beside the other; delete it if it has no routes";
            let place = Location::file(pages.as_str());
            warnings.push(Warning::new("project/routers-apart", message).with_hint(hint).at(place));
        }
        _ => {}
    }
    let in_src = |path: &Option<RelPath>| path.as_ref().is_some_and(|path| dir.child("src").contains(path));
    let src_layout = in_src(&app) || in_src(&pages);
    Routers { app, pages, src_layout }
}

/// Where Next.js looks for middleware, and for what.
pub(super) struct MiddlewarePlaces<'a> {
    pub tree: &'a SourceTree,
    pub dir: &'a RelPath,
    pub routers: &'a Routers,
    pub next: &'a NextVersion,
    /// `pageExtensions`, if the configuration sets it.
    pub extensions: Option<&'a [String]>,
}

impl MiddlewarePlaces<'_> {
    /// `middleware.*`, and from Next.js 16 on `proxy.*`, beside the routers.
    pub fn find(&self, warnings: &mut Vec<Warning>) -> Option<RelPath> {
        let next = self.next;
        let folder = self.folder();
        let middleware = self.file(&folder, "middleware");
        let proxy = self.file(&folder, "proxy").filter(|_| next.major >= 16);
        let used = proxy.as_ref().or(middleware.as_ref());
        let mut warn = |code, file: &RelPath, message: String, hint: String| {
            warnings.push(Warning::new(code, message).with_hint(hint).at(Location::file(file.as_str())));
        };
        if let (Some(proxy), Some(middleware)) = (&proxy, &middleware) {
            let message = format!("Next.js {next} ends the build: there are both `{proxy}` and `{middleware}`");
            warn("project/middleware-and-proxy", middleware, message, format!("keep `{proxy}` only"));
        }
        for ignored in self.ignored(&folder, used) {
            let name = if ignored.name().starts_with("proxy") && next.major >= 16 { "proxy" } else { "middleware" };
            let extension = ignored.name().split_once('.').map_or("ts", |(_, extension)| extension);
            let right = folder.child(&format!("{name}.{extension}"));
            let message = format!("`{ignored}` is ignored: Next.js {next} reads `{right}`");
            let hint = match used {
                Some(used) => format!("move its code to `{used}`"),
                None => format!("rename it to `{right}`, with a function called `{name}`"),
            };
            warn("project/middleware-ignored", &ignored, message, hint);
        }
        for nested in self.nested() {
            let message = format!("Next.js {next} ends the build: `{nested}` is nested middleware");
            warn(
                "project/nested-middleware",
                &nested,
                message,
                format!("move its code to `{}`", folder.child("middleware.js")),
            );
        }
        proxy.or(middleware)
    }

    /// The folder of the routers; `pages` counts before `app`.
    fn folder(&self) -> RelPath {
        let router = self.routers.pages.as_ref().or(self.routers.app.as_ref());
        router.and_then(RelPath::parent).unwrap_or_else(|| self.dir.clone())
    }

    fn file(&self, folder: &RelPath, name: &str) -> Option<RelPath> {
        let default = ["tsx", "ts", "jsx", "js"].map(str::to_owned);
        let extensions = self.extensions.unwrap_or(&default);
        let files = extensions.iter().map(|extension| folder.child(&format!("{name}.{extension}")));
        files.into_iter().find(|path| self.tree.has_file(path))
    }

    /// Files that handle requests, by what they import or export, where Next.js does not look for them.
    fn ignored(&self, folder: &RelPath, used: Option<&RelPath>) -> Vec<RelPath> {
        let mut places = vec![self.dir.clone(), self.dir.child("src")];
        places.extend([&self.routers.app, &self.routers.pages].into_iter().flatten().cloned());
        let names = |place: &RelPath| {
            let proxy_only = if self.next.major >= 16 { &[][..] } else { &["proxy"] };
            if place == folder { proxy_only } else { &["proxy", "middleware"][..] }
        };
        let files = places.iter().flat_map(|place| names(place).iter().filter_map(|name| self.file(place, name)));
        files.filter(|file| Some(file) != used && self.handles_requests(file)).collect()
    }

    fn handles_requests(&self, file: &RelPath) -> bool {
        let text = self.tree.resolve(file).and_then(|path| self.tree.text(&path));
        let Some(SourceText::Text(text)) = text else { return false };
        let name = if file.name().starts_with("proxy") { "proxy" } else { "middleware" };
        let exported = ["function", "async function", "const", "default function", "default async function"];
        text.contains("next/server")
            || text.contains(&format!(" as {name}"))
            || exported.iter().any(|kind| text.contains(&format!("export {kind} {name}")))
    }

    /// `_middleware.*` below `pages`, as in Next.js 12.0 and 12.1.
    fn nested(&self) -> Vec<RelPath> {
        let Some(pages) = self.routers.pages.as_ref().filter(|_| (self.next.major, self.next.minor) >= (12, 2)) else {
            return Vec::new();
        };
        let entries = self.tree.entries_at(pages).iter().filter_map(|entry| RelPath::new(entry.path.to_str()?).ok());
        entries.filter(|path| path.name().starts_with("_middleware.")).take(3).collect()
    }
}

/// Warns about a tracing root that leaves out folders of `needed`, in which the server has dependencies.
pub(super) fn check_tracing(dir: &RelPath, config: &NextConfig, needed: &[RelPath]) -> Option<Warning> {
    let StaticValue::Value(setting) = &config.output_file_tracing_root else { return None };
    let root = dir.join(&setting.value).ok()?;
    let lost: Vec<&RelPath> = needed.iter().filter(|folder| !root.contains(folder)).collect();
    let common = lost.iter().fold(dir.clone(), |common, folder| common_folder(&common, folder));
    let named: Vec<String> = lost.iter().take(3).map(|folder| format!("`{}`", folder.child("node_modules"))).collect();
    if lost.is_empty() {
        return None;
    }
    let message = format!(
        "the tracing root `{root}` ({}) leaves out {}: the server would not find its packages",
        setting.origin,
        named.join(", ")
    );
    let hint = format!("remove the option, or point it at `{common}`");
    let place = config.file.iter().map(|file| Location::file(file.as_str()));
    Some(place.fold(Warning::new("project/tracing-root", message).with_hint(hint), Warning::at))
}

fn common_folder(one: &RelPath, other: &RelPath) -> RelPath {
    let mut above = std::iter::successors(Some(one.clone()), RelPath::parent);
    above.find(|folder| folder.contains(other)).unwrap_or_else(RelPath::root)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDLER: &str = "export function middleware() {}\nexport function proxy() {}";

    /// App folder, pages folder, `src`, middleware, and codes with files of the warnings.
    fn found(files: &[&str], major: u32) -> String {
        let tree = SourceTree::from_texts(files.iter().map(|path| (*path, HANDLER)));
        let dir = RelPath::root();
        let next = NextVersion { major, minor: 3, patch: 0, text: format!("{major}.3.0") };
        let mut warnings = Vec::new();
        let routers = routers(&tree, &dir, (&next, major >= 14), &mut warnings);
        let places = MiddlewarePlaces { tree: &tree, dir: &dir, routers: &routers, next: &next, extensions: None };
        let middleware = places.find(&mut warnings);
        let show = |path: Option<RelPath>| path.map_or_else(|| "-".to_owned(), |path| path.to_string());
        let warned = warnings.iter().map(|warning| {
            let file = warning.location.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("; {} {file}", warning.code)
        });
        let src = routers.src_layout;
        format!(
            "{} {} {src} {}{}",
            show(routers.app),
            show(routers.pages),
            show(middleware),
            warned.collect::<String>()
        )
    }

    #[test]
    fn routers_and_middleware() {
        assert_eq!(found(&["app/page.tsx"], 15), "app - false -");
        assert_eq!(found(&["app/page.tsx", "pages/index.js", "middleware.ts"], 15), "app pages false middleware.ts");
        assert_eq!(found(&["src/app/page.tsx", "src/proxy.ts"], 16), "src/app - true src/proxy.ts");
        assert_eq!(found(&["src/app/page.tsx", "src/middleware.ts"], 16), "src/app - true src/middleware.ts");
        assert_eq!(found(&["app/page.tsx", "pages/index.js"], 12), "- pages false -");
        assert_eq!(found(&["lib/x.js"], 15), "- - false -; project/no-routes package.json");
    }

    #[test]
    fn routers_that_next_ignores_or_refuses() {
        assert_eq!(found(&["app/x", "src/app/page.tsx"], 15), "app - false -; project/router-ignored src/app");
        assert_eq!(found(&["pages/x", "src/pages/x"], 13), "- pages false -; project/router-ignored src/pages");
        assert_eq!(found(&["src/app/x", "pages/x"], 16), "src/app pages true -; project/routers-apart pages");
        assert_eq!(found(&["app/x", "src/pages/x"], 16), "app src/pages true -; project/routers-apart src/pages");
        // `pages` decides where middleware is.
        assert_eq!(found(&["src/app/x", "pages/x", "middleware.ts"], 15), "src/app pages true middleware.ts");
    }

    #[test]
    fn middleware_that_next_ignores_or_refuses() {
        assert_eq!(
            found(&["app/x", "proxy.ts", "middleware.js"], 16),
            "app - false proxy.ts; project/middleware-and-proxy middleware.js"
        );
        assert_eq!(found(&["app/x", "proxy.ts"], 15), "app - false -; project/middleware-ignored proxy.ts");
        let ignored = "src/app - true -; project/middleware-ignored middleware.ts";
        assert_eq!(found(&["src/app/x", "middleware.ts"], 15), ignored);
        assert_eq!(
            found(&["app/x", "app/proxy.ts", "src/middleware.ts"], 16),
            "app - false -; project/middleware-ignored src/middleware.ts; project/middleware-ignored app/proxy.ts"
        );
        assert_eq!(
            found(&["pages/x", "pages/api/_middleware.ts"], 13),
            "- pages false -; project/nested-middleware pages/api/_middleware.ts"
        );
        // A module of the app that happens to have the name.
        let tree = SourceTree::from_texts([("app/x", ""), ("src/middleware.js", "const middleware = [thunk]")]);
        let dir = RelPath::root();
        let next = NextVersion { major: 15, minor: 0, patch: 0, text: "15.0.0".to_owned() };
        let mut warnings = Vec::new();
        let routers = Routers { app: Some(dir.child("app")), ..Routers::default() };
        MiddlewarePlaces { tree: &tree, dir: &dir, routers: &routers, next: &next, extensions: None }
            .find(&mut warnings);
        assert_eq!(warnings, []);
    }

    #[test]
    fn tracing_roots_that_lose_packages() {
        let warned = |root: &str, needed: &[&str]| {
            let value =
                Sourced::new(root.to_owned(), Origin::field("apps/web/next.config.mjs", "outputFileTracingRoot"));
            let config = NextConfig { output_file_tracing_root: StaticValue::Value(value), ..NextConfig::default() };
            let needed: Vec<RelPath> = needed.iter().map(|path| RelPath::new(path).unwrap()).collect();
            check_tracing(&RelPath::new("apps/web").unwrap(), &config, &needed).map(|warning| warning.message)
        };
        assert_eq!(
            warned(".", &["", "packages/ui"]).unwrap(),
            "the tracing root `apps/web` (from `apps/web/next.config.mjs#outputFileTracingRoot`) leaves out `node_modules`, `packages/ui/node_modules`: the server would not find its packages"
        );
        assert_eq!(warned("../..", &["", "packages/ui"]), None);
        assert_eq!(warned("../../..", &[""]), None);
        assert_eq!(warned(".", &["apps/web"]), None);
        assert_eq!(warned("/srv", &[""]), None);
    }
}
