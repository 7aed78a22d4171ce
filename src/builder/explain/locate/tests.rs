//! What failing builds of Next.js 13 to 16 printed, and the places that are meant. Sources are those that failed.

use crate::builder::explain::{FailureExplanation, StepFailure, explain};
use crate::project::{DetectOptions, detect};
use crate::repo::SourceTree;

const MODULE: &str =
    "import nothing from './nowhere'\n\nexport default function Page() {\n  return <p>{nothing}</p>\n}\n";
const LOCK: &str =
    r#"{"name":"shop","lockfileVersion":3,"packages":{"":{},"node_modules/next":{"version":"15.5.28"}}}"#;
const MANIFEST: &str = "{\n  \"name\": \"shop\",\n  \"scripts\": { \"build\": \"next build\" },\n  \"dependencies\": {\n    \"next\": \"15.5.28\"\n  },\n  \"engines\": { \"node\": \">=20\" }\n}\n";

fn failure(log: &str) -> FailureExplanation {
    let log: Vec<String> = log.lines().map(str::to_owned).collect();
    explain(&StepFailure { error: "exit code: 1", exit_code: Some(1), log: &log }).unwrap_or_else(|| panic!("{log:#?}"))
}

/// `file:line:column message` of every place that is found.
fn places(tree: &SourceTree, app: &str, log: &str) -> Vec<String> {
    let app = (!app.is_empty())
        .then(|| crate::origin::Sourced::new(app.to_owned(), crate::origin::Origin::Flag("--app".to_owned())));
    let facts = detect(tree, &DetectOptions { app, ..DetectOptions::default() }).unwrap();
    let mut found = failure(log);
    found.locate(tree, &facts, &[]);
    found.findings.iter().map(|finding| format!("{} {}", finding.location, finding.message).trim().to_owned()).collect()
}

#[track_caller]
fn check(log: &str, expected: &[&str]) {
    let page = "export default function Page() {\n  const a = ;\n  return <p>hi</p\n}\n";
    let tree = SourceTree::from_texts([
        ("package.json", MANIFEST),
        ("package-lock.json", LOCK),
        ("next.config.mjs", "export default {\n  reactStrictMode: true,\n  output: 'standalon',\n}\n"),
        ("app/page.tsx", page),
        ("app/(shop)/[slug]/page.tsx", MODULE),
        ("src/lib/prices.ts", ""),
        ("pages/index.js", MODULE),
    ]);
    assert_eq!(places(&tree, "", log), expected, "{log}");
}

