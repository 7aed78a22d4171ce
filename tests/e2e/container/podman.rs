//! Podman's Docker API, for what it supports: without systemd it runs no health checks.

use std::path::Path;
use std::time::Duration;

use futures_util::TryStreamExt;
use nextdeploy::diagnostic::Diagnostic;
use nextdeploy::docker::{ContainerError, EnsureOutcome, LogOptions, LogStream, Removal};

use super::{IDLE, IMAGE, Lab, TEST_LABEL};
use crate::docker::Engine;
use crate::program::nextdeploy;

/// Through its own command line: Podman's defaults exceed the limits of a machine that is itself a container.
fn start(lab: &Lab, script: &str) -> String {
    let name = lab.name("one").to_string();
    let mut arguments =
        vec!["run", "--detach", "--name", &name, "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
    // Without it, Podman kills at once.
    arguments.extend(["--stop-timeout", "10"]);
    let labels: Vec<String> = lab.labels().iter().map(|(label, value)| format!("{label}={value}")).collect();
    assert!(labels.iter().any(|label| label.starts_with(TEST_LABEL)));
    for label in &labels {
        arguments.extend(["--label", label]);
    }
    arguments.extend([IMAGE, "node", "-e", script]);
    lab.engine.docker(&arguments);
    name
}

#[tokio::test]
async fn containers_of_podman() {
    let lab = Lab::at("podman", Engine::service("podman")).await;
    let name = start(&lab, &format!("console.log('up'); console.error('warned'); {IDLE}"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let verb = |arguments: &[&str]| nextdeploy(&lab.engine, Path::new("/"), arguments);
    assert!(verb(&["ps"]).stdout.contains(&name));
    let lines: Vec<_> = lab.containers.logs(&name, &LogOptions::default()).await.unwrap().try_collect().await.unwrap();
    let mut seen: Vec<_> = lines.iter().map(|line| (line.stream == LogStream::Stderr, line.text.as_slice())).collect();
    seen.sort_unstable();
    assert_eq!(seen, [(false, &b"up"[..]), (true, b"warned")]);
    assert!(lines.iter().all(|line| line.time.is_some()));
    let command = verb(&["exec", &name, "--", "node", "-e", "console.log(1); console.error(2); process.exit(9)"]);
    assert_eq!((command.stdout.as_str(), command.stderr.as_str(), command.code), ("1\n", "2\n", Some(9)));
    let usage = verb(&["stats", &name]);
    assert!(usage.stdout.contains(" MiB / "), "{}{}", usage.stdout, usage.stderr);
    lab.engine.docker(&["exec", "--detach", &name, "node", "-e", "for (;;);"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let busy: serde_json::Value = serde_json::from_str(&verb(&["stats", "--json", &name]).stdout).unwrap();
    assert!(busy[0]["stats"]["cpuPercent"].as_f64().unwrap() > 5.0, "{busy}");
    assert!(verb(&["health", &name]).stdout.contains("running, no health check"));
    assert_eq!(lab.containers.remove(&name, Removal::Stopped).await.unwrap_err().code(), "container/runs");
    assert_eq!(verb(&["stop", &name]).code, Some(0));
    assert_eq!(lab.containers.inspect(&name).await.unwrap().state.exit_code, Some(0));
    assert_eq!(verb(&["exec", &name, "ls"]).code, Some(7));
    assert_eq!(verb(&["rm", &name]).code, Some(0));
    assert_eq!(lab.left(), [] as [&str; 0]);
}

#[tokio::test]
async fn specs_networks_volumes_and_errors_of_podman() {
    let lab = Lab::at("podman-made", Engine::service("podman")).await;
    let containers = &lab.containers;
    let network = lab.network("front");
    assert_eq!(containers.ensure_network(&network).await.unwrap(), EnsureOutcome::Created);
    assert_eq!(containers.ensure_network(&network).await.unwrap(), EnsureOutcome::Exists);
    let volume = lab.volume("data", "local", &[]);
    assert_eq!(containers.ensure_volume(&volume).await.unwrap(), EnsureOutcome::Created);
    let mut spec = lab.spec("one", IDLE);
    spec.network = Some(network.name.clone());
    containers.create(&spec).await.unwrap();
    let facts = containers.inspect(spec.name.as_str()).await.unwrap();
    assert_eq!((facts.is_ours(), facts.networks[0].network.as_str()), (true, network.name.as_str()));
    let again = containers.create(&spec).await.unwrap_err();
    assert!(matches!(&again, ContainerError::NameInUse { name } if *name == spec.name.to_string()), "{again}");
    let mut missing = lab.spec("two", IDLE);
    missing.image = "nd-e2e-no:1".into();
    assert_eq!(containers.create(&missing).await.unwrap_err().code(), "container/image-missing");
    missing.image = IMAGE.into();
    missing.network = Some(lab.name("nowhere"));
    let nowhere = containers.create(&missing).await.unwrap_err();
    assert_eq!(nowhere.to_string(), format!("no such network: `{}`", lab.name("nowhere")));
    let driver = containers.ensure_volume(&lab.volume("odd", "nd-no-driver", &[])).await.unwrap_err();
    assert_eq!(driver.to_string(), "no such volume driver: `nd-no-driver`");
    assert_eq!(containers.read_file(spec.name.as_str(), "/nowhere", 100).await.unwrap(), None);
    assert!(containers.read_file(spec.name.as_str(), "/etc/debian_version", 100).await.unwrap().is_some());
    assert_eq!(containers.image_facts(IMAGE).await.unwrap().platform, "linux/amd64");
    containers.remove(spec.name.as_str(), Removal::Stopped).await.unwrap();
    containers.remove_network(network.name.as_str()).await.unwrap();
    containers.remove_volume(volume.name.as_str()).await.unwrap();
    assert_eq!(lab.left(), [] as [&str; 0]);
}
