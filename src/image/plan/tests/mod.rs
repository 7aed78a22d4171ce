mod variables;

use std::fmt::Write as _;

use super::sample::{Sample, from_file, from_flag, path};
use super::*;
use crate::config::settings::{EnvScope, EnvValue, PushPolicy, SecretSource, SecretValue};
use crate::diagnostic::Diagnostic;
use crate::origin::Origin;
use crate::project::*;
use crate::secret::Secret;

fn codes(plan: &ImagePlan) -> Vec<&str> {
    plan.warnings.iter().map(|warning| warning.code).collect()
}

fn image_value<'a>(plan: &'a ImagePlan, name: &str) -> Option<&'a str> {
    plan.runtime.environment.get(name).map(|value| value.value.as_str())
}

fn secret_ids(plan: &ImagePlan) -> Vec<&str> {
    plan.secrets.iter().map(|secret| secret.id.as_str()).collect()
}

fn env_file(name: &str, tracked: bool, variables: &[(&str, &str)]) -> DotenvFile {
    let variable = |(name, value): &(&str, &str)| DotenvVariable {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
        unknown: Vec::new(),
    };
    let variables = variables.iter().map(variable).collect();
    DotenvFile { path: path(name), tracked, variables, read_by_start: false }
}

#[test]
fn the_plan_of_an_npm_project() {
    insta::assert_json_snapshot!(Sample::npm().plan());
}

#[test]
fn invalid_image_names_are_changed_with_a_warning() {
    let mut sample = Sample::npm();
    sample.facts.name.value = "@Acme/Web Shop".to_owned();
    let plan = sample.plan();
    assert_eq!(plan.name.value, "acme-web-shop");
    assert_eq!(codes(&plan), ["plan/image-name-changed"]);
    assert_eq!(plan.labels["org.opencontainers.image.title"], "@Acme/Web Shop");
    sample.facts.name.value = "@acme/web".to_owned();
    let plan = sample.plan();
    assert_eq!((plan.name.value.as_str(), codes(&plan).as_slice()), ("acme-web", [].as_slice()));
}

#[test]
fn each_manager_installs_frozen() {
    let command = |manager: &str, version: Option<&str>| {
        let mut sample = Sample::new(manager, version, "16.4.5");
        sample.facts.start = custom_start("node server.js");
        let install = sample.plan().install;
        let production = install.production_command.map_or("none".to_owned(), |words| words.join(" "));
        format!("{:?}: {} | {production}", install.setup, install.command.join(" "))
    };
    let commands = [
        command("npm", None),
        command("npm", Some("6.14.18")),
        command("npm", Some("11.1.0")),
        command("yarn", Some("1.22.22")),
        command("yarn", Some("3.8.7")),
        command("yarn", Some("4.12.0")),
        command("pnpm", Some("10.12.4")),
        command("bun", Some("1.3.11")),
    ];
    insta::assert_snapshot!(commands.join("\n"));
}

fn custom_start(command: &str) -> StartScript {
    let script = NamedScript { name: "start".to_owned(), command: command.to_owned() };
    StartScript::Custom(from_file(script, "package.json#scripts.start"))
}

#[test]
fn the_mode_follows_config_and_start_script() {
    let mut sample = Sample::npm();
    assert_eq!(sample.plan().output.mode, ImageMode::Standalone);
    sample.facts.start = custom_start("NODE_ENV=production node server.js");
    let output = sample.plan().output;
    assert_eq!(output.mode, ImageMode::Server);
    assert_eq!(output.start_command.unwrap().value, ["NODE_ENV=production", "node", "server.js"]);
    sample.facts.config.output = StaticValue::Value(from_file(OutputMode::Export, "next.config.mjs"));
    assert_eq!(sample.plan().output.mode, ImageMode::Export);
    sample.facts.start = StartScript::Next;
    sample.facts.config.output = StaticValue::Unknown { reason: "calls a function".to_owned(), line: 3 };
    assert_eq!(sample.plan().output.mode, ImageMode::Unknown);
}

