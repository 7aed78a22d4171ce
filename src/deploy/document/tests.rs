use std::fmt::Write as _;
use std::path::Path;

use insta::assert_snapshot;

use super::*;
use crate::deploy::container_schema;
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::docker::Mount;

/// Every field in its long and in its short form.
pub const FULL: &str = r#"
$schema: container.schema.json
name: shop-main
image: ghcr.io/acme/shop:1.2
networkName: backend
env: { GREETING: good morning, RETRIES: 3, DEBUG: false, FROM_OUTSIDE: null }
envFiles: [production.env]
ports:
  - 8080
  - "0.0.0.0:443:3000"
  - { address: 127.0.0.1, hostPort: 9000, containerPort: 9000, protocol: udp }
volumes:
  - ./uploads:/data/uploads
  - { source: /etc/ssl/certs, target: /certs, readOnly: true }
namedVolumes:
  - models:/models:ro
  - { name: media, target: /media, driver: local, options: { type: tmpfs, device: tmpfs } }
secrets:
  - API_KEY
  - id=tls.key,src=tls.key
  - { name: DATABASE_URL, env: PRODUCTION_DATABASE_URL }
  - { name: cert, file: certs/cert.pem }
entrypoint: [node, /nextdeploy/launcher.cjs]
command: start "two words"
workingDir: /app/web
user: 1001:0
memory: 768m
cpus: 1.5
pids: 200
restart: on-failure:5
health: { command: [node, check.js], interval: 5s, timeout: 2, startPeriod: 1m, retries: 4 }
labels: { team: web, tier: 1, spot: true }
logging: { driver: local, options: { max-size: 20m, max-file: 2 } }
readOnly: true
tmpfs:
  - /tmp:size=32m
  - { target: /var/cache, size: 16m, mode: 1777 }
extraHosts: [ "db:10.0.0.5", "host:host-gateway" ]
hooks:
  postStart: [ [node, migrate.js], node warm.js ]
  preStop: node "say goodbye.js"
"#;

fn environment() -> Environment {
    Environment::from_pairs([
        ("API_KEY", "sk-hush"),
        ("PRODUCTION_DATABASE_URL", "postgres://u:hush@db/x"),
        ("FROM_OUTSIDE", "outside"),
    ])
}

fn read(file: &str, text: &str) -> Result<ContainerConfig, LaunchError> {
    read_document(file, text, Path::new("/srv/shop"), &environment())
}

#[test]
fn every_field_is_read() {
    let config = read("container.yml", FULL).unwrap();
    let text = format!("{config:#?}");
    assert!(!text.contains("hush"), "a secret is shown");
    assert_snapshot!(text);
}

#[test]
fn json_and_yaml_mean_the_same() {
    let value: serde_json::Value = serde_saphyr::from_str(FULL).unwrap();
    let json = serde_json::to_string_pretty(&value).unwrap();
    let plain = |config: ContainerConfig| format!("{config:?}").replace("container.json", "container.yml");
    assert_eq!(plain(read("container.json", &json).unwrap()), plain(read("container.yml", FULL).unwrap()));
}

#[test]
fn schema_and_reader_accept_the_same() {
    let (_, schema) = container_schema();
    let schema = schema.to_value();
    let names: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, FIELDS);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value: serde_json::Value = serde_saphyr::from_str(FULL).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    for text in RIGHT {
        let value: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        assert!(validator.is_valid(&value), "{text}: {:?}", validator.iter_errors(&value).next());
        read("c.yml", text).unwrap();
        read("c.json", &value.to_string()).unwrap();
    }
}

#[test]
fn both_forms_of_a_volume_mean_the_same() {
    for source in ["nd-v1", "./data", "/srv/data", ".", ".hidden", "data/x", "../x"] {
        let mount = |text: &str| read("c.yml", text).unwrap().volumes.remove(0).value;
        let fields = mount(&format!("volumes:\n  - {{source: {source}, target: /v1, readOnly: true}}"));
        assert_eq!(fields, mount(&format!("volumes: ['{source}:/v1:ro']")), "{source}");
        assert_eq!(matches!(fields, Mount::Volume { .. }), source == "nd-v1", "{source}");
    }
}

#[test]
fn labels_by_which_containers_are_found_cannot_be_given() {
    assert_eq!(settings::parse::OWN_LABELS, [crate::docker::APP_LABEL, crate::docker::MANAGED_LABEL]);
    for label in settings::parse::OWN_LABELS {
        let error = read("c.yml", &format!("name: shop\nlabels:\n  {label}: x")).unwrap_err();
        assert_eq!((error.code(), error.location().unwrap().line), ("settings/own-label", Some(3)));
        assert!(error.to_string().contains(&format!("labels.{label}")), "{error}");
    }
}

