use super::*;
use crate::project::StaticValue;
use crate::project::facts::OutputMode;

/// The configuration in a file of this name, for this major of Next.js.
fn read_as(name: &str, content: &str, major: u32) -> Result<NextConfig, String> {
    let next = NextVersion { major, minor: 0, patch: 0, text: format!("{major}.0.0") };
    let path = RelPath::new(name).unwrap();
    let variables = [("GIVEN".to_owned(), "/given".to_owned())].into();
    let surroundings = Surroundings { module_exists: &|module| module != "./missing", variables: &variables };
    match parse(&path, content, &next, surroundings) {
        Ok(read) => Ok(read.config),
        Err(error) => {
            let place = crate::diagnostic::Diagnostic::location(&error).map(|place| place.to_string());
            Err(format!("{}: {error}", place.unwrap_or_default()))
        }
    }
}

fn read(content: &str) -> NextConfig {
    read_as("next.config.ts", content, 15).unwrap()
}

fn show<T: std::fmt::Debug>(known: &StaticValue<T>) -> String {
    match known {
        StaticValue::Absent => "absent".to_owned(),
        StaticValue::Value(value) => format!("{:?}", value.value),
        StaticValue::Unknown { reason, line } => format!("line {line}: {reason}"),
    }
}

/// What `output` is.
#[track_caller]
fn output(content: &str, expected: &str) {
    assert_eq!(show(&read(content).output), expected, "{content}");
}

#[track_caller]
fn base_path(content: &str, expected: &str) {
    assert_eq!(show(&read(content).base_path), expected, "{content}");
}

#[test]
fn every_way_to_export() {
    for content in [
        "module.exports = { output: 'export' }",
        "module.exports.output = 'export'",
        "exports.output = \"export\"",
        "exports.default = { output: 'export' }",
        "export default { output: `export` }",
        "const c = { output: 'export' }; export default c;",
        "const c = { output: 'export' }; export { c as default };",
        "const c: NextConfig = { output: 'export' }; export default c satisfies NextConfig;",
        "export default { output: 'export' as const } as NextConfig;",
        "const c = {}; module.exports = c; c.output = 'export';",
        "let c = {}; c['output'] = 'export'; module.exports = c;",
        "module.exports = () => ({ output: 'export' })",
        "module.exports = async (phase, { defaultConfig }) => { return { ...defaultConfig, output: 'export' } }",
        "export default async function config() { const c = { output: 'export' }; return c }",
        "function config() { return { output: 'export' } } module.exports = config",
        "module.exports = (() => ({ output: 'export' }))()",
        "export = { output: 'export' }",
    ] {
        output(content, "Export");
    }
    output("// nothing", "absent");
    output("export default {}", "absent");
}

#[test]
fn wrappers_hand_the_configuration_through() {
    for content in [
        "const withX = require('x')({ enabled: true }); module.exports = withX({ output: 'export' })",
        "import { withSentryConfig } from 's'; const c = { output: 'export' }; export default withSentryConfig(c, { silent: true })",
        "module.exports = require('next-pwa')({ dest: 'public' })({ output: 'export' })",
        "const { withPlugins } = require('p'); module.exports = withPlugins([[a, {}], b], { output: 'export' })",
        "import { composePlugins, withNx } from '@nx/next'; module.exports = composePlugins(withNx)({ output: 'export', nx: {} })",
        "const plugins = [require('a'), require('b')]; module.exports = () => plugins.reduce((acc, next) => next(acc), { output: 'export' })",
        "const withLocal = (config) => ({ ...config, output: 'export' }); module.exports = withLocal({ output: 'standalone' })",
        "const withOptions = (options) => (config) => ({ ...config, output: options.output }); export default withOptions({ output: 'export' })({})",
        "import withX from 'x'; export default withX(() => ({ output: 'export' }))",
        "import withX from 'x'; let c = { output: 'export' }; c = withX(c); export default c",
        "import { withS } from 's'; const c = async () => ({ output: 'export' }); export default withS(c, { webpack: {} })",
        "import { withS } from 's'; const c = { output: 'export' }; export default withS(process.env.A ? withS(c) : c, { env: {} })",
        "import { withS } from 's'; export default withS({ debug: true }, { output: 'export' })",
        "import merge from 'deepmerge'; const base = { output: 'standalone' }; export default merge(base, { output: 'export' })",
        "import { defu } from 'defu'; const base = { output: 'standalone' }; export default defu({ output: 'export' }, base)",
        "import ps from './ps'; let c = { output: 'export' }; for (const p of ps) { c = p(c) } export default c",
        "module.exports = Object.assign({}, { output: 'standalone' }, { output: 'export' })",
    ] {
        output(content, "Export");
    }
}