#[test]
fn start_scripts_run_without_the_package_manager() {
    let mut sample = Sample::npm();
    let mut mode = |words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        sample.settings.start_command = Some(from_flag(words, "--start-command"));
        sample.plan().output.mode
    };
    assert_eq!(mode(&["npm", "start"]), ImageMode::Standalone);
    assert_eq!(mode(&["yarn", "run", "start"]), ImageMode::Standalone);
    assert_eq!(mode(&["node", "server.js"]), ImageMode::Standalone);
    assert_eq!(mode(&["node", "other.js"]), ImageMode::Server);
}

/// The warning, or the error, of a custom server whose packages are declared like this.
#[track_caller]
fn check_server(command: &str, development: &[&str], production: &[&str], expected: &str) {
    let mut sample = Sample::npm();
    sample.facts.start = custom_start(command);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    sample.facts.declared = DeclaredPackages { production: names(production), development: names(development) };
    sample.facts.server_imports = vec![ServerImport { package: "@next/mdx".to_owned(), file: path("next.config.mjs") }];
    let found = match sample.try_plan() {
        Ok(plan) => {
            assert_eq!(plan.install.production_command.is_none(), !plan.warnings.is_empty(), "{command}");
            plan.warnings.first().map(|warning| warning.message.clone()).unwrap_or_default()
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(found, expected, "{command}");
}

#[test]
fn servers_keep_the_development_dependencies_that_they_need() {
    let kept = "the image keeps all development dependencies, as it needs";
    check_server("node server.js", &["eslint"], &["next", "@next/mdx"], "");
    check_server("tsx server.ts", &[], &["tsx"], "");
    check_server("tsx server.ts", &["tsx"], &["next"], &format!("{kept} `tsx` (run by the start command)"));
    check_server(
        "tsc && exec node server.js",
        &["typescript"],
        &[],
        &format!("{kept} `typescript` (run by the start command)"),
    );
    check_server("pm2-runtime server.js", &[], &["pm2"], "");
    let imported = format!("{kept} `@next/mdx` (imported by `next.config.mjs`)");
    check_server("node server.js", &["@next/mdx"], &["next"], &imported);
    check_server("node server.js", &["next"], &[], &format!("{kept} `next` (the server itself)"));
    for (command, program) in [("bun server.ts", "bun"), ("pnpm -r start", "pnpm"), ("tsx server.ts", "tsx")] {
        let problem = "which neither the image nor the dependencies of the app have";
        let origin = "from `package.json#scripts.start`";
        check_server(
            command,
            &[],
            &[],
            &format!("the start command `{command}` ({origin}) runs `{program}`, {problem}"),
        );
    }
}

#[test]
fn bun_runs_servers_of_projects_that_it_installs() {
    let mut sample = Sample::new("bun", Some("1.3.11"), "16.4.5");
    sample.facts.start = custom_start("bun server.ts");
    let plan = sample.plan();
    assert_eq!((plan.output.added_program, codes(&plan)), (Some("bun"), vec!["plan/bun-in-image"]));
}

#[test]
fn variables_of_the_start_script_are_in_the_image() {
    let mut sample = Sample::npm();
    let origin = |value: &str| from_file(value.to_owned(), "package.json#scripts.start");
    let variables = [("KEEP_ALIVE_TIMEOUT", "70000"), ("API_SECRET", "hush-hush-hush"), ("NODE_ENV", "staging")];
    sample.facts.start_environment = variables.map(|(name, value)| (name.to_owned(), origin(value))).into();
    sample.facts.env_files =
        vec![DotenvFile { read_by_start: true, ..env_file("env/.env.eu", true, &[("REGION", "eu")]) }];
    let plan = sample.plan();
    assert_eq!(image_value(&plan, "KEEP_ALIVE_TIMEOUT"), Some("70000"));
    assert_eq!(image_value(&plan, "REGION"), Some("eu"));
    assert_eq!((image_value(&plan, "API_SECRET"), image_value(&plan, "NODE_ENV")), (None, Some("production")));
    assert_eq!(codes(&plan), ["plan/secret-in-env-file"]);
}

#[test]
fn old_next_versions_get_an_image_optimiser() {
    assert_eq!(Sample::new("npm", None, "14.2.35").plan().output.sharp, Some("0.33.5"));
    assert_eq!(Sample::new("npm", None, "15.0.0").plan().output.sharp, None);
    let mut sample = Sample::new("npm", None, "13.5.11");
    sample.facts.install.sharp = Some(from_file("^0.32.0".to_owned(), "package.json"));
    assert_eq!(sample.plan().output.sharp, None);
    sample.facts.install.sharp = None;
    sample.facts.node.value.major = 16;
    let plan = sample.plan();
    assert_eq!((plan.output.sharp, codes(&plan)), (None, vec!["plan/images-not-optimised"]));
}

#[test]
fn turbo_builds_when_it_knows_the_task() {
    let commands = |sample: &Sample| {
        let lines = sample.plan().build.commands.into_iter().map(|c| format!("{}: {}", c.dir, c.argv.join(" ")));
        lines.collect::<Vec<_>>()
    };
    let turbo = Sample::new("pnpm", Some("10.12.4"), "16.4.5").in_workspace(Some(WorkspaceTool::Turbo));
    assert_eq!(commands(&turbo), [".: turbo run build --filter=@acme/web"]);
    let mut elsewhere = Sample::new("pnpm", Some("10.12.4"), "16.4.5").in_workspace(Some(WorkspaceTool::Turbo));
    elsewhere.facts.workspace.as_mut().unwrap().build_task =
        Some(BuildTask::Turbo { package: "@acme/web".to_owned(), installed_in_root: false });
    assert_eq!(commands(&elsewhere), ["packages/ui: pnpm run build", "apps/web: pnpm run build"]);
    assert!(codes(&elsewhere.plan()).contains(&"plan/turbo-not-installed"));
    let plain = Sample::new("pnpm", Some("10.12.4"), "16.4.5").in_workspace(None);
    assert_eq!(commands(&plain), ["packages/ui: pnpm run build", "apps/web: pnpm run build"]);
    let mut own = Sample::npm().in_workspace(None);
    own.settings.build_command = Some(from_flag("next build && ./after.sh".to_owned(), "--build-command"));
    assert_eq!(commands(&own)[1], "apps/web: /bin/sh -c next build && ./after.sh");
}

#[test]
fn scripts_of_an_install_run_once_the_sources_are_there() {
    let mut sample = Sample::npm().in_workspace(None);
    let script = |dir: &str, name: &str, command: &str| LifecycleScript {
        dir: path(dir),
        name: name.to_owned(),
        command: command.to_owned(),
    };
    sample.facts.install.lifecycle_scripts = vec![
        script("", "preinstall", "npx only-allow npm"),
        script("", "postinstall", "patch-package"),
        script("", "prepare", "husky"),
        script("apps/web", "postinstall", "node gen.js"),
        script("packages/ui", "install", "node-gyp rebuild"),
        script("packages/ui", "postinstall", "node x.js"),
        script("apps/other", "postinstall", "never"),
    ];
    let lines: Vec<String> =
        sample.plan().build.prepare.iter().map(|c| format!("{}: {}", c.dir, c.argv.join(" "))).collect();
    assert_eq!(lines, [".: npm run postinstall", "packages/ui: npm run install", "apps/web: npm run postinstall"]);
}

fn prisma(version: &str) -> Prisma {
    let client = PrismaClient::Missing(vec![PrismaGenerate { dir: path(""), schema: None }]);
    Prisma { version: Some(version.to_owned()), schemas: vec![path("prisma/schema.prisma")], client }
}

#[test]
fn prisma_needs_openssl_its_schema_and_a_client() {
    let mut sample = Sample::new("pnpm", Some("10.12.4"), "16.4.5");
    sample.facts.install.prisma = Some(prisma("6.1.0"));
    let plan = sample.plan();
    assert_eq!(packages(&plan), ["openssl/openssl for the image"]);
    assert!(plan.install.files.contains(&path("prisma/schema.prisma")));
    assert_eq!(plan.build.prepare[0].argv, ["prisma", "generate"]);
    sample.facts.install.prisma.as_mut().unwrap().client = PrismaClient::Scripts;
    assert!(sample.plan().build.prepare.is_empty());
}

/// Names on Debian and Alpine, and where they are needed.
fn packages(plan: &ImagePlan) -> Vec<String> {
    let stages = |package: &SystemPackage| if package.runtime { "for the image" } else { "for the build" };
    plan.system_packages.iter().map(|p| format!("{}/{} {}", p.debian, p.alpine, stages(p))).collect()
}

const COMPILERS: [&str; 4] = [
    "python3/python3 for the build",
    "make/make for the build",
    "g++/g++ for the build",
    "pkg-config/pkgconf for the build",
];

fn native(name: &str, version: &str) -> NativeModule {
    NativeModule { name: name.to_owned(), version: version.to_owned(), development_only: false }
}

#[test]
fn native_modules_get_a_compiler_in_the_build_only() {
    let mut sample = Sample::npm();
    sample.facts.install.native_modules = vec![native("bcrypt", "5.1.1"), native("argon2", "0.31.2")];
    assert_eq!(packages(&sample.plan()), COMPILERS);
    assert_eq!(sample.plan().system_packages[0].reason, "`bcrypt 5.1.1` is compiled when it is installed");

    sample.facts.install.native_modules = vec![native("libpq", "1.8.13")];
    let libraries = ["libpq-dev/libpq-dev for the build", "libpq5/libpq for the image"];
    assert_eq!(packages(&sample.plan())[4..], libraries);
    sample.settings.base = Some(from_flag("distroless".to_owned(), "--base"));
    assert_eq!(codes(&sample.plan()), ["plan/missing-libraries"]);
    sample.facts.install.native_modules[0].development_only = true;
    assert_eq!(packages(&sample.plan())[4..], libraries[..1]);
    assert!(codes(&sample.plan()).is_empty());
}

#[test]
fn packages_of_the_user() {
    let mut sample = Sample::npm();
    sample.settings.packages = vec![from_flag("ffmpeg".to_owned(), "--package")];
    sample.settings.build_packages =
        vec![from_flag("libvips-dev".to_owned(), "--build-package"), from_flag("ffmpeg".to_owned(), "--build-package")];
    let expected = ["ffmpeg/ffmpeg for the image", "libvips-dev/libvips-dev for the build"];
    assert_eq!(packages(&sample.plan()), expected);
    sample.settings.base = Some(from_flag("distroless".to_owned(), "--base"));
    assert_eq!(sample.try_plan().unwrap_err().code(), "plan/packages-in-distroless");
    sample.settings.packages.clear();
    assert_eq!(packages(&sample.plan()), ["libvips-dev/libvips-dev for the build", "ffmpeg/ffmpeg for the build"]);
}

#[test]
fn programs_that_dependencies_start_are_named() {
    let with = |names: &[&str], change: fn(&mut Sample)| {
        let mut sample = Sample::npm();
        let origin = |name: &str| Origin::field("package.json", &format!("dependencies.{name}"));
        sample.facts.install.production_dependencies =
            names.iter().map(|name| ((*name).to_owned(), origin(name))).collect();
        change(&mut sample);
        sample.plan()
    };
    let plan = with(&["puppeteer", "fluent-ffmpeg", "simple-git"], |_| {});
    assert_eq!(codes(&plan), ["plan/missing-program"; 3]);
    let hints: Vec<&str> = plan.warnings.iter().filter_map(|warning| warning.hint.as_deref()).collect();
    assert_eq!(
        hints,
        ["add it with `--package ffmpeg`", "add it with `--package chromium`", "add it with `--package git`"]
    );
    assert!(codes(&with(&["fluent-ffmpeg", "ffmpeg-static"], |_| {})).is_empty());
    assert!(codes(&with(&["puppeteer-core", "@sparticuz/chromium"], |_| {})).is_empty());
    let given = with(&["puppeteer"], |sample| {
        sample.settings.packages = vec![from_flag("chromium".to_owned(), "--package")];
    });
    assert!(codes(&given).is_empty());
    assert_eq!(given.runtime.environment["PUPPETEER_EXECUTABLE_PATH"].value, "/usr/bin/chromium");
    let own_base = |sample: &mut Sample| sample.settings.base = Some(from_flag("node:22".to_owned(), "--base"));
    assert!(codes(&with(&["puppeteer"], own_base)).is_empty());
    let export = |sample: &mut Sample| {
        sample.facts.config.output = StaticValue::Value(from_file(OutputMode::Export, "next.config.mjs"));
    };
    assert!(codes(&with(&["puppeteer"], export)).is_empty());
}

#[test]
fn dependencies_over_ssh_need_a_client_and_a_key() {
    let mut sample = Sample::npm();
    sample.facts.install.needs_git = true;
    sample.facts.install.ssh_dependencies = vec!["a".to_owned()];
    let plan = sample.plan();
    assert_eq!(packages(&plan), ["git/git for the build", "openssh-client/openssh-client for the build"]);
    assert_eq!(codes(&plan), ["plan/missing-ssh-key"]);
    let key = SecretSource { id: "ssh-key".to_owned(), value: SecretValue::File("/key".into()) };
    sample.settings.secrets = vec![from_flag(key, "--secret-file")];
    let plan = sample.plan();
    assert!(codes(&plan).is_empty());
    assert_eq!((plan.secrets[0].use_as, plan.install.secrets), (SecretUse::SshKey, vec!["ssh-key".to_owned()]));
}

#[test]
fn variables_that_prisma_requires_have_a_placeholder_or_a_warning() {
    let mut sample = Sample::new("pnpm", Some("10.12.4"), "16.4.5");
    sample.facts.install.prisma = Some(prisma("7.0.0"));
    sample.facts.install.prisma_variables = vec![from_file("DATABASE_URL".to_owned(), "prisma.config.ts")];
    let generate = |sample: &Sample| sample.plan().build.prepare[0].argv.join(" ");
    assert_eq!(generate(&sample), "env DATABASE_URL=placeholder prisma generate");
    sample.env("DATABASE_URL", EnvValue::Plain("file:./a.db".to_owned()), EnvScope::Build);
    assert_eq!(generate(&sample), "prisma generate");
    sample.settings.env.clear();
    sample.facts.install.prisma.as_mut().unwrap().client = PrismaClient::Scripts;
    assert_eq!(codes(&sample.plan()), ["plan/missing-prisma-variable"]);
}

#[test]
fn missing_variables_of_npmrc_are_reported() {
    let mut sample = Sample::npm();
    sample.facts.install.variables = vec![from_file("NPM_TOKEN".to_owned(), ".npmrc")];
    assert_eq!(codes(&sample.plan()), ["plan/missing-install-variable"]);
    let secret = SecretSource { id: "NPM_TOKEN".to_owned(), value: SecretValue::Value(Secret::new("t".to_owned())) };
    sample.settings.secrets = vec![from_flag(secret, "--secret")];
    let plan = sample.plan();
    assert!(codes(&plan).is_empty());
    assert_eq!(plan.install.secrets, ["NPM_TOKEN"]);
}

#[test]
fn caches_with_keys_are_never_shared_between_projects() {
    let id = |sample: &Sample| sample.plan().build.cache.unwrap().id;
    let mut sample = Sample::npm();
    let first = id(&sample);
    sample.tree.root = "/elsewhere".into();
    assert_eq!(id(&sample), first, "two checkouts of one repository are one project");
    sample.tree.git.as_mut().unwrap().remote = None;
    let by_folder = id(&sample);
    sample.tree.root = "/third".into();
    assert_ne!(by_folder, id(&sample));
    assert_ne!(id(&Sample::npm().in_workspace(None)), first);
}

#[test]
fn folders_that_next_writes_to_are_not_sent() {
    let outputs = |output: Option<StaticValue<OutputMode>>, dist_dir: Option<&str>| {
        let mut sample = Sample::npm();
        let set = |value: &str| StaticValue::Value(from_file(value.to_owned(), "next.config.mjs"));
        sample.facts.config.dist_dir = dist_dir.map(set).unwrap_or_default();
        sample.facts.config.output = output.unwrap_or_default();
        let build = sample.plan().build;
        let folders: Vec<String> = build.outputs.iter().map(ToString::to_string).collect();
        let cache = build.cache.map(|cache| cache.target).unwrap_or_default();
        format!("{} {cache}", folders.join(","))
    };
    let export = || Some(StaticValue::Value(from_file(OutputMode::Export, "next.config.mjs")));
    assert_eq!(outputs(None, None), ".next /app/.next/cache");
    assert_eq!(outputs(None, Some("./build")), "build /app/build/cache");
    assert_eq!(outputs(export(), None), ".next,out /app/.next/cache");
    assert_eq!(outputs(export(), Some("dist")), ".next,dist /app/.next/cache");
    let unknown = StaticValue::Unknown { reason: "x".to_owned(), line: 1 };
    assert_eq!(outputs(Some(unknown), Some("build")), "build ");
    // Sources are sent, whatever the configuration says.
    assert_eq!(outputs(None, Some(".")), " ");
}

#[test]
fn bases_are_known_by_name() {
    let base = |name: &str| {
        let mut sample = Sample::npm();
        sample.settings.base = Some(from_flag(name.to_owned(), "--base"));
        sample.plan().base
    };
    assert_eq!(
        (base("alpine").runtime.value.to_string().as_str(), base("alpine").libc),
        ("node:22-alpine", Libc::Musl)
    );
    let distroless = base("distroless");
    assert_eq!(distroless.build.value.to_string(), "node:22-slim");
    assert_eq!(distroless.runtime.value.to_string(), "gcr.io/distroless/nodejs22-debian13");
    assert_eq!(distroless.node_path, "/nodejs/bin/node");
    assert_eq!(base("ghcr.io/acme/node:22-alpine").libc, Libc::Musl);
    assert_eq!(base("node:22.11.0-bookworm").flavour, BaseFlavour::Custom);
}

/// What a user sees when a plan is impossible.
#[test]
fn impossible_plans() {
    type Change = fn(&mut Sample);
    let cases: Vec<(&str, Change)> = vec![
        ("no image name", |s| s.facts.name.value = "日本".to_owned()),
        ("tag rule that is neither on nor off", |s| s.tags(&["type=sha,enable={{tag}}"])),
        ("nothing to push", |s| {
            s.tags(&["type=semver,pattern={{version}}"]);
            s.publish.push = Some(from_flag(PushPolicy::Always, "--push"));
        }),
        ("no registry to push to", |s| s.publish.push = Some(from_flag(PushPolicy::Always, "--push"))),
        ("no owner in a registry", |s| {
            s.publish.registry = Some(from_flag("ghcr.io".to_owned(), "--registry"));
            s.publish.push = Some(from_flag(PushPolicy::Always, "--push"));
        }),
        ("too long for a repository", |s| {
            s.publish.registry = Some(from_flag("registry.gitlab.com".to_owned(), "--registry"));
            s.ci.registry_image = Some(format!("registry.gitlab.com/{}", "a".repeat(256)));
        }),
        ("bad base", |s| s.settings.base = Some(from_flag("node:22 AS x\nRUN id".to_owned(), "--base"))),
        ("bad variable", |s| s.plain("A B", "x")),
        ("NUL", |s| s.plain("A", "x\0y")),
        ("secret id", |s| {
            let value = SecretValue::File("/x".into());
            s.settings.secrets = vec![from_flag(SecretSource { id: "a,b".to_owned(), value }, "--secret")];
        }),
        ("bad label", |s| {
            s.settings.labels.insert("a b".to_owned(), from_flag(String::new(), "--label"));
        }),
        ("label with line break", |s| {
            s.settings.labels.insert("a".to_owned(), from_flag("x\nUSER 0".to_owned(), "--label"));
        }),
        ("empty start command", |s| s.settings.start_command = Some(from_flag(Vec::new(), "--start-command"))),
        ("start command with export", |s| {
            s.facts.config.output = StaticValue::Value(from_file(OutputMode::Export, "next.config.mjs"));
            s.settings.start_command =
                Some(from_flag(vec!["node".to_owned(), "main.js".to_owned()], "--start-command"));
        }),
        ("shell in distroless", |s| {
            s.settings.base = Some(from_flag("distroless".to_owned(), "--base"));
            s.facts.start = custom_start("migrate && node server.js");
        }),
    ];
    let mut text = String::new();
    for (name, change) in cases {
        let mut sample = Sample::npm();
        change(&mut sample);
        let error = sample.try_plan().expect_err(name);
        assert_eq!(error.exit_code() as u8, 3);
        let hints = error.hints().join("; ");
        writeln!(text, "{name}\n  error[{}]: {error}\n  hint: {hints}", error.code()).unwrap();
    }
    insta::assert_snapshot!(text);
}
