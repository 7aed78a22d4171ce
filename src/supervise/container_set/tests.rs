use chrono::DateTime;

use super::*;
use crate::docker::{ContainerState, RestartPolicy};

fn labels(managed: &str, app: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(MANAGED_LABEL.to_owned(), managed.to_owned()), (APP_LABEL.to_owned(), app.to_owned())])
}

fn facts(id: &str, app: &str, status: ContainerStatus) -> ContainerFacts {
    ContainerFacts {
        id: id.to_owned(),
        name: format!("{app}-1"),
        image: String::new(),
        image_id: String::new(),
        created_at: None,
        state: ContainerState {
            status,
            exit_code: None,
            out_of_memory: false,
            error: None,
            started_at: DateTime::from_timestamp(1, 0),
            finished_at: None,
            restarts: 0,
            health: None,
        },
        labels: labels("true", app),
        ports: Vec::new(),
        networks: Vec::new(),
        volumes: Vec::new(),
        tty: false,
        memory_limit: None,
        stop_grace: None,
        restart: RestartPolicy::UnlessStopped,
        check_interval: None,
    }
}

fn event(kind: EventKind) -> ContainerEvent {
    let labels = labels("true", "shop");
    ContainerEvent { kind, id: "a".to_owned(), name: "shop-1".to_owned(), labels, time: None }
}

fn one_container() -> ContainerSet {
    let mut set = ContainerSet::new(Vec::new(), BTreeMap::new(), StopEvents::Emitted);
    set.on_inspected(facts("a", "shop", ContainerStatus::Running));
    set
}

fn intent(set: &ContainerSet, now: Instant) -> Intent {
    set.by_id["a"].observe(now).intent
}

const TERM: EventKind = EventKind::Signalled(Some(15));
const KILL: EventKind = EventKind::Signalled(Some(9));
const KILLED: EventKind = EventKind::Died(Some(137));

fn send(set: &mut ContainerSet, kinds: &[EventKind], now: Instant) {
    for kind in kinds {
        assert_eq!(set.on_event(&event(kind.clone()), now), EventEffect::None);
    }
}

#[test]
fn a_stop_is_distinguished_from_a_kill() {
    let now = Instant::now();
    let mut killed = one_container();
    send(&mut killed, &[KILL, KILLED], now);
    assert_eq!(intent(&killed, now), Intent::Ending);
    assert_eq!(intent(&killed, now + Duration::from_mins(1)), Intent::Run);

    let mut stopped = one_container();
    send(&mut stopped, &[TERM, KILLED, EventKind::Stopped], now);
    assert_eq!(intent(&stopped, now + Duration::from_mins(1)), Intent::Stop);
    send(&mut stopped, &[EventKind::Started], now);
    assert_eq!(intent(&stopped, now), Intent::Run);
}

/// The next step of a restart by this program after these events.
fn next_step(kinds: &[EventKind], now: Instant) -> (Option<NextStep>, Intent) {
    let mut set = one_container();
    set.by_id.get_mut("a").unwrap().restart = Some(OwnRestart::of_running());
    send(&mut set, kinds, now);
    set.on_inspected(facts("a", "shop", ContainerStatus::Exited));
    let container = set.by_id.get_mut("a").unwrap();
    assert_eq!(container.next_step(now), None, "it is not known to have exited yet");
    container.restart.as_mut().unwrap().step = RestartStep::Stopped(now);
    (container.next_step(now), intent(&set, now))
}

#[test]
fn a_stop_by_someone_else_during_a_restart_wins() {
    let now = Instant::now();
    assert_eq!(next_step(&[TERM, KILL, KILLED], now), (Some(NextStep::Start), Intent::Run));
    assert_eq!(
        next_step(&[TERM, TERM, KILL, KILLED, EventKind::Stopped], now),
        (Some(NextStep::Abandon), Intent::Stop)
    );
    let (waiting, intent) = next_step(&[TERM, TERM, KILLED], now);
    assert!(matches!(waiting, Some(NextStep::Wait(until)) if until > now), "its `stop` event is still to come");
    assert_eq!(intent, Intent::Ending);
}

