//! Where routes live: the folders of the app and the pages router, and the middleware file.
//!
//! Looked for where Next.js looks (`findPagesDir` of Next.js 12 to 16): the app's folder first, then `src/`.

use crate::diagnostic::{Location, Warning};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

use super::facts::{NextVersion, Routers};

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
