use super::*;
use crate::diagnostic::Diagnostic;

fn facts(files: &[(&str, &str)]) -> ProjectFacts {
    detect(&SourceTree::from_texts(files.iter().copied()), &DetectOptions::default()).unwrap()
}

#[test]
fn a_single_app_with_npm() {
    let facts = facts(&[
        (
            "package.json",
            r#"{"name": "shop", "version": "1.2.0", "dependencies": {"next": "^15"}, "scripts": {"build": "next build", "start": "next start -p 4000"}}"#,
        ),
        ("package-lock.json", r#"{"lockfileVersion": 3, "packages": {"node_modules/next": {"version": "15.5.9"}}}"#),
        ("next.config.ts", "export default { output: 'standalone' }"),
        ("src/app/page.tsx", ""),
        (".nvmrc", "22.11.0\n"),
    ]);
    insta::assert_json_snapshot!(facts);
}

#[test]
fn a_workspace_with_pnpm_and_turbo() {
    let facts = facts(&[
        ("package.json", r#"{"packageManager": "pnpm@9.12.0", "devDependencies": {"turbo": "^2"}}"#),
        ("pnpm-workspace.yaml", "packages:\n  - apps/*\n  - packages/*\n"),
        ("turbo.json", "{}"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\nimporters:\n  apps/web:\n    dependencies:\n      next:\n        specifier: 14\n        version: 14.2.35(react@18)\n",
        ),
        (
            "apps/web/package.json",
            r#"{"name": "web", "dependencies": {"next": "14", "@acme/ui": "workspace:*"}, "scripts": {"build": "next build"}}"#,
        ),
        ("apps/web/app/page.tsx", ""),
        ("apps/web/middleware.ts", ""),
        ("apps/web/.env", "API=x\n"),
        ("packages/ui/package.json", r#"{"name": "@acme/ui", "dependencies": {"@acme/config": "workspace:*"}}"#),
        ("packages/config/package.json", r#"{"name": "@acme/config"}"#),
    ]);
    insta::assert_json_snapshot!(facts);
}

#[test]
fn old_next_is_refused() {
    let tree = SourceTree::from_texts([
        ("package.json", r#"{"dependencies": {"next": "11"}, "scripts": {"build": "next build"}}"#),
        ("package-lock.json", r#"{"lockfileVersion": 2, "packages": {"node_modules/next": {"version": "11.1.4"}}}"#),
    ]);
    let error = detect(&tree, &DetectOptions::default()).unwrap_err();
    assert_eq!(error.code(), "project/next-unsupported");
    assert_eq!(
        error.to_string(),
        "Next.js 11.1.4 (from `package-lock.json`) is not supported: nextdeploy builds Next.js 12 and later"
    );
}

/// A project in which every kind of file has something to say.
const EVERYTHING: &[(&str, &str)] = &[
    (
        "package.json",
        r#"{"name": "é", "packageManager": "pnpm@9.12.0", "engines": {"node": ">=20"}, "volta": {"node": "22.1.0"}, "dependencies": {"next": "15"}, "scripts": {"build": "next build", "start": "PORT=1 next start"}}"#,
    ),
    (
        "pnpm-lock.yaml",
        "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      next:\n        specifier: 15\n        version: 15.1.0(react@19)\n",
    ),
    ("pnpm-workspace.yaml", "packages:\n  - 'apps/*'\n  - '!**/test/**'\nonlyBuiltDependencies: [sharp]\n"),
    (
        "next.config.ts",
        "import type { NextConfig } from 'next';\nconst c: NextConfig = { output: process.env.X ? 'export' : `é` };\nexport default c satisfies NextConfig;\n",
    ),
    (".env", "A=1\nexport B=\"x\n y\" # é\nC='$A ${B:-é}'\n"),
    (".npmrc", "//host/:_authToken=${NPM_TOKEN}\n"),
    (".yarnrc.yml", "nodeLinker: node-modules\nyarnPath: .yarn/releases/yarn-4.5.0.cjs\n"),
    (".nvmrc", "# é\nv22.1.0\n"),
    (".tool-versions", "nodejs 22.1.0\n"),
    ("app/page.tsx", ""),
];

#[test]
fn truncated_files_give_facts_or_an_error_that_names_them() {
    assert!(detect(&SourceTree::from_texts(EVERYTHING.iter().copied()), &DetectOptions::default()).is_ok());
    for (at, (name, text)) in EVERYTHING.iter().enumerate() {
        for (cut, _) in text.char_indices() {
            let mut files = EVERYTHING.to_vec();
            files[at] = (name, &text[..cut]);
            let result = detect(&SourceTree::from_texts(files), &DetectOptions::default());
            assert!(*name != "package.json" || result.is_err(), "{name} of {cut} bytes");
            if let Err(error) = result {
                let place = error.location().map(|place| place.to_string()).unwrap_or_default();
                assert!(place.starts_with(name) || error.to_string().contains(name), "{name} of {cut} bytes: {error}");
            }
        }
    }
}
