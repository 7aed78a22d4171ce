use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::docker::spec::{
    ContainerName, ContainerSpec, HealthCheck, LogDriver, Mount, MountAccess, NetworkSpec, PortMapping, Privileges,
    Protocol, Resources, RestartPolicy, RootFilesystem, VolumeSpec,
};
use crate::docker::{ContainerStatus, HealthStatus, PublishedPort};
use crate::secret::Secret;

const DOCKER: &str = include_str!("samples/docker-inspect.json");
const PODMAN: &str = include_str!("samples/podman-inspect.json");
const DOCKER_LIST: &str = include_str!("samples/docker-list.json");
const PODMAN_LIST: &str = include_str!("samples/podman-list.json");

fn name(text: &str) -> ContainerName {
    ContainerName::parse(text).unwrap()
}

fn spec() -> ContainerSpec {
    ContainerSpec {
        name: name("shop-12ab34cd"),
        image: "shop:main".into(),
        network: Some(name("front")),
        aliases: vec!["shop".into()],
        env: [("PORT".to_owned(), "3000".to_owned())].into(),
        secret_env: [("KEY".to_owned(), Secret::new("s3cret".to_owned()))].into(),
        ports: vec![
            PortMapping {
                address: Ipv4Addr::LOCALHOST.into(),
                host_port: Some(8080),
                container_port: 3000,
                protocol: Protocol::Tcp,
            },
            PortMapping {
                address: IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
                host_port: None,
                container_port: 3000,
                protocol: Protocol::Tcp,
            },
        ],
        mounts: vec![
            Mount::Bind { source: "/srv/a".into(), target: "/a".into(), access: MountAccess::ReadOnly },
            Mount::Folder { source: "/srv/b".into(), target: "/b".into(), access: MountAccess::ReadWrite },
            Mount::Volume { name: name("cache"), target: "/c".into(), access: MountAccess::ReadWrite },
            Mount::Tmpfs { target: "/tmp".into(), size: Some(64), mode: Some(0o1777), owner: Some(1001) },
        ],
        entrypoint: Some(Vec::new()),
        command: Some(vec!["node".into(), "server.js".into()]),
        working_dir: Some("/app".into()),
        user: Some("1001:0".into()),
        resources: Resources { memory: Some(512 << 20), cpus: Some(1.5), pids: Some(200) },
        restart: RestartPolicy::OnFailure(Some(3)),
        health: Some(HealthCheck::Command {
            argv: vec!["node".into(), "check.js".into()],
            interval: Some(Duration::from_millis(1500)),
            timeout: None,
            start_period: Some(Duration::from_secs(5)),
            retries: Some(2),
        }),
        labels: [("nextdeploy.app".to_owned(), "shop".to_owned())].into(),
        logging: LogDriver { driver: "json-file".into(), options: [("max-size".to_owned(), "10m".to_owned())].into() },
        root: RootFilesystem::ReadOnly,
        privileges: Privileges { no_new_privileges: true, drop: vec!["ALL".into()], add: Vec::new() },
        extra_hosts: vec!["db:10.0.0.1".into()],
        stop_grace: Some(Duration::from_millis(2500)),
    }
}

#[test]
fn a_spec_becomes_the_body_of_a_request() {
    let body = serde_json::to_value(create_body(&spec())).unwrap();
    let expected = json!({
        "Image": "shop:main",
        "Env": ["PORT=3000", "KEY=s3cret"],
        "Entrypoint": [""],
        "Cmd": ["node", "server.js"],
        "WorkingDir": "/app",
        "User": "1001:0",
        "Labels": { "nextdeploy.app": "shop" },
        "StopTimeout": 3,
        "Healthcheck": {
            "Test": ["CMD", "node", "check.js"],
            "Interval": 1_500_000_000_u64,
            "StartPeriod": 5_000_000_000_u64,
            "Retries": 2,
        },
        "ExposedPorts": { "3000/tcp": {} },
        "HostConfig": {
            "NetworkMode": "front",
            "PortBindings": {
                "3000/tcp": [
                    { "HostIp": "127.0.0.1", "HostPort": "8080" },
                    { "HostIp": "::1", "HostPort": "" },
                ],
            },
            "Binds": ["/srv/b:/b:rw"],
            "Mounts": [
                { "Type": "bind", "Source": "/srv/a", "Target": "/a", "ReadOnly": true },
                { "Type": "volume", "Source": "cache", "Target": "/c", "ReadOnly": false },
            ],
            "Tmpfs": { "/tmp": "size=64,mode=1777,uid=1001" },
            "Memory": 536_870_912,
            "MemorySwap": 536_870_912,
            "NanoCpus": 1_500_000_000,
            "PidsLimit": 200,
            "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 },
            "LogConfig": { "Type": "json-file", "Config": { "max-size": "10m" } },
            "ReadonlyRootfs": true,
            "CapDrop": ["ALL"],
            "CapAdd": [],
            "SecurityOpt": ["no-new-privileges"],
            "ExtraHosts": ["db:10.0.0.1"],
        },
        "NetworkingConfig": { "EndpointsConfig": { "front": { "Aliases": ["shop"] } } },
    });
    assert_eq!(body, expected, "{body:#}");
}

