//! Networks and registries that fail during a push: each ends in a correct push or in a clear error, and no tag ever
//! refers to an incomplete image.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::docker_config::Helper;
use super::fault_proxy::{Fault, FaultProxy, Rule};
use super::harness::{Registry, Repository, User, assert_pushed, assert_refused, run};
use super::image;
use crate::docker::{Engine, Image};
use crate::program::start_nextdeploy;

const CANCEL_LIMIT: Duration = Duration::from_secs(2);
const OTHER_DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// An image to push to a registry through a proxy with faults.
struct Way {
    proxy: FaultProxy,
    /// Behind the proxy.
    repository: Repository,
    image: Image,
}

impl Way {
    fn to(registry: Registry, rules: Vec<Rule>) -> Self {
        let proxy = FaultProxy::start(registry.host(), rules);
        let repository = registry.repository("faults").behind(&proxy.host());
        let image = image::load(&repository.tag("1"), &[300_000, 1_500_000]);
        Self { proxy, repository, image }
    }

    fn check_arrives(&self) {
        assert_pushed(&run(&["push", &self.image.tag], &[]), &[(&self.repository, "1")]);
        self.repository.assert_whole();
    }

    fn check_refused(&self, exit_code: i32, code: &str, words: &[&str]) {
        assert_refused(&run(&["push", &self.image.tag], &[]), exit_code, code, words);
        assert_eq!(self.repository.tags(), Vec::<String>::new());
    }
}

fn answer(status: &'static str, body: &'static str) -> Fault {
    Fault::Answer { status, headers: "Content-Type: application/json\r\n", body }
}

fn too_many() -> Fault {
    Fault::Answer {
        status: "429 Too Many Requests",
        headers: "Content-Type: application/json\r\nRetry-After: 1\r\n",
        body: r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"too many requests"}]}"#,
    }
}

fn unauthorized() -> Fault {
    Fault::Answer {
        status: "401 Unauthorized",
        headers: "WWW-Authenticate: Basic realm=\"nd\"\r\nContent-Type: application/json\r\n",
        body: r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#,
    }
}

#[test]
fn a_connection_cut_during_a_layer_is_retried() {
    let cut = Rule::new("PATCH", "/blobs/uploads/", Fault::CutRequest { after: 100_000 }).first(1);
    Way::to(Registry::Open, vec![cut]).check_arrives();
}