#[test]
fn options_of_wrappers_are_not_the_configuration() {
    output("import { withS } from 's'; export default withS({}, { output: 'export', webpack: {} })", "absent");
    output(
        "import { withS } from 's';\nimport c from './c';\nexport default withS(c, { output: 'export', webpack: {} })",
        "line 2: the configuration comes from `./c`",
    );
    output(
        "import { withS } from 's'; import { a, b } from './c';\nexport default withS(process.env.A ? a : b, { webpack: {} })",
        "line 1: it comes from `./c`",
    );
    output(
        "import * as all from './c'; export default { ...(process.env.A ? all.a : all.b) }",
        "line 1: it may be set by what comes from `./c`",
    );
}

#[test]
fn spreads_and_variables() {
    output("const base = { output: 'standalone' }; export default { ...base, output: 'export' }", "Export");
    output("const base = { output: 'export' }; export default { output: 'standalone', ...base }", "Export");
    output("const output = 'export'; export default { output }", "Export");
    output("const o = 'ex' + 'port'; export default { output: `${o}` }", "Export");
    output("const { mode } = { mode: 'export' }; export default { output: mode }", "Export");
    output(
        "const isProd = process.env.NODE_ENV === 'production'; export default { output: isProd ? 'export' : undefined }",
        "Export",
    );
    output("if (process.env.NODE_ENV !== 'production') { throw 1 } export default { output: undefined }", "absent");
    output("import { base } from './base'; export default { ...base, output: 'export' }", "Export");
    output(
        "import { base } from './base';\nexport default { output: 'export',\n ...base }",
        "line 3: it may be set by what comes from `./base`",
    );
}

#[test]
fn an_unknown_output_is_a_warning_at_its_line() {
    let warning = |content: &str| {
        let next = NextVersion { major: 16, minor: 0, patch: 0, text: "16.0.0".to_owned() };
        parse(
            &RelPath::new("next.config.mjs").unwrap(),
            content,
            &next,
            Surroundings { module_exists: &|_| true, variables: &BTreeMap::new() },
        )
        .unwrap()
        .warning
    };
    let found = warning("export default {\n  basePath: '/a',\n  output: 'standalon',\n}").unwrap();
    assert_eq!(
        (found.code, found.location.unwrap().to_string().as_str()),
        ("project/next-config-output", "next.config.mjs:3")
    );
    assert!(found.message.contains("`standalon`"), "{}", found.message);
    for fine in ["'standalone'", "'export'", "undefined", "process.env.MODE", "mode()"] {
        assert_eq!(warning(&format!("export default {{ output: {fine} }}")), None, "{fine}");
    }
}

