//! Registry logins: every source of credentials, and the errors when they are wrong.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use super::docker_config::{Helper, docker_config, path_of};
use super::harness::{Registry, Repository, User, assert_pushed, assert_refused, ca_file, run};
use super::image;
use crate::docker::Image;
use crate::program::Run;

/// A small image, named for a new repository of `registry`.
fn image_for(registry: Registry) -> (Repository, Image) {
    let repository = registry.repository("logins");
    let image = image::load(&repository.tag("1"), &[20_000]);
    (repository, image)
}

fn push(image: &Image, environment: &[(&str, &str)]) -> Run {
    run(&["push", &image.tag], environment)
}

fn check_accepted(registry: Registry, environment: &[(&str, &str)]) {
    let (repository, image) = image_for(registry);
    assert_pushed(&push(&image, environment), &[(&repository, "1")]);
    repository.assert_whole();
}

/// Nothing is pushed; the error has this code, one hint and these words, and no password.
fn check_refused(registry: Registry, environment: &[(&str, &str)], code: &str, words: &[&str]) {
    let (repository, image) = image_for(registry);
    let run = push(&image, environment);
    assert_refused(&run, 5, code, words);
    for (name, value) in environment {
        let is_secret = ["PASSWORD", "TOKEN"].iter().any(|word| name.contains(word));
        assert!(!is_secret || !run.stderr.contains(value), "the value of {name} in\n{}", run.stderr);
    }
    assert_eq!(repository.tags(), Vec::<String>::new());
}

#[test]
fn basic_authentication_works() {
    // The password gives `+` and `/` in Base64, which Docker's header must not contain.
    check_accepted(Registry::Htpasswd, &User::named("nd-user").settings());
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("{}\n", User::named("nd-user").password)).unwrap();
    let password = format!("file:{}", file.path().display());
    check_accepted(Registry::Htpasswd, &[("NEXTDEPLOY_USERNAME", "nd-user"), ("NEXTDEPLOY_PASSWORD", &password)]);
}

#[test]
fn a_wrong_password_is_reported_without_showing_it() {
    let wrong = [("NEXTDEPLOY_USERNAME", "nd-user"), ("NEXTDEPLOY_PASSWORD", "wrong-9e107d")];
    check_refused(Registry::Htpasswd, &wrong, "registry/unauthorized", &["NEXTDEPLOY_PASSWORD", "127.0.0.1:5591"]);
    check_refused(Registry::Htpasswd, &[], "registry/no-credentials", &["--username", "127.0.0.1:5591"]);
}

#[test]
fn bearer_tokens_work_for_users_who_may_push() {
    check_accepted(Registry::Token, &User::named("nd-writer").settings());
    for (user, code) in [
        ("nd-reader", "registry/denied"),
        ("nd-expired", "registry/expired"),
        ("nd-late", "registry/unauthorized"),
        ("nd-scopeless", "registry/denied"),
    ] {
        check_refused(Registry::Token, &User::named(user).settings(), code, &["NEXTDEPLOY_PASSWORD", "127.0.0.1:5592"]);
    }
    let wrong = User { password: "wrong-5eb63b".to_owned(), ..User::named("nd-writer") };
    check_refused(Registry::Token, &wrong.settings(), "registry/denied", &[]);
    check_refused(Registry::Token, &[], "registry/no-credentials", &[]);
}

#[test]
fn a_read_only_user_can_pull() {
    let (repository, image) = image_for(Registry::Token);
    assert_pushed(&push(&image, &User::named("nd-writer").settings()), &[(&repository, "1")]);
    image.engine.docker(&["image", "rm", &image.tag]);
    let pulled = run(&["pull", &image.tag], &User::named("nd-reader").settings());
    assert_eq!(pulled.code, Some(0), "{}", pulled.stderr);
    assert!(pulled.stdout.contains(&repository.digest("1")), "{}", pulled.stdout);
    image.inspect();
    let refused = run(&["pull", &image.tag], &[]);
    assert_refused(&refused, 5, "registry/no-credentials", &["127.0.0.1:5592"]);
}

