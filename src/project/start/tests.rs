use super::*;
use crate::repo::GitFacts;

fn manifest(scripts: &[(&str, &str)]) -> PackageJson {
    let scripts = scripts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    PackageJson { path: RelPath::new("package.json").unwrap(), scripts, ..PackageJson::default() }
}

fn detect(tree: &SourceTree, scripts: &[(&str, &str)]) -> Result<StartDetection, ProjectError> {
    let next = NextVersion { major: 15, minor: 5, patch: 0, text: "15.5.0".to_owned() };
    start(StartInputs { tree, manifest: &manifest(scripts), next: &next, next_dir: &RelPath::root(), config: None })
}

/// `next`, or what a custom server runs; the port, variables, and the codes of the warnings.
fn started(scripts: &[(&str, &str)]) -> String {
    let tree = SourceTree::from_texts([("package.json", "{}"), ("server.js", "")]);
    match detect(&tree, scripts) {
        Err(error) => error.to_string(),
        Ok(start) => {
            let kind = match start.script {
                StartScript::Next => "next".to_owned(),
                StartScript::Custom(script) => script.value.command,
            };
            let port = start.port.map(|port| format!(" {}", port.value)).unwrap_or_default();
            let variables = start.environment.iter().map(|(name, value)| format!(" {name}={}", value.value));
            let codes: String = start.warnings.iter().flat_map(|warning| [" ", warning.code]).collect();
            format!("{kind}{port}{}{codes}", variables.collect::<String>())
        }
    }
}

#[track_caller]
fn check(script: &str, expected: &str) {
    assert_eq!(started(&[("start", script)]), expected, "{script}");
}

#[test]
fn next_itself() {
    for script in [
        "next start",
        "NODE_ENV=production next start",
        "cross-env NODE_ENV=production next start",
        "node .next/standalone/server.js",
        "node ./build/standalone/apps/web/server.js",
        "cd .next/standalone && node server.js",
        "bun --bun run .next/standalone/server.js",
        "node_modules/.bin/next start",
        "node node_modules/next/dist/bin/next start",
        "npx serve@latest out",
        "next build && next start",
        "npm run build && next start",
        "pnpm next start",
        "sh -c 'exec next start'",
    ] {
        check(script, "next");
    }
    check("node -r dotenv/config .next/standalone/server.js", "next project/start-env-file");
    let tree = SourceTree::from_texts([("package.json", "{}")]);
    assert_eq!(detect(&tree, &[]).unwrap().script, StartScript::Next);
    let standalone = detect(&tree, &[("start", "node server.js")]).unwrap();
    assert_eq!(standalone.script, StartScript::Next, "`server.js` is that of the standalone output");
}

#[test]
fn custom_servers_start_without_their_runners() {
    check("node server.js", "node server.js");
    check(
        "cross-env NODE_ENV=production ts-node -P tsconfig.server.json server.ts",
        "ts-node -P tsconfig.server.json server.ts",
    );
    check("NODE_ENV=production API=https://x tsx server.ts", "tsx server.ts API=https://x");
    check("npx tsx 'my server.ts' --port $PORT", "tsx 'my server.ts' --port $PORT");
    check("API=$URL node server.js", "API=$URL node server.js");
    check("npm run build && node server.js", "node server.js");
    check("export A=1 && node server.js", "node server.js A=1");
    check("prisma migrate deploy && node server.js", "prisma migrate deploy && exec node server.js");
    check("next start & node worker.js", "next start & node worker.js");
    check("concurrently \"next start\" \"node worker.js\"", "concurrently \"next start\" \"node worker.js\"");
    check("run-p web jobs", "run-p web jobs");
    check(
        "concurrently \"next start -p 4000\" \"node worker.js\"",
        "concurrently \"next start -p 4000\" \"node worker.js\" 4000",
    );
    check("cd api && node server.js", "cd api && exec node server.js");
    check("node --env-file=.env.production server.js", "node server.js project/start-env-file");
    check("bun --bun server.ts", "bun server.ts");
    assert_eq!(
        started(&[("start", "pnpm run start:prod"), ("start:prod", "cross-env PORT=4000 node server.js")]),
        "node server.js 4000"
    );
    assert_eq!(
        started(&[("start", "yarn with-env node server.js"), ("with-env", "dotenv -v A=1 -e ../../.env --")]),
        "node server.js A=1 project/start-env-file"
    );
}

