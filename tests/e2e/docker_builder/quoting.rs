//! No value of a project can escape its instruction in the Dockerfile: a real build with hostile values, read back from the image.
//!
//! The Dockerfile is the real one; only Next.js is missing: the app's build script records its environment.

use nextdeploy::builder::BuildSecret;
use nextdeploy::config::settings::{EnvScope, EnvSetting, EnvValue, PublishSettings, SecretValue, Settings};
use nextdeploy::docker::build::ContextBody;
use nextdeploy::image::dockerfile::{BuildContext, BuilderBackend, ContextContent, DOCKERFILE_NAME, context, render};
use nextdeploy::image::plan::{ImagePlan, Inputs, plan_image};
use nextdeploy::origin::{Origin, Sourced};
use nextdeploy::project::{
    BuildScript, InstallNeeds, Lockfile, LockfileUse, NamedScript, NextConfig, NextVersion, NodeRequirement,
    PackageManager, PackageManagerKind, ProjectFacts, Routers, StartScript, Workspace, WorkspacePackage,
};
use nextdeploy::rel_path::RelPath;
use nextdeploy::repo::ci::CiContext;
use nextdeploy::repo::{Exclusions, SourceTree};
use nextdeploy::secret::Secret;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::harness::{Cleanup, build_until, docker, engine, request};

const APP_DIR: &str = "apps/we b'$(touch -- owned)\" #\\";
const PACKAGE_DIR: &str = "packages/`touch owned`;&& x";
const ODD_FILES: [&str; 4] = ["line\nbreak.txt", "RUN touch owned", "-rf", "é 'q' \"d\" $HOME"];

/// Writes its arguments, environment and folder to a file in the image.
const RECORD: &str = r"
const fs = require('fs')
fs.mkdirSync('/seen', { recursive: true })
const seen = { env: process.env, cwd: process.cwd(), extra: process.argv.slice(3) }
fs.writeFileSync('/seen/' + process.argv[2] + '.json', JSON.stringify(seen))
";
/// Stands in for assembling the output of Next.js.
const ASSEMBLE: &str = r"
const fs = require('fs')
if (process.argv[2] !== 'env') {
  for (const layer of ['node_modules', 'server', 'static', 'keys']) fs.mkdirSync('/out/' + layer + '/app', { recursive: true })
  fs.writeFileSync('/seen/files.json', JSON.stringify(fs.readdirSync('/app')))
  fs.writeFileSync('/seen/owned.json', JSON.stringify(['/owned', '/app/owned', process.cwd() + '/owned'].filter((f) => fs.existsSync(f))))
  fs.cpSync('/seen', '/out/server/seen', { recursive: true })
}
";