#[test]
fn values_from_outside_are_unknown() {
    assert_eq!(show(&read("export default { basePath: process.env.GIVEN ?? '' }").base_path), "\"/given\"");
    output("export default {\n output: process.env.MODE }", "line 2: it depends on the environment variable `MODE`");
    output(
        "export default {\n output: process.env.STATIC ? 'export' : 'standalone' }",
        "line 2: it depends on the environment variable `STATIC`: `export` or `standalone`",
    );
    output("import c from './c';\nexport default c", "line 1: the configuration comes from `./c`");
    output("export { default } from './c'", "line 1: the configuration comes from `./c`");
    output("export default { output: pick({ a: 1 }) }", "line 1: it is what `pick()` returns");
    output("export default { output: missing }", "line 1: `missing` is not defined in this file");
    output("export default {\n output: 5 }", "line 2: `5` is not a valid value");
    output("export default { output: 'hybrid' }", "line 1: `hybrid` is not a valid value");
    output(
        "const c = {};\nfor (const k in x) { c[k] = 1 }\nexport default c",
        "line 2: `k` is not defined in this file",
    );
    output("let o; for (const x of [1]) { o = 'export' }\nexport default { output: o }", "line 1: it is set in a loop");
}

#[test]
fn standalone_or_unset_falls_through_to_the_default() {
    for content in [
        "export default { output: process.env.DOCKER ? 'standalone' : undefined }",
        "export default { ...(process.env.DOCKER && { output: 'standalone' }) }",
        "export default { ...(process.env.DOCKER ? { output: 'standalone' } : {}) }",
        "const c = {}; if (process.env.DOCKER === '1') { c.output = 'standalone' } export default c",
        "const c = {}; if (process.env.DOCKER) c.output = 'standalone'; module.exports = c",
    ] {
        output(content, "Default");
    }
    let config = read("export default { output: process.env.DOCKER ? 'standalone' : undefined }");
    let StaticValue::Value(output) = config.output else { panic!("{config:?}") };
    assert_eq!(
        output.origin.to_string(),
        "from `next.config.ts`: `standalone` or unset, as it depends on the environment variable `DOCKER`"
    );
}

#[test]
fn phases_and_branches() {
    let content = "const { PHASE_DEVELOPMENT_SERVER } = require('next/constants');
        module.exports = (phase) => { if (phase === PHASE_DEVELOPMENT_SERVER) { return { output: 'standalone' } } return { output: 'export' } }";
    output(content, "Export");
    let imported = "import { PHASE_PRODUCTION_BUILD } from 'next/constants'; export default (phase) => {
        switch (phase) { case PHASE_PRODUCTION_BUILD: return { output: 'export' }; default: return {} } }";
    output(imported, "Export");
    output(
        "export default () => { if (process.env.A) { return { output: 'export' } }\n return {} }",
        "line 1: it depends on the environment variable `A`: `export` or unset",
    );
    output(
        "let user; try { user = await import('./missing') } catch (e) {} export default { ...user, output: 'export' }",
        "Export",
    );
    output(
        "let user; try { user = await import('./there') } catch (e) {}\nconst c = { output: 'export' }; merge(c, user); function merge(a, b) { if (!b) return; for (const k in b) { a[k] = b[k] } }\nexport default c",
        "line 2: `k` is not defined in this file",
    );
}

#[test]
fn every_option() {
    let config = read(
        "import path from 'node:path';
        const locales = ['en', 'de'];
        export default {
            basePath: '/docs', assetPrefix: 'https://cdn', distDir: 'build', trailingSlash: true, deploymentId: 'x',
            generateBuildId: async () => 'id', outputFileTracingRoot: path.join(__dirname, '../../'),
            i18n: { locales, defaultLocale: 'en' }, images: { unoptimized: true, loader: 'custom', loaderFile: './l.js' },
            env: { A: 'x', B: process.env.B }, async rewrites() { return [] },
        }",
    );
    assert_eq!(show(&config.base_path), "\"/docs\"");
    assert_eq!(show(&config.asset_prefix), "\"https://cdn\"");
    assert_eq!(show(&config.dist_dir), "\"build\"");
    assert_eq!(show(&config.trailing_slash), "true");
    assert_eq!(show(&config.deployment_id), "\"x\"");
    assert_eq!(show(&config.generate_build_id), "true");
    assert_eq!(show(&config.output_file_tracing_root), "\"../..\"");
    assert_eq!(show(&config.locales), "[\"en\", \"de\"]");
    assert_eq!(show(&config.images_unoptimized), "true");
    assert_eq!(show(&config.images_loader), "\"./l.js\"");
    assert_eq!(show(&config.env_keys), "[\"A\", \"B\"]");
    let StaticValue::Value(value) = config.base_path else { panic!() };
    assert_eq!(value.origin.to_string(), "from `next.config.ts#basePath`");
}

