//! Writing, checking and the schemas.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::metadata::check as check_record;
use crate::config::metadata::nextdeploy_yml::FIELDS;
use crate::config::metadata::reader::FLAT_KEYS;
use crate::config::metadata::tests::{FLAT, PAYLOADS, YAML};
use crate::config::metadata::{BuildLock, CheckError, ConfigFiles, Metadata, Overrides, Record, schemas};
use crate::config::setting::CliSettings;
use crate::config::settings::resolve;
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::host::Environment;
use crate::origin::{Origin, Sourced};
use crate::project::{
    BuildScript, DeclaredPackages, InstallNeeds, Lockfile, LockfileUse, NamedScript, NextConfig, NextVersion,
    NodeRequirement, OutputMode, PackageManager, PackageManagerKind, ProjectFacts, Routers, StartScript, StaticValue,
};
use crate::rel_path::RelPath;
use crate::repo::{GitFacts, SourceTree};

const FILES: &[(&str, &str)] = &[
    ("package.json", "{}"),
    ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
    ("apps/web/package.json", "{\"name\": \"web\"}"),
    ("apps/web/next.config.mjs", "export default {}\n"),
    ("apps/web/app/page.tsx", ""),
    ("apps/web/app/product/[id]/page.tsx", ""),
    ("apps/web/app/api/health/route.ts", ""),
    ("apps/web/middleware.ts", ""),
];

fn path(path: &str) -> RelPath {
    RelPath::new(path).unwrap()
}

fn from<T>(value: T) -> Sourced<T> {
    Sourced::new(value, Origin::File("package.json".to_owned()))
}

fn facts() -> ProjectFacts {
    let script = NamedScript { name: "build".into(), command: "next build".into() };
    ProjectFacts {
        name: from("web".into()),
        app_dir: path("apps/web"),
        next_dir: path("apps/web"),
        version: None,

        description: None,
        license: None,
        package_manager: from(PackageManager {
            kind: PackageManagerKind::Pnpm,
            version: Some(from("9.15.0".into())),
            yarn_path: None,
            yarn_linker: None,
        }),
        lockfile: Lockfile { path: path("pnpm-lock.yaml"), format: "9.0".into(), install: LockfileUse::Frozen },
        node: from(NodeRequirement { major: 22, exact: None, requested: "22".into() }),
        next: from(NextVersion { major: 15, minor: 5, patch: 2, text: "15.5.2".into() }),
        routers: Routers { app: Some(path("apps/web/app")), pages: None, src_layout: false },
        middleware: Some(path("apps/web/middleware.ts")),
        config: NextConfig {
            file: Some(path("apps/web/next.config.mjs")),
            output: StaticValue::Value(from(OutputMode::Standalone)),
            ..NextConfig::default()
        },
        build: BuildScript { script: Some(from(script)), bundler_flag: None, replaces_node_options: false },
        start: StartScript::Next,
        start_environment: BTreeMap::new(),
        server_imports: Vec::new(),
        declared: DeclaredPackages::default(),
        port: None,
        workspace: None,
        install: InstallNeeds { manifests: vec![path("package.json")], ..InstallNeeds::default() },
        env_files: Vec::new(),
        wanted_variables: Vec::new(),
        own_dockerfile: None,
        warnings: Vec::new(),
    }
}

fn git() -> GitFacts {
    let commit = "0123456789abcdef0123456789abcdef01234567".to_owned();
    GitFacts { commit: Some(commit), commit_time: Some(1_770_000_000), ..GitFacts::default() }
}

fn tree(more: &[(&str, &str)]) -> SourceTree {
    let mut tree = SourceTree::from_texts(FILES.iter().chain(more).copied());
    tree.git = Some(git());
    tree
}

fn record() -> Record {
    Record::of(&tree(&[]), &facts(), &Overrides::default())
}

/// The repository with a written record, after `edit` changed the two texts.
fn checked(edit: impl Fn(String, String) -> (String, String), now: &Record) -> Result<(), CheckError> {
    let written = record();
    let (metadata, lock) = edit(written.metadata_text(), written.lock_text());
    let files = [("apps/web/.nextdeploy/metadata.json", metadata.as_str()), ("apps/web/.nextdeploy/build.lock", &lock)];
    check_record(&tree(&files), now)
}