#[test]
fn a_stop_right_after_a_restart_counts() {
    let (mut set, now) = (one_container(), Instant::now());
    set.by_id.get_mut("a").unwrap().restart = Some(OwnRestart::of_running());
    send(&mut set, &[TERM, KILLED, EventKind::Started], now);
    set.by_id.get_mut("a").unwrap().restart = None;
    send(&mut set, &[TERM, KILLED, EventKind::Stopped], now);
    assert_eq!(intent(&set, now), Intent::Stop);
}

#[test]
fn an_out_of_memory_kill_is_reported() {
    let (mut set, now) = (one_container(), Instant::now());
    assert_eq!(set.on_event(&event(EventKind::OutOfMemory), now), EventEffect::None);
    assert_eq!(set.on_event(&event(KILLED), now), EventEffect::OutOfMemory { times: 1 });
}

#[test]
fn an_exit_without_a_signal_is_a_stop_where_no_stop_event_exists() {
    let now = Instant::now();
    let without_stop_events = || {
        let mut set = ContainerSet::new(Vec::new(), BTreeMap::new(), StopEvents::Missing);
        set.on_inspected(facts("a", "shop", ContainerStatus::Running));
        set
    };
    let died = event(EventKind::Died(Some(0)));
    let mut stopped = without_stop_events();
    stopped.on_event(&died, now);
    assert_eq!(intent(&stopped, now), Intent::Stop);
    stopped.on_event(&event(EventKind::Started), now);
    assert_eq!(intent(&stopped, now), Intent::Run, "the engine started it again");

    let mut killed = without_stop_events();
    killed.on_event(&event(EventKind::Signalled(None)), now);
    killed.on_event(&died, now);
    assert_eq!(intent(&killed, now), Intent::Ending);

    let mut own = without_stop_events();
    own.by_id.get_mut("a").unwrap().restart = Some(OwnRestart::of_running());
    own.on_event(&died, now);
    assert_eq!(intent(&own, now), Intent::Run);

    let mut docker = one_container();
    docker.on_event(&died, now);
    assert_eq!(intent(&docker, now), Intent::Run);
}

#[test]
fn a_container_that_was_not_running_at_first_is_left_alone() {
    let mut set = ContainerSet::new(Vec::new(), BTreeMap::new(), StopEvents::Emitted);
    assert_eq!(set.on_inspected(facts("a", "shop", ContainerStatus::Exited)), Some(Inspected::New));
    assert_eq!(intent(&set, Instant::now()), Intent::Stop);
    assert_eq!(set.on_inspected(facts("a", "shop", ContainerStatus::Running)), Some(Inspected::Known));
    assert_eq!(set.on_inspected(facts("a", "shop", ContainerStatus::Exited)), Some(Inspected::Known));
    assert_eq!(intent(&set, Instant::now()), Intent::Run);
}

#[test]
fn containers_of_others_are_ignored() {
    let mut set = ContainerSet::new(vec!["shop".to_owned(), "blog-1".to_owned()], BTreeMap::new(), StopEvents::Emitted);
    let now = Instant::now();
    for (name, labels, expected) in [
        ("shop-2", labels("true", "shop"), true),
        ("blog-1", labels("true", "blog"), true),
        ("blog-2", labels("true", "blog"), false),
        ("shop-3", labels("false", "shop"), false),
        ("shop-4", BTreeMap::from([(APP_LABEL.to_owned(), "shop".to_owned())]), false),
    ] {
        let event =
            ContainerEvent { kind: EventKind::Started, id: name.to_owned(), name: name.to_owned(), labels, time: None };
        set.on_event(&event, now);
        assert_eq!(set.take_due(now + SETTLE), if expected { vec![name.to_owned()] } else { Vec::new() });
        let mut foreign = facts(name, "x", ContainerStatus::Running);
        (foreign.name, foreign.labels) = (event.name, event.labels);
        assert_eq!(set.on_inspected(foreign).is_some(), expected, "{name}");
    }
}

