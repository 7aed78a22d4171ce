//! Pushes and pulls through daemons that respond like real ones when registries misbehave.

mod fake;

use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fake::{Daemon, ID, NewTags, Registry, answer, chunk, end_stream, passwords, stream_lines};
use nextdeploy::diagnostic::{Diagnostic, ExitCode};
use nextdeploy::image_ref::ImageRef;
use nextdeploy::registry::Keychain;
use nextdeploy::registry::transfer::{
    LayerOutcome, LayerState, PullRun, PushOutcome, RetryPolicy, TransferError, TransferEvent, TransferOptions,
};
use tokio::sync::mpsc;

const DIGEST: &str = "sha256:9b281a105651b69ee1ca44a539f46b2538e3b6acef906fc834cba415700163fc";
/// A closed port, so that direct requests to the registry fail at once.
const HOST: &str = "127.0.0.1:1";

/// The messages of dockerd 20.10 for a successful push.
fn pushed(tag: &str) -> Vec<String> {
    pushed_as(tag, DIGEST)
}

fn pushed_as(tag: &str, digest: &str) -> Vec<String> {
    vec![
        r#"{"status":"The push refers to repository [127.0.0.1:1/shop]"}"#.into(),
        r#"{"status":"Preparing","progressDetail":{},"id":"9fe9ef151c40"}"#.into(),
        r#"{"status":"Pushing","progressDetail":{"current":512,"total":20000},"progress":"[>]","id":"9fe9ef151c40"}"#
            .into(),
        r#"{"status":"Pushed","progressDetail":{},"id":"9fe9ef151c40"}"#.into(),
        format!(r#"{{"status":"{tag}: digest: {digest} size: 737"}}"#),
        format!(r#"{{"progressDetail":{{}},"aux":{{"Tag":"{tag}","Digest":"{digest}","Size":737}}}}"#),
    ]
}

fn refused(text: &str) -> Vec<String> {
    let text = serde_json::to_string(text).unwrap();
    vec![
        r#"{"status":"The push refers to repository [127.0.0.1:1/shop]"}"#.into(),
        format!(r#"{{"errorDetail":{{"message":{text}}},"error":{text}}}"#),
    ]
}

fn references(names: &[&str]) -> Vec<ImageRef> {
    names.iter().map(|name| ImageRef::parse(&name.replace("HOST", HOST)).unwrap()).collect()
}

fn options() -> TransferOptions {
    TransferOptions {
        retry: RetryPolicy {
            attempts: 4,
            first_wait: Duration::from_millis(20),
            longest_wait: Duration::from_millis(50),
            ..RetryPolicy::default()
        },
        idle: Duration::from_secs(10),
        ..TransferOptions::default()
    }
}

async fn push(daemon: &Daemon, names: &[&str], keychain: &Keychain) -> (PushOutcome, Vec<TransferEvent>) {
    daemon.push(&references(names), keychain, options(), std::future::pending()).await
}

/// The only failure of `outcome`, after checking its code and exit code.
#[track_caller]
fn failure<'a>(outcome: &'a PushOutcome, code: &str, exit_code: ExitCode) -> &'a TransferError {
    assert_eq!(outcome.failed.len(), 1, "{outcome:?}");
    let error = &outcome.failed[0].error;
    assert_eq!((error.code(), error.exit_code()), (code, exit_code), "{error}");
    assert_eq!(error.hints().len(), 1, "{error} says what to do");
    error
}

#[tokio::test]
async fn the_first_reference_is_pushed_alone_and_every_digest_is_reported() {
    let daemon = Daemon::start(|push, stream| {
        std::thread::sleep(Duration::from_millis(30));
        stream_lines(stream, &pushed(push.tag()));
    });
    let names = ["HOST/shop:1", "HOST/shop:2", "HOST/shop", "HOST/shop:1"];
    let (outcome, events) = push(&daemon, &names, &passwords(&["p"])).await;
    assert!(outcome.failed.is_empty(), "{outcome:?}");
    let arrived: Vec<_> = outcome
        .pushed
        .iter()
        .map(|pushed| (pushed.reference.to_string(), pushed.digest.as_str(), pushed.manifest_size))
        .collect();
    assert_eq!(
        arrived,
        [
            ("127.0.0.1:1/shop:1".to_owned(), DIGEST, 737),
            ("127.0.0.1:1/shop:2".to_owned(), DIGEST, 737),
            ("127.0.0.1:1/shop:latest".to_owned(), DIGEST, 737)
        ]
    );
    let first_end = events.iter().position(|event| matches!(event, TransferEvent::Finished { .. })).unwrap();
    let started = events[..first_end].iter().filter(|event| matches!(event, TransferEvent::Started { .. })).count();
    assert_eq!(started, 1, "{events:?}");
    let layer =
        |state| TransferEvent::Layer { reference: "127.0.0.1:1/shop:1".into(), layer: "9fe9ef151c40".into(), state };
    assert!(events.contains(&layer(LayerState::Moving { current: 512, total: Some(20000) })), "{events:?}");
    assert!(events.contains(&layer(LayerState::Done(LayerOutcome::Moved))), "{events:?}");
    assert!(daemon.pushes().iter().all(|push| push.contains("/images/127.0.0.1:1/shop/push?tag=")));
}

#[tokio::test]
async fn an_error_inside_a_good_answer_is_an_error_for_all_tags_of_the_repository() {
    let daemon =
        Daemon::start(|_, stream| stream_lines(stream, &refused("denied: requested access to the resource is denied")));
    let (outcome, _) = push(&daemon, &["HOST/shop:1", "HOST/shop:2"], &passwords(&["p"])).await;
    let error = failure(&outcome, "registry/denied", ExitCode::Authentication);
    assert!(error.to_string().contains("does not allow pushing with the credentials from the test"), "{error}");
    assert_eq!(outcome.failed[0].references, ["127.0.0.1:1/shop:1", "127.0.0.1:1/shop:2"]);
    assert_eq!(daemon.pushes().len(), 1, "it cannot change, and is not tried again");
}

#[tokio::test]
async fn refused_credentials_are_renewed_once() {
    let daemon = Daemon::start(|push, stream| {
        let lines = if push.login()["password"] == "new" {
            pushed(push.tag())
        } else {
            refused("unauthorized: authentication required")
        };
        stream_lines(stream, &lines);
    });
    let (outcome, events) = push(&daemon, &["HOST/shop:1", "HOST/shop:2"], &passwords(&["old?>~ü", "new"])).await;
    assert_eq!(outcome.pushed.len(), 2, "{outcome:?}");
    assert_eq!(daemon.pushes().len(), 3, "the new ones are kept for the second tag");
    let renewed = events.iter().filter(|event| matches!(event, TransferEvent::CredentialsRenewed { .. })).count();
    assert_eq!(renewed, 1, "{events:?}");

    let (outcome, events) = push(&daemon, &["HOST/shop:1"], &passwords(&["old?>~ü", "wrong", "new"])).await;
    let error = failure(&outcome, "registry/unauthorized", ExitCode::Authentication);
    for secret in ["old?>~ü", "wrong"] {
        assert!(!format!("{error} {error:?} {events:?} {outcome:?}").contains(secret));
    }
}

#[tokio::test]
async fn missing_credentials_list_the_sources_that_were_tried() {
    let daemon = Daemon::start(|push, stream| {
        assert_eq!(push.login(), serde_json::json!({}));
        stream_lines(stream, &refused("no basic auth credentials"));
    });
    let (outcome, _) = push(&daemon, &["HOST/shop:1"], &passwords(&[])).await;
    let error = failure(&outcome, "registry/no-credentials", ExitCode::Authentication);
    assert!(error.to_string().contains("`DOCKER_AUTH_CONFIG` is not set"), "{error}");
}

#[tokio::test]
async fn temporary_failures_are_retried_and_reported() {
    let daemon = Daemon::start(|push, stream| {
        let lines = match push.number {
            0 => refused("received unexpected HTTP status: 500 Internal Server Error"),
            1 => refused("toomanyrequests: retry-after: 300ms, allowed: 44000/minute"),
            _ => pushed(push.tag()),
        };
        stream_lines(stream, &lines);
    });
    let started = Instant::now();
    let (outcome, events) = push(&daemon, &["HOST/shop:1"], &passwords(&["p"])).await;
    assert_eq!(outcome.pushed.len(), 1, "{outcome:?}");
    assert!(started.elapsed() >= Duration::from_millis(300), "the registry wanted so long a pause");
    let retries: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            TransferEvent::Retrying { attempt, attempts, reason, .. } => Some((*attempt, *attempts, reason.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        retries,
        [
            (2, 4, "received unexpected HTTP status: 500 Internal Server Error"),
            (3, 4, "toomanyrequests: retry-after: 300ms, allowed: 44000/minute")
        ]
    );
}

#[tokio::test]
async fn a_long_retry_after_is_not_waited_for() {
    for wait in ["100000", "10000000000000000000s"] {
        let daemon = Daemon::start(move |_, stream| {
            stream_lines(stream, &refused(&format!("toomanyrequests: retry-after: {wait}, allowed: 1/minute")));
        });
        let (outcome, _) = push(&daemon, &["HOST/shop:1"], &passwords(&["p"])).await;
        failure(&outcome, "registry/rate-limited", ExitCode::Push);
        assert_eq!(daemon.pushes().len(), 1);
    }
}

#[tokio::test]
async fn slow_bytes_do_not_reset_the_timeout() {
    let daemon = Daemon::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        chunk(stream, "{\"status\":\"");
        while stream.write_all(b"1\r\nx\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let options = TransferOptions { idle: Duration::from_secs(1), ..options() };
    let start = Instant::now();
    let references = references(&["HOST/shop:1"]);
    let (outcome, _) = daemon.push(&references, &passwords(&["p"]), options, std::future::pending()).await;
    failure(&outcome, "registry/idle", ExitCode::Push);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn attempts_are_bounded() {
    let daemon = Daemon::start(|_, stream| {
        stream_lines(stream, &refused("received unexpected HTTP status: 503 Service Unavailable"));
    });
    let (outcome, _) = push(&daemon, &["HOST/shop:1"], &passwords(&["p"])).await;
    let error = failure(&outcome, "registry/server-error", ExitCode::Push);
    assert!(error.to_string().contains("(503)") && error.to_string().ends_with("(4 attempts)"), "{error}");
    assert_eq!(daemon.pushes().len(), 4);
}

#[tokio::test]
async fn broken_daemon_responses_name_the_daemon() {
    let cut = Daemon::start(|push, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        chunk(stream, &pushed(push.tag())[..3].join("\n"));
    });
    let (outcome, _) = push(&cut, &["HOST/shop:1"], &passwords(&["p"])).await;
    let error = failure(&outcome, "daemon/connection-lost", ExitCode::Push);
    assert!(error.to_string().contains("during the push"), "{error}");

    let junk = Daemon::start(|_, stream| stream_lines(stream, &["<html>".into()]));
    let (outcome, _) = push(&junk, &["HOST/shop:1"], &passwords(&["p"])).await;
    failure(&outcome, "daemon/connection-lost", ExitCode::Push);

    // A stream that ends without a digest is a failure.
    let silent = Daemon::start(|_, stream| stream_lines(stream, &[r#"{"status":"bye"}"#.into()]));
    let (outcome, _) = push(&silent, &["HOST/shop:1"], &passwords(&["p"])).await;
    failure(&outcome, "registry/no-digest", ExitCode::Push);

    let bad = Daemon::start(|_, stream| answer(stream, "400 Bad Request", r#"{"message":"invalid tag \u001b[2J"}"#));
    let (outcome, _) = push(&bad, &["HOST/shop:1"], &passwords(&["p"])).await;
    let error = failure(&outcome, "registry/refused", ExitCode::Push);
    assert!(error.to_string().contains("invalid tag \\u{1b}[2J"), "{error}");
}

#[tokio::test]
async fn a_silent_registry_times_out() {
    let daemon = Daemon::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        chunk(stream, "{\"status\":\"The push refers to repository [127.0.0.1:1/shop]\"}\n");
        std::thread::sleep(Duration::from_secs(30));
    });
    let short = TransferOptions { idle: Duration::from_millis(300), ..options() };
    let started = Instant::now();
    let (outcome, _) =
        daemon.push(&references(&["HOST/shop:1"]), &passwords(&["p"]), short, std::future::pending()).await;
    failure(&outcome, "registry/idle", ExitCode::Push);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_cancelled_push_stops_in_the_daemon_and_reports_what_was_pushed() {
    let daemon = Daemon::start(|push, stream| {
        if push.tag() == "1" {
            return stream_lines(stream, &pushed("1"));
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        chunk(stream, &format!("{}\n", pushed("2")[0]));
        let ended = stream.read(&mut [0; 16]).is_ok_and(|read| read == 0);
        push.cancelled.store(ended, Ordering::SeqCst);
    });
    let references = references(&["HOST/shop:1", "HOST/shop:2", "HOST/shop:3"]);
    let cancel = async {
        while daemon.pushes().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let (outcome, _) = daemon.push(&references, &passwords(&["p"]), options(), cancel).await;
    assert_eq!(outcome.pushed.len(), 1, "{outcome:?}");
    assert_eq!(outcome.failed[0].references, ["127.0.0.1:1/shop:2", "127.0.0.1:1/shop:3"]);
    assert_eq!(outcome.error().unwrap().exit_code(), ExitCode::Interrupted);
    for _ in 0..100 {
        if daemon.cancelled.load(Ordering::SeqCst) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the daemon still pushes");
}

#[tokio::test]
async fn images_missing_in_the_daemon_are_not_pushed() {
    let daemon = Daemon::start(|push, stream| stream_lines(stream, &pushed(push.tag())));
    let (outcome, _) = push(&daemon, &["HOST/missing:1"], &passwords(&["p"])).await;
    let error = failure(&outcome, "registry/no-local-image", ExitCode::Push);
    assert!(error.to_string().contains("`127.0.0.1:1/missing:1`"), "{error}");
    let (outcome, _) = push(&daemon, &[&format!("HOST/shop@{DIGEST}")], &passwords(&["p"])).await;
    failure(&outcome, "registry/digest-reference", ExitCode::Usage);
    assert!(daemon.pushes().is_empty());
}

#[tokio::test]
async fn a_failure_at_one_registry_keeps_the_success_at_another() {
    let daemon = Daemon::start(|push, stream| {
        let lines = if push.path.contains("other") {
            refused(
                "name unknown: The repository with name 'other' does not exist in the registry with id '123456789012'",
            )
        } else {
            pushed(push.tag())
        };
        stream_lines(stream, &lines);
    });
    let (outcome, _) = push(&daemon, &["localhost:1/other:1", "HOST/shop:1"], &passwords(&["p"])).await;
    assert_eq!(outcome.pushed.len(), 1, "{outcome:?}");
    failure(&outcome, "registry/repository-missing", ExitCode::Push);
    assert_eq!(outcome.failed[0].references, ["localhost:1/other:1"]);
}

#[tokio::test]
async fn a_tag_that_cannot_be_overwritten_is_compared() {
    const REFUSAL: &str = "tag invalid: The image tag '1' already exists in the 'shop' repository and cannot be overwritten because the repository is immutable.";
    let daemon = Daemon::start(|push, stream| {
        let lines = if push.tag() == "1" { refused(REFUSAL) } else { pushed(push.tag()) };
        stream_lines(stream, &lines);
    });
    let same = Registry::start(ID, &["1", "2"], NewTags::Refused).address;
    let (outcome, _) = push(&daemon, &[&format!("{same}/shop:1"), &format!("{same}/shop:2")], &passwords(&["p"])).await;
    assert!(outcome.failed.is_empty(), "{outcome:?}");
    let first = &outcome.pushed[0];
    assert!(first.unchanged && first.digest.starts_with("sha256:") && first.manifest_size > 0, "{first:?}");
    assert!(outcome.pushed[1].unchanged, "{outcome:?}");

    let other_id = format!("sha256:{}", "b".repeat(64));
    let other = Registry::start(&other_id, &["1"], NewTags::Refused).address;
    let (outcome, _) =
        push(&daemon, &[&format!("{other}/shop:1"), &format!("{other}/shop:2")], &passwords(&["p"])).await;
    let error = failure(&outcome, "registry/immutable-tag", ExitCode::Push);
    assert!(error.to_string().contains(ID) && error.to_string().contains(&other_id), "{error}");
    assert_eq!((outcome.failed[0].references.len(), outcome.pushed.len()), (1, 1), "other tags still arrive");

    // A registry that cannot be reached.
    let (outcome, _) = push(&daemon, &["HOST/shop:1"], &passwords(&["p"])).await;
    failure(&outcome, "registry/immutable-tag", ExitCode::Push);
}

#[tokio::test]
async fn further_tags_are_added_to_the_pushed_manifest() {
    for (new_tags, requests, put) in [(NewTags::Taken, 1, vec!["1", "2", "3"]), (NewTags::Refused, 3, vec!["1"])] {
        let registry = Registry::start(ID, &["1"], new_tags);
        let digest = registry.digest.clone();
        let daemon = Daemon::start(move |push, stream| stream_lines(stream, &pushed_as(push.tag(), &digest)));
        let names: Vec<String> = ["1", "2", "3"].iter().map(|tag| format!("{}/shop:{tag}", registry.address)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (outcome, events) = push(&daemon, &names, &passwords(&["p"])).await;
        assert!(outcome.failed.is_empty(), "{outcome:?}");
        let unchanged: Vec<bool> = outcome.pushed.iter().map(|pushed| pushed.unchanged).collect();
        assert_eq!(unchanged, [true, false, false], "only the first tag was there");
        assert!(outcome.pushed.iter().all(|pushed| pushed.digest == registry.digest), "{outcome:?}");
        assert_eq!((daemon.pushes().len(), registry.tags()), (requests, put.into_iter().map(str::to_owned).collect()));
        let finished = events.iter().filter(|event| matches!(event, TransferEvent::Finished { .. })).count();
        assert_eq!(finished, 3);
    }
}

#[tokio::test]
async fn tags_are_not_added_to_a_manifest_of_another_image() {
    let registry = Registry::start(ID, &["1"], NewTags::Taken);
    let daemon = Daemon::start(move |push, stream| stream_lines(stream, &pushed(push.tag())));
    let names = [format!("{}/shop:1", registry.address), format!("{}/shop:2", registry.address)];
    let (outcome, _) = push(&daemon, &[&names[0], &names[1]], &passwords(&["p"])).await;
    assert_eq!((outcome.pushed.len(), daemon.pushes().len(), registry.tags()), (2, 2, vec!["1".to_owned()]));
}

async fn pull(
    daemon: &Daemon,
    reference: &str,
    platform: Option<&str>,
) -> Result<nextdeploy::registry::transfer::PulledImage, TransferError> {
    let engine = daemon.connect().await;
    let (events, receiver) = mpsc::channel(8);
    drop(receiver);
    let reference = &references(&[reference])[0];
    let keychain = &passwords(&["p"]);
    PullRun { engine: &engine, reference, platform, keychain, events, options: options() }
        .pull(std::future::pending())
        .await
}

#[tokio::test]
async fn a_pull_reports_digest_and_image_id() {
    let daemon = Daemon::start(|push, stream| {
        assert!(push.path.starts_with("/images/create?fromImage=127.0.0.1%3A1%2Fshop&tag=1"), "{}", push.path);
        let status = if push.number == 0 { "Downloaded newer image" } else { "Image is up to date" };
        stream_lines(
            stream,
            &[
                r#"{"status":"Pulling fs layer","progressDetail":{},"id":"fdcfa564b7e3"}"#.into(),
                format!(r#"{{"status":"Digest: {DIGEST}"}}"#),
                format!(r#"{{"status":"Status: {status} for 127.0.0.1:1/shop:1"}}"#),
            ],
        );
    });
    let image = pull(&daemon, "HOST/shop:1", None).await.unwrap();
    assert_eq!((image.digest.as_str(), image.id.as_str(), image.unchanged), (DIGEST, ID, false));
    assert!(pull(&daemon, "HOST/shop:1", Some("linux/amd64")).await.unwrap().unchanged);
    let error = pull(&daemon, "HOST/shop:1", Some("linux/arm64")).await.unwrap_err();
    assert_eq!(error.code(), "registry/no-platform");
}

#[tokio::test]
async fn a_pull_that_fails_says_why() {
    for (status, message, code, exit_code) in [
        (
            "404 Not Found",
            "manifest for 127.0.0.1:1/shop:1 not found: manifest unknown: manifest unknown",
            "registry/not-found",
            ExitCode::Push,
        ),
        (
            "500 Internal Server Error",
            r#"Head \"http://127.0.0.1:1/v2/shop/manifests/1\": no basic auth credentials"#,
            "registry/unauthorized",
            ExitCode::Authentication,
        ),
        (
            "404 Not Found",
            "pull access denied for shop, repository does not exist or may require 'docker login': denied: no",
            "registry/denied",
            ExitCode::Authentication,
        ),
        (
            "404 Not Found",
            "no matching manifest for linux/arm64 in the manifest list entries",
            "registry/no-platform",
            ExitCode::Push,
        ),
        (
            "500 Internal Server Error",
            r#"Get \"https://r/v2/\": dial tcp: lookup r: no such host"#,
            "registry/unknown-host",
            ExitCode::Push,
        ),
    ] {
        let daemon = Daemon::start(move |_, stream| answer(stream, status, &format!(r#"{{"message":"{message}"}}"#)));
        let error = pull(&daemon, "HOST/shop:1", None).await.unwrap_err();
        assert_eq!((error.code(), error.exit_code()), (code, exit_code), "{error}");
    }
    let daemon = Daemon::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        chunk(stream, "{\"error\":\"write /var/lib/docker/tmp/x: no space left on device\"}\n");
        end_stream(stream);
    });
    assert_eq!(pull(&daemon, "HOST/shop:1", None).await.unwrap_err().code(), "registry/no-space");
}

#[tokio::test]
async fn credentials_echoed_by_a_registry_are_not_printed() {
    use base64::Engine as _;
    let password = "p4ssw0rd-that-comes-back";
    let daemon = Daemon::start(move |push, stream| {
        let login = push.login();
        let password = login["password"].as_str().unwrap();
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("me:{password}"));
        let page = format!("{} {basic} {password}", "x".repeat(380));
        let text = format!("denied: headers: Authorization: Basic {basic}, X-Token: {password}; {page}");
        stream_lines(stream, &refused(&text));
    });
    let (outcome, events) = push(&daemon, &["HOST/shop:1"], &passwords(&[password])).await;
    let error = failure(&outcome, "registry/denied", ExitCode::Authentication);
    let text = format!("{error} {:?} {events:?}", error.hints());
    assert!(text.contains("[secret]"), "{text}");
    for part in [&password[..10], &password[10..], "bWU6cDRzc3cw"] {
        assert!(!text.contains(part), "`{part}` in {text}");
    }
}