/// Taken by the reader and by the schema, as YAML and as JSON.
const RIGHT: &[&str] = &[
    "{}",
    "image: 'localhost:5000/a/b:1@sha256:0123'",
    "env: [A=1, _b=, 'C=x=y']",
    "env: {A: 1, FROM_OUTSIDE: null, C: true, D: x}",
    "ports: []",
    "ports: 8080",
    "ports: [0, '[::1]:8080:3000', 'localhost:53:53/udp', '10.0.0.1:80']",
    "ports:\n  - {address: '::1', hostPort: '80'}\n  - {containerPort: 81}",
    "volumes:\n  - {source: nd-v1, target: /v1}\n  - .:/x\n  - data:/y:rw",
    "namedVolumes: a1:/x:ro",
    "secrets: [API_KEY, 'id=a.b,src=x', 'id=c,env=API_KEY', 'type=env,id=API_KEY2,env=API_KEY']",
    "command: [1, 2]",
    "command: [node, '', '-e', 1.5]",
    "command: 7",
    "user: 1001",
    "user: 'node:0'",
    "memory: 6m",
    "memory: 6291456",
    "memory: 1 GiB",
    "memory: 6144K",
    "memory: none",
    "cpus: 0.01",
    "cpus: '1.5'",
    "cpus: none",
    "pids: none",
    "pids: '20'",
    "restart: no",
    "restart: 'no'",
    "restart: false",
    "restart: on-failure",
    "health: false",
    "health: {interval: 1h30m, timeout: 500ms, startPeriod: 7, retries: 1000}",
    "labels: {com.example/team: web, a: 1, b: true}",
    "tmpfs: ['/scratch:size=5m', '/x:mode=700', /y]",
    "tmpfs:\n  - {target: /scratch, size: 5m, mode: '0700'}\n  - {target: /x, size: 4096, mode: 700}",
    "extraHosts: {db: 10.0.0.5, host: host-gateway}",
    "extraHosts: ['db:[fd00::1]']",
    "hooks: {preStop: node x.js, postStart: [[node, 1], a b]}",
];

/// Every one is refused by the reader; those marked so by the schema as well.
const WRONG: &[(&str, SeenBy)] = &[
    ("[]", SeenBy::Both),
    ("nmae: x1", SeenBy::Both),
    ("env_files: [a.env]", SeenBy::Both),
    ("healthcheck: {command: x}", SeenBy::Both),
    ("colour: red", SeenBy::Both),
    ("name: a/b", SeenBy::Both),
    ("name: [a]", SeenBy::Both),
    ("image: a b", SeenBy::Both),
    ("env: {1A: x}", SeenBy::Both),
    ("env: {NOT_SET: null}", SeenBy::Reader),
    ("env: [NOT_SET]", SeenBy::Reader),
    ("env: {A: [1]}", SeenBy::Both),
    ("ports: [a]", SeenBy::Both),
    ("ports:\n  - {hostport: 1}", SeenBy::Both),
    ("ports:\n  - {address: here, hostPort: 80}", SeenBy::Both),
    ("ports:\n  - {protocol: tcp}", SeenBy::Both),
    ("ports:\n  - {hostPort: 80, protocol: sctp}", SeenBy::Both),
    ("volumes: ['data:relative']", SeenBy::Both),
    ("volumes:\n  - {source: /x}", SeenBy::Both),
    ("volumes:\n  - /a:/x\n  - /b:/x", SeenBy::Reader),
    ("namedVolumes: ['/srv:/x']", SeenBy::Both),
    ("namedVolumes:\n  - {name: a b, target: /x}", SeenBy::Both),
    ("secrets: [NOT_SET]", SeenBy::Reader),
    ("secrets: [TOKEN=sk-typed]", SeenBy::Both),
    ("secrets: [API_KEY, API_KEY]", SeenBy::Reader),
    ("secrets:\n  - {name: A, value: sk-typed}", SeenBy::Both),
    ("secrets:\n  - {name: A, file: x, env: API_KEY}", SeenBy::Both),
    ("secrets:\n  - {name: ../A, file: x}", SeenBy::Both),
    ("command: a && b", SeenBy::Reader),
    ("command: []", SeenBy::Both),
    ("workingDir: app", SeenBy::Both),
    ("user: 'a b'", SeenBy::Both),
    ("memory: 1m", SeenBy::Both),
    ("memory: true", SeenBy::Both),
    ("cpus: -1", SeenBy::Both),
    ("pids: many", SeenBy::Both),
    ("restart: sometimes", SeenBy::Both),
    ("health: true", SeenBy::Both),
    ("health: {path: /}", SeenBy::Both),
    ("health: {interval: soon}", SeenBy::Both),
    ("health: {retries: 0}", SeenBy::Both),
    ("labels: {'a b': c}", SeenBy::Both),
    ("labels: [a=b]", SeenBy::Both),
    ("logging: {options: {}}", SeenBy::Both),
    ("logging: json-file", SeenBy::Both),
    ("readOnly: sometimes", SeenBy::Both),
    ("tmpfs: [tmp]", SeenBy::Both),
    ("tmpfs:\n  - {target: /x, uid: 1}", SeenBy::Both),
    ("extraHosts: [db]", SeenBy::Both),
    ("hooks: {poststart: x}", SeenBy::Both),
    ("hooks: {postStart: [[]]}", SeenBy::Both),
    ("networkName: host", SeenBy::Both),
    ("networkName: none", SeenBy::Both),
    ("env: {A=B: x}", SeenBy::Both),
    ("env: ['1A=x']", SeenBy::Both),
    ("ports: abc", SeenBy::Both),
    ("ports: ['8080:0']", SeenBy::Both),
    ("ports:\n  - {hostPort: 80, containerPort: 0}", SeenBy::Both),
    ("volumes:\n  - {source: ~/x, target: /x}", SeenBy::Both),
    ("volumes: ['~/x:/x']", SeenBy::Both),
    ("volumes: ['data:/x:rwx']", SeenBy::Both),
    ("namedVolumes: ['a b:/x']", SeenBy::Both),
    ("secrets: [A=hunter2]", SeenBy::Both),
    ("secrets: ['id=A,value=x']", SeenBy::Both),
    ("entrypoint: []", SeenBy::Both),
    ("command: ['']", SeenBy::Both),
    ("command: [true]", SeenBy::Both),
    ("memory: lots", SeenBy::Both),
    ("memory: 1.5g", SeenBy::Both),
    ("memory: 512", SeenBy::Both),
    ("memory: 6143k", SeenBy::Both),
    ("cpus: 0", SeenBy::Both),
    ("cpus: '0'", SeenBy::Both),
    ("cpus: many", SeenBy::Both),
    ("pids: 0", SeenBy::Both),
    ("pids: 1.5", SeenBy::Both),
    ("restart: true", SeenBy::Both),
    ("restart: on-failure:0", SeenBy::Both),
    ("health: {interval: 0}", SeenBy::Both),
    ("health: {timeout: abc}", SeenBy::Both),
    ("health: {command: []}", SeenBy::Both),
    ("labels: {nextdeploy.app: x}", SeenBy::Both),
    ("labels: {nextdeploy.managed: 'false'}", SeenBy::Both),
    ("logging: {driver: a b}", SeenBy::Both),
    ("tmpfs: tmp", SeenBy::Both),
    ("tmpfs: ['/x:size=lots']", SeenBy::Both),
    ("tmpfs: ['/x:mode=999']", SeenBy::Both),
    ("tmpfs:\n  - {target: /x, mode: 999}", SeenBy::Both),
    ("tmpfs:\n  - {target: /x, mode: '999'}", SeenBy::Both),
    ("tmpfs:\n  - {target: /x, size: 0}", SeenBy::Both),
    ("extraHosts: {db: nowhere}", SeenBy::Both),
    ("name: shop\nname: shop2", SeenBy::Parser),
    ("name: [", SeenBy::Parser),
    ("", SeenBy::Parser),
];

