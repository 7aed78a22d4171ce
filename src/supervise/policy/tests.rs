use proptest::prelude::*;

use super::*;
use ContainerStatus::{Created, Dead, Exited, Paused, Removing, Restarting, Running};
use HealthStatus::{Healthy, Starting, Unhealthy};

const LIMITS: RestartLimits = RestartLimits {
    budget: 3,
    window: Duration::from_mins(10),
    first_delay: Duration::from_secs(1),
    longest_delay: Duration::from_mins(1),
};

fn run(number: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(number, 0)
}

fn seen(status: ContainerStatus, health: Option<HealthStatus>) -> Observation {
    Observation {
        status,
        exit_code: (status == Exited).then_some(137),
        health,
        policy: RestartPolicy::UnlessStopped,
        daemon_restarts: 0,
        started_at: run(1),
        intent: Intent::Run,
    }
}

#[test]
fn only_unhealthy_or_exited_containers_are_restarted() {
    let policy = |policy| Observation { policy, ..seen(Exited, None) };
    let intent = |status, health, intent| Observation { intent, ..seen(status, health) };
    for (name, observation, expected) in [
        ("killed", seen(Exited, None), Some(RestartReason::Exited(Some(137)))),
        ("dead", seen(Dead, None), Some(RestartReason::Exited(None))),
        ("unhealthy", seen(Running, Some(Unhealthy)), Some(RestartReason::Unhealthy)),
        ("starting", seen(Running, Some(Starting)), None),
        ("healthy", seen(Running, Some(Healthy)), None),
        ("without a check", seen(Running, None), None),
        ("never started", seen(Created, None), None),
        ("paused", seen(Paused, Some(Unhealthy)), None),
        ("the daemon restarts it", seen(Restarting, Some(Unhealthy)), None),
        ("being removed", seen(Removing, None), None),
        ("stopped", intent(Exited, None, Intent::Stop), None),
        ("being stopped", intent(Running, Some(Unhealthy), Intent::Ending), None),
        ("killed from outside", intent(Exited, None, Intent::Ending), Some(RestartReason::Exited(Some(137)))),
        ("policy no", policy(RestartPolicy::No), None),
        ("policy no, unhealthy", Observation { policy: RestartPolicy::No, ..seen(Running, Some(Unhealthy)) }, None),
        ("policy always", policy(RestartPolicy::Always), Some(RestartReason::Exited(Some(137)))),
        ("a failure", policy(RestartPolicy::OnFailure(None)), Some(RestartReason::Exited(Some(137)))),
        ("the first failure", policy(RestartPolicy::OnFailure(Some(1))), Some(RestartReason::Exited(Some(137)))),
        (
            "the daemon's own limit reached",
            Observation { daemon_restarts: 1, ..policy(RestartPolicy::OnFailure(Some(1))) },
            None,
        ),
        ("exit code 0", Observation { exit_code: Some(0), ..policy(RestartPolicy::OnFailure(None)) }, None),
    ] {
        assert_eq!(restart_reason(&observation), expected, "{name}");
    }
}

#[test]
fn restarts_back_off_until_the_budget_is_spent() {
    let (mut restarts, start) = (RestartHistory::default(), Instant::now());
    let unhealthy = seen(Running, Some(Unhealthy));
    let (mut now, mut reported) = (start, Vec::new());
    for _ in 0..20 {
        match restarts.decide(now, &unhealthy, &LIMITS) {
            RestartDecision::Wait(due) => now = due,
            RestartDecision::Restart { attempt, .. } => reported.push((attempt, now.duration_since(start).as_secs())),
            RestartDecision::GiveUp { attempts, .. } => {
                reported.push((attempts + 100, now.duration_since(start).as_secs()));
            }
            RestartDecision::Nothing => now += Duration::from_secs(5),
            RestartDecision::Recovered => panic!("it never recovered"),
        }
    }
    assert_eq!(reported, [(1, 1), (2, 3), (3, 7), (103, 7)]);
    assert!(restarts.has_given_up());
    assert_eq!(restarts.total(), 3);
}

fn spent(now: Instant) -> RestartHistory {
    RestartHistory {
        recent: VecDeque::from([now; 3]),
        given_up: Some(GivenUp { started_at: run(1) }),
        total: 3,
        ..RestartHistory::default()
    }
}

#[test]
fn a_healthy_state_or_a_manual_start_resets_the_budget() {
    let now = Instant::now();
    let mut healthy = spent(now);
    assert_eq!(healthy.decide(now, &seen(Running, Some(Healthy)), &LIMITS), RestartDecision::Recovered);
    assert!(matches!(healthy.decide(now, &seen(Running, Some(Unhealthy)), &LIMITS), RestartDecision::Wait(_)));

    let by_hand = Observation { started_at: run(2), ..seen(Running, Some(Starting)) };
    assert_eq!(spent(now).decide(now, &by_hand, &LIMITS), RestartDecision::Recovered);

    let by_the_daemon = Observation { daemon_restarts: 1, ..by_hand };
    assert_eq!(spent(now).decide(now, &by_the_daemon, &LIMITS), RestartDecision::Nothing);
    let hours_later = now + Duration::from_hours(5);
    assert_eq!(spent(now).decide(hours_later, &seen(Running, Some(Unhealthy)), &LIMITS), RestartDecision::Nothing);
}