#[test]
fn what_is_not_said_is_left_to_the_image() {
    let spec = ContainerSpec {
        network: None,
        entrypoint: None,
        command: None,
        health: None,
        stop_grace: None,
        resources: Resources::default(),
        privileges: Privileges::default(),
        restart: RestartPolicy::No,
        ..spec()
    };
    let body = serde_json::to_value(create_body(&spec)).unwrap();
    for absent in ["Entrypoint", "Cmd", "Healthcheck", "NetworkingConfig"] {
        assert!(body.get(absent).is_none(), "{absent}");
    }
    for absent in ["Memory", "MemorySwap", "NanoCpus", "PidsLimit", "NetworkMode", "SecurityOpt"] {
        assert!(body["HostConfig"].get(absent).is_none(), "{absent}");
    }
    assert_eq!(body["StopTimeout"], 10);
    let off = ContainerSpec { health: Some(HealthCheck::Disabled), ..spec };
    assert_eq!(serde_json::to_value(create_body(&off)).unwrap()["Healthcheck"], json!({ "Test": ["NONE"] }));
}

#[test]
fn a_network_is_never_made_twice_knowingly() {
    let spec =
        NetworkSpec { name: name("front"), labels: [("nextdeploy.managed".to_owned(), "true".to_owned())].into() };
    let body = create_network_body(&spec);
    assert_eq!(
        (&body["CheckDuplicate"], &body["Driver"], &body["Attachable"]),
        (&json!(true), &json!("bridge"), &json!(true))
    );
    assert_eq!(body["Labels"], json!({ "nextdeploy.managed": "true" }));
}

#[test]
fn inspections_of_docker_and_podman() {
    let docker = container_facts(serde_json::from_str(DOCKER).unwrap()).unwrap();
    let podman = container_facts(serde_json::from_str(PODMAN).unwrap()).unwrap();
    for facts in [&docker, &podman] {
        assert_eq!(facts.name, "nd-smp-1");
        assert!(facts.image.ends_with("node:22-slim") && facts.image_id.contains("7921a0eb"), "{facts:?}");
        assert_eq!((facts.is_ours(), facts.app()), (true, Some("shop")));
        assert_eq!((facts.state.status, facts.state.exit_code), (ContainerStatus::Running, None));
        assert!(facts.state.started_at.is_some() && facts.created_at.is_some());
        assert_eq!((facts.state.finished_at, facts.state.restarts), (None, 0));
        let port = PublishedPort {
            address: Ipv4Addr::LOCALHOST.into(),
            host_port: 23900,
            container_port: 3000,
            protocol: Protocol::Tcp,
        };
        assert_eq!(facts.ports, [port]);
        assert_eq!(facts.networks[0].network, "nd-smp");
        assert!(facts.networks[0].address.is_some() && facts.networks[0].aliases.contains(&"shop".to_owned()));
        assert_eq!(facts.volumes, ["nd-smpv"]);
        assert_eq!((facts.tty, facts.memory_limit), (false, Some(128 << 20)));
        assert_eq!((facts.stop_grace, facts.restart), (Some(Duration::from_secs(3)), RestartPolicy::No));
    }
    let health = docker.state.health.unwrap();
    assert_eq!((health.status, health.failing_streak, health.probes.len()), (HealthStatus::Healthy, 0, 2));
    assert_eq!((health.probes[0].output.as_str(), health.probes[0].exit_code), ("fine\n", 0));
    assert!(health.probes[0].started_at < health.probes[0].finished_at);
    assert_eq!(podman.state.health.unwrap().status, HealthStatus::Starting);
    assert_eq!([docker.check_interval, podman.check_interval], [Some(Duration::from_secs(1)); 2]);
}