#[test]
fn a_busy_registry_is_waited_for() {
    let way = Way::to(Registry::Open, vec![Rule::new("PUT", "/manifests/", too_many()).first(2)]);
    let started = Instant::now();
    let run = run(&["push", "--json", &way.image.tag], &[]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let result: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(result["retries"], 2, "{result}");
    assert!(started.elapsed() > Duration::from_secs(2), "two retries after {:?}", started.elapsed());
    way.repository.assert_whole();
    assert_eq!(result["pushed"][0]["digest"].as_str().unwrap(), way.repository.digest("1"));
}

#[test]
fn a_burst_of_server_errors_is_retried() {
    let burst = answer("500 Internal Server Error", r#"{"errors":[{"code":"UNKNOWN","message":"unknown error"}]}"#);
    Way::to(Registry::Open, vec![Rule::new("PUT", "/manifests/", burst).first(2)]).check_arrives();
}

#[test]
fn persistent_server_errors_are_reported() {
    let way = Way::to(Registry::Open, vec![Rule::new("PUT", "/manifests/", answer("503 Service Unavailable", "{}"))]);
    way.check_refused(6, "registry/server-error", &["5 attempts", &way.proxy.host()]);
    assert_eq!(way.proxy.count("PUT", "/manifests/"), 5);
}

#[test]
fn a_lost_response_is_retried() {
    Way::to(Registry::Open, vec![Rule::new("PUT", "/manifests/", Fault::CutAnswer { after: 0 }).first(1)])
        .check_arrives();
}

#[test]
fn permanent_failures_are_not_retried() {
    let denied = answer(
        "403 Forbidden",
        r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#,
    );
    let way = Way::to(Registry::Open, vec![Rule::new("PUT", "/manifests/", denied)]);
    way.check_refused(5, "registry/", &["denied"]);
    assert_eq!(way.proxy.count("PUT", "/manifests/"), 1);
}

#[test]
fn a_401_during_a_push_is_reported_without_other_credentials() {
    let way = Way::to(Registry::Htpasswd, vec![Rule::new("PUT", "/manifests/", unauthorized())]);
    let run = run(&["push", &way.image.tag], &User::named("nd-user").settings());
    assert_refused(&run, 5, "registry/unauthorized", &["NEXTDEPLOY_PASSWORD"]);
    assert_eq!(way.repository.tags(), Vec::<String>::new());
}

#[test]
fn a_401_during_a_push_calls_the_helper_again() {
    let way = Way::to(Registry::Htpasswd, vec![Rule::new("PUT", "/manifests/", unauthorized()).first(1)]);
    // Both may push; only different credentials justify another attempt.
    let (first, then) = (User::named("gitlab-ci-token"), User::named("nd-user"));
    let helper = Helper::answering_anew(&way.proxy.host(), &first, &then);
    let run = run(&["push", &way.image.tag], &helper.environment());
    assert_pushed(&run, &[(&way.repository, "1")]);
    assert_eq!(helper.asked(), 2);
    way.repository.assert_whole();
}

#[test]
fn a_wrong_digest_header_does_not_change_the_reported_digest() {
    for method in ["PUT", "HEAD"] {
        Way::to(Registry::Open, vec![Rule::new(method, "/manifests/", Fault::Digest(OTHER_DIGEST))]).check_arrives();
    }
}

/// ECR's response for a repository with immutable tags.
fn immutable() -> Rule {
    let body = r#"{"errors":[{"code":"TAG_INVALID","message":"The image tag '1' already exists in the 'shop' repository and cannot be overwritten because the tag is immutable."}]}"#;
    Rule::new("PUT", "/manifests/", answer("400 Bad Request", body))
}

#[test]
fn an_immutable_tag_with_the_same_image_is_a_success() {
    let way = Way::to(Registry::Open, vec![immutable()]);
    let direct = image::name(&way.image, &format!("{}/{}:1", Registry::Open.host(), way.repository.path));
    direct.engine.docker(&["push", "--quiet", &direct.tag]);
    way.check_arrives();
}

#[test]
fn an_immutable_tag_with_another_image_is_reported() {
    let way = Way::to(Registry::Open, vec![immutable()]);
    let other = image::load(&format!("{}/{}:1", Registry::Open.host(), way.repository.path), &[10_000]);
    other.engine.docker(&["push", "--quiet", &other.tag]);
    let before = way.repository.digest("1");
    assert_refused(&run(&["push", &way.image.tag], &[]), 6, "registry/immutable-tag", &[&before]);
    assert_eq!(way.repository.digest("1"), before);
    way.repository.assert_whole();
}

/// Interrupts a push as soon as a layer is being transferred.
fn check_interrupt(fault: Fault) {
    let way = Way::to(Registry::Open, vec![Rule::new("PATCH", "/blobs/uploads/", fault)]);
    let folder = tempfile::tempdir().unwrap();
    let mut running = start_nextdeploy(&Engine::default(), folder.path(), &["push", &way.image.tag]);
    let started = Instant::now();
    while way.proxy.count("PATCH", "/blobs/uploads/") == 0 && !running.has_ended() {
        assert!(started.elapsed() < Duration::from_secs(20), "no layer was sent");
        std::thread::sleep(Duration::from_millis(20));
    }
    let signalled = Instant::now();
    running.signal(Signal::INT);
    let run = running.finish();
    assert!(signalled.elapsed() < CANCEL_LIMIT, "ended after {:?}\n{}", signalled.elapsed(), run.stderr);
    assert_eq!((run.code, run.stdout.as_str()), (Some(130), ""), "{}", run.stderr);
    assert_eq!(way.repository.tags(), Vec::<String>::new());
}

#[test]
fn interrupt_stops_a_push_during_a_layer() {
    check_interrupt(Fault::Slow { bytes_per_second: 50_000 });
}

#[test]
fn interrupt_stops_a_push_to_a_silent_registry() {
    check_interrupt(Fault::Mute);
}