#[test]
fn a_problem_that_passes_is_forgotten() {
    let (mut restarts, now) = (RestartHistory::default(), Instant::now());
    let unhealthy = seen(Running, Some(Unhealthy));
    assert_eq!(restarts.decide(now, &unhealthy, &LIMITS), RestartDecision::Wait(now + LIMITS.first_delay));
    assert_eq!(restarts.decide(now, &seen(Running, Some(Healthy)), &LIMITS), RestartDecision::Nothing);
    let later = now + Duration::from_mins(1);
    assert_eq!(restarts.decide(later, &unhealthy, &LIMITS), RestartDecision::Wait(later + LIMITS.first_delay));
}

#[test]
fn without_a_budget_nothing_is_restarted() {
    let limits = RestartLimits { budget: 0, ..LIMITS };
    let decision = RestartHistory::default().decide(Instant::now(), &seen(Exited, None), &limits);
    assert_eq!(decision, RestartDecision::GiveUp { reason: RestartReason::Exited(Some(137)), attempts: 0 });
}

fn observations() -> impl Strategy<Value = Vec<(Observation, u64)>> {
    let status = prop_oneof![4 => Just(Running), 2 => Just(Exited), 1 => Just(Restarting)];
    let health = prop_oneof![
        Just(None),
        Just(Some(Starting)),
        Just(Some(Healthy)),
        Just(Some(Unhealthy)),
        Just(Some(Unhealthy))
    ];
    let intent = prop_oneof![5 => Just(Intent::Run), 1 => Just(Intent::Stop), 1 => Just(Intent::Ending)];
    let policy = prop_oneof![5 => Just(RestartPolicy::UnlessStopped), 1 => Just(RestartPolicy::No)];
    let one = (status, health, intent, policy, 0..3_u64, 0..3_i64, 0..90_u64).prop_map(
        |(status, health, intent, policy, daemon_restarts, started, pause)| {
            let observation =
                Observation { intent, policy, daemon_restarts, started_at: run(started), ..seen(status, health) };
            (observation, pause)
        },
    );
    prop::collection::vec(one, 1..200)
}

proptest! {
    #[test]
    fn the_budget_holds_for_any_sequence_of_observations(steps in observations(), budget in 0..5_u32) {
        let limits = RestartLimits { budget, ..LIMITS };
        let (mut restarts, mut now) = (RestartHistory::default(), Instant::now());
        let (mut done, mut last): (Vec<Instant>, Option<Instant>) = (Vec::new(), None);
        let mut given_up = false;
        for (observation, pause) in steps {
            now += Duration::from_secs(pause);
            match restarts.decide(now, &observation, &limits) {
                RestartDecision::Restart { reason, attempt } => {
                    prop_assert_eq!(restart_reason(&observation), Some(reason));
                    prop_assert!(!given_up);
                    prop_assert!(last.is_none_or(|last| now.duration_since(last) >= limits.first_delay));
                    last = Some(now);
                    done.push(now);
                    let within = done.iter().filter(|at| now.duration_since(**at) < limits.window).count();
                    prop_assert!(within <= budget as usize);
                    prop_assert_eq!(within, attempt as usize);
                }
                RestartDecision::GiveUp { .. } => {
                    prop_assert!(!given_up, "reported twice");
                    given_up = true;
                }
                RestartDecision::Recovered => {
                    prop_assert!(given_up);
                    given_up = false;
                    done.clear();
                }
                RestartDecision::Wait(due) => prop_assert!(due > now && due <= now + limits.longest_delay),
                RestartDecision::Nothing => {}
            }
            prop_assert_eq!(restarts.has_given_up(), given_up);
        }
    }
}

/// One kill, and what is reported.
fn kill(kills: &mut OutOfMemoryTracker, now: Instant) -> Option<u32> {
    assert_eq!(kills.on_event(&EventKind::OutOfMemory, now), None);
    kills.on_event(&EventKind::Died(Some(KILLED_CODE)), now + Duration::from_millis(30))
}

#[test]
fn repeated_kills_are_reported_less_and_less_often() {
    let (mut kills, mut now) = (OutOfMemoryTracker::default(), Instant::now());
    let mut reported = Vec::new();
    for _ in 0..100 {
        reported.extend(kill(&mut kills, now));
        now += Duration::from_mins(1);
    }
    assert_eq!(reported, [1, 4, 16, 64]);
    assert_eq!(kill(&mut kills, now + OOM_QUIET), Some(1));
}

#[test]
fn only_a_kill_for_memory_counts() {
    let (mut kills, now) = (OutOfMemoryTracker::default(), Instant::now());
    for kind in [EventKind::Died(Some(KILLED_CODE)), EventKind::Started, EventKind::Died(Some(1))] {
        assert_eq!(kills.on_event(&kind, now), None);
    }
    let later = now + Duration::from_mins(1);
    assert_eq!(kills.on_event(&EventKind::OutOfMemory, later), None, "a child process was killed");
    assert_eq!(
        kills.on_event(&EventKind::Died(Some(KILLED_CODE)), later + Duration::from_mins(1)),
        None,
        "a later kill"
    );
    let much_later = later + Duration::from_mins(5);
    assert_eq!(kills.on_event(&EventKind::Died(Some(KILLED_CODE)), much_later), None);
    assert_eq!(kills.on_event(&EventKind::OutOfMemory, much_later), Some(1), "events in the other order");
}
