//! Services on a single-node Swarm: rolled out, updated and rolled back by Swarm itself, with secrets visible only to the tasks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nextdeploy::docker::connection::{Engine, find_endpoint};
use nextdeploy::docker::{
    APP_LABEL, ContainerError, ContainerName, ContainerSpec, Containers, HealthCheck, LogDriver, MANAGED_LABEL,
    Privileges, Resources, RestartPolicy, RollingUpdate, RootFilesystem, ServiceChange, ServiceFailure, ServiceSecret,
    ServiceSpec, SwarmRole,
};
use nextdeploy::host::Environment;
use nextdeploy::secret::Secret;
use serde_json::{Value, json};

use crate::program::nextdeploy_with;
use crate::second_daemon::SecondDaemon;

const NAME: &str = "nd-swarm-shop";
const LIMIT: Duration = Duration::from_secs(90);

async fn containers(daemon: &SecondDaemon) -> Containers {
    let host = daemon.engine.host.clone().unwrap();
    let environment = Environment::from_pairs([("DOCKER_HOST", host.as_str())]);
    Containers::new(&Engine::connect(find_endpoint(&environment, None).unwrap(), &environment).await.unwrap())
}

/// Serves the length of its secret; health depends on `healthy`.
fn service(version: &str, healthy: bool, secret: &str) -> ServiceSpec {
    let app = "require('http').createServer((q, r) => r.end(process.env.VERSION + ' ' + \
               require('fs').readFileSync('/run/secrets/TOKEN').length)).listen(3000)";
    let check = if healthy { "process.exit(0)" } else { "process.exit(1)" };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    ServiceSpec {
        container: ContainerSpec {
            name: ContainerName::parse(NAME).unwrap(),
            image: "node:22-slim".into(),
            network: None,
            aliases: vec!["shop".into()],
            env: BTreeMap::from([("VERSION".into(), version.into())]),
            secret_env: BTreeMap::new(),
            ports: Vec::new(),
            mounts: Vec::new(),
            entrypoint: Some(words(&["node"])),
            command: Some(words(&["-e", app])),
            working_dir: None,
            user: Some("1001:0".into()),
            resources: Resources { memory: Some(256 << 20), cpus: Some(0.5), pids: Some(100) },
            restart: RestartPolicy::UnlessStopped,
            health: Some(HealthCheck::Command {
                argv: words(&["node", "-e", check]),
                interval: Some(Duration::from_secs(1)),
                timeout: Some(Duration::from_secs(5)),
                start_period: None,
                retries: Some(2),
            }),
            labels: BTreeMap::from([(MANAGED_LABEL.into(), "true".into()), (APP_LABEL.into(), "shop".into())]),
            logging: LogDriver { driver: "json-file".into(), options: BTreeMap::new() },
            root: RootFilesystem::ReadOnly,
            privileges: Privileges { no_new_privileges: true, drop: words(&["ALL"]), add: Vec::new() },
            extra_hosts: vec!["db.internal:10.0.0.9".into()],
            stop_grace: Some(Duration::from_secs(2)),
        },
        replicas: 2,
        secrets: vec![ServiceSecret {
            file: "TOKEN".into(),
            value: Secret::new(secret.as_bytes().to_vec()),
            user: 1001,
        }],
        update: RollingUpdate { monitor: Duration::from_secs(2), ..RollingUpdate::default() },
        network: Some(ContainerName::parse("nd-swarm-net").unwrap()),
    }
}