#[test]
fn the_two_files() {
    let record = record();
    assert_eq!(record.metadata_path.as_str(), "apps/web/.nextdeploy/metadata.json");
    assert_eq!(record.lock_path.as_str(), "apps/web/.nextdeploy/build.lock");
    insta::assert_snapshot!(format!("{}{}", record.metadata_text(), record.lock_text()));
}

#[test]
fn settings_are_recorded_and_the_record_reads_back_as_the_same_settings() {
    let overrides = Overrides {
        name: Some("shop".into()),
        build_command: Some("pnpm run build:web".into()),
        start_command: Some(vec!["node".into(), "my server.js".into(), "it's".into()]),
        port: Some(8080),
        health_path: Some("/api/health".into()),
    };
    let tree = tree(&[]);
    let record = Record::of(&tree, &facts(), &overrides);
    let text = record.metadata_text();
    let file = (std::path::Path::new("apps/web/.nextdeploy/metadata.json"), text.as_bytes());
    let files = ConfigFiles::read(&tree, &path("apps/web"), Some(file)).unwrap();
    let settings = resolve(&CliSettings::default(), &Environment::default(), &files).unwrap().settings;
    let again = Record::of(&tree, &facts(), &settings.overrides());
    assert_eq!(again, record);
    assert_eq!(settings.app.unwrap().value, "apps/web");
    assert_eq!(settings.start_command.unwrap().value, ["node", "my server.js", "it's"]);
    assert_eq!(serde_json::from_str::<Metadata>(&text).unwrap(), record.metadata);
    assert_eq!(serde_json::from_str::<BuildLock>(&record.lock_text()).unwrap(), record.lock);
}

#[test]
fn the_same_checkout_gives_the_same_bytes_anywhere() {
    let mut elsewhere = tree(&[]);
    elsewhere.root = "/somewhere/else".into();
    let other = Record::of(&elsewhere, &facts(), &Overrides::default());
    assert_eq!((other.metadata_text(), other.lock_text()), (record().metadata_text(), record().lock_text()));
    assert!(!record().metadata_text().contains("/repository"));
}

#[test]
fn without_git_there_is_neither_commit_nor_time() {
    let mut tree = tree(&[]);
    tree.git = None;
    let text = Record::of(&tree, &facts(), &Overrides::default()).metadata_text();
    assert!(!text.contains("git_") && !text.contains("generated_at"), "{text}");
}

#[test]
fn a_fresh_record_passes() {
    checked(|metadata, lock| (metadata, lock), &record()).unwrap();
}

#[test]
fn every_difference_is_listed() {
    let mut changed = facts();
    changed.node.value.major = 24;
    changed.config.output = StaticValue::Unknown { reason: "a function".into(), line: 1 };
    changed.middleware = None;
    let mut later = tree(&[("apps/web/app/about/page.tsx", "")]);
    later.git = Some(GitFacts { dirty: true, commit: Some("f".repeat(40)), ..git() });
    let mut now = Record::of(&later, &changed, &Overrides::default());
    now.lock.inputs.insert("pnpm-lock.yaml".into(), "sha256:00".into());
    let error = checked(|metadata, lock| (metadata, lock), &now).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("metadata/stale", ExitCode::Project));
    let CheckError::Stale { differences, .. } = &error else { panic!("{error}") };
    insta::assert_snapshot!(differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}

#[test]
fn an_edited_record_is_stale() {
    let edited = checked(|metadata, lock| (metadata.replace("15.5.2", "15.5.3"), lock), &record()).unwrap_err();
    assert!(edited.to_string().ends_with("`next_version` was `15.5.3` and is `15.5.2`"), "{edited}");
    // Other bytes with the same meaning.
    let reformatted = checked(|metadata, lock| (metadata.replace("  ", " "), lock), &record());
    assert_eq!(reformatted, Ok(()));
}

#[test]
fn a_record_that_cannot_be_compared() {
    let code = |edit: fn(String, String) -> (String, String)| checked(edit, &record()).unwrap_err().code();
    assert_eq!(
        check_record(&tree(&[]), &record()).unwrap_err().to_string(),
        "`apps/web/.nextdeploy/metadata.json` is missing"
    );
    assert_eq!(code(|_, lock| (PAYLOADS[0].1.to_owned(), lock)), "metadata/foreign");
    assert_eq!(
        code(|metadata, _| (
            metadata,
            include_str!("../../../../tests/it/samples/build-lock-2026-02-22.json").to_owned()
        )),
        "metadata/foreign"
    );
    assert_eq!(
        code(|metadata, lock| (metadata.replace("\"schema_version\": 1", "\"schema_version\": 2"), lock)),
        "metadata/foreign"
    );
    assert_eq!(code(|metadata, lock| (metadata[..40].to_owned(), lock)), "metadata/syntax");
    assert_eq!(code(|_, lock| (String::new(), lock)), "metadata/empty");
}

