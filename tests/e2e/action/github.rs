//! Workflows with `uses: ./`, run by `act` against the real daemon and a real registry.

use std::fs;

use serde_json::Value;

use super::runner::{Event, Finished, REGISTRY, Runner, copy_action, copy_app, workflow};
use crate::docker::{Engine, Image, services_folder};

const FORK: &str = "mallory/shop";
/// Must not be caused by any input, name or log.
const FORGED: &str = "forged";

fn push_to(repository: &str) -> String {
    format!("images: {REGISTRY}/{repository}")
}

/// Images that the run left in the daemon; removed on drop.
fn built(finished: &Finished) -> Vec<Image> {
    let outputs = finished.outputs();
    let tags = outputs["tags"].as_str().unwrap_or_default().lines();
    // The id last: it is removed with the digest names that a push leaves.
    let names = tags.chain(outputs["image-id"].as_str());
    names.map(|name| Image { engine: Engine::default(), tag: name.to_owned() }).collect()
}

fn text<'a>(outputs: &'a Value, name: &str) -> &'a str {
    outputs[name].as_str().unwrap_or_else(|| panic!("no output {name}: {outputs:#}"))
}

/// The digest of a tag in the registry.
fn digest_in_registry(repository: &str, tag: &str) -> String {
    let engine = Engine::default();
    let reference = format!("{REGISTRY}/{repository}:{tag}");
    let pulled = engine.docker(&["pull", &reference]);
    pulled.lines().find_map(|line| line.strip_prefix("Digest: ")).unwrap_or_else(|| panic!("{pulled}")).to_owned()
}

#[test]
fn act_a_push_to_the_default_branch_is_built_pushed_and_reported() {
    let runner = Runner::new();
    let finished = runner.run(&workflow(&push_to("nd-act/main")), &Event::push("refs/heads/main"), &[]).succeeds();
    let images = built(&finished);
    let outputs = finished.outputs();
    let digest = text(&outputs, "digest");
    assert_eq!(text(&outputs, "pushed"), "true");
    assert_eq!(text(&outputs, "repository"), format!("{REGISTRY}/nd-act/main"));
    assert_eq!(digest_in_registry("nd-act/main", text(&outputs, "tag")), digest);
    assert!(text(&outputs, "image").ends_with(&format!("@{digest}")), "{outputs:#}");
    assert!(text(&outputs, "image-id").starts_with("sha256:"), "{outputs:#}");
    assert!(text(&outputs, "size").parse::<u64>().unwrap() > 100_000_000, "{outputs:#}");
    assert!(text(&outputs, "node-version").starts_with("22"), "{outputs:#}");
    assert!(text(&outputs, "next-version").starts_with("16."), "{outputs:#}");
    assert!(text(&outputs, "package-manager").starts_with("npm"), "{outputs:#}");
    assert!(text(&outputs, "dockerfile").contains("FROM node:22-slim"), "{outputs:#}");
    let metadata: Value = serde_json::from_str(text(&outputs, "metadata")).unwrap();
    assert!(metadata.to_string().contains(digest), "{metadata:#}");
    assert!(images.iter().any(|image| image.tag.ends_with(":main")), "{outputs:#}");
    let summary = finished.file("summary");
    assert!(summary.contains("hello-next") && summary.contains(digest), "{summary}");
    assert_eq!(finished.annotations("error"), [""; 0], "{}", finished.log);
}

#[test]
fn act_a_tag_gives_the_tags_of_its_version() {
    let runner = Runner::new();
    let inputs = push_to("nd-act/tag")
        + "\ntags: |\n  type=semver,pattern={{version}}\n  type=semver,pattern={{major}}.{{minor}}";
    let finished = runner.run(&workflow(&inputs), &Event::push("refs/tags/v1.4.2"), &[]).succeeds();
    let images = built(&finished);
    for tag in ["1.4.2", "1.4", "latest"] {
        assert!(
            images.iter().any(|image| image.tag == format!("{REGISTRY}/nd-act/tag:{tag}")),
            "{}",
            finished.outputs()
        );
    }
    assert_eq!(digest_in_registry("nd-act/tag", "1.4"), text(&finished.outputs(), "digest"));
}

#[test]
fn act_a_pull_request_of_the_repository_is_pushed_and_one_of_a_fork_is_not() {
    let runner = Runner::new();
    let own =
        runner.run(&workflow(&push_to("nd-act/pr")), &Event::pull_request("acme/shop", "feature"), &[]).succeeds();
    let images = built(&own);
    assert!(images.iter().any(|image| image.tag.ends_with(":pr-7")), "{}", own.outputs());
    assert_eq!(text(&own.outputs(), "pushed"), "true");
    drop(images);

    let fork = runner.run(&workflow(&push_to("nd-act/fork")), &Event::pull_request(FORK, "main"), &[]).succeeds();
    let images = built(&fork);
    let outputs = fork.outputs();
    assert_eq!((text(&outputs, "pushed"), text(&outputs, "digest")), ("false", ""));
    assert!(text(&outputs, "image-id").starts_with("sha256:") && !images.is_empty(), "{outputs:#}");
    assert!(fork.file("summary").contains("fork"), "{}", fork.file("summary"));
    assert_eq!(fork.annotations("error"), [""; 0], "{}", fork.log);
}