/// The environment that the runner sets for a job.
fn github(actor: &'static str, token: &str) -> Vec<(&'static str, String)> {
    [
        ("GITHUB_ACTIONS", "true"),
        ("CI", "true"),
        ("GITHUB_ACTOR", actor),
        ("GITHUB_REPOSITORY", "nd-acme/shop"),
        ("GITHUB_REPOSITORY_OWNER", "nd-acme"),
        ("GITHUB_TOKEN", token),
        ("SSL_CERT_FILE", &ca_file()),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

fn borrowed<'e>(environment: &'e [(&'static str, String)]) -> Vec<(&'static str, &'e str)> {
    environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[test]
fn the_token_of_a_github_job_works_for_ghcr() {
    let token = |user: &'static str| github(user, &User::named(user).password);
    check_accepted(Registry::Ghcr, &borrowed(&token("nd-writer")));
    let settings_page = "https://github.com/orgs/nd-acme/packages/container/";
    check_refused(
        Registry::Ghcr,
        &borrowed(&token("nd-scopeless")),
        "registry/ghcr-write-package",
        &["packages: write", settings_page],
    );
    check_refused(
        Registry::Ghcr,
        &borrowed(&token("nd-expired")),
        "registry/expired",
        &["GITHUB_TOKEN", "packages: write"],
    );
    check_refused(
        Registry::Ghcr,
        &borrowed(&token("nd-reader")),
        "registry/denied",
        &["packages: write", settings_page],
    );
    check_refused(
        Registry::Ghcr,
        &borrowed(&github("nd-writer", "wrong-c3fcd3")),
        "registry/denied",
        &["GITHUB_TOKEN"],
    );
}

#[test]
fn the_variables_of_a_gitlab_job_work_for_its_registry() {
    let job = User::named("gitlab-ci-token");
    let host = Registry::Htpasswd.host();
    let common = [("GITLAB_CI", "true"), ("CI", "true"), ("CI_REGISTRY", host)];
    let with = |more: &[(&'static str, &'static str)]| [&common[..], more].concat();
    let password: &'static str = job.password.clone().leak();
    check_accepted(
        Registry::Htpasswd,
        &with(&[("CI_REGISTRY_USER", "gitlab-ci-token"), ("CI_REGISTRY_PASSWORD", password)]),
    );
    check_accepted(Registry::Htpasswd, &with(&[("CI_JOB_TOKEN", password)]));
    check_refused(
        Registry::Htpasswd,
        &with(&[("CI_JOB_TOKEN", "wrong-e4d909")]),
        "registry/unauthorized",
        &["CI_JOB_TOKEN", "only while the job runs"],
    );
}

#[test]
fn the_docker_config_is_read_in_order_and_never_written() {
    let (user, host) = (User::named("nd-user"), Registry::Htpasswd.host());
    let right = user.docker_config(host);
    let wrong = User { password: "wrong-d174ab".to_owned(), ..user }.docker_config(host);
    for (variable, file) in [(None, &right), (Some(&right), &wrong)] {
        let folder = docker_config(file);
        let mut environment = vec![("DOCKER_CONFIG", path_of(&folder))];
        environment.extend(variable.map(|text| ("DOCKER_AUTH_CONFIG", text.as_str())));
        check_accepted(Registry::Htpasswd, &environment);
        let files: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, ["config.json"]);
        assert_eq!(&fs::read_to_string(folder.path().join("config.json")).unwrap(), file);
    }
    let folder = docker_config(&right);
    let environment = [("DOCKER_CONFIG", path_of(&folder)), ("DOCKER_AUTH_CONFIG", &wrong)];
    check_refused(Registry::Htpasswd, &environment, "registry/unauthorized", &["DOCKER_AUTH_CONFIG"]);
}

#[test]
fn a_broken_docker_config_is_reported_with_its_location() {
    let broken = docker_config("{\n  \"auths\": {,}\n}");
    let environment = [("DOCKER_CONFIG", path_of(&broken))];
    let (repository, image) = image_for(Registry::Htpasswd);
    assert_refused(&push(&image, &environment), 6, "daemon/docker-config", &["config.json", "line 2 column 13"]);
    assert_eq!(repository.tags(), Vec::<String>::new());
    check_refused(
        Registry::Htpasswd,
        &[("DOCKER_AUTH_CONFIG", "{\"auths\"")],
        "auth/docker-config",
        &["DOCKER_AUTH_CONFIG"],
    );
    let no_base64 = json!({ "auths": { (Registry::Htpasswd.host()): { "auth": "%%%" } } }).to_string();
    check_refused(Registry::Htpasswd, &[("DOCKER_AUTH_CONFIG", &no_base64)], "auth/docker-config", &["127.0.0.1:5591"]);
}

#[test]
fn a_credential_helper_is_used() {
    let helper = Helper::answering(Registry::Htpasswd.host(), &User::named("nd-user"));
    check_accepted(Registry::Htpasswd, &helper.environment());
    assert_eq!(helper.asked(), 1);
}

#[test]
fn a_helper_without_credentials_falls_back_to_the_next_source() {
    let helper = Helper::doing(Registry::Htpasswd.host(), "echo 'credentials not found in native keychain'; exit 1");
    let mut environment = helper.environment().to_vec();
    let job = User::named("gitlab-ci-token");
    environment.extend([("CI_REGISTRY", Registry::Htpasswd.host()), ("CI_JOB_TOKEN", &job.password)]);
    check_accepted(Registry::Htpasswd, &environment);
}

#[test]
fn helper_failures_are_reported() {
    let secret = "helpersecret-1f3870";
    for (script, words) in [
        (format!("echo 'not json {secret}'"), ["JSON", "docker-credential-nd-test"]),
        (
            format!("echo '{{\"Username\":\"a\",\"Secret\":\"{secret}\"' ; exit 1"),
            ["failed", "docker-credential-nd-test"],
        ),
        (
            "echo 'the keychain is locked' >&2; exit 1".to_owned(),
            ["the keychain is locked", "docker-credential-nd-test"],
        ),
    ] {
        let helper = Helper::doing(Registry::Htpasswd.host(), &script);
        let (_, image) = image_for(Registry::Htpasswd);
        let run = push(&image, &helper.environment());
        assert_refused(&run, 5, "auth/helper", &words);
        assert!(!run.stderr.contains(secret), "{}", run.stderr);
    }
    let missing = docker_config("{\"credsStore\":\"nd-missing\"}");
    check_refused(
        Registry::Htpasswd,
        &[("DOCKER_CONFIG", path_of(&missing))],
        "auth/helper",
        &["docker-credential-nd-missing"],
    );
}

#[test]
fn a_hanging_helper_is_killed() {
    let helper = Helper::doing(Registry::Htpasswd.host(), "echo $$ >\"${0%/*}/pid\"; exec sleep 300");
    let (_, image) = image_for(Registry::Htpasswd);
    let started = Instant::now();
    assert_refused(&push(&image, &helper.environment()), 5, "auth/helper", &["timed out", "docker-credential-nd-test"]);
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    let pid = fs::read_to_string(helper.folder().join("pid")).unwrap();
    let command = fs::read_to_string(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    assert!(!command.contains("sleep"), "the helper still runs");
}
