use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::config::setting::CliSettings;
use crate::config::settings::resolve;
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::host::Environment;
use crate::rel_path::RelPath;
use crate::repo::{SourceText, SourceTree};

macro_rules! sample {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../tests/it/samples/", $name)))
    };
}

pub(super) const PAYLOADS: &[(&str, &str)] = &[
    sample!("payload-2025-07-12.json"),
    sample!("payload-2025-07-31.json"),
    sample!("payload-2026-02-22.json"),
    sample!("payload-2026-02-25.json"),
    sample!("payload-2026-03-26.json"),
    sample!("payload-2026-04-18.json"),
    sample!("payload-2026-07.json"),
];
pub(super) const FLAT: &[(&str, &str)] = &[sample!("metadata-flat.json"), sample!("metadata-flat-named.json")];
pub(super) const YAML: &[(&str, &str)] = &[sample!("nextdeploy-camel.yml"), sample!("nextdeploy-snake.yml")];

fn tree(files: &[(&str, &str)]) -> SourceTree {
    let app = [("package.json", "{}"), ("web/package.json", "{}")];
    SourceTree::from_texts(app.into_iter().chain(files.iter().copied()))
}

fn read(file: &str, text: &str) -> Result<ConfigFiles, MetadataError> {
    ConfigFiles::read(&tree(&[(file, text)]), &RelPath::root(), None)
}

/// Every setting that a file gives, as a user would meet it, and the warnings.
fn settings_of(file: &str, text: &str) -> String {
    use std::fmt::Write;
    let files = read(file, text).unwrap();
    let mut out = String::new();
    for entry in files.files.iter().flat_map(|file| &file.entries) {
        let value = match &entry.value {
            FileValue::Text(text) => text.clone(),
            FileValue::Words(words) => format!("{words:?}"),
            FileValue::Pair { name, value: FileEnvValue::Plain(value), scope: None } => format!("{name}={value}"),
            FileValue::Pair { name, value: FileEnvValue::Plain(value), scope: Some(scope) } => {
                format!("{name}={value} ({scope:?})")
            }
            FileValue::Pair { name, value: FileEnvValue::Secret(value), .. } => format!("{name}={value}"),
        };
        writeln!(out, "{} = {value}  # {} {}", entry.setting.name(), entry.field, entry.location).unwrap();
    }
    for mode in files.files.iter().filter_map(|file| file.output_mode.as_ref()) {
        writeln!(out, "output mode = {:?} ({})", mode.value, mode.origin).unwrap();
    }
    for warning in &files.warnings {
        let place = warning.location.as_ref().map(ToString::to_string).unwrap_or_default();
        writeln!(
            out,
            "warning[{}] {place}: {}\n  hint: {}",
            warning.code,
            warning.message,
            warning.hint.as_deref().unwrap_or("none")
        )
        .unwrap();
    }
    resolve(&CliSettings::default(), &Environment::default(), &files).expect("what samples give is valid");
    assert!(!format!("{files:?}{out}").contains("-of-the-author"), "a secret is shown");
    out
}

fn rendered(error: &dyn Diagnostic) -> String {
    let place = error.location().map(|place| format!("{place}: ")).unwrap_or_default();
    format!("[{}] {place}{error}\n  hint: {}\n", error.code(), error.hints().join("\n  hint: "))
}

#[test]
fn every_sample_is_read() {
    let mut out = String::new();
    for (file, samples) in [("metadata.json", FLAT), (".nextdeploy/metadata.json", PAYLOADS), ("nextdeploy.yml", YAML)]
    {
        for (name, text) in samples {
            out = out + "== " + name + "\n" + &settings_of(file, text);
        }
    }
    insta::assert_snapshot!(out);
}

