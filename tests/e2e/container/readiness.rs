//! Waiting for a healthy container: every way in which it ends, and how soon.

use std::time::{Duration, Instant};

use nextdeploy::docker::{ContainerSpec, HealthStatus, Readiness, ReadinessOutcome, Resources, RestartPolicy};

use super::{IDLE, Lab, check};

const LIMIT: Duration = Duration::from_mins(1);

/// The outcome, and the output of the probes in the order in which they were reported.
async fn wait(lab: &Lab, spec: &ContainerSpec, limit: Duration) -> (Readiness, Vec<String>) {
    let id = lab.run(spec).await;
    let mut told = Vec::new();
    let mut progress = |probe: &nextdeploy::docker::Probe| told.push(probe.output.trim().to_owned());
    let readiness = lab.containers.wait_until_healthy(&id, limit, &mut progress).await.unwrap();
    (readiness, told)
}

#[tokio::test]
async fn healthy_as_soon_as_the_daemon_says_so() {
    let lab = Lab::new("healthy").await;
    let mut spec = lab.spec("one", IDLE);
    // The third probe sees the files of the first two.
    let script = "const fs = require('fs'); fs.appendFileSync('/tmp/n', 'x'); \
                  const n = fs.readFileSync('/tmp/n').length; console.log('probe', n); process.exit(n < 3 ? 1 : 0)";
    spec.health = Some(check(script, 5));
    let (readiness, told) = wait(&lab, &spec, LIMIT).await;
    assert_eq!(
        (readiness.outcome, told),
        (ReadinessOutcome::Healthy, super::words(&["probe 1", "probe 2", "probe 3"]))
    );
    let health = readiness.facts.state.health.unwrap();
    let noticed = chrono::Utc::now() - health.probes.last().unwrap().finished_at.unwrap();
    assert!(noticed < chrono::TimeDelta::milliseconds(500), "noticed after {noticed}");
    eprintln!("healthy noticed {} ms after the probe", noticed.num_milliseconds());
}

#[tokio::test]
async fn unhealthy_with_its_history() {
    let lab = Lab::new("unhealthy").await;
    let mut spec = lab.spec("one", IDLE);
    spec.health = Some(check("console.log('no answer'); process.exit(1)", 2));
    let (readiness, told) = wait(&lab, &spec, LIMIT).await;
    assert_eq!((readiness.outcome, told.len()), (ReadinessOutcome::Unhealthy, 2));
    let health = readiness.facts.state.health.unwrap();
    assert_eq!((health.status, health.failing_streak, health.probes.len()), (HealthStatus::Unhealthy, 2, 2));
    assert_eq!((health.probes[1].exit_code, health.probes[1].output.as_str()), (1, "no answer\n"));
}

#[tokio::test]
async fn never_healthy_ends_at_the_limit() {
    let lab = Lab::new("never").await;
    let mut spec = lab.spec("one", IDLE);
    spec.health = Some(check("process.exit(1)", 1000));
    let limit = Duration::from_secs(3);
    let (readiness, _) = wait(&lab, &spec, limit).await;
    assert_eq!(readiness.outcome, ReadinessOutcome::TimedOut);
    assert!((limit..limit + Duration::from_secs(2)).contains(&readiness.waited), "{:?}", readiness.waited);
}

#[tokio::test]
async fn an_early_exit_is_reported_at_once() {
    let lab = Lab::new("early").await;
    let mut spec = lab.spec("one", "setTimeout(() => process.exit(3), 1500)");
    spec.health = Some(check("process.exit(1)", 1000));
    let begun = Instant::now();
    let (readiness, _) = wait(&lab, &spec, LIMIT).await;
    assert_eq!(readiness.outcome, ReadinessOutcome::Exited { exit_code: Some(3) });
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());

    let (readiness, _) = wait(&lab, &lab.spec("two", "process.exit(4)"), LIMIT).await;
    assert_eq!(readiness.outcome, ReadinessOutcome::Exited { exit_code: Some(4) });
}

#[tokio::test]
async fn a_restart_by_the_daemon_does_not_count_as_healthy() {
    let lab = Lab::new("again").await;
    let mut spec = lab.spec("one", "setTimeout(() => process.exit(5), 500)");
    spec.restart = RestartPolicy::UnlessStopped;
    let (readiness, _) = wait(&lab, &spec, LIMIT).await;
    assert_eq!(readiness.outcome, ReadinessOutcome::Restarts { exit_code: Some(5) });
}

#[tokio::test]
async fn an_out_of_memory_kill_names_the_limit() {
    for restart in [RestartPolicy::No, RestartPolicy::UnlessStopped] {
        let lab = Lab::new("memory").await;
        let mut spec = lab.spec("one", "const kept = []; for (;;) kept.push(Buffer.alloc(1 << 20, 1))");
        spec.resources = Resources { memory: Some(64 << 20), ..Resources::default() };
        spec.restart = restart;
        let (readiness, _) = wait(&lab, &spec, LIMIT).await;
        assert_eq!(readiness.outcome, ReadinessOutcome::OutOfMemory { limit: Some(64 << 20) }, "{restart:?}");
    }
}

#[tokio::test]
async fn a_container_without_a_health_check_must_keep_running() {
    let lab = Lab::new("unchecked").await;
    let (readiness, told) = wait(&lab, &lab.spec("one", IDLE), LIMIT).await;
    assert_eq!((readiness.outcome, told.len()), (ReadinessOutcome::RunsUnchecked, 0));
    assert!(readiness.waited >= Duration::from_secs(2), "{:?}", readiness.waited);
}

#[tokio::test]
async fn a_container_removed_while_waiting_is_reported() {
    let lab = Lab::new("removed").await;
    let mut spec = lab.spec("one", IDLE);
    spec.health = Some(check("process.exit(1)", 1000));
    let engine = lab.engine.clone();
    let name = spec.name.to_string();
    let remover = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(3));
        engine.docker(&["rm", "--force", &name]);
    });
    let (readiness, _) = wait(&lab, &spec, LIMIT).await;
    remover.join().unwrap();
    assert!(
        matches!(readiness.outcome, ReadinessOutcome::Removed | ReadinessOutcome::Exited { .. }),
        "{:?}",
        readiness.outcome
    );
}
