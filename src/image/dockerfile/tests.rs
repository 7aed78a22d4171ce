use std::path::Path;

use super::*;
use crate::config::settings::{EnvScope, EnvValue, SecretSource, SecretValue};
use crate::diagnostic::Diagnostic;
use crate::image::plan::sample::{Sample, from_file, from_flag, path};
use crate::project::*;
use crate::secret::Secret;

fn dockerfile(sample: &Sample) -> String {
    render(&sample.plan(), BuilderBackend::BuildKit).unwrap()
}

fn entries(sample: &Sample) -> BuildContext {
    let plan = sample.plan();
    context(&plan, &dockerfile(sample), &sample.tree, sample.tree.entries()).unwrap()
}

fn text_of<'a>(context: &'a BuildContext, path: &str) -> &'a str {
    let entry =
        context.entries.iter().find(|entry| entry.path == Path::new(path)).unwrap_or_else(|| panic!("no {path}"));
    match &entry.content {
        ContextContent::Generated(bytes) => std::str::from_utf8(bytes).unwrap(),
        other => panic!("{path} is {other:?}"),
    }
}

fn custom_server(mut sample: Sample) -> Sample {
    let script = NamedScript { name: "start".to_owned(), command: "node server.js".to_owned() };
    sample.facts.start = StartScript::Custom(from_file(script, "package.json#scripts.start"));
    sample
}

#[test]
fn npm() {
    insta::assert_snapshot!(dockerfile(&Sample::npm()));
}

#[test]
fn yarn_classic_with_image_optimiser() {
    insta::assert_snapshot!(dockerfile(&Sample::new("yarn", Some("1.22.22"), "13.5.11")));
}

#[test]
fn yarn_berry_from_the_repository() {
    let mut sample = Sample::new("yarn", Some("4.12.0"), "15.5.28");
    let release = path(".yarn/releases/yarn-4.12.0.cjs");
    sample.facts.package_manager.value.yarn_path = Some(release.clone());
    sample.facts.install.files = vec![release];
    insta::assert_snapshot!(dockerfile(&sample));
}

#[test]
fn pnpm_and_turbo_workspace_with_private_registry() {
    let mut sample = Sample::new("pnpm", Some("10.12.4"), "16.4.5").in_workspace(Some(WorkspaceTool::Turbo));
    sample.facts.install.config_files = vec![path(".npmrc"), path("pnpm-workspace.yaml")];
    sample.facts.install.variables = vec![from_file("NPM_TOKEN".to_owned(), ".npmrc")];
    let secret = |id: &str, text: &str| {
        let value = SecretValue::Value(Secret::new(text.to_owned()));
        from_flag(SecretSource { id: id.to_owned(), value }, "--secret")
    };
    sample.settings.secrets = vec![secret("NPM_TOKEN", "hush"), secret("npmrc", "hush")];
    sample.settings.ca_bundle = Some(from_flag("/etc/ca.pem".into(), "--ca-bundle"));
    let text = dockerfile(&sample);
    assert!(!text.contains("hush"));
    insta::assert_snapshot!(text);
}

#[test]
fn bun_custom_server_on_alpine() {
    let mut sample = custom_server(Sample::new("bun", Some("1.3.11"), "16.4.5"));
    sample.settings.base = Some(from_flag("alpine".to_owned(), "--base"));
    sample.facts.install.prisma =
        Some(Prisma { version: Some("6.1.0".to_owned()), schemas: vec![], client: PrismaClient::default() });
    insta::assert_snapshot!(dockerfile(&sample));
}

/// Compilers in the build stages, libraries and the user's packages in both, with fixed times in the image.
#[test]
fn system_packages() {
    let mut sample = custom_server(Sample::npm());
    let module = NativeModule { name: "libpq".to_owned(), version: "1.8.13".to_owned(), development_only: false };
    sample.facts.install.native_modules = vec![module];
    sample.settings.packages = vec![from_flag("libx=1:2~3".to_owned(), "--package")];
    insta::assert_snapshot!(dockerfile(&sample));
    sample.settings.base = Some(from_flag("distroless".to_owned(), "--base"));
    sample.settings.packages.clear();
    let text = dockerfile(&sample);
    assert!(!text[text.find("AS runtime").unwrap()..].contains("\nRUN "), "{text}");
}

