//! Invalid input: a code, one action, the documented exit code, soon, and no request to any registry.

use std::time::{Duration, Instant};

use super::harness::{Registry, assert_refused, aws, ca_file, run};
use super::image;

/// The time in which missing credentials must be reported.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

#[test]
fn invalid_references_are_reported() {
    let long_path = format!("127.0.0.1:5590/nd-{}:1", "a".repeat(260));
    let long_tag = format!("127.0.0.1:5590/nd-e2e:{}", "a".repeat(129));
    let digest = format!("127.0.0.1:5590/nd-e2e@sha256:{}", "a".repeat(64));
    for (reference, exit_code) in [
        ("127.0.0.1:5590/nd-E2E:1", 2),
        (long_path.as_str(), 2),
        (&long_tag, 2),
        (&digest, 2),
        ("127.0.0.1:port/nd-e2e:1", 2),
        ("127.0.0.1:5590:5591/nd-e2e", 2),
        ("127.0.0.1:5590/nd e2e:1", 2),
        ("127.0.0.1:5590/nd-e2e:", 2),
        ("", 2),
    ] {
        assert_refused(&run(&["push", reference], &[]), exit_code, "invalid-reference", &[]);
    }
}

#[test]
fn a_missing_image_is_reported() {
    let missing = Registry::Open.repository("missing").tag("1");
    assert_refused(&run(&["push", &missing], &[]), 6, "registry/no-local-image", &[&missing]);
    assert_refused(&run(&["pull", &missing], &[]), 6, "registry/", &[&missing]);
}

#[test]
fn an_unreachable_registry_is_reported() {
    for (host, code) in
        [("127.0.0.1:1", "registry/unreachable"), ("registry.nextdeploy.invalid", "registry/unknown-host")]
    {
        let image = image::load(&format!("{host}/nd-e2e-nowhere:1"), &[1_000]);
        assert_refused(&run(&["push", &image.tag], &[]), 6, code, &[host]);
    }
}

/// Without a login at `registry`, the push fails soon.
fn check_no_credentials(registry: Registry, environment: &[(&str, &str)], words: &[&str]) {
    let repository = registry.repository("nobody");
    let image = image::load(&repository.tag("1"), &[1_000]);
    let started = Instant::now();
    let run = run(&["push", &image.tag], environment);
    assert!(started.elapsed() < ANSWER_LIMIT, "{registry:?}: {:?}\n{}", started.elapsed(), run.stderr);
    assert_refused(&run, 5, registry.host(), words);
    assert_eq!(repository.tags(), Vec::<String>::new());
}

#[test]
fn missing_credentials_are_reported_soon_with_the_sources_that_were_tried() {
    let ca = ca_file();
    let trust = ("SSL_CERT_FILE", ca.as_str());
    check_no_credentials(Registry::Htpasswd, &[], &["--username"]);
    check_no_credentials(Registry::Token, &[], &["--username"]);
    check_no_credentials(Registry::Ghcr, &[trust], &["GITHUB_TOKEN", "DOCKER_AUTH_CONFIG"]);
    check_no_credentials(Registry::Ecr, &[trust], &["AWS_ACCESS_KEY_ID", "web identity", "AWS_PROFILE"]);
}

#[test]
fn a_missing_aws_profile_is_reported() {
    let ca = ca_file();
    let mut environment = aws();
    environment.retain(|(name, _)| !name.starts_with("AWS_ACCESS") && !name.starts_with("AWS_SECRET"));
    environment.extend([("AWS_PROFILE", "nd-missing"), ("SSL_CERT_FILE", ca.as_str())]);
    check_no_credentials(Registry::Ecr, &environment, &["nd-missing"]);
}

#[test]
fn a_missing_region_is_reported() {
    let refused = run(&["ecr", "ensure-repository", "nd-e2e-nowhere"], &aws());
    assert_refused(&refused, 5, "region", &["--aws-region"]);
}

#[test]
fn a_missing_password_is_reported() {
    let image = image::load(&Registry::Htpasswd.repository("half").tag("1"), &[1_000]);
    let push = ["push", image.tag.as_str()];
    assert_refused(&run(&push, &[("NEXTDEPLOY_USERNAME", "nd-user")]), 5, "auth/no-password", &["--password"]);
    assert_refused(&run(&push, &[("NEXTDEPLOY_PASSWORD", "x-5f4dcc")]), 5, "auth/no-username", &["--username"]);
    let file = [("NEXTDEPLOY_USERNAME", "nd-user"), ("NEXTDEPLOY_PASSWORD", "file:/nonexistent/password")];
    assert_refused(&run(&push, &file), 5, "auth/secret-file", &["/nonexistent/password"]);
    let typed = ["push", "--username", "nd-user", "--password", "typed-7c6a18", image.tag.as_str()];
    let refused = run(&typed, &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("env:NAME") && !refused.stderr.contains("typed-7c6a18"), "{}", refused.stderr);
}