#[test]
fn what_is_not_checked_has_no_interval() {
    let mut answer: serde_json::Value = serde_json::from_str(PODMAN).unwrap();
    for (check, interval) in [
        (json!(null), None),
        (json!({ "Test": ["NONE"], "Interval": 5_000_000_000_u64 }), None),
        (json!({ "Test": [] }), None),
        (json!({ "Test": ["CMD", "true"], "Interval": 0 }), Some(30)),
        (json!({ "Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000_u64 }), Some(5)),
    ] {
        answer["Config"]["Healthcheck"] = check.clone();
        let facts = container_facts(serde_json::from_value(answer.clone()).unwrap()).unwrap();
        assert_eq!(facts.check_interval, interval.map(Duration::from_secs), "{check}");
    }
}

#[test]
fn podman_gets_words_with_blanks_by_a_shell() {
    for (words, expected) in [
        (&["CMD", "node", "/launcher.cjs", "health"][..], &["CMD", "node", "/launcher.cjs", "health"][..]),
        (&["CMD", "node", "-e", "say('it')  \n"], &["CMD-SHELL", "exec 'node' '-e' 'say('\\''it'\\'')  \n'"]),
        (&["CMD", "test", "-z", ""], &["CMD-SHELL", "exec 'test' '-z' ''"]),
        (&["CMD-SHELL", "a b"], &["CMD-SHELL", "a b"]),
        (&["NONE"], &["NONE"]),
        (&[], &[]),
    ] {
        let test = Some(words.iter().map(ToString::to_string).collect());
        let healthcheck = Some(bollard::models::HealthConfig { test, ..Default::default() });
        let mut body = bollard::models::ContainerCreateBody { healthcheck, ..Default::default() };
        podman_check(&mut body);
        assert_eq!(body.healthcheck.unwrap().test.unwrap(), expected);
    }
}

#[test]
fn podmans_own_states_are_dockers() {
    let mut answer: serde_json::Value = serde_json::from_str(PODMAN).unwrap();
    let mut list: Vec<serde_json::Value> = serde_json::from_str(PODMAN_LIST).unwrap();
    for (word, status) in [
        ("stopped", ContainerStatus::Exited),
        ("initialized", ContainerStatus::Created),
        ("configured", ContainerStatus::Created),
        ("stopping", ContainerStatus::Running),
        ("paused", ContainerStatus::Paused),
    ] {
        answer["State"]["Status"] = json!(word);
        let facts = container_facts(podman_inspection(answer.clone()).unwrap()).unwrap();
        assert_eq!(facts.state.status, status, "{word}");
        list[0]["State"] = json!(word);
        let found = podman_list(list.clone()).remove(0);
        assert_eq!(container_summary(found).unwrap().status, status, "{word}");
    }
    answer["State"]["Status"] = json!("unknown");
    assert!(podman_inspection(answer).is_err());
    list[0]["State"] = json!("unknown");
    assert_eq!(podman_list(list.clone()).len(), list.len() - 1, "the others are told all the same");
}

#[test]
fn restart_policies_come_back_as_they_were_asked_for() {
    for (policy, expected) in [
        (json!(null), RestartPolicy::No),
        (json!({ "Name": "no", "MaximumRetryCount": 0 }), RestartPolicy::No),
        (json!({ "Name": "always", "MaximumRetryCount": 0 }), RestartPolicy::Always),
        (json!({ "Name": "unless-stopped" }), RestartPolicy::UnlessStopped),
        (json!({ "Name": "on-failure", "MaximumRetryCount": 0 }), RestartPolicy::OnFailure(None)),
        (json!({ "Name": "on-failure", "MaximumRetryCount": 3 }), RestartPolicy::OnFailure(Some(3))),
    ] {
        let mut answer: serde_json::Value = serde_json::from_str(DOCKER).unwrap();
        answer["HostConfig"]["RestartPolicy"] = policy;
        assert_eq!(container_facts(serde_json::from_value(answer).unwrap()).unwrap().restart, expected);
    }
}

#[test]
fn an_ended_container_has_its_exit_code_and_the_ports_it_wants() {
    let mut answer: serde_json::Value = serde_json::from_str(DOCKER).unwrap();
    let state = &mut answer["State"];
    state["Status"] = json!("exited");
    state["ExitCode"] = json!(137);
    state["OOMKilled"] = json!(true);
    state["Error"] = json!("no such file");
    answer["NetworkSettings"]["Ports"] = json!({});
    let facts = container_facts(serde_json::from_value(answer).unwrap()).unwrap();
    assert_eq!((facts.state.status, facts.state.exit_code), (ContainerStatus::Exited, Some(137)));
    assert!(facts.state.out_of_memory);
    assert_eq!(facts.state.error.as_deref(), Some("no such file"));
    assert_eq!(facts.ports.len(), 1);
}

#[test]
fn an_answer_without_the_essential_is_refused() {
    for (lacking, reason) in [("Id", "no id"), ("Name", "no name"), ("State", "no state")] {
        let mut answer: serde_json::Value = serde_json::from_str(DOCKER).unwrap();
        answer.as_object_mut().unwrap().remove(lacking);
        assert_eq!(container_facts(serde_json::from_value(answer).unwrap()).unwrap_err(), reason);
    }
}

#[test]
fn lists_of_docker_and_podman() {
    for (text, health) in [(DOCKER_LIST, Some(HealthStatus::Healthy)), (PODMAN_LIST, None)] {
        let entries: Vec<bollard::models::ContainerSummary> = serde_json::from_str(text).unwrap();
        let one = container_summary(entries.into_iter().next().unwrap()).unwrap();
        assert_eq!((one.name.as_str(), one.status, one.app()), ("nd-smp-1", ContainerStatus::Running, Some("shop")));
        assert!(one.is_ours() && one.created_at.is_some() && one.description.starts_with("Up "));
        assert_eq!((one.health, one.ports[0].host_port), (health, 23900));
    }
}

#[test]
fn images_tell_what_their_containers_do() {
    let image = json!({
        "Id": "sha256:ab", "RepoTags": ["shop:main"], "RepoDigests": ["ghcr.io/acme/shop@sha256:cd"],
        "Os": "linux", "Architecture": "arm64", "Variant": "",
        "Config": {
            "User": "", "WorkingDir": "/app", "Env": ["PORT=3000", "EMPTY=", "X=a=b"],
            "ExposedPorts": { "3000/tcp": {}, "53/udp": {} }, "Entrypoint": ["node"], "Cmd": null,
            "Healthcheck": { "Test": ["NONE"] }, "Labels": { "nextdeploy.app": "shop" },
        },
    });
    let facts = image_facts(serde_json::from_value(image).unwrap()).unwrap();
    assert_eq!(
        (facts.platform.as_str(), facts.ports.as_slice(), facts.user.as_deref()),
        ("linux/arm64", &[3000][..], None)
    );
    assert_eq!((facts.env["EMPTY"].as_str(), facts.env["X"].as_str()), ("", "a=b"));
    assert_eq!((facts.working_dir.as_deref(), facts.has_health_check), (Some("/app"), false));
    assert_eq!((facts.entrypoint.len(), facts.command.len()), (1, 0));
}

#[test]
fn networks_that_cannot_serve_are_told() {
    for (network, difference) in [
        (json!({ "Driver": "bridge" }), None),
        (json!({ "Driver": "overlay", "Attachable": true }), None),
        (json!({ "Driver": "overlay" }), Some("it is an overlay network that only services may join")),
        (json!({ "Driver": "host" }), Some("its driver is `host`")),
        (json!({ "Driver": "bridge", "Internal": true }), Some("it is internal, so no port can be published from it")),
    ] {
        let network = serde_json::from_value(network).unwrap();
        assert_eq!(network_differs(&network).as_deref(), difference);
    }
}

#[test]
fn volumes_with_other_options_are_told_without_their_values() {
    let there = json!({
        "Name": "cache", "Driver": "local", "Mountpoint": "/v", "Labels": null, "Scope": "local",
        "Options": { "type": "cifs", "o": "password=hunter2" },
    });
    let there = serde_json::from_value(there).unwrap();
    let spec = |driver: &str, options: &[(&str, &str)]| VolumeSpec {
        name: name("cache"),
        driver: driver.into(),
        options: options.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        labels: BTreeMap::new(),
    };
    assert_eq!(volume_differs(&there, &spec("local", &[])), None);
    assert_eq!(volume_differs(&there, &spec("local", &[("type", "cifs"), ("o", "password=hunter2")])), None);
    let differs = volume_differs(&there, &spec("local", &[("type", "cifs"), ("device", "x")])).unwrap();
    assert_eq!(differs, "its options differ in `device`, `o`");
    assert_eq!(volume_differs(&there, &spec("nfs", &[])).unwrap(), "its driver is `local` instead of `nfs`");
}

#[test]
fn the_name_of_an_ambiguous_network() {
    let found = ambiguous_network("network front is ambiguous (2 matches found on name)");
    assert_eq!(found.as_deref(), Some("front"));
    assert_eq!(ambiguous_network("network front not found"), None);
}
