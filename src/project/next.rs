//! The Next.js of an app: its exact version, its routers and its middleware.
//!
//! The version comes from the lockfile, else it is the lowest that the range admits. Routes are looked for where Next.js looks
//! (`findPagesDir` of Next.js 12 to 16): the app's folder first, then `src/`.

use super::error::ProjectError;
use super::facts::{NextVersion, Routers};
use super::lockfile::{Dependent, Locked};
use super::package_json::PackageJson;
use super::version::{Range, parse_version};
use crate::diagnostic::{Location, Warning};
use crate::origin::{Origin, Sourced};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

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
        (None, None) => return Err(ProjectError::NotNext { manifest: app.path.clone() }),
    };
    let dependent = Dependent { dir, name: &app.display_name(), range: &range };
    let place = || manifest.place(tree, &[field, "next"]);
    let (version, origin) = match locked.version("next", dependent).and_then(parse_version) {
        Some(version) => (version, Origin::File(locked.path.as_str().to_owned())),
        None if locked.format == "binary" => {
            let lowest = Range::parse(&range).and_then(|range| range.lowest());
            let version = lowest.ok_or_else(|| ProjectError::NextVersionUnknown {
                lockfile: locked.path.clone(),
                manifest: manifest.path.clone(),
                range: range.clone(),
            })?;
            let message =
                format!("`{}` is binary: assuming Next.js {version}, the lowest version in `{range}`", locked.path);
            let hint = "write a text lockfile: `bun install --save-text-lockfile --frozen-lockfile --lockfile-only`";
            warnings.push(Warning::new("project/next-version-assumed", message).with_hint(hint).at(place()));
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
pub(super) fn routers(tree: &SourceTree, dir: &RelPath, app_router: bool, warnings: &mut Vec<Warning>) -> Routers {
    let find = |name: &str| {
        let places = [dir.child(name), dir.child("src").child(name)];
        places.into_iter().find(|path| tree.has_directory(path))
    };
    let app = find("app").filter(|_| app_router);
    let pages = find("pages");
    if app.is_none() && pages.is_none() {
        let message = format!("there is no `app` or `pages` folder in `{dir}` or its `src`");
        let hint = "check that the routes are committed, unless the build script generates them";
        let place = Location::file(dir.child("package.json").as_str());
        warnings.push(Warning::new("project/no-routes", message).with_hint(hint).at(place));
    }
    let in_src = |path: &Option<RelPath>| path.as_ref().is_some_and(|path| dir.child("src").contains(path));
    let src_layout = in_src(&app) || in_src(&pages);
    Routers { app, pages, src_layout }
}

/// `middleware.*`, and from Next.js 16 on `proxy.*`, beside the routers.
pub(super) fn middleware(
    tree: &SourceTree,
    dir: &RelPath,
    routers: &Routers,
    next: &NextVersion,
    extensions: Option<&[String]>,
) -> Option<RelPath> {
    let folder = if routers.src_layout { dir.child("src") } else { dir.clone() };
    let default = ["tsx", "ts", "jsx", "js"].map(str::to_owned);
    let extensions = extensions.unwrap_or(&default);
    let names: &[&str] = if next.major >= 16 { &["proxy", "middleware"] } else { &["middleware"] };
    let files = names.iter().flat_map(|name| extensions.iter().map(move |extension| format!("{name}.{extension}")));
    files.map(|file| folder.child(&file)).find(|path| tree.has_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// App folder, pages folder, `src`, middleware.
    fn found(files: &[&str], major: u32) -> String {
        let tree = SourceTree::from_texts(files.iter().map(|path| (*path, "")));
        let dir = RelPath::root();
        let next = NextVersion { major, minor: 0, patch: 0, text: format!("{major}.0.0") };
        let mut warnings = Vec::new();
        let routers = routers(&tree, &dir, major >= 14, &mut warnings);
        let middleware = middleware(&tree, &dir, &routers, &next, None);
        let show = |path: Option<RelPath>| path.map_or_else(|| "-".to_owned(), |path| path.to_string());
        let warned: String = warnings.iter().flat_map(|warning| [" ", warning.code]).collect();
        let src = routers.src_layout;
        format!("{} {} {src} {}{warned}", show(routers.app), show(routers.pages), show(middleware))
    }

    #[test]
    fn routers_and_middleware() {
        assert_eq!(found(&["app/page.tsx"], 15), "app - false -");
        assert_eq!(found(&["app/page.tsx", "pages/index.js", "middleware.ts"], 15), "app pages false middleware.ts");
        assert_eq!(
            found(&["src/app/page.tsx", "src/proxy.ts", "src/middleware.ts"], 16),
            "src/app - true src/proxy.ts"
        );
        assert_eq!(found(&["src/app/page.tsx", "src/proxy.ts", "middleware.ts"], 15), "src/app - true -");
        assert_eq!(found(&["app/page.tsx", "pages/index.js"], 12), "- pages false -");
        assert_eq!(found(&["lib/x.js"], 15), "- - false - project/no-routes");
    }
}
