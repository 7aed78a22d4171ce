use super::*;
use crate::image::plan::sample::Sample;
use crate::origin::{Origin, Sourced};
use crate::project::{DetectOptions, ProjectError, detect};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;
use crate::report::{Style, render_error};

fn rendered(files: &[(&str, &str)]) -> String {
    let tree = SourceTree::from_texts(files.iter().copied());
    render_facts(&detect(&tree, &DetectOptions::default()).unwrap())
}

#[test]
fn a_single_app() {
    insta::assert_snapshot!(rendered(&[
        (
            "package.json",
            r#"{"name": "shop", "engines": {"node": ">=20"}, "dependencies": {"next": "15", "sharp": "*"},
                "scripts": {"build": "next build", "start": "node server.js", "postinstall": "prisma generate"}}"#,
        ),
        ("package-lock.json", r#"{"lockfileVersion": 3, "packages": {"node_modules/next": {"version": "15.5.9"}}}"#),
        ("next.config.mjs", "export default {\n  basePath: '/shop',\n  output: process.env.MODE,\n}"),
        ("app/page.tsx", ""),
        ("server.js", ""),
        (".env", "A=1"),
        (".npmrc", "token=${NPM_TOKEN}"),
    ]));
}

#[test]
fn a_workspace() {
    insta::assert_snapshot!(rendered(&[
        (
            "package.json",
            r#"{"workspaces": ["apps/*", "packages/*"], "packageManager": "yarn@4.5.0", "devDependencies": {"turbo": "2"}}"#
        ),
        ("turbo.json", "{}"),
        ("yarn.lock", "__metadata:\n  version: 8\n\n\"next@npm:16.0.0\":\n  version: 16.0.0\n"),
        (
            "apps/web/package.json",
            r#"{"name": "web", "dependencies": {"next": "16.0.0", "ui": "workspace:*"}, "scripts": {"build": "next build --webpack"}}"#
        ),
        ("apps/web/src/app/page.tsx", ""),
        ("packages/ui/package.json", r#"{"name": "ui"}"#),
    ]));
}

#[test]
fn options_that_are_unknown_for_one_reason_are_one_line() {
    let unknown = |config: &str| {
        let files =
            [("package.json", APP), ("package-lock.json", LOCK), ("app/page.tsx", ""), ("next.config.mjs", config)];
        let lines: Vec<String> = rendered(&files)
            .lines()
            .filter(|line| line.contains("unknown"))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        lines.join("\n")
    };
    assert_eq!(
        unknown("import c from './c'\nexport default c"),
        "options unknown line 1: the configuration comes from `./c`"
    );
    assert_eq!(
        unknown(
            "import { a } from './a'\nexport default { basePath: a.path, assetPrefix: a.cdn, distDir: process.env.D }"
        ),
        "unknown basePath, assetPrefix line 1: it comes from `./a`\ndistDir unknown line 2: it depends on the environment variable `D`"
    );
}

/// The error for a project of these files, as users see it.
fn error_for(files: &[(&str, &str)], options: &DetectOptions) -> String {
    let error = detect(&SourceTree::from_texts(files.iter().copied()), options).unwrap_err();
    render_error(&error, Style::Plain)
}

const APP: &str = r#"{"dependencies": {"next": "15"}, "scripts": {"build": "next build"}}"#;
const LOCK: &str = r#"{"lockfileVersion": 3, "packages": {"node_modules/next": {"version": "15.5.9"}}}"#;

#[test]
fn errors_of_a_project() {
    let with = |files: &[(&str, &str)]| error_for(files, &DetectOptions::default());
    let app = |more: &[(&'static str, &'static str)]| {
        with(&[&[("package.json", APP), ("package-lock.json", LOCK)], more].concat())
    };
    let named = DetectOptions {
        app: Some(Sourced::new("admin".to_owned(), Origin::Flag("--app".to_owned()))),
        ..DetectOptions::default()
    };
    let apps = [("apps/a/package.json", APP), ("apps/b/package.json", APP)];
    let old = r#"{"lockfileVersion": 3, "packages": {"node_modules/next": {"version": "11.1.4"}}}"#;
    let errors = [
        with(&[("README.md", "")]),
        with(&[("package.json", "{}")]),
        with(&apps),
        error_for(&apps, &named),
        with(&[("package.json", APP)]),
        app(&[("yarn.lock", "# yarn lockfile v1\nnext@15:\n  version \"15.5.9\"\n")]),
        with(&[("package.json", APP), ("package-lock.json", r#"{"lockfileVersion": 3, "packages": {}}"#)]),
        with(&[("package.json", APP), ("package-lock.json", old)]),
        with(&[
            ("package.json", r#"{"dependencies": {"next": "latest"}, "scripts": {"build": "next build"}}"#),
            ("bun.lockb", "#!/usr/bin/env bun\nbun-lockfile-format-v0\n"),
        ]),
        with(&[
            (
                "package.json",
                r#"{"packageManager": "deno@2.0.0", "dependencies": {"next": "15"}, "scripts": {"build": "next build"}}"#,
            ),
            ("package-lock.json", LOCK),
        ]),
        with(&[
            (
                "package.json",
                r#"{"packageManager": "pnpm@9.0.0", "dependencies": {"next": "15"}, "scripts": {"build": "next build"}}"#,
            ),
            ("package-lock.json", LOCK),
        ]),
        app(&[(".nvmrc", "99")]),
        app(&[(".nvmrc", "v16")]),
        app(&[("next.config.js", "module.exports = {\n  output: 'export'\n  basePath: '/x',\n}\n")]),
        app(&[(".yarnrc.yml", "nodeLinker: 5")]),
        with(&[("package.json", "{\n  \"name\": 5\n}")]),
        with(&[("package.json", "{\n<<<<<<< HEAD\n")]),
        with(&[
            ("package.json", r#"{"dependencies": {"next": "15"}, "scripts": {"start": "next start -p 70000"}}"#),
            ("package-lock.json", LOCK),
        ]),
        render_error(&ProjectError::NotUtf8 { file: RelPath::new("package.json").unwrap(), offset: 12 }, Style::Plain),
        render_error(
            &ProjectError::TooLarge { file: RelPath::new("a/yarn.lock").unwrap(), size: 1 << 32 },
            Style::Plain,
        ),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn plan_of_a_workspace() {
    let mut sample = Sample::new("pnpm", Some("10.12.4"), "14.2.35").in_workspace(None);
    sample.plain("MOTTO", "one\nvariables = forged");
    sample.plain("API_KEY", "hush-hush");
    let text = render_plan(&sample.plan());
    assert!(!text.contains("hush"), "{text}");
    insta::assert_snapshot!(text);
}