#[test]
fn a_list_shows_what_is_new_changed_and_gone() {
    let entry = |id: &str, status| ContainerSummary {
        id: id.to_owned(),
        name: "shop-1".to_owned(),
        image: String::new(),
        image_id: String::new(),
        created_at: None,
        status,
        description: String::new(),
        health: None,
        labels: labels("true", "shop"),
        ports: Vec::new(),
    };
    let now = Instant::now();
    let positions = BTreeMap::from([("old".to_owned(), LogPosition::default())]);
    let mut set = ContainerSet::new(Vec::new(), positions, StopEvents::Emitted);
    for id in ["same", "ended", "gone"] {
        set.on_inspected(facts(id, "shop", ContainerStatus::Running));
    }
    let list = [
        entry("same", ContainerStatus::Running),
        entry("ended", ContainerStatus::Exited),
        entry("new", ContainerStatus::Running),
    ];
    assert_eq!(set.reconcile(&list, now), ["gone", "old"]);
    let mut due = set.take_due(now);
    due.sort();
    assert_eq!(due, ["ended", "new"]);
}

#[test]
fn logs_are_read_once_per_run() {
    let mut set = one_container();
    let container = set.by_id.get_mut("a").unwrap();
    assert!(container.needs_reader());
    (container.logs.reading, container.logs.run) = (true, container.facts.state.started_at);
    assert!(!container.needs_reader());
    container.logs.reading = false;
    assert!(container.needs_reader(), "it is running, and its stream broke");
    container.logs.unreadable = true;
    assert!(!container.needs_reader());
    container.facts.state.status = ContainerStatus::Exited;
    container.facts.state.started_at = DateTime::from_timestamp(2, 0);
    assert!(container.needs_reader(), "a short run that was never read");
}

#[test]
fn signals_of_others_are_recognised() {
    for (name, signals, foreign) in [
        ("only our own", &[Some(15), Some(SIGKILL)][..], &[false, false][..]),
        ("a stop at the same time", &[Some(15), Some(15), Some(SIGKILL)], &[false, true, false]),
        ("a stop that was faster", &[Some(15), Some(15), Some(SIGKILL), Some(SIGKILL)], &[false, true, false, true]),
        ("a custom stop signal", &[Some(10), Some(10)], &[false, true]),
        ("signals without a number", &[None, None, None], &[false, false, true]),
    ] {
        let mut own = OwnRestart::of_running();
        let found: Vec<bool> = signals.iter().map(|signal| own.is_foreign_signal(*signal)).collect();
        assert_eq!(found, foreign, "{name}");
    }
    assert!(OwnRestart::of_exited().is_foreign_signal(Some(15)));
}

#[test]
fn a_restart_waits_for_events_that_may_still_come() {
    let ended = Instant::now();
    let later = ended + Duration::from_secs(3);
    let (mut alone, mut joined) = (OwnRestart::of_running(), OwnRestart::of_running());
    for own in [&mut alone, &mut joined] {
        own.is_foreign_signal(Some(15));
    }
    assert_eq!(alone.next_step(ended, ended, ContainerStatus::Exited, false), NextStep::Wait(ended + DIE_EVENT_DELAY));
    assert_eq!(alone.next_step(later, ended, ContainerStatus::Exited, false), NextStep::Start, "the event was lost");
    joined.is_foreign_signal(Some(15));
    for own in [&mut alone, &mut joined] {
        own.died = true;
        assert_eq!(own.next_step(ended, ended, ContainerStatus::Exited, true), NextStep::Abandon);
        assert_eq!(own.next_step(ended, ended, ContainerStatus::Running, false), NextStep::Done);
        assert_eq!(own.next_step(ended, ended, ContainerStatus::Removing, false), NextStep::Done);
    }
    assert_eq!(alone.next_step(ended, ended, ContainerStatus::Exited, false), NextStep::Start);
    assert_eq!(
        joined.next_step(ended, ended, ContainerStatus::Exited, false),
        NextStep::Wait(ended + STOP_EVENT_DELAY)
    );
    assert_eq!(
        joined.next_step(later, ended, ContainerStatus::Exited, false),
        NextStep::Start,
        "a signal without a stop"
    );
}
