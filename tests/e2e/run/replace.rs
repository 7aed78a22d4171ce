//! Replacing a container, with and without a proxy in front.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::harness::{App, expect};
use crate::program::{Running, start_nextdeploy};
use crate::proxy::caddy::Caddy;
use crate::proxy::free_port;
use crate::proxy::load::{Connections, Load};

#[test]
fn the_port_moves_to_the_new_container_and_back() {
    let app = App::of_fixture("moves");
    let publish = free_port().to_string();
    expect(&app.run(&["--publish", &publish, "--env", "VERSION=one", &app.image]), 0);
    let one = app.running().remove(0);
    let address = app.address();

    let run = app.run(&["--replace", "--env", "VERSION=two", &app.image, "--json"]);
    expect(&run, 0);
    let result: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&result["replaced"], result["gapSeconds"].is_f64()), (&one.clone().into(), true));
    assert!(run.stderr.contains("no responses for"), "{}", run.stderr);
    assert_eq!(app.address(), address, "the port is the same without being asked for again");
    assert_eq!(app.get("/api/version").text(), "two");
    assert_eq!(app.containers().len(), 2, "the old one is kept");

    expect(&app.run(&["--replace", "--env", "VERSION=three", &app.image]), 0);
    assert_eq!(app.get("/api/version").text(), "three");
    let kept = app.containers();
    assert!(kept.len() == 2 && !kept.contains(&one), "only the last one is kept: {kept:?}");

    expect(&app.nextdeploy(&["rollback", &app.name]), 0);
    assert_eq!((app.get("/api/version").text().as_str(), app.address()), ("two", address));
    expect(&app.nextdeploy(&["rollback", &app.name]), 0);
    assert_eq!(app.get("/api/version").text(), "three", "and forth");
}

#[test]
fn a_container_stopped_manually_is_not_a_rollback_target() {
    let app = App::of_fixture("stopped");
    let publish = free_port().to_string();
    expect(&app.run(&["--publish", &publish, "--env", "VERSION=one", &app.image]), 0);
    expect(&app.run(&["--replace", "--env", "VERSION=two", &app.image]), 0);
    expect(&app.nextdeploy(&["stop", &app.name]), 0);
    let back = app.nextdeploy(&["rollback", &app.name]);
    expect(&back, 0);
    assert!(back.stderr.contains(&format!("http://127.0.0.1:{publish}")), "{}", back.stderr);
    assert_eq!(app.get("/api/version").text(), "one");

    // Its port is kept, too.
    expect(&app.nextdeploy(&["stop", &app.name]), 0);
    expect(&app.run(&["--replace", "--env", "VERSION=three", &app.image]), 0);
    assert_eq!((app.address().port().to_string(), app.get("/api/version").text()), (publish, "three".to_owned()));

    let alone = App::of_fixture("alone");
    expect(&alone.run(&["--publish", "0", &alone.image]), 0);
    expect(&alone.nextdeploy(&["stop", &alone.name]), 0);
    let back = alone.nextdeploy(&["rollback", &alone.name]);
    expect(&back, 2);
    assert!(back.stderr.contains("launch/no-previous") && alone.running().is_empty(), "{}", back.stderr);
}

#[test]
fn a_replacement_that_fails_leaves_the_old_one_serving() {
    let app = App::of_fixture("fails");
    expect(&app.run(&["--publish", "0", "--env", "VERSION=one", &app.image]), 0);
    let (one, address) = (app.containers(), app.address());
    let run = app.run(&["--replace", "--env", "PORT=none", &app.image]);
    expect(&run, 7);
    assert!(run.stderr.contains("PORT must be a number"), "{}", run.stderr);
    assert_eq!((app.containers(), app.address()), (one.clone(), address));
    assert_eq!(app.get("/api/version").text(), "one");

    // Healthy without its port, but unable to bind it.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = app.run(&["--replace", "--publish", &port, "--env", "VERSION=two", &app.image]);
    expect(&run, 7);
    assert!(run.stderr.contains("is running again"), "{}", run.stderr);
    assert_eq!(app.containers(), one);
    let answer = (0..50).find_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        crate::http::get(app.address(), "/api/version").ok()
    });
    assert_eq!(answer.unwrap().text(), "one");
    expect(&app.nextdeploy(&["rollback", &app.name]), 2);
}