fn value<T>(value: T) -> Sourced<T> {
    Sourced::new(value, Origin::Default("test".to_owned()))
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

/// Values that break naive quoting, and everything else.
fn hostile_values(count: usize, lines: bool) -> Vec<String> {
    let pieces =
        ["\"", "'", "\\", "$", "${HOME}", "`id`", "$(id)", "#", " ", "  ", "=", "a", "é", "\u{1F600}", "\t", "<<EOF"];
    let breaks = ["\n", "\nRUN touch /owned\n", "\r\n", "\u{1b}[31m", "\u{7f}", "\\\n"];
    let alphabet: Vec<&'static str> = if lines { pieces.into_iter().chain(breaks).collect() } else { pieces.to_vec() };
    let tricky =
        proptest::collection::vec(proptest::sample::select(alphabet), 0..12).prop_map(|pieces| pieces.concat());
    let any = any::<String>()
        .prop_map(move |text| text.chars().filter(|c| *c != '\0' && (lines || !c.is_control())).collect::<String>());
    let strategy = prop_oneof![tricky, any];
    let mut runner = TestRunner::default();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

fn facts() -> ProjectFacts {
    let script = |name: &str| NamedScript { name: name.to_owned(), command: "node record.cjs".to_owned() };
    ProjectFacts {
        name: value("shop\"; touch owned".to_owned()),
        app_dir: path(APP_DIR),
        next_dir: path(APP_DIR),
        version: Some(value("1.0.0 $(touch /owned) \" \\".to_owned())),

        description: None,
        license: None,
        package_manager: value(PackageManager {
            kind: PackageManagerKind::Npm,
            version: None,
            yarn_path: None,
            yarn_linker: None,
        }),
        lockfile: Lockfile { path: path("package-lock.json"), format: "3".to_owned(), install: LockfileUse::Frozen },
        node: value(NodeRequirement { major: 22, exact: None, requested: "22".to_owned() }),
        next: value(NextVersion { major: 16, minor: 4, patch: 5, text: "16.4.5".to_owned() }),
        routers: Routers::default(),
        middleware: None,
        config: NextConfig::default(),
        build: BuildScript {
            script: Some(value(script("build; touch 'owned\""))),
            bundler_flag: None,
            replaces_node_options: false,
        },
        start: StartScript::Next,
        start_environment: std::collections::BTreeMap::new(),
        server_imports: Vec::new(),
        declared: nextdeploy::project::DeclaredPackages::default(),
        port: None,
        workspace: Some(Workspace {
            declared_in: path("package.json"),
            tool: None,
            build_task: None,
            packages: vec![WorkspacePackage {
                name: "ui".to_owned(),
                dir: path(PACKAGE_DIR),
                scripts: [("build".to_owned(), "node record.cjs".to_owned())].into(),
            }],
            build_order: vec!["ui".to_owned()],
            apps: Vec::new(),
        }),
        install: InstallNeeds { manifests: vec![path("package.json")], ..InstallNeeds::default() },
        env_files: Vec::new(),
        wanted_variables: Vec::new(),
        own_dockerfile: None,
        warnings: Vec::new(),
    }
}

fn write_project(root: &std::path::Path) {
    let write = |name: &str, text: &str| {
        let file = root.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    write("package.json", r#"{ "name": "shop", "version": "1.0.0", "private": true }"#);
    write(
        "package-lock.json",
        r#"{ "name": "shop", "version": "1.0.0", "lockfileVersion": 3, "packages": { "": { "name": "shop", "version": "1.0.0" } } }"#,
    );
    for name in ODD_FILES {
        write(name, "x");
    }
    let scripts = |name: &str, script: &str| serde_json::json!({ "name": name, "scripts": { script: format!("node record.cjs {name}") } });
    for (dir, name, script) in [(APP_DIR, "app", "build; touch 'owned\""), (PACKAGE_DIR, "ui", "build")] {
        write(&format!("{dir}/package.json"), &scripts(name, script).to_string());
        write(&format!("{dir}/record.cjs"), RECORD);
    }
}

/// The context with the recorder instead of the real assembly.
fn recording(mut context: BuildContext) -> BuildContext {
    for entry in &mut context.entries {
        match entry.path.to_str() {
            Some("nextdeploy/assemble.cjs") => entry.content = ContextContent::Generated(ASSEMBLE.as_bytes().to_vec()),
            Some("nextdeploy/pin-build-id.cjs") => entry.content = ContextContent::Generated(Vec::new()),
            _ => {}
        }
    }
    context
}

fn launcher_env(context: &BuildContext) -> Value {
    let plan = context.entries.iter().find(|entry| entry.path.to_str() == Some("nextdeploy/plan.json")).unwrap();
    match &plan.content {
        ContextContent::Generated(bytes) => serde_json::from_slice::<Value>(bytes).unwrap()["env"].clone(),
        other => panic!("plan.json is {other:?}"),
    }
}

fn secrets(plan: &ImagePlan) -> Vec<BuildSecret> {
    let value = |value: &SecretValue| match value {
        SecretValue::Value(text) => Secret::new(text.expose().clone().into_bytes()),
        SecretValue::File(path) => panic!("no secret of this test is a file: {}", path.display()),
    };
    plan.secrets.iter().map(|secret| BuildSecret { id: secret.id.clone(), value: value(&secret.value) }).collect()
}

#[tokio::test]
async fn no_value_escapes_its_instruction() {
    let _cleanup = Cleanup(&["quoting"]);
    let (for_image, for_build, for_labels) =
        (hostile_values(150, true), hostile_values(60, true), hostile_values(60, false));
    let mut settings = Settings::default();
    let mut set = |name: String, text: &str, scope| {
        let setting = EnvSetting { value: EnvValue::Plain(text.to_owned()), scope };
        settings.env.insert(name, value(setting));
    };
    for (at, text) in for_image.iter().enumerate() {
        set(format!("IMAGE_{at}"), text, EnvScope::Image);
    }
    for (at, text) in for_build.iter().enumerate() {
        set(format!("BUILD_{at}"), text, EnvScope::Build);
    }
    for (at, text) in for_labels.iter().enumerate() {
        settings.labels.insert(format!("nd.test.{at}"), value(text.clone()));
    }
    let ci = CiContext {
        commit: Some("0123\"; RUN touch /owned".to_owned()),
        branch: Some("feature/$(touch /owned)\nRUN touch /owned".to_owned()),
        tag: Some("v1\\\" $HOME `id`".to_owned()),
        repository_url: Some("https://example.com/a\nUSER 0".to_owned()),
        ..CiContext::default()
    };
    let folder = tempfile::tempdir().unwrap();
    write_project(folder.path());
    let tree = SourceTree::read(folder.path(), Exclusions::Standard, None).unwrap();
    let plan = plan_image(Inputs {
        settings: &settings,
        publish: &PublishSettings::default(),
        ci: &ci,
        facts: &facts(),
        tree: &tree,
    })
    .unwrap();
    let text = render(&plan, BuilderBackend::BuildKit).unwrap();
    let context = recording(context(&plan, &text, &tree, tree.entries()).unwrap());
    let from_launcher = launcher_env(&context);

    let mut request = request("quoting");
    request.dockerfile = DOCKERFILE_NAME.to_owned();
    request.secrets = secrets(&plan);
    let built = build_until(&engine(&[]).await, &request, ContextBody::of(context), std::future::pending()).await;
    let image = &built.image().id;

    let inspected = docker(&["image", "inspect", image]);
    let config = serde_json::from_str::<Vec<Value>>(&inspected).unwrap().remove(0)["Config"].take();
    assert_eq!((config["User"].as_str(), config["Entrypoint"][0].as_str()), (Some("1001:0"), Some("node")));
    let environment: std::collections::BTreeMap<&str, &str> =
        config["Env"].as_array().unwrap().iter().filter_map(|line| line.as_str()?.split_once('=')).collect();
    for (at, text) in for_image.iter().enumerate() {
        let name = format!("IMAGE_{at}");
        let found = environment.get(name.as_str()).copied().or_else(|| from_launcher[&name].as_str());
        assert_eq!(found, Some(text.as_str()), "{name}");
    }
    for (at, text) in for_labels.iter().enumerate() {
        assert_eq!(config["Labels"][format!("nd.test.{at}")].as_str(), Some(text.as_str()), "label {at}");
    }
    assert_eq!(config["Labels"]["org.opencontainers.image.version"], "v1\\\" $HOME `id`");

    let seen = |name: &str| -> Value {
        let file = format!("/seen/{name}.json");
        serde_json::from_str(&docker(&["run", "--rm", "--entrypoint", "cat", image, &file])).unwrap()
    };
    let app = seen("app");
    assert_eq!(app["cwd"], format!("/app/{APP_DIR}"));
    assert_eq!(seen("ui")["cwd"], format!("/app/{PACKAGE_DIR}"));
    for (at, text) in for_build.iter().enumerate() {
        let name = format!("BUILD_{at}");
        // A value that looks like a secret comes from a file; a shell drops its trailing line breaks.
        let secret = plan.secrets.iter().any(|secret| secret.id == name);
        let expected = if secret { text.trim_end_matches('\n') } else { text };
        assert_eq!(app["env"][&name].as_str(), Some(expected), "{name}");
    }
    let files = seen("files");
    for name in ODD_FILES {
        assert!(files.as_array().unwrap().iter().any(|file| file == name), "{name:?} in {files}");
    }
    assert_eq!(seen("owned"), serde_json::json!([]));
}