#[test]
fn paths_of_the_build() {
    let root = |expression: &str, major: u32| {
        let content = format!(
            "import path, {{ dirname }} from 'path'; import {{ fileURLToPath }} from 'url';
             const here = dirname(fileURLToPath(import.meta.url));
             export default {{ outputFileTracingRoot: {expression}, experimental: {{ outputFileTracingRoot: {expression} }} }}"
        );
        show(&read_as("next.config.mjs", &content, major).unwrap().output_file_tracing_root)
    };
    for expression in [
        "path.join(__dirname, '..')",
        "path.resolve('..')",
        "path.resolve(process.cwd(), '../')",
        "path.join(here, '..')",
        "path.join(import.meta.dirname, '..')",
        "fileURLToPath(new URL('..', import.meta.url))",
        "`${here}/..`",
        "__dirname + '/..'",
    ] {
        assert_eq!(root(expression, 15), "\"..\"", "{expression}");
        assert_eq!(root(expression, 14), "\"..\"", "{expression}");
    }
    assert_eq!(root("__dirname", 15), "\".\"");
    let other =
        |content: &str, major| show(&read_as("next.config.mjs", content, major).unwrap().output_file_tracing_root);
    let experimental = "export default { experimental: { outputFileTracingRoot: import.meta.dirname } }";
    assert_eq!((other(experimental, 14), other(experimental, 15)), ("\".\"".to_owned(), "\".\"".to_owned()));
    let turbopack = "export default { turbopack: { root: import.meta.dirname } }";
    assert_eq!((other(turbopack, 15), other(turbopack, 17)), ("absent".to_owned(), "\".\"".to_owned()));
}

#[test]
fn options_with_defaults_in_the_environment() {
    base_path(
        "export default { basePath: process.env.BASE || '' }",
        "line 1: it depends on the environment variable `BASE`",
    );
    base_path(
        "const { BASE = '/x' } = process.env; export default { basePath: BASE }",
        "line 1: it depends on the environment variable `BASE`",
    );
    base_path("export default { basePath: process.env.NODE_ENV === 'production' ? '/app' : '' }", "\"/app\"");
    base_path("export default { basePath: undefined ?? '/a' }", "\"/a\"");
    base_path("export default { basePath: (process.env.A ? undefined : '/b') ?? '/b' }", "\"/b\"");
}

#[test]
fn old_standalone_flag() {
    let content = "module.exports = { experimental: { outputStandalone: true } }";
    assert_eq!(show(&read_as("next.config.js", content, 12).unwrap().output), "Standalone");
    assert_eq!(show(&read_as("next.config.js", content, 13).unwrap().output), "absent");
    assert_eq!(read("export default { output: 'standalone' }").output.value(), Some(&OutputMode::Standalone));
}

#[test]
fn malformed_configurations_say_where() {
    let error = |name: &str, content: &str| read_as(name, content, 15).unwrap_err();
    let message = error("next.config.js", "module.exports = {\n  output: 'export',\n");
    assert!(message.starts_with("next.config.js:3:1: `next.config.js` cannot be read as JavaScript: "), "{message}");
    let types = error("apps/web/next.config.js", "const a: string = 1");
    assert!(types.starts_with("apps/web/next.config.js:1:7: "), "{types}");
    let large = error("next.config.js", &" ".repeat(MAX_SIZE + 1));
    assert_eq!(large, "next.config.js: `next.config.js` is too large (262145 bytes)");
}