/// The response of each task, once the previous ones have exited.
fn answers(daemon: &SecondDaemon, expected: [&str; 2]) {
    let filter = "label=com.docker.swarm.service.name=nd-swarm-shop";
    let ask = "fetch('http://127.0.0.1:3000').then((r) => r.text()).then(console.log)";
    let started = Instant::now();
    loop {
        let ids = daemon.engine.docker(&["ps", "--quiet", "--filter", filter]);
        let found: Vec<_> = ids.lines().map(|id| daemon.engine.try_docker(&["exec", id, "node", "-e", ask])).collect();
        if found.iter().map(|answer| answer.as_deref()).eq(expected.map(Ok)) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{found:?}, expected {expected:?}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[tokio::test]
async fn a_service_is_created_updated_and_rolled_back_on_failure() {
    let daemon = SecondDaemon::start("2g");
    let containers = containers(&daemon).await;
    let refused = containers.deploy_service(&service("one", true, "hush"), None).await.unwrap_err();
    assert!(matches!(refused, ContainerError::NoSwarm { role: SwarmRole::None, .. }), "{refused}");

    daemon.engine.docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
    assert_eq!(containers.swarm_role().await.unwrap(), SwarmRole::Manager);
    let made = containers.deploy_service(&service("one", true, "hush"), None).await.unwrap();
    assert_eq!((made.change, made.warnings), (ServiceChange::Created, vec![]));
    let mut steps = Vec::new();
    let done = containers.await_service(NAME, LIMIT, |step| steps.push(step)).await.unwrap().unwrap();
    assert_eq!((done.running, done.wanted), (2, 2), "{steps:?}");
    answers(&daemon, ["one 4", "one 4"]);

    let updated = containers.deploy_service(&service("two", true, "hush hush"), None).await.unwrap();
    assert_eq!((updated.change, updated.id.as_str()), (ServiceChange::Updated, made.id.as_str()));
    containers.await_service(NAME, LIMIT, |_| {}).await.unwrap().unwrap();
    answers(&daemon, ["two 9", "two 9"]);

    containers.deploy_service(&service("three", false, "hush"), None).await.unwrap();
    let failure = containers.await_service(NAME, LIMIT, |_| {}).await.unwrap().unwrap_err();
    let ServiceFailure::RolledBack(problems) = &failure else { panic!("{failure:?}") };
    assert!(problems.iter().any(|problem| problem.message.contains("unhealthy")), "{problems:?}");
    answers(&daemon, ["two 9", "two 9"]);

    containers.deploy_service(&service("four", true, "hush"), None).await.unwrap();
    containers.await_service(NAME, LIMIT, |_| {}).await.unwrap().unwrap();
    containers.rollback_service(NAME).await.unwrap();
    let back = containers.await_service(NAME, LIMIT, |_| {}).await.unwrap();
    assert!(matches!(back, Err(ServiceFailure::RolledBack(_))), "{back:?}");
    answers(&daemon, ["two 9", "two 9"]);

    let told = daemon.engine.docker(&["service", "inspect", NAME]);
    assert!(!told.contains("hush"), "secrets are not told: {told}");
    containers.remove_service(NAME).await.unwrap();
    assert!(matches!(containers.remove_service(NAME).await, Err(ContainerError::NotFound { kind: "service", .. })));
}

#[tokio::test]
async fn a_new_service_that_keeps_exiting_is_reported() {
    let daemon = SecondDaemon::start("2g");
    daemon.engine.docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
    let containers = containers(&daemon).await;
    let mut spec = service("one", true, "hush");
    spec.container.command = Some(vec!["-e".into(), "process.exit(3)".into()]);
    containers.deploy_service(&spec, None).await.unwrap();
    let failure = containers.await_service(NAME, LIMIT, |_| {}).await.unwrap().unwrap_err();
    assert!(matches!(failure, ServiceFailure::Failing(_)), "{failure:?}");
    assert!(failure.problems().iter().all(|problem| problem.exit_code == Some(3)), "{failure:?}");
    containers.remove_service(NAME).await.unwrap();
    // Only the failed service used it.
    assert_eq!(daemon.engine.docker(&["secret", "ls", "--quiet"]), "");
}

/// A container document of the same app.
fn document(folder: &Path, version: &str, check: &str) -> String {
    let app = "console.log('app', process.env.VERSION); require('http').createServer((q, r) => r.end(process.env.VERSION + \
               ' ' + require('fs').readFileSync('/run/secrets/TOKEN').length)).listen(3000)";
    let document = json!({
        "name": NAME,
        "image": "node:22-slim",
        "networkName": "nd-swarm-net",
        "env": {"VERSION": version},
        "entrypoint": ["node"],
        "command": ["-e", app],
        "user": "1001:0",
        "memory": "128m",
        "health": {"command": ["node", "-e", check], "interval": "1s", "retries": 2},
    });
    let file = folder.join(format!("{version}.json"));
    fs::write(&file, document.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn run_swarm_rolls_out_reports_failures_and_rolls_back() {
    let daemon = SecondDaemon::start("2g");
    let folder = tempfile::tempdir().unwrap();
    let secret = [("TOKEN", "canary-4711")];
    let run = |arguments: &[&str]| nextdeploy_with(&daemon.engine, folder.path(), arguments, &secret);
    let good = |version: &str| document(folder.path(), version, "process.exit(0)");
    let typed = ["--swarm", "--secret", "TOKEN", "--publish", "none"];

    let alone = run(&[&["run", &good("zero")], &typed[..]].concat());
    assert_eq!(alone.code, Some(2), "{}", alone.stderr);
    assert!(
        alone.stderr.contains("container/no-swarm") && alone.stderr.contains("docker swarm init"),
        "{}",
        alone.stderr
    );

    daemon.engine.docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
    let made = run(&[&["run", &good("one"), "--replicas", "2"], &typed[..]].concat());
    assert_eq!((made.code, made.stdout.as_str()), (Some(0), "nd-swarm-shop\n"), "{}", made.stderr);
    assert!(made.stderr.contains("nd-swarm-shop: 2 of 2 tasks are healthy"), "{}", made.stderr);
    let api = daemon.engine.docker(&["version", "--format", "{{.Server.APIVersion}}"]);
    let ignores = api.trim().split_once('.').is_some_and(|(_, minor)| minor.parse::<u32>().unwrap() < 44);
    let told = made.stderr.contains("launch/swarm-privileges") && made.stderr.contains("daemon.json");
    assert_eq!(told, ignores, "API {api}: {}", made.stderr);
    answers(&daemon, ["one 11", "one 11"]);

    let updated = run(&[&["run", &good("two"), "--json"], &typed[..]].concat());
    let result: Value = serde_json::from_str(&updated.stdout).unwrap();
    assert_eq!((&result["change"], &result["replicas"]), (&json!("updated"), &json!(2)), "{}", updated.stderr);
    answers(&daemon, ["two 11", "two 11"]);

    let sick = document(folder.path(), "three", "console.log('no database'); process.exit(1)");
    let failed = run(&[&["run", &sick], &typed[..]].concat());
    assert_eq!(failed.code, Some(7), "{}", failed.stderr);
    for part in ["launch/service-not-healthy", "Swarm rolled the service back", "unhealthy"] {
        assert!(failed.stderr.contains(part), "no `{part}` in {}", failed.stderr);
    }
    assert!(failed.stderr.contains("Swarm rolls back"), "{}", failed.stderr);
    assert!(!failed.stderr.contains("2 of 2 tasks are healthy"), "those are the old ones: {}", failed.stderr);
    answers(&daemon, ["two 11", "two 11"]);
    let nothing = run(&["rollback", NAME, "--swarm"]);
    assert_eq!(nothing.code, Some(2), "{}", nothing.stderr);
    for part in ["container/no-previous", "has no previous state", "nextdeploy run --swarm"] {
        assert!(nothing.stderr.contains(part), "no `{part}` in {}", nothing.stderr);
    }

    assert_eq!(run(&[&["run", &good("four")], &typed[..]].concat()).code, Some(0));
    answers(&daemon, ["four 11", "four 11"]);
    let back = run(&["rollback", NAME, "--swarm"]);
    assert_eq!((back.code, back.stdout.as_str()), (Some(0), "nd-swarm-shop\n"), "{}", back.stderr);
    answers(&daemon, ["two 11", "two 11"]);
    let told = daemon.engine.docker(&["service", "inspect", NAME]);
    for run in [&alone.stderr, &made.stderr, &updated.stderr, &failed.stderr, &told] {
        assert!(!run.contains("canary-4711"), "{run}");
    }
    let unknown = run(&["rollback", "nd-nobody", "--swarm"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
}
