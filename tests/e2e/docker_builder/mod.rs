//! The docker builder with a real daemon: BuildKit, the classic builder and Podman.

pub mod harness;
mod quoting;
mod remote;

use std::time::{Duration, Instant};

use harness::{BASE, Cleanup, build, build_until, context, docker, engine, podman, request, unique};
use nextdeploy::builder::{BuildError, BuildEvent, BuildSecret};
use nextdeploy::config::settings::CacheUse;
use nextdeploy::diagnostic::{Diagnostic, ExitCode};
use nextdeploy::docker::build::ContextBody;
use nextdeploy::image::dockerfile::{BuildContext, BuilderBackend, ContextContent, ContextEntry};
use nextdeploy::image_ref::ImageRef;
use nextdeploy::secret::Secret;

#[tokio::test]
async fn a_build_produces_tags_labels_and_layers() {
    let _cleanup = Cleanup(&["full", "second"]);
    let engine = engine(&[]).await;
    assert_eq!(engine.builder, BuilderBackend::BuildKit);
    let mut request = request("full");
    request.tags.push(ImageRef::parse("nd-builder-test:second").unwrap());
    request.labels.insert("nd.label".into(), "a \"b\" & c".into());
    request.build_args.insert("WORD".into(), "from the arg".into());
    request.target = Some("wanted".into());
    request.platform = Some(engine.platform().await.unwrap());
    let dockerfile = format!(
        "{BASE}AS wanted\nARG WORD\nENV A=1\nRUN echo \"$WORD\" > /word && head -c 300000 /dev/zero > /big\nWORKDIR /\nFROM wanted AS unwanted\nRUN exit 3\n"
    )
    .replace("slim\nAS", "slim AS");
    let built = build(&engine, &request, &dockerfile).await;
    let image = built.image();
    assert_eq!(image.id, docker(&["image", "inspect", "-f", "{{.Id}}", "nd-builder-test:second"]).trim());
    assert_eq!(Some(&image.platform), request.platform.as_ref());
    assert_eq!(
        docker(&["image", "inspect", "-f", "{{index .Config.Labels \"nd.label\"}}", &image.id]).trim(),
        "a \"b\" & c"
    );
    assert_eq!(docker(&["run", "--rm", &image.id, "cat", "/word"]).trim(), "from the arg");
    let last = image.layers.last().unwrap();
    assert!(last.created_by.starts_with("RUN echo") && last.size > 300_000, "{:?}", image.layers);
    assert_eq!(image.layers.iter().map(|layer| layer.size).sum::<u64>(), image.size);
    let sent = built.events.iter().any(|event| matches!(event, BuildEvent::ContextSent { bytes, .. } if *bytes > 0));
    assert!(sent, "the upload is told");
}

#[tokio::test]
async fn secrets_reach_only_the_step() {
    let _cleanup = Cleanup(&["secret"]);
    let engine = engine(&[]).await;
    let mut request = request("secret");
    let value = format!("s3cr3t-{}", unique());
    request.secrets.push(BuildSecret { id: "token".into(), value: Secret::new(value.clone().into_bytes()) });
    // Secrets are not part of cache keys: the step must run.
    request.cache = CacheUse::Ignore;
    let dockerfile = format!(
        "{BASE}RUN --mount=type=secret,id=token,required=true sha256sum < /run/secrets/token > /sum; cat /run/secrets/token\n"
    );
    let built = build(&engine, &request, &dockerfile).await;
    let image = built.image();
    let sum = docker(&["run", "--rm", &image.id, "cat", "/sum"]);
    assert!(sum.starts_with(&format!("{:x}", <sha2::Sha256 as sha2::Digest>::digest(&value))), "{sum}");
    assert!(built.log().contains("[secret]") && !built.log().contains(&value), "the log is redacted: {}", built.log());
    assert!(!docker(&["history", "--no-trunc", &image.id]).contains(&value));
    assert!(!docker(&["image", "inspect", &image.id]).contains(&value));
    assert!(
        docker(&["run", "--rm", &image.id, "ls", "/run"]).lines().all(|line| line != "secrets")
            || docker(&["run", "--rm", &image.id, "ls", "/run/secrets"]).is_empty()
    );
}

#[tokio::test]
async fn a_missing_secret_is_named() {
    let engine = engine(&[]).await;
    let dockerfile = format!("{BASE}RUN --mount=type=secret,id=token,required=true echo {}\n", unique());
    let error = build(&engine, &request("none"), &dockerfile).await.result.unwrap_err();
    assert_eq!(error.code(), "builder/secret-missing", "{error}");
    assert!(error.hints()[0].contains("--secret id=token"), "{:?}", error.hints());
}

