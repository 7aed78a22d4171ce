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

fn watching() -> Fleet {
    let mut fleet = Fleet::new(Vec::new(), BTreeMap::new(), Stops::Told);
    fleet.see(facts("a", "shop", ContainerStatus::Running));
    fleet
}

fn intent(fleet: &Fleet, now: Instant) -> Intent {
    fleet.watched["a"].observe(now).intent
}

const TERM: EventKind = EventKind::Signalled(Some(15));
const KILL: EventKind = EventKind::Signalled(Some(9));
const KILLED: EventKind = EventKind::Died(Some(137));

fn note(fleet: &mut Fleet, kinds: &[EventKind], now: Instant) {
    for kind in kinds {
        assert_eq!(fleet.note(&event(kind.clone()), now), News::Nothing);
    }
}

#[test]
fn a_stop_by_somebody_is_told_from_a_kill() {
    let now = Instant::now();
    let mut killed = watching();
    note(&mut killed, &[KILL, KILLED], now);
    assert_eq!(intent(&killed, now), Intent::Ending);
    assert_eq!(intent(&killed, now + Duration::from_mins(1)), Intent::Run);

    let mut stopped = watching();
    note(&mut stopped, &[TERM, KILLED, EventKind::Stopped], now);
    assert_eq!(intent(&stopped, now + Duration::from_mins(1)), Intent::Stop);
    note(&mut stopped, &[EventKind::Started], now);
    assert_eq!(intent(&stopped, now), Intent::Run);
}

/// What follows for one that our own restart has ended, after these events.
fn verdict(kinds: &[EventKind], now: Instant) -> (Option<Verdict>, Intent) {
    let mut fleet = watching();
    fleet.watched.get_mut("a").unwrap().own = Some(OwnRestart::of_running());
    note(&mut fleet, kinds, now);
    fleet.see(facts("a", "shop", ContainerStatus::Exited));
    let watched = fleet.watched.get_mut("a").unwrap();
    assert_eq!(watched.judge(now), None, "its end is not known yet");
    watched.own.as_mut().unwrap().step = Step::Ended(now);
    (watched.judge(now), intent(&fleet, now))
}

#[test]
fn a_stop_by_somebody_during_the_own_restart_wins() {
    let now = Instant::now();
    assert_eq!(verdict(&[TERM, KILL, KILLED], now), (Some(Verdict::Start), Intent::Run));
    assert_eq!(verdict(&[TERM, TERM, KILL, KILLED, EventKind::Stopped], now), (Some(Verdict::Stopped), Intent::Stop));
    let (waiting, intent) = verdict(&[TERM, TERM, KILLED], now);
    assert!(matches!(waiting, Some(Verdict::Wait(until)) if until > now), "its `stop` is still to come");
    assert_eq!(intent, Intent::Ending);
}

#[test]
fn a_stop_right_after_the_own_restart_counts() {
    let (mut fleet, now) = (watching(), Instant::now());
    fleet.watched.get_mut("a").unwrap().own = Some(OwnRestart::of_running());
    note(&mut fleet, &[TERM, KILLED, EventKind::Started], now);
    fleet.watched.get_mut("a").unwrap().own = None;
    note(&mut fleet, &[TERM, KILLED, EventKind::Stopped], now);
    assert_eq!(intent(&fleet, now), Intent::Stop);
}

#[test]
fn an_end_for_memory_is_news() {
    let (mut fleet, now) = (watching(), Instant::now());
    assert_eq!(fleet.note(&event(EventKind::OutOfMemory), now), News::Nothing);
    assert_eq!(fleet.note(&event(KILLED), now), News::OutOfMemory { times: 1 });
}

#[test]
fn an_end_that_nobody_signalled_is_a_stop_where_no_other_event_tells() {
    let now = Instant::now();
    let silent = || {
        let mut fleet = Fleet::new(Vec::new(), BTreeMap::new(), Stops::Silent);
        fleet.see(facts("a", "shop", ContainerStatus::Running));
        fleet
    };
    let died = event(EventKind::Died(Some(0)));
    let mut stopped = silent();
    stopped.note(&died, now);
    assert_eq!(intent(&stopped, now), Intent::Stop);
    stopped.note(&event(EventKind::Started), now);
    assert_eq!(intent(&stopped, now), Intent::Run, "the engine started it again");

    let mut killed = silent();
    killed.note(&event(EventKind::Signalled(None)), now);
    killed.note(&died, now);
    assert_eq!(intent(&killed, now), Intent::Ending);

    let mut own = silent();
    own.watched.get_mut("a").unwrap().own = Some(OwnRestart::of_running());
    own.note(&died, now);
    assert_eq!(intent(&own, now), Intent::Run);

    let mut told = watching();
    told.note(&died, now);
    assert_eq!(intent(&told, now), Intent::Run);
}

#[test]
fn what_did_not_run_when_it_was_found_is_left_alone() {
    let mut fleet = Fleet::new(Vec::new(), BTreeMap::new(), Stops::Told);
    assert_eq!(fleet.see(facts("a", "shop", ContainerStatus::Exited)), Some(Change::Found));
    assert_eq!(intent(&fleet, Instant::now()), Intent::Stop);
    assert_eq!(fleet.see(facts("a", "shop", ContainerStatus::Running)), Some(Change::Seen));
    assert_eq!(fleet.see(facts("a", "shop", ContainerStatus::Exited)), Some(Change::Seen));
    assert_eq!(intent(&fleet, Instant::now()), Intent::Run);
}

#[test]
fn containers_of_others_are_not_looked_at() {
    let mut fleet = Fleet::new(vec!["shop".to_owned(), "blog-1".to_owned()], BTreeMap::new(), Stops::Told);
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
        fleet.note(&event, now);
        assert_eq!(fleet.due(now + SETTLE), if expected { vec![name.to_owned()] } else { Vec::new() });
        let mut foreign = facts(name, "x", ContainerStatus::Running);
        (foreign.name, foreign.labels) = (event.name, event.labels);
        assert_eq!(fleet.see(foreign).is_some(), expected, "{name}");
    }
}

#[test]
fn a_list_tells_what_is_new_changed_and_gone() {
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
    let positions = BTreeMap::from([("old".to_owned(), Position::default())]);
    let mut fleet = Fleet::new(Vec::new(), positions, Stops::Told);
    for id in ["same", "ended", "gone"] {
        fleet.see(facts(id, "shop", ContainerStatus::Running));
    }
    let list = [
        entry("same", ContainerStatus::Running),
        entry("ended", ContainerStatus::Exited),
        entry("new", ContainerStatus::Running),
    ];
    assert_eq!(fleet.reconcile(&list, now), ["gone", "old"]);
    let mut due = fleet.due(now);
    due.sort();
    assert_eq!(due, ["ended", "new"]);
}

#[test]
fn logs_are_read_once_per_run() {
    let mut fleet = watching();
    let watched = fleet.watched.get_mut("a").unwrap();
    assert!(watched.wants_reader());
    (watched.logs.reading, watched.logs.run) = (true, watched.facts.state.started_at);
    assert!(!watched.wants_reader());
    watched.logs.reading = false;
    assert!(watched.wants_reader(), "it runs, and its stream broke");
    watched.logs.unreadable = true;
    assert!(!watched.wants_reader());
    watched.facts.state.status = ContainerStatus::Exited;
    watched.facts.state.started_at = DateTime::from_timestamp(2, 0);
    assert!(watched.wants_reader(), "a short run that nobody read");
}