#[test]
fn a_person_wins_over_a_program() {
    let tree = tree(&[
        ("nextdeploy.yml", "app: {port: 1}\n"),
        ("metadata.json", r#"{"port": 2, "node_version": 22}"#),
        (".nextdeploy/metadata.json", r#"{"generated_at": "", "port": 3, "node_version": "20", "app_name": "shop"}"#),
    ]);
    let files = ConfigFiles::read(&tree, &RelPath::root(), None).unwrap();
    let settings = resolve(&CliSettings::default(), &Environment::default(), &files).unwrap().settings;
    assert_eq!(settings.port.unwrap().to_string(), "1 (from `nextdeploy.yml#app.port`)");
    assert_eq!(settings.node_version.unwrap().to_string(), "22 (from `metadata.json#node_version`)");
    assert_eq!(settings.name.unwrap().to_string(), "shop (from `.nextdeploy/metadata.json#app_name`)");
}

#[test]
fn an_explicit_file_takes_the_place_of_its_kind() {
    let tree = tree(&[("nextdeploy.yml", "app: {port: 1, name: kept}\n"), ("metadata.json", r#"{"port": 2}"#)]);
    let explicit = |name: &str, text: &str| {
        let files = ConfigFiles::read(&tree, &RelPath::root(), Some((Path::new(name), text.as_bytes()))).unwrap();
        resolve(&CliSettings::default(), &Environment::default(), &files).unwrap().settings
    };
    let settings = explicit("ci/other.json", r#"{"node_version": 20}"#);
    assert_eq!(settings.node_version.unwrap().to_string(), "20 (from `ci/other.json#node_version`)");
    assert_eq!(settings.port.unwrap().value, 1);
    let settings = explicit("ci/other.yml", "app: {node_version: 22}\n");
    assert_eq!(settings.port.unwrap().value, 2);
    assert_eq!(settings.name, None);
}

#[test]
fn files_of_the_folder_come_before_those_of_the_root() {
    let tree = tree(&[
        ("web/metadata.json", r#"{"port": 2}"#),
        ("metadata.json", r#"{"port": 1}"#),
        ("nextdeploy.yml", "app: {name: shop}"),
    ]);
    let files = ConfigFiles::read(&tree, &RelPath::new("web").unwrap(), None).unwrap();
    let settings = resolve(&CliSettings::default(), &Environment::default(), &files).unwrap().settings;
    assert_eq!(settings.port.unwrap().to_string(), "2 (from `web/metadata.json#port`)");
    assert_eq!(settings.name.unwrap().value, "shop");
}

#[test]
fn folders_stay_inside_the_checkout() {
    let app = |text: &str| {
        let files = read("metadata.json", text).unwrap();
        let warnings = files.warnings.len();
        (
            resolve(&CliSettings::default(), &Environment::default(), &files)
                .unwrap()
                .settings
                .app
                .map(|app| app.value),
            warnings,
        )
    };
    assert_eq!(app(r#"{"root_dir": "./web/"}"#), (Some("web".into()), 0));
    assert_eq!(app(r#"{"root_dir": "."}"#), (None, 0));
    assert_eq!(app(r#"{"root_dir": "/repository/web"}"#), (Some("web".into()), 0));
    assert_eq!(app(r#"{"root_dir": "/home/author/web"}"#), (None, 1));
    assert_eq!(app(r#"{"root_dir": "C:\\shop"}"#), (None, 1));
}

#[test]
fn a_record_of_this_program_sets_nothing() {
    let record = r#"{"schema_version": 1, "node_version": "18"}"#;
    assert!(read(".nextdeploy/metadata.json", record).unwrap().files.is_empty());
    let file = (Path::new("record.json"), record.as_bytes());
    let files = ConfigFiles::read(&tree(&[]), &RelPath::root(), Some(file)).unwrap();
    assert_eq!(files.files[0].entries.len(), 1);
}

#[test]
fn bad_files() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
         d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    let deep_json = "[".repeat(100_000);
    let deep_yaml = "[".repeat(100_000);
    let cases: &[(&str, &str)] = &[
        ("metadata.json", ""),
        ("metadata.json", "  \n"),
        ("metadata.json", "{\"app_name\": \"shop\","),
        ("metadata.json", "{\n  \"port\": 3000,\n}"),
        ("metadata.json", "{\n  // note\n  \"port\": 3000 }"),
        ("metadata.json", "{'port': 1}"),
        ("metadata.json", "[]"),
        ("metadata.json", "\"shop\""),
        ("metadata.json", "{\"port\": 1,\n \"port\": 2}"),
        ("metadata.json", "{\n  \"port\": true\n}"),
        ("metadata.json", "{\"app_name\": {\"a\": 1}}"),
        ("metadata.json", "{\"app_name\": 5}"),
        ("metadata.json", "{\"env_vars\": \"A=1\"}"),
        ("metadata.json", "{\"env_vars\": {\"A\": [1]}}"),
        ("metadata.json", "{\"entrypoint\": [\"node\", {}]}"),
        ("metadata.json", "{\"root_dir\": \"../other\"}"),
        ("metadata.json", "{\"root_dir\": \"missing\"}"),
        ("metadata.json", "{\"output_mode\": \"serverless\"}"),
        ("metadata.json", "{\"schema_version\": 99}"),
        ("metadata.json", &deep_json),
        ("nextdeploy.yml", "# nothing\n"),
        ("nextdeploy.yml", "- a\n- b\n"),
        ("nextdeploy.yml", "app:\n  name: shop\n name: x\n"),
        ("nextdeploy.yml", "app:\n  name: shop\n  name: other\n"),
        ("nextdeploy.yml", "app: {name: [shop]}\n"),
        ("nextdeploy.yml", "app: {port: {a: 1}}\n"),
        ("nextdeploy.yml", "environment:\n  - value: x\n"),
        ("nextdeploy.yml", "environment:\n  - name: A\n    secret: maybe\n"),
        ("nextdeploy.yml", "environment:\n  - name: A\n    scope: moon\n"),
        ("nextdeploy.yml", "app: *nobody\n"),
        ("nextdeploy.yml", "a: 1\n---\nb: 2\n"),
        ("nextdeploy.yml", bomb),
        ("nextdeploy.yml", &deep_yaml),
    ];
    let mut out = String::new();
    for (file, text) in cases {
        let error = read(file, text).unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::Project);
        out.push_str(&rendered(&error));
    }
    let file = (Path::new("m\n.json"), b"{\"a\": \"\xff\"}".as_slice());
    out.push_str(&rendered(&ConfigFiles::read(&tree(&[]), &RelPath::root(), Some(file)).unwrap_err()));
    for text in [
        SourceText::TooLarge { reason: "it is larger than 4 MiB".into() },
        SourceText::Unreadable { reason: "permission denied".into() },
        SourceText::Binary(vec![0]),
    ] {
        out.push_str(&rendered(&super::config_files::usable("metadata.json", &text).unwrap_err()));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn bad_values_name_the_field_and_its_place() {
    let cases = [
        ("metadata.json", "{\n  \"port\": 70000\n}"),
        ("metadata.json", "{\"port\": \"abc\"}"),
        ("metadata.json", "{\"port\": 0}"),
        ("metadata.json", "{\"package_manager\": \"cargo\"}"),
        ("metadata.json", "{\"node_version\": \"lots\"}"),
        ("metadata.json", "{\"app_name\": \"***\"}"),
        ("metadata.json", "{\"env_vars\": {\"A B\": \"1\"}}"),
        ("metadata.json", "{\"env_vars\": {\"A\": \"\\u0000\"}}"),
        ("metadata.json", "{\"entry_point\": \"npm run a && npm run b\"}"),
        ("nextdeploy.yml", "docker:\n  memory: lots\n"),
        ("nextdeploy.yml", "docker:\n  platform: linux\n"),
    ];
    let mut out = String::new();
    for (file, text) in cases {
        let files = read(file, text).unwrap();
        let error = resolve(&CliSettings::default(), &Environment::default(), &files).unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::Project);
        out.push_str(&rendered(&error));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn misspelled_fields_are_warnings() {
    let out = settings_of("metadata.json", "{\n \"node_verison\": \"22\", \"colour\": 1 }")
        + &settings_of(
            "nextdeploy.yml",
            "app:\n  prot: 1\ndocker:\n  build: {dockerfile: Dockerfile}\nenviroment: []\n",
        );
    insta::assert_snapshot!(out);
}

#[test]
fn a_dockerfile_counts_where_it_is() {
    let yml = ("nextdeploy.yml", "docker: {build: {dockerfile: Dockerfile}}\n");
    let files = ConfigFiles::read(&tree(&[yml, ("Dockerfile", "FROM scratch")]), &RelPath::root(), None).unwrap();
    let settings = resolve(&CliSettings::default(), &Environment::default(), &files).unwrap().settings;
    assert_eq!(
        settings.dockerfile.unwrap().value,
        crate::config::settings::DockerfileChoice::Path("Dockerfile".into())
    );
}

#[test]
fn a_secret_may_be_named_without_its_value() {
    let files = read("nextdeploy.yml", "environment: [{name: TOKEN, secret: true}]\n").unwrap();
    let environment = Environment::from_pairs([("TOKEN", "t")]);
    let resolved = resolve(&CliSettings::default(), &environment, &files).unwrap();
    assert_eq!(resolved.settings.secrets[0].value.id, "TOKEN");
    assert_eq!(
        resolve(&CliSettings::default(), &Environment::default(), &files).unwrap().warnings[0].code,
        "settings/empty-secret"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = read("metadata.json", &text);
        let _ = read("nextdeploy.yml", &text);
    }

    #[test]
    fn no_damage_to_a_sample_panics(which in 0..11_usize, at in any::<prop::sample::Index>(), length in 0..40_usize, with in "[\\PC\n{}\\[\\]:&*!|>-]{0,6}") {
        let all: Vec<_> = FLAT.iter().chain(PAYLOADS).chain(YAML).collect();
        let (name, text) = all[which];
        let letters: Vec<char> = text.chars().collect();
        let at = at.index(letters.len());
        let damaged: String = letters[..at].iter().copied().chain(with.chars()).chain(letters[(at + length).min(letters.len())..].iter().copied()).collect();
        let file = if name.starts_with("nextdeploy") { "nextdeploy.yml" } else { "metadata.json" };
        if let Ok(files) = read(file, &damaged) {
            let _ = resolve(&CliSettings::default(), &Environment::default(), &files);
        }
    }

    #[test]
    fn folders_never_leave_the_repository(path in "[./a-z]{0,12}") {
        let text = serde_json::json!({ "root_dir": path }).to_string();
        if let Ok(files) = read("metadata.json", &text) {
            for entry in files.files.iter().flat_map(|file| &file.entries) {
                let FileValue::Text(folder) = &entry.value else { panic!("a folder is a text") };
                prop_assert!(RelPath::new(folder).is_ok());
                prop_assert!(!PathBuf::from(folder).is_absolute());
            }
        }
    }
}

#[test]
fn lists_that_are_too_long_are_rejected() {
    let entries = (0..5_001).map(|n| format!("\n  - A{n}=1")).collect::<Vec<_>>().concat();
    let error = read("nextdeploy.yml", &format!("environment:{entries}")).unwrap_err();
    assert_eq!(error.to_string(), "`nextdeploy.yml` is too large: `environment` has more than 5000 entries");
    assert_eq!((error.code(), error.location().unwrap().line), ("metadata/too-large", Some(2)));
}

#[test]
fn places_in_json_count_characters() {
    let text = "{\"a\": [1, \"é\"], \"env_vars\": [{\"name\": \"A\",\n \"value\": []}]}";
    let place = read("metadata.json", text).unwrap_err().location().unwrap();
    assert_eq!((place.line, place.column), (Some(2), Some(11)));
}