#[tokio::test]
async fn a_rebuild_is_cached_without_no_cache_and_cache_mounts_persist() {
    let _cleanup = Cleanup(&["cached"]);
    let engine = engine(&[]).await;
    let mut request = request("cached");
    // The id of a cache mount is not part of the step's cache key: the command must be new as well.
    let dockerfile = format!(
        "{BASE}RUN --mount=type=cache,id=nd-{id},target=/c : {id}; echo run >> /c/runs && wc -l < /c/runs | tee /count\n",
        id = unique()
    );
    let first = build(&engine, &request, &dockerfile).await;
    let second = build(&engine, &request, &dockerfile).await;
    // Newer engines write the build time into the image: its layers stay the same, its id does not.
    assert_eq!(first.image().layers, second.image().layers);
    assert!(first.steps().iter().any(|step| step.contains("RUN") && step.ends_with("Done")), "{:?}", first.steps());
    assert!(second.steps().iter().any(|step| step.contains("RUN") && step.ends_with("Cached")), "{:?}", second.steps());
    let changed = build(&engine, &request, &dockerfile.replace("/count", "/other")).await;
    assert_eq!(
        docker(&["run", "--rm", &changed.image().id, "cat", "/other"]).trim(),
        "2",
        "the cache mount kept the first run"
    );
    request.cache = CacheUse::Ignore;
    let third = build(&engine, &request, &dockerfile).await;
    assert!(third.steps().iter().any(|step| step.contains("RUN") && step.ends_with("Done")), "{:?}", third.steps());
}

#[tokio::test]
async fn a_failing_step_is_reported_with_exit_code_and_log() {
    let engine = engine(&[]).await;
    let dockerfile = format!(
        "{BASE}RUN echo {}; for n in $(seq 1 30); do echo line $n; done; printf 'last \\033[31mwords\\033[0m\\a'; exit 37\n",
        unique()
    );
    let built = build(&engine, &request("failing"), &dockerfile).await;
    let error = built.result.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("builder/step-failed", ExitCode::Build));
    let BuildError::StepFailed { step, exit_code, tail, .. } = &error else { panic!("{error:?}") };
    assert!(step.contains("RUN echo") && error.to_string().contains("exit code 37"), "{error}");
    assert_eq!((*exit_code, tail.len(), tail.last().map(String::as_str)), (Some(37), 20, Some("last words\\u{7}")));
}

#[tokio::test]
async fn builder_rejections_are_explained() {
    let engine = engine(&[]).await;
    let mut bad_tag = request("x");
    bad_tag.tags[0].path = "Nd-Upper".to_owned();
    let mut bad_target = request("x");
    bad_target.target = Some("zzz".into());
    for (request, dockerfile, code, word) in [
        (request("x"), format!("{BASE}COPY nope.txt /\n"), "builder/copy-not-found", "/nope.txt"),
        (request("x"), format!("{BASE}RUNN x\n"), "builder/dockerfile-syntax", "RUNN"),
        (request("x"), "FROM nd-not-there.invalid/x:1\n".to_owned(), "builder/network", "nd-not-there.invalid"),
        (bad_target, BASE.to_owned(), "builder/target-not-found", "zzz"),
        (bad_tag, BASE.to_owned(), "builder/bad-reference", "lowercase"),
    ] {
        let error = build(&engine, &request, &dockerfile).await.result.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

/// Processes on this machine whose command line contains `mark`; the daemon runs here.
fn processes(mark: &str) -> usize {
    let own = std::process::id().to_string();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy() != own.as_str())
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(mark))
        .count()
}