#[track_caller]
fn check_workspace(log: &str, expected: &[&str]) {
    let tree = SourceTree::from_texts([
        ("package.json", r#"{"name":"root","workspaces":["apps/*","packages/*"]}"#),
        ("package-lock.json", LOCK),
        ("apps/web/package.json", r#"{"name":"web","dependencies":{"next":"15.5.28"}}"#),
        ("apps/web/app/page.tsx", MODULE),
        ("apps/web/src/index.tsx", ""),
        ("packages/ui/package.json", r#"{"name":"@acme/ui"}"#),
        ("packages/ui/src/index.tsx", ""),
        ("packages/banner/package.json", r#"{"name":"@acme/banner"}"#),
        ("packages/banner/index.js", "import x from './nowhere'\nexport default x\n"),
    ]);
    assert_eq!(places(&tree, "apps/web", log), expected, "{log}");
}

#[test]
fn type_errors() {
    // 13, 14 and 15.
    check(
        "Failed to compile.\n\n./app/page.tsx:2:9\nType error: Type 'string' is not assignable to type 'number'.\n\n\x1b[0m  1 | export default function Page() {\x1b[0m\n> 2 |   const n: number = 'x'\n    |         ^\n  3 |   return <p>{n}</p>\n  4 | }\n  5 |\nNext.js build worker exited with code: 1 and signal: null",
        &["app/page.tsx:2:9 Type error: Type 'string' is not assignable to type 'number'."],
    );
    // 16.
    check(
        "  Running TypeScript ...\n\napp/page.tsx(2,9): error TS2322: Type 'string' is not assignable to type 'number'.\napp/(shop)/[slug]/page.tsx(4,11): error TS2304: Cannot find name 'x'.\nFailed to type check.",
        &[
            "app/page.tsx:2:9 TS2322: Type 'string' is not assignable to type 'number'.",
            "app/(shop)/[slug]/page.tsx:4:11 TS2304: Cannot find name 'x'.",
        ],
    );
}

#[test]
fn modules_that_are_not_found() {
    // webpack names no line: it is that of the import.
    check(
        "Failed to compile.\n\n./app/(shop)/[slug]/page.tsx\nModule not found: Can't resolve './nowhere'\n\nhttps://nextjs.org/docs/messages/module-not-found\n\n\n> Build failed because of webpack errors",
        &["app/(shop)/[slug]/page.tsx:1 Module not found: Can't resolve './nowhere'"],
    );
    check(
        "> Build error occurred\nError: Turbopack build failed with 1 error:\n./app/page.tsx:1:1\nError: Module not found: Can't resolve './nowhere'\n> 1 | import nothing from './nowhere'\n    | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  2 |\n\n\nhttps://nextjs.org/docs/messages/module-not-found\n\n\n    at <unknown> (https://nextjs.org/docs/messages/module-not-found)",
        &["app/page.tsx:1:1 Module not found: Can't resolve './nowhere'"],
    );
}

#[test]
fn syntax_errors() {
    // 13 and 14: the excerpt begins at line 1, and its mark is below line 2.
    let excerpt = "  x Expression expected\n   ,-[/app/app/page.tsx:1:1]\n 1 | export default function Page() {\n 2 |   const a = ;\n   :             ^\n 3 |   return <p>hi</p\n 4 | }\n   `----\n\nCaused by:\n    Syntax Error\n\nImport trace for requested module:\n./app/page.tsx\n\n\n> Build failed because of webpack errors";
    let expected = ["app/page.tsx:2:13 Expression expected"];
    check(&format!("Failed to compile.\n\n./app/page.tsx\nError: \n{excerpt}"), &expected);
    // 15.
    let newer = excerpt.replacen("  x ", "Error:   x ", 1).replacen("1:1]", "2:1]", 1);
    check(&format!("Failed to compile.\n\n./app/page.tsx\n{newer}"), &expected);
    // 16 with Turbopack.
    let turbopack = "> Build error occurred\nError: Turbopack build failed with 1 error:\n./app/page.tsx:2:13\nError: Expression expected\n  1 | export default function Page() {\n> 2 |   const a = ;\n    |             ^\n  3 |   return <p>hi</p\n  4 | }\n  5 |\n\nParsing ecmascript source code failed\n\n\n    at ignore-listed frames";
    check(turbopack, &expected);
    for log in [turbopack, &newer] {
        let found = failure(log);
        assert_eq!(found.code, "builder/syntax-error");
        assert_eq!(found.meaning, "a source file has a syntax error: Expression expected");
    }
}

#[test]
fn lint_errors_and_no_warnings() {
    check(
        "   Linting and checking validity of types ...\n\nFailed to compile.\n\n./app/page.tsx\n1:16  Warning: Missing docs.  jsdoc/require\n2:9  Error: 'a' is assigned a value but never used.  @typescript-eslint/no-unused-vars\n\n./src/lib/prices.ts\n7:1  Error: Unexpected var, use let or const instead.  no-var\n\ninfo  - Need to disable some ESLint rules? Learn more here: https://nextjs.org/docs/app/api-reference/config/eslint#disabling-rules",
        &[
            "app/page.tsx:2:9 'a' is assigned a value but never used.  @typescript-eslint/no-unused-vars",
            "src/lib/prices.ts:7:1 Unexpected var, use let or const instead.  no-var",
        ],
    );
    // ESLint itself, in a build script.
    check(
        "$ eslint . && next build\n\n/app/src/lib/prices.ts\n  7:1  error  Unexpected var, use let or const instead  no-var\n\n✖ 1 problem (1 error, 0 warnings)",
        &["src/lib/prices.ts:7:1 Unexpected var, use let or const instead  no-var"],
    );
}

#[test]
fn a_page_that_fails_while_it_is_rendered() {
    check(
        "Error occurred prerendering page \"/\". Read more: https://nextjs.org/docs/messages/prerender-error\nError: boom\n    at f (.next/server/app/page.js:1:2)\n    at <unknown> (app/page.tsx:2:9)\n    at <unknown> (src/lib/prices.ts:3:1)\n  1 | export default function Page() {\n> 2 |   throw new Error('boom')\nExport encountered an error on /page: /, exiting the build.",
        &["app/page.tsx:2:9"],
    );
}

#[test]
fn an_output_that_cannot_be() {
    // 16: the configuration follows on hundreds of lines, and stands before it as well.
    for log in [
        "  }\n- output: unknown variant `standalon`, expected `standalone` or `export` at line 98 column 23\n    at <unknown> (TurbopackInternalError: failed to parse next.config.js: {) {",
        "Error: export const dynamic = \"force-dynamic\" on page \"/api/ping\" cannot be used with \"output: export\". See more info here: https://nextjs.org/docs/advanced-features/static-html-export\n    at Object.<anonymous> (.next/server/app/api/ping/route.js:5:3)",
        "Error: Page \"/blog/[slug]\" is missing \"generateStaticParams()\" so it cannot be used with \"output: export\" config.",
        "nextdeploy: error: the build left neither `standalone` in `/app/.next` nor an export in `/app/out`\nnextdeploy: hint: pass NEXT_PRIVATE_STANDALONE through to `next build` (a wrapper may have dropped it), or set `output: 'standalone'` in next.config",
    ] {
        check(log, &["next.config.mjs:3"]);
    }
    // 14 goes on, and something else may fail.
    check(
        " ⚠ Invalid next.config.mjs options detected: \n ⚠     Expected 'standalone' | 'export', received 'standalon' at \"output\"\nFailed to compile.\n\n./app/page.tsx:2:9\nType error: x",
        &["app/page.tsx:2:9 Type error: x"],
    );
}

#[test]
fn installs_that_fail() {
    check("npm error code EUSAGE\nnpm error\nnpm error Missing: ms@2.1.3 from lock file", &["package-lock.json"]);
    check("npm error code EBADENGINE\nnpm error notsup Required: {\"node\":\">=99\"}", &["package.json:7"]);
    check("npm error Missing script: \"build\"", &["package.json:3"]);
}

#[test]
fn files_of_workspaces() {
    // Turbopack names files from the root of the repository, webpack and the compiler from the folder of the app.
    check_workspace(
        "web:build: Error: Turbopack build failed with 2 errors:\nweb:build: ./packages/ui/src/index.tsx:1:1\nweb:build: Error: Module not found: Can't resolve './nowhere'\nweb:build: > 1 | import nothing from './nowhere'\nweb:build: Import trace:\nweb:build:   Server Component:\nweb:build:     ./packages/ui/src/index.tsx\nweb:build:     ./apps/web/app/page.tsx\nweb:build: ./apps/web/app/page.tsx:2:1\nweb:build: Error: Export Banner doesn't exist in target module\nweb:build:  ELIFECYCLE  Command failed with exit code 1.",
        &[
            "packages/ui/src/index.tsx:1:1 Module not found: Can't resolve './nowhere'",
            "apps/web/app/page.tsx:2:1 Export Banner doesn't exist in target module",
        ],
    );
    check_workspace(
        "web:build: app/page.tsx(2,9): error TS2322: Type 'string' is not assignable to type 'number'.\nweb:build: Failed to type check.",
        &["apps/web/app/page.tsx:2:9 TS2322: Type 'string' is not assignable to type 'number'."],
    );
    // A package that is built before the app, and has a file of the same name.
    check_workspace(
        "@acme/ui:build: src/index.tsx(3,1): error TS2304: Cannot find name 'x'.",
        &["packages/ui/src/index.tsx:3:1 TS2304: Cannot find name 'x'."],
    );
    check_workspace(
        "Failed to compile.\n\n../../packages/banner/index.js\nModule not found: Can't resolve './nowhere'\n\nImport trace for requested module:\n./app/page.tsx\n\n> Build failed because of webpack errors\nnpm error path /app/apps/web",
        &["packages/banner/index.js:1 Module not found: Can't resolve './nowhere'"],
    );
    check_workspace(
        "Failed to compile.\n\n./app/page.tsx\nError:   x Expression expected\n   ,-[/app/apps/web/app/page.tsx:2:1]\n 1 | export default function Page() {\n 2 |   const a = ;\n   :             ^\n   `----\n\nCaused by:\n    Syntax Error",
        &["apps/web/app/page.tsx:2:13 Expression expected"],
    );
}

#[test]
fn only_files_of_the_repository_are_named() {
    for path in [
        "./node_modules/left-pad/index.js",
        "../../../etc/passwd.json",
        "/etc/passwd.json",
        "/app/../etc/passwd.json",
        "./app/gone.tsx",
        "app/page.tsx\u{7}.ts",
        "./app",
        "",
    ] {
        check(&format!("Failed to compile.\n\n{path}:1:2\nType error: x"), &[]);
        check(&format!("{path}(1,2): error TS1: x"), &[]);
    }
    let huge = "9".repeat(40);
    check(&format!("Failed to compile.\n\n./app/page.tsx:{huge}:1\nType error: x"), &["app/page.tsx Type error: x"]);
}

#[test]
fn a_list_of_files_is_no_list_of_errors() {
    check(
        "app/page.tsx 12ms\napp/page.tsx\nsrc/lib/prices.ts\nCreating an optimized production build\nFailed to compile.\nType error: nowhere",
        &[],
    );
}
