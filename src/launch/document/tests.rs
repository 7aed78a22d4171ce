use std::fmt::Write as _;
use std::path::Path;

use insta::assert_snapshot;

use super::*;
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::launch::container_schema;

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

fn read(file: &str, text: &str) -> Result<Wishes, LaunchError> {
    read_document(file, text, Path::new("/srv/shop"), &environment())
}

#[test]
fn every_field_is_read() {
    let wishes = read("container.yml", FULL).unwrap();
    let text = format!("{wishes:#?}");
    assert!(!text.contains("hush"), "a secret is shown");
    assert_snapshot!(text);
}

#[test]
fn json_and_yaml_mean_the_same() {
    let value: serde_json::Value = serde_saphyr::from_str(FULL).unwrap();
    let json = serde_json::to_string_pretty(&value).unwrap();
    let plain = |wishes: Wishes| format!("{wishes:?}").replace("container.json", "container.yml");
    assert_eq!(plain(read("container.json", &json).unwrap()), plain(read("container.yml", FULL).unwrap()));
}

#[test]
fn the_schema_knows_what_is_read() {
    let (_, schema) = container_schema();
    let schema = schema.to_value();
    let names: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, FIELDS);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value: serde_json::Value = serde_saphyr::from_str(FULL).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    for text in
        ["{}", "env: [A=1]", "ports: []", "health: false", "extraHosts: {db: 10.0.0.5}", "hooks: {preStop: node x.js}"]
    {
        let value: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        assert!(validator.is_valid(&value), "{text}");
        read("c.yml", text).unwrap();
    }
}

/// Every one is refused by the reader; those marked so by the schema as well.
const WRONG: &[(&str, SeenBy)] = &[
    ("[]", SeenBy::Both),
    ("nmae: x1", SeenBy::Both),
    ("env_files: [a.env]", SeenBy::Both),
    ("healthcheck: {command: x}", SeenBy::Both),
    ("colour: red", SeenBy::Both),
    ("name: a/b", SeenBy::Both),
    ("name: [a]", SeenBy::Both),
    ("image: a b", SeenBy::Reader),
    ("env: {1A: x}", SeenBy::Reader),
    ("env: {NOT_SET: null}", SeenBy::Reader),
    ("env: [NOT_SET]", SeenBy::Reader),
    ("env: {A: [1]}", SeenBy::Both),
    ("ports: [a]", SeenBy::Reader),
    ("ports:\n  - {hostport: 1}", SeenBy::Both),
    ("ports:\n  - {address: here, hostPort: 80}", SeenBy::Reader),
    ("ports:\n  - {protocol: tcp}", SeenBy::Reader),
    ("ports:\n  - {hostPort: 80, protocol: sctp}", SeenBy::Both),
    ("volumes: ['data:relative']", SeenBy::Reader),
    ("volumes:\n  - {source: /x}", SeenBy::Both),
    ("volumes:\n  - /a:/x\n  - /b:/x", SeenBy::Reader),
    ("namedVolumes: ['/srv:/x']", SeenBy::Reader),
    ("namedVolumes:\n  - {name: a b, target: /x}", SeenBy::Both),
    ("secrets: [NOT_SET]", SeenBy::Reader),
    ("secrets: [TOKEN=sk-typed]", SeenBy::Reader),
    ("secrets: [API_KEY, API_KEY]", SeenBy::Reader),
    ("secrets:\n  - {name: A, value: sk-typed}", SeenBy::Both),
    ("secrets:\n  - {name: A, file: x, env: API_KEY}", SeenBy::Reader),
    ("secrets:\n  - {name: ../A, file: x}", SeenBy::Reader),
    ("command: a && b", SeenBy::Reader),
    ("command: []", SeenBy::Reader),
    ("workingDir: app", SeenBy::Both),
    ("user: 'a b'", SeenBy::Reader),
    ("memory: 1m", SeenBy::Reader),
    ("memory: true", SeenBy::Both),
    ("cpus: -1", SeenBy::Reader),
    ("pids: many", SeenBy::Reader),
    ("restart: sometimes", SeenBy::Both),
    ("health: true", SeenBy::Reader),
    ("health: {path: /}", SeenBy::Both),
    ("health: {interval: soon}", SeenBy::Reader),
    ("health: {retries: 0}", SeenBy::Reader),
    ("labels: {'a b': c}", SeenBy::Reader),
    ("labels: [a=b]", SeenBy::Both),
    ("logging: {options: {}}", SeenBy::Both),
    ("logging: json-file", SeenBy::Both),
    ("readOnly: sometimes", SeenBy::Both),
    ("tmpfs: [tmp]", SeenBy::Reader),
    ("tmpfs:\n  - {target: /x, uid: 1}", SeenBy::Both),
    ("extraHosts: [db]", SeenBy::Reader),
    ("hooks: {poststart: x}", SeenBy::Both),
    ("hooks: {postStart: [[]]}", SeenBy::Reader),
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
fn what_is_wrong_is_told_with_its_place() {
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
fn json_errors_have_places_too() {
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
    let wishes = read_document("container.yml", example, Path::new("/srv"), &environment).unwrap();
    assert_eq!((wishes.secrets.len(), wishes.post_start.len()), (1, 1));
}