#[test]
fn concurrent_replacements_let_only_one_proceed() {
    let app = App::of_fixture("turns");
    expect(&app.run(&["--publish", "0", "--env", "VERSION=one", &app.image]), 0);
    let arguments = ["run", "--network", &app.name, "--replace", "--env", "VERSION=two", &app.image];
    let both = [(); 2].map(|()| start_nextdeploy(&app.engine, app.path(), &arguments));
    let runs = both.map(Running::finish);
    let mut codes = runs.each_ref().map(|run| run.code);
    codes.sort_unstable();
    let said = runs.iter().map(|run| run.stderr.as_str()).collect::<String>();
    assert_eq!(codes, [Some(0), Some(2)], "{said}");
    assert!(said.contains("is replacing a container of the app"), "{said}");
    assert_eq!((app.running().len(), app.get("/api/version").text().as_str()), (1, "two"));
    let marks =
        app.engine.docker(&["ps", "--all", "--quiet", "--filter", &format!("name=nextdeploy-replacing-{}", app.name)]);
    assert_eq!(marks, "");
}

#[test]
fn no_request_is_lost_behind_a_proxy() {
    let app = App::of_fixture("proxied");
    let caddy = Caddy::empty();
    let site = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let assets = app.path().join("assets").to_string_lossy().into_owned();
    let publish = free_port().to_string();
    expect(&app.run(&["--publish", &publish, "--env", "VERSION=one", "--assets", &assets, &app.image]), 0);
    let upstream = app.address().to_string();
    let (domain, switch) = (format!("http://{site}"), app.path().join("switch").to_string_lossy().into_owned());
    let loading = [
        "proxy",
        "caddy",
        "--load",
        "--admin",
        &caddy.admin,
        "--domain",
        &domain,
        "--upstream",
        &upstream,
        "--name",
        &app.name,
        "--switch-dir",
        &switch,
    ];
    expect(&app.nextdeploy(&loading), 0);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let load = runtime.block_on(async { Load::start(site, "/api/version?wait=20", 4, Connections::Kept) });
    std::thread::sleep(Duration::from_secs(1));
    let replacing = ["--replace", "--proxy", &caddy.admin, "--env", "VERSION=two", "--assets", &assets, &app.image];
    let run = app.run(&replacing);
    expect(&run, 0);
    let back = app.nextdeploy(&["rollback", &app.name, "--proxy", &caddy.admin]);
    expect(&back, 0);
    std::thread::sleep(Duration::from_secs(1));
    let tally = runtime.block_on(load.finish());
    eprintln!("behind Caddy: {:?} answers, {} sent again, lost {:?}", tally.answers, tally.repeated, tally.lost);
    assert_eq!((tally.lost, tally.repeated), (Vec::new(), 0), "no connection was closed either");
    assert!(tally.answers.keys().all(|answer| ["one", "two"].contains(&answer.as_str())), "{:?}", tally.answers);
    assert!(tally.answers.len() == 2 && tally.answers.values().all(|count| *count > 20), "{:?}", tally.answers);
    for said in [&run.stderr, &back.stderr] {
        assert!(!said.contains("nothing answered") && !said.contains("closed idle connections"), "{said}");
    }
    assert_eq!(app.get("/api/version").text(), "one");

    let fails = app.run(&["--replace", "--proxy", &caddy.admin, "--env", "PORT=none", &app.image]);
    expect(&fails, 7);
    assert_eq!(crate::http::get(site, "/api/version").unwrap().text(), "one");

    let chunks = std::fs::read_dir(app.path().join("assets/_next/static/chunks")).unwrap().count();
    assert!(chunks > 0, "the hashed assets are in the folder");
    let mounted = app.inspect(&app.running()[0])["Mounts"].to_string();
    assert!(mounted.contains("assets/_next/static"), "without a proxy the container serves them from there: {mounted}");
}

#[test]
fn a_replacement_requires_an_existing_site() {
    let app = App::of_fixture("nosite");
    let caddy = Caddy::empty();
    let run = app.run(&["--replace", "--proxy", &caddy.admin, &app.image]);
    expect(&run, 2);
    assert!(run.stderr.contains("nextdeploy proxy caddy --load"), "{}", run.stderr);
    assert!(app.containers().is_empty());
}
