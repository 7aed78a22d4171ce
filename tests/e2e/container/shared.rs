//! What runs share: names, networks, volumes, files. Concurrent runs must have the same result as sequential ones.

use futures_util::TryStreamExt;
use futures_util::future::join_all;
use nextdeploy::diagnostic::Diagnostic;
use nextdeploy::docker::{ArchiveContent, ArchiveEntry, ContainerError, EnsureOutcome, Mount, MountAccess, pack};

use super::{IDLE, Lab};

#[tokio::test]
async fn concurrent_creations_give_the_name_to_one() {
    let lab = Lab::new("race").await;
    let spec = lab.spec("one", IDLE);
    let results = join_all((0..8).map(|_| lab.containers.create(&spec))).await;
    let refused = results.iter().filter(|result| matches!(result, Err(ContainerError::NameInUse { .. }))).count();
    assert_eq!((results.iter().filter(|result| result.is_ok()).count(), refused), (1, 7), "{results:?}");
}

#[tokio::test]
async fn concurrent_network_creations_leave_one() {
    let lab = Lab::new("nets").await;
    let spec = lab.network("front");
    for _ in 0..5 {
        let results = join_all((0..8).map(|_| lab.containers.ensure_network(&spec))).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(lab.containers.ensure_network(&spec).await.unwrap(), EnsureOutcome::Exists);
        let filter = format!("name=^{}$", spec.name);
        let there = lab.engine.docker(&["network", "ls", "--quiet", "--filter", &filter]);
        assert_eq!(there.lines().count(), 1, "{results:?}");
        let mut member = lab.spec("member", IDLE);
        member.network = Some(spec.name.clone());
        member.aliases = vec!["shop".into()];
        let id = lab.run(&member).await;
        let facts = lab.containers.inspect(&id).await.unwrap();
        assert!(facts.networks[0].network == spec.name.to_string() && facts.networks[0].address.is_some());
        assert!(facts.networks[0].aliases.contains(&"shop".to_owned()));
        lab.engine.docker(&["rm", "--force", &id]);
        lab.containers.remove_network(spec.name.as_str()).await.unwrap();
    }
}

#[tokio::test]
async fn duplicate_networks_are_merged() {
    let lab = Lab::new("twice").await;
    let spec = lab.network("front");
    let make = || {
        let body = serde_json::json!({ "Name": spec.name.as_str(), "Labels": spec.labels });
        let socket = "/var/run/docker.sock";
        let url = "http://docker/networks/create";
        let json = "Content-Type: application/json";
        let output = std::process::Command::new("curl")
            .args(["--silent", "--fail", "--unix-socket", socket, "--header", json, "--data", &body.to_string(), url])
            .output();
        assert!(output.unwrap().status.success());
    };
    make();
    make();
    let mut member = lab.spec("member", IDLE);
    member.network = Some(spec.name.clone());
    // The start finds both and resolves the conflict.
    lab.run(&member).await;
    let filter = format!("name=^{}$", spec.name);
    assert_eq!(lab.engine.docker(&["network", "ls", "--quiet", "--filter", &filter]).lines().count(), 1);
}

#[tokio::test]
async fn existing_resources_that_differ_are_rejected() {
    let lab = Lab::new("differs").await;
    let label = format!("{}={}", super::TEST_LABEL, lab.name);
    let network = lab.network("inside");
    lab.engine.docker(&["network", "create", "--internal", "--label", &label, network.name.as_str()]);
    let error = lab.containers.ensure_network(&network).await.unwrap_err();
    assert_eq!(
        format!("{}: {error}", error.code()),
        format!(
            "container/differs: the network `{}` exists and is different: it is internal, so no port can be published from it",
            network.name
        )
    );

    let memory = [("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m")];
    let volume = lab.volume("data", "local", &memory);
    let results = join_all((0..6).map(|_| lab.containers.ensure_volume(&volume))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(lab.containers.ensure_volume(&volume).await.unwrap(), EnsureOutcome::Exists);
    assert_eq!(lab.containers.ensure_volume(&lab.volume("data", "local", &[])).await.unwrap(), EnsureOutcome::Exists);
    let other = lab.volume("data", "local", &[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=2m")]);
    let error = lab.containers.ensure_volume(&other).await.unwrap_err();
    assert!(error.to_string().ends_with("its options differ in `o`"), "{error}");
    lab.containers.remove_volume(volume.name.as_str()).await.unwrap();
    assert_eq!(lab.containers.remove_volume(volume.name.as_str()).await.unwrap_err().code(), "container/not-found");
}

#[tokio::test]
async fn files_reach_a_container_that_never_ran() {
    let lab = Lab::new("files").await;
    let mut spec = lab.spec("one", "process.stdout.write(require('fs').readFileSync('/keep/key', 'utf8'))");
    let volume = lab.volume("keep", "local", &[]);
    lab.containers.ensure_volume(&volume).await.unwrap();
    spec.mounts =
        vec![Mount::Volume { name: volume.name.clone(), target: "/keep".into(), access: MountAccess::ReadWrite }];
    let id = lab.containers.create(&spec).await.unwrap().id;
    let content = ArchiveContent::File(b"hush".to_vec());
    let file = ArchiveEntry { path: "key".into(), mode: 0o440, user: 0, group: 7, content };
    lab.containers.copy_in(&id, "/keep", pack(&[file]).unwrap()).await.unwrap();
    assert_eq!(lab.containers.read_file(&id, "/keep/key", 100).await.unwrap().as_deref(), Some(&b"hush"[..]));
    assert_eq!(lab.containers.read_file(&id, "/keep/none", 100).await.unwrap(), None);
    let error = lab.containers.read_file(&id, "/usr/local/bin/node", 1000).await.unwrap_err();
    assert!(error.to_string().contains("larger than 1000 bytes"), "{error}");
    let chunks: Vec<_> = lab.containers.copy_out(&id, "/keep").await.unwrap().try_collect().await.unwrap();
    assert!(chunks.concat().windows(8).any(|window| window == b"keep/key"));
    let missing = lab.containers.copy_in(&id, "/nowhere", pack(&[]).unwrap()).await.unwrap_err();
    assert_eq!(missing.code(), "container/not-found");
    lab.containers.start(&id).await.unwrap();
    assert_eq!(lab.containers.wait(&id).await.unwrap(), 0);
    assert_eq!(lab.engine.docker(&["logs", &id]), "hush");
}
