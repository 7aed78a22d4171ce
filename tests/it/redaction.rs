//! No credential appears in any output of a run, in whatever form it is printed.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::fake_daemon::FakeDaemon;
use crate::forge::github_api::GitHubApi;
use crate::program::{Repository, Run};

/// Contains characters that URLs, JSON, HTML and shells escape.
const TOKEN: &str = "npm_S3cr3t/t0ken+w\"th&odd-characters'41";
/// Read by the run itself, from `DOCKER_AUTH_CONFIG`.
const PASSWORD: &str = "dckr_pat_0aB1cD2eF3gH4iJ5kL6m";
const EVENT: &str = r#"{"pull_request":{"number":7,"head":{"sha":"0123456789abcdef0123456789abcdef01234567","ref":"feature","repo":{"full_name":"acme/shop"}},"base":{"ref":"main"}}}"#;
/// The longest line of a step that is shown.
const LINE: usize = 16 * 1024;

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02x}") })
        .collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// The forms in which a secret may be printed.
fn printed(secret: &str) -> Vec<String> {
    let json = serde_json::to_string(secret).unwrap();
    let coloured: Vec<String> = secret.chars().map(|c| format!("\x1b[3{}m{c}", u32::from(c) % 8)).collect();
    vec![
        secret.to_owned(),
        json.clone(),
        json.replace('/', "\\/"),
        percent(secret),
        STANDARD.encode(secret),
        STANDARD.encode(format!("me:{secret}")),
        STANDARD.encode(format!("user:{secret}")),
        URL_SAFE_NO_PAD.encode(format!("token:{secret}")),
        hex(secret),
        coloured.concat(),
        format!("\x1b]0;{secret}\x07"),
        format!("{}\x1b[0m{}", &secret[..20], &secret[20..]),
    ]
}

/// Must not appear in any output: every part of a secret, and recognisable parts of an encoded one.
fn betraying(secret: &str) -> Vec<String> {
    const TELLING: usize = 8;
    let encoded: Vec<String> =
        ["", "me:", "user:", "token:"].iter().map(|user| STANDARD.encode(format!("{user}{secret}"))).collect();
    // The ends of an encoded text depend on the surrounding bytes.
    let middle = |text: &str| text[8..text.len() - 8].to_owned();
    let whole = [secret.to_owned(), hex(secret)].into_iter().chain(encoded.iter().map(|text| middle(text)));
    whole
        .flat_map(|text| {
            (0..=text.len() - TELLING).map(move |at| text[at..at + TELLING].to_owned()).collect::<Vec<_>>()
        })
        .collect()
}

#[track_caller]
fn assert_hidden(place: &str, text: &str, secrets: &[&str]) {
    // The masking commands for a CI system contain the secrets.
    let text: String = text.lines().filter(|line| !line.starts_with("::add-mask::")).collect::<Vec<_>>().join("\n");
    for part in secrets.iter().flat_map(|secret| betraying(secret)) {
        assert!(!text.contains(&part), "`{part}` in {place}:\n{text}");
    }
}

#[track_caller]
fn assert_run_hides(run: &Run, secrets: &[&str]) {
    assert_hidden("standard output", &run.stdout, secrets);
    assert_hidden("standard error", &run.stderr, secrets);
}

#[test]
fn a_build_that_prints_secrets_shows_none_anywhere() {
    let mut messages = vec![json!({ "stream": "Step 1/1 : RUN npm run build" })];
    for secret in [TOKEN, PASSWORD] {
        for form in printed(secret) {
            messages.push(json!({ "stream": format!("value: {form} end\n") }));
        }
        // Arrives in pieces, split at line ends.
        messages.extend(secret.as_bytes().chunks(3).map(|part| json!({ "stream": String::from_utf8_lossy(part) })));
        messages.push(json!({ "stream": "\n" }));
        for before in [LINE - secret.len() + 1, LINE - 20, LINE - 5] {
            messages.push(json!({ "stream": format!("{}{secret}\n", "x".repeat(before)) }));
        }
        messages.push(json!({ "status": format!("pulling with {secret}"), "id": format!("layer-{secret}") }));
    }
    let error = format!("failed with {TOKEN} and {}: exit code: 1", STANDARD.encode(format!("me:{PASSWORD}")));
    messages.push(json!({ "error": error, "errorDetail": { "message": error } }));
    let daemon = FakeDaemon::that_prints(messages);

    let api = GitHubApi::start();
    let repository = Repository::next_app();
    repository.write("event.json", EVENT).write("summary", "").write("output", "");
    let path = |name: &str| repository.path(name).to_str().unwrap().to_owned();
    let address = format!("unix://{}", daemon.socket.display());
    let auths =
        json!({ "auths": { "https://index.docker.io/v1/": { "auth": STANDARD.encode(format!("me:{PASSWORD}")) } } });
    let variables = api.variables();
    let mut variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (event, summary, output, auths) = (path("event.json"), path("summary"), path("output"), auths.to_string());
    variables.extend([
        ("DOCKER_HOST", address.as_str()),
        ("DOCKER_AUTH_CONFIG", &auths),
        ("GITHUB_TOKEN", crate::forge::TOKEN),
        ("NPM_TOKEN", TOKEN),
        ("GITHUB_EVENT_PATH", &event),
        ("GITHUB_STEP_SUMMARY", &summary),
        ("GITHUB_OUTPUT", &output),
    ]);
    let run = repository.run_with(&["build", "--json", "--comment", "--commit-status", "--verbose"], &variables);
    assert_eq!(run.code, Some(4), "{run:#?}");
    let secrets = [TOKEN, PASSWORD];
    assert_run_hides(&run, &secrets);
    assert!(run.stderr.contains("value: [secret] end"), "the log is shown: {run:#?}");
    for name in ["summary", "output"] {
        assert_hidden(name, &fs::read_to_string(repository.path(name)).unwrap(), &secrets);
    }
    for received in api.server.received() {
        assert_hidden(&received.line(), &received.body, &secrets);
    }
    assert!(api.bodies()[0].contains("was not built"), "{:?}", api.bodies());
}

