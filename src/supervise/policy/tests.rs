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
fn what_is_trouble() {
    let policy = |policy| Observation { policy, ..seen(Exited, None) };
    let intent = |status, health, intent| Observation { intent, ..seen(status, health) };
    for (name, observation, expected) in [
        ("killed", seen(Exited, None), Some(Reason::Exited(Some(137)))),
        ("dead", seen(Dead, None), Some(Reason::Exited(None))),
        ("unhealthy", seen(Running, Some(Unhealthy)), Some(Reason::Unhealthy)),
        ("starting", seen(Running, Some(Starting)), None),
        ("healthy", seen(Running, Some(Healthy)), None),
        ("without a check", seen(Running, None), None),
        ("never started", seen(Created, None), None),
        ("paused", seen(Paused, Some(Unhealthy)), None),
        ("the daemon restarts it", seen(Restarting, Some(Unhealthy)), None),
        ("being removed", seen(Removing, None), None),
        ("stopped by somebody", intent(Exited, None, Intent::Stop), None),
        ("being stopped", intent(Running, Some(Unhealthy), Intent::Ending), None),
        ("killed by somebody", intent(Exited, None, Intent::Ending), Some(Reason::Exited(Some(137)))),
        ("policy no", policy(RestartPolicy::No), None),
        ("policy no, unhealthy", Observation { policy: RestartPolicy::No, ..seen(Running, Some(Unhealthy)) }, None),
        ("policy always", policy(RestartPolicy::Always), Some(Reason::Exited(Some(137)))),
        ("a failure", policy(RestartPolicy::OnFailure(None)), Some(Reason::Exited(Some(137)))),
        ("the first failure", policy(RestartPolicy::OnFailure(Some(1))), Some(Reason::Exited(Some(137)))),
        (
            "the daemon's own limit reached",
            Observation { daemon_restarts: 1, ..policy(RestartPolicy::OnFailure(Some(1))) },
            None,
        ),
        ("a good end", Observation { exit_code: Some(0), ..policy(RestartPolicy::OnFailure(None)) }, None),
    ] {
        assert_eq!(trouble(&observation), expected, "{name}");
    }
}

#[test]
fn restarts_back_off_and_then_it_is_given_up_once() {
    let (mut restarts, start) = (Restarts::default(), Instant::now());
    let unhealthy = seen(Running, Some(Unhealthy));
    let (mut now, mut told) = (start, Vec::new());
    for _ in 0..20 {
        match restarts.decide(now, &unhealthy, &LIMITS) {
            Decision::Wait(due) => now = due,
            Decision::Restart { attempt, .. } => told.push((attempt, now.duration_since(start).as_secs())),
            Decision::GiveUp { attempts, .. } => told.push((attempts + 100, now.duration_since(start).as_secs())),
            Decision::Nothing => now += Duration::from_secs(5),
            Decision::Recovered => panic!("nothing is well"),
        }
    }
    assert_eq!(told, [(1, 1), (2, 3), (3, 7), (103, 7)]);
    assert!(restarts.has_given_up());
    assert_eq!(restarts.total(), 3);
}

fn spent(now: Instant) -> Restarts {
    Restarts {
        recent: VecDeque::from([now; 3]),
        given_up: Some(GivenUp { started_at: run(1) }),
        total: 3,
        ..Restarts::default()
    }
}

#[test]
fn after_giving_up_it_is_tried_again_when_it_was_well_or_somebody_started_it() {
    let now = Instant::now();
    let mut healthy = spent(now);
    assert_eq!(healthy.decide(now, &seen(Running, Some(Healthy)), &LIMITS), Decision::Recovered);
    assert!(matches!(healthy.decide(now, &seen(Running, Some(Unhealthy)), &LIMITS), Decision::Wait(_)));

    let by_hand = Observation { started_at: run(2), ..seen(Running, Some(Starting)) };
    assert_eq!(spent(now).decide(now, &by_hand, &LIMITS), Decision::Recovered);

    let by_the_daemon = Observation { daemon_restarts: 1, ..by_hand };
    assert_eq!(spent(now).decide(now, &by_the_daemon, &LIMITS), Decision::Nothing);
    let hours_later = now + Duration::from_hours(5);
    assert_eq!(spent(now).decide(hours_later, &seen(Running, Some(Unhealthy)), &LIMITS), Decision::Nothing);
}

#[test]
fn trouble_that_passes_is_forgotten() {
    let (mut restarts, now) = (Restarts::default(), Instant::now());
    let unhealthy = seen(Running, Some(Unhealthy));
    assert_eq!(restarts.decide(now, &unhealthy, &LIMITS), Decision::Wait(now + LIMITS.first_delay));
    assert_eq!(restarts.decide(now, &seen(Running, Some(Healthy)), &LIMITS), Decision::Nothing);
    let later = now + Duration::from_mins(1);
    assert_eq!(restarts.decide(later, &unhealthy, &LIMITS), Decision::Wait(later + LIMITS.first_delay));
}

#[test]
fn without_a_budget_it_is_only_told() {
    let limits = RestartLimits { budget: 0, ..LIMITS };
    let decision = Restarts::default().decide(Instant::now(), &seen(Exited, None), &limits);
    assert_eq!(decision, Decision::GiveUp { reason: Reason::Exited(Some(137)), attempts: 0 });
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
    fn whatever_is_seen_the_budget_holds(steps in observations(), budget in 0..5_u32) {
        let limits = RestartLimits { budget, ..LIMITS };
        let (mut restarts, mut now) = (Restarts::default(), Instant::now());
        let (mut done, mut last): (Vec<Instant>, Option<Instant>) = (Vec::new(), None);
        let mut given_up = false;
        for (observation, pause) in steps {
            now += Duration::from_secs(pause);
            match restarts.decide(now, &observation, &limits) {
                Decision::Restart { reason, attempt } => {
                    prop_assert_eq!(trouble(&observation), Some(reason));
                    prop_assert!(!given_up);
                    prop_assert!(last.is_none_or(|last| now.duration_since(last) >= limits.first_delay));
                    last = Some(now);
                    done.push(now);
                    let within = done.iter().filter(|at| now.duration_since(**at) < limits.window).count();
                    prop_assert!(within <= budget as usize);
                    prop_assert_eq!(within, attempt as usize);
                }
                Decision::GiveUp { .. } => {
                    prop_assert!(!given_up, "told twice");
                    given_up = true;
                }
                Decision::Recovered => {
                    prop_assert!(given_up);
                    given_up = false;
                    done.clear();
                }
                Decision::Wait(due) => prop_assert!(due > now && due <= now + limits.longest_delay),
                Decision::Nothing => {}
            }
            prop_assert_eq!(restarts.has_given_up(), given_up);
        }
    }
}