#[test]
fn act_a_dry_run_builds_nothing() {
    let runner = Runner::new().variable("DOCKER_HOST", "unix:///nonexistent.sock");
    let inputs = push_to("nd-act/dry") + "\ndry-run: true";
    let finished = runner.run(&workflow(&inputs), &Event::push("refs/heads/main"), &[]).succeeds();
    let outputs = finished.outputs();
    assert_eq!((text(&outputs, "pushed"), text(&outputs, "image-id")), ("false", ""));
    assert!(text(&outputs, "dockerfile").contains("FROM node:22-slim"), "{outputs:#}");
    assert!(text(&outputs, "tags").contains(&format!("{REGISTRY}/nd-act/dry:main")), "{outputs:#}");
}

#[test]
fn act_a_failing_build_reports_the_failure_and_fails_the_job() {
    let runner = Runner::with(|folder| {
        copy_action(folder);
        copy_app(&folder.join("shop"));
        fs::write(folder.join("shop/app/page.tsx"), "import nothing from './nowhere'\nexport default () => nothing\n")
            .unwrap();
    });
    let finished = runner
        .run(
            &workflow(&(push_to("nd-act/bad") + "\nsummary: ${{ env.RESULT }}/told")),
            &Event::push("refs/heads/main"),
            &[],
        )
        .fails();
    assert_eq!(finished.file("outcome"), "failure");
    assert!(!finished.files.contains_key("outputs"), "the next job must not run: {}", finished.log);
    let errors = finished.annotations("error");
    let place = "file=shop/app/page.tsx,line=1,";
    assert!(errors.iter().any(|line| line.contains(place)), "{errors:?}\n{}", finished.log);
    assert!(finished.log.contains("exit status 4"), "{}", finished.log);
    let summary = finished.file("told");
    assert!(summary.contains("nowhere"), "{summary}");
    let outputs: Value = serde_json::from_str(finished.file("after-failure")).unwrap();
    for name in ["image", "tags", "digest", "image-id"] {
        assert_eq!(text(&outputs, name), "", "{outputs:#}");
    }
    assert_eq!(text(&outputs, "pushed"), "false");
    assert!(text(&outputs, "dockerfile").contains("FROM node:22-slim"), "{outputs:#}");
    assert!(text(&outputs, "next-version").starts_with("16."), "{outputs:#}");
    assert!(text(&outputs, "summary-file").ends_with("/told"), "{outputs:#}");
}

#[test]
fn act_inputs_are_passed_as_plain_values() {
    let runner = Runner::new();
    let inputs = push_to("nd-act/hostile")
        + r#"
push: false
labels: |
  note=`touch $RESULT/forged` $(touch "$RESULT/forged") "; touch $RESULT/forged; "
  html=</details><script>alert(1)</script>
  percent=%0A::error::forged
runtime-env: |
  GREETING=good ${{ '$' }}{HOME} 'morning' "\"
  COMMAND=::error::forged
  DELIMITER=EOF<<ghadelimiter_x"#;
    // GitHub does not run workflows for names with spaces; everything else that git allows is tried.
    let event = Event::push("refs/heads/x`touch${IFS}forged`;::set-output-name=image::forged");
    let finished = runner.run(&workflow(&inputs), &event, &[]).succeeds();
    let images = built(&finished);
    assert!(!finished.files.contains_key(FORGED), "a value was run: {}", finished.log);
    let errors = finished.annotations("error");
    assert!(!errors.iter().any(|line| line.contains("❗") || line.contains("##[error]")), "{errors:?}");
    let outputs = finished.outputs();
    assert!(text(&outputs, "image").starts_with(&format!("{REGISTRY}/nd-act/hostile:")), "{outputs:#}");
    let labels = &images[0].inspect()["Config"]["Labels"];
    assert_eq!(labels["percent"], "%0A::error::forged");
    assert_eq!(labels["html"], "</details><script>alert(1)</script>");
    assert!(labels["note"].as_str().unwrap().contains("`touch $RESULT/forged`"), "{labels:#}");
    let environment = images[0].inspect()["Config"]["Env"].to_string();
    assert!(environment.contains("COMMAND=::error::forged"), "{environment}");
    let mut fenced = false;
    for line in finished.file("summary").lines() {
        fenced ^= line.starts_with("```");
        assert!(fenced || !line.contains("<script>"), "{line}");
    }
}