async fn wait_for_processes(mark: &str, running: bool, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    while (processes(mark) > 0) != running {
        if Instant::now() > end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

#[tokio::test]
async fn cancelling_stops_the_step_within_a_second() {
    for pairs in [&[][..], &[("DOCKER_BUILDKIT", "0")][..]] {
        let engine = engine(pairs).await;
        let mark = format!("nd-sleep-{}", unique());
        let dockerfile = format!("{BASE}RUN : {mark}; sleep 300; :\n");
        let started = {
            let mark = mark.clone();
            async move { assert!(wait_for_processes(&mark, true, Duration::from_secs(30)).await, "the step never ran") }
        };
        let built = build_until(&engine, &request("cancel"), context(&[("Dockerfile", &dockerfile)]), started).await;
        assert_eq!(built.result.as_ref().unwrap_err().exit_code(), ExitCode::Interrupted);
        assert!(wait_for_processes(&mark, false, Duration::from_secs(1)).await, "{:?} still runs", engine.builder);
        assert!(built.steps().iter().any(|step| step.ends_with("Cancelled")), "{:?}", built.steps());
        let mut left = String::from("?");
        for _ in 0..40 {
            left = docker(&["ps", "-a", "--no-trunc", "--format", "{{.Command}}"])
                .lines()
                .filter(|line| line.contains(&mark))
                .collect();
            if left.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(left, "", "{:?} leaves no container", engine.builder);
    }
}

#[tokio::test]
async fn a_build_over_its_timeout_is_stopped() {
    let engine = engine(&[]).await;
    let mark = format!("nd-sleep-{}", unique());
    let mut request = request("slow");
    request.timeout = Some(Duration::from_secs(3));
    let error = build(&engine, &request, &format!("{BASE}RUN : {mark}; sleep 300; :\n")).await.result.unwrap_err();
    assert_eq!(error.code(), "builder/timed-out");
    assert!(wait_for_processes(&mark, false, Duration::from_secs(1)).await);
}

#[tokio::test]
async fn a_broken_context_is_an_error_and_produces_no_image() {
    let engine = engine(&[]).await;
    let gone = ContextContent::File { disk: "/nd-not-there/a.ts".into(), size: 10 };
    let dockerfile = ContextContent::Generated(BASE.as_bytes().to_vec());
    let entries = [("Dockerfile", dockerfile), ("src.ts", gone)].map(|(path, content)| ContextEntry {
        path: path.into(),
        content,
        mode: 0o644,
    });
    let body = ContextBody::of(BuildContext { entries: entries.into() });
    let error = build_until(&engine, &request("broken"), body, std::future::pending()).await.result.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("context/vanished", ExitCode::Project));
    assert!(error.to_string().contains("a.ts` vanished"), "{error}");
}

#[tokio::test]
async fn the_classic_builder_builds_and_reports_what_it_does_not_support() {
    let _cleanup = Cleanup(&["classic", "classic-two"]);
    let engine = engine(&[("DOCKER_BUILDKIT", "0")]).await;
    assert_eq!(engine.builder, BuilderBackend::Classic);
    let mut request = request("classic");
    request.tags.push(ImageRef::parse("nd-builder-test:classic-two").unwrap());
    request.memory = Some(3 << 30);
    let dockerfile = format!("{BASE}ENV A=1\nRUN echo {} > /word\n", unique());
    let first = build(&engine, &request, &dockerfile).await;
    assert_eq!(first.image().id, docker(&["image", "inspect", "-f", "{{.Id}}", "nd-builder-test:classic-two"]).trim());
    assert!(first.image().layers.last().unwrap().created_by.starts_with("RUN echo"), "{:?}", first.image().layers);
    let second = build(&engine, &request, &dockerfile).await;
    assert!(second.steps().iter().any(|step| step.contains("RUN") && step.ends_with("Cached")), "{:?}", second.steps());
    let failing = build(&engine, &request, &format!("{BASE}RUN echo {}; echo why >&2; exit 37\n", unique())).await;
    let BuildError::StepFailed { exit_code: Some(37), tail, .. } = failing.result.unwrap_err() else { panic!() };
    assert!(tail.iter().any(|line| line == "why"), "{tail:?}");
    request.secrets.push(BuildSecret { id: "token".into(), value: Secret::new(b"secret".to_vec()) });
    assert_eq!(build(&engine, &request, BASE).await.result.unwrap_err().code(), "builder/needs-buildkit");
}

#[tokio::test]
async fn podman_builds_through_its_docker_api() {
    let _turn = crate::docker::PODMAN_TURN.lock().await;
    let engine = podman().await;
    assert_eq!((engine.builder, engine.name.as_str()), (BuilderBackend::Classic, "Podman"));
    let request = request("podman");
    let word = unique();
    let dockerfile = format!("{BASE}ENV A=1\nRUN echo {word} > /word\n");
    let first = build(&engine, &request, &dockerfile).await;
    let image = first.image();
    assert!(image.id.starts_with("sha256:") && image.layers.last().unwrap().created_by.contains(&word), "{image:?}");
    let second = build(&engine, &request, &dockerfile).await;
    assert_eq!(second.image().id, image.id);
    assert!(second.steps().iter().any(|step| step.contains("RUN") && step.ends_with("Cached")), "{:?}", second.steps());
    let failing = build(&engine, &request, &format!("{BASE}RUN echo {word}; echo why; exit 37\n")).await;
    let error = failing.result.unwrap_err();
    let BuildError::StepFailed { exit_code: Some(37), tail, .. } = &error else { panic!("{error:?}") };
    assert!(tail.iter().any(|line| line == "why"), "{tail:?}");

    let mark = format!("nd-sleep-{word}");
    let started = {
        let mark = mark.clone();
        async move { assert!(wait_for_processes(&mark, true, Duration::from_secs(30)).await, "the step never ran") }
    };
    let slow = format!("{BASE}RUN : {mark}; sleep 10; :\n");
    let cancelled = build_until(&engine, &request, context(&[("Dockerfile", &slow)]), started).await;
    assert_eq!(cancelled.result.unwrap_err().code(), "builder/cancelled");
    // Podman lets the step finish, and the program reports it.
    let said = cancelled
        .events
        .iter()
        .any(|event| matches!(event, BuildEvent::Warning(text) if text.contains("cannot stop a running step")));
    assert!(said, "{:?}", cancelled.events);
    let removed = std::process::Command::new("podman").args(["rmi", "-f", "nd-builder-test:podman"]).output().unwrap();
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
}