#[test]
fn documents_keep_their_structure() {
    let label = format!("banner=made with {TOKEN}");
    let run = Repository::next_app().run_with(&["plan", "--json", "--label", &label], &[("NPM_TOKEN", TOKEN)]);
    run.succeeds();
    assert_run_hides(&run, &[TOKEN]);
    let plan: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(plan["labels"]["banner"], "made with [secret]", "{plan:#}");
}

#[test]
fn the_output_of_a_command_is_never_redacted() {
    let daemon = FakeDaemon::that_builds();
    let address = format!("unix://{}", daemon.socket.display());
    let variables = [
        ("DOCKER_HOST", address.as_str()),
        ("APP_TOKEN", "app"),
        ("OTHER_TOKEN", "registry"),
        ("MORE_TOKEN", "acme-shop"),
    ];
    let run = Repository::next_app()
        .run_with(&["build", "--image", "registry.example/acme-shop", "--tag", "app"], &variables);
    run.succeeds();
    assert_eq!(run.stdout, "registry.example/acme-shop:app\n");
}

#[test]
fn errors_of_every_kind_hide_passwords() {
    let repository = Repository::next_app();
    for host in [
        "tcp://me:S3cr3t-p4ssw0rd@h:1/path",
        "tcp://me:S3cr3t-p4ssw0rd@h",
        "ssh://me:S3cr3t-p4ssw0rd@h",
        "ssh://me:pa/S3cr3t-p4ssw0rd@h",
        "ftp://me:S3cr3t-p4ssw0rd@h",
        "tcp://me:short@h:1/path",
    ] {
        let run = repository.run_with(&["ps"], &[("DOCKER_HOST", host)]);
        run.says("daemon/bad-address").says("DOCKER_HOST");
        assert!(!run.stderr.contains("S3cr3t") && !run.stderr.contains("short"), "{run:#?}");
    }
    for (arguments, variables) in [
        (&["plan", "--port", TOKEN][..], &[("MY_TOKEN", TOKEN)][..]),
        (&["no-such-verb", TOKEN], &[("MY_TOKEN", TOKEN)]),
        (&["plan"], &[("NEXTDEPLOY_TAGS", TOKEN), ("MY_TOKEN", TOKEN)]),
        (&["ps"], &[("DOCKER_CONTEXT", TOKEN), ("MY_TOKEN", TOKEN), ("HOME", "/tmp")]),
    ] {
        let run = repository.run_with(arguments, variables);
        assert_ne!(run.code, Some(0), "{run:#?}");
        assert_run_hides(&run, &[TOKEN]);
    }
}

#[test]
fn lines_of_a_secret_are_not_variable_names() {
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYX\nGBkaGxwdHg==\n-----END PRIVATE KEY-----";
    let lines: Vec<&str> = KEY.lines().filter(|line| !line.starts_with('-')).collect();
    let repository = Repository::next_app();
    for (variable, value) in [
        ("NEXTDEPLOY_SECRETS", format!("SIGNING_KEY={KEY}")),
        ("INPUT_SECRETS", format!("SIGNING_KEY={KEY}")),
        ("NEXTDEPLOY_SECRETS", format!("NPM_TOKEN=0123456789abcdef\n{}", lines[2])),
        ("NEXTDEPLOY_SECRETS", lines[0].to_owned()),
        ("NEXTDEPLOY_LABELS", format!("a=b\n{}", lines[0])),
    ] {
        let run = repository.run_with(&["plan"], &[(variable, &value)]);
        run.fails(2, "settings/unknown-line").says("line ");
        assert!(!lines.iter().any(|line| run.stderr.contains(line.trim_end_matches('='))), "{run:#?}");
    }
    let run = repository.run_with(&["plan"], &[("NEXTDEPLOY_ENV", &format!("A=b\n{}", lines[0]))]);
    assert!(run.stderr.contains("line 2") && !run.stderr.contains(lines[0]), "{run:#?}");
    // A mistyped name is shown.
    repository
        .run_with(&["plan"], &[("NEXTDEPLOY_SECRETS", "NPM_TOKN")])
        .fails(2, "settings/variable-not-set")
        .says("NPM_TOKN");
}

#[test]
fn values_too_short_to_redact_give_one_warning() {
    let repository = Repository::next_app();
    let run = repository.run_with(
        &["build", "--dry-run"],
        &[("NEXTDEPLOY_SECRETS", "PIN=qqzz1\nAPI_KEY=0123456789abcdef"), ("GITHUB_TOKEN", "zz")],
    );
    run.succeeds();
    let told: Vec<&str> = run.stderr.lines().filter(|line| line.contains("secret/not-hidden")).collect();
    assert_eq!(told.len(), 1, "{run:#?}");
    assert!(told[0].contains("`PIN`") && !told[0].contains("qqzz1"), "{run:#?}");
}
