//! Credentials go only to their receiver: not into an output, a log, a file, an image or the process list, at
//! the highest verbosity, whether the registry accepts them or not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::json;

use super::docker_config::{Helper, docker_config, path_of};
use super::harness::{Registry, User, aws, ca_file};
use super::image;
use crate::docker::{Engine, services_folder};
use crate::program::{Run, start_nextdeploy_with};

const SAMPLE_PAUSE: Duration = Duration::from_millis(5);
/// Enables all logging of libraries.
const LOUD: &[(&str, &str)] = &[("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full"), ("DEBUG", "1")];

/// All forms in which a password is sent.
pub fn forms(user: &User) -> Vec<String> {
    let pair = format!("{}:{}", user.name, user.password);
    vec![
        user.password.clone(),
        STANDARD.encode(&pair),
        URL_SAFE.encode(&pair),
        STANDARD.encode(&user.password),
        // The start of bearer tokens and of the daemon's header.
        "eyJ".to_owned(),
    ]
}

/// Runs the program at full verbosity and searches everything for `secrets`, during the run and after.
pub fn watched(folder: &Path, arguments: &[&str], environment: &[(&str, &str)], secrets: &[String]) -> Run {
    let daemon_log = format!("{}/docker.log", services_folder());
    let logged_before = fs::read(&daemon_log).unwrap_or_default().len();
    let arguments = [arguments, &["--verbose"]].concat();
    let all = [environment, LOUD].concat();
    let running = start_nextdeploy_with(&Engine::default(), folder, &arguments, &all);
    let (program, ended) = (running.id(), AtomicBool::new(false));
    let (run, in_processes) = thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut found = BTreeSet::new();
            while !ended.load(Ordering::Relaxed) {
                look_at_processes(program, environment, secrets, &mut found);
                thread::sleep(SAMPLE_PAUSE);
            }
            found
        });
        let run = running.finish();
        ended.store(true, Ordering::Relaxed);
        (run, sampler.join().unwrap())
    });
    assert!(in_processes.is_empty(), "{arguments:?}: secrets in the process list: {in_processes:?}");
    let logged = fs::read(&daemon_log).unwrap_or_default().split_off(logged_before);
    let logged = String::from_utf8_lossy(&logged).into_owned();
    for secret in secrets {
        for (place, text) in
            [("standard output", &run.stdout), ("standard error", &run.stderr), ("the daemon's log", &logged)]
        {
            assert!(!text.contains(secret), "{arguments:?}: `{secret}` in {place}\n{text}");
        }
    }
    run
}

/// Arguments of the program and of everything it starts, and environment variables beyond the given ones.
fn look_at_processes(program: u32, given: &[(&str, &str)], secrets: &[String], found: &mut BTreeSet<(String, String)>) {
    for pid in descendants(program) {
        let read = |name: &str| {
            String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default()).into_owned()
        };
        let (arguments, environment) = (read("cmdline"), read("environ"));
        let is_given = |variable: &&str| {
            given.iter().any(|(name, _)| variable.split_once('=').is_some_and(|(own, _)| own == *name))
        };
        let others: Vec<_> = environment.split('\0').filter(|variable| !is_given(variable)).collect();
        for secret in secrets {
            if arguments.contains(secret) || others.iter().any(|variable| variable.contains(secret)) {
                found.insert((arguments.clone(), secret.clone()));
            }
        }
    }
}

/// The process and its descendants.
fn descendants(root: u32) -> BTreeSet<u32> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name in parentheses may contain anything; state and parent follow.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (pid, parent)));
    }
    let is_below =
        |pid: u32| std::iter::successors(Some(pid), |pid| parents.get(pid).copied()).take(64).any(|pid| pid == root);
    parents.keys().copied().filter(|pid| is_below(*pid)).collect()
}

/// No file below `folder` except `known` contains any of `secrets`.
pub fn assert_no_secret_in_files(folder: &Path, known: &[&Path], secrets: &[String]) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            assert_no_secret_in_files(&path, known, secrets);
        } else if !known.contains(&path.as_path()) {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
            let found = secrets.iter().find(|secret| text.contains(secret.as_str()));
            assert!(found.is_none(), "{found:?} in {}", path.display());
        }
    }
}

/// Pushes with the credentials of `user`, valid or not, and searches for them everywhere.
fn check(registry: Registry, user: &User, arguments: &[&str], environment: &[(&str, &str)], exit_code: i32) {
    let repository = registry.repository("canary");
    let image = image::load(&repository.tag("1"), &[10_000]);
    let folder = tempfile::tempdir().unwrap();
    let secrets = forms(user);
    for more in [[].as_slice(), &["--json"]] {
        let arguments = [&["push", image.tag.as_str()], arguments, more].concat();
        let run = watched(folder.path(), &arguments, environment, &secrets);
        assert_eq!(run.code, Some(exit_code), "{}", run.stderr);
    }
    assert_no_secret_in_files(folder.path(), &[], &secrets);
    let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
    assert_eq!(image.containing(&secrets), Vec::<&str>::new());
}