#[test]
fn which_file_counts() {
    let chosen = |files: &[&str], major: u32| {
        let tree = SourceTree::from_texts(files.iter().map(|name| (*name, "")));
        let next = NextVersion { major, minor: 0, patch: 0, text: format!("{major}.0.0") };
        let mut warnings = Vec::new();
        let path = choose(&tree, &RelPath::root(), &next, &mut warnings);
        let messages: String = warnings.iter().flat_map(|warning| ["; ", &warning.message]).collect();
        format!("{}{messages}", path.map_or_else(|| "none".to_owned(), |path| path.to_string()))
    };
    assert_eq!(chosen(&[], 15), "none");
    assert_eq!(chosen(&["next.config.ts"], 15), "next.config.ts");
    assert_eq!(chosen(&["next.config.ts"], 14), "none; `next.config.ts` is not used: Next.js 14.0.0 does not read it");
    assert_eq!(
        chosen(&["next.config.mjs", "next.config.js"], 15),
        "next.config.js; `next.config.mjs` is not used: Next.js 15.0.0 reads `next.config.js`"
    );
    assert_eq!(
        chosen(&["next.config.cjs"], 16),
        "none; `next.config.cjs` is not used: Next.js 16.0.0 does not read it"
    );
}

#[test]
fn a_configuration_above_the_folder_counts() {
    let files = [
        ("next.config.js", "module.exports = { basePath: '/x', outputFileTracingRoot: __dirname }"),
        ("a/b/app/x", ""),
    ];
    let next = NextVersion { major: 15, minor: 0, patch: 0, text: "15.0.0".to_owned() };
    let detected = |dir: &str, files: &[(&str, &str)]| {
        let tree = SourceTree::from_texts(files.iter().copied());
        detect(&tree, &RelPath::new(dir).unwrap(), (&next, &BTreeMap::new()), &mut Vec::new()).unwrap().config
    };
    let above = detected("a/b", &files);
    assert_eq!(
        (show(&above.base_path), show(&above.output_file_tracing_root)),
        ("\"/x\"".into(), "\"../../.\"".into())
    );
    let own = detected("a/b", &[files[0], files[1], ("a/b/next.config.mjs", "export default {}")]);
    assert_eq!(show(&own.base_path), "absent");
    assert_eq!(show(&detected("", &files).output_file_tracing_root), "\".\"");
}

#[test]
fn hostile_nesting_does_not_end_the_process() {
    let size = 60_000;
    for content in [
        "(".repeat(size),
        "[".repeat(size),
        "{".repeat(size),
        "a=>".repeat(size / 3),
        "!".repeat(size),
        "`${".repeat(size / 3),
        format!("x = {}1", "1?1:".repeat(size / 4)),
        format!("x = 1{}", "+1".repeat(size / 2)),
        format!("x = a{}", ".a".repeat(size / 2)),
        format!("x = {}1{}", "(".repeat(size / 2), ")".repeat(size / 2)),
        format!("x = {}{}", "[".repeat(size / 2), "]".repeat(size / 2)),
        "if(1)".repeat(size / 5),
        "export default f".to_owned() + &"()".repeat(size / 2),
        format!("export default {}{}", "f(".repeat(size / 3), ")".repeat(size / 3)),
        format!(
            "const a0 = {{ x: 1 }};{} export default a999",
            (1..1000)
                .map(|n| format!("const a{n} = {{ ...a{0}, p{n}: [a{0}, a{0}] }};", n - 1))
                .collect::<Vec<_>>()
                .concat()
        ),
        "const f = (x) => f(f(x)); export default f({})".to_owned(),
        format!(
            "const s0 = 'xxxxxxxxxxxxxxxx';{} export default {{ basePath: s99 }}",
            (1..100).map(|n| format!("const s{n} = s{0} + s{0};", n - 1)).collect::<Vec<_>>().concat()
        ),
    ] {
        let config = read_as("next.config.mjs", &content, 15);
        assert!(config.is_err() || config.is_ok_and(|config| config.output.value().is_none()));
    }
}