#[test]
fn development_servers_beside_other_commands_are_not_run() {
    let dev = "next project/start-is-dev";
    check("next dev | pino-pretty", dev);
    check("next -p 4000", "next 4000 project/start-is-dev");
    check("node worker.js & next dev --turbo", dev);
    let start = |script: &str| {
        started(&[
            ("start", script),
            ("web:dev", "next dev | pino-pretty"),
            ("web:css", "tailwindcss -w"),
            ("prod", "next start -p 4000"),
        ])
    };
    for script in [
        "concurrently -n next,css \"yarn web:dev\" \"yarn web:css\"",
        "concurrently 'npm:web:*'",
        "run-p web:dev web:css",
        "npm-run-all -p web:*",
        "bash -lc 'run-p web:*'",
    ] {
        assert_eq!(start(script), dev, "{script}");
    }
    for script in ["run-p prod", "concurrently npm:prod", "bash -ec 'yarn prod' --"] {
        assert_eq!(start(script), "next 4000", "{script}");
    }
}

#[test]
fn preloaded_code_needs_the_whole_app() {
    check("node -r ./tracing.js .next/standalone/server.js", "NODE_OPTIONS='--require=./tracing.js' next start");
    check("NODE_OPTIONS='--import tsx' next start", "NODE_OPTIONS='--import=tsx' next start");
    for script in ["NODE_OPTIONS=\"$NODE_OPTIONS -r tsx\" next start", "export NODE_OPTIONS='-r tsx'; next start"] {
        check(script, "NODE_OPTIONS='--require=tsx' next start");
    }
    check("NODE_OPTIONS='--import tsx' node server.js", "NODE_OPTIONS='--import tsx' node server.js");
    check("NODE_OPTIONS=--max-old-space-size=512 next start", "next NODE_OPTIONS=--max-old-space-size=512");
    check("node --max-old-space-size=512 .next/standalone/server.js", "next NODE_OPTIONS=--max-old-space-size=512");
    check("NODE_OPTIONS=--inspect next start", "next project/start-option");
}

#[test]
fn other_scripts_are_followed() {
    assert_eq!(started(&[("start", "npm run serve -- -p 4000"), ("serve", "next start")]), "next 4000");
    assert_eq!(started(&[("start", "run-s prod:*"), ("prod:a", "echo a"), ("prod:b", "next start")]), "next");
    assert_eq!(started(&[("start", "pnpm start")]), "next project/script-cycle");
    assert_eq!(started(&[("start", "npm run prod")]), "next project/script-missing");
    assert_eq!(
        started(&[("start", "next start"), ("prestart", "prisma migrate deploy")]),
        "next project/start-does-more"
    );
}

#[test]
fn ports_and_options() {
    check("next start -p 4000", "next 4000");
    check("PORT=4000 next start --port 5000", "next 5000");
    check("serve out -l 8080", "next 8080");
    check("PORT=4000 node server.js", "node server.js 4000");
    check("node server.js -p tsconfig.json", "node server.js -p tsconfig.json");
    check("next start --keepAliveTimeout 70000", "next KEEP_ALIVE_TIMEOUT=70000");
    check("next start --experimental-cpu-prof", "next project/start-option");
    for port in ["70000", "0"] {
        let message = "(from `package.json#scripts.start`): it must be a number from 1 to 65535";
        check(&format!("next start -p {port}"), &format!("invalid port `{port}` {message}"));
    }
}

#[test]
fn what_the_image_does_not_do_is_reported() {
    check("prisma migrate deploy && next start", "next project/start-does-more");
    check("next dev", "next project/start-is-dev");
    check("next", "next project/start-is-dev");
    check("API=$URL next start", "next project/start-environment");
    check("doppler run -- next start", "next project/start-environment");
    check("dotenv -e ../../.env -- next start", "next project/start-env-file");
}

#[test]
fn tracked_environment_files_give_their_values() {
    let mut tree = SourceTree::from_texts([("package.json", "{}"), (".env.staging", "A=1"), (".env", "B=2")]);
    let tracked_env_files = [".env.staging".to_owned()].into();
    tree.git = Some(GitFacts { tracked_env_files, ..GitFacts::default() });
    let found = detect(&tree, &[("start", "dotenv -e .env -e .env.staging -e .env.x -- next start")]).unwrap();
    assert_eq!(found.env_files, [RelPath::new(".env.staging").unwrap()]);
    assert_eq!(found.warnings.len(), 1);
    assert!(found.warnings[0].message.starts_with("`.env.x`"), "{}", found.warnings[0].message);
}

#[test]
fn preloaded_modules_are_imports_of_the_server() {
    let tree =
        SourceTree::from_texts([("package.json", "{}"), ("log.js", "require('pino')"), ("jobs.js", "require('ws')")]);
    let imports = |script: &str| {
        let found = detect(&tree, &[("start", script)]).unwrap().imports;
        found.into_iter().map(|import| import.package).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(imports("NODE_OPTIONS='-r next-logger --import=./log.js' next start"), "next-logger pino");
    assert_eq!(imports("concurrently \"next start\" \"node jobs.js\""), "ws");
}

#[test]
fn a_server_file_without_start_script_is_custom() {
    let tree = SourceTree::from_texts([("package.json", "{}"), ("server.js", "")]);
    assert!(matches!(detect(&tree, &[]).unwrap().script, StartScript::Custom(_)));
}