/// The user with the right password, and with a wrong one.
fn both(name: &str) -> [(User, i32); 2] {
    let right = User::named(name);
    let wrong = User { password: "canary>>>???~~~c9f0f895".to_owned(), ..right.clone() };
    [(right, 0), (wrong, 5)]
}

#[test]
fn explicit_credentials_do_not_leak() {
    for (user, code) in both("nd-user") {
        check(Registry::Htpasswd, &user, &[], &user.settings(), code);
        let from_variable = [("ND_CANARY", user.password.as_str())];
        check(
            Registry::Htpasswd,
            &user,
            &["--username", &user.name, "--password", "env:ND_CANARY"],
            &from_variable,
            code,
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &user.password).unwrap();
        let password = format!("file:{}", file.path().display());
        check(Registry::Htpasswd, &user, &["--username", &user.name, "--password", &password], &[], code);
    }
}

#[test]
fn bearer_tokens_do_not_leak() {
    for (user, code) in both("nd-writer") {
        check(Registry::Token, &user, &[], &user.settings(), code);
    }
    let user = User::named("nd-scopeless");
    check(Registry::Token, &user, &[], &user.settings(), 5);
}

#[test]
fn docker_configs_and_helper_output_do_not_leak() {
    let host = Registry::Htpasswd.host();
    for (user, code) in both("nd-user") {
        let config = user.docker_config(host);
        check(Registry::Htpasswd, &user, &[], &[("DOCKER_AUTH_CONFIG", &config)], code);
        let folder = docker_config(&config);
        check(Registry::Htpasswd, &user, &[], &[("DOCKER_CONFIG", path_of(&folder))], code);
        assert_no_secret_in_files(folder.path(), &[&folder.path().join("config.json")], &forms(&user));
        let helper = Helper::answering(host, &user);
        check(Registry::Htpasswd, &user, &[], &helper.environment(), code);
    }
    let token = User { name: "<token>".to_owned(), password: "canarytoken-45c48c".to_owned() };
    for field in ["identitytoken", "registrytoken"] {
        let config = json!({ "auths": { (Registry::Token.host()): { (field): token.password } } }).to_string();
        check(Registry::Token, &token, &[], &[("DOCKER_AUTH_CONFIG", &config)], 5);
    }
    // A value in a place where a parser would quote it.
    for config in [
        r#"{"auths": {"127.0.0.1:5591": "canarytoken-45c48c"}}"#,
        r#"{"auths": {"127.0.0.1:5591": {"auth": ["canarytoken-45c48c"]}}}"#,
    ] {
        check(Registry::Htpasswd, &token, &[], &[("DOCKER_AUTH_CONFIG", config)], 5);
    }
}

#[test]
fn job_tokens_do_not_leak() {
    let ca = ca_file();
    for (user, code) in both("nd-writer") {
        let job = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_ACTOR", user.name.as_str()),
            ("GITHUB_TOKEN", &user.password),
            ("SSL_CERT_FILE", &ca),
        ];
        check(Registry::Ghcr, &user, &[], &job, code);
    }
    for (user, code) in both("gitlab-ci-token") {
        let job = [("GITLAB_CI", "true"), ("CI_REGISTRY", Registry::Htpasswd.host()), ("CI_JOB_TOKEN", &user.password)];
        check(Registry::Htpasswd, &user, &[], &job, code);
    }
}

#[test]
fn aws_keys_and_tokens_do_not_leak() {
    let ca = ca_file();
    let mut environment = aws();
    environment.push(("SSL_CERT_FILE", &ca));
    let key = User { name: "key".to_owned(), password: aws()[2].1.to_owned() };
    check(Registry::Ecr, &key, &[], &environment, 0);
    check(Registry::Ecr, &Registry::Ecr.pusher().unwrap(), &[], &environment, 0);
}

#[test]
fn a_proxy_password_does_not_leak() {
    let ca = ca_file();
    let proxy = User { name: "nd-proxy".to_owned(), password: "canaryproxy-d3d944".to_owned() };
    let url = format!("http://{}:{}@127.0.0.1:1", proxy.name, proxy.password);
    let mut environment = aws();
    environment.retain(|(name, _)| *name != "AWS_ENDPOINT_URL");
    environment.extend([
        ("AWS_ENDPOINT_URL", "http://aws.hidden.nextdeploy.test"),
        ("HTTP_PROXY", &url),
        ("HTTPS_PROXY", &url),
        ("SSL_CERT_FILE", &ca),
    ]);
    check(Registry::Ecr, &proxy, &[], &environment, 5);
}
