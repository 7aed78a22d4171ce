//! The container commands as typed by a user.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::{IDLE, Lab, check};
use crate::program::{Run, nextdeploy, start_nextdeploy};

fn run(lab: &Lab, arguments: &[&str]) -> Run {
    nextdeploy(&lab.engine, Path::new("/"), arguments)
}

fn ok(lab: &Lab, arguments: &[&str]) -> String {
    let run = run(lab, arguments);
    assert_eq!(run.code, Some(0), "{arguments:?}: {}\n{}", run.stdout, run.stderr);
    run.stdout
}

/// The exit code; standard error must contain these parts.
fn refused(lab: &Lab, arguments: &[&str], told: &[&str]) -> Option<i32> {
    let run = run(lab, arguments);
    for part in told {
        assert!(run.stderr.contains(part), "{arguments:?}: no `{part}` in\n{}", run.stderr);
    }
    run.code
}

#[tokio::test]
async fn a_container_is_managed() {
    let lab = Lab::new("verbs").await;
    let app = lab.name.clone();
    let mut spec = lab.spec("one", &format!("console.log('up'); console.error('warned'); {IDLE}"));
    spec.health = Some(check("console.log('fine')", 3));
    let id = lab.run(&spec).await;
    let name = spec.name.as_str();

    let health = ok(&lab, &["health", "--wait", "60", &app]);
    assert!(health.starts_with(&format!("{name}: healthy\n")) && health.contains("\n    fine\n"), "{health}");
    let list = ok(&lab, &["ps", &app]);
    assert!(list.contains(name) && list.contains("(healthy)"), "{list}");
    let json: Value = serde_json::from_str(&ok(&lab, &["ps", &app, "--json"])).unwrap();
    assert_eq!((json[0]["id"].as_str(), json[0]["health"].as_str()), (Some(id.as_str()), Some("healthy")));

    let logs = run(&lab, &["logs", &app]);
    assert_eq!((logs.stdout.as_str(), logs.stderr.as_str(), logs.code), ("up\n", "warned\n", Some(0)));
    let line: Value =
        serde_json::from_str(&ok(&lab, &["logs", "--json", "--tail", "1", "--since", "1h", &id[..8]])).unwrap();
    assert!(line["text"] == "up" || line["text"] == "warned", "{line}");
    assert_eq!(ok(&lab, &["logs", "--until", "1h", &app]), "");
    assert_eq!(refused(&lab, &["logs", "--since", "lately", &app], &["command/invalid-time", "--since"]), Some(2));

    let command =
        run(&lab, &["exec", "-e", "A=1", &app, "--", "node", "-e", "console.log(process.env.A); process.exit(42)"]);
    assert_eq!((command.stdout.as_str(), command.code), ("1\n", Some(42)), "{}", command.stderr);
    assert_eq!(refused(&lab, &["exec", "-e", "ND_UNSET", &app, "ls"], &["command/no-variable", "ND_UNSET"]), Some(2));

    let usage = ok(&lab, &["stats", &app]);
    assert!(usage.starts_with("NAME ") && usage.contains(name) && usage.contains(" MiB / "), "{usage}");
    let json: Value = serde_json::from_str(&ok(&lab, &["stats", "--json", &app])).unwrap();
    assert!(json[0]["stats"]["memoryUsed"].as_u64() > Some(1 << 20), "{json}");

    assert_eq!(refused(&lab, &["rm", &app], &["container/runs", "--force"]), Some(2));
    assert_eq!(ok(&lab, &["restart", &app]), format!("{name}\n"));
    ok(&lab, &["health", "--wait", "60", &app]);
    assert_eq!(ok(&lab, &["stop", "--time", "5", &app]), format!("{name}\n"));
    assert_eq!(refused(&lab, &["exec", &app, "ls"], &["container/not-running", name]), Some(7));
    let ended = run(&lab, &["health", &app]);
    assert_eq!((ended.code, ended.stdout.starts_with(&format!("{name}: exited with code 0\n"))), (Some(7), true));
    assert!(!ok(&lab, &["ps", &app]).contains(name) && ok(&lab, &["ps", "--all", &app]).contains("Exited (0)"));
    assert_eq!(ok(&lab, &["restart", name]), format!("{name}\n"));
    assert_eq!(ok(&lab, &["rm", "--force", name]), format!("{name}\n"));
    assert_eq!(refused(&lab, &["logs", name], &["container/not-found", "ps --all"]), Some(2));
    assert_eq!(lab.left(), [] as [&str; 0]);
}