#[derive(Clone, Copy, PartialEq)]
enum SeenBy {
    Parser,
    Reader,
    Both,
}

#[test]
fn errors_name_field_and_position() {
    let (_, schema) = container_schema();
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    let mut out = String::new();
    for (text, seen) in WRONG {
        let error = read("container.yml", text).expect_err(text);
        let place = error.location().map(|place| place.to_string()).unwrap_or_default();
        let (shown, hints) = (text.replace('\n', "⏎"), error.hints().join("; "));
        writeln!(out, "{shown}\n  {place} {}: {error}\n  hint: {hints}", error.code()).unwrap();
        if *seen != SeenBy::Parser {
            let value: serde_json::Value = serde_saphyr::from_str(text).unwrap();
            assert_eq!(validator.is_valid(&value), *seen == SeenBy::Reader, "the schema about {text}");
            assert_eq!(error.exit_code(), ExitCode::Usage, "{text}");
        }
    }
    assert!(!out.contains("sk-hush"), "{out}");
    assert!(
        !out.replace("secrets: [TOKEN=sk-typed]", "").replace("value: sk-typed}", "").contains("sk-typed"),
        "{out}"
    );
    assert_snapshot!(out);
}

#[test]
fn errors_in_json_have_positions_too() {
    let error = read("c.json", "{\n  \"name\": \"shop\",\n  \"prots\": [1]\n}").unwrap_err();
    assert_eq!(error.location().unwrap().to_string(), "c.json:3:12");
    assert_eq!(error.hints(), ["did you mean `ports`?"]);
}

#[test]
fn the_documentation_has_every_field_and_an_example_that_is_read() {
    let page = include_str!("../../../docs/container.md");
    let missing: Vec<&str> = FIELDS.iter().copied().filter(|field| !page.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "docs/container.md lacks {missing:?}");
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let environment = Environment::from_pairs([("DATABASE_URL", "postgres://x")]);
    let config = read_document("container.yml", example, Path::new("/srv"), &environment).unwrap();
    assert_eq!((config.secrets.len(), config.hooks.post_start.len()), (1, 1));
}