fn validator(name: &str) -> jsonschema::Validator {
    let schemas = schemas();
    let (_, schema) = schemas.iter().find(|(known, _)| *known == name).unwrap();
    jsonschema::validator_for(schema.as_value()).unwrap()
}

fn problems(name: &str, instance: &Value) -> Vec<String> {
    validator(name).iter_errors(instance).map(|error| format!("{} {error}", error.instance_path())).collect()
}

#[test]
fn every_sample_fits_its_schema() {
    let nothing: Vec<String> = Vec::new();
    for (schema, samples) in [("metadata.json", FLAT), ("payload", PAYLOADS)] {
        for (name, text) in samples {
            assert_eq!(problems(schema, &serde_json::from_str(text).unwrap()), nothing, "{name}");
        }
    }
    for (name, text) in YAML {
        assert_eq!(problems("nextdeploy.yml", &serde_saphyr::from_str(text).unwrap()), nothing, "{name}");
    }
}

#[test]
fn what_is_written_fits_its_schema() {
    let record = record();
    let nothing: Vec<String> = Vec::new();
    assert_eq!(problems(".nextdeploy/metadata.json", &serde_json::to_value(&record.metadata).unwrap()), nothing);
    assert_eq!(problems(".nextdeploy/build.lock", &serde_json::to_value(&record.lock).unwrap()), nothing);
}

#[test]
fn schemas_refuse_what_reading_refuses() {
    for text in [
        r#"{"port": 70000}"#,
        r#"{"port": true}"#,
        r#"{"app_name": 5}"#,
        r#"{"env_vars": "A=1"}"#,
        r#"{"env_vars": {"A": [1]}}"#,
        r#"{"package_manager": "cargo"}"#,
        r#"{"output_mode": "serverless"}"#,
        r#"{"entrypoint": [1]}"#,
        "[]",
    ] {
        assert!(!problems("metadata.json", &serde_json::from_str(text).unwrap()).is_empty(), "{text}");
    }
    assert!(!problems("nextdeploy.yml", &serde_json::json!({"environment": [{"value": "x"}]})).is_empty());
    assert!(!problems("nextdeploy.yml", &serde_json::json!({"app": {"port": "many"}})).is_empty());
    assert!(!problems(".nextdeploy/metadata.json", &serde_json::json!({"schema_version": 1})).is_empty());
}

/// Names of the properties of an object of a schema, `path` naming the definitions on the way.
fn properties(name: &str, definition: Option<&str>) -> Vec<String> {
    let schemas = schemas();
    let schema = schemas.iter().find(|(known, _)| *known == name).unwrap().1.as_value().clone();
    let object = definition.map_or(&schema, |definition| &schema["$defs"][definition]);
    object["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn schemas_and_readers_know_the_same_fields() {
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let flat = FLAT_KEYS.iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(sorted(properties("metadata.json", None)), sorted(flat));
    let known: BTreeMap<&str, &[&str]> = FIELDS.iter().copied().collect();
    let all = known[""].iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(sorted(properties("nextdeploy.yml", None)), sorted(all));
    for (path, definition) in
        [("app", "App"), ("docker", "Docker"), ("docker.build", "DockerBuild"), ("environment[]", "Variable")]
    {
        for field in properties("nextdeploy.yml", Some(definition)) {
            assert!(known[path].contains(&field.as_str()), "{path}.{field} is not read");
        }
    }
}

#[test]
fn the_documentation_names_every_field() {
    let page = include_str!("../../../../docs/metadata.md");
    let yml = FIELDS.iter().flat_map(|(_, fields)| fields.iter());
    for field in FLAT_KEYS.iter().chain(yml) {
        assert!(page.contains(&format!("`{field}`")), "docs/metadata.md does not name `{field}`");
    }
    let record = serde_json::to_value(record().metadata).unwrap();
    for field in record.as_object().unwrap().keys() {
        assert!(page.contains(&format!("`{field}`")), "docs/metadata.md does not name `{field}`");
    }
    for (name, _) in schemas() {
        assert!(
            page.contains(&format!("nextdeploy schema {name}")),
            "docs/metadata.md does not name the schema {name}"
        );
    }
}