#[test]
fn act_invalid_inputs_give_one_annotation_and_no_build() {
    let runner = Runner::new();
    let finished = runner.run(&workflow("node-version: latest"), &Event::push("refs/heads/main"), &[]).fails();
    assert!(finished.log.contains("exit status 2"), "{}", finished.log);
    let errors = finished.annotations("error");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("INPUT_NODE") && errors[0].contains("invalid Node.js version `latest`"), "{errors:?}");
}

#[test]
fn act_package_store_and_build_cache_are_kept_between_runs() {
    let runner = Runner::new();
    let inputs = push_to("nd-act/cache") + "\npush: false\ncache: true";
    let event = Event::push("refs/heads/main");
    let page = runner.repository.path().join("shop/app/page.tsx");
    // Unlike any page built by the daemon before.
    fs::write(&page, format!("export default () => '{}'\n", runner.store().display())).unwrap();
    runner.repository.commit("Another page");
    let first = runner.run(&workflow(&inputs), &event, &[]).succeeds();
    let images = built(&first);
    let entries = runner.cached();
    let (key, files) = entries.iter().next().unwrap_or_else(|| panic!("nothing was saved: {}", first.log));
    assert!(key.starts_with("nextdeploy-Linux-") && !files.is_empty(), "{entries:?}");
    drop(images);
    let second = runner.run(&workflow(&inputs), &event, &[]).succeeds();
    drop(built(&second));
    assert!(second.log.contains(&format!("restored {key}")) && !second.log.contains("saved "), "{}", second.log);

    fs::write(&page, "export default () => 'changed'\n").unwrap();
    runner.repository.commit("Change the page");
    let third = runner.run(&workflow(&inputs), &event, &[]).succeeds();
    drop(built(&third));
    assert!(third.log.contains(&format!("restored {key}")), "sources changed, the lockfile did not: {}", third.log);
    assert_eq!(runner.cached().len(), 2, "{}", third.log);

    // The daemon has every step cached, and GitHub nothing: there is nothing to store and nothing to warn about.
    fs::remove_dir_all(runner.store()).unwrap();
    let fourth = runner.run(&workflow(&inputs), &event, &[]).succeeds();
    drop(built(&fourth));
    assert!(fourth.log.contains("caches: nothing new to store"), "{}", fourth.log);
    assert!(runner.cached().is_empty() && !fourth.log.contains("Keep the caches"), "{}", fourth.log);

    let wrong =
        runner.run(&workflow(&(push_to("nd-act/cache") + "\ncache: 'x%0A::error::forged'")), &event, &[]).fails();
    assert!(wrong.log.contains("the input cache is \"x?0A??error??forged\""), "{}", wrong.log);
}

/// A repository with only an app and the output of `init` becomes an image in `ghcr.io`, which resolves to loopback here.
#[test]
fn act_the_workflow_from_init_is_sufficient() {
    const PINNED: &str = "acme/nextdeploy@0123456789abcdef0123456789abcdef01234567";
    let action = tempfile::Builder::new().prefix("nd-action-").tempdir().unwrap();
    copy_action(action.path());
    // The certificate authority of the registry on loopback.
    let authority = format!("{}/registry-ca.crt", services_folder());
    let runner = Runner::with(copy_app).variable("SSL_CERT_FILE", &authority);
    let folder = runner.repository.path();
    let engine = Engine::default();
    let init = crate::program::nextdeploy(&engine, folder, &["init", "--uses", PINNED]);
    assert_eq!(init.code, Some(0), "{}", init.stderr);
    let path = init.stdout.trim().to_owned();
    let written = fs::read_to_string(folder.join(&path)).unwrap();
    let lines = written.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')).count();
    assert!(lines < 30, "{written}");
    runner.repository.commit("Build the image");
    let replaced = format!("{PINNED}={}", action.path().display());
    let finished = runner.run(
        &path,
        &Event::push("refs/heads/main"),
        &["--local-repository", &replaced, "--actor", "nd-writer", "--secret", "GITHUB_TOKEN=writer-4f6a11"],
    );
    let finished = finished.succeeds();
    assert!(finished.log.contains("ghcr.io/acme/shop:main@sha256:"), "{}", finished.log);
    let image = Image { engine, tag: "ghcr.io/acme/shop:main".to_owned() };
    let facts = image.inspect();
    drop(Image { engine: Engine::default(), tag: facts["Id"].as_str().unwrap().to_owned() });
    let digests = facts["RepoDigests"].to_string();
    assert!(digests.contains("ghcr.io/acme/shop@sha256:"), "{digests}");
}