#[test]
fn keys_and_certificates_reach_git_and_bun() {
    let mut sample = Sample::new("bun", Some("1.1.45"), "16.4.5");
    sample.settings.ca_bundle = Some(from_flag("/etc/ca.pem".into(), "--ca-bundle"));
    let key = SecretSource { id: "ssh-key".to_owned(), value: SecretValue::File("/key".into()) };
    sample.settings.secrets = vec![from_flag(key, "--secret-file")];
    let text = dockerfile(&sample);
    assert!(text.contains("SSL_CERT_FILE=/run/secrets/nextdeploy-ca"), "{text}");
    assert!(text.contains(r#"export GIT_SSH_COMMAND="ssh -i /run/secrets/ssh-key "#), "{text}");
}

/// pnpm copies the manifest, too.
#[test]
fn copied_packages_keep_their_manifest() {
    let mut sample = Sample::new("pnpm", Some("10.12.4"), "14.2.35").in_workspace(None);
    sample.facts.install.copied_manifests = vec![path("packages/ui/package.json")];
    let manifest = r#"{ "name": "@acme/ui", "main": "index.js", "scripts": { "prepare": "tsc" } }"#;
    sample.tree.set_text("packages/ui/package.json", crate::repo::SourceText::Text(manifest.to_owned()));
    let context = entries(&sample);
    let sent: serde_json::Value = serde_json::from_str(text_of(&context, "deps/packages/ui/package.json")).unwrap();
    assert_eq!(sent, serde_json::json!({ "name": "@acme/ui", "main": "index.js" }));
}

#[test]
fn distroless_has_no_shell_in_the_image() {
    let mut sample = Sample::npm();
    sample.settings.base = Some(from_flag("distroless".to_owned(), "--base"));
    let text = dockerfile(&sample);
    let runtime = &text[text.find("AS runtime").unwrap()..];
    assert!(!runtime.contains("\nRUN "), "{runtime}");
    assert!(runtime.contains(r#"ENTRYPOINT ["/nodejs/bin/node","/nextdeploy/launcher.cjs"]"#), "{runtime}");
}

#[test]
fn without_buildkit_there_are_no_mounts_and_no_secrets() {
    let mut sample = Sample::npm();
    let text = render(&sample.plan(), BuilderBackend::Classic).unwrap();
    assert!(!text.contains("--mount"), "{text}");
    sample.env("TOKEN", EnvValue::Secret(Secret::new("hush".to_owned())), EnvScope::Auto);
    let error = render(&sample.plan(), BuilderBackend::Classic).unwrap_err();
    assert_eq!(error.code(), "dockerfile/secrets-need-buildkit");
    assert!(error.to_string().contains("`TOKEN`"));
}

/// Values that would end a line, a string or a word, in every place that takes one.
#[test]
fn hostile_values_stay_in_their_place() {
    let hostile = "x\"; \\ $HOME `id` $(id) 'q' #c \u{1F600} \\";
    let mut sample = Sample::npm().in_workspace(None);
    sample.plain("INLINE", hostile);
    sample.plain("LINES", "a\nRUN touch /owned\nUSER 0");
    sample.settings.labels.insert("note".to_owned(), from_flag(hostile.to_owned(), "--label"));
    sample.ci.commit = Some("abc\nRUN touch /owned".to_owned());
    sample.tree.git.as_mut().unwrap().commit = None;
    sample.ci.tag = Some(hostile.to_owned());
    sample.facts.next_dir = path("apps/we b'$(id)\"");
    sample.facts.app_dir = path("apps/we b'$(id)\"");
    sample.facts.build.script.as_mut().unwrap().value.name = "build; touch /owned".to_owned();
    let text = dockerfile(&sample);
    insta::assert_snapshot!(text);
    let instructions = [
        "#",
        "FROM ",
        "ENV ",
        "WORKDIR ",
        "COPY ",
        "RUN ",
        "LABEL ",
        "EXPOSE ",
        "USER ",
        "STOPSIGNAL ",
        "HEALTHCHECK ",
        "ENTRYPOINT ",
        "CMD ",
        "    ",
    ];
    for line in text.lines().filter(|line| !line.is_empty()) {
        assert!(instructions.iter().any(|start| line.starts_with(start)), "{line}");
    }
    let file: serde_json::Value = serde_json::from_str(text_of(&entries(&sample), "nextdeploy/plan.json")).unwrap();
    assert_eq!(file["env"]["LINES"], "a\nRUN touch /owned\nUSER 0");
}

#[test]
fn the_context_of_a_workspace() {
    let sample = Sample::new("pnpm", Some("10.12.4"), "14.2.35").in_workspace(None);
    let context = entries(&sample);
    let paths: Vec<String> =
        context.entries.iter().map(|entry| format!("{:o} {}", entry.mode, entry.path.display())).collect();
    insta::assert_snapshot!(paths.join("\n"));
    assert!(!text_of(&context, "deps/apps/web/package.json").contains("next build"));
    insta::assert_snapshot!("plan_file", text_of(&context, "nextdeploy/plan.json"));
}

#[test]
fn environment_files_enter_only_when_tracked() {
    let mut sample = Sample::npm();
    let git = sample.tree.git.take();
    let texts = [
        ".env",
        ".env.production",
        ".env.local",
        ".env.example",
        ".envrc",
        ".env_backup",
        "prod.env",
        "tracked.env",
        "src/env.ts",
        "next-env.d.ts",
        "apps/.env.test",
        "package.json",
        ".pnp.cjs",
        ".nextdeploy/metadata.json",
        "nextdeploy.yml",
        "build/server/app.js",
    ];
    sample.facts.config.dist_dir = crate::project::StaticValue::Value(from_file("build".to_owned(), "next.config.mjs"));
    sample.tree = crate::repo::SourceTree::from_texts(texts.map(|name| (name, "{}")));
    sample.tree.git = git;
    sample.tree.git.as_mut().unwrap().tracked_env_files =
        [".env", ".env.local", "tracked.env"].map(str::to_owned).into();
    let context = entries(&sample);
    let sent: Vec<_> = context.entries.iter().filter_map(|entry| entry.path.to_str()?.strip_prefix("app/")).collect();
    assert_eq!(
        sent,
        [".env", ".env.example", "apps", "next-env.d.ts", "package.json", "src", "src/env.ts", "tracked.env"]
    );
}

#[test]
fn entries_are_unique_and_follow_their_parents() {
    let context = entries(&Sample::new("yarn", Some("4.12.0"), "14.2.35").in_workspace(None));
    let mut seen = std::collections::BTreeSet::new();
    for entry in &context.entries {
        for parent in entry.path.ancestors().skip(1).filter(|parent| *parent != Path::new("")) {
            assert!(seen.contains(parent), "{} before {}", entry.path.display(), parent.display());
        }
        assert!(seen.insert(entry.path.as_path()), "{} twice", entry.path.display());
    }
}

#[test]
fn an_ejected_dockerfile_copies_from_the_repository() {
    let mut sample = Sample::new("pnpm", Some("10.12.4"), "14.2.35").in_workspace(None);
    sample.facts.install.config_files = vec![path(".npmrc")];
    sample.tree.git.as_mut().unwrap().tracked_env_files =
        ["apps/web/.env", "apps/web/.env.local"].map(str::to_owned).into();
    let files = eject(&sample.plan(), &sample.tree).unwrap();
    let content = |name: &str| &files.iter().find(|file| file.path == Path::new(name)).unwrap().content;
    insta::assert_snapshot!(content("Dockerfile"));
    insta::assert_snapshot!("ejected_dockerignore", content(".dockerignore"));
    let inputs: serde_json::Value = serde_json::from_str(content(".nextdeploy/image/inputs.json")).unwrap();
    assert_eq!(inputs["manifests"][1], "apps/web/package.json");
    assert!(!content("Dockerfile").contains("revision"), "a commit is true for one build only");
}

#[test]
fn an_own_dockerignore_is_kept() {
    let mut sample = Sample::npm();
    sample.tree = crate::repo::SourceTree::from_texts([(".dockerignore", "docs\n"), ("package.json", "{}")]);
    let files = eject(&sample.plan(), &sample.tree).unwrap();
    let rules = files.iter().find(|file| file.path == Path::new("Dockerfile.dockerignore")).unwrap();
    assert!(rules.content.starts_with("docs\n"), "{}", rules.content);
}

#[test]
fn an_app_with_its_own_lockfile_is_installed_in_its_folder() {
    let mut sample = Sample::npm();
    sample.facts.app_dir = path("web site");
    sample.facts.next_dir = path("web site");
    sample.facts.lockfile.path = path("web site/package-lock.json");
    sample.facts.install.manifests = vec![path("web site/package.json")];
    sample.facts.build.script = None;
    let text = dockerfile(&sample);
    assert!(text.contains(r"cd '/app/web site' && npm ci"), "{text}");
    assert!(
        text.contains(r"(cd '/app/web site' && PATH='/app/web site/node_modules/.bin':$PATH next build)"),
        "{text}"
    );
}
