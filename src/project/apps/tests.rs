use super::*;

const NEXT: &str = r#"{"dependencies": {"next": "15"}, "scripts": {"build": "next build"}}"#;

/// Name, folder and workspace of the app, or the error.
fn found(files: &[(&str, &str)], requested: Option<&str>) -> String {
    let tree = SourceTree::from_texts(files.iter().copied());
    let requested = requested.map(|app| Sourced::new(app.to_owned(), Origin::Flag("--app".to_owned())));
    match locate(&PackageJsonCache::new(&tree), requested.as_ref(), &mut Vec::new()) {
        Err(error) => error.to_string(),
        Ok(located) => {
            let workspace =
                located.workspace.map(|workspace| format!(" in {}", workspace.declared_in)).unwrap_or_default();
            format!("{} at {}{workspace}", located.name.value, located.app_dir)
        }
    }
}

#[track_caller]
fn check(files: &[(&str, &str)], expected: &str) {
    assert_eq!(found(files, None), expected, "{files:?}");
}

fn named(name: &str) -> String {
    format!(r#"{{"name": "{name}", "dependencies": {{"next": "15"}}, "scripts": {{"build": "next build"}}}}"#)
}

#[test]
fn one_app() {
    check(&[("package.json", NEXT)], "repository at .");
    check(&[("package.json", &named("@acme/web"))], "@acme/web at .");
    check(&[("package.json", "{}"), ("frontend/package.json", NEXT)], "frontend at frontend");
    check(&[("frontend/package.json", NEXT), ("backend/package.json", "{}")], "frontend at frontend");
    check(&[("package.json", NEXT), ("docs/package.json", NEXT)], "repository at .");
    check(&[("web/package.json", NEXT), ("examples/a/package.json", NEXT)], "web at web");
    check(&[("examples/a/package.json", NEXT)], "a at examples/a");
}

#[test]
fn libraries_that_depend_on_next_are_not_apps() {
    let library = r#"{"devDependencies": {"next": "15"}, "scripts": {"build": "tsup"}}"#;
    let root = ("package.json", r#"{"workspaces": ["apps/*", "packages/*"]}"#);
    check(
        &[root, ("apps/web/package.json", NEXT), ("packages/ui/package.json", library)],
        "web at apps/web in package.json",
    );
    check(
        &[("package.json", library)],
        "`package.json` does not depend on `next`, and no other package of the repository is a Next.js app",
    );
    check(&[("package.json", library), ("pages/index.js", "")], "repository at .");
    check(&[("package.json", library), ("next.config.js", ""), ("web/package.json", NEXT)], "web at web");
}

#[test]
fn several_apps_are_an_error() {
    let (web, docs) = (named("web"), named("@acme/docs"));
    let files = [
        ("package.json", r#"{"workspaces": ["apps/*"]}"#),
        ("apps/web/package.json", web.as_str()),
        ("apps/docs/package.json", docs.as_str()),
        ("other/package.json", NEXT),
    ];
    check(&files, "the repository contains 2 Next.js apps: `@acme/docs` in `apps/docs`, `web` in `apps/web`");
    assert_eq!(found(&files, Some("web")), "web at apps/web in package.json");
    assert_eq!(found(&files, Some("docs")), "@acme/docs at apps/docs in package.json");
    assert_eq!(found(&files, Some("./apps/docs/")), "@acme/docs at apps/docs in package.json");
    assert_eq!(found(&files, Some("other")), "other at other");
    assert_eq!(
        found(&files, Some("apps")),
        "the repository contains 2 Next.js apps: `@acme/docs` in `apps/docs`, `web` in `apps/web`"
    );
    assert_eq!(
        found(&files, Some("admin")),
        "`admin` (from `--app`) is not a Next.js app of this repository; found `@acme/docs` in `apps/docs`, `web` in `apps/web`, `other` in `other`"
    );
    assert_eq!(
        found(&files[..2], Some("../x")),
        "`../x` (from `--app`) is not a Next.js app of this repository; found `web` in `apps/web`"
    );
}

#[test]
fn two_apps_of_one_name_are_selected_by_folder() {
    let web = named("web");
    let files = [("package.json", "{}"), ("a/web/package.json", web.as_str()), ("b/package.json", web.as_str())];
    let both = "the repository contains 2 Next.js apps: `web` in `a/web`, `web` in `b`";
    check(&files, both);
    assert_eq!(found(&files, Some("web")), both);
    assert_eq!(found(&files, Some("b")), "web at b");
    let tree = SourceTree::from_texts(files);
    let error = locate(&PackageJsonCache::new(&tree), None, &mut Vec::new()).unwrap_err();
    assert!(crate::diagnostic::Diagnostic::hints(&error)[0].ends_with("for example `--app a/web`"));
}

#[test]
fn a_root_that_cannot_be_built_is_not_chosen() {
    let root = ("package.json", r#"{"dependencies": {"next": "14"}, "scripts": {"start": "next start"}}"#);
    let several = "the repository contains 2 Next.js apps: `a` in `a`, `b` in `b`";
    check(&[root, ("a/package.json", NEXT), ("b/package.json", NEXT)], several);
    check(&[root, ("a/package.json", NEXT)], "a at a");
    check(&[root, ("examples/a/package.json", NEXT)], "repository at .");
    check(&[root, ("app/page.tsx", ""), ("a/package.json", NEXT)], "repository at .");
    let text = r#"{"workspaces": ["a"], "dependencies": {"next": "14"}, "scripts": {"start": "next start"}}"#;
    check(&[("package.json", text), ("a/package.json", NEXT)], "a at a in package.json");
}

#[test]
fn the_nearest_workspace_counts() {
    let files = [
        ("front/package.json", r#"{"workspaces": ["apps/*"]}"#),
        ("front/apps/web/package.json", NEXT),
        ("package.json", "{}"),
    ];
    check(&files, "web at front/apps/web in front/package.json");
    check(&[("package.json", r#"{"workspaces": ["packages/*"]}"#), ("site/package.json", NEXT)], "site at site");
}

#[test]
fn nx_apps_have_no_manifest() {
    let files = [
        ("package.json", r#"{"dependencies": {"next": "15"}}"#),
        ("apps/shop/project.json", "{\"name\": \"shop-app\", // x\n}"),
        ("apps/shop/next.config.js", ""),
        ("apps/shop/app/page.tsx", ""),
    ];
    check(&files, "shop-app at apps/shop");
    let hoisted = [
        ("package.json", r#"{"workspaces": ["apps/*"], "dependencies": {"next": "15"}}"#),
        ("apps/shop/package.json", "{}"),
        ("apps/shop/next.config.js", ""),
        ("apps/shop/app/page.tsx", ""),
    ];
    check(&hoisted, "shop at apps/shop in package.json");
}

#[test]
fn nothing_to_build() {
    check(&[("README.md", "")], "no `package.json` in the repository");
    check(
        &[("package.json", "{}")],
        "`package.json` does not depend on `next`, and no other package of the repository is a Next.js app",
    );
    check(&[("package.json", "{")], "`package.json` cannot be read as JSON: EOF while parsing an object");
    check(&[("package.json", NEXT), ("fixtures/bad/package.json", "{")], "repository at .");
    let broken = [("package.json", "{}"), ("web/package.json", "{\"name\":")];
    check(&broken, "`web/package.json` cannot be read as JSON: EOF while parsing a value");
}