#[tokio::test]
async fn followed_samples_include_containers_that_start_and_stop() {
    let lab = Lab::new("followed").await;
    let (one, two) = (lab.spec("one", IDLE), lab.spec("two", IDLE));
    lab.run(&one).await;
    let following = start_nextdeploy(&lab.engine, Path::new("/"), &["stats", "--follow", "--json"]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let id = lab.run(&two).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    lab.containers.stop(&id, Some(Duration::ZERO)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    following.signal(Signal::INT);
    let run = following.finish();
    assert_eq!(run.code, Some(130), "{}", run.stderr);
    let lines = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut times: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines.filter(|line| line["name"].as_str().unwrap().starts_with(&lab.name)) {
        assert!(line["stats"]["memoryUsed"].as_u64() > Some(1 << 20), "{line}");
        let time = line["stats"]["time"].as_str().unwrap().to_owned();
        times.entry(line["name"].as_str().unwrap().to_owned()).or_default().push(time);
    }
    let count = |name: &str| {
        let mut times = times[name].clone();
        times.dedup();
        times.len()
    };
    let (all, some) = (count(one.name.as_str()), count(two.name.as_str()));
    assert!(all >= 6 && (2..all - 2).contains(&some), "a sample a second, of each while it runs: {times:?}");
}

#[tokio::test]
async fn health_without_a_healthy_container_exits_with_7() {
    let lab = Lab::new("ill").await;
    let mut spec = lab.spec("one", IDLE);
    spec.health = Some(check("console.log('no answer'); process.exit(1)", 2));
    lab.run(&spec).await;
    let name = spec.name.as_str();
    assert_eq!(run(&lab, &["health", name]).code, Some(7), "not yet");
    let waited = run(&lab, &["health", "--wait", "60", name]);
    assert_eq!(waited.code, Some(7));
    assert!(waited.stdout.starts_with(&format!("{name}: unhealthy, the last 2 probes failed\n")), "{}", waited.stdout);
    assert!(waited.stdout.contains("failed with exit code 1\n    no answer\n"), "{}", waited.stdout);
    let json: Value = serde_json::from_str(&run(&lab, &["health", "--json", name]).stdout).unwrap();
    assert_eq!((&json["healthy"], &json["state"]["health"]["status"]), (&Value::Bool(false), &"unhealthy".into()));
}

#[tokio::test]
async fn foreign_containers_are_left_alone() {
    let lab = Lab::new("others").await;
    let mut spec = lab.spec("one", &format!("console.log('theirs'); {IDLE}"));
    spec.labels.retain(|label, _| label == super::TEST_LABEL);
    lab.run(&spec).await;
    let name = spec.name.as_str();
    for arguments in
        [&["stop", name][..], &["restart", name], &["rm", "--force", name], &["exec", name, "ls"], &["logs", name]]
    {
        assert_eq!(refused(&lab, arguments, &["container/not-ours"]), Some(2), "{arguments:?}");
    }
    assert!(!ok(&lab, &["ps"]).contains(name) && ok(&lab, &["ps", "--any"]).contains(name));
    assert_eq!(ok(&lab, &["logs", "--any", name]), "theirs\n");
    assert!(ok(&lab, &["health", "--any", name]).contains("running, no health check"));
    assert!(ok(&lab, &["stats", "--any", name]).contains(name));
}

#[tokio::test]
async fn a_failure_does_not_stop_the_others() {
    let lab = Lab::new("several").await;
    let (one, two) = (lab.spec("one", IDLE), lab.spec("two", IDLE));
    lab.run(&one).await;
    lab.run(&two).await;
    let both = run(&lab, &["rm", "--force", one.name.as_str(), "nd-e2e-none", two.name.as_str()]);
    assert_eq!((both.stdout, both.code), (format!("{}\n{}\n", one.name, two.name), Some(2)));
    assert!(both.stderr.contains("no such container: `nd-e2e-none`"), "{}", both.stderr);
    lab.run(&one).await;
    let both = run(&lab, &["rm", "--force", "--json", one.name.as_str(), "nd-e2e-none"]);
    let told: Value = serde_json::from_str(&both.stdout).unwrap();
    assert_eq!((&told[0]["name"], &told[0]["done"]), (&one.name.as_str().into(), &true.into()), "{told}");
    assert_eq!((&told[1]["error"]["code"], both.code), (&"container/not-found".into(), Some(2)), "{told}");
    lab.run(&one).await;
    lab.run(&two).await;
    assert_eq!(
        refused(&lab, &["logs", &lab.name], &["container/ambiguous", one.name.as_str(), two.name.as_str()]),
        Some(2)
    );
}

#[test]
fn every_command_reports_a_missing_daemon() {
    let engine = crate::docker::Engine { host: Some("unix:///nonexistent/docker.sock".to_owned()) };
    for arguments in [&["ps"][..], &["logs", "x"], &["exec", "x", "ls"], &["stats"], &["health", "x"], &["stop", "x"]] {
        let run = nextdeploy(&engine, Path::new("/"), arguments);
        assert!(run.stderr.contains("daemon/unreachable") && run.code == Some(4), "{arguments:?}: {}", run.stderr);
    }
}
